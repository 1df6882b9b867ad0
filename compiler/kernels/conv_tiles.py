"""What a convolution is, the ways to go over it, and an analytic estimate of what each costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from noema.kernels.block import BYTES, Block
from noema.kernels.epilogue import NOTHING, Epilogue
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.window import Window
from noema.kernels.workgroups import elapsed

SCRATCH = 896 << 10
"""Bytes of scratch that a workgroup may use: its stack less what spills."""

STARTING = 1500.0
"""Cycles to start a workgroup."""

STREAMED = 32
"""Bytes of weights that cost a cycle although they are fetched ahead."""

_COPIED = 8
"""Bytes that a thread copies in a cycle."""

FETCHED = 5
"""Bytes of weights that a thread gets from memory in a cycle at most."""

STORING = 3
"""Steps that setting the sums of a register tile up and storing them takes."""

_WIDEST = 256
"""Columns that blocks have room for at most where the width is a symbol."""

_LATENCY = 4
"""Cycles from a product's operands to its sum; as many sums must be under way at least."""


@dataclass(frozen=True)
class ConvProblem:
    """What to convolve.

    Attributes:
        window: Over the image.
        filters: F, of all groups.
        groups: Into which channels and filters are cut.
        element: Of the image and the weights: f32, or bf16 with f32 sums.
        epilogue: Of the sums; a column is a filter.
    """

    window: Window
    filters: int
    groups: int = 1
    element: str = "f32"
    epilogue: Epilogue = NOTHING

    @property
    def group_channels(self) -> int:
        """Channels of a group."""
        return self.window.channels // self.groups

    @property
    def group_filters(self) -> int:
        """Filters of a group."""
        return self.filters // self.groups

    def together(self, isa: Isa) -> int:
        """Groups whose filters share a vector: several where that is wider than one's filters."""
        filters, channels = self.group_filters, self.group_channels
        fits = filters < isa.lanes and isa.lanes % filters == 0 and channels <= 4 * filters
        return isa.lanes // filters if self.groups > 1 and fits else 1

    def check(self, isa: Isa) -> None:
        """Raises `Unsuitable` for what the kernel can't compute."""
        self.window.check()
        if self.element not in BYTES:
            raise Unsuitable(f"convolution of {self.element}")
        if self.element == "bf16" and not isa.bf16:
            raise Unsuitable("no products of bf16 on this processor")
        if self.groups < 1 or self.filters < 1:
            raise Unsuitable("a convolution without filters")
        if self.window.channels % self.groups or self.filters % self.groups:
            raise Unsuitable("groups of unequal size")


@dataclass(frozen=True)
class ConvTile:
    """How to go over it.

    Attributes:
        pixels: Most output pixels of a register tile.
        vectors: Vectors of filters of a register tile.
        rows: Output rows of a workgroup.
        columns: Output columns of a workgroup.
        panels: Panels of a workgroup; a panel is as wide as a register tile.
        taps: Rows of the filter that are summed before the next panel's turn; the filter's height
            for all.
        fetch: Whether to ask for the next weights ahead.
        across: Columns of a register tile where the width is a symbol; then `columns` is a
            multiple of it, and what blocks have room for.
        parts: Blocks into which a height that is a symbol is cut at least; `rows` is what blocks
            have room for.
    """

    pixels: int
    vectors: int
    rows: int
    columns: int
    panels: int
    taps: int
    fetch: bool = False
    across: int = 0
    parts: int = 1


def block_of(problem: ConvProblem, rows: int, columns: int, isa: Isa) -> Block:
    """The padded copy for a block of output pixels."""
    return Block(
        problem.window,
        rows,
        columns,
        problem.group_channels,
        problem.element,
        isa.lanes,
        problem.together(isa),
    )


