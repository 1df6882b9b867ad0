"""Lowering of the operators that look for the largest or smallest: ArgMax, ArgMin, Hardmax, TopK.

Between equal elements the lower index wins; nan counts as larger than every number.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dtypes import DType
from noema.lowering import arguments, emit, scalars, slicing
from noema.lowering.node import Declined, Node
from noema.lowering.reduction import Reduced, extreme, extreme_identity
from noema.lowering.scalars import Extent

MAX_ITERATIONS = 512
"""As many elements are looked for one after another, at most."""

DISPATCH_ELEMENTS = 5000
"""Elements that are compared in the time that a dispatch takes, roughly."""


def is_iterated(k: int, extent: int) -> bool:
    """Whether k searches cost less than comparing all pairs of `extent` elements.

    Those are two dispatches each over all elements, this is one for extent² comparisons.
    """
    return k <= MAX_ITERATIONS and 2 * k * (DISPATCH_ELEMENTS + extent) < extent * extent


def lower_arg_extreme(node: Node) -> ir.Value:
    """The index of the largest (ArgMax) or smallest (ArgMin) element along `axis`."""
    x, dtype = node.operand(0), node.dtype(0)
    axis = arguments.axis(node.int("axis", 0), arguments.rank(x))
    last = bool(node.int("select_last_index", 0))
    result = arg_extreme(x, axis, dtype, largest=node.kind == "ArgMax", last=last)
    if node.int("keepdims", 1):
        return result
    sizes = emit.extents(result)
    return emit.reshape(result, [d for i, d in enumerate(sizes) if i != axis])


def arg_extreme(
    x: ir.Value, axis: int, dtype: DType, *, largest: bool, last: bool = False
) -> ir.Value:
    """Index (i64) of the largest or smallest element along `axis`, which stays with extent 1.

    Two reductions, of the elements and of the indices where they equal the result: both vectorise,
    which one reduction of pairs would not.
    """
    identity = extreme_identity(dtype, largest)
    best = Reduced(x, [axis], ()).combine(identity, extreme(dtype, largest))
    return _first_equal(x, best, axis, dtype, last=last)


def _first_equal(
    x: ir.Value, best: ir.Value, axis: int, dtype: DType, *, last: bool = False
) -> ir.Value:
    i64 = ir.IntegerType.get_signless(64)
    sizes = emit.extents(x)
    count = len(sizes)
    every = emit.dims(count)
    zero = ir.AffineExpr.get_constant(0)
    kept = emit.affine_map(count, [zero if i == axis else d for i, d in enumerate(every)])
    none = -1 if last else scalars.MAX_INDEX
    reduce_index = arith.MaxSIOp if last else arith.MinSIOp

    def body(value: ir.Value, target: ir.Value, found: ir.Value) -> ir.Value:
        here = scalars.to_integer(linalg.IndexOp(axis).result, i64)
        hit = arith.SelectOp(equal(value, target, dtype), here, emit.scalar(none, i64)).result
        return reduce_index(hit, found).result

    return emit.generic(
        [x, best],
        [emit.affine_map(count, every), kept],
        emit.full([1 if i == axis else d for i, d in enumerate(sizes)], emit.scalar(none, i64)),
        kept,
        ["reduction" if i == axis else "parallel" for i in range(count)],
        body,
    )


def equal(a: ir.Value, b: ir.Value, dtype: DType) -> ir.Value:
    """Equality in which nan equals nan."""
    if not dtype.is_float:
        return arith.CmpIOp(arith.CmpIPredicate.eq, a, b).result
    same = arith.CmpFOp(arith.CmpFPredicate.OEQ, a, b).result
    nans = [arith.CmpFOp(arith.CmpFPredicate.UNO, v, v).result for v in (a, b)]
    return arith.OrIOp(same, arith.AndIOp(*nans).result).result


def greater(a: ir.Value, b: ir.Value, dtype: DType) -> ir.Value:
    """Order in which nan is above all numbers."""
    if not dtype.is_float:
        unsigned = dtype.is_unsigned or dtype.mlir == "i1"
        predicate = arith.CmpIPredicate.ugt if unsigned else arith.CmpIPredicate.sgt
        return arith.CmpIOp(predicate, a, b).result
    above = arith.CmpFOp(arith.CmpFPredicate.UGT, a, b).result
    number = arith.CmpFOp(arith.CmpFPredicate.ORD, b, b).result
    return arith.AndIOp(above, number).result


def lower_hardmax(node: Node) -> ir.Value:
    """1 at the first largest element along `axis`, 0 elsewhere."""
    x, element = node.operand(0), node.result_element()
    count = arguments.rank(x)
    axis = arguments.axis(node.int("axis", -1), count)
    index = arg_extreme(x, axis, node.dtype(0), largest=True)
    every = emit.dims(count)
    zero = ir.AffineExpr.get_constant(0)
    kept = emit.affine_map(count, [zero if i == axis else d for i, d in enumerate(every)])

    def mark(found: ir.Value) -> ir.Value:
        here = scalars.is_equal(scalars.to_index(found), linalg.IndexOp(axis).result)
        one, nothing = emit.scalar(1, element), emit.scalar(0, element)
        return arith.SelectOp(here, one, nothing).result

    return emit.parallel([index], [kept], emit.extents(x), element, mark)


def lower_top_k(node: Node) -> Sequence[ir.Value]:
    """The k largest or smallest elements along `axis`, best first, and their indices."""
    x, dtype = node.operand(0), node.dtype(0)
    count = arguments.rank(x)
    axis = arguments.axis(node.int("axis", -1), count)
    largest = bool(node.int("largest", 1))
    slot = 0 if node.results[0] is not None else 1

    def chosen() -> Extent:
        given = arguments.indices(node, "k", 1)
        if not given:
            raise Declined("no k")
        return given[0]

    k = scalars.refine(node.result_shape(slot), axis, chosen)
    if (dtype.is_float and dtype.bits < 16) or dtype.mlir.startswith("complex"):
        raise Declined(f"order of {dtype}")
    order = [*[i for i in range(count) if i != axis], axis]
    back = [order.index(i) for i in range(count)]
    rows = emit.transpose(x, order)
    extent = emit.shape_of(rows)[-1]
    if extent is not None and isinstance(k, int) and is_iterated(k, extent):
        indices = _one_by_one(rows, k, dtype, largest)
    else:
        indices = _by_rank(rows, k, dtype, largest)

    def pick(index: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(count)]
        at[-1] = scalars.to_index(index)
        return emit.extract(rows, at)

    plain = emit.affine_map(count, emit.dims(count))
    sizes = emit.extents(indices)
    values = emit.parallel([indices], [plain], sizes, emit.element_of(x), pick)
    return [emit.transpose(values, back), emit.transpose(indices, back)]


def _by_rank(rows: ir.Value, k: Extent, dtype: DType, largest: bool) -> ir.Value:
    """Indices of the first k: each element's rank is how many come before it."""
    ranks = rank_of(rows, dtype, descending=largest)
    sizes = emit.extents(rows)
    count = len(sizes)
    i64 = ir.IntegerType.get_signless(64)
    every = emit.dims(count + 1)
    lead, place, element = every[: count - 1], every[count - 1], every[count]

    def body(rank: ir.Value, _: ir.Value, total: ir.Value) -> ir.Value:
        here = scalars.is_equal(scalars.to_index(rank), linalg.IndexOp(count - 1).result)
        index = scalars.to_integer(linalg.IndexOp(count).result, i64)
        own = arith.SelectOp(here, index, emit.scalar(0, i64)).result
        return arith.AddIOp(own, total).result

    return emit.generic(
        [ranks, emit.empty([k], i64)],
        [
            emit.affine_map(count + 1, [*lead, element]),
            emit.affine_map(count + 1, [place]),
        ],
        emit.full([*sizes[:-1], k], emit.scalar(0, i64)),
        emit.affine_map(count + 1, [*lead, place]),
        ["parallel"] * count + ["reduction"],
        body,
    )


