"""Depthwise convolution, channels-last: one filter per channel.

Vectors lie along the channels. A tile of neighbouring output pixels is summed in registers: of each
row of the window every input is loaded once and multiplied by all taps that meet it. Taps outside
the image are left out of the code along the width and of the loop along the height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noema.kernels.block import BYTES
from noema.kernels.epilogue import NOTHING, Epilogue, widen
from noema.kernels.executable import Interface, Scope, Symbols, Tensor, executable, value_of
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value
from noema.kernels.spans import Span, SpanTile, each_span, tap_columns, tap_rows
from noema.kernels.window import Window
from noema.kernels.workgroups import elapsed


@dataclass(frozen=True)
class DepthwiseProblem:
    """What to convolve.

    Attributes:
        window: Over the image.
        element: Of the image: f32, or bf16, multiplied and summed as f32.
        epilogue: Of the sums; a column is a channel.
    """

    window: Window
    element: str = "f32"
    epilogue: Epilogue = NOTHING


@dataclass(frozen=True)
class Depthwise:
    """x (N, H, W, C), packed weights, what the epilogue reads → (N, OH, OW, C).

    Attributes:
        problem: What.
        tile: How.
        isa: For what.
    """

    problem: DepthwiseProblem
    tile: SpanTile
    isa: Isa

    @property
    def kind(self) -> str:
        """The family."""
        return "depthwise"

    @property
    def interface(self) -> Interface:
        """X, weights, the epilogue's operands → result."""
        problem, window = self.problem, self.problem.window
        extents = (window.batch, window.out_height, window.out_width, window.channels)
        packed = (window.taps, _vectors(window, self.isa) * self.isa.lanes)
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
        """Multiplications and additions."""
        window = self.problem.window
        each = 2 * window.channels * window.taps
        return None if window.pixels is None else each * window.pixels

    def describe(self) -> str:
        """Shapes, element type, epilogue and tile, in a line."""
        problem, tile = self.problem, self.tile
        return (
            f"depthwise {problem.window.describe()} {problem.element}, epilogue "
            f"{problem.epilogue.describe()}, {tile.pixels} pixels, {tile.rows} rows and "
            f"{tile.vectors * self.isa.lanes} channels each"
        )

    def pack(self, weights: NDArray[Any]) -> NDArray[np.float32]:
        """Weights in the order in which the kernel reads them, as f32.

        Args:
            weights: (C, 1, KH, KW).
        """
        window = self.problem.window
        packed = np.zeros((window.taps, _vectors(window, self.isa) * self.isa.lanes), np.float32)
        packed[:, : window.channels] = weights.reshape(window.channels, window.taps).T
        return packed

    def print(self, name: str) -> str:
        """The `stream.executable` @name."""
        window, tile = self.problem.window, self.tile
        shares = -(-_vectors(window, self.isa) // tile.vectors)

        def grid(p: Printer, symbols: Symbols) -> Sequence[Index]:
            blocks = p.ceildiv(value_of(window.out_height, symbols), tile.rows)
            return shares, blocks, value_of(window.batch, symbols)

        return executable(name, self.interface, grid, self._body)

    def _body(self, scope: Scope) -> None:
        p, window, tile, lanes = scope.printer, self.problem.window, self.tile, self.isa.lanes
        share, y, batch = scope.workgroup
        low = p.mul(p.mul(share, tile.vectors), lanes)
        high = p.add(low, tile.vectors * lanes)
        first_row = p.mul(y, tile.rows)
        whole = window.channels // lanes * lanes
        _, height, width, _ = scope.operands[0].extents
        _, out_height, out_width, _ = scope.results[0].extents
        with p.loop(first_row, p.min(p.add(first_row, tile.rows), out_height)) as row:
            taps = tap_rows(p, window, row.index, height)
            for span, column, source in each_span(p, window, tile.pixels, width, out_width):
                where = (batch, row.index, column, source)
                with p.loop(low, p.min(high, whole), lanes) as channel:
                    self._tile(scope, span, where, taps, channel.index, None)
                if whole < window.channels:
                    with p.when(p.compare("sgt", high, whole)):
                        mask = p.mask(window.channels - whole, lanes)
                        self._tile(scope, span, where, taps, whole, mask)

    def _tile(
        self,
        scope: Scope,
        span: Span,
        where: tuple[Index, Index, Index, Index],
        taps: tuple[Index, Index, Index],
        channel: Index,
        mask: Value | None,
    ) -> None:
        p, window, lanes = scope.printer, self.problem.window, self.isa.lanes
        image, weights, *extra = scope.operands
        batch, row, first_column, source = where
        low, high, first = taps
        zero = p.splat(0, lanes)
        with p.loop(low, high, carried=[zero] * span.pixels) as tap:
            sums = list(tap.carried)
            tap_row = p.add(first, p.mul(tap.index, window.dilations[0]))
            number = p.mul(tap.index, window.kernel[1])

            def read(column: Index) -> Value:
                at = [batch, tap_row, p.add(source, column), channel]
                return load(p, image, at, lanes, mask)

            def factor(k: Index) -> Value:
                return p.load(weights, [p.add(number, k), channel], lanes)

            if not span.reads:
                begin, end = tap_columns(p, window, source, image.extents[2])
                with p.loop(begin, end, carried=sums) as across:
                    value = read(p.mul(across.index, window.dilations[1]))
                    across.give([p.fma(value, factor(across.index), across.carried[0])])
                sums = list(across.results)
            used = sorted({k for pixel in span.reads for k, r in enumerate(pixel) if r is not None})
            factors = {k: factor(k) for k in used}
            for column in span.columns:
                value = read(column)
                for pixel, reads in enumerate(span.reads):
                    for k, other in enumerate(reads):
                        if other == column:
                            sums[pixel] = p.fma(value, factors[k], sums[pixel])
            tap.give(sums)
        for pixel, value in enumerate(tap.results):
            place = [batch, row, p.add(first_column, pixel), channel]
            self.problem.epilogue.store(
                p, value, scope.results[0], place, extra, mask, native=self.isa.bf16
            )


def load(p: Printer, buffer: Buffer, at: Sequence[Index], lanes: int, mask: Value | None) -> Value:
    """A vector as f32; lanes that the mask leaves out are 0."""
    if mask is None:
        return widen(p, p.load(buffer, at, lanes))
    return widen(p, p.load_masked(buffer, at, mask, p.splat(0, lanes, buffer.element)))


def shares(window: Window, vectors: int, threads: int) -> tuple[int, int]:
    """Output rows and vectors of channels of a workgroup, so that threads get equal shares.

    Args:
        window: Over the image.
        vectors: Of channels, in all.
        threads: That share the work.
    """
    batch, height, width = window.assumed_outputs

    def cost(rows: int, each: int) -> tuple[float, int]:
        count = batch * -(-height // rows) * -(-vectors // each)
        work = rows * each * width * window.taps
        return elapsed(count, threads, work + 1500.0), count

    heights = sorted({-(-height // parts) for parts in range(1, height + 1)}, reverse=True)
    parts = [-(-vectors // n) for n in range(1, min(vectors, 4 * threads) + 1)]
    return min(
        ((rows, each) for each in dict.fromkeys(parts) for rows in heights), key=lambda c: cost(*c)
    )


def candidates(problem: DepthwiseProblem, isa: Isa, threads: int = 2) -> tuple[Depthwise, ...]:
    """Kernels for a problem, the default first.

    The default takes as many pixels as registers hold beside a window's row and an input.

    Args:
        problem: What to convolve.
        isa: For what.
        threads: That will share the work.

    Raises:
        Unsuitable: The kernel can't serve it.
    """
    problem.window.check()
    if problem.element not in BYTES:
        raise Unsuitable(f"depthwise convolution of {problem.element}")
    width = problem.window.kernel[1]
    if width > 32:
        raise Unsuitable(f"depthwise convolution with {width} taps along the width")
    rows, vectors = shares(problem.window, _vectors(problem.window, isa), threads)
    most = max(1, min(14, isa.registers - 2 - min(width, isa.registers // 2)))
    sizes = dict.fromkeys((most, max(1, most // 2), max(1, most * 2 // 3)))
    return tuple(Depthwise(problem, SpanTile(n, rows, vectors), isa) for n in sizes)


def _vectors(window: Window, isa: Isa) -> int:
    """Of channels."""
    return -(-window.channels // isa.lanes)
