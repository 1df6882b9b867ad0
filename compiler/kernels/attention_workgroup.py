"""What the parts of an attention kernel share: its rows, its scratch, and how operands get there.

Queries are packed into rows, keys transposed into panels of a vector of keys, values into rows;
pairs of bf16 travel as words of 32 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from noema.kernels import curves, lanes
from noema.kernels.attention_problem import AttentionPlan, Heads, whole
from noema.kernels.epilogue import narrow, widen
from noema.kernels.executable import Scope
from noema.kernels.printer import Buffer, Index, Value

_AHEAD = 8 << 10
"""How far ahead of its use memory is asked for, in bytes of one head: a cache of a decoder comes
from memory, and the processor's own prefetching stops at each page. 4 to 32 KiB do the same."""


@dataclass(frozen=True)
class Source:
    """Keys and values of consecutive positions.

    Attributes:
        k: Where the keys are.
        v: Where the values are.
        k_heads: How they lie.
        v_heads: The same for the values.
        count: How many.
        before: How many positions come before.
        causal: Whether query i sees the first i + 1 only.
        cached: Whether they are a decoder's cache, which comes from memory.
    """

    k: Buffer
    v: Buffer
    k_heads: Heads
    v_heads: Heads
    count: Index
    before: Index
    causal: bool
    cached: bool


@dataclass(frozen=True)
class Block:
    """Keys of a source that are at work.

    Attributes:
        source: Of which.
        start: The first one.
        count: How many, up to the tile's `key_block`.
        row: First packed row, a multiple of the tile's rows, that sees any of them.
        only: Whether these are all keys.
    """

    source: Source
    start: Index
    count: Index
    row: Index
    only: bool


