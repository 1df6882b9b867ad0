"""A padded copy of the part of an image that a workgroup reads, in its scratch memory."""

from __future__ import annotations

from dataclasses import dataclass

from noema.kernels.lanes import shuffle
from noema.kernels.printer import Buffer, Index, Printer
from noema.kernels.window import Window

LINE = 64
"""Bytes of a cache line."""

BYTES = {"f32": 4, "bf16": 2}


@dataclass(frozen=True)
class Block:
    """How the input of a block of output rows lies in scratch: rows, pixels, channels.

    Along an axis where the window has one tap, only the positions that a stride hits are kept.

    Attributes:
        window: Over the image.
        rows: Output rows of the block, at most.
        columns: Output columns of the block, at most.
        channels: Of one group.
        element: Element type.
        lanes: f32 elements of a vector register.
        together: Groups that are copied. If there are several, each of a pixel's channels (pairs of
            them, of bf16) becomes a vector: of every group that one, in the lanes of its filters.
    """

    window: Window
    rows: int
    columns: int
    channels: int
    element: str
    lanes: int
    together: int = 1

    @property
    def strides(self) -> tuple[int, int]:
        """Between neighbouring windows, in the copy."""
        (kh, kw), (sh, sw) = self.window.kernel, self.window.strides
        return (1 if kh == 1 else sh), (1 if kw == 1 else sw)

    @property
    def in_rows(self) -> int:
        """Rows of the copy."""
        return (self.rows - 1) * self.strides[0] + self.window.reach[0]

    @property
    def in_columns(self) -> int:
        """Pixels of a row of the copy."""
        return (self.columns - 1) * self.strides[1] + self.window.reach[1]

    @property
    def pitch(self) -> int:
        """From a pixel to the next, in elements.

        Pairs of bf16 need an even one. Pixels 512 bytes or a multiple apart would share few of the
        first cache's sets: an odd number of lines spreads them.
        """
        size = BYTES[self.element]
        even = self.channels if size == 4 else -(-self.channels // 2) * 2
        if self.together > 1:
            return even * self.lanes
        return even + LINE // size if even * size % 512 == 0 else even

    @property
    def row_pitch(self) -> int:
        """From a row to the next, in elements."""
        return self.in_columns * self.pitch

    @property
    def bytes(self) -> int:
        """Of the whole copy."""
        return self.in_rows * self.row_pitch * BYTES[self.element]

    @property
    def vector(self) -> int:
        """Elements of a vector register."""
        return self.lanes * 4 // BYTES[self.element]

    def copy(
        self,
        p: Printer,
        image: Buffer,
        scratch: Buffer,
        batch: Index,
        first_row: Index,
        first_column: Index,
        first_channel: Index,
        rows: Index,
        columns: Index,
    ) -> None:
        """Fills `scratch` for the output rows from `first_row` on.

        Args:
            p: Where to print.
            image: (N, H, W, C).
            scratch: `in_rows · row_pitch` elements.
            batch: n.
            first_row: Of the block, as an output.
            first_column: Of the block, as an output.
            first_channel: Of the group, or of the first one.
            rows: Output rows that are wanted of the block, from 1 to all.
            columns: Output columns that are wanted of it.
        """
        window = self.window
        _, height, width, channels = image.extents
        source = flat(p, image)
        step = window.strides[0] if window.kernel[0] == 1 else 1
        top = p.sub(p.mul(first_row, window.strides[0]), window.pads[0])
        wanted = p.add(p.mul(p.sub(columns, 1), self.strides[1]), window.reach[1])
        in_rows = p.add(p.mul(p.sub(rows, 1), self.strides[0]), window.reach[0])
        with p.loop(0, in_rows) as row:
            at = p.mul(row.index, self.row_pitch)
            from_row = p.add(top, p.mul(row.index, step))
            inside = p.compare("ult", from_row, height)
            with p.when(inside):
                line = p.add(p.mul(batch, height), from_row)
                start = p.add(p.mul(line, p.mul(width, channels)), first_channel)
                limit = p.sub(window.channels, first_channel)
                self._row(p, source, scratch, start, at, first_column, width, wanted, limit)
            outside = p.compare("uge", from_row, height)
            with p.when(outside):
                self._clear(p, scratch, at, p.mul(wanted, self.pitch))

    def _row(
        self,
        p: Printer,
        source: Buffer,
        scratch: Buffer,
        start: Index,
        at: Index,
        first_column: Index,
        width: Index,
        wanted: Index,
        limit: Index,
    ) -> None:
        """A row of `wanted` pixels that lies in the image, which is `width` pixels wide.

        `limit` is how many channels there are from the first one on.
        """
        window, pitch = self.window, self.pitch
        step = window.strides[1] if window.kernel[1] == 1 else 1
        first = p.sub(p.mul(first_column, window.strides[1]), window.pads[1])
        # The copy's columns c with 0 ≤ first + c · step < W.
        missing = p.max(0, p.sub(0, first))
        low = p.min(wanted, p.ceildiv(missing, step))
        left = p.max(0, p.sub(width, first))
        high = p.max(low, p.min(wanted, p.ceildiv(left, step)))
        self._clear(p, scratch, at, p.mul(low, pitch))
        after = p.sub(wanted, high)
        self._clear(p, scratch, p.add(at, p.mul(high, pitch)), p.mul(after, pitch))
        from_column = p.add(first, p.mul(low, step))
        here = p.add(start, p.mul(from_column, window.channels))
        there = p.add(at, p.mul(low, pitch))
        pixels = p.sub(high, low)
        if self.together > 1:
            with p.loop(0, pixels) as pixel:
                from_pixel = p.add(here, p.mul(pixel.index, step * window.channels))
                to_pixel = p.add(there, p.mul(pixel.index, pitch))
                self._to_lanes(p, source, scratch, from_pixel, to_pixel, limit)
            return
        if step == 1 and pitch == window.channels:
            self._run(p, source, scratch, here, there, p.mul(pixels, pitch))
            return
        done: Index = 0
        if step == 1 and self.channels == window.channels and 2 * pitch <= self.vector:
            done = self._spread(p, source, scratch, here, there, pixels)
        with p.loop(done, pixels) as pixel:
            from_pixel = p.add(here, p.mul(pixel.index, step * window.channels))
            to_pixel = p.add(there, p.mul(pixel.index, pitch))
            # Behind the channels only what completes a pair is read later.
            size = -(-self.channels // 2) * 2 if self.element == "bf16" else self.channels
            self._run(p, source, scratch, from_pixel, to_pixel, self.channels, size)

    def _spread(
        self, p: Printer, source: Buffer, scratch: Buffer, start: Index, at: Index, pixels: Index
    ) -> Index:
        """Copies several narrow pixels per vector, as many as fit; gives how many it copied."""
        channels, pitch = self.channels, self.pitch
        turn = self.vector // pitch
        taken = turn * channels
        order = [
            pixel * channels + c if c < channels else taken
            for pixel in range(turn)
            for c in range(pitch)
        ]
        whole = p.mul(p.div(pixels, turn), turn)
        with p.loop(0, whole, turn) as loop:
            vector = p.load(source, [p.add(start, p.mul(loop.index, channels))], taken)
            spread = shuffle(p, vector, p.splat(0, taken, self.element), order)
            p.store(spread, scratch, [p.add(at, p.mul(loop.index, pitch))])
        return whole

    def _to_lanes(
        self, p: Printer, source: Buffer, scratch: Buffer, start: Index, at: Index, limit: Index
    ) -> None:
        """Copies a pixel of several groups, of which the last ones may be missing."""
        channels, pair = self.channels, 1 if self.element == "f32" else 2
        taken, filters = self.together * channels, self.lanes // self.together
        none = p.splat(0, taken, self.element)
        if self.window.channels % taken:
            vector = p.load_masked(source, [start], p.mask(limit, taken), none)
        else:
            vector = p.load(source, [start], taken)
        for first in range(0, channels, pair):
            picks = [
                lane // filters * channels + c if c < channels else taken
                for lane in range(self.lanes)
                for c in range(first, first + pair)
            ]
            there = p.add(at, first * self.lanes)
            p.store(shuffle(p, vector, none, picks), scratch, [there])

    def _run(
        self,
        p: Printer,
        source: Buffer,
        scratch: Buffer,
        start: Index,
        at: Index,
        count: Index,
        size: Index | None = None,
    ) -> None:
        """Copies `count` elements and clears what is missing to `size`."""
        size = count if size is None else size
        lanes = self.vector
        turn = 4 * lanes
        together = p.mul(p.div(count, turn), turn)
        if together != 0:
            with p.loop(0, together, turn) as loop:
                for offset in range(0, turn, lanes):
                    k = p.add(loop.index, offset)
                    vector = p.load(source, [p.add(start, k)], lanes)
                    p.store(vector, scratch, [p.add(at, k)])
        if together == size:
            return
        none = p.splat(0, lanes, self.element)
        with p.loop(together, size, lanes) as loop:
            mask = p.mask(p.max(0, p.sub(count, loop.index)), lanes)
            vector = p.load_masked(source, [p.add(start, loop.index)], mask, none)
            if size is not count:
                mask = p.mask(p.sub(size, loop.index), lanes)
            p.store_masked(vector, scratch, [p.add(at, loop.index)], mask)

    def _clear(self, p: Printer, scratch: Buffer, at: Index, count: Index) -> None:
        if count == 0:
            return
        lanes = self.vector
        none = p.splat(0, lanes, self.element)
        with p.loop(0, count, lanes) as loop:
            mask = p.mask(p.sub(count, loop.index), lanes)
            p.store_masked(none, scratch, [p.add(at, loop.index)], mask)


def flat(p: Printer, buffer: Buffer) -> Buffer:
    """The same memory with one dimension."""
    rank = len(buffer.extents)
    if rank == 1:
        return buffer
    total: Index = 1
    for extent in buffer.extents:
        total = p.mul(total, extent)
    size = str(total) if isinstance(total, int) else "?"
    type_ = f"memref<{size}x{buffer.element}>"
    groups = ", ".join(map(str, range(rank)))
    value = p.op(
        f"memref.collapse_shape {buffer.value} [[{groups}]] : {buffer.value.type} into {type_}",
        type_,
    )
    return Buffer(value, buffer.element, (total,))
