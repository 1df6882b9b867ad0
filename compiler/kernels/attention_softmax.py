"""The softmax of an attention kernel: from scores to e^(score − greatest), and their sums."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from noema.kernels import curves, lanes
from noema.kernels.attention_workgroup import Block, Workgroup
from noema.kernels.epilogue import narrow, widen
from noema.kernels.printer import Index, Printer, Value


def softmax(work: Workgroup, block: Block) -> None:
    """Makes the scores of a block into factors of its values, and keeps the rows' sums."""
    p, lanes_, rows = work.p, work.lanes, work.t.rows
    lowest, zero = p.splat(-math.inf, lanes_), p.splat(0, lanes_)
    with p.loop(block.row, work.padded, rows) as loop:
        number = p.div(loop.index, rows)
        tile = [p.add(loop.index, i) for i in range(rows)]
        visible = [work.visible(block, row) for row in tile]
        full, end = p.div(visible[0], lanes_), p.ceildiv(visible[-1], lanes_)
        highs = _over(
            work, 0, full, [lowest] * rows, lambda at, high: _masked(work, block, tile, at, high)
        )
        highs = _over(
            work,
            full,
            end,
            highs,
            lambda at, high: _masked(work, block, tile, at, high, visible),
        )
        high = lanes.reduce_rows(p, highs, lambda a, b: greater(p, a, b))
        before = None if block.only else p.load(work.greatest, [number, 0], lanes_)
        if before is not None:
            high = greater(p, high, before)
        p.store(high, work.greatest, [number, 0])
        # A row that sees nothing yet has no difference to its greatest score.
        top = p.select(p.compare_floats("oeq", high, lowest), zero, high)
        tops = [lanes.splat(p, top, i) for i in range(rows)]
        totals = _over(
            work, 0, end, [zero] * rows, lambda at, total: _exp(work, tile, at, tops, total)
        )
        total = lanes.reduce_rows(p, totals, lambda a, b: added(p, a, b))
        if before is not None:
            factor = curves.exp(p, p.arith("arith.subf", before, top))
            p.store(factor, work.factors, [number, 0])
            total = p.fma(p.load(work.sums, [number, 0], lanes_), factor, total)
        p.store(total, work.sums, [number, 0])


def _over(
    work: Workgroup,
    low: Index,
    high: Index,
    carried: Sequence[Value],
    turn: Callable[[Index, Sequence[Value]], Sequence[Value]],
) -> Sequence[Value]:
    if isinstance(low, int) and isinstance(high, int) and low >= high:
        return carried
    with work.p.loop(low, high, carried=carried) as loop:
        loop.give(turn(loop.index, loop.carried))
    return loop.results


def _masked(
    work: Workgroup,
    block: Block,
    tile: Sequence[Index],
    at: Index,
    highs: Sequence[Value],
    visible: Sequence[Index] | None = None,
) -> list[Value]:
    """Greater of `highs` and a vector of scores each, which are finished and stored.

    Args:
        work: The workgroup.
        block: What keys they are of.
        tile: Packed rows.
        at: Which vector.
        highs: Greatest scores so far.
        visible: How many scores count, if not all of the vector do.
    """
    p, lanes_ = work.p, work.lanes
    column = p.mul(at, lanes_)
    found: list[Value] = []
    read: dict[str, Value] = {}
    # The last row sees the most keys: what it may read of a mask's row, all may.
    widest = None if visible is None else p.mask(p.sub(visible[-1], column), lanes_)
    for i, row in enumerate(tile):
        scores = given = p.load(work.s, [row, column], lanes_)
        if work.late != 1.0:
            scores = p.arith("arith.mulf", scores, p.splat(work.late, lanes_))
        if work.a.softcap:
            cap, over = (p.splat(c, lanes_) for c in (work.a.softcap, 1 / work.a.softcap))
            bounded = curves.tanh(p, p.arith("arith.mulf", scores, over))
            scores = p.arith("arith.mulf", bounded, cap)
        inside = None
        if visible is not None:
            inside = p.mask(p.sub(visible[i], column), lanes_)
        if work.a.mask is not None:
            scores = _with_mask(work, scores, block, row, column, widest, read)
        if inside is not None:
            scores = p.select(inside, scores, p.splat(-math.inf, lanes_))
        if scores is not given:
            p.store(scores, work.s, [row, column])
        found.append(greater(p, scores, highs[i]))
    return found


def _with_mask(
    work: Workgroup,
    scores: Value,
    block: Block,
    row: Index,
    column: Index,
    inside: Value | None,
    read: dict[str, Value],
) -> Value:
    p, mask, lanes_ = work.p, work.a.mask, work.lanes
    assert mask is not None
    buffer = work.scope.operands[3]
    query, head = work.place(row)
    at = [
        work.batch if mask.by_batch else 0,
        head if mask.by_head else 0,
        query if mask.by_query else 0,
        p.sum(block.source.before, block.start, column),
    ]
    # Rows that share a mask's row share what was read.
    key = f"{at[1]} {at[2]}" if mask.by_query or (mask.by_head and work.a.group > 1) else ""
    if key not in read:
        zeros = p.splat(0, lanes_, buffer.element)
        read[key] = (
            p.load(buffer, at, lanes_)
            if inside is None
            else p.load_masked(buffer, at, inside, zeros)
        )
    value = read[key]
    if mask.element != "i1":
        return p.arith("arith.addf", scores, widen(p, value))
    zeros = p.splat(0, lanes_, buffer.element)
    allowed = p.op(f"arith.cmpi ne, {value}, {zeros} : {value.type}", f"vector<{lanes_}xi1>")
    return p.select(allowed, scores, p.splat(-math.inf, lanes_))


def _exp(
    work: Workgroup,
    tile: Sequence[Index],
    at: Index,
    tops: Sequence[Value],
    totals: Sequence[Value],
) -> list[Value]:
    """Makes a vector of scores each into e^(score − top), and adds it to `totals`."""
    p, lanes_ = work.p, work.lanes
    column = p.mul(at, lanes_)
    found: list[Value] = []
    for row, top, total in zip(tile, tops, totals, strict=True):
        scores = p.load(work.s, [row, column], lanes_)
        value = curves.exp(p, p.arith("arith.subf", scores, top))
        found.append(added(p, total, value))
        if work.probabilities is work.s:
            p.store(value, work.s, [row, column])
        else:
            words = p.bitcast(narrow(p, value, "bf16", native=True), f"vector<{lanes_ // 2}xi32>")
            p.store(words, work.probabilities, [row, p.mul(at, lanes_ // 2)])
    return found


def added(p: Printer, a: Value, b: Value) -> Value:
    """a + b."""
    return p.arith("arith.addf", a, b)


def greater(p: Printer, a: Value, b: Value) -> Value:
    """max(a, b)."""
    return curves.at_least(p, a, b)