def rank_of(rows: ir.Value, dtype: DType, *, descending: bool) -> ir.Value:
    """How many elements of its row come before each element (i32); the ranks are all different."""
    sizes = emit.extents(rows)
    count = len(sizes)
    i32 = ir.IntegerType.get_signless(32)
    every = emit.dims(count + 1)
    lead = every[: count - 1]

    def body(own: ir.Value, other: ir.Value, total: ir.Value) -> ir.Value:
        first, second = (other, own) if descending else (own, other)
        better, worse = greater(first, second, dtype), greater(second, first, dtype)
        earlier = arith.CmpIOp(
            arith.CmpIPredicate.slt, linalg.IndexOp(count).result, linalg.IndexOp(count - 1).result
        ).result
        tie = arith.XOrIOp(worse, emit.scalar(1, worse.type)).result
        before = arith.OrIOp(better, arith.AndIOp(tie, earlier).result).result
        return arith.AddIOp(arith.ExtUIOp(i32, before).result, total).result

    return emit.generic(
        [rows, rows],
        [
            emit.affine_map(count + 1, every[:count]),
            emit.affine_map(count + 1, [*lead, every[count]]),
        ],
        emit.full(sizes, emit.scalar(0, i32)),
        emit.affine_map(count + 1, every[:count]),
        ["parallel"] * count + ["reduction"],
        body,
    )


