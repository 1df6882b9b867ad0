"""Lowering of QuantizeLinear and DequantizeLinear, and of the operators on quantized operands.

Products of 8-bit integers are made of signed ones (an unsigned operand is moved down by 128, and
its zero point with it) and accumulate in i32, which is what code generation knows; zero points are
corrections by sums of rows and columns. Rounding is to nearest even, then the zero point is added,
then the result saturates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math

from noema import dtypes
from noema.dtypes import DType
from noema.lowering import cast, emit, minifloat, scalars, slicing
from noema.lowering.conv import accumulate
from noema.lowering.emit import Extent
from noema.lowering.matmul import contract
from noema.lowering.node import Declined, Node

Scalar = ir.Value
_F32 = dtypes.from_name("float32")
_F64 = dtypes.from_name("float64")


# --- what belongs to which scale ---------------------------------------------------------------


@dataclass(frozen=True)
class _Granularity:
    """How scales and zero points lie on the elements of x.

    Attributes:
        axis: The dimension along which they differ; None if there is but one.
        block: How many neighbours along the axis share one; 0 if they are a vector along it.
    """

    axis: int | None
    block: int = 0

    @staticmethod
    def of(node: Node) -> _Granularity:
        x, scale = (emit.shape_of(node.operand(slot)) for slot in (0, 1))
        block, axis = node.int("block_size", 0), node.int("axis", 1)
        if not scale or scale == [1]:
            return _Granularity(None)
        if not -len(x) <= axis < len(x):
            raise Declined(f"axis {axis} of {len(x)} dimensions")
        axis %= len(x)
        if block > 0:
            if len(scale) != len(x):
                raise Declined(f"blocked scales of rank {len(scale)} for rank {len(x)}")
            return _Granularity(axis, block)
        if len(scale) != 1:
            raise Declined(f"scales of rank {len(scale)} without a block size")
        return _Granularity(axis)


def _apply(node: Node, element: ir.Type, body: emit.Body, slots: Sequence[int]) -> ir.Value:
    """`body` of each element of x and of its scale, zero point, … (`slots`)."""
    x, at = node.operand(0), _Granularity.of(node)
    rank = len(emit.shape_of(x))
    every = emit.dims(rank)
    operands = [node.operand(slot) for slot in slots]
    if at.axis is None or not at.block:
        chosen = [] if at.axis is None else [every[at.axis]]
        operands = [v if at.axis is not None else emit.reshape(v, []) for v in operands]
        maps = [emit.affine_map(rank, chosen)] * len(operands)
        return emit.parallel(
            [x, *operands], [emit.affine_map(rank, every), *maps], emit.extents(x), element, body
        )
    extent = emit.shape_of(x)[at.axis]
    if extent is not None and extent % at.block == 0:
        split = slicing.split(x, at.axis, [extent // at.block, at.block])
        loops = emit.dims(rank + 1)
        blocked = [d for i, d in enumerate(loops) if i != at.axis + 1]
        result = emit.parallel(
            [split, *operands],
            [emit.affine_map(rank + 1, loops), *[emit.affine_map(rank + 1, blocked)] * len(slots)],
            emit.extents(split),
            element,
            body,
        )
        return slicing.merge(result, at.axis, 2)
    axis, block = at.axis, at.block

    def looked_up(value: Scalar) -> Scalar:
        index: list[Extent] = [linalg.IndexOp(i).result for i in range(rank)]
        index[axis] = arith.DivUIOp(linalg.IndexOp(axis).result, emit.index(block)).result
        return body(value, *(emit.extract(v, index) for v in operands))

    return emit.parallel([x], [emit.affine_map(rank, every)], emit.extents(x), element, looked_up)


# --- QuantizeLinear, DequantizeLinear ----------------------------------------------------------


def lower_quantize_linear(node: Node) -> ir.Value:
    """saturate(round(x / scale) + zero point); 8-bit floats are rounded to by themselves."""
    source, scale, target = node.dtype(0), node.dtype(1), node.result_dtype()
    saturate = bool(node.int("saturate", 1))
    precision = _division(node, source, scale)
    slots = [1, 2] if node.has(2) else [1]

    def body(x: Scalar, s: Scalar, *zero: Scalar) -> Scalar:
        quotient = _quotient(
            cast.convert(x, source, precision), cast.convert(s, scale, precision), precision
        )
        if target.is_float and target.bits == 8:
            return cast.convert(quotient, precision, target, saturate=saturate)
        if target.is_float:
            for z in zero:
                wide = cast.convert(z, target, _F32)
                total = arith.AddFOp(cast.convert(quotient, precision, _F32), wide).result
                return cast.convert(total, _F32, target)
            return cast.convert(quotient, precision, target)
        work = precision if precision.bits >= 32 else _F32
        rounded = math.RoundEvenOp(cast.convert(quotient, precision, work)).result
        zeros = [cast.convert(z, target, work) for z in zero]
        return _saturated(rounded, zeros, target)

    return _apply(node, node.result_element(), body, slots)


def _division(node: Node, source: DType, scale: DType) -> DType:
    """The type that x / scale is computed in: as `precision` says, else numpy's for the two."""
    wanted = dtypes.from_onnx(node.int("precision", 0))
    if wanted is not None:
        return wanted
    if source.is_integer:
        return _F64
    if source == scale and source.bits >= 16:
        return source
    return _F32


