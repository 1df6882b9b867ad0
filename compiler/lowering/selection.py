"""Lowering of the operators whose number of results depends on values: Compress, NonZero, Unique.

How many there are is counted first and read back, because a tensor's extents are the program's to
know before it is made; everything else stays on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dtypes import DType
from noema.lowering import arguments, emit, linalg_ext, scalars
from noema.lowering.node import Declined, Node
from noema.lowering.ranking import equal, greater
from noema.lowering.scalars import Extent


def _i64() -> ir.Type:
    return ir.IntegerType.get_signless(64)


def _add(a: ir.Value, b: ir.Value) -> ir.Value:
    return arith.AddIOp(a, b).result


def _total(flags: ir.Value) -> ir.Value:
    """How many of a vector of bools are true, as a tensor of one i64."""
    return emit.reduce(
        flags,
        [0],
        emit.scalar(0, _i64()),
        lambda flag, total: _add(arith.ExtUIOp(_i64(), flag).result, total),
    )


def _chosen(flags: ir.Value, declared: int | None) -> tuple[ir.Value, Extent]:
    """Positions (i64) of what is true in a vector of bools, and how many they are."""
    i64 = _i64()
    count: Extent = scalars.read_index(_total(flags)) if declared is None else declared
    numbers = emit.pointwise([flags], i64, lambda flag: arith.ExtUIOp(i64, flag).result)
    running = linalg_ext.scan(numbers, 0, emit.scalar(0, i64), _add, inclusive=True)

    def place(flag: ir.Value, so_far: ir.Value) -> ir.Value:
        # What isn't chosen goes behind the last of the chosen, where nobody looks.
        own = arith.SubIOp(so_far, emit.scalar(1, i64)).result
        return arith.SelectOp(flag, own, scalars.to_integer(count, i64)).result

    places = emit.pointwise([flags, running], i64, place)
    sizes = emit.extents(flags)
    own = emit.parallel(
        [], [], sizes, i64, lambda: scalars.to_integer(linalg.IndexOp(0).result, i64)
    )
    into = emit.full([scalars.add(count, 1)], emit.scalar(0, i64))
    places = emit.reshape(places, [*sizes, 1])
    return linalg_ext.scatter(own, places, into, lambda new, _: new, unique=False), count


def _pick(x: ir.Value, axis: int, positions: ir.Value, count: Extent) -> ir.Value:
    """The first `count` of the positions along one dimension of x."""
    sizes = emit.extents(x)
    sizes[axis] = count

    def pick() -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(len(sizes))]
        at[axis] = scalars.to_index(emit.extract(positions, [at[axis]]))
        return emit.extract(x, at)

    return emit.parallel([], [], sizes, emit.element_of(x), pick)


def lower_compress(node: Node) -> ir.Value:
    """The slices of x along `axis`, or the elements of all of x, at which the condition is true."""
    x, condition = node.operand(0), node.operand(1)
    axis = 0
    if not node.given("axis"):
        x = emit.reshape(x, [scalars.product(emit.extents(x))])
    else:
        axis = arguments.axis(node.int("axis"), arguments.rank(x))
    positions, count = _chosen(condition, node.result_shape()[axis])
    return _pick(x, axis, positions, count)


def lower_non_zero(node: Node) -> ir.Value:
    """The indices (rank, count) of the elements that aren't 0, in row-major order."""
    x, dtype = node.operand(0), node.dtype(0)
    sizes = emit.extents(x)
    if not sizes or dtype.mlir.startswith("complex"):
        raise Declined(f"{node.kind} of rank {len(sizes)} and {dtype}")

    def nonzero(value: ir.Value) -> ir.Value:
        zero = emit.scalar(0, value.type)
        if dtype.is_float:
            return arith.CmpFOp(arith.CmpFPredicate.UNE, value, zero).result
        return arith.CmpIOp(arith.CmpIPredicate.ne, value, zero).result

    flat = emit.reshape(x, [scalars.product(sizes)])
    flags = emit.pointwise([flat], ir.IntegerType.get_signless(1), nonzero)
    positions, count = _chosen(flags, node.result_shape()[1])

    def coordinate() -> ir.Value:
        row, column = linalg.IndexOp(0).result, linalg.IndexOp(1).result
        rest: Extent = scalars.to_index(emit.extract(positions, [column]))
        found: Extent = 0
        for i in reversed(range(len(sizes))):
            quotient = scalars.floor_divide(rest, sizes[i]) if i else 0
            own = scalars.subtract(rest, scalars.multiply(quotient, sizes[i]))
            found = scalars.select(scalars.is_equal(row, i), own, found)
            rest = quotient
        return scalars.to_integer(found, _i64())

    return emit.parallel([], [], [len(sizes), count], _i64(), coordinate)


