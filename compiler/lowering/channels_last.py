"""Lowering of convolutions and poolings channels last to linalg: where no kernel serves them."""

from __future__ import annotations

from collections.abc import Callable

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.kernels.executable import Tensor
from noema.lowering import emit, scalars
from noema.lowering.conv import check_element, convolve, pad
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent

_NAMED = {1: "conv_1d_nwc_wcf", 2: "conv_2d_nhwc_hwcf"}


def lower_conv_last(node: Node) -> ir.Value:
    """X (N, spatial…, C) ∗ weight (F, C/g, kernel…) + bias (F) → (N, spatial…, F)."""
    x, bias = node.operand(0), node.optional(2)
    spatial = len(emit.shape_of(x)) - 2
    strides, dilations, pads = (list(node.ints(n) or []) for n in ("strides", "dilations", "pads"))
    element, groups = node.result_element(), node.int("groups")
    check_element(element)
    zero = emit.scalar(0, emit.element_of(x))
    x = pad(x, [0, *pads[:spatial], 0], [0, *pads[spatial:], 0], zero)
    channels, filters = emit.shape_of(x)[-1], node.result_shape()[-1]
    is_depthwise = spatial == 2 and groups == channels == filters
    if groups != 1 and not is_depthwise:
        first = emit.transpose(x, [0, spatial + 1, *range(1, spatial + 1)])
        made = convolve(first, node.operand(1), bias, groups, strides, dilations, element)
        return emit.transpose(made, [0, *range(2, spatial + 2), 1])
    weight = _kernel_first(node, spatial, depthwise=is_depthwise)
    wide = emit.accumulator_of(element)
    sizes: list[emit.Extent] = [emit.extent(x, 0)]
    for i in range(spatial):
        size = emit.shape_of(weight)[i]
        if size is None:
            raise Declined("a kernel of unknown extent")
        reach = dilations[i] * (size - 1) + 1
        sizes.append(emit.window_count(emit.extent(x, 1 + i), reach, strides[i]))
    sizes.append(emit.extent(weight, -1 % len(emit.shape_of(weight))))
    if bias is None:
        init = emit.full(sizes, emit.scalar(0, wide))
    else:
        rank = len(sizes)
        column = emit.affine_map(rank, [emit.dims(rank)[-1]])
        init = emit.parallel([emit.widen(bias)], [column], sizes, wide, lambda b: b)
    operation = (
        linalg.depthwise_conv_2d_nhwc_hwc if is_depthwise else getattr(linalg, _NAMED[spatial])
    )
    made = operation(x, weight, outs=[init], strides=strides, dilations=dilations)
    return emit.narrow(made, element)


def _kernel_first(node: Node, spatial: int, *, depthwise: bool) -> ir.Value:
    """The weight as (kernel…, C, F), or (kernel…, C) of a depthwise one."""
    order = [*range(2, spatial + 2), 1, 0]
    weight = node.inputs[1]
    assert weight is not None
    array = node.known(weight)
    if array is None:
        made = emit.transpose(node.operand(1), order)
        shape = emit.shape_of(made)
        if not depthwise:
            return made
        return emit.reshape(made, [emit.extent(made, i) for i in range(len(shape)) if i != spatial])
    moved = array.transpose(order)
    if depthwise:
        moved = moved.squeeze(spatial)
    form = "kernel-first-depthwise" if depthwise else "kernel-first"
    stored = Tensor(node.dtype(1).signless, moved.shape)
    return node.kernels.packed(node.source(weight), form, stored, lambda: moved)


