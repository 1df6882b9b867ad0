"""How a GEMM may be cut, and an analytic guess at which cut is best.

The guess counts cycles of the busiest worker. A step of k takes a register tile of r × v one cycle
per multiplication, but no less than 6 v, the time in which v registers of B (64 bytes each) come
from L2 at 11 bytes a cycle: so few rows are slow. A tile costs some cycles more to begin and to
store, a workgroup a thousand to be taken. Tiles with more multiplications per register loaded
(each r + v loads do r v of them) are preferred where else little differs, for processors that
multiply twice a cycle.

Measured on a Zen 4, all tiles of at least 4 rows and 2 registers come within 3 % of each other on
252×768×768, and nothing is lost to long k (768 to 12288: a panel streams from L2 fast enough), so
k isn't cut. Nor is anything gained by copying A, whose rows may lie 4096 bytes apart: that is for
conversion, and costs 2 to 5 %. The number of workgroups matters only through what it leaves to
the last worker.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from noema.kernels.epilogue import NOTHING, Epilogue
from noema.kernels.executable import Extent
from noema.kernels.gemm import SCRATCH_BYTES, Gemm, Tile
from noema.kernels.kernel import Isa, Unsuitable

_TILE_CYCLES = 40
_WORKGROUP_CYCLES = 1000
_LATE_CYCLES = 30_000.0
"""By which the other workers begin after the first, which wakes them (see docs/threads.md)."""

_JITTER = 0.05
"""Of a workgroup's time: by what workers that should end together don't."""

_UNKNOWN_ROWS = 128
"""What a symbolic number of rows is taken for."""

_MOST = 16
"""Candidates of one product."""


def candidates(
    m: Extent,
    n: int,
    k: int,
    isa: Isa,
    element: str = "f32",
    epilogue: Epilogue = NOTHING,
    threads: int = 2,
    lhs: str = "",
) -> list[Gemm]:
    """Kernels for C[m, n] = epilogue(A[m, k] · B[k, n]), by what they are guessed to take.

    Args:
        m: Rows, or a symbol.
        n: Columns.
        k: Length of the products.
        isa: What to print for.
        element: Of the products: f32 or bf16.
        epilogue: What is done to the sums.
        threads: Workers that the program will have.
        lhs: Element of A in memory, if another.

    Raises:
        Unsuitable: There is none; the reason why.
    """
    # Raises for what no cut helps.
    rows = 4 if isa.registers >= 32 else 2
    plain = Gemm(m, n, k, isa, Tile(rows, 1, pack=_packs(element, lhs)), element, epilogue, lhs)
    scored = [(_cycles(plain, tile, threads), tile) for tile in _tiles(plain, threads)]
    # Sorting is stable: of equal ones, the first.
    best = [tile for _, tile in sorted(scored, key=lambda pair: pair[0])]
    if not best:
        raise Unsuitable("no register tile fits")
    return [replace(plain, tile=tile) for tile in best[:_MOST]]


def rows_in_cache(stride: int) -> int:
    """How many rows that lie `stride` bytes apart fit into the first cache side by side.

    Rows a multiple of 4096 bytes apart share a set, of 8 lines.
    """
    return 8 * (4096 // math.gcd(stride, 4096))


def _packs(element: str, lhs: str) -> bool:
    return bool(lhs) and lhs != element


def _tiles(gemm: Gemm, threads: int) -> Iterator[Tile]:
    m, isa = gemm.m, gemm.isa
    pack = gemm.tile.pack
    stride = (gemm.lhs_width or gemm.k) * (2 if gemm.element == "bf16" else 4)
    crowd = 16 if pack else rows_in_cache(stride)
    for vectors in (3, 2, 4, 1):
        if vectors > max(1, -(-gemm.n // isa.lanes)):
            continue
        # Sums, a row of the panel, and an element of A.
        most = min((isa.registers - 1 - vectors) // vectors, 16, crowd)
        # Of an unknown number of rows the last few take a whole tile.
        heights = range(most, 0, -1) if isinstance(m, int) else range(min(most, 8), 3, -1)
        for rows in heights:
            if isinstance(m, int) and (rows > m or -(-m // rows) == -(-m // (rows - 1 or 1)) > 1):
                continue  # as many tiles as with one row less, and a smaller last one
            if pack and rows * gemm.packed_bytes > SCRATCH_BYTES:
                continue
            for row_split, column_split in _splits(gemm, rows, vectors, threads):
                yield Tile(
                    rows,
                    vectors,
                    row_split,
                    column_split,
                    rows_outer=_keeps_b(gemm, rows, column_split),
                    pack=pack,
                )


def _keeps_b(gemm: Gemm, rows: int, column_split: int) -> bool:
    """Whether a workgroup's part of B stays in L2 while many row tiles pass by."""
    share = gemm.n * gemm.k * (2 if gemm.element == "bf16" else 4) // column_split
    return isinstance(gemm.m, int) and share * 2 <= gemm.isa.l2 and gemm.m >= 16 * rows