def lower_unique(node: Node) -> Sequence[ir.Value | None]:
    """The distinct elements of x, or slices of it along `axis`, sorted or in order of appearance.

    Also, for each of them, where it first occurs and how often, and for each element of x which of
    them it is. All pairs are compared: quadratic, but parallel and without a sort.
    """
    x, dtype = node.operand(0), node.dtype(0)
    if (dtype.is_float and dtype.bits < 16) or dtype.mlir.startswith("complex"):
        raise Declined(f"order of {dtype}")
    rank = arguments.rank(x)
    if node.given("axis"):
        axis = arguments.axis(node.int("axis"), rank)
        order = [axis, *[i for i in range(rank) if i != axis]]
        rows = emit.transpose(x, order)
        sizes = emit.extents(rows)
        rows = emit.reshape(rows, [sizes[0], scalars.product(sizes[1:])])
    else:
        axis = 0
        x = emit.reshape(x, [scalars.product(emit.extents(x))])
        rows = emit.reshape(x, [*emit.extents(x), 1])
    comparison = _Comparison(rows, dtype)
    first = comparison.first()
    is_first = emit.parallel(
        [first],
        [emit.affine_map(1, emit.dims(1))],
        emit.extents(first),
        ir.IntegerType.get_signless(1),
        lambda f: scalars.is_equal(scalars.to_index(f), linalg.IndexOp(0).result),
    )
    group = comparison.group(first, is_first, ordered=bool(node.int("sorted", 1)))
    declared = next(
        (node.result_shape(i)[a] for i, a in ((0, axis), (1, 0), (3, 0)) if _wanted(node, i)), None
    )
    count: Extent = scalars.read_index(_total(is_first)) if declared is None else declared
    zero = emit.scalar(0, _i64())

    def index(item: ir.Value, flag: ir.Value, mine: ir.Value) -> ir.Value:
        return arith.SelectOp(arith.AndIOp(flag, mine).result, item, zero).result

    indices = _gathered(group, is_first, count, index)
    counts = _gathered(
        group, is_first, count, lambda _item, _flag, mine: arith.ExtUIOp(_i64(), mine).result
    )
    made = [_pick(x, axis, indices, count), indices, group, counts]
    return [v if _wanted(node, i) else None for i, v in enumerate(made)]


def _wanted(node: Node, slot: int) -> bool:
    return slot < len(node.results) and node.results[slot] is not None


class _Comparison:
    """All pairs of rows of a matrix, compared lexicographically.

    The loops of every method are (i, j), j reduced.
    """

    def __init__(self, rows: ir.Value, dtype: DType) -> None:
        self.rows, self.dtype = rows, dtype
        self.sizes = emit.extents(rows)
        every = emit.dims(3)
        i64 = _i64()
        none = scalars.to_integer(self.sizes[1], i64)

        def differs(a: ir.Value, b: ir.Value, found: ir.Value) -> ir.Value:
            here = scalars.to_integer(linalg.IndexOp(2).result, i64)
            same = arith.SelectOp(equal(a, b, dtype), none, here).result
            return arith.MinSIOp(same, found).result

        # Column of the first difference of rows i and j; the number of columns if there is none.
        self.difference = emit.generic(
            [rows, rows],
            [emit.affine_map(3, [every[0], every[2]]), emit.affine_map(3, [every[1], every[2]])],
            emit.full([self.sizes[0]] * 2, none),
            emit.affine_map(3, every[:2]),
            ["parallel", "parallel", "reduction"],
            differs,
        )

    def _reduce(
        self, inputs: Sequence[tuple[ir.Value, int]], start: int, body: Callable[..., ir.Value]
    ) -> ir.Value:
        every = emit.dims(2)
        return emit.generic(
            [self.difference, *[v for v, _ in inputs]],
            [emit.affine_map(2, every), *[emit.affine_map(2, [every[d]]) for _, d in inputs]],
            emit.full([self.sizes[0]], emit.scalar(start, _i64())),
            emit.affine_map(2, every[:1]),
            ["parallel", "reduction"],
            body,
        )

    def first(self) -> ir.Value:
        """For each row the index of the first row that equals it."""

        def body(difference: ir.Value, found: ir.Value) -> ir.Value:
            same = scalars.is_equal(scalars.to_index(difference), self.sizes[1])
            here = scalars.to_integer(linalg.IndexOp(1).result, _i64())
            none = emit.scalar(scalars.MAX_INDEX, _i64())
            return arith.MinSIOp(arith.SelectOp(same, here, none).result, found).result

        return self._reduce([], scalars.MAX_INDEX, body)

    def group(self, first: ir.Value, is_first: ir.Value, *, ordered: bool) -> ir.Value:
        """For each row which of the distinct rows it is."""

        def before(
            difference: ir.Value, found: ir.Value, flag: ir.Value, total: ir.Value
        ) -> ir.Value:
            other = linalg.IndexOp(1).result
            if ordered:
                column = scalars.to_index(difference)
                inside = scalars.minimum(column, scalars.subtract(self.sizes[1], 1))
                mine = emit.extract(self.rows, [linalg.IndexOp(0).result, inside])
                theirs = emit.extract(self.rows, [other, inside])
                # Equal rows have no difference: then the last column says so as well.
                smaller = greater(mine, theirs, self.dtype)
            else:
                smaller = arith.CmpIOp(
                    arith.CmpIPredicate.slt, other, scalars.to_index(found)
                ).result
            counts = arith.AndIOp(flag, smaller).result
            return _add(arith.ExtUIOp(_i64(), counts).result, total)

        return self._reduce([(first, 0), (is_first, 1)], 0, before)


def _gathered(
    group: ir.Value,
    flags: ir.Value,
    count: Extent,
    term: Callable[[ir.Value, ir.Value, ir.Value], ir.Value],
) -> ir.Value:
    """Σ of term(item, its flag, whether its group is k) over the items, for each group k."""
    every = emit.dims(2)

    def body(own: ir.Value, flag: ir.Value, _: ir.Value, total: ir.Value) -> ir.Value:
        mine = scalars.is_equal(scalars.to_index(own), linalg.IndexOp(0).result)
        item = scalars.to_integer(linalg.IndexOp(1).result, _i64())
        return _add(term(item, flag, mine), total)

    return emit.generic(
        [group, flags, emit.empty([count], _i64())],
        [
            emit.affine_map(2, [every[1]]),
            emit.affine_map(2, [every[1]]),
            emit.affine_map(2, [every[0]]),
        ],
        emit.full([count], emit.scalar(0, _i64())),
        emit.affine_map(2, every[:1]),
        ["parallel", "reduction"],
        body,
    )
