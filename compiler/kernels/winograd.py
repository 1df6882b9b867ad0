"""Convolution with 3 × 3 taps and stride 1 by Winograd's algorithm F(m × m, 3 × 3), m = 2 or 4.

It multiplies 2.25 or 4 times less than the sum over taps. A workgroup takes some tiles of m × m
output pixels and some filters: it transforms the tiles' inputs into scratch; then, panel by panel
of filters, it multiplies each of the (m + 2)² points' inputs with that point's weights, and
transforms the sums back into outputs. Weights are transformed at compile time (`Winograd.pack`);
they grow by (m + 2)² / 9.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noema.kernels.block import BYTES, LINE
from noema.kernels.conv_tiles import (
    FETCHED,
    SCRATCH,
    STARTING,
    STORING,
    STREAMED,
    ConvProblem,
    steps,
)
from noema.kernels.epilogue import widen
from noema.kernels.executable import Interface, Scope, Symbols, Tensor, executable, value_of
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Index, Printer, Value
from noema.kernels.winograd_transform import (
    PAIRS,
    print_inputs,
    print_outputs,
    transform_filters,
)
from noema.kernels.workgroups import elapsed

_TRANSFORM = 5.0
"""Cycles per point of transforming a vector, inputs or sums, as measured on Zen 4."""

_AHEAD = 32
"""Steps ahead that weights are asked for where they come from memory."""


@dataclass(frozen=True)
class WinogradTile:
    """How to go over it.

    Attributes:
        outputs: m: a tile computes m × m output pixels.
        tiles: Tiles of a workgroup.
        rows: Most tiles of a register tile.
        vectors: Vectors of filters of a register tile.
        panels: Panels of a workgroup; a panel is as wide as a register tile.
        ahead: How many steps ahead weights are asked for; 0 leaves it to the processor.
    """

    outputs: int
    tiles: int
    rows: int
    vectors: int
    panels: int
    ahead: int = 0


@dataclass(frozen=True)
class Winograd:
    """x (N, H, W, C), packed weights, what the epilogue reads → (N, OH, OW, F).

    Attributes:
        problem: What.
        tile: How.
        isa: For what.
    """

    problem: ConvProblem
    tile: WinogradTile
    isa: Isa

    @property
    def kind(self) -> str:
        """The family."""
        return "winograd"

    @property
    def side(self) -> int:
        """Inputs of a tile along an axis, m + 2; points too."""
        return self.tile.outputs + 2

    @property
    def across(self) -> int:
        """Tiles along the width, of the extents that `Window.assumed` says."""
        return -(-self.problem.window.assumed_outputs[2] // self.tile.outputs)

    @property
    def all_tiles(self) -> int:
        """Tiles of an image, of the extents that `Window.assumed` says."""
        return self.across * -(-self.problem.window.assumed_outputs[1] // self.tile.outputs)

    @property
    def columns(self) -> int:
        """Filters of a panel."""
        return self.tile.vectors * self.isa.lanes

    @property
    def all_panels(self) -> int:
        """Panels."""
        return -(-self.problem.filters // self.columns)

    @property
    def pitch(self) -> int:
        """From a tile's transformed inputs to the next one's, in elements."""
        lanes = self.isa.lanes
        wide = -(-self.problem.window.channels // lanes) * lanes
        return wide + LINE // 4 if wide * 4 % 512 == 0 else wide

    @property
    def scratch(self) -> int:
        """Bytes of scratch that a workgroup uses."""
        return 4 * self.side**2 * self.tile.tiles * (self.pitch + self.columns)

    @property
    def interface(self) -> Interface:
        """X, weights, the epilogue's operands → result."""
        problem, window = self.problem, self.problem.window
        extents = (window.batch, window.out_height, window.out_width, problem.filters)
        packed = (self.all_panels, self.side**2, window.channels, self.columns)
        return Interface(
            (
                Tensor(problem.element, window.image),
                Tensor("f32", packed),
                *problem.epilogue.operands(extents),
            ),
            (Tensor(problem.epilogue.element, extents),),
        )

    @property
    def operations(self) -> int | None:
        """Multiplications and additions of the convolution, which is more than are done."""
        window = self.problem.window
        each = 2 * self.problem.filters * window.taps * window.channels
        return None if window.pixels is None else each * window.pixels

    def describe(self) -> str:
        """Shapes, element type, epilogue and tile, in a line."""
        problem, tile = self.problem, self.tile
        return (
            f"winograd {tile.outputs}x{tile.outputs} {problem.window.describe()} to "
            f"{problem.filters}, epilogue {problem.epilogue.describe()}, register tile "
            f"{tile.rows}x{self.columns}, {tile.tiles} tiles and {tile.panels} panels each"
        )

    def pack(self, weights: NDArray[Any]) -> NDArray[np.float32]:
        """Transformed weights in the order in which the kernel reads them.

        Args:
            weights: (F, C, 3, 3).
        """
        points = transform_filters(weights, self.tile.outputs)
        filters, channels = weights.shape[:2]
        missing = self.all_panels * self.columns - filters
        full = np.pad(points, ((0, 0), (0, missing), (0, 0))) if missing else points
        cut = full.reshape(self.side**2, self.all_panels, self.columns, channels)
        return np.ascontiguousarray(cut.transpose(1, 0, 3, 2))

    def print(self, name: str) -> str:
        """The `stream.executable` @name."""
        tile, window = self.tile, self.problem.window
        shares = -(-self.all_panels // tile.panels)

        def grid(p: Printer, symbols: Symbols) -> Sequence[Index]:
            height, width = (value_of(e, symbols) for e in (window.out_height, window.out_width))
            tiles = p.mul(p.ceildiv(height, tile.outputs), p.ceildiv(width, tile.outputs))
            return shares, p.ceildiv(tiles, tile.tiles), value_of(window.batch, symbols)

        return executable(name, self.interface, grid, lambda scope: _Body(self, scope).print())


def candidates(problem: ConvProblem, isa: Isa, threads: int = 2) -> tuple[Winograd, ...]:
    """Kernels for a problem, the one that is estimated to be fastest first.

    Args:
        problem: What to convolve. An image of bf16 is widened; products and sums are f32.
        isa: For what.
        threads: That will share the work.

    Raises:
        Unsuitable: The kernel can't serve it.
    """
    return tuple(kernel for _, kernel in estimates(problem, isa, threads))


def estimates(problem: ConvProblem, isa: Isa, threads: int) -> list[tuple[float, Winograd]]:
    """`candidates`, each with the cycles that it is estimated to take, on the scale of `tiles`."""
    window = problem.window
    dataclasses.replace(problem, element="f32").check(isa)
    if problem.element not in BYTES:
        raise Unsuitable(f"convolution of {problem.element}")
    if window.kernel != (3, 3) or window.strides != (1, 1) or window.dilations != (1, 1):
        raise Unsuitable("Winograd's algorithm is for 3 x 3 taps, stride 1, no dilation")
    if problem.groups != 1:
        raise Unsuitable("Winograd's algorithm doesn't pay with groups")
    found: list[tuple[float, Winograd]] = []
    for outputs in PAIRS:
        best: dict[int, tuple[float, Winograd]] = {}
        for cycles, tile in _tiles(problem, isa, threads, outputs):
            if tile.vectors not in best or cycles < best[tile.vectors][0]:
                best[tile.vectors] = cycles, Winograd(problem, tile, isa)
        found += best.values()
    if not found:
        raise Unsuitable("the inputs of one tile don't fit in scratch")
    return sorted(found, key=lambda pair: pair[0])


def _tiles(
    problem: ConvProblem, isa: Isa, threads: int, outputs: int
) -> Iterator[tuple[float, WinogradTile]]:
    window = problem.window
    batch, _, _ = window.assumed_outputs
    points = (outputs + 2) ** 2
    for vectors in range(1, 5):
        if vectors > 1 and (vectors - 1) * isa.lanes >= problem.filters:
            break
        most = min((isa.registers - vectors - 1) // vectors, 14)
        any_ = Winograd(problem, WinogradTile(outputs, 1, most, vectors, 1), isa)
        count, panels = any_.all_tiles, any_.all_panels
        streamed = points * window.channels * any_.columns * 4
        ahead = _AHEAD if streamed * panels > 4 * isa.l2 else 0
        for size in sorted({-(-count // parts) for parts in range(1, min(count, 64) + 1)}):
            tile = WinogradTile(outputs, size, most, vectors, 1, ahead)
            if Winograd(problem, tile, isa).scratch > min(SCRATCH, isa.l2 * 3 // 4):
                break
            gather = size * points * (-(-window.channels // isa.lanes)) * _TRANSFORM
            scatter = size * points * vectors * _TRANSFORM
            products = points * (window.channels + STORING) * steps(1, size, most, vectors)
            for share in {-(-panels // s) for s in range(1, panels + 1)}:
                workgroups = batch * -(-count // size) * -(-panels // share)
                one = max(products + streamed / STREAMED, streamed / FETCHED) + scatter
                cycles = elapsed(workgroups, threads, STARTING + gather + share * one)
                yield cycles, dataclasses.replace(tile, panels=share)


@dataclass
class _Body:
    """Prints what one workgroup does."""

    kernel: Winograd
    scope: Scope

    def __post_init__(self) -> None:
        kernel = self.kernel
        self.p = self.scope.printer
        self.image, self.weights, *self.extra = self.scope.operands
        self.lanes, self.side, self.outputs = kernel.isa.lanes, kernel.side, kernel.tile.outputs
        points, tiles = self.side**2, kernel.tile.tiles
        _, self.height, self.width, _ = self.image.extents
        _, self.out_height, self.out_width, _ = self.scope.results[0].extents
        self.across = self.p.ceildiv(self.out_width, self.outputs)
        self.inputs = self.p.scratch([points, tiles, kernel.pitch], "f32")
        self.sums = self.p.scratch([points, tiles, kernel.columns], "f32")

    def print(self) -> None:
        p, kernel, tile = self.p, self.kernel, self.kernel.tile
        share, block, self.batch = self.scope.workgroup
        # The last block begins early rather than being smaller: two workgroups compute what it
        # shares with its neighbour, and write the same. Tiles behind the image's last one, where
        # there are fewer than a block has, lie below it and aren't stored.
        tiles = p.mul(p.ceildiv(self.out_height, self.outputs), self.across)
        self.first = p.max(0, p.min(p.mul(block, tile.tiles), p.sub(tiles, tile.tiles)))
        with p.loop(0, tile.tiles) as loop:
            self._gather(loop.index)
        low = p.mul(share, tile.panels)
        whole = kernel.problem.filters // kernel.columns
        high = p.add(low, tile.panels)
        with p.loop(low, p.min(high, whole)) as loop:
            self._panel(loop.index, tile.vectors, None)
        left = kernel.problem.filters - whole * kernel.columns
        if left:
            with p.when(p.compare("sgt", high, whole)):
                vectors = -(-left // self.lanes)
                last = left - (vectors - 1) * self.lanes
                mask = p.mask(last, self.lanes) if last < self.lanes else None
                self._panel(whole, vectors, mask)

    def _corner(self, number: Index) -> tuple[Index, Index]:
        """Row and column of a tile's first output pixel."""
        p, across = self.p, self.across
        tile = p.add(self.first, number)
        return (
            p.mul(p.div(tile, across), self.outputs),
            p.mul(p.rem(tile, across), self.outputs),
        )

    def _gather(self, number: Index) -> None:
        """Transforms the inputs of one tile into scratch."""
        p, window, side = self.p, self.kernel.problem.window, self.side
        row, column = self._corner(number)
        top, left = p.sub(row, window.pads[0]), p.sub(column, window.pads[1])
        inside = self._all(
            p.compare("ult", top, p.max(0, p.sub(self.height, side - 1))),
            p.compare("ult", left, p.max(0, p.sub(self.width, side - 1))),
        )
        channels, lanes = window.channels, self.lanes
        whole = channels // lanes * lanes

        def points(channel: Index, masks: Sequence[Sequence[Value]] | None) -> None:
            zero = p.splat(0, lanes, self.kernel.problem.element)
            columns: list[list[Value]] = []
            for j in range(side):
                x: list[Value] = []
                for i in range(side):
                    at = [self.batch, p.add(top, i), p.add(left, j), channel]
                    if masks is None:
                        x.append(widen(p, p.load(self.image, at, lanes)))
                    else:
                        x.append(widen(p, p.load_masked(self.image, at, masks[i][j], zero)))
                columns.append(print_inputs(p, x, self.outputs))
            for i in range(side):
                values = print_inputs(p, [c[i] for c in columns], self.outputs)
                for j, value in enumerate(values):
                    p.store(value, self.inputs, [i * side + j, number, channel])

        with p.when(inside), p.loop(0, whole, lanes) as loop:
            points(loop.index, None)
        outside = p.op(f"arith.xori {inside}, {p.constant('1', 'i1')} : i1", "i1")
        rows = [p.compare("ult", p.add(top, i), self.height) for i in range(side)]
        across = [p.compare("ult", p.add(left, j), self.width) for j in range(side)]

        def masks(count: int) -> list[list[Value]]:
            some = [
                p.select(self._all(r, c), p.index(count), p.index(0)) for r in rows for c in across
            ]
            flat = [p.mask(s, lanes) for s in some]
            return [flat[i * side : (i + 1) * side] for i in range(side)]

        if whole:
            with p.when(outside):
                every = masks(lanes)
                with p.loop(0, whole, lanes) as loop:
                    points(loop.index, every)
        if whole < channels:
            points(whole, masks(channels - whole))

    def _all(self, a: Value, b: Value) -> Value:
        return self.p.op(f"arith.andi {a}, {b} : i1", "i1")

    def _panel(self, panel: Index, vectors: int, mask: Value | None) -> None:
        p, tile = self.p, self.kernel.tile
        with p.loop(0, self.side**2) as point:
            count = -(-tile.tiles // tile.rows)
            large = -(-tile.tiles // count)
            larges = tile.tiles - count * (large - 1)
            with p.loop(0, larges) as loop:
                self._products(panel, point.index, p.mul(loop.index, large), large, vectors)
            if larges < count:
                with p.loop(larges, count) as loop:
                    first = p.add(p.mul(loop.index, large - 1), larges)
                    self._products(panel, point.index, first, large - 1, vectors)
        with p.loop(0, tile.tiles) as loop:
            self._scatter(panel, loop.index, vectors, mask)

    def _products(self, panel: Index, point: Index, first: Index, rows: int, vectors: int) -> None:
        """One point's sums over the channels, of some tiles and one panel."""
        p, lanes, ahead = self.p, self.lanes, self.kernel.tile.ahead
        zero = p.splat(0, lanes)
        channels = self.kernel.problem.window.channels
        with p.loop(0, channels, carried=[zero] * (rows * vectors)) as loop:
            sums = list(loop.carried)
            for v in range(vectors if ahead else 0):
                at = [panel, point, p.add(loop.index, ahead), v * lanes]
                p.prefetch(self.weights, at)
            filters = [
                p.load(self.weights, [panel, point, loop.index, v * lanes], lanes)
                for v in range(vectors)
            ]
            for row in range(rows):
                at = [point, p.add(first, row), loop.index]
                value = p.broadcast(p.read(self.inputs, at), lanes)
                for v, filter_ in enumerate(filters):
                    k = row * vectors + v
                    sums[k] = p.fma(value, filter_, sums[k])
            loop.give(sums)
        for row in range(rows):
            for v in range(vectors):
                at = [point, p.add(first, row), v * lanes]
                p.store(loop.results[row * vectors + v], self.sums, at)

    def _scatter(self, panel: Index, number: Index, vectors: int, mask: Value | None) -> None:
        """Transforms one tile's sums into outputs, applies the epilogue and stores them."""
        p, side, outputs, lanes = self.p, self.side, self.outputs, self.lanes
        epilogue = self.kernel.problem.epilogue
        row, column = self._corner(number)

        is_known = isinstance(self.out_height, int) and isinstance(self.out_width, int)

        def inside(first: Index, i: int, extent: Index) -> Value | bool:
            # A symbol along either axis leaves tiles below the image.
            if is_known and isinstance(extent, int) and (extent % outputs == 0 or i == 0):
                return True
            return p.less(p.add(first, i), extent)

        for v in range(vectors):
            columns: list[list[Value]] = []
            for j in range(side):
                x = [
                    p.load(self.sums, [i * side + j, number, v * lanes], lanes) for i in range(side)
                ]
                columns.append(print_outputs(p, x, outputs))
            for i in range(outputs):
                values = print_outputs(p, [c[i] for c in columns], outputs)
                filter_ = p.add(p.mul(panel, self.kernel.columns), v * lanes)
                with p.when(inside(row, i, self.out_height)):
                    for j, value in enumerate(values):
                        place = [self.batch, p.add(row, i), p.add(column, j), filter_]
                        with p.when(inside(column, j, self.out_width)):
                            epilogue.store(
                                p,
                                value,
                                self.scope.results[0],
                                place,
                                self.extra,
                                mask if v == vectors - 1 else None,
                                native=self.kernel.isa.bf16,
                            )
