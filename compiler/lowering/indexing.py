"""Lowering of the operators that cut out, pad, mask and rearrange by position."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dtypes import from_name
from noema.lowering import arguments, emit, scalars, slicing
from noema.lowering.conv import pad
from noema.lowering.elementwise import convert
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent

_TO_THE_END = (1 << 31) - 1
"""Exporters write this, or more, for "up to the end"."""


def lower_slice(node: Node) -> ir.Value:
    """x[start:end:step] along each of `axes`, with numpy's clamping and negative steps."""
    x = node.operand(0)
    sizes = emit.extents(x)
    count = len(sizes)
    starts = arguments.indices(node, "starts", 1)
    ends = arguments.indices(node, "ends", 2)
    if starts is None or ends is None:
        raise Declined("no bounds")
    axes = arguments.indices(node, "axes", 3)
    steps = arguments.indices(node, "steps", 4) or [1] * len(starts)
    declared = node.result_shape()
    named = [a % count if isinstance(a, int) else a for a in axes or range(len(starts))]
    offsets = arguments.per_dimension(starts, named, count, 0)
    limits = arguments.per_dimension(ends, named, count, _TO_THE_END)
    strides = arguments.per_dimension(steps, named, count, 1)
    spans = [
        _span(*bounds, declared[i])
        for i, bounds in enumerate(zip(offsets, limits, strides, sizes, strict=True))
    ]
    begins = [s[0] for s in spans]
    lengths = [s[1] for s in spans]
    known = scalars.elements(x) if count == 1 else None
    begin, stride, length = begins[0], strides[0], lengths[0]
    if known is not None and all(isinstance(v, int) for v in (begin, stride, length)):
        chosen = [known[begin + i * stride] for i in range(length)]
        return scalars.from_elements(chosen, [length], node.result_element())
    fixed = [s for s in strides if isinstance(s, int) and s > 0]
    if 0 not in lengths and len(fixed) == count:
        if all(map(scalars.same, begins, [0] * count)) and all(map(scalars.same, lengths, sizes)):
            return x
        return slicing.take(x, begins, lengths, strides=fixed)

    def pick() -> ir.Value:
        return emit.extract(
            x,
            [
                scalars.add(begin, scalars.multiply(linalg.IndexOp(i).result, stride))
                for i, (begin, stride) in enumerate(zip(begins, strides, strict=True))
            ],
        )

    return emit.parallel([], [], lengths, node.result_element(), pick)


def _is(extent: Extent, value: int) -> bool:
    return isinstance(extent, int) and extent == value


def _span(
    start: Extent, end: Extent, step: Extent, size: Extent, declared: int | None
) -> tuple[Extent, Extent]:
    """First index and number of indices of a slice."""
    if isinstance(step, int) and step > 0:
        first = 0 if _is(start, 0) else scalars.clamp(scalars.wrap(start, size), 0, size)
        if declared is not None:
            return first, declared
        if isinstance(end, int) and end >= _TO_THE_END:
            last = size
        else:
            last = scalars.clamp(scalars.wrap(end, size), 0, size)
        if _is(first, 0) and step == 1:
            return first, last
    else:
        last_index = scalars.subtract(size, 1)
        if isinstance(step, int):
            if step == 0:
                raise Declined("a step of 0")
            low, high = -1, last_index
        else:
            backwards = scalars.is_negative(step)
            step = scalars.select(scalars.is_equal(step, 0), 1, step)
            low = scalars.select(backwards, -1, 0)
            high = scalars.select(backwards, last_index, size)
        first = scalars.clamp(scalars.wrap(start, size), low, high)
        if declared is not None:
            return first, declared
        last = scalars.clamp(scalars.wrap(end, size), low, high)
    return first, scalars.maximum(scalars.ceil_divide(scalars.subtract(last, first), step), 0)


