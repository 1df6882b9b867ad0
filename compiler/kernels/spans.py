"""How output pixels in a row are cut into tiles that differ only in where they begin.

A tile knows which of its taps leave the image, so the code for it reads the image alone and needs
no padded copy; tiles inside the image share one loop. Where the width is a symbol, only tiles
inside the image are of several pixels; the others' taps are bounded when the kernel runs.
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
            first pixel's first tap; None outside the image. Empty where only `tap_columns` knows:
            for a single pixel.
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
    _, _, width = window.assumed_outputs
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
    return column - first * step if 0 <= column - left < window.assumed[2] else None


def each_span(
    p: Printer, window: Window, most: int, width: Index, out_width: Index
) -> Iterator[tuple[Span, Index, Index]]:
    """Prints loops over the tiles: the tile, its first pixel, and its first tap's input column.

    What is printed between two turns of the iteration stands in the loop's body.

    Args:
        p: Where to print.
        window: Over the image.
        most: Pixels of a tile.
        width: W.
        out_width: OW.
    """
    if not isinstance(width, int):
        yield from _each_span_of_any(p, window, most, width, out_width)
        return
    for span in spans(window, most):
        step, left = window.strides[1], window.pads[1]
        if span.count == 1:
            yield span, span.first, span.first * step - left
            continue
        with p.loop(0, span.count) as loop:
            first = p.add(p.mul(loop.index, span.pixels), span.first)
            yield span, first, p.sub(p.mul(first, step), left)


def _each_span_of_any(
    p: Printer, window: Window, most: int, width: Index, out_width: Index
) -> Iterator[tuple[Span, Index, Index]]:
    """`each_span` where the width is a symbol.

    Of the pixels whose taps all lie in the image, whole tiles first; what is left is covered by
    smaller ones, of which the last begins early. The pixels at both edges follow one by one.
    """
    step, left, gap = window.strides[1], window.pads[1], window.dilations[1]
    low = p.min(-(-left // step), out_width)
    fitting = p.div(p.max(0, p.add(width, left + step - window.reach[1])), step)
    high = p.max(low, p.min(fitting, out_width))
    inside = p.sub(high, low)
    done: Index = 0
    size = most
    while size:
        left_over = p.sub(inside, done)
        count = p.div(left_over, size) if size == most else p.ceildiv(left_over, size)
        if 1 < size < most:
            fits = p.compare("sge", inside, size)
            count = p.select(fits, p.index(count), p.index(0))
        reads = tuple(
            tuple(pixel * step + tap * gap for tap in range(window.kernel[1]))
            for pixel in range(size)
        )
        with p.loop(0, count) as loop:
            begin = p.min(p.add(done, p.mul(loop.index, size)), p.sub(inside, size))
            first = p.add(low, begin)
            yield Span(0, size, reads), first, p.sub(p.mul(first, step), left)
        done = p.min(inside, p.add(done, p.mul(count, size)))
        size //= 2
    for begin, end in ((0, low), (high, out_width)):
        with p.loop(begin, end) as loop:
            yield Span(0, 1, ()), loop.index, p.sub(p.mul(loop.index, step), left)


def tap_rows(p: Printer, window: Window, row: Index, height: Index) -> tuple[Index, Index, Index]:
    """Which taps along the height lie in the image: low, high; and the row of tap 0."""
    first = p.sub(p.mul(row, window.strides[0]), window.pads[0])
    return *_inside(p, first, window.kernel[0], window.dilations[0], height), first


def tap_columns(p: Printer, window: Window, first: Index, width: Index) -> tuple[Index, Index]:
    """Which taps along the width lie in the image, if tap 0 lies in column `first`: low, high."""
    return _inside(p, first, window.kernel[1], window.dilations[1], width)


def _inside(p: Printer, first: Index, taps: int, gap: int, extent: Index) -> tuple[Index, Index]:
    low = p.ceildiv(p.max(0, p.sub(0, first)), gap)
    high = p.min(taps, p.ceildiv(p.max(0, p.sub(extent, first)), gap))
    return low, p.max(low, high)