def _quotient(x: Scalar, scale: Scalar, dtype: DType) -> Scalar:
    """x / scale, rounded once to `dtype` (a quotient in f32 rounds to 16 bits as if exact)."""
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"a division in {dtype}")
    if dtype.bits >= 32:
        return arith.DivFOp(x, scale).result
    a, b = (cast.convert(v, dtype, _F32) for v in (x, scale))
    return cast.convert(arith.DivFOp(a, b).result, _F32, dtype)


def _limits(dtype: DType) -> tuple[int, int]:
    low = 0 if dtype.is_unsigned else -(1 << (dtype.bits - 1))
    return low, low + (1 << dtype.bits) - 1


def _saturated(rounded: Scalar, zero: Sequence[Scalar], dtype: DType) -> Scalar:
    """The integer nearest to rounded + zero; NaN gives the smallest.

    Args:
        rounded: A whole number, f32 or f64.
        zero: None or one, of that type.
        dtype: An integer type of at most 16 bits.
    """
    if not dtype.is_integer or dtype.bits > 16:
        raise Declined(f"quantization to {dtype}")
    low, high = (emit.scalar(v, rounded.type) for v in _limits(dtype))
    for z in zero:
        rounded = arith.AddFOp(rounded, z).result
    bounded = arith.MinNumFOp(arith.MaxNumFOp(rounded, low).result, high).result
    i32 = ir.IntegerType.get_signless(32)
    whole = arith.FPToSIOp(i32, bounded).result
    element = ir.Type.parse(dtype.signless)
    narrow = arith.TruncIOp(element, whole).result
    return minifloat.narrow_integer(narrow, dtype) if dtype.bits < 8 else narrow


def lower_dequantize_linear(node: Node) -> ir.Value:
    """(x - zero point) · scale, in f32 before it becomes the result's type."""
    source, scale, target = node.dtype(0), node.dtype(1), node.result_dtype()
    slots = [1, 2] if node.has(2) and not source.is_float else [1]
    i32 = dtypes.from_name("int32")

    def body(x: Scalar, s: Scalar, *zero: Scalar) -> Scalar:
        if source.is_float or source.bits > 16:
            number = cast.convert(x, source, _F32)
            for z in zero:
                number = arith.SubFOp(number, cast.convert(z, source, _F32)).result
        else:
            whole = cast.convert(x, source, i32)
            for z in zero:
                whole = arith.SubIOp(whole, cast.convert(z, source, i32)).result
            number = cast.convert(whole, i32, _F32)
        product = arith.MulFOp(number, cast.convert(s, scale, _F32)).result
        return cast.convert(product, _F32, target)

    return _apply(node, node.result_element(), body, slots)


