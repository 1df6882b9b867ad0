"""Prints what a workgroup of an attention kernel does.

Per block of keys: scores by register tiles, their
softmax against the greatest score so far, products with the values by register tiles. A row's sum
and result are scaled down whenever its greatest score grows, and divided at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from noema.kernels import lanes
from noema.kernels.attention_problem import AttentionPlan, Heads
from noema.kernels.attention_softmax import added, softmax
from noema.kernels.attention_workgroup import Block, Source, Workgroup
from noema.kernels.epilogue import widen
from noema.kernels.executable import Scope
from noema.kernels.printer import Index, Value


def print_body(plan: AttentionPlan, scope: Scope) -> None:
    """Prints the workgroup of `scope`: a block of packed rows of one key head of one batch."""
    work = Workgroup(plan, scope)
    work.pack_queries()
    sources = list(_sources(plan, scope))
    if _is_one_block(plan, sources):
        attend(work, Block(sources[0], 0, sources[0].count, 0, only=True))
    else:
        work.clear()
        for source in sources:
            attend_all(work, source)
    work.finish()


def _sources(plan: AttentionPlan, scope: Scope) -> Iterator[Source]:
    a = plan.problem
    before: Index = 0
    if a.past is not None:
        k, v = scope.operands[-2:]
        before = scope.extent(a.past)
        heads = (Heads(a.size, first=True), Heads(a.value_size, first=True))
        yield Source(k, v, *heads, before, 0, causal=False, cached=True)
    k, v = scope.operands[1:3]
    yield Source(k, v, a.k, a.v, scope.extent(a.keys), before, a.causal, cached=False)


def _is_one_block(plan: AttentionPlan, sources: Sequence[Source]) -> bool:
    count = sources[0].count
    return len(sources) == 1 and isinstance(count, int) and 0 < count <= plan.tile.key_block


def attend_all(work: Workgroup, source: Source) -> None:
    """Goes over all keys of a source that the workgroup's rows may see, in blocks."""
    p, size = work.p, work.t.key_block
    end = source.count
    if source.causal and work.a.present is None:
        # Those past the last row's are nobody's.
        last, _ = work.place(p.sub(work.rows, 1))
        end = p.min(end, p.add(last, 1))
    if isinstance(end, int):
        whole_ = end // size * size
        if whole_:
            with p.loop(0, whole_, size) as loop:
                _attend_from(work, source, loop.index, size)
        if end > whole_:
            _attend_from(work, source, whole_, end - whole_)
    else:
        with p.loop(0, end, size) as loop:
            _attend_from(work, source, loop.index, p.min(p.sub(end, loop.index), size))


def _attend_from(work: Workgroup, source: Source, start: Index, count: Index) -> None:
    row = work.first_row(source, start)
    attend(work, Block(source, start, count, row, only=False))


def attend(work: Workgroup, block: Block) -> None:
    """Takes a block of keys into account."""
    work.keep(block)
    if work.t.direct:
        _direct_scores(work, block)
        softmax(work, block)
        _direct_product(work, block)
    else:
        work.pack(block)
        _scores(work, block)
        softmax(work, block)
        _product(work, block)


