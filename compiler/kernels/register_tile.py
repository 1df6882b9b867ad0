"""Products by register tiles: what kernels of matrix products share.

A tile of `height` × `vectors` registers of sums stays in registers while a loop runs over k; each
element of A is broadcast, and multiplied with the registers of B's row. For bf16 a step of k is a
pair of rows, which one instruction multiplies and adds. Where A and B come from, the kernel says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from noema.kernels.epilogue import Activate, Epilogue
from noema.kernels.executable import Scope
from noema.kernels.kernel import Isa
from noema.kernels.printer import Buffer, Index, Printer, Value


def share(p: Printer, count: Index, part: Value, parts: int) -> tuple[Index, Index]:
    """The part's share of `count` things: first, and one past the last."""
    if parts == 1:
        return 0, count
    return p.div(p.mul(part, count), parts), p.div(p.mul(p.add(part, 1), count), parts)


@dataclass(frozen=True)
class Rows:
    """A row tile.

    Attributes:
        first: Its first row.
        computed: How many rows are.
        there: How many of those there are.
        number: Among the workgroup's row tiles.
    """

    first: Index
    computed: int
    there: Index
    number: Index


@dataclass(frozen=True)
class Panel:
    """Columns of B that are multiplied together.

    Attributes:
        number: Of the panel.
        column: Its first column.
        vectors: Registers of its width.
        mask: Lanes of the last register that there are, if not all are.
    """

    number: Index
    column: Index
    vectors: int
    mask: Value | None


class Step(Protocol):
    """Adds the products of a step of k; `half`: the second of its pair lies beyond k."""

    def __call__(self, sums: Sequence[Value], step: Index, *, half: bool) -> list[Value]: ...


