"""Lowering to generated kernels: which kernel serves an op, and with what operands.

Each function serves one op of the dialect, or a `sem.fused` by its anchor; it declines, with the
reason, whatever its kernel can't do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ActivationKind
from noema.dialects.elements import dtype_of
from noema.dialects.graph import definer, key_of
from noema.kernels import conv as convolution
from noema.kernels import gemm
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
from noema.kernels.window import Window
from noema.lowering import emit
from noema.lowering.kernel_calls import shaped
from noema.lowering.matmul import multiply
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


def lower_fused(node: Node) -> ir.Value:
    """A `sem.fused`, by its anchor."""
    refined = read_fused(node)
    match refined.anchor.op.operation.name:
        case "sem.matmul":
            return matmul(refined)
        case "sem.conv":
            return conv(refined)
        case other:
            raise Declined(f"no kernel for {other}")


def lower_matmul(node: Node) -> ir.Value:
    """A product with a weight that nothing refines."""
    return matmul(alone(node))


def lower_conv(node: Node) -> ir.Value:
    """A convolution that nothing refines."""
    return conv(alone(node))


def alone(node: Node) -> Refined:
    """An op without an epilogue."""
    result = node.results[0]
    assert result is not None
    return Refined(node, Epilogue((), _element(result)), (), result)


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
        if _element(value) == "bf16":
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
    return Refined(made, Epilogue(tuple(steps), _element(value)), tuple(operands), value)


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
    return Residual(_element(other)) if adds else Multiply(_element(other))


def _element(value: ir.Value) -> str:
    element = dtype_of(value.type).signless
    if element not in _ELEMENTS:
        raise Declined(f"no kernels for {element}")
    return element


def matmul(refined: Refined) -> ir.Value:
    """(…, K) × weight (K, N), refined: one GEMM over all rows."""
    node = refined.anchor
    lhs, rhs = node.inputs[0], node.inputs[1]
    assert lhs is not None and rhs is not None
    weight = node.known(rhs)
    if weight is None or weight.ndim != 2:
        raise Declined("a product without a weight")
    if node.int("transpose_lhs"):
        raise Declined("a transposed left-hand side")
    transposed = bool(node.int("transpose_rhs"))
    x = node.lowered(lhs)
    by_input = weight.T if transposed else weight
    return gemm_of(refined, x, emit.extents(x)[:-1], rhs, by_input, _element(lhs))


def gemm_of(
    refined: Refined,
    x: ir.Value,
    leading: Sequence[emit.Extent],
    weight: ir.Value,
    by_input: NDArray[np.generic],
    lhs: str,
) -> ir.Value:
    """x (leading…, K) · weights (K, N), refined: (leading…, N).

    Args:
        refined: What it is, and what follows.
        x: The lowered left-hand side.
        leading: Its extents without the last.
        weight: The `sem` value of the weight.
        by_input: Its values as (K, N).
        lhs: Element type of x.
    """
    node = refined.anchor
    k, n = by_input.shape
    rows: emit.Extent = 1
    for extent in leading:
        rows = multiply(rows, extent)
    m = rows if isinstance(rows, int) else "m"
    kernel = gemm.candidates(m, n, k, isa_for(node), _element(weight), refined.epilogue)[0]
    panels = kernel.packed_shape
    form = f"gemm.{panels[0]}x{panels[1]}x{panels[2]}.{n}x{k}"
    packed = node.kernels.packed(
        node.source(weight), form, lambda: kernel.packed(np.asarray(by_input))
    )
    symbols = {} if isinstance(rows, int) else {"m": rows}
    operands = [x, packed, *(node.lowered(v) for v in refined.operands)]
    (made,) = node.kernels.call(kernel, operands, symbols)
    return shaped(made, [*leading, n])


def isa_for(node: Node) -> Isa:
    """What kernels may use; there is something, or none would be asked for."""
    assert node.kernels.isa is not None
    return node.kernels.isa


def conv(refined: Refined) -> ir.Value:
    """A convolution channels last: a GEMM over the pixels where it is one, else its own kernel."""
    node = refined.anchor
    x, weight = node.inputs[0], node.inputs[1]
    assert x is not None and weight is not None
    if not node.given("channels_last"):
        raise Declined("a convolution channels first")
    weights = node.known(weight)
    if weights is None:
        raise Declined("a convolution without a weight")
    if node.has(2):
        bias = node.inputs[2]
        assert bias is not None
        steps = (Bias(), *refined.epilogue.steps)
        refined = Refined(
            node,
            Epilogue(steps, refined.epilogue.element),
            (bias, *refined.operands),
            refined.result,
        )
    lowered = node.lowered(x)
    strides, dilations, pads = (list(node.ints(n) or []) for n in ("strides", "dilations", "pads"))
    groups, kernel = node.int("groups"), list(weights.shape[2:])
    if groups == 1 and prod(kernel) == prod(strides) == 1 and not any(pads):
        by_input = weights.reshape(weights.shape[:2]).T
        return gemm_of(refined, lowered, emit.extents(lowered)[:-1], weight, by_input, _element(x))
    if groups > 1 and weights.shape[1] == 1:
        raise Declined("a depthwise convolution")
    window, batch = window_of(lowered, kernel, strides, dilations, pads)
    filters = weights.shape[0]
    problem = convolution.ConvProblem(window, filters, groups, _element(x), refined.epilogue)
    found = convolution.candidates(problem, isa_for(node))[0]
    shape = found.interface.operands[1].extents
    form = f"conv.{'x'.join(map(str, shape))}"
    packed = node.kernels.packed(
        node.source(weight), form, lambda: found.pack(_planar(np.asarray(weights)))
    )
    operands = [lowered, packed, *(node.lowered(v) for v in refined.operands)]
    (made,) = node.kernels.call(found, operands, {} if isinstance(batch, int) else {"n": batch})
    out = [window.out_height, window.out_width][2 - len(kernel) :]
    return shaped(made, [batch, *out, filters])


def window_of(
    x: ir.Value,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> tuple[Window, emit.Extent]:
    """The window of a convolution or pooling over x (N, spatial…, C), and N.

    Raises:
        Declined: Not 1 or 2 spatial dimensions, or one of unknown extent.
    """
    batch, *known = emit.shape_of(x)
    spatial = len(kernel)
    extents = [d for d in known if d is not None]
    if spatial not in (1, 2) or len(extents) != spatial + 1:
        raise Declined("not one or two spatial dimensions of known extent")
    # One spatial dimension is a row of an image of height 1.
    height = [1] * (2 - spatial)

    def pair(values: Sequence[int]) -> tuple[int, int]:
        high, wide = [*height, *values]
        return high, wide

    none = [0] * (2 - spatial)
    before, after = [*none, *pads[:spatial]], [*none, *pads[spatial:]]
    window = Window(
        "n" if batch is None else batch,
        *pair(extents[:-1]),
        extents[-1],
        pair(kernel),
        pair(strides),
        pair(dilations),
        (before[0], before[1], after[0], after[1]),
    )
    return window, emit.extent(x, 0)


def _planar(weights: NDArray[np.generic]) -> NDArray[np.generic]:
    """(F, C, K) as (F, C, 1, K); (F, C, KH, KW) as it is."""
    return weights if weights.ndim == 4 else weights[:, :, None, :]
