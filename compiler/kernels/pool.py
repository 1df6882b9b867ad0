"""Maximum and average pooling, channels-last, of windows or of the whole image.

As the depthwise convolution: vectors along the channels, a tile of neighbouring output pixels in
registers, each input of a row loaded once. The maximum of NaN is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from noema.kernels.block import BYTES
from noema.kernels.depthwise import load, shares
from noema.kernels.epilogue import NOTHING, Epilogue
from noema.kernels.executable import (
    Extent,
    Interface,
    Scope,
    Symbols,
    Tensor,
    executable,
    value_of,
)
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Index, Printer, Value
from noema.kernels.spans import Span, SpanTile, each_span, tap_columns, tap_rows
from noema.kernels.window import Window

_TOGETHER = 4
"""Vectors of channels that pooling the whole image goes over at once."""


class PoolKind(StrEnum):
    """What is made of a window."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True)
class PoolProblem:
    """What to pool.

    Attributes:
        kind: How.
        window: Over the image. Where an output's extent is rounded up, its pads reach as far as
            the last window does.
        counted: Pads that an average counts as zeros: top, left, bottom, right. Positions further
            out don't count.
        element: Of the image: f32 or bf16; sums are f32.
        epilogue: Of the results; a column is a channel.
        whole: Whether the one window is the whole image, of whatever extents; then the kernel,
            strides, dilations and pads of `window` mean nothing.
    """

    kind: PoolKind
    window: Window
    counted: tuple[int, int, int, int] = (0, 0, 0, 0)
    element: str = "f32"
    epilogue: Epilogue = NOTHING
    whole: bool = False

    @property
    def is_global(self) -> bool:
        """Whether the one window is the whole image."""
        window = self.window
        return self.whole or (
            window.kernel == (window.height, window.width)
            and window.dilations == (1, 1)
            and not any(window.pads)
        )

    @property
    def result(self) -> tuple[Extent, ...]:
        """N, OH, OW, C."""
        window = self.window
        out = (1, 1) if self.is_global else (window.out_height, window.out_width)
        return window.batch, *out, window.channels