# --- products of quantized operands ------------------------------------------------------------


@dataclass(frozen=True)
class _Quantized:
    """An 8-bit operand as signed integers.

    Attributes:
        values: i8.
        zero: i32 zero point that belongs to them; None if it is 0 everywhere.
    """

    values: ir.Value
    zero: ir.Value | None

    @staticmethod
    def of(node: Node, slot: int, zero_slot: int) -> _Quantized:
        dtype, values = node.dtype(slot), node.operand(slot)
        if dtype.bits != 8 or not dtype.is_integer:
            raise Declined(f"an integer product of {dtype}")
        i8, i32 = (ir.IntegerType.get_signless(bits) for bits in (8, 32))
        shift = 128 if dtype.is_unsigned else 0
        if shift:
            flip = -128  # the highest bit: moves 0 … 255 to -128 … 127
            values = emit.pointwise(
                [values], i8, lambda v: arith.XOrIOp(v, emit.scalar(flip, i8)).result
            )
        known = node.constant(zero_slot) if node.has(zero_slot) else np.zeros((), np.int8)
        if known is not None and (known.astype(np.int32) == shift).all():
            return _Quantized(values, None)
        if known is not None and known.size == 1:
            known = known.reshape([])
        if known is not None:
            return _Quantized(values, emit.constant(known.astype(np.int32) - shift))
        unsigned = dtype.is_unsigned

        def moved(z: Scalar) -> Scalar:
            wide = (arith.ExtUIOp if unsigned else arith.ExtSIOp)(i32, z).result
            return arith.SubIOp(wide, emit.scalar(shift, i32)).result

        zero = node.operand(zero_slot)
        if emit.shape_of(zero) == [1]:
            zero = emit.reshape(zero, [])
        return _Quantized(values, emit.pointwise([zero], i32, moved))


def _i32() -> ir.Type:
    return ir.IntegerType.get_signless(32)


def _column(value: ir.Value) -> ir.Value:
    """A vector as one column; anything else as it is."""
    if len(emit.shape_of(value)) != 1:
        return value
    return slicing.split(value, 0, [emit.extent(value, 0), 1])


def _sum(value: ir.Value, axis: int) -> ir.Value:
    """Sums of i8 along one dimension, which stays: i32."""
    i32 = _i32()
    return emit.reduce(
        value,
        [axis],
        emit.scalar(0, i32),
        lambda v, total: arith.AddIOp(total, arith.ExtSIOp(i32, v).result).result,
        keepdims=True,
    )