def tiles(problem: ConvProblem, isa: Isa, threads: int) -> Iterator[tuple[float, ConvTile]]:
    """Ways to go over a problem, each with the cycles that it is estimated to take.

    A step of a register tile takes as many cycles as it has products, or loads if there are more;
    workgroups share the threads in turns. Blocks fit half of the second cache; every workgroup
    streams its weights. Extents that are symbols are what `Window.assumed` says.

    Raises:
        Unsuitable: No block fits in scratch.
    """
    window = problem.window
    batch, height, width = window.assumed_outputs
    pair = 1 if problem.element == "f32" else 2
    channels = -(-problem.group_channels // pair)
    depth = window.taps * channels
    together = problem.together(isa)
    groups, filters = -(-problem.groups // together), problem.group_filters * together
    columns = _columns(problem, isa)
    across = -(-width // columns)
    choices = _rows(problem, columns, isa)
    for vectors in range(1, 5):
        most = min((isa.registers - vectors - 1) // vectors, 14)
        panel = vectors * isa.lanes
        panels = -(-filters // panel)
        if vectors > 1 and (vectors - 1) * isa.lanes >= filters:
            break
        chunk = depth * pair * panel * BYTES[problem.element]
        blocked = window.kernel[0] > 1 and chunk > isa.l2 // 4
        taps = max(1, window.kernel[0] * isa.l2 // 4 // chunk) if blocked else window.kernel[0]
        weights = chunk * panels
        for rows in choices:
            block = block_of(problem, rows, columns, isa)
            down = -(-height // rows)
            copy = block.bytes / _COPIED
            cycles = steps(rows, columns, most, vectors)
            for share in {-(-panels // s) for s in range(1, panels + 1)}:
                workgroups = batch * groups * across * down * -(-panels // share)
                one = (
                    STARTING + copy + cycles * (depth + STORING) * share + share * chunk / STREAMED
                )
                tile = ConvTile(
                    most,
                    vectors,
                    rows,
                    columns,
                    share,
                    taps,
                    weights * groups > isa.l2 // 2,
                )
                yield elapsed(workgroups, threads, one), tile


def _columns(problem: ConvProblem, isa: Isa) -> int:
    """Output columns of a block: all, or as many as leave room for a few rows."""
    window = problem.window
    _, height, width = window.assumed_outputs
    few = min(height, 4)
    for parts in range(1, width + 1):
        columns = -(-width // parts)
        if block_of(problem, few, columns, isa).bytes <= max(isa.l2 // 2, 64 << 10):
            return columns
    if block_of(problem, 1, 1, isa).bytes > SCRATCH:
        raise Unsuitable("the inputs of one output pixel don't fit in scratch")
    return 1


def _rows(problem: ConvProblem, columns: int, isa: Isa) -> list[int]:
    """Output rows of a block, that fit half of the second cache."""
    _, height, _ = problem.window.assumed_outputs
    limit = min(isa.l2 // 2, SCRATCH)
    choices = sorted({-(-height // parts) for parts in range(1, height + 1)})
    fitting = [r for r in choices if block_of(problem, r, columns, isa).bytes <= limit]
    return fitting or [1]


def widened(problem: ConvProblem, tile: ConvTile, isa: Isa) -> ConvTile:
    """A tile that was chosen for the assumed extents, as one for all of them.

    Blocks have room for as many more columns as fit into half of the second cache.
    """
    window, width = problem.window, tile.columns
    if isinstance(window.height, str):
        _, height, _ = window.assumed_outputs
        tile = replace(tile, parts=-(-height // tile.rows))
    if isinstance(window.width, str):
        across = width if width <= tile.pixels else -(-width // -(-width // tile.pixels))
        columns = -(-width // across) * across
        more = columns + across
        while more <= _WIDEST and block_of(problem, tile.rows, more, isa).bytes <= isa.l2 // 2:
            columns, more = more, more + across
        tile = replace(tile, columns=columns, across=across)
    return tile


def steps(rows: int, columns: int, most: int, vectors: int) -> float:
    """Cycles that register tiles over `rows` of `columns` take per step of their sums.

    Args:
        rows: Rows of pixels.
        columns: Pixels of a row.
        most: Pixels of a register tile.
        vectors: Vectors of filters of a register tile.
    """
    together = min(most // columns, rows)

    def step(pixels: int) -> int:
        return max(pixels * vectors, pixels + vectors + 1, 2 * _LATENCY)

    if together > 1:
        return rows // together * step(together * columns) + rows % together * step(columns)
    count = -(-columns // most)
    large = -(-columns // count)
    larges = columns - count * (large - 1)
    return rows * (larges * step(large) + (count - larges) * step(large - 1))