def _panels(work: Workgroup, count: Index, print_panel: Callable[[Index, int], None]) -> None:
    """Cuts `count` vectors into panels of up to the tile's; calls with first and width."""
    p, most = work.p, work.t.vectors
    if isinstance(count, int):
        number = -(-count // most)
        narrower, more = divmod(count, number)
        wider = narrower + 1
        for first, times, width in ((0, more, wider), (more * wider, number - more, narrower)):
            if times == 1:
                print_panel(first, width)
            elif times:
                with p.loop(0, times) as loop:
                    print_panel(p.add(p.mul(loop.index, width), first), width)
        return
    full = p.div(count, most)
    with p.loop(0, full) as loop:
        print_panel(p.mul(loop.index, most), most)
    left = p.rem(count, most)
    for width in range(1, most):
        with p.when(p.compare("eq", left, width)):
            print_panel(p.mul(full, most), width)


def _tile(
    work: Workgroup,
    steps: Index,
    factor: Callable[[Index, int], Value],
    vector: Callable[[Index, int], Value],
    start: Sequence[Sequence[Value]],
) -> list[list[Value]]:
    """A register tile: start[i][j] + Σ over steps of factor(step, i) · vector(step, j)."""
    p, width = work.p, len(start[0])
    with p.loop(0, steps, carried=[v for row in start for v in row]) as loop:
        sums = list(loop.carried)
        vectors = [vector(loop.index, j) for j in range(width)]
        for i in range(len(start)):
            a = factor(loop.index, i)
            for j, b in enumerate(vectors):
                sums[i * width + j] = work.dot(a, b, sums[i * width + j])
        loop.give(sums)
    results = loop.results
    return [list(results[i : i + width]) for i in range(0, len(results), width)]


def _scores(work: Workgroup, block: Block) -> None:
    p, lanes_, rows = work.p, work.lanes, work.t.rows

    def panel(first: Index, width: int) -> None:
        low = block.row
        if block.source.causal:
            low = work.first_row(block.source, p.add(block.start, p.mul(first, lanes_)))
        with p.loop(low, work.padded, rows) as loop:
            tile = [p.add(loop.index, i) for i in range(rows)]
            sums = _tile(
                work,
                work.plan.depth,
                lambda step, i: p.broadcast(p.read(work.q, [tile[i], step]), lanes_),
                lambda step, j: p.load(work.k, [p.add(first, j), step, 0], lanes_),
                [[p.splat(0, lanes_)] * width] * rows,
            )
            for row, vectors in zip(tile, sums, strict=True):
                for j, value in enumerate(vectors):
                    p.store(value, work.s, [row, p.mul(p.add(first, j), lanes_)])

    _panels(work, p.ceildiv(block.count, lanes_), panel)


def _product(work: Workgroup, block: Block) -> None:
    p, lanes_, rows = work.p, work.lanes, work.t.rows

    def panel(first: Index, width: int) -> None:
        columns = [p.mul(p.add(first, j), lanes_) for j in range(width)]
        with p.loop(block.row, work.padded, rows) as loop:
            tile = [p.add(loop.index, i) for i in range(rows)]
            sums = _tile(
                work,
                p.ceildiv(work.visible(block, tile[-1]), work.pair),
                lambda step, i: p.broadcast(p.read(work.probabilities, [tile[i], step]), lanes_),
                lambda step, j: p.load(work.v, [step, columns[j]], lanes_),
                _so_far(work, block, tile, columns),
            )
            _store_tile(work, sums, tile, columns)

    _panels(work, work.plan.columns // lanes_, panel)


def _so_far(
    work: Workgroup,
    block: Block,
    tile: Sequence[Index],
    columns: Sequence[Index],
) -> list[list[Value]]:
    """The result of the blocks before, scaled down to the greatest score of now."""
    p, lanes_ = work.p, work.lanes
    if block.only:
        return [[p.splat(0, lanes_)] * len(columns)] * len(tile)
    factors = p.load(work.factors, [p.div(tile[0], work.t.rows), 0], lanes_)
    found: list[list[Value]] = []
    for i, row in enumerate(tile):
        factor = lanes.splat(p, factors, i)
        found.append(
            [p.arith("arith.mulf", p.load(work.o, [row, c], lanes_), factor) for c in columns]
        )
    return found


def _store_tile(
    work: Workgroup,
    sums: Sequence[Sequence[Value]],
    tile: Sequence[Index],
    columns: Sequence[Index],
) -> None:
    for row, vectors in zip(tile, sums, strict=True):
        for column, value in zip(columns, vectors, strict=True):
            work.p.store(value, work.o, [row, column])


def _direct_scores(work: Workgroup, block: Block) -> None:
    p, lanes_ = work.p, work.lanes
    with p.loop(0, p.ceildiv(block.count, lanes_)) as loop:
        base = p.mul(loop.index, lanes_)
        positions = work.positions(block, base, lanes_)
        source, first = block.source, p.add(block.start, base)
        work.ask_for_keys(source, first, lanes_)
        for row in range(work.t.rows):
            words = range(0, work.q_words, lanes_)
            q = [p.load(work.q, [row, word], lanes_) for word in words]
            sums: list[Value] = []
            # Key by key, as they lie in memory.
            for at in positions:
                total = p.splat(0, lanes_)
                for word, factor in zip(words, q, strict=True):
                    total = work.dot(work.key_words(source, at, word), factor, total)
                sums.append(total)
            p.store(lanes.reduce_rows(p, sums, lambda a, b: added(p, a, b)), work.s, [row, base])


def _direct_product(work: Workgroup, block: Block) -> None:
    p, lanes_ = work.p, work.lanes
    tile: list[Index] = list(range(work.t.rows))
    columns: list[Index] = list(range(0, work.plan.columns, lanes_))
    start, source = _so_far(work, block, tile, columns), block.source
    with p.loop(0, block.count, carried=[v for row in start for v in row]) as loop:
        position = p.add(block.start, loop.index)
        work.ask_for_values(source, position, 1)
        sums = list(loop.carried)
        for j, column in enumerate(range(0, work.plan.columns, lanes_)):
            value = widen(p, work.value(block.source, position, column))
            for row in range(work.t.rows):
                a = p.broadcast(p.read(work.s, [row, loop.index]), lanes_)
                k = row * len(columns) + j
                sums[k] = p.fma(a, value, sums[k])
        loop.give(sums)
    width = len(columns)
    results = [loop.results[i * width : (i + 1) * width] for i in range(len(tile))]
    _store_tile(work, results, tile, columns)
