"""GEMM: C = epilogue(A · B) with weights B packed at compile time, in f32 or bf16.

B lies in panels of `vectors` registers' width; row k of a panel (for bf16 the pair of rows 2k and
2k + 1, interleaved) is contiguous, so that a panel is read in one stream. The innermost loop runs
over k and keeps a tile of `rows` × `vectors` registers of sums; each element of A is broadcast.

With `rows_outer` false, a panel of B stays in L2 while all row tiles of A pass by, and the next
panel is prefetched meanwhile: large weights come from memory once per call, and the arithmetic
hides it. With `rows_outer` true a tile of A stays in L1 while all of B, small, passes by.

Where `rows` doesn't divide M, the last tile is smaller if M is known. If it isn't, the last tile
computes its last row again in place of those that aren't there, and doesn't store them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noema.kernels.epilogue import NOTHING, Epilogue, narrow
from noema.kernels.executable import Extent, Interface, Scope, Tensor, executable
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value
from noema.kernels.register_tile import Panel, RegisterTiles, Rows, share

SCRATCH_BYTES = 512 << 10
"""Most that a workgroup packs of A: code generation lets a dispatch use 1 MiB of its stack."""

_AHEAD = 64
"""Cache lines that a single row tile asks for ahead of its use: about what memory takes to answer
at the speed at which one core reads."""


@dataclass(frozen=True)
class Tile:
    """How a GEMM is cut.

    Attributes:
        rows: Of a register tile.
        vectors: Registers of a register tile's width, and of a panel of B.
        row_split: Workgroups that share the row tiles.
        column_split: Workgroups that share the panels.
        rows_outer: Whether the loop over row tiles is around the one over panels.
        pack: Whether a workgroup copies its rows of A to scratch memory first: against rows that
            lie a multiple of 4096 bytes apart, and to convert.
        unroll: Steps of k per turn of the innermost loop.
    """

    rows: int
    vectors: int
    row_split: int = 1
    column_split: int = 1
    rows_outer: bool = False
    pack: bool = False
    unroll: int = 4


@dataclass(frozen=True)
class Gemm:
    """C[m, n] = epilogue(A[m, k] · B[k, n]).

    Operands: A, B as `packed` gives it, then the epilogue's. Result: C, of the epilogue's element.

    Attributes:
        m: Rows, or a symbol.
        n: Columns.
        k: Length of the products.
        isa: What to print for.
        tile: How it is cut.
        element: Of A and B as they are multiplied: f32, or bf16 with sums in f32.
        epilogue: What is done to the sums.
        lhs: Element of A in memory; f32 is rounded to bf16 while it is packed.
        lhs_width: Columns of the matrix of which A is a part; 0 if A is all of it.
        lhs_start: A's first column in it.
    """

    m: Extent
    n: int
    k: int
    isa: Isa
    tile: Tile
    element: str = "f32"
    epilogue: Epilogue = NOTHING
    lhs: str = ""
    lhs_width: int = 0
    lhs_start: int = 0
    kind: str = field(default="gemm", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.element not in ("f32", "bf16"):
            raise Unsuitable(f"products of {self.element}")
        if self.element == "bf16" and not self.isa.bf16:
            raise Unsuitable("the processor doesn't multiply bf16")
        if self.lhs_element != self.element and not self.tile.pack:
            raise Unsuitable("A is converted only while it is packed")
        if self.n < 1 or self.k < 1 or self.m == 0:
            raise Unsuitable("nothing to multiply")
        if self.tile.pack and self.tile.rows * self.packed_bytes > SCRATCH_BYTES:
            raise Unsuitable("a row tile of A is too much to pack on the stack")

    @property
    def lhs_element(self) -> str:
        return self.lhs or self.element

    @property
    def interface(self) -> Interface:
        width = self.lhs_width or self.k
        return Interface(
            (
                Tensor(self.lhs_element, (self.m, width)),
                Tensor(self.element, self.packed_shape),
                *self.epilogue.operands((self.m, self.n)),
            ),
            (Tensor(self.epilogue.element, (self.m, self.n)),),
        )

    @property
    def packed_shape(self) -> tuple[int, int, int]:
        """Panels; rows or pairs of rows; elements of one in a panel."""
        return (self._panels, -(-self.k // self._pair), self._width * self._pair)

    @property
    def operations(self) -> int | None:
        return None if isinstance(self.m, str) else 2 * self.m * self.n * self.k

    def describe(self) -> str:
        t = self.tile
        order = "rows outer" if t.rows_outer else "columns outer"
        packs = ", packs A" if t.pack else ""
        return (
            f"{self.m}×{self.k}×{self.n} {self.element}, epilogue {self.epilogue.describe()}, "
            f"tile {t.rows}×{t.vectors * self.isa.lanes}, {order}, "
            f"{t.row_split}×{t.column_split} workgroups{packs}"
        )

    def packed(self, weights: NDArray[Any]) -> NDArray[Any]:
        """B as this kernel reads it.

        Args:
            weights: (k, n), of the kernel's element type.

        Returns:
            Of `packed_shape`; columns and rows that fill panels and pairs up are zero.
        """
        panels, steps, _ = self.packed_shape
        padded = np.zeros((steps * self._pair, panels * self._width), weights.dtype)
        padded[: self.k, : self.n] = weights
        cut = padded.reshape(steps, self._pair, panels, self._width)
        return np.ascontiguousarray(cut.transpose(2, 0, 3, 1)).reshape(self.packed_shape)

    def print(self, name: str) -> str:
        t = self.tile

        def grid(p: Printer, symbols: Any) -> Sequence[Index]:
            return (t.column_split, t.row_split)

        return executable(
            name, self.interface, grid, lambda s: _Body(self, s, self._packed_stride).print()
        )

    @property
    def packed_bytes(self) -> int:
        """Of a row of A in scratch memory."""
        return self._packed_stride * (4 // self._pair)

    @property
    def _pair(self) -> int:
        return 2 if self.element == "bf16" else 1

    @property
    def _width(self) -> int:
        return self.tile.vectors * self.isa.lanes

    @property
    def _panels(self) -> int:
        return -(-self.n // self._width)

    @property
    def _packed_stride(self) -> int:
        # Whole cache lines and one more, so that rows start in different sets.
        line = 16 * self._pair
        return -(-self.k // line) * line + line


class _Body(RegisterTiles):
    """Prints what one workgroup does."""

    def __init__(self, spec: Gemm, scope: Scope, packed_stride: int) -> None:
        tile = spec.tile
        a, b, *extra = scope.operands
        super().__init__(
            scope,
            isa=spec.isa,
            element=spec.element,
            epilogue=spec.epilogue,
            extra=extra,
            height=tile.rows,
            vectors=tile.vectors,
            unroll=tile.unroll,
            m=scope.extent(spec.m),
            k=spec.k,
        )
        p = self.p
        self.spec, self.tile, self.a, self.b = spec, tile, a, b
        self.panels, self.steps, self.panel_row = spec.packed_shape
        column, row, _ = scope.workgroup
        tiles = share(p, p.ceildiv(self.m, tile.rows), row, tile.row_split)
        self.low, self.high = (p.mul(t, tile.rows) for t in tiles)
        self.high = p.min(self.high, self.m)
        self.panel_range = share(p, self.panels, column, tile.column_split)
        self.block = 0
        self.packed: Buffer | None = None
        if tile.pack:
            most = SCRATCH_BYTES // spec.packed_bytes // tile.rows * tile.rows
            self.block = tile.rows if tile.rows_outer else most
            if isinstance(self.m, int):
                tiles_each = -(-self.m // (tile.rows * tile.row_split))
                self.block = min(self.block, tiles_each * tile.rows)
            self.packed = p.scratch((self.block, packed_stride), spec.element)

    def print(self) -> None:
        p = self.p
        if self.packed is None:
            self.rows_and_panels(self.low, self.high, 0)
            return
        with p.loop(self.low, self.high, self.block) as blocks:
            end = p.min(p.add(blocks.index, self.block), self.high)
            self.pack(self.packed, blocks.index, end)
            self.rows_and_panels(blocks.index, end, blocks.index)

    def rows_and_panels(self, low: Index, high: Index, origin: Index) -> None:
        """All tiles of some rows; `origin` is the row of A that the source of A begins with."""
        if self.tile.rows_outer:
            self.each_row_tile(
                low, high, lambda r: self.each_panel(lambda q: self.multiply(r, q, origin, 0))
            )
            return
        tiles = self.p.ceildiv(self.p.sub(high, low), self.tile.rows)
        self.each_panel(
            lambda q: self.each_row_tile(low, high, lambda r: self.multiply(r, q, origin, tiles))
        )

    def pack(self, packed: Buffer, low: Index, high: Index) -> None:
        """Copies rows of A, filled up with zeros to whole vectors."""
        p, k, start = self.p, self.spec.k, self.spec.lhs_start
        lanes = self.lanes * (self.pair if self.spec.lhs_element == self.spec.element else 1)
        with p.loop(low, high) as rows:
            at = p.sub(rows.index, low)
            with p.loop(0, k - k % lanes, lanes) as columns:
                value = p.load(self.a, [rows.index, p.add(columns.index, start)], lanes)
                p.store(self.converted(value), packed, [at, columns.index])
            if k % lanes:
                zero = p.splat(0, lanes, self.spec.lhs_element)
                place = [rows.index, k - k % lanes + start]
                value = p.load_masked(self.a, place, p.mask(k % lanes, lanes), zero)
                p.store(self.converted(value), packed, [at, k - k % lanes])

    def converted(self, value: Value) -> Value:
        """Elements of A as they are multiplied."""
        if self.spec.lhs_element == self.spec.element:
            return value
        return narrow(self.p, value, self.spec.element, native=self.spec.isa.bf16)

    # --- the loops around a tile ---

    def each_panel(self, print_tile: Callable[[Panel], None]) -> None:
        p, n, width = self.p, self.spec.n, self.tile.vectors * self.lanes
        low, high = self.panel_range
        if n >= width:
            with p.loop(low, p.min(high, n // width)) as loop:
                column = p.mul(loop.index, width)
                print_tile(Panel(loop.index, column, self.tile.vectors, None))
        if n % width:
            with p.when(p.less(n // width, high)):
                lanes = n % self.lanes
                mask = p.mask(lanes, self.lanes) if lanes else None
                vectors = -(-(n % width) // self.lanes)
                print_tile(Panel(n // width, n // width * width, vectors, mask))

    # --- a tile ---

    def multiply(self, rows: Rows, panel: Panel, origin: Index, tiles: Index) -> None:
        """One tile of C; `tiles` row tiles pass by this panel, 0 if the order is another."""
        p, lanes = self.p, self.lanes * self.pair
        places = [p.sub(row, origin) for row in self.rows_of(rows)]

        def step(sums: Sequence[Value], step: Index, *, half: bool) -> list[Value]:
            b = [
                p.load(self.b, [panel.number, step, j * lanes], lanes) for j in range(panel.vectors)
            ]
            k = p.mul(step, self.pair)
            a = (self.broadcast(place, k, half=half) for place in places)
            return self.multiply_add(sums, a, b)

        ask = self.prefetcher(rows, panel, tiles)
        sums = self.accumulate(len(places) * panel.vectors, step, ask)
        self.finish(sums, rows, panel, [])

    def prefetcher(self, rows: Rows, panel: Panel, tiles: Index) -> Callable[[Index], None]:
        """Asks for what is multiplied later; takes the step of k.

        While `tiles` row tiles multiply a panel, they ask for the next one: of the lines that
        correspond to those of a turn of the innermost loop, each tile for another part. A single
        tile asks for what it will itself need soon.
        """
        p = self.p
        lines = max(1, self.tile.unroll * self.tile.vectors * self.lanes // 16)
        if tiles == 0:
            return lambda _: None
        distance: Index = 0
        number = p.add(panel.number, 1)
        locality = 2
        if tiles == 1:
            count, number, distance, locality = lines, panel.number, _AHEAD, 3
        elif isinstance(tiles, int):
            count = -(-lines // tiles)
            distance = p.div(p.mul(rows.number, lines), tiles)
        else:
            # Not known how many: as if there were four, and the others ask again for the last.
            count = -(-lines // 4)
            distance = p.min(p.mul(rows.number, count), lines - count)

        def ask(step: Index) -> None:
            for i in range(count):
                words = p.mul(p.add(distance, i), 16)
                p.prefetch(self.b, [number, step, p.mul(words, self.pair)], locality)

        return ask

    def broadcast(self, place: Index, k: Index, *, half: bool) -> Value:
        """A[place, k] in all lanes; for bf16 with A[place, k + 1], or 0 if `half`."""
        if self.packed is not None:  # filled up with zeros
            return self.spread(self.packed, [place, k], half=False)
        return self.spread(self.a, [place, self.p.add(k, self.spec.lhs_start)], half=half)