def _splits(gemm: Gemm, rows: int, vectors: int, threads: int) -> Iterator[tuple[int, int]]:
    if threads == 1:
        yield 1, 1
        return
    panels = -(-gemm.n // (vectors * gemm.isa.lanes))
    # IREE hands workgroups out one by one if there are fewer than eight for each worker.
    for parts in (threads, 2 * threads, 4 * threads):
        if parts <= panels:
            yield 1, parts
    if panels < 8 * threads:
        yield 1, panels
    if isinstance(gemm.m, int):
        tiles = -(-gemm.m // rows)
        for parts in (threads, 2 * threads, 4 * threads):
            if parts <= tiles:
                yield parts, 1


def _cycles(gemm: Gemm, tile: Tile, threads: int) -> float:
    """Of the busiest worker, if each takes the next workgroup when it is free."""
    steps = -(-gemm.k // (2 if gemm.element == "bf16" else 1))
    m = gemm.m if isinstance(gemm.m, int) else _UNKNOWN_ROWS
    width = -(-gemm.n // gemm.isa.lanes)
    # dpbf16ps with one register of B doesn't keep up with the broadcasts: measured.
    slow = 1.4 if gemm.element == "bf16" and tile.vectors == 1 else 1.0
    workers = [0.0] + [_LATE_CYCLES] * (threads - 1)
    largest = 0.0
    for rows, tiles, down in _parts(m, tile.rows, tile.row_split, least=6):
        # A workgroup packs its own rows: two cycles for a line of 64 bytes.
        packing = 2 * rows * steps / 16 if tile.pack else 0
        for columns, panels, _ in _parts(width, tile.vectors, tile.column_split, least=1):
            cycles = down * columns * steps * slow + _TILE_CYCLES * tiles * panels + packing
            free = workers.index(min(workers))
            workers[free] += cycles + _WORKGROUP_CYCLES
            largest = max(largest, cycles)
    # Loads per multiplication; and all read what isn't split, which had better be the smaller.
    loads = 1 + 0.1 / tile.rows + 0.1 / tile.vectors
    split_smaller = (tile.row_split > 1 and m < gemm.n) or (tile.column_split > 1 and gemm.n < m)
    uneven = _JITTER * largest if threads > 1 else 0.0
    return (max(workers) + uneven) * loads * (1.02 if split_smaller else 1.0)


def _parts(extent: int, tile: int, count: int, least: int) -> Iterator[tuple[int, int, int]]:
    """Each part's extent, its tiles, and its extent if tiles smaller than `least` count as that."""
    tiles = -(-extent // tile)
    for part in range(count):
        low, high = part * tiles // count, (part + 1) * tiles // count
        size = min(high * tile, extent) - low * tile
        whole = size // tile
        rest = size - whole * tile
        yield size, high - low, whole * max(tile, least) + (max(rest, least) if rest else 0)