def _less_product(total: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    return emit.pointwise(
        [total, a, b],
        _i32(),
        lambda t, x, y: arith.SubIOp(t, arith.MulIOp(x, y).result).result,
    )


def _integer_product(a: _Quantized, b: _Quantized) -> ir.Value:
    """(A - zero) (B - zero) in i32, numpy's matmul: zero points by row of A, by column of B.

    A B - za Σₖ B - (Σₖ A) zb + K za zb, the last two as (Σₖ A - K za) zb.
    """
    lhs, rhs = a.values, b.values
    vector_lhs, vector_rhs = (len(emit.shape_of(v)) == 1 for v in (lhs, rhs))
    if vector_lhs:
        lhs = slicing.split(lhs, 0, [1, emit.extent(lhs, 0)])
    if vector_rhs:
        rhs = _column(rhs)
    i32 = _i32()
    total = contract(lhs, rhs, False, False, i32)
    rank_a, rank_b = len(emit.shape_of(lhs)), len(emit.shape_of(rhs))
    zero_a = None if a.zero is None else _column(a.zero)
    if zero_a is not None:
        total = _less_product(total, _sum(rhs, rank_b - 2), zero_a)
    if b.zero is not None:
        rows = _sum(lhs, rank_a - 1)
        if zero_a is not None:
            depth = scalars.to_integer(emit.extent(lhs, rank_a - 1), i32)
            rows = emit.pointwise(
                [rows, zero_a],
                i32,
                lambda r, z: arith.SubIOp(r, arith.MulIOp(depth, z).result).result,
            )
        total = _less_product(total, rows, b.zero)
    if vector_lhs:
        total = slicing.at(total, len(emit.shape_of(total)) - 2, 0)
    if vector_rhs:
        total = slicing.at(total, len(emit.shape_of(total)) - 1, 0)
    return total


def lower_mat_mul_integer(node: Node) -> ir.Value:
    """Matrix product of 8-bit integers in i32."""
    return _integer_product(_Quantized.of(node, 0, 2), _Quantized.of(node, 1, 3))


def lower_q_linear_mat_mul(node: Node) -> ir.Value:
    """Quantized matrix product of quantized matrices."""
    total = _integer_product(_Quantized.of(node, 0, 2), _Quantized.of(node, 3, 5))
    by_row, by_column = _scale(node, 1), _scale(node, 4)
    if len(emit.shape_of(node.operand(0))) > 1:
        by_row = _column(by_row)
    return _requantized(node, total, by_row, by_column, 6)


def _scale(node: Node, slot: int) -> ir.Value:
    """A scale in f32, of rank 0 if there is but one."""
    value, dtype = node.operand(slot), node.dtype(slot)
    if emit.shape_of(value) == [1]:
        value = emit.reshape(value, [])
    if dtype == _F32:
        return value
    return emit.pointwise([value], ir.F32Type.get(), lambda v: cast.convert(v, dtype, _F32))


def _requantized(
    node: Node, total: ir.Value, first: ir.Value, second: ir.Value, slot: int
) -> ir.Value:
    """round(total · first · second / scale) + zero point, which are in `slot` and `slot` + 1."""
    target, zero_dtype = node.result_dtype(), node.dtype(slot + 1)
    f32 = ir.F32Type.get()
    factor = emit.pointwise(
        [first, second, _scale(node, slot)],
        f32,
        lambda a, b, s: arith.DivFOp(arith.MulFOp(a, b).result, s).result,
    )
    zero = node.operand(slot + 1)
    if emit.shape_of(zero) == [1]:
        zero = emit.reshape(zero, [])
    if len(emit.shape_of(zero)) == 1:
        zero = _column(zero)

    def body(t: Scalar, s: Scalar, z: Scalar) -> Scalar:
        number = arith.MulFOp(arith.SIToFPOp(f32, t).result, s).result
        rounded = math.RoundEvenOp(number).result
        return _saturated(rounded, [cast.convert(z, zero_dtype, _F32)], target)

    return emit.pointwise([total, factor, zero], node.result_element(), body)


# --- convolutions ------------------------------------------------------------------------------


def lower_conv_integer(node: Node) -> ir.Value:
    """Convolution of 8-bit integers in i32."""
    x, weight = _Quantized.of(node, 0, 2), _Quantized.of(node, 1, 3)
    return _integer_convolution(node, x, weight, None)


def lower_q_linear_conv(node: Node) -> ir.Value:
    """Quantized convolution of quantized operands."""
    x, weight = _Quantized.of(node, 0, 2), _Quantized.of(node, 3, 5)
    total = _integer_convolution(node, x, weight, node.optional(8))
    by_filter = _on_channels(_scale(node, 4), total)
    return _requantized(node, total, _scale(node, 1), by_filter, 6)


def _on_channels(value: ir.Value, x: ir.Value) -> ir.Value:
    """(F) as (F, 1, …), which broadcasts onto the channels of x; a scalar as it is."""
    if not emit.shape_of(value):
        return value
    return emit.reshape(value, [emit.extent(value, 0), *[1] * (len(emit.shape_of(x)) - 2)])


def _integer_convolution(
    node: Node, x: _Quantized, weight: _Quantized, bias: ir.Value | None
) -> ir.Value:
    """bias + (x - zero) ∗ (weight - zero), with x padded by its zero point.

    x ∗ w - zx Σ w - zw (Σ x over the window - K zx), K being the elements of a filter.
    """
    i8, i32 = ir.IntegerType.get_signless(8), _i32()
    kernel = emit.shape_of(weight.values)[1:]
    filters = emit.extent(weight.values, 0)
    if None in kernel:
        raise Declined("a kernel of unknown extents")
    window = [k for k in kernel[1:] if k is not None]
    spatial = len(window)
    strides = list(node.ints("strides") or [1] * spatial)
    dilations = list(node.ints("dilations") or [1] * spatial)
    groups = node.int("group", 1)
    low, high = _pads(node, x.values, window, strides, dilations)
    if x.zero is None:
        around = emit.scalar(0, i8)
    else:
        if emit.shape_of(x.zero):
            raise Declined("several zero points of a convolution's input")
        around = arith.TruncIOp(i8, emit.extract(x.zero, [])).result
    padded = slicing.pad(x.values, [0, 0, *low], [0, 0, *high], around)
    total = accumulate(padded, weight.values, bias, groups, strides, dilations, i32)
    if x.zero is not None:
        sums = _filter_sums(weight.values)
        total = _less_product(total, _on_channels(sums, total), x.zero)
    if weight.zero is None:
        return total
    channels = [k for k in kernel if k is not None]
    # One filter of ones per group sums each group's windows.
    ones = emit.full([groups, *channels], emit.scalar(1, i8))
    windows = accumulate(padded, ones, None, groups, strides, dilations, i32)
    if x.zero is not None:
        count = emit.scalar(int(np.prod(channels)), i32)
        windows = emit.pointwise(
            [windows, x.zero],
            i32,
            lambda w, z: arith.SubIOp(w, arith.MulIOp(count, z).result).result,
        )
    if groups > 1:
        windows = _per_filter(windows, filters, groups)
    return _less_product(total, windows, _on_channels(weight.zero, total))


def _filter_sums(weight: ir.Value) -> ir.Value:
    """Sum of each filter: (F) in i32."""
    i32 = _i32()
    return emit.reduce(
        weight,
        list(range(1, len(emit.shape_of(weight)))),
        emit.scalar(0, i32),
        lambda v, total: arith.AddIOp(total, arith.ExtSIOp(i32, v).result).result,
    )


def _per_filter(value: ir.Value, filters: Extent, groups: int) -> ir.Value:
    """(N, groups, …) → (N, F, …): every filter gets its group's."""
    if not isinstance(filters, int):
        raise Declined("a grouped convolution of unknown filters")
    each = filters // groups
    rank = len(emit.shape_of(value)) + 1
    loops = emit.dims(rank)
    sizes = emit.extents(value)
    repeated = emit.parallel(
        [value],
        [emit.affine_map(rank, [d for i, d in enumerate(loops) if i != 2])],
        [*sizes[:2], each, *sizes[2:]],
        emit.element_of(value),
        lambda v: v,
    )
    return slicing.merge(repeated, 1, 2)


def _pads(
    node: Node,
    x: ir.Value,
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> tuple[list[Extent], list[Extent]]:
    """Padding before and after each spatial dimension."""
    spatial, auto = len(window), node.text("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        given = list(node.ints("pads") or [0] * (2 * spatial))
        return [*given[:spatial]], [*given[spatial:]]
    low: list[Extent] = [0] * spatial
    high: list[Extent] = [0] * spatial
    if auto == "VALID":
        return low, high
    for i, (k, stride, dilation) in enumerate(zip(window, strides, dilations, strict=True)):
        size = emit.extent(x, 2 + i)
        count = scalars.ceil_divide(size, stride)
        reach = scalars.multiply(scalars.subtract(count, 1), stride)
        needed = scalars.add(reach, dilation * (k - 1) + 1)
        total = scalars.maximum(scalars.subtract(needed, size), 0)
        smaller = scalars.floor_divide(total, 2)
        larger = scalars.subtract(total, smaller)
        low[i], high[i] = (smaller, larger) if auto == "SAME_UPPER" else (larger, smaller)
    return low, high
