"""Builders that cut, join, pad and regroup tensors, for the lowerings.

Beside `emit`, which has the computing ones. Extents may be dynamic everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from noema.lowering import emit
from noema.lowering.emit import Extent


def add(a: Extent, b: Extent) -> Extent:
    """Sum of two extents, static if both are."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    return arith.AddIOp(emit.as_index(a), emit.as_index(b)).result


def subtract(a: Extent, b: Extent) -> Extent:
    """Difference of two extents, static if both are."""
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return arith.SubIOp(emit.as_index(a), emit.as_index(b)).result


def take(
    value: ir.Value,
    offsets: Sequence[Extent],
    sizes: Sequence[Extent],
    *,
    strides: Sequence[int] | None = None,
    dropped: Sequence[int] = (),
) -> ir.Value:
    """The box of `sizes` at `offsets`, elements `strides` apart.

    Args:
        value: The operand.
        offsets: First index per dimension.
        sizes: Extents of the box.
        strides: Steps per dimension; 1 if None.
        dropped: Dimensions of size 1 that the result does without.
    """
    strides = strides or [1] * len(sizes)
    kept = [size for axis, size in enumerate(sizes) if axis not in dropped]
    return tensor.ExtractSliceOp(
        emit.tensor_type(kept, emit.element_of(value)),
        value,
        [o for o in offsets if not isinstance(o, int)],
        [s for s in sizes if not isinstance(s, int)],
        [],
        _static(offsets),
        _static(sizes),
        list(strides),
    ).result


def put(
    value: ir.Value, into: ir.Value, offsets: Sequence[Extent], sizes: Sequence[Extent]
) -> ir.Value:
    """`into` with its box of `sizes` at `offsets` replaced by `value`.

    `value` may lack dimensions of size 1 of the box.
    """
    return tensor.InsertSliceOp(
        value,
        into,
        [o for o in offsets if not isinstance(o, int)],
        [s for s in sizes if not isinstance(s, int)],
        [],
        _static(offsets),
        _static(sizes),
        [1] * len(sizes),
    ).result


def _static(extents: Sequence[Extent]) -> list[int]:
    dynamic = ir.ShapedType.get_dynamic_size()
    return [e if isinstance(e, int) else dynamic for e in extents]


def part(value: ir.Value, axis: int, offset: Extent, size: Extent) -> ir.Value:
    """Indices offset … offset + size - 1 of one dimension."""
    sizes = emit.extents(value)
    offsets: list[Extent] = [0] * len(sizes)
    if offset == 0 and isinstance(size, int) and size == sizes[axis]:
        return value
    offsets[axis], sizes[axis] = offset, size
    return take(value, offsets, sizes)


def at(value: ir.Value, axis: int, index: Extent) -> ir.Value:
    """One index of one dimension, which disappears."""
    sizes = emit.extents(value)
    offsets: list[Extent] = [0] * len(sizes)
    offsets[axis], sizes[axis] = index, 1
    return take(value, offsets, sizes, dropped=[axis])


def concatenate(values: Sequence[ir.Value], axis: int) -> ir.Value:
    """The operands one after the other along `axis`; their other extents are equal."""
    if len(values) == 1:
        return values[0]
    sizes = emit.extents(values[0])
    for other in values[1:]:  # an extent that any operand knows is everybody's
        sizes = [
            o if isinstance(o, int) else s for s, o in zip(sizes, emit.shape_of(other), strict=True)
        ]
    starts: list[Extent] = [0]
    for value in values:
        starts.append(add(starts[-1], emit.extent(value, axis)))
    sizes[axis] = starts[-1]
    result = emit.empty(sizes, emit.element_of(values[0]))
    for value, start in zip(values, starts, strict=False):
        offsets: list[Extent] = [0] * len(sizes)
        offsets[axis] = start
        box = [*sizes]
        box[axis] = emit.extent(value, axis)
        result = put(
            emit.cast_type(value, emit.tensor_type(box, emit.element_of(value))),
            result,
            offsets,
            box,
        )
    return result


def pad_end(value: ir.Value, axis: int, count: Extent, fill: ir.Value) -> ir.Value:
    """`count` more indices at the end of one dimension, all `fill`."""
    none: list[Extent] = [0] * len(emit.shape_of(value))
    return pad(value, none, [count if i == axis else 0 for i in range(len(none))], fill)


def pad(value: ir.Value, low: Sequence[Extent], high: Sequence[Extent], fill: ir.Value) -> ir.Value:
    """The tensor with `fill` around it; amounts are per dimension and not negative."""
    if all(isinstance(p, int) and p == 0 for p in (*low, *high)):
        return value
    sizes = [
        add(add(size, a), b) for size, a, b in zip(emit.extents(value), low, high, strict=True)
    ]
    op = tensor.PadOp(
        emit.tensor_type(sizes, emit.element_of(value)),
        value,
        [p for p in low if not isinstance(p, int)],
        [p for p in high if not isinstance(p, int)],
        _static(low),
        _static(high),
    )
    index = ir.IndexType.get()
    block = op.regions[0].blocks.append(
        *[index] * len(sizes), arg_locs=[ir.Location.current] * len(sizes)
    )
    with ir.InsertionPoint(block):
        tensor.YieldOp(fill)
    return op.result


def split(value: ir.Value, axis: int, sizes: Sequence[Extent]) -> ir.Value:
    """Dimension `axis` as several, row-major; their product is its extent."""
    if len(sizes) == 1:
        return value
    old = emit.extents(value)
    new = [*old[:axis], *sizes, *old[axis + 1 :]]
    last = axis + len(sizes)
    groups = [[i] for i in range(axis)] + [list(range(axis, last))]
    groups += [[i] for i in range(last, len(new))]
    type_ = emit.tensor_type(new, emit.element_of(value))
    return tensor.ExpandShapeOp(
        type_,
        value,
        emit.nested(groups),
        [d for d in new if not isinstance(d, int)],
        list(type_.shape),
    ).result


def merge(value: ir.Value, axis: int, count: int) -> ir.Value:
    """Dimensions axis … axis + count - 1 as one, row-major."""
    if count == 1:
        return value
    shape = emit.shape_of(value)
    product: int | None = 1
    for extent in shape[axis : axis + count]:
        product = None if product is None or extent is None else product * extent
    groups = [[i] for i in range(axis)] + [list(range(axis, axis + count))]
    groups += [[i] for i in range(axis + count, len(shape))]
    type_ = emit.tensor_type(
        [*shape[:axis], product, *shape[axis + count :]], emit.element_of(value)
    )
    return tensor.CollapseShapeOp(type_, value, emit.nested(groups)).result


def apart(value: ir.Value) -> ir.Value:
    """The same tensor, whose producer IREE won't fuse with its consumers."""
    dynamic = [d for d in emit.extents(value) if not isinstance(d, int)]
    barrier = ir.Operation.create(
        "util.optimization_barrier", results=[value.type], operands=[value]
    ).result
    if not dynamic:
        return barrier
    # IREE doesn't look through the barrier for extents.
    return ir.Operation.create(
        "flow.tensor.tie_shape", results=[value.type], operands=[barrier, *dynamic]
    ).result