class Workgroup:
    """What the parts of the body share: the scratch, and which rows the workgroup has."""

    def __init__(self, plan: AttentionPlan, scope: Scope) -> None:
        p, a, t = scope.printer, plan.problem, plan.tile
        self.p, self.plan, self.scope, self.a, self.t = p, plan, scope, a, t
        self.lanes = plan.isa.lanes
        self.pair = 2 if plan.narrow else 1
        block, key_head, batch = scope.workgroup
        self.total = p.mul(scope.extent(a.queries), a.group)
        alone = isinstance(self.total, int) and self.total <= t.query_block
        self.key_head: Index = 0 if a.key_heads == 1 else key_head
        self.batch: Index = 0 if a.batch == 1 else batch
        self.first: Index = 0 if alone else p.mul(block, t.query_block)
        self.is_first_block = None if alone else p.compare("eq", block, 0)
        self.is_whole = isinstance(self.total, int) and self.total % t.rows == 0
        if isinstance(self.total, int) and (alone or self.total % t.query_block == 0):
            self.rows: Index = min(self.total, t.query_block)
        else:
            self.rows = p.min(p.sub(self.total, self.first), t.query_block)
        self.padded = p.mul(p.ceildiv(self.rows, t.rows), t.rows)
        # A factor that rounds nothing may be applied to bf16 queries; another waits for the scores.
        self.late = 1.0 if not plan.narrow or math.frexp(a.scale)[0] == 0.5 else a.scale
        word = "i32" if plan.narrow else "f32"
        words = whole(plan.depth, self.lanes)
        self.q = p.scratch((t.query_block, words), word)
        self.s = p.scratch((t.query_block, t.key_block), "f32")
        self.o = p.scratch((t.query_block, plan.columns), "f32")
        self.probabilities = self.s
        if not t.direct:
            self.k = p.scratch((t.key_block // self.lanes, plan.depth, self.lanes), word)
            self.v = p.scratch((t.key_block // self.pair, plan.columns), word)
            if plan.narrow:
                self.probabilities = p.scratch((t.query_block, t.key_block // 2), "i32")
        tiles = t.query_block // t.rows
        self.greatest, self.sums, self.factors = (
            p.scratch((tiles, self.lanes), "f32") for _ in range(3)
        )

    def place(self, row: Index) -> tuple[Index, Index]:
        """Query and query head of a packed row; rows past the last one repeat it."""
        p, group = self.p, self.a.group
        row = p.add(self.first, row)
        if not self.is_whole:
            row = p.min(row, p.sub(self.total, 1))
        head = p.add(p.mul(self.key_head, group), p.rem(row, group))
        return p.div(row, group), head

    def visible(self, block: Block, row: Index) -> Index:
        """How many keys of a block a packed row sees."""
        if not block.source.causal:
            return block.count
        p = self.p
        query = p.div(p.add(self.first, row), self.a.group)
        seen = p.sub(p.add(query, 1), block.start)
        return p.max(p.min(seen, block.count), 0)

    def first_row(self, source: Source, key: Index) -> Index:
        """First packed row, as a multiple of a tile's, that sees a key."""
        if not source.causal or key == 0:
            return 0
        p, rows = self.p, self.t.rows
        row = p.max(p.sub(p.mul(key, self.a.group), self.first), 0)
        return p.mul(p.div(row, rows), rows)

    def words(
        self, buffer: Buffer, at: Callable[[Index], list[Index]], word: int, factor: float = 1.0
    ) -> Value:
        """Consecutive words of a head of q or k, from `word` on; zeros past its end."""
        p = self.p
        count, start = self.lanes * self.pair, word * self.pair
        value = self.elements(buffer, at(start), count, self.a.size - start)
        if factor != 1.0:
            wide = widen(p, value)
            wide = p.arith("arith.mulf", wide, curves.number(p, wide, factor))
            value = narrow(p, wide, "bf16" if self.plan.narrow else "f32")
        if self.plan.narrow:
            return p.bitcast(value, f"vector<{self.lanes}xi32>")
        return widen(p, value)

    def elements(self, buffer: Buffer, at: list[Index], count: int, left: int) -> Value:
        p = self.p
        if left >= count:
            return p.load(buffer, at, count)
        zeros = p.splat(0, count, buffer.element)
        return p.load_masked(buffer, at, p.mask(left, count), zeros)

    def dot(self, a: Value, b: Value, sums: Value) -> Value:
        """Sums + a · b, word by word."""
        p = self.p
        if not self.plan.narrow:
            return p.fma(a, b, sums)
        pairs = f"vector<{2 * self.lanes}xbf16>"
        operands = [sums, p.bitcast(a, pairs), p.bitcast(b, pairs)]
        name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}"
        return p.call_intrinsic(name, operands, sums.type)

    def pack_queries(self) -> None:
        p, a = self.p, self.a
        buffer = self.scope.operands[0]
        factor = a.scale if self.late == 1.0 else 1.0
        with p.loop(0, self.padded) as loop:
            query, head = self.place(loop.index)

            def at(column: Index) -> list[Index]:
                return a.q.at(p, self.batch, head, query, column)

            for word in range(0, self.q_words, self.lanes):
                p.store(self.words(buffer, at, word, factor), self.q, [loop.index, word])

    @property
    def q_words(self) -> int:
        return whole(self.plan.depth, self.lanes)

    def positions(self, block: Block, base: Index, count: int) -> list[Index]:
        """`count` positions of a source from `base` of a block on; past the end, its last."""
        p = self.p
        inside = isinstance(block.count, int) and block.count % count == 0
        found: list[Index] = []
        for i in range(count):
            position = p.add(base, i)
            if not inside:
                position = p.min(position, p.sub(block.count, 1))
            found.append(p.add(block.start, position))
        return found

    def key_words(self, source: Source, position: Index, word: int) -> Value:
        def at(column: Index) -> list[Index]:
            return source.k_heads.at(self.p, self.batch, self.key_head, position, column)

        return self.words(source.k, at, word)

    def value(self, source: Source, position: Index, column: int) -> Value:
        """A vector of v's elements."""
        at = source.v_heads.at(self.p, self.batch, self.key_head, position, column)
        return self.elements(source.v, at, self.lanes, self.a.value_size - column)

    def pack(self, block: Block) -> None:
        p, lanes_, depth = self.p, self.lanes, self.plan.depth
        with p.loop(0, p.ceildiv(block.count, lanes_)) as loop:
            positions = self.positions(block, p.mul(loop.index, lanes_), lanes_)
            if block.source.cached:
                self.ask_for_keys(block.source, positions[0], lanes_)
            for word in range(0, depth, lanes_):
                keys = [self.key_words(block.source, at, word) for at in positions]
                for i, turned in enumerate(lanes.transpose(p, keys)):
                    if word + i < depth:
                        p.store(turned, self.k, [loop.index, word + i, 0])
        with p.loop(0, p.ceildiv(block.count, self.pair)) as loop:
            positions = self.positions(block, p.mul(loop.index, self.pair), self.pair)
            if block.source.cached:
                self.ask_for_values(block.source, positions[0], self.pair)
            for column in range(0, self.plan.columns, lanes_):
                rows = [self.value(block.source, at, column) for at in positions]
                if self.plan.narrow:
                    order = [i + half * lanes_ for i in range(lanes_) for half in (0, 1)]
                    pairs = lanes.shuffle(p, rows[0], rows[1], order)
                    value = p.bitcast(pairs, f"vector<{lanes_}xi32>")
                else:
                    value = widen(p, rows[0])
                p.store(value, self.v, [loop.index, column])

    def ask_for_keys(self, source: Source, position: Index, count: int) -> None:
        """Asks memory for `count` keys that come `_AHEAD` bytes later."""
        self._ask_for(source.k_heads, source.k, self.a.size, position, count)

    def ask_for_values(self, source: Source, position: Index, count: int) -> None:
        """Asks memory for `count` values that come `_AHEAD` bytes later."""
        self._ask_for(source.v_heads, source.v, self.a.value_size, position, count)

    def _ask_for(
        self, heads: Heads, buffer: Buffer, size: int, position: Index, count: int
    ) -> None:
        p = self.p
        width = 2 if self.a.element == "bf16" else 4
        far = -(-_AHEAD // (size * width))
        for i in range(count):
            then = p.add(position, i + far)
            for column in range(0, size, 64 // width):
                at = heads.at(p, self.batch, self.key_head, then, column)
                p.prefetch(buffer, at, 3)

    def keep(self, block: Block) -> None:
        """Copies a block of keys and values to the present cache, once per head."""
        p, a, source = self.p, self.a, block.source
        if a.present is None:
            return

        def copy() -> None:
            k, v = self.scope.results[1:]
            with p.loop(0, block.count) as loop:
                position = p.add(block.start, loop.index)
                to = [self.batch, self.key_head, p.add(source.before, position)]
                heads = [(source.k, source.k_heads, k, a.size)]
                heads += [(source.v, source.v_heads, v, a.value_size)]
                for buffer, lie, result, size in heads:
                    for column in range(0, size, self.lanes):
                        at = lie.at(p, self.batch, self.key_head, position, column)
                        value = self.elements(buffer, at, self.lanes, size - column)
                        self.store(value, result, [*to, column], size - column)

        if self.is_first_block is None:
            copy()
        else:
            with p.when(self.is_first_block):
                copy()

    def store(self, value: Value, buffer: Buffer, at: list[Index], left: int) -> None:
        p = self.p
        if left >= self.lanes:
            p.store(value, buffer, at)
        else:
            p.store_masked(value, buffer, at, p.mask(left, self.lanes))

    def clear(self) -> None:
        """No key has been seen."""
        p, lanes_ = self.p, self.lanes
        with p.loop(0, p.div(self.padded, self.t.rows)) as loop:
            p.store(p.splat(-math.inf, lanes_), self.greatest, [loop.index, 0])
            p.store(p.splat(0, lanes_), self.sums, [loop.index, 0])
        with p.loop(0, self.padded) as loop:
            for column in range(0, self.plan.columns, lanes_):
                p.store(p.splat(0, lanes_), self.o, [loop.index, column])

    def finish(self) -> None:
        """Divides by the sums and stores; rows that see nothing are zeros."""
        p, a, lanes_ = self.p, self.a, self.lanes
        one, zero = p.splat(1, lanes_), p.splat(0, lanes_)
        with p.loop(0, p.div(self.padded, self.t.rows)) as loop:
            at = [loop.index, 0]
            inverse = p.arith("arith.divf", one, p.load(self.sums, at, lanes_))
            if a.mask is not None or not isinstance(self.scope.extent(a.keys), int):
                blind = p.compare_floats(
                    "oeq", p.load(self.greatest, at, lanes_), p.splat(-math.inf, lanes_)
                )
                inverse = p.select(blind, zero, inverse)
            p.store(inverse, self.factors, at)
        result = self.scope.results[0]
        with p.loop(0, self.rows) as loop:
            row = loop.index
            query, head = self.place(row)
            at = [p.div(row, self.t.rows), p.rem(row, self.t.rows)]
            inverse = p.broadcast(p.read(self.factors, at), lanes_)
            for column in range(0, self.plan.columns, lanes_):
                value = p.arith("arith.mulf", p.load(self.o, [row, column], lanes_), inverse)
                to = a.out.at(p, self.batch, head, query, column)
                self.store(
                    narrow(p, value, a.result, native=self.plan.isa.bf16),
                    result,
                    to,
                    a.value_size - column,
                )