def lower_pad(node: Node) -> ir.Value:
    """X with elements around it, or (by negative amounts) without its outermost ones.

    The new elements are a constant, the nearest element, or those of x mirrored or repeated.
    """
    x = node.operand(0)
    sizes = emit.extents(x)
    count = len(sizes)
    pads = arguments.indices(node, "pads", 1)
    if pads is None:
        raise Declined("no amounts of padding")
    axes = arguments.indices(node, "axes", 3)
    half = len(pads) // 2
    low = arguments.per_dimension(pads[:half], axes, count, 0)
    high = arguments.per_dimension(pads[half:], axes, count, 0)
    mode = node.text("mode", "constant")
    fill = _fill(node)
    known_low = [p for p in low if isinstance(p, int)]
    known_high = [p for p in high if isinstance(p, int)]
    fixed = len(known_low) == len(known_high) == count
    if fixed and mode == "constant" and fill is not None:
        return _pad_constant(x, known_low, known_high, fill)
    declared = node.result_shape()
    wanted = [
        scalars.refine(declared, i, lambda b=b: scalars.add(scalars.add(b[0], b[1]), b[2]))
        for i, b in enumerate(zip(sizes, low, high, strict=True))
    ]
    if mode == "constant" and 0 in sizes:
        value = emit.scalar(0, node.result_element()) if fill is None else fill
        if fill is None and node.has(2):
            raise Declined("padding of an empty tensor with a value that is computed")
        return emit.full(wanted, value)

    def pick() -> ir.Value:
        places = [
            scalars.subtract(linalg.IndexOp(i).result, before) for i, before in enumerate(low)
        ]
        inside = [_source(p, n, mode) for p, n in zip(places, sizes, strict=True)]
        element = emit.extract(x, inside)
        if mode != "constant":
            return element
        other = fill if fill is not None else scalars.read(node.operand(2))
        for place, size, amount in zip(places, sizes, zip(low, high, strict=True), strict=True):
            if amount == (0, 0):
                continue
            # Unsigned: what lies before the first element is larger than any extent.
            within = arith.CmpIOp(
                arith.CmpIPredicate.ult, scalars.index_value(place), scalars.index_value(size)
            ).result
            element = arith.SelectOp(within, element, other).result
        return element

    return emit.parallel([], [], wanted, node.result_element(), pick)


def _fill(node: Node) -> ir.Value | None:
    """The constant around x as a scalar; None if it is known only at run time."""
    element = node.result_element()
    if not node.has(2):
        return emit.scalar(0, element)
    value = node.constant(2)
    if value is None:
        return None
    if value.size != 1:
        raise Declined("padding with other than one value")
    return emit.scalar(value.reshape(-1)[0].item(), element)


def _pad_constant(x: ir.Value, low: list[int], high: list[int], fill: ir.Value) -> ir.Value:
    if min([*low, *high], default=0) < 0:
        offsets = [max(0, -p) for p in low]
        ends = [max(0, -p) for p in high]
        lengths = [
            scalars.subtract(d, a + b)
            for d, a, b in zip(emit.extents(x), offsets, ends, strict=True)
        ]
        x = slicing.take(x, offsets, lengths)
    return pad(x, [max(0, p) for p in low], [max(0, p) for p in high], fill)


def _source(place: Extent, size: Extent, mode: str) -> Extent:
    """Where the element at `place`, counted from the first of x, comes from."""
    last = scalars.subtract(size, 1)
    match mode:
        case "constant" | "edge":
            return scalars.clamp(place, 0, last)
        case "wrap":
            return _modulo(place, size)
        case "reflect":
            # There and back again: 0 1 2 3 2 1 | 0 1 …
            period = scalars.maximum(scalars.multiply(2, last), 1)
            forth = _modulo(place, period)
            return scalars.minimum(forth, scalars.subtract(period, forth))
        case _:
            raise Declined(f"padding mode {mode}")


def _modulo(a: Extent, b: Extent) -> Extent:
    return scalars.subtract(a, scalars.multiply(scalars.floor_divide(a, b), b))