@dataclass(frozen=True)
class Pool:
    """x (N, H, W, C), what the epilogue reads → (N, OH, OW, C).

    Attributes:
        problem: What.
        tile: How.
        isa: For what.
    """

    problem: PoolProblem
    tile: SpanTile
    isa: Isa

    @property
    def kind(self) -> str:
        """The family."""
        return "pool"

    @property
    def interface(self) -> Interface:
        """X, the epilogue's operands → result."""
        problem, image = self.problem, Tensor(self.problem.element, self.problem.window.image)
        return Interface(
            (image, *problem.epilogue.operands(problem.result)),
            (Tensor(problem.epilogue.element, problem.result),),
        )

    @property
    def operations(self) -> int | None:
        """Additions or comparisons."""
        window, pixels = self.problem.window, self.problem.window.pixels
        if pixels is None:
            return None
        return pixels * window.channels * window.taps

    def describe(self) -> str:
        """Shapes, element type, epilogue and tile, in a line."""
        problem, tile = self.problem, self.tile
        return (
            f"{problem.kind} pool {problem.window.describe()} {problem.element}, epilogue "
            f"{problem.epilogue.describe()}, {tile.pixels} pixels, {tile.rows} rows and "
            f"{tile.vectors * self.isa.lanes} channels each"
        )

    def print(self, name: str) -> str:
        """The `stream.executable` @name."""
        window, tile = self.problem.window, self.tile
        count = -(-_vectors(window, self.isa) // tile.vectors)
        batch, out_height, *_ = self.problem.result

        def grid(p: Printer, symbols: Symbols) -> Sequence[Index]:
            blocks = p.ceildiv(value_of(out_height, symbols), tile.rows)
            return count, blocks, value_of(batch, symbols)

        body = self._whole if self.problem.is_global else self._windows
        return executable(name, self.interface, grid, body)

    def _windows(self, scope: Scope) -> None:
        p, window, tile, lanes = scope.printer, self.problem.window, self.tile, self.isa.lanes
        share, y, batch = scope.workgroup
        low = p.mul(p.mul(share, tile.vectors), lanes)
        high = p.add(low, tile.vectors * lanes)
        first_row = p.mul(y, tile.rows)
        whole = window.channels // lanes * lanes
        extents = scope.operands[0].extents
        _, out_height, out_width, _ = scope.results[0].extents
        with p.loop(first_row, p.min(p.add(first_row, tile.rows), out_height)) as row:
            for span, column, source in each_span(p, window, tile.pixels, extents[2], out_width):
                where = (batch, row.index, column, source)
                factors = self._factors(p, extents, span, row.index, source)
                with p.loop(low, p.min(high, whole), lanes) as channel:
                    self._tile(scope, span, where, factors, channel.index, None)
                if whole < window.channels:
                    with p.when(p.compare("sgt", high, whole)):
                        mask = p.mask(window.channels - whole, lanes)
                        self._tile(scope, span, where, factors, whole, mask)

    @property
    def _combine(self) -> str:
        """The operation that a window's elements go into one after the other."""
        return "arith.maximumf" if self.problem.kind is PoolKind.MAX else "arith.addf"

    @property
    def _start(self) -> float:
        """What they go into at first."""
        return -math.inf if self.problem.kind is PoolKind.MAX else 0.0

    def _factors(
        self, p: Printer, extents: Sequence[Index], span: Span, row: Index, source: Index
    ) -> list[Value]:
        """One over the number of elements that each pixel of a tile is the average of."""
        problem, window = self.problem, self.problem.window
        if problem.kind is not PoolKind.AVERAGE:
            return []
        top, left, bottom, right = problem.counted

        def count(first: Index, before: int, extent: Index, taps: int, gap: int) -> Index:
            low = p.ceildiv(p.max(0, p.sub(-before, first)), gap)
            high = p.min(taps, p.ceildiv(p.max(0, p.sub(extent, first)), gap))
            return p.max(0, p.sub(high, low))

        (kh, kw), (dh, dw) = window.kernel, window.dilations
        first = p.sub(p.mul(row, window.strides[0]), window.pads[0])
        down = count(first, top, p.add(extents[1], bottom), kh, dh)
        found: list[Value] = []
        for pixel in range(span.pixels):
            begin = p.add(source, pixel * window.strides[1])
            across = count(begin, left, p.add(extents[2], right), kw, dw)
            found.append(_one_over(p, p.mul(down, across), self.isa.lanes))
        return found

    def _tile(
        self,
        scope: Scope,
        span: Span,
        where: tuple[Index, Index, Index, Index],
        factors: Sequence[Value],
        channel: Index,
        mask: Value | None,
    ) -> None:
        p, window, lanes = scope.printer, self.problem.window, self.isa.lanes
        image, *extra = scope.operands
        batch, row, first_column, source = where
        low, high, first = tap_rows(p, window, row, image.extents[1])
        combine, start = self._combine, p.splat(self._start, lanes)
        with p.loop(low, high, carried=[start] * span.pixels) as tap:
            found = list(tap.carried)
            tap_row = p.add(first, p.mul(tap.index, window.dilations[0]))

            def read(column: Index) -> Value:
                at = [batch, tap_row, p.add(source, column), channel]
                return load(p, image, at, lanes, mask)

            if not span.reads:
                begin, end = tap_columns(p, window, source, image.extents[2])
                with p.loop(begin, end, carried=found) as across:
                    value = read(p.mul(across.index, window.dilations[1]))
                    across.give([p.arith(combine, across.carried[0], value)])
                found = list(across.results)
            for column in span.columns:
                value = read(column)
                for pixel, reads in enumerate(span.reads):
                    if column in reads:
                        found[pixel] = p.arith(combine, found[pixel], value)
            tap.give(found)
        for pixel, value in enumerate(tap.results):
            place = [batch, row, p.add(first_column, pixel), channel]
            if factors:
                value = p.arith("arith.mulf", value, factors[pixel])
            self.problem.epilogue.store(
                p, value, scope.results[0], place, extra, mask, native=self.isa.bf16
            )

    def _whole(self, scope: Scope) -> None:
        p, window, tile, lanes = scope.printer, self.problem.window, self.tile, self.isa.lanes
        share, _, batch = scope.workgroup
        low = p.mul(p.mul(share, tile.vectors), lanes)
        high = p.min(p.add(low, tile.vectors * lanes), window.channels)
        turn = _TOGETHER * lanes
        whole = p.add(low, p.mul(p.div(p.sub(high, low), turn), turn))
        with p.loop(low, whole, turn) as channel:
            at = [p.add(channel.index, v * lanes) for v in range(_TOGETHER)]
            self._of_all(scope, batch, at, None)
        with p.loop(whole, high, lanes) as channel:
            mask = p.mask(p.sub(high, channel.index), lanes)
            self._of_all(scope, batch, [channel.index], mask)

    def _of_all(
        self, scope: Scope, batch: Index, channels: Sequence[Index], mask: Value | None
    ) -> None:
        p, lanes, combine = scope.printer, self.isa.lanes, self._combine
        image, *extra = scope.operands
        _, height, width, _ = image.extents
        start = [p.splat(self._start, lanes)] * len(channels)
        with p.loop(0, height, carried=start) as row:
            # A row's sum first: fewer roundings than one sum over all pixels.
            with p.loop(0, width, carried=start) as pixel:
                at = [batch, row.index, pixel.index]
                pixel.give(
                    [
                        p.arith(combine, old, load(p, image, [*at, channel], lanes, mask))
                        for old, channel in zip(pixel.carried, channels, strict=True)
                    ]
                )
            row.give(
                [p.arith(combine, a, b) for a, b in zip(row.carried, pixel.results, strict=True)]
            )
        for value, channel in zip(row.results, channels, strict=True):
            found = value
            if self.problem.kind is PoolKind.AVERAGE:
                found = p.arith("arith.mulf", value, _one_over(p, p.mul(height, width), lanes))
            place = [batch, 0, 0, channel]
            self.problem.epilogue.store(
                p, found, scope.results[0], place, extra, mask, native=self.isa.bf16
            )


def candidates(problem: PoolProblem, isa: Isa, threads: int = 2) -> tuple[Pool, ...]:
    """Kernels for a problem, the default first.

    Args:
        problem: What to pool.
        isa: For what.
        threads: That will share the work.

    Raises:
        Unsuitable: The kernel can't serve it.
    """
    problem.window.check()
    if problem.element not in BYTES:
        raise Unsuitable(f"pooling of {problem.element}")
    vectors = _vectors(problem.window, isa)
    if problem.is_global:
        each = -(-vectors // (_TOGETHER * threads)) * _TOGETHER
        return (Pool(problem, SpanTile(1, 1, min(vectors, each)), isa),)
    if problem.window.kernel[1] > 64:
        raise Unsuitable(f"pooling of {problem.window.kernel[1]} columns")
    rows, each = shares(problem.window, vectors, threads)
    most = isa.registers // 2 - 1
    return tuple(
        Pool(problem, SpanTile(n, rows, each), isa) for n in dict.fromkeys((most, most // 2))
    )


def _one_over(p: Printer, count: Index, lanes: int) -> Value:
    """A vector of 1 / count."""
    if isinstance(count, int) and count:
        return p.splat(1 / count, lanes)
    number = p.op(f"arith.index_cast {p.index(count)} : index to i32", "i32")
    elements = p.convert("arith.sitofp", number, "f32")
    return p.broadcast(p.arith("arith.divf", p.constant("1.0", "f32"), elements), lanes)


def _vectors(window: Window, isa: Isa) -> int:
    """Of channels."""
    return -(-window.channels // isa.lanes)