def _one_by_one(rows: ir.Value, k: int, dtype: DType, largest: bool) -> ir.Value:
    """Indices of the first k: each is the best of those that come after the one before."""
    count = arguments.rank(rows)
    sizes = emit.extents(rows)
    every = emit.dims(count)
    zero = ir.AffineExpr.get_constant(0)
    plain = emit.affine_map(count, every)
    kept = emit.affine_map(count, [*every[:-1], zero])
    worst, combine = extreme_identity(dtype, largest), extreme(dtype, largest)
    best = Reduced(rows, [count - 1], ()).combine(worst, combine)
    index = _first_equal(rows, best, count - 1, dtype)
    found = [index]
    i64 = ir.IntegerType.get_signless(64)

    def follows(value: ir.Value, best: ir.Value, index: ir.Value) -> ir.Value:
        first, second = (best, value) if largest else (value, best)
        beyond = greater(first, second, dtype)
        here = linalg.IndexOp(count - 1).result
        later = arith.CmpIOp(arith.CmpIPredicate.sgt, here, scalars.to_index(index)).result
        tied = arith.AndIOp(equal(value, best, dtype), later).result
        return arith.OrIOp(beyond, tied).result

    def next_best(value: ir.Value, best: ir.Value, index: ir.Value, top: ir.Value) -> ir.Value:
        candidate = arith.SelectOp(follows(value, best, index), value, worst).result
        return combine(candidate, top)

    def next_index(
        value: ir.Value, best: ir.Value, index: ir.Value, top: ir.Value, found: ir.Value
    ) -> ir.Value:
        hit = arith.AndIOp(follows(value, best, index), equal(value, top, dtype)).result
        here = scalars.to_integer(linalg.IndexOp(count - 1).result, i64)
        none = emit.scalar(scalars.MAX_INDEX, i64)
        return arith.MinSIOp(arith.SelectOp(hit, here, none).result, found).result

    loops = ["parallel"] * (count - 1) + ["reduction"]
    kept_sizes = [*sizes[:-1], 1]
    for _ in range(k - 1):
        maps = [plain, kept, kept]
        top = emit.generic(
            [rows, best, index], maps, emit.full(kept_sizes, worst), kept, loops, next_best
        )
        nothing = emit.full(kept_sizes, emit.scalar(scalars.MAX_INDEX, i64))
        index = emit.generic(
            [rows, best, index, top], [*maps, kept], nothing, kept, loops, next_index
        )
        best = top
        found.append(index)
    return slicing.concatenate(found, count - 1)