class RegisterTiles:
    """Prints tiles of C = epilogue(A · B).

    Args:
        scope: What the body is printed with; C is its first result.
        isa: What to print for.
        element: As it is multiplied: f32 or bf16.
        epilogue: What is done to the sums.
        extra: What the epilogue reads.
        height: Rows of a tile.
        vectors: Registers of a tile's width.
        unroll: Steps of k per turn of the innermost loop.
        m: Rows of C.
        k: Length of the products.
    """

    def __init__(
        self,
        scope: Scope,
        *,
        isa: Isa,
        element: str,
        epilogue: Epilogue,
        extra: Sequence[Buffer],
        height: int,
        vectors: int,
        unroll: int,
        m: Index,
        k: Index,
    ) -> None:
        self.p, self.isa, self.lanes = scope.printer, isa, isa.lanes
        self.pair = 2 if element == "bf16" else 1
        self.epilogue, self.extra, self.c = epilogue, extra, scope.results[0]
        self.height, self.unroll, self.m, self.k = height, unroll, m, k
        # A long epilogue on every register of the tile would be long code, and rows that may not
        # be there are left out by a loop: both take the sums from memory.
        self.sums: Buffer | None = None
        if isinstance(m, Value) or any(isinstance(s, Activate) for s in epilogue.steps):
            self.sums = self.p.scratch((height, vectors * self.lanes), "f32")

    def each_row_tile(self, low: Index, high: Index, print_tile: Callable[[Rows], None]) -> None:
        """The tiles of some rows: `low` is a multiple of the tile's, `high` too unless it is m."""
        p, rows = self.p, self.height
        whole = p.mul(p.div(self.m, rows), rows)
        if whole != 0:
            with p.loop(low, p.min(high, whole), rows) as loop:
                number = p.div(p.sub(loop.index, low), rows)
                print_tile(Rows(loop.index, rows, rows, number))
        left = p.sub(self.m, whole)
        if left == 0:
            return
        number = p.div(p.sub(whole, low), rows)
        if isinstance(left, int):
            with p.when(p.less(whole, high)):
                print_tile(Rows(whole, left, left, number))
            return
        half = rows // 2
        last = p.less(whole, high)
        if half:
            with p.when(p.both(last, p.less(left, half + 1))):
                print_tile(Rows(whole, half, left, number))
        with p.when(p.both(last, p.less(half, left))):
            print_tile(Rows(whole, rows, left, number))

    def rows_of(self, rows: Rows) -> list[Index]:
        """Those that are computed; the last one again in place of those that aren't there."""
        p = self.p
        found = [p.add(rows.first, i) for i in range(rows.computed)]
        if rows.there != rows.computed:
            found = [p.min(row, p.sub(self.m, 1)) for row in found]
        return found

    def accumulate(self, count: int, step: Step, ask: Callable[[Index], None]) -> Sequence[Value]:
        """The sums of `count` registers over all of k; `ask` begins a turn of the loop."""
        p, unroll = self.p, self.unroll
        sums: Sequence[Value] = [p.splat(0, self.lanes)] * count
        pairs = p.div(self.k, self.pair)
        whole = p.mul(p.div(pairs, unroll), unroll)
        if whole != 0:
            with p.loop(0, whole, unroll, sums) as loop:
                ask(loop.index)
                now: Sequence[Value] = loop.carried
                for u in range(unroll):
                    now = step(now, p.add(loop.index, u), half=False)
                loop.give(now)
            sums = loop.results
        if isinstance(pairs, int) and isinstance(whole, int) and isinstance(self.k, int):
            for left in range(whole, pairs):
                sums = step(sums, left, half=False)
            return step(sums, pairs, half=True) if self.k % self.pair else sums
        with p.loop(whole, pairs, 1, sums) as loop:
            loop.give(step(loop.carried, loop.index, half=False))
        if self.pair == 1:
            return loop.results
        with p.loop(pairs, p.ceildiv(self.k, self.pair), 1, loop.results) as last:
            last.give(step(last.carried, last.index, half=True))
        return last.results

    def spread(self, buffer: Buffer, at: Sequence[Index], *, half: bool) -> Value:
        """An element of A in all lanes; for bf16 with the one after it, or with 0 if `half`."""
        p = self.p
        if self.pair == 1:
            return p.broadcast(p.read(buffer, at), self.lanes)
        if half:
            bits = p.convert("arith.bitcast", p.read(buffer, at), "i16")
            word = p.convert("arith.extui", bits, "i32")
        else:
            two = p.bitcast(p.load(buffer, at, 2), "vector<1xi32>")
            word = p.op(f"vector.extract {two}[0] : i32 from vector<1xi32>", "i32")
        return p.bitcast(p.broadcast(word, self.lanes), f"vector<{2 * self.lanes}xbf16>")

    def multiply_add(
        self, sums: Sequence[Value], a: Iterable[Value], b: Sequence[Value]
    ) -> list[Value]:
        """The sums with the products of a column of A and a row of B added, row by row."""
        p, made = self.p, list[Value]()
        for i, each in enumerate(a):
            for j, other in enumerate(b):
                total = sums[i * len(b) + j]
                if self.pair == 1:
                    made.append(p.fma(each, other, total))
                else:
                    name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * self.lanes}"
                    made.append(p.call_intrinsic(name, [total, each, other], total.type))
        return made

    def finish(
        self, sums: Sequence[Value], rows: Rows, panel: Panel, leading: Sequence[Index]
    ) -> None:
        """The epilogue, and the stores; `leading` are the places along C's first dimensions."""
        p, vectors = self.p, panel.vectors

        def store(value: Value, row: Index, j: int) -> None:
            at = [*leading, p.add(rows.first, row), p.add(panel.column, j * self.lanes)]
            mask = panel.mask if j == vectors - 1 else None
            native = self.isa.bf16
            self.epilogue.store(p, value, self.c, at, self.extra, mask, native=native)

        if self.sums is None:
            for i in range(rows.computed):
                for j in range(vectors):
                    store(sums[i * vectors + j], i, j)
            return
        for i in range(rows.computed):
            for j in range(vectors):
                p.store(sums[i * vectors + j], self.sums, [i, j * self.lanes])
        with p.loop(0, rows.there) as loop:
            for j in range(vectors):
                store(p.load(self.sums, [loop.index, j * self.lanes], self.lanes), loop.index, j)