def lower_pool(node: Node) -> ir.Value:
    """Maximum or average of the windows of x (N, spatial…, C); 16-bit floats are summed in f32."""
    x, element = node.operand(0), node.result_element()
    if not node.ints("kernel"):
        return _pool_all(x, element, is_max=node.text("kind") == "max")
    kernel, strides, dilations, pads = (
        list(node.ints(n) or []) for n in ("kernel", "strides", "dilations", "pads")
    )
    spatial = len(kernel)
    is_max = node.text("kind") == "max"
    wide = element if is_max else emit.accumulator_of(element)
    extents = emit.extents(x)[1:-1]
    start, combine = _combination(wide, is_max=is_max)
    fill = emit.scalar(float("-inf") if is_max else 0.0, element)
    x = pad(x, [0, *pads[:spatial], 0], [0, *pads[spatial:], 0], fill)
    out = [
        emit.window_count(emit.extent(x, 1 + i), dilations[i] * (kernel[i] - 1) + 1, strides[i])
        for i in range(spatial)
    ]
    sizes = [emit.extent(x, 0), *out, emit.extent(x, spatial + 1)]
    loops = emit.dims(2 + 2 * spatial)
    n, at, c, k = loops[0], loops[1 : 1 + spatial], loops[1 + spatial], loops[2 + spatial :]
    reads = [o * s + e * d for o, e, s, d in zip(at, k, strides, dilations, strict=True)]
    count = len(loops)
    pooled = emit.generic(
        [x, emit.empty(kernel, element)],
        [emit.affine_map(count, [n, *reads, c]), emit.affine_map(count, k)],
        emit.full(sizes, start),
        emit.affine_map(count, [n, *at, c]),
        ["parallel"] * (2 + spatial) + ["reduction"] * spatial,
        lambda value, _window, total: combine(value, total),
    )
    if is_max:
        return pooled

    def seen(axis: int) -> Extent:
        """Elements of the image along an axis that the window at the loop's index covers."""
        low, high, gap = pads[axis], pads[spatial + axis], dilations[axis]
        if node.int("include_pad") or not (low or high):
            return kernel[axis]
        start = scalars.subtract(
            scalars.multiply(linalg.IndexOp(1 + axis).result, strides[axis]), low
        )
        rest = scalars.ceil_divide(scalars.subtract(extents[axis], start), gap)
        first = scalars.maximum(scalars.ceil_divide(scalars.subtract(0, start), gap), 0)
        return scalars.subtract(scalars.minimum(rest, kernel[axis]), first)

    def mean(total: ir.Value) -> ir.Value:
        number = _number(scalars.product([seen(axis) for axis in range(spatial)]), wide)
        return arith.DivFOp(total, number).result

    plain = emit.affine_map(2 + spatial, emit.dims(2 + spatial))
    averaged = emit.parallel([pooled], [plain], emit.extents(pooled), wide, mean)
    return emit.narrow(averaged, element)


def _pool_all(x: ir.Value, element: ir.Type, *, is_max: bool) -> ir.Value:
    """Maximum or average of a whole image."""
    wide = element if is_max else emit.accumulator_of(element)
    start, combine = _combination(wide, is_max=is_max)
    axes = range(1, len(emit.shape_of(x)) - 1)
    pooled = emit.reduce(x, axes, start, combine, keepdims=True)
    if is_max:
        return pooled
    number = _number(scalars.product([emit.extent(x, axis) for axis in axes]), wide)
    averaged = emit.pointwise([pooled], wide, lambda s: arith.DivFOp(s, number).result)
    return emit.narrow(averaged, element)


def _combination(
    wide: ir.Type, *, is_max: bool
) -> tuple[ir.Value, Callable[[ir.Value, ir.Value], ir.Value]]:
    """What a window's elements go into at first, and how: (element, accumulator) to accumulator."""
    if is_max:
        return emit.scalar(float("-inf"), wide), lambda v, total: arith.MaximumFOp(v, total).result

    def add(value: ir.Value, total: ir.Value) -> ir.Value:
        if value.type != wide:
            value = arith.ExtFOp(wide, value).result
        return arith.AddFOp(value, total).result

    return emit.scalar(0.0, wide), add


def _number(count: Extent, element: ir.Type) -> ir.Value:
    """A count as a float."""
    if isinstance(count, int):
        return emit.scalar(count, element)
    whole = scalars.to_integer(count, ir.IntegerType.get_signless(64))
    return arith.SIToFPOp(element, whole).result
