"""The frame of a rewrite that turns one `sem.onnx` node into named ops.

A rewrite checks its guards first and builds only when all hold, so that declining leaves no
trace; it returns the value that stands for the node's first output, or a value for each output.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import dtype_of, integers_in, spelling, to_attribute

FLOATS = frozenset({"f16", "bf16", "f32", "f64"})
"""Element types that named ops compute in."""
INTEGERS = frozenset({"i8", "i16", "i32", "i64", "ui8", "ui16", "ui32", "ui64"})
SCALARS = FLOATS | INTEGERS | {"i1"}
"""Element types of `sem.elementwise`; narrower and complex ones stay `sem.onnx`."""


@dataclass(eq=False, slots=True)
class OnnxNode:
    """A `sem.onnx` op, read as an ONNX node of the default domain.

    Attributes:
        op: The op.
        op_type: ONNX operator.
        inputs: By ONNX input position; None where omitted, and none after the last present.
        outputs: The same for outputs.
        attributes: The node's attributes.
    """

    op: ir.Operation
    op_type: str
    inputs: Sequence[ir.Value | None]
    outputs: Sequence[ir.Value | None]
    attributes: ir.DictAttr

    @staticmethod
    def of(op: ir.Operation) -> OnnxNode | None:
        """The node that a `sem.onnx` holds; None if it isn't one of ONNX's own operators."""
        held = op.attributes
        if ir.StringAttr(held["domain"]).value not in ("", "ai.onnx"):
            return None
        return OnnxNode(
            op,
            ir.StringAttr(held["op_type"]).value,
            sem.slots(op),
            sem.slots(op, "result"),
            ir.DictAttr(held["attrs"]),
        )

    @property
    def version(self) -> int:
        """Opset version of the model."""
        return ir.IntegerAttr(self.op.attributes["version"]).value

    @property
    def elements(self) -> set[str]:
        """Spellings of the element types of all inputs and of the first output."""
        # Most of them have one type, and comparing types is quicker than spelling them.
        types = {v.type for v in (*self.inputs, self.outputs[0]) if v is not None}
        return {spelling(ir.RankedTensorType(t).element_type) for t in types}

    def input(self, position: int) -> ir.Value | None:
        """The input at an ONNX position; None if omitted."""
        return self.inputs[position] if position < len(self.inputs) else None

    def required(self, count: int) -> list[ir.Value] | None:
        """The first `count` inputs, or None if one of them is missing."""
        present = [v for v in self.inputs[:count] if v is not None]
        return present if len(present) == count else None

    @property
    def type(self) -> ir.RankedTensorType:
        """Type of the first output."""
        assert self.outputs[0] is not None
        return ir.RankedTensorType(self.outputs[0].type)

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Extents of the first output, None where dynamic."""
        assert self.outputs[0] is not None
        return sem.shape_of(self.outputs[0])

    def int(self, name: str, default: int) -> int:
        """An INT attribute."""
        return ir.IntegerAttr(self.attributes[name]).value if name in self.attributes else default

    def float(self, name: str, default: float) -> float:
        """A FLOAT attribute."""
        return ir.FloatAttr(self.attributes[name]).value if name in self.attributes else default

    def text(self, name: str, default: str) -> str:
        """A STRING attribute."""
        return ir.StringAttr(self.attributes[name]).value if name in self.attributes else default

    def ints(self, name: str, default: Sequence[int]) -> list[int]:
        """An INTS attribute."""
        if name not in self.attributes:
            return list(default)
        return integers_in(ir.DenseI64ArrayAttr(self.attributes[name]))

    def axis(self, default: int) -> int | None:
        """The `axis` attribute counted from the front of the first input; None if it is outside."""
        value = self.input(0)
        if value is None:
            return None
        rank = len(sem.shape_of(value))
        axis = self.int("axis", default)
        axis = axis + rank if axis < 0 else axis
        return axis if 0 <= axis < rank else None

    def is_of(self, elements: Collection[str]) -> bool:
        """Whether all inputs and the first output have one element type, one of `elements`."""
        kinds = self.elements
        return len(kinds) == 1 and kinds.pop() in elements


class OnnxRewrite(ABC):
    """One rewrite of single nodes."""

    op_types: ClassVar[tuple[str, ...]]
    """The ONNX operators that it looks at."""
    all_outputs: ClassVar[bool] = False
    """Whether it serves every output; else only the first may have uses when it is tried."""

    @abstractmethod
    def rewrite(self, node: OnnxNode) -> ir.Value | Sequence[ir.Value | None] | None:
        """Builds the replacement at the current insertion point and location.

        Returns:
            A value of the type of the node's first output, or, for `all_outputs`, one for each
            output (None where it is omitted); None to leave the node as it is, in which case
            nothing was built.
        """


def element_of(value: ir.Value) -> str:
    """Spelling of a tensor value's element type."""
    return spelling(ir.RankedTensorType(value.type).element_type)


def with_shape(shape: Sequence[int | None], like: ir.Value) -> ir.RankedTensorType:
    """Tensor type of these extents (None is dynamic) and the element type of `like`."""
    dynamic = ir.ShapedType.get_dynamic_size()
    extents = [dynamic if d is None else d for d in shape]
    return ir.RankedTensorType.get(extents, ir.RankedTensorType(like.type).element_type)


def scalar(value: float, like: ir.Value) -> ir.Value:
    """A rank-0 `sem.constant` of the element type of `like`."""
    attribute = to_attribute(np.array(value).astype(dtype_of(like.type).numpy))
    return sem.build_constant(attribute)


def elementwise(kind: str, operands: Sequence[ir.Value], result: ir.Type) -> ir.Value:
    """A `sem.elementwise`."""
    return sem.build_elementwise(kind, operands, result)


def i64(value: int) -> ir.IntegerAttr:
    """An `i64` attribute."""
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def f32(value: float) -> ir.FloatAttr:
    """An `f32` attribute."""
    return ir.FloatAttr.get(ir.F32Type.get(), value)