def lower_trilu(node: Node) -> ir.Value:
    """The triangle of x on and above (`upper`), or on and below, the k-th diagonal; 0 elsewhere."""
    x, element = node.operand(0), node.result_element()
    count = arguments.rank(x)
    k = scalars.read_index(node.operand(1)) if node.has(1) else 0
    predicate = arith.CmpIPredicate.sge if node.int("upper", 1) else arith.CmpIPredicate.sle

    def mask(value: ir.Value) -> ir.Value:
        diagonal = scalars.add(linalg.IndexOp(count - 2).result, k)
        column = linalg.IndexOp(count - 1).result
        keep = arith.CmpIOp(predicate, column, scalars.index_value(diagonal)).result
        return arith.SelectOp(keep, value, emit.scalar(0, element)).result

    plain = emit.affine_map(count, emit.dims(count))
    return emit.parallel([x], [plain], emit.extents(x), element, mask)


def lower_depth_to_space(node: Node) -> ir.Value:
    """Blocks of channels as blocks of pixels: (N, C b², H, W) → (N, C, H b, W b)."""
    x, b = node.operand(0), node.int("blocksize")
    channels = emit.extent(x, 1)
    each = scalars.floor_divide(channels, b * b)
    if node.text("mode", "DCR") == "DCR":
        x, order = slicing.split(x, 1, [b, b, each]), [0, 3, 4, 1, 5, 2]
    else:
        x, order = slicing.split(x, 1, [each, b, b]), [0, 1, 4, 2, 5, 3]
    x = emit.transpose(x, order)
    return slicing.merge(slicing.merge(x, 4, 2), 2, 2)


def lower_space_to_depth(node: Node) -> ir.Value:
    """Blocks of pixels as blocks of channels: (N, C, H b, W b) → (N, C b², H, W)."""
    x, b = node.operand(0), node.int("blocksize")
    x = slicing.split(x, 3, [scalars.floor_divide(emit.extent(x, 3), b), b])
    x = slicing.split(x, 2, [scalars.floor_divide(emit.extent(x, 2), b), b])
    blocks_first = node.text("mode", "DCR") == "DCR"
    x = emit.transpose(x, [0, 3, 5, 1, 2, 4] if blocks_first else [0, 1, 3, 5, 2, 4])
    return slicing.merge(x, 1, 3)


def lower_reverse_sequence(node: Node) -> ir.Value:
    """The first lengths[b] steps of each batch entry b in reverse, the others in place."""
    x, lengths = node.operand(0), node.operand(1)
    batch, time = node.int("batch_axis", 1), node.int("time_axis", 0)
    sizes = emit.extents(x)

    def pick() -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(len(sizes))]
        length = scalars.to_index(emit.extract(lengths, [at[batch]]))
        length = scalars.index_value(scalars.minimum(length, sizes[time]))
        here = scalars.index_value(at[time])
        mirrored = scalars.subtract(scalars.subtract(length, 1), here)
        inside = arith.CmpIOp(arith.CmpIPredicate.slt, here, length).result
        at[time] = scalars.select(inside, mirrored, here)
        return emit.extract(x, at)

    return emit.parallel([], [], sizes, node.result_element(), pick)


def lower_one_hot(node: Node) -> ir.Value:
    """values[1] where the new dimension's index is the (wrapped) index given, else values[0]."""
    indices, values = node.operand(0), node.operand(2)
    declared, count = node.result_shape(), arguments.rank(indices) + 1
    axis = arguments.axis(node.int("axis", -1), count)
    i64 = ir.IntegerType.get_signless(64)
    number = from_name("int64")

    def depth() -> Extent:
        known = node.constant(1)
        if known is not None:
            return int(known.reshape(-1)[0])
        kind = node.dtype(1)
        # As a tensor: the host side has not every type.
        whole = emit.pointwise([node.operand(1)], i64, lambda v: convert(v, kind, number))
        return scalars.read_index(whole)

    size = scalars.refine(declared, axis, depth)
    sizes = emit.extents(indices)
    sizes.insert(axis, size)
    kind = node.dtype(0)
    every = emit.dims(count)
    mapping = emit.affine_map(count, [d for i, d in enumerate(every) if i != axis])

    def value(given: ir.Value) -> ir.Value:
        position = scalars.to_index(convert(given, kind, number))
        hot = scalars.is_equal(scalars.wrap(position, size), linalg.IndexOp(axis).result)
        on, off = emit.extract(values, [1]), emit.extract(values, [0])
        return arith.SelectOp(hot, on, off).result

    return emit.parallel([indices], [mapping], sizes, node.result_element(), value)
