"""How output pixels in a row are cut into tiles that differ only in where they begin.

A tile knows which of its taps leave the image, so the code for it reads the image alone and needs
no padded copy; tiles inside the image share one loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from noema.kernels.printer import Index, Printer
from noema.kernels.window import Window


@dataclass(frozen=True)
class SpanTile:
    """How a kernel goes over an image span by span.

    Attributes:
        pixels: Most neighbouring output pixels of a register tile.
        rows: Output rows of a workgroup.
        vectors: Vectors of channels of a workgroup.
    """

    pixels: int
    rows: int
    vectors: int


@dataclass(frozen=True)
class Span:
    """A tile of neighbouring output pixels, or a run of equal ones.

    Attributes:
        first: Its first pixel's column.
        pixels: How many.
        reads: Per pixel and tap along the width: the input column, counted from the column of the
            first pixel's first tap; None outside the image.
        count: Tiles of the run.
    """

    first: int
    pixels: int
    reads: tuple[tuple[int | None, ...], ...]
    count: int = 1

    @property
    def columns(self) -> list[int]:
        """The input columns that it reads."""
        return sorted({r for pixel in self.reads for r in pixel if r is not None})


def spans(window: Window, most: int) -> list[Span]:
    """Cuts the output's width into tiles of at most `most` pixels, of nearly equal size."""
    width = window.out_width
    count = -(-width // most)
    found: list[Span] = []
    for i in range(count):
        first = width * i // count
        last = width * (i + 1) // count
        reads = tuple(
            tuple(_column(window, first, pixel, tap) for tap in range(window.kernel[1]))
            for pixel in range(first, last)
        )
        previous = found[-1] if found else None
        if previous and previous.reads == reads:
            found[-1] = Span(previous.first, previous.pixels, previous.reads, previous.count + 1)
        else:
            found.append(Span(first, last - first, reads))
    return found


def _column(window: Window, first: int, pixel: int, tap: int) -> int | None:
    step, left = window.strides[1], window.pads[1]
    column = pixel * step + tap * window.dilations[1]
    return column - first * step if 0 <= column - left < window.width else None


def each_span(p: Printer, window: Window, most: int) -> Iterator[tuple[Span, Index, Index]]:
    """Prints loops over the tiles: the tile, its first pixel, and its first tap's input column.

    What is printed between two turns of the iteration stands in the loop's body.
    """
    for span in spans(window, most):
        step, left = window.strides[1], window.pads[1]
        if span.count == 1:
            yield span, span.first, span.first * step - left
            continue
        with p.loop(0, span.count) as loop:
            first = p.add(p.mul(loop.index, span.pixels), span.first)
            yield span, first, p.sub(p.mul(first, step), left)


def tap_rows(p: Printer, window: Window, row: Index) -> tuple[Index, Index, Index]:
    """Which taps along the height lie in the image: low, high; and the row of tap 0."""
    step, top, gap = window.strides[0], window.pads[0], window.dilations[0]
    first = p.sub(p.mul(row, step), top)
    low = p.ceildiv(p.max(0, p.sub(0, first)), gap)
    high = p.min(window.kernel[0], p.ceildiv(p.max(0, p.sub(window.height, first)), gap))
    return low, p.max(low, high), first
