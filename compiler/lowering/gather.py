"""Lowering of the Gather family: elements of one tensor at indices that another one holds.

An index counts from the end if it is negative. One that is outside all the same reads the nearest
element: ONNX leaves it undefined, and the program may not read beyond its buffers.
"""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import linalg

from noema.lowering import arguments, emit, scalars, slicing
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent


def inside(index: ir.Value, size: Extent) -> Extent:
    """An integer scalar as an index that is within the extent, negative ones from its end."""
    position = scalars.wrap(scalars.to_index(index), size)
    return scalars.clamp(position, 0, scalars.subtract(size, 1))


def lower_gather(node: Node) -> ir.Value:
    """Slices of the data along `axis`, one for each element of the indices."""
    data, indices = node.operand(0), node.operand(1)
    sizes = emit.extents(data)
    axis = arguments.axis(node.int("axis", 0), len(sizes))
    shape = emit.shape_of(indices)
    known = scalars.elements(indices)
    positions = None if known is None else [scalars.literal(v) for v in known]
    if positions is not None and len(sizes) == 1 and len(shape) < 2 and None not in positions:
        elements = scalars.elements(data)
        if elements is not None:
            if any(p is not None and not -len(elements) <= p < len(elements) for p in positions):
                raise Declined("an index outside of a shape")
            chosen = [elements[p] for p in positions if p is not None]
            return scalars.from_elements(
                chosen, [d for d in shape if d is not None], node.result_element()
            )
    if not shape:
        # One slice: a view of the data.
        scalar = scalars.read_index(indices)
        if isinstance(scalar, int):
            position = scalars.wrap(scalar, sizes[axis])
        else:
            position = inside(scalar, sizes[axis])
        return slicing.at(data, axis, position)
    count = len(sizes) - 1 + len(shape)
    wanted = [*sizes[:axis], *emit.extents(indices), *sizes[axis + 1 :]]
    mapping = emit.affine_map(count, emit.dims(count)[axis : axis + len(shape)])

    def pick(index: ir.Value) -> ir.Value:
        here: list[Extent] = [linalg.IndexOp(i).result for i in range(count)]
        at = [*here[:axis], inside(index, sizes[axis]), *here[axis + len(shape) :]]
        return emit.extract(data, at)

    return emit.parallel([indices], [mapping], wanted, node.result_element(), pick)


def lower_gather_elements(node: Node) -> ir.Value:
    """result[…, i, …] = data[…, indices[…, i, …], …]."""
    data, indices = node.operand(0), node.operand(1)
    count = arguments.rank(data)
    axis = arguments.axis(node.int("axis", 0), count)
    size = emit.extent(data, axis)

    def pick(index: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(count)]
        at[axis] = inside(index, size)
        return emit.extract(data, at)

    plain = emit.affine_map(count, emit.dims(count))
    return emit.parallel([indices], [plain], emit.extents(indices), node.result_element(), pick)


def lower_gather_nd(node: Node) -> ir.Value:
    """Slices of the data, one for each vector of indices of its leading dimensions."""
    data, indices = node.operand(0), node.operand(1)
    batch = node.int("batch_dims", 0)
    sizes, lead = emit.extents(data), emit.extents(indices)[:-1]
    depth = emit.shape_of(indices)[-1]
    if depth is None:
        raise Declined("index vectors of unknown length")
    wanted = [*lead, *sizes[batch + depth :]]

    def pick() -> ir.Value:
        here: list[Extent] = [linalg.IndexOp(i).result for i in range(len(wanted))]
        vector = [
            inside(emit.extract(indices, [*here[: len(lead)], i]), sizes[batch + i])
            for i in range(depth)
        ]
        return emit.extract(data, [*here[:batch], *vector, *here[len(lead) :]])

    return emit.parallel([], [], wanted, node.result_element(), pick)
