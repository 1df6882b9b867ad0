"""The nodes that stand for one operator of ONNX Runtime, under construction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper, numpy_helper

from noema.dtypes import DType
from noema.frontend.shapes import ValueType
from noema.signature import Dim

OPSET = 25
"""Version of the default operator set that expansions are written in: the first that has all that
`com.microsoft` has, sliding windows of attention among it."""


class Unexpandable(Exception):
    """A form of the operator that has no expansion; the message says which."""


class Expansion:
    """A node of ONNX Runtime, and the nodes of ONNX that are to stand for it.

    Attributes:
        node: The node. An output that nobody uses has no name.
        nodes: What was written so far, in topological order, of operator set `OPSET`.
        tensors: The constants among its operands.
    """

    def __init__(
        self,
        node: onnx.NodeProto,
        types: Mapping[str, ValueType],
        constants: Mapping[str, NDArray[Any]],
        fresh: Callable[[str], str],
    ) -> None:
        self.node = node
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._types = types
        self._constants = constants
        self._fresh = fresh
        self._attributes = {a.name: a for a in node.attribute}

    # The node.

    def has(self, slot: int) -> bool:
        """Whether the input is there."""
        return slot < len(self.node.input) and bool(self.node.input[slot])

    def input(self, slot: int) -> str:
        """Name of an input; empty if it is absent."""
        return self.node.input[slot] if self.has(slot) else ""

    def wants(self, slot: int) -> bool:
        """Whether the output is there."""
        return slot < len(self.node.output) and bool(self.node.output[slot])

    def dtype(self, slot: int) -> DType:
        return self._types[self.node.input[slot]].dtype

    def shape(self, slot: int) -> tuple[Dim, ...]:
        """Extents of an input that is there; a text stands for an unknown one."""
        return self._types[self.node.input[slot]].shape

    def extent(self, slot: int, axis: int) -> int:
        """An extent that the expansion has to know.

        Raises:
            Unexpandable: It isn't known.
        """
        shape = self.shape(slot)
        extent = shape[axis] if -len(shape) <= axis < len(shape) else None
        if not isinstance(extent, int):
            raise Unexpandable(f"dimension {axis} of its input {slot} is unknown")
        return extent

    def value(self, slot: int) -> NDArray[Any] | None:
        """The input's value, if it is a small constant."""
        return self._constants.get(self.input(slot))

    def int(self, name: str, default: int = 0) -> int:
        """An INT attribute."""
        return self._attributes[name].i if name in self._attributes else default

    def float(self, name: str, default: float) -> float:
        """A FLOAT attribute."""
        return self._attributes[name].f if name in self._attributes else default

    def text(self, name: str, default: str) -> str:
        """A STRING attribute."""
        if name not in self._attributes:
            return default
        return self._attributes[name].s.decode("utf-8", "replace")

    def ints(self, name: str) -> list[int]:
        """An INTS attribute; empty if it is absent."""
        return list(self._attributes[name].ints) if name in self._attributes else []

    def floats(self, name: str) -> list[float]:
        """A FLOATS attribute; empty if it is absent."""
        return list(self._attributes[name].floats) if name in self._attributes else []

    def given(self, *names: str) -> dict[str, onnx.AttributeProto]:
        """Those of the node's attributes that are there, to hand on as they are."""
        return {name: self._attributes[name] for name in names if name in self._attributes}

    def refuse(self, *, attributes: Sequence[str] = (), inputs: Sequence[int] = ()) -> None:
        """Refuses a node that has one of these inputs, or sets one of these attributes.

        Raises:
            Unexpandable: It does.
        """
        for name in attributes:
            # -1 is "not set" where 0 would mean something.
            if self.int(name, 0) not in (0, -1):
                raise Unexpandable(f"{name} = {self.int(name, 0)}")
        for slot in inputs:
            if self.has(slot):
                raise Unexpandable(f"its input {slot} is given")

    # What stands for it.

    def constant(self, value: ArrayLike, dtype: DType | np.dtype[Any] | type = np.int64) -> str:
        """A constant."""
        kind = dtype.numpy if isinstance(dtype, DType) else dtype
        name = self._fresh(f"{self.node.name}/constant")
        self.tensors.append(numpy_helper.from_array(np.asarray(value).astype(kind), name))
        return name

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Writes a node of one output; empty inputs are absent, attributes of None too."""
        return self.ops(op_type, inputs, [True], **attributes)[0]

    def ops(
        self, op_type: str, inputs: Sequence[str], outputs: Sequence[bool], **attributes: Any
    ) -> list[str]:
        """Writes a node.

        Args:
            op_type: Operator of the default domain.
            inputs: Names; empty for an absent one.
            outputs: Which outputs it has; the name of one that it hasn't is empty.
            **attributes: Values, or attributes of the node as `given` hands them on.
        """
        operands = list(inputs)
        while operands and not operands[-1]:
            operands.pop()
        name = self._fresh(f"{self.node.name}/{op_type}")
        results = [
            self._fresh(f"{name}/{index}") if there else "" for index, there in enumerate(outputs)
        ]
        made = onnx.NodeProto(op_type=op_type, name=name, input=operands, output=results)
        while made.output and not made.output[-1]:
            made.output.pop()
        for key, value in attributes.items():
            if value is None:
                continue
            if isinstance(value, onnx.AttributeProto):
                made.attribute.add().CopyFrom(value)
                made.attribute[-1].name = key
            else:
                made.attribute.append(helper.make_attribute(key, value))
        self.nodes.append(made)
        return results

    def finish(self, results: Sequence[str | None]) -> None:
        """Ties the values that `results` names to the node's outputs.

        Raises:
            Unexpandable: An output is used that `results` lacks.
        """
        made = {name for n in self.nodes for name in n.output if name}
        for slot, target in enumerate(self.node.output):
            if not target:
                continue
            value = results[slot] if slot < len(results) else None
            if value is None:
                raise Unexpandable(f"its output {slot} is used")
            if value not in made:
                self.nodes.append(
                    onnx.NodeProto(
                        op_type="Identity",
                        name=self._fresh(f"{self.node.name}/Identity"),
                        input=[value],
                        output=[target],
                    )
                )
                continue
            made.remove(value)
            for n in self.nodes:
                for names in (n.input, n.output):
                    for index, name in enumerate(names):
                        if name == value:
                            names[index] = target
