"""What a lowering sees of one op, and what it can refuse with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import dtype_of, integers_in, to_array
from noema.dtypes import DType
from noema.lowering.kernel_calls import KernelCalls, constant_name

T = TypeVar("T")


class Declined(Exception):
    """A lowering can't serve this instance of its op; the message says why.

    Not a user error by itself: the driver tries the next route and reports the gap if none serves.
    """


@dataclass(frozen=True)
class Node:
    """One `sem` op about to be lowered.

    Attributes:
        op: The op; its types are `sem` types.
        lowered: The lowered value that stands for one of the sem module.
        known: The values of one of the sem module if it is a constant or a weight, else None.
        kernels: Calls of generated kernels, and weights packed for them.
    """

    op: ir.OpView
    lowered: Callable[[ir.Value], ir.Value]
    known: Callable[[ir.Value], NDArray[np.generic] | None]
    kernels: KernelCalls

    def constant(self, slot: int) -> NDArray[np.generic] | None:
        """Values of the operand in a slot if it is known at compile time, else None."""
        value = self.inputs[slot] if self.has(slot) else None
        return None if value is None else self.known(value)

    @cached_property
    def inputs(self) -> list[ir.Value | None]:
        """The op's own operands (of `sem` types) by slot."""
        return sem.slots(self.op)

    def has(self, slot: int) -> bool:
        """Whether the operand slot is filled."""
        return slot < len(self.inputs) and self.inputs[slot] is not None

    def operand(self, slot: int) -> ir.Value:
        """The lowered operand in a slot that must be filled."""
        if not self.has(slot):
            raise Declined(f"input {slot} is missing")
        value = self.inputs[slot]
        assert value is not None
        return self.lowered(value)

    def optional(self, slot: int) -> ir.Value | None:
        """The lowered operand, or None where the slot is empty."""
        return self.operand(slot) if self.has(slot) else None

    def source(self, value: ir.Value) -> str:
        """The name under which forms of a known value are kept."""
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.name == "sem.param":
            return str(ir.StringAttr(owner.attributes["parameter"]).value)
        array = self.known(value)
        assert array is not None
        return constant_name(array)

    def dtype(self, slot: int) -> DType:
        """Element type of an operand, signedness included."""
        value = self.inputs[slot]
        assert value is not None
        return dtype_of(value.type)

    @cached_property
    def results(self) -> list[ir.Value | None]:
        """The op's results (of `sem` types) by slot."""
        return sem.slots(self.op, "result")

    def result_dtype(self, slot: int = 0) -> DType:
        """Element type of a result, signedness included."""
        value = self.results[slot]
        assert value is not None
        return dtype_of(value.type)

    def result_element(self, slot: int = 0) -> ir.Type:
        """Lowered (signless) element type of a result."""
        return ir.Type.parse(self.result_dtype(slot).signless)

    def result_shape(self, slot: int = 0) -> tuple[int | None, ...]:
        """Extents of a result as the model declares or implies them."""
        value = self.results[slot]
        assert value is not None
        return sem.shape_of(value)

    @property
    def kind(self) -> str:
        """ONNX op type of a `sem.onnx`, else the name of the op."""
        if self.op.name == "sem.onnx":
            return str(ir.StringAttr(self.op.attributes["op_type"]).value)
        return str(self.op.name)

    @property
    def version(self) -> int:
        """Opset version of a `sem.onnx`."""
        return int(ir.IntegerAttr(self.op.attributes["version"]).value)

    @cached_property
    def _attributes(self) -> Mapping[str, ir.Attribute]:
        if self.op.name != "sem.onnx":
            return {name: self.op.attributes[name] for name in self.op.attributes}
        return {a.name: a.attr for a in ir.DictAttr(self.op.attributes["attrs"])}

    def given(self, name: str) -> bool:
        """Whether the attribute is there."""
        return name in self._attributes

    def int(self, name: str, default: int | None = None) -> int:
        """An integer (or boolean) attribute."""
        if name not in self._attributes:
            return _default(name, default)
        return int(ir.IntegerAttr(self._attributes[name]).value)

    def float(self, name: str, default: float | None = None) -> float:
        """A float attribute."""
        if name not in self._attributes:
            return _default(name, default)
        return float(ir.FloatAttr(self._attributes[name]).value)

    def text(self, name: str, default: str | None = None) -> str:
        """A string attribute."""
        if name not in self._attributes:
            return _default(name, default)
        return str(ir.StringAttr(self._attributes[name]).value)

    def ints(self, name: str) -> Sequence[int] | None:
        """An integer list attribute, None if absent."""
        if name not in self._attributes:
            return None
        return integers_in(ir.DenseI64ArrayAttr(self._attributes[name]))

    def floats(self, name: str) -> Sequence[float] | None:
        """A float list attribute, None if absent."""
        if name not in self._attributes:
            return None
        return list(ir.DenseF32ArrayAttr(self._attributes[name]))

    def texts(self, name: str) -> Sequence[str] | None:
        """A string list attribute, None if absent."""
        if name not in self._attributes:
            return None
        return [str(ir.StringAttr(a).value) for a in ir.ArrayAttr(self._attributes[name])]

    def tensor(self, name: str) -> NDArray[np.generic] | None:
        """A tensor attribute, None if absent."""
        return to_array(self._attributes[name]) if name in self._attributes else None


def _default(name: str, value: T | None) -> T:
    if value is None:
        raise Declined(f"attribute {name} is missing")
    return value


Lowering = Callable[[Node], "ir.Value | Sequence[ir.Value | None]"]
"""Emits the computation at the current insertion point; returns a value per result slot."""
