"""Pass `fold-constants`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind
from noema.dialects.elements import dtype_of, to_array, to_attribute
from noema.errors import InternalError
from noema.evaluate import EvaluationFailed, evaluate_node
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.elementwise import ELEMENTWISE

NONDETERMINISTIC = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)
"""Operators whose value isn't decided by their operands."""

_FOLDED = frozenset({"sem.onnx", "sem.elementwise"})
_OPSET = 21
"""Opset in which a kind of `sem.elementwise` is evaluated."""
_OPERATORS: dict[str, tuple[str, dict[str, object]]] = {
    **{kind.value: (op_type, {}) for op_type, kind in ELEMENTWISE.items()},
    ElementwiseKind.CLIP: ("Clip", {}),
    ElementwiseKind.FMOD: ("Mod", {"fmod": 1}),
    ElementwiseKind.MAX: ("Max", {}),
    ElementwiseKind.MIN: ("Min", {}),
    ElementwiseKind.MOD: ("Mod", {}),
    ElementwiseKind.PRELU: ("PRelu", {}),
    ElementwiseKind.SHIFT_LEFT: ("BitShift", {"direction": "LEFT"}),
    ElementwiseKind.SHIFT_RIGHT: ("BitShift", {"direction": "RIGHT"}),
}


@dataclass(frozen=True)
class FoldConstants(Pass):
    """Replaces ops that have only constant operands by their values.

    Looks at `sem.onnx` and `sem.elementwise` with static result types; onnx's reference evaluator
    computes the values. Weights (`sem.param`) are not constants here.

    ```mlir
    %0 = "sem.constant"() {value = dense<[2.0, 4.0]> : tensor<2xf32>} : () -> tensor<2xf32>
    %1 = "sem.elementwise"(%0, %0) {kind = "mul", …} : (tensor<2xf32>, tensor<2xf32>) -> …
    ```
    -->
    ```mlir
    %1 = "sem.constant"() {value = dense<[4.0, 16.0]> : tensor<2xf32>} : () -> tensor<2xf32>
    ```

    Attributes:
        max_bytes: Largest result that becomes a constant, in bytes; larger ones stay computed.
    """

    name = "fold-constants"
    max_bytes: int = 65536

    def __post_init__(self) -> None:
        if self.max_bytes < 0:
            raise ValueError(f"max-bytes is negative: {self.max_bytes}")

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        folded = 0
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    # In order, so that a folded op's users see constants.
                    for view in list(block.operations):
                        op = view.operation
                        if op.name in _FOLDED and self._fold(view):
                            folded += 1
        return PassResult(folded > 0, {"folded": folded})

    def _fold(self, op: ir.OpView) -> bool:
        operation = op.operation
        if not len(operation.operands):
            return False
        for value in operation.operands:  # the quickest guard, and nearly always the one
            owner = value.owner
            if isinstance(owner, ir.Block) or owner.name != "sem.constant":
                return False
        if any(_nbytes(result) > self.max_bytes for result in op.results):
            return False
        inputs = [None if v is None else _constant(v) for v in sem.slots(op)]
        if any(v is not None and a is None for v, a in zip(sem.slots(op), inputs, strict=True)):
            return False
        try:
            values = _evaluate(op, inputs)
        except EvaluationFailed:
            return False  # left for the lowering, which may know better
        if values is None:
            return False
        attributes = [to_attribute(v) for v in values]
        if [a.type for a in attributes] != [r.type for r in op.results]:
            return False
        with op.location, ir.InsertionPoint(op):
            for attribute, result in zip(attributes, list(op.results), strict=True):
                constant = sem.ConstantOp(attribute.type, value=attribute)
                result.replace_all_uses_with(constant.results[0])
        op.operation.erase()
        return True


def _nbytes(value: ir.Value) -> float:
    """Bytes of a value; infinite if its extents are dynamic."""
    size = dtype_of(value.type).numpy.itemsize
    for extent in sem.shape_of(value):
        if extent is None:
            return float("inf")
        size *= extent
    return size


def _constant(value: ir.Value) -> NDArray[np.generic] | None:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "sem.constant":
        return None
    return to_array(owner.attributes["value"])


def _evaluate(
    op: ir.OpView, inputs: list[NDArray[np.generic] | None]
) -> list[NDArray[np.generic]] | None:
    """Values of the op's results, in order; None if no ONNX operator says what the op does."""
    names = [f"i{i}" for i in range(len(inputs))]
    if op.operation.name == "sem.elementwise":
        kind = ir.StringAttr(op.attributes["kind"]).value
        if kind == ElementwiseKind.CAST:
            operator, attributes = "Cast", {"to": dtype_of(op.results[0].type).onnx}
        elif kind in _OPERATORS:
            operator, attributes = _OPERATORS[kind]
        else:
            return None
        node = helper.make_node(operator, names, ["o0"], **attributes)
        opsets = {"": _OPSET}
    else:
        operator = ir.StringAttr(op.attributes["op_type"]).value
        domain = ir.StringAttr(op.attributes["domain"]).value
        if operator in NONDETERMINISTIC or domain not in ("", "ai.onnx"):
            return None
        outputs = ["" if v is None else f"o{i}" for i, v in enumerate(sem.slots(op, "result"))]
        node = helper.make_node(operator, names, outputs)
        attrs = ir.DictAttr(op.attributes["attrs"])
        node.attribute.extend(_attribute(named.name, named.attr) for named in attrs)
        opsets = {"": ir.IntegerAttr(op.attributes["version"]).value}
    return [v for v in evaluate_node(node, inputs, opsets) if v is not None]


def _attribute(name: str, attr: ir.Attribute) -> onnx.AttributeProto:
    if isinstance(attr, ir.IntegerAttr | ir.FloatAttr | ir.StringAttr):
        return helper.make_attribute(name, attr.value)
    if isinstance(attr, ir.DenseI64ArrayAttr | ir.DenseF32ArrayAttr):
        of_floats = isinstance(attr, ir.DenseF32ArrayAttr)
        kind = onnx.AttributeProto.FLOATS if of_floats else onnx.AttributeProto.INTS
        return helper.make_attribute(name, list(attr), attr_type=kind)
    if isinstance(attr, ir.ArrayAttr):
        texts = [ir.StringAttr(a).value for a in attr]
        return helper.make_attribute(name, texts, attr_type=onnx.AttributeProto.STRINGS)
    if isinstance(attr, ir.DenseElementsAttr):
        return helper.make_attribute(name, numpy_helper.from_array(to_array(attr)))
    raise InternalError(f"sem.onnx attribute {name!r} of a kind that no importer writes: {attr}")
