"""What a `sem.fused` is to a kernel: its anchor, and the rest as an epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ActivationKind
from noema.dialects.elements import dtype_of
from noema.dialects.graph import definer, key_of
from noema.kernels.epilogue import (
    Activate,
    Bias,
    Curve,
    Epilogue,
    Multiply,
    Residual,
    Scale,
    Step,
    Times,
)
from noema.kernels.kernel import Isa
from noema.lowering.node import Declined, Node

_ELEMENTS = {"f32", "bf16"}


@dataclass(frozen=True)
class Refined:
    """An anchor op and what is done to its result.

    Attributes:
        anchor: The product.
        epilogue: What follows it.
        operands: Of the `sem` module: what the epilogue's steps read, in order.
        result: The value that it all makes.
    """

    anchor: Node
    epilogue: Epilogue
    operands: tuple[ir.Value, ...]
    result: ir.Value


def alone(node: Node) -> Refined:
    """An op without an epilogue."""
    result = node.results[0]
    assert result is not None
    return Refined(node, Epilogue((), element_of(result)), (), result)


def read_fused(node: Node) -> Refined:
    """The anchor of a `sem.fused`, and the others as an epilogue.

    Raises:
        Declined: Kernels have no such step.
    """
    anchor, *rest = list(node.op.regions[0].blocks[0].operations)[:-1]
    value = anchor.results[0]
    steps: list[Step] = []
    operands: list[ir.Value] = []
    for view in rest:
        op = view.operation
        if element_of(value) == "bf16":
            raise Declined("arithmetic after the result was narrowed to bf16")
        others = [v for v in op.operands if v != value]
        other = _stored(others[0]) if others else None
        step = _step(node, op, other, value)
        if step is not None:
            steps.append(step)
            if other is not None and isinstance(step, Bias | Scale | Residual | Multiply):
                operands.append(other)
        value = op.results[0]
    made = Node(anchor, node.lowered, node.known, node.kernels)
    return Refined(made, Epilogue(tuple(steps), element_of(value)), tuple(operands), value)


def _stored(value: ir.Value) -> ir.Value:
    """What a value is widened from, if it is: kernels read bf16 as f32 themselves."""
    op = definer(value)
    if op is not None and key_of(op) == "elementwise.cast":
        source = op.operands[0]
        if (dtype_of(source.type).signless, dtype_of(value.type).signless) == ("bf16", "f32"):
            return source
    return value


def _step(node: Node, op: ir.Operation, other: ir.Value | None, value: ir.Value) -> Step | None:
    key = key_of(op)
    if op.name == "sem.activation":
        kind = ActivationKind(key.partition(".")[2])
        if kind not in {*Curve}:
            raise Declined(f"no {kind} in an epilogue")
        alpha, beta = (ir.FloatAttr(op.attributes[n]).value for n in ("alpha", "beta"))
        return Activate(Curve(kind), alpha, beta)
    if key == "elementwise.cast":
        return None  # the result's element says it
    if key == "elementwise.clip":
        low, high = (node.known(v) for v in list(op.operands)[1:])
        if low is None or high is None:
            raise Declined("clipping between values that aren't known")
        return Activate(Curve.CLIP, float(low.reshape(())), float(high.reshape(())))
    if key not in ("elementwise.add", "elementwise.mul") or other is None:
        raise Declined(f"no {key} in an epilogue")
    adds = key == "elementwise.add"
    shape = sem.shape_of(other)
    array = node.known(other)
    if prod(d or 2 for d in shape) == 1 and sem.shape_of(value)[-1] != 1:
        if adds or array is None:
            raise Declined("a number that is added, or isn't known")
        return Times(float(array.reshape(())))
    if (
        array is not None
        and shape[-1] == sem.shape_of(value)[-1]
        and prod(d or 2 for d in shape[:-1]) == 1
    ):
        return Bias() if adds else Scale()
    if shape != sem.shape_of(value):
        raise Declined(f"an operand of {shape} in an epilogue")
    return Residual(element_of(other)) if adds else Multiply(element_of(other))


def element_of(value: ir.Value) -> str:
    """The element type of a `sem` value, if kernels have it."""
    element = dtype_of(value.type).signless
    if element not in _ELEMENTS:
        raise Declined(f"no kernels for {element}")
    return element


def isa_for(node: Node) -> Isa:
    """What kernels may use; there is something, or none would be asked for."""
    assert node.kernels.isa is not None
    return node.kernels.isa
