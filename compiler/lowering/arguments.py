"""Axes, sizes and the like: from an attribute, a constant, or a tensor at run time."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith

from noema.lowering import emit, scalars
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent


def rank(value: ir.Value) -> int:
    """Number of dimensions of a tensor."""
    return len(emit.shape_of(value))


def axis(number: int, dimensions: int) -> int:
    """An axis counted from the front.

    Raises:
        Declined: There is no such axis.
    """
    if not -dimensions <= number < dimensions:
        raise Declined(f"axis {number} of {dimensions} dimensions")
    return number % dimensions if dimensions else 0


def constants(node: Node, attribute: str, slot: int) -> list[int] | None:
    """Integers from an attribute (old opsets) or an input; None if absent or not yet known."""
    if (given := node.ints(attribute)) is not None:
        return list(given)
    if not node.has(slot):
        return None
    values = node.constant(slot)
    if values is not None:
        return [int(v) for v in values.reshape(-1)]
    known = scalars.elements(node.operand(slot))
    numbers = None if known is None else [scalars.literal(v) for v in known]
    return None if numbers is None or None in numbers else [n for n in numbers if n is not None]


def indices(node: Node, attribute: str, slot: int) -> list[Extent] | None:
    """Integers from an attribute or an input, as ints or `index` values; None if absent.

    Raises:
        Declined: It isn't known how many there are.
    """
    known = constants(node, attribute, slot)
    if known is not None:
        return list(known)
    if not node.has(slot):
        return None
    value = node.operand(slot)
    shape = emit.shape_of(value)
    if not shape:
        return [scalars.read_index(value)]
    if len(shape) != 1 or shape[0] is None:
        raise Declined(f"a {attribute} input of unknown length")
    return [scalars.read_index(value, i) for i in range(shape[0])]


def per_dimension(
    values: Sequence[Extent], axes: Sequence[Extent] | None, dimensions: int, default: int
) -> list[Extent]:
    """The value for each dimension, where value i belongs to dimension axes[i].

    Args:
        values: One per entry of `axes`.
        axes: May be negative, and known only when the program runs; None means 0, 1, ….
        dimensions: Number of dimensions.
        default: For the dimensions that no axis names.
    """
    result: list[Extent] = [default] * dimensions
    if axes is None:
        result[: len(values)] = values
        return result
    for value, which in zip(values, axes, strict=True):
        if isinstance(which, int):
            result[axis(which, dimensions)] = value
            continue
        wrapped = scalars.wrap(which, dimensions)
        for d in range(dimensions):
            result[d] = scalars.select(scalars.is_equal(wrapped, d), value, result[d])
    return result


def around(sizes: Sequence[Extent], axis: Extent) -> list[Extent]:
    """How many elements lie before an axis, along it, and after it.

    Any one dimension is the middle one of three.

    Args:
        sizes: Extents of all dimensions.
        axis: Counted from the front; may be known only when the program runs.
    """
    if isinstance(axis, int):
        before, after = sizes[:axis], sizes[axis + 1 :]
        return [scalars.product(before), sizes[axis], scalars.product(after)]
    three: list[Extent] = [1, 1, 1]
    predicates = (arith.CmpIPredicate.slt, arith.CmpIPredicate.eq, arith.CmpIPredicate.sgt)
    for i, size in enumerate(sizes):
        index = scalars.index_value(i)
        where = [arith.CmpIOp(p, index, scalars.index_value(axis)).result for p in predicates]
        three = [
            scalars.multiply(extent, scalars.select(here, size, 1))
            for extent, here in zip(three, where, strict=True)
        ]
    return three
