"""Lowering of the Scatter family: a tensor with elements replaced at, or combined into, indices.

Updates of the same element go in order, as a loop over them would do it. An index counts from the
end if it is negative; one that is outside all the same is moved to the nearest element, because the
program may not write beyond its buffers.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dtypes import DType
from noema.lowering import arguments, emit, linalg_ext, scalars, slicing
from noema.lowering.elementwise import apply
from noema.lowering.gather import inside
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent

_REDUCTIONS = {"add": Kind.ADD, "mul": Kind.MUL, "max": Kind.MAX, "min": Kind.MIN}
_BOOL_REDUCTIONS = {"add": Kind.OR, "mul": Kind.AND, "max": Kind.OR, "min": Kind.AND}


def _combine(node: Node, dtype: DType) -> linalg_ext.Combine:
    reduction = node.text("reduction", "none")
    if reduction == "none":
        return lambda update, _: update
    table = _BOOL_REDUCTIONS if dtype.mlir == "i1" else _REDUCTIONS
    if reduction not in table:
        raise Declined(f"reduction {reduction}")
    return lambda update, old: apply(table[reduction], dtype, old, update)


def _flat(value: ir.Value, dimensions: int) -> ir.Value:
    """The leading `dimensions` of a tensor as one."""
    return (
        slicing.merge(value, 0, dimensions)
        if dimensions
        else emit.reshape(value, [1, *emit.extents(value)])
    )


def _scattered(
    node: Node, updates: ir.Value, positions: ir.Value, into: ir.Value, dtype: DType
) -> ir.Value:
    """Scatter of (count, rest…) updates."""
    body = _combine(node, dtype)
    if 0 in emit.shape_of(updates):
        return into
    return linalg_ext.scatter(updates, positions, into, body, unique=False)


def lower_scatter_elements(node: Node) -> ir.Value:
    """result[…, indices[…, i, …], …] = updates[…, i, …], or combined with it."""
    data, indices, updates = (node.operand(i) for i in range(3))
    sizes = emit.extents(data)
    count = len(sizes)
    if 0 in emit.shape_of(updates):
        return data
    axis = arguments.axis(node.int("axis", 0), count)
    i64 = ir.IntegerType.get_signless(64)

    def position() -> ir.Value:
        # (updates…, coordinate): the index along the axis, where the update itself is elsewhere.
        here: list[Extent] = [linalg.IndexOp(i).result for i in range(count)]
        along = inside(emit.extract(indices, here), sizes[axis])
        coordinate = linalg.IndexOp(count).result
        chosen: Extent = here[0]
        for i in range(count):
            value = along if i == axis else here[i]
            chosen = (
                value if i == 0 else scalars.select(scalars.is_equal(coordinate, i), value, chosen)
            )
        return scalars.to_integer(chosen, i64)

    positions = emit.parallel([], [], [*emit.extents(indices), count], i64, position)
    return _scattered(node, _flat(updates, count), _flat(positions, count), data, node.dtype(0))


def lower_scatter_nd(node: Node) -> ir.Value:
    """Data with the slices that vectors of indices name replaced by, or combined with, updates."""
    data, indices, updates = (node.operand(i) for i in range(3))
    depth, lead = emit.shape_of(indices)[-1], arguments.rank(indices) - 1
    if depth is None:
        raise Declined("index vectors of unknown length")
    if 0 in emit.shape_of(updates):
        return data
    if depth == 0:
        raise Declined("index vectors of no elements")
    positions = _flat(_wrapped(indices, emit.extents(data)[:depth]), lead)
    return _scattered(node, _flat(updates, lead), positions, data, node.dtype(0))


def _wrapped(indices: ir.Value, sizes: Sequence[Extent]) -> ir.Value:
    """Index vectors (…, depth) with every index made non-negative and brought inside."""
    count = arguments.rank(indices)
    i64 = ir.IntegerType.get_signless(64)

    def position(index: ir.Value) -> ir.Value:
        coordinate = linalg.IndexOp(count - 1).result
        size: Extent = sizes[0]
        for i, other in enumerate(sizes[1:], 1):
            size = scalars.select(scalars.is_equal(coordinate, i), other, size)
        return scalars.to_integer(inside(index, size), i64)

    plain = emit.affine_map(count, emit.dims(count))
    return emit.parallel([indices], [plain], emit.extents(indices), i64, position)


def lower_tensor_scatter(node: Node) -> ir.Value:
    """The cache with the update written along `axis` from each batch entry's write index on.

    Read rather than written: an element is the update's if its distance from the write index, in
    a circle if `mode` says so, is less than the update's extent.
    """
    cache, update = node.operand(0), node.operand(1)
    starts = node.optional(2)
    sizes = emit.extents(cache)
    axis = arguments.axis(node.int("axis", -2), len(sizes))
    length = emit.extent(update, axis)
    circular = node.text("mode", "linear") == "circular"

    def element(old: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(len(sizes))]
        place = at[axis]
        if starts is not None:
            place = scalars.subtract(place, scalars.to_index(emit.extract(starts, [at[0]])))
        if circular:
            turns = scalars.floor_divide(place, sizes[axis])
            place = scalars.subtract(place, scalars.multiply(turns, sizes[axis]))
        # Unsigned: what lies before the write index is larger than any extent.
        written = arith.CmpIOp(
            arith.CmpIPredicate.ult, scalars.index_value(place), scalars.index_value(length)
        ).result
        at[axis] = scalars.clamp(place, 0, scalars.subtract(length, 1))
        return arith.SelectOp(written, emit.extract(update, at), old).result

    plain = emit.affine_map(len(sizes), emit.dims(len(sizes)))
    return emit.parallel([cache], [plain], sizes, node.result_element(), element)
