"""Lowering of `sem.conv` to linalg convolutions, channels first."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from noema.lowering import emit
from noema.lowering.matmul import multiply_add
from noema.lowering.node import Declined, Node

_NAMED = {1: "conv_1d_ncw_fcw", 2: "conv_2d_nchw_fchw", 3: "conv_3d_ncdhw_fcdhw"}


def lower_conv(node: Node) -> ir.Value:
    """X (N, C, spatial…) ∗ weight (F, C/g, kernel…) + bias (F), padded with zeros."""
    x, weight, bias = node.operand(0), node.operand(1), node.optional(2)
    spatial = len(emit.shape_of(x)) - 2
    strides, dilations, pads = (list(node.ints(n) or []) for n in ("strides", "dilations", "pads"))
    element = node.result_element()
    check_element(element)
    zero = emit.scalar(0, emit.element_of(x))
    x = pad(x, [0, 0, *pads[:spatial]], [0, 0, *pads[spatial:]], zero)
    return convolve(x, weight, bias, node.int("groups"), strides, dilations, element)


def check_element(element: ir.Type) -> None:
    """Declines a convolution in other types than floats of 16 bits or more."""
    if not isinstance(element, (ir.F32Type, ir.F64Type, ir.F16Type, ir.BF16Type)):
        raise Declined(f"convolution in {element}")


def convolve(
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    groups: int,
    strides: list[int],
    dilations: list[int],
    element: ir.Type,
) -> ir.Value:
    """X (N, C, spatial…) ∗ weight (F, C/g, kernel…) + bias (F), where windows lie inside of x.

    The result is of `element`, as wide as x's or wider; 16-bit floats accumulate in f32. One group
    and depthwise use linalg's named operations, which code generation knows; other groupings are a
    generic contraction over (N, G, F/G, spatial…).
    """
    wide = emit.accumulator_of(element)
    if bias is not None:
        bias = emit.widen(bias)
    return emit.narrow(accumulate(x, weight, bias, groups, strides, dilations, wide), element)


def accumulate(
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    groups: int,
    strides: list[int],
    dilations: list[int],
    element: ir.Type,
) -> ir.Value:
    """The sums of `convolve` in `element`, the bias's type; narrow integers count as signed."""
    spatial, filters = len(strides), emit.extent(weight, 0)
    sizes = [emit.extent(x, 0), filters, *_output_sizes(x, weight, strides, dilations)]
    init = _initial(bias, sizes, element)
    if groups == 1 and spatial in _NAMED:
        named = getattr(linalg, _NAMED[spatial])
        return named(x, weight, outs=[init], strides=strides, dilations=dilations)
    if groups == emit.shape_of(x)[1] == filters and spatial == 2:
        kernel = emit.reshape(weight, [groups, *emit.extents(weight)[2:]])
        return linalg.depthwise_conv_2d_nchw_chw(
            x, kernel, outs=[init], strides=strides, dilations=dilations
        )
    return _grouped(x, weight, init, groups, strides, dilations)


def pad(value: ir.Value, low: list[int], high: list[int], fill: ir.Value) -> ir.Value:
    """The tensor with `fill` around it; amounts are per dimension and not negative."""
    if not any(low) and not any(high):
        return value
    shape = emit.shape_of(value)
    sizes = [None if d is None else d + a + b for d, a, b in zip(shape, low, high, strict=True)]
    op = tensor.PadOp(emit.tensor_type(sizes, emit.element_of(value)), value, [], [], low, high)
    index = ir.IndexType.get()
    location = ir.Location.current
    block = op.regions[0].blocks.append(*[index] * len(shape), arg_locs=[location] * len(shape))
    with ir.InsertionPoint(block):
        tensor.YieldOp(fill)
    return op.result


def _output_sizes(
    x: ir.Value, weight: ir.Value, strides: list[int], dilations: list[int]
) -> list[emit.Extent]:
    sizes: list[emit.Extent] = []
    for i, (stride, dilation) in enumerate(zip(strides, dilations, strict=True)):
        kernel = emit.shape_of(weight)[2 + i]
        if kernel is None:
            raise Declined("a kernel of unknown extent")
        reach = dilation * (kernel - 1) + 1
        sizes.append(emit.window_count(emit.extent(x, 2 + i), reach, stride))
    return sizes


def _initial(bias: ir.Value | None, sizes: list[emit.Extent], element: ir.Type) -> ir.Value:
    if bias is None:
        return emit.full(sizes, emit.scalar(0, element))
    rank = len(sizes)
    channel = emit.affine_map(rank, [emit.dims(rank)[1]])
    return emit.parallel([bias], [channel], sizes, element, lambda b: b)


def _grouped(
    x: ir.Value,
    weight: ir.Value,
    init: ir.Value,
    groups: int,
    strides: list[int],
    dilations: list[int],
) -> ir.Value:
    x_sizes, w_sizes, out_sizes = emit.extents(x), emit.extents(weight), emit.extents(init)
    if not isinstance(x_sizes[1], int) or not isinstance(w_sizes[0], int):
        raise Declined("a grouped convolution of unknown channels")
    spatial = len(strides)
    per_group, filters = x_sizes[1] // groups, w_sizes[0] // groups
    x = emit.reshape(x, [x_sizes[0], groups, per_group, *x_sizes[2:]])
    weight = emit.reshape(weight, [groups, filters, *w_sizes[1:]])
    init = emit.reshape(init, [out_sizes[0], groups, filters, *out_sizes[2:]])
    # Loops: n, g, f, out…, c, kernel…
    loops = emit.dims(3 + spatial + 1 + spatial)
    n, g, f, out, c, kernel = (
        *loops[:3],
        loops[3 : 3 + spatial],
        loops[3 + spatial],
        loops[4 + spatial :],
    )
    at = [o * s + k * d for o, k, s, d in zip(out, kernel, strides, dilations, strict=True)]
    count = len(loops)
    result = emit.generic(
        [x, weight],
        [emit.affine_map(count, [n, g, c, *at]), emit.affine_map(count, [g, f, c, *kernel])],
        init,
        emit.affine_map(count, [n, g, f, *out]),
        ["parallel"] * (3 + spatial) + ["reduction"] * (1 + spatial),
        multiply_add(emit.element_of(init)),
    )
    return emit.reshape(result, out_sizes)
