"""Lowering of `sem.softmax` and `sem.norm`.

Statistics are two passes over the data (mean, then mean of squared differences), in f32 for
narrower operands: a one-pass variance cancels when the mean is large.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math

from noema.dialects.attrs import NormKind
from noema.lowering import emit
from noema.lowering.matmul import multiply
from noema.lowering.node import Declined, Node


def lower_softmax(node: Node) -> ir.Value:
    """exp(x - max) / Σ exp(x - max) along `axis`; log: x - max - log Σ exp(x - max)."""
    x, axis = node.operand(0), node.int("axis")
    if not node.dtype(0).is_float or node.dtype(0).bits < 16:
        raise Declined(f"softmax of {node.dtype(0)}")
    narrow = emit.element_of(x)
    x = emit.widen(x)
    if not node.int("log"):
        out = emit.empty(emit.extents(x), emit.element_of(x))
        dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis)
        soft = linalg.SoftmaxOp([out.type], x, out, dimension).results[0]
        return emit.narrow(soft, narrow)
    element = emit.element_of(x)
    lowest = emit.scalar(emit.lowest(element), element)
    top = emit.reduce(x, [axis], lowest, lambda v, m: arith.MaximumFOp(v, m).result, keepdims=True)
    shifted = emit.pointwise([x, top], element, lambda v, m: arith.SubFOp(v, m).result)
    total = emit.reduce(
        shifted,
        [axis],
        emit.scalar(0, element),
        lambda v, s: arith.AddFOp(math.ExpOp(v).result, s).result,
        keepdims=True,
    )
    result = emit.pointwise(
        [shifted, total], element, lambda v, s: arith.SubFOp(v, math.LogOp(s).result).result
    )
    return emit.narrow(result, narrow)


def lower_norm(node: Node) -> ir.Value:
    """(x - mean) / sqrt(variance + epsilon) · scale + bias, statistics as `kind` says."""
    kind = NormKind(node.text("kind"))
    x = node.operand(0)
    if not node.dtype(0).is_float or node.dtype(0).bits < 16:
        raise Declined(f"normalisation of {node.dtype(0)}")
    narrow = emit.element_of(x)
    x = emit.widen(x)
    scale, bias = (None if v is None else emit.widen(v) for v in map(node.optional, (1, 2)))
    epsilon = node.float("epsilon")
    if kind is NormKind.BATCH:
        mean, variance = (_channels(emit.widen(node.operand(i)), x) for i in (3, 4))
        result = _apply(x, mean, variance, epsilon)
        return emit.narrow(_affine(result, _on_channels(scale, x), _on_channels(bias, x)), narrow)
    rank = len(emit.shape_of(x))
    if kind in (NormKind.LAYER, NormKind.RMS):
        axes = list(range(node.int("axis"), rank))
        mean = None if kind is NormKind.RMS else _mean(x, axes)
        result = _apply(x, mean, _mean_square(x, mean, axes), epsilon)
        return emit.narrow(_affine(result, scale, bias), narrow)
    groups = node.int("groups")
    if kind is NormKind.INSTANCE:
        grouped, axes = x, list(range(2, rank))
    else:
        sizes = emit.extents(x)
        if not isinstance(sizes[1], int):
            raise Declined("group normalisation of unknown channels")
        grouped = emit.reshape(x, [sizes[0], groups, sizes[1] // groups, *sizes[2:]])
        axes = list(range(2, rank + 1))
    mean = _mean(grouped, axes)
    result = _apply(grouped, mean, _mean_square(grouped, mean, axes), epsilon)
    result = emit.reshape(result, emit.extents(x))
    return emit.narrow(_affine(result, _on_channels(scale, x), _on_channels(bias, x)), narrow)


def _count(x: ir.Value, axes: Sequence[int]) -> ir.Value:
    count: emit.Extent = 1
    for axis in axes:
        count = multiply(count, emit.extent(x, axis))
    element = emit.element_of(x)
    if isinstance(count, int):
        return emit.scalar(count, element)
    i64 = ir.IntegerType.get_signless(64)
    return arith.SIToFPOp(element, arith.IndexCastOp(i64, count).result).result


def _mean(x: ir.Value, axes: Sequence[int]) -> ir.Value:
    element, count = emit.element_of(x), _count(x, axes)
    total = emit.reduce(
        x, axes, emit.scalar(0, element), lambda v, s: arith.AddFOp(v, s).result, keepdims=True
    )
    return emit.pointwise([total], element, lambda s: arith.DivFOp(s, count).result)


def _mean_square(x: ir.Value, mean: ir.Value | None, axes: Sequence[int]) -> ir.Value:
    element = emit.element_of(x)
    if mean is not None:
        x = emit.pointwise([x, mean], element, lambda v, m: arith.SubFOp(v, m).result)
    count = _count(x, axes)
    total = emit.reduce(
        x,
        axes,
        emit.scalar(0, element),
        lambda v, s: arith.AddFOp(arith.MulFOp(v, v).result, s).result,
        keepdims=True,
    )
    return emit.pointwise([total], element, lambda s: arith.DivFOp(s, count).result)


def _apply(x: ir.Value, mean: ir.Value | None, variance: ir.Value, epsilon: float) -> ir.Value:
    element = emit.element_of(x)

    def inverse(variance_: ir.Value) -> ir.Value:
        root = math.SqrtOp(arith.AddFOp(variance_, emit.scalar(epsilon, element)).result).result
        return arith.DivFOp(emit.scalar(1, element), root).result

    if mean is None:
        return emit.pointwise(
            [x, variance], element, lambda v, s: arith.MulFOp(v, inverse(s)).result
        )
    return emit.pointwise(
        [x, mean, variance],
        element,
        lambda v, m, s: arith.MulFOp(arith.SubFOp(v, m).result, inverse(s)).result,
    )


def _affine(x: ir.Value, scale: ir.Value | None, bias: ir.Value | None) -> ir.Value:
    element = emit.element_of(x)
    if scale is not None:
        x = emit.pointwise([x, scale], element, lambda v, s: arith.MulFOp(v, s).result)
    if bias is not None:
        x = emit.pointwise([x, bias], element, lambda v, b: arith.AddFOp(v, b).result)
    return x


def _channels(value: ir.Value, x: ir.Value) -> ir.Value:
    """(C) as (C, 1, …), which broadcasts onto the channels of x."""
    spatial = len(emit.shape_of(x)) - 2
    return emit.reshape(value, [emit.extent(value, 0), *[1] * spatial])


def _on_channels(value: ir.Value | None, x: ir.Value) -> ir.Value | None:
    return None if value is None else _channels(value, x)
