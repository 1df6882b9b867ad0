"""Convolution, channels-last, as an implicit GEMM over a padded copy of the input.

A workgroup copies the input rows that its block of output rows reads into scratch, zeros where
they leave the image, one group's channels alone. There the inputs of a tile's pixels lie at
constant distances for every tap of the filter, so the inner loop knows no edge: it broadcasts one
input per pixel and multiplies it into `vectors` vectors of filters. The copy reads an input
element about once; the products read it kernel² times per `vectors · lanes` filters.

Weights are packed into panels of `vectors · lanes` filters (`Conv.pack`), each one run of memory
in the order of the loops. Where a panel doesn't fit the second cache beside the block, the sum is
blocked over the filter's rows, and while tiles go over one block's weights the next one's are
fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noema.kernels.block import Block
from noema.kernels.conv_tiles import SCRATCH, ConvProblem, ConvTile, block_of, tiles, widened
from noema.kernels.executable import Interface, Scope, Symbols, Tensor, executable, value_of
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Index, Printer, Value

Pixels = tuple[tuple[int, int], ...]
"""Of a register tile: rows and columns from its first one."""

Visit = Callable[[Pixels, Index, Index, Index], None]
"""Prints a register tile: its pixels, its first one's row and column in the block, its number."""


@dataclass(frozen=True)
class Conv:
    """A convolution: x (N, H, W, C), packed weights, what the epilogue reads → (N, OH, OW, F).

    Attributes:
        problem: What.
        tile: How.
        isa: For what.
    """

    problem: ConvProblem
    tile: ConvTile
    isa: Isa

    @property
    def kind(self) -> str:
        """The family."""
        return "conv"

    @property
    def block(self) -> Block:
        """The padded copy that a workgroup makes."""
        tile = self.tile
        return block_of(self.problem, tile.rows, tile.columns, self.isa)

    @property
    def scratch(self) -> int:
        """Bytes of scratch that a workgroup uses."""
        tile = self.tile
        blocked = tile.taps < self.problem.window.kernel[0]
        return self.block.bytes + blocked * tile.rows * tile.columns * self.columns * 4

    @property
    def pair(self) -> int:
        """Inputs that one product takes from each pixel."""
        return 1 if self.problem.element == "f32" else 2

    @property
    def together(self) -> int:
        """Groups that a vector of filters serves."""
        return self.problem.together(self.isa)

    @property
    def groups(self) -> int:
        """Groups, or sets of those that share a vector."""
        return -(-self.problem.groups // self.together)

    @property
    def filters(self) -> int:
        """Filters of one of `groups`; the last one may have fewer."""
        return self.problem.group_filters * self.together

    @property
    def wide(self) -> int:
        """Elements that an input takes in the copy: one, or a vector's."""
        return 1 if self.together == 1 else self.isa.lanes

    @property
    def runs(self) -> tuple[int, int, int]:
        """Runs per row of the filter, elements from run to run, inputs of one run."""
        window, block = self.problem.window, self.block
        channels = -(-block.channels // self.pair) * self.pair
        if window.dilations[1] == 1 and block.pitch == channels * self.wide:
            return 1, 0, window.kernel[1] * channels
        return window.kernel[1], window.dilations[1] * block.pitch, channels

    @property
    def depth(self) -> int:
        """Products of one sum, in pairs for bf16."""
        runs, _, length = self.runs
        return self.problem.window.kernel[0] * runs * length // self.pair

    @property
    def columns(self) -> int:
        """Filters of a panel."""
        return self.tile.vectors * self.isa.lanes

    @property
    def panels(self) -> int:
        """Panels of a group."""
        return -(-self.filters // self.columns)

    @property
    def interface(self) -> Interface:
        """X, weights, the epilogue's operands → result."""
        problem, window = self.problem, self.problem.window
        extents = (window.batch, window.out_height, window.out_width, problem.filters)
        panels = self.panels * self.groups
        return Interface(
            (
                Tensor(problem.element, window.image),
                Tensor(problem.element, (panels, self.depth, self.columns * self.pair)),
                *problem.epilogue.operands(extents),
            ),
            (Tensor(problem.epilogue.element, extents),),
        )

    @property
    def operations(self) -> int | None:
        """Multiplications and additions."""
        window, problem = self.problem.window, self.problem
        each = 2 * problem.filters * window.taps * problem.group_channels
        return None if window.pixels is None else each * window.pixels

    def describe(self) -> str:
        """Shapes, element type, epilogue and tile, in a line."""
        problem, tile = self.problem, self.tile
        groups = f" groups {problem.groups}" if problem.groups > 1 else ""
        return (
            f"conv {problem.window.describe()} to {problem.filters}{groups} {problem.element}, "
            f"epilogue {problem.epilogue.describe()}, tile {tile.pixels}x"
            f"{tile.vectors * self.isa.lanes}, {tile.rows}x{tile.columns} "
            f"pixels and {tile.panels} panels each"
        )

    def pack(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights in the order in which the kernel reads them.

        Args:
            weights: (F, C / groups, KH, KW), of the problem's element type.
        """
        groups, pair, columns = self.groups, self.pair, self.columns
        kh, kw = self.problem.window.kernel
        filters, channels = self.filters, self.problem.group_channels
        wide = -(-channels // pair) * pair
        ordered = np.zeros((groups * filters, kh, kw, wide), weights.dtype)
        ordered[: len(weights), :, :, :channels] = weights.transpose(0, 2, 3, 1)
        full = np.zeros((groups, self.panels * columns, kh, kw, wide), weights.dtype)
        full[:, :filters] = ordered.reshape(groups, filters, kh, kw, wide)
        cut = full.reshape(groups, self.panels, columns, self.depth, pair)
        packed = cut.transpose(0, 1, 3, 2, 4)
        return np.ascontiguousarray(packed).reshape(
            groups * self.panels, self.depth, columns * pair
        )

    def print(self, name: str) -> str:
        """The `stream.executable` @name."""
        window, tile = self.problem.window, self.tile
        groups = self.groups * -(-self.panels // tile.panels)

        def grid(p: Printer, symbols: Symbols) -> Sequence[Index]:
            height, width = (value_of(e, symbols) for e in (window.out_height, window.out_width))
            blocks = _Blocks.of(p, tile, height, width)
            return groups, p.mul(blocks.down, blocks.across), value_of(window.batch, symbols)

        return executable(name, self.interface, grid, lambda scope: _Body(self, scope).print())


def candidates(problem: ConvProblem, isa: Isa, threads: int = 2) -> tuple[Conv, ...]:
    """Kernels for a problem, the one that is estimated to be fastest first.

    Args:
        problem: What to convolve.
        isa: For what.
        threads: That will share the work.

    Raises:
        Unsuitable: The kernel can't serve it.
    """
    return tuple(kernel for _, kernel in estimates(problem, isa, threads))


def estimates(problem: ConvProblem, isa: Isa, threads: int) -> list[tuple[float, Conv]]:
    """`candidates`, each with the cycles that it is estimated to take."""
    problem.check(isa)
    found: list[tuple[float, Conv]] = []
    for cycles, tile in sorted(tiles(problem, isa, threads), key=lambda pair: pair[0]):
        kernel = Conv(problem, widened(problem, tile, isa), isa)
        alike = [k for _, k in found if k.tile.vectors == tile.vectors]
        if len(alike) < 2 and kernel.scratch <= SCRATCH:
            found.append((cycles, kernel))
    if not found:
        raise Unsuitable("the inputs of one output row don't fit in scratch")
    return found


@dataclass(frozen=True)
class _Blocks:
    """How an image's output is cut into blocks: how many, and the extents of each but the last."""

    down: Index
    across: Index
    rows: Index
    columns: Index

    @staticmethod
    def of(p: Printer, tile: ConvTile, height: Index, width: Index) -> _Blocks:
        """The blocks of an output of these extents.

        Where an extent is known, the tile was chosen for it; else blocks are made equal.
        """

        def equal(extent: Index, most: int, parts: int) -> Index:
            if isinstance(extent, int):
                return most
            count = p.max(p.ceildiv(extent, most), p.min(extent, parts))
            return p.max(1, p.ceildiv(extent, p.max(1, count)))

        rows, columns = equal(height, tile.rows, tile.parts), equal(width, tile.columns, 1)
        return _Blocks(p.ceildiv(height, rows), p.ceildiv(width, columns), rows, columns)


@dataclass
class _Body:
    """Prints what one workgroup does."""

    kernel: Conv
    scope: Scope

    def __post_init__(self) -> None:
        kernel, scope = self.kernel, self.scope
        self.p = scope.printer
        self.lanes = kernel.isa.lanes
        self.image, self.weights, *self.extra = scope.operands
        self.block = kernel.block
        self.runs, self.run_pitch, self.run_length = kernel.runs
        self.pair = kernel.pair
        self.window = kernel.problem.window
        self.input = self.p.scratch(
            [self.block.in_rows * self.block.row_pitch], kernel.problem.element
        )
        self.blocked = kernel.tile.taps < self.window.kernel[0]
        pixels = kernel.tile.rows * kernel.tile.columns if self.blocked else 1
        self.sums = self.p.scratch([pixels, kernel.columns], "f32")

    def print(self) -> None:
        p, kernel, tile = self.p, self.kernel, self.kernel.tile
        x, y, self.batch = self.scope.workgroup
        shares = -(-kernel.panels // tile.panels)
        self.group, share = p.div(x, shares), p.rem(x, shares)
        _, height, width, _ = self.scope.results[0].extents
        blocks = _Blocks.of(p, tile, height, width)
        self.first_row = p.mul(p.div(y, blocks.across), blocks.rows)
        self.rows = blocks.rows
        if not isinstance(height, int) or height % tile.rows:
            self.rows = p.min(blocks.rows, p.sub(height, self.first_row))
        self.first_column = p.mul(p.rem(y, blocks.across), blocks.columns)
        if isinstance(width, int):
            # The last block of a row begins early rather than being narrower: two workgroups
            # compute what it shares with its neighbour, and write the same.
            self.first_column = p.min(self.first_column, width - tile.columns)
            self.across, columns = None, blocks.columns
        else:
            # All register tiles are as wide, and a row's last one may leave the block: what it
            # computes there a neighbour computes too, or it is outside the image and isn't stored.
            self.across = p.ceildiv(blocks.columns, tile.across)
            columns = p.mul(self.across, tile.across)
        self.block.copy(
            p,
            self.image,
            self.input,
            self.batch,
            self.first_row,
            self.first_column,
            p.mul(self.group, self.block.channels * kernel.together),
            self.rows,
            columns,
        )
        low = p.mul(share, tile.panels)
        if kernel.problem.groups % kernel.together:
            count = p.sub(kernel.problem.filters, p.mul(self.group, kernel.filters))
            self._panel(0, 1, p.mask(count, self.lanes))
            return
        filters = kernel.filters
        whole = filters // kernel.columns
        high: Index = p.add(low, tile.panels)
        with p.loop(low, p.min(high, whole)) as loop:
            self._panel(loop.index, tile.vectors, None)
        left = filters - whole * kernel.columns
        if left:
            is_last = p.compare("sgt", high, whole)
            with p.when(is_last):
                vectors = -(-left // self.lanes)
                last = left - (vectors - 1) * self.lanes
                mask = p.mask(last, self.lanes) if last < self.lanes else None
                self._panel(whole, vectors, mask)

    def _panel(self, panel: Index, vectors: int, mask: Value | None) -> None:
        """All tiles of the block, for one panel."""
        p, kernel = self.p, self.kernel
        height, taps = self.window.kernel[0], kernel.tile.taps
        stored = p.add(p.mul(self.group, kernel.panels), panel)
        column = p.add(
            p.mul(self.group, kernel.filters),
            p.mul(panel, kernel.columns),
        )
        steps = range(0, height, taps)
        for first in steps:

            def tile(
                pixels: Pixels, row: Index, at: Index, number: Index, first: int = first
            ) -> None:
                places = self._places(pixels, row, at, vectors)
                end = min(height, first + taps)
                start = [p.load(self.sums, to, self.lanes) for to in places] if first else None
                sums = self._products(pixels, row, at, stored, vectors, (first, end), number, start)
                if end == height:
                    self._finish(sums, pixels, row, at, column, mask)
                    return
                for value, place in zip(sums, places, strict=True):
                    p.store(value, self.sums, place)

            self._each_tile(tile)

    def _places(
        self, pixels: Pixels, row: Index, at: Index, vectors: int
    ) -> list[tuple[Index, Index]]:
        """Where the partial sums of a tile are kept."""
        p, width = self.p, self.kernel.tile.columns
        first = p.add(p.mul(row, width), at)
        return [
            (p.add(first, dr * width + dc), v * self.lanes)
            for dr, dc in pixels
            for v in range(vectors)
        ]

    def _each_tile(self, visit: Visit) -> None:
        """Prints loops over the block's tiles."""
        p, tile, most = self.p, self.kernel.tile, self.kernel.tile.pixels
        width = tile.columns
        if self.across is not None:
            self._equal_tiles(visit, tile.across, self.across)
            return
        if min(most // width, tile.rows) > 1:
            self._equal_tiles(visit, width, 1)
            return
        count = -(-width // most)
        large = -(-width // count)
        larges = width - count * (large - 1)
        with p.loop(0, self.rows) as row:
            before = p.mul(row.index, count)
            with p.loop(0, larges) as loop:
                pixels = tuple((0, c) for c in range(large))
                visit(pixels, row.index, p.mul(loop.index, large), p.add(before, loop.index))
            if larges < count:
                pixels = tuple((0, c) for c in range(large - 1))
                with p.loop(larges, count) as loop:
                    at = p.add(p.mul(loop.index, large - 1), larges)
                    visit(pixels, row.index, at, p.add(before, loop.index))

    def _equal_tiles(self, visit: Visit, width: int, count: Index) -> None:
        """`count` tiles to a row, of as many rows as a register tile has pixels for."""
        p, tile = self.p, self.kernel.tile

        def each(rows: int, low: Index, high: Index) -> None:
            pixels = tuple((r, c) for r in range(rows) for c in range(width))
            with p.loop(low, high, rows) as row, p.loop(0, count) as loop:
                number = p.add(p.mul(p.div(row.index, rows), count), loop.index)
                visit(pixels, row.index, p.mul(loop.index, width), number)

        together = min(tile.pixels // width, tile.rows)
        whole = p.mul(p.div(self.rows, together), together)
        each(together, 0, whole)
        if together > 1 and whole != self.rows:
            each(1, whole, self.rows)

    def _products(
        self,
        pixels: Pixels,
        row: Index,
        at: Index,
        panel: Index,
        vectors: int,
        taps: tuple[int, int],
        number: Index,
        start: Sequence[Value] | None,
    ) -> list[Value]:
        """The sums of one tile over some rows of the filter: pixel by pixel, vectors innermost."""
        p, block, window = self.p, self.block, self.window
        sums = list(start or [p.splat(0, self.lanes)] * (len(pixels) * vectors))
        down, right = block.strides[0] * block.row_pitch, block.strides[1] * block.pitch
        distances = [r * down + c * right for r, c in pixels]
        first = p.add(p.mul(row, down), p.mul(at, right))
        length = self.run_length // self.pair
        low, high = taps
        ahead = (high - low) * self.runs * length
        fetch: list[Index] = []
        if self.kernel.tile.fetch:
            # A tile asks for one line, or few, of every step's row of weights.
            tile = self.kernel.tile
            tiles = tile.rows * tile.columns // tile.pixels
            lines = -(-vectors // max(1, tiles))
            line = p.mul(p.min(p.mul(number, lines), vectors - lines), self.lanes * self.pair)
            fetch = [p.add(line, i * self.lanes * self.pair) for i in range(lines)]
        with p.loop(low, high, carried=sums) as tap:
            start_tap = p.add(first, p.mul(tap.index, window.dilations[0] * block.row_pitch))
            depth_tap = p.mul(tap.index, self.runs * length)
            with p.loop(0, self.runs, carried=tap.carried) as run:
                start_run = p.add(start_tap, p.mul(run.index, self.run_pitch))
                depth_run = p.add(depth_tap, p.mul(run.index, length))
                with p.loop(0, length, carried=run.carried) as loop:
                    sums = list(loop.carried)
                    here = p.add(start_run, p.mul(loop.index, self.pair * self.kernel.wide))
                    depth = p.add(depth_run, loop.index)
                    for column in fetch:
                        p.prefetch(self.weights, [panel, p.add(depth, ahead), column])
                    wide = self.lanes * self.pair
                    filters = [
                        p.load(self.weights, [panel, depth, v * wide], wide) for v in range(vectors)
                    ]
                    for i, distance in enumerate(distances):
                        value = self._input(p.add(here, distance))
                        for v, filter_ in enumerate(filters):
                            k = i * vectors + v
                            sums[k] = self._product(value, filter_, sums[k])
                    loop.give(sums)
                run.give(loop.results)
            tap.give(run.results)
        return list(tap.results)

    def _input(self, at: Index) -> Value:
        """An input, or a pair of them, in all lanes; or in each lane its group's."""
        p = self.p
        if self.kernel.wide > 1:
            return p.load(self.input, [at], self.lanes * self.pair)
        if self.pair == 1:
            return p.broadcast(p.read(self.input, [at]), self.lanes)
        pair = p.bitcast(p.load(self.input, [at], 2), "vector<1xi32>")
        scalar = p.op(f"vector.extract {pair}[0] : i32 from vector<1xi32>", "i32")
        return p.bitcast(p.broadcast(scalar, self.lanes), f"vector<{2 * self.lanes}xbf16>")

    def _product(self, a: Value, b: Value, c: Value) -> Value:
        if self.pair == 1:
            return self.p.fma(a, b, c)
        return self.p.call_intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", [c, a, b], c.type)

    def _finish(
        self,
        sums: Sequence[Value],
        pixels: Pixels,
        row: Index,
        at: Index,
        column: Index,
        mask: Value | None,
    ) -> None:
        """Applies the epilogue and stores; `mask` is of the last vector of filters."""
        p, vectors = self.p, len(sums) // len(pixels)
        first, left = p.add(self.first_row, row), p.add(self.first_column, at)
        result = self.scope.results[0]
        for i, (dr, dc) in enumerate(pixels):
            there = p.add(left, dc)
            with p.when(self.across is None or p.less(there, result.extents[2])):
                for v in range(vectors):
                    place = [self.batch, p.add(first, dr), there, p.add(column, v * self.lanes)]
                    self.kernel.problem.epilogue.store(
                        p,
                        sums[i * vectors + v],
                        result,
                        place,
                        self.extra,
                        mask if v == vectors - 1 else None,
                        native=self.kernel.isa.bf16,
                    )
