"""How a batched GEMM may be cut, and an analytic guess at which cut is best.

Measured on a Zen 4, one core, best of many, against what IREE 3.13 makes of the same product (which
packs A and B, multiplies, and unpacks C): f32 is up to a fifth faster where 128×64×128 or more is
multiplied, one and a half to three times where registers don't divide the extents, two to six times
for a single row; bf16 likewise. Where batch, M and one of N and K aren't known it is 1.3 to 6 times
as fast, and as fast for square products of bf16. Up to 8 columns are IREE's: there it's 2 to 40 %
faster. Reading B where it lies is as fast as packing it in f32, whatever
the distance of its rows; in bf16, where a pair of rows is interleaved as it is read, for up to two
row tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from noema.kernels.batch_gemm import Batch, BatchGemm, BatchTile
from noema.kernels.epilogue import NOTHING, Epilogue
from noema.kernels.executable import Extent
from noema.kernels.gemm import SCRATCH_BYTES
from noema.kernels.gemm_choice import rows_in_cache
from noema.kernels.kernel import Isa, Unsuitable

_TILE_CYCLES = 40
_GROUP_CYCLES = 20_000
"""Least work of a workgroup: to take one costs a thousand."""

_UNKNOWN = 128
"""What symbolic extents are taken for."""

_MOST = 12
"""Candidates of one product."""


def candidates(
    batch: tuple[Batch, ...],
    m: Extent,
    n: Extent,
    k: Extent,
    isa: Isa,
    element: str = "f32",
    epilogue: Epilogue = NOTHING,
    *,
    transpose_lhs: bool = False,
    transpose_rhs: bool = False,
    threads: int = 2,
) -> list[BatchGemm]:
    """Kernels for C[…, m, n] = epilogue(A[…, m, k] · B[…, k, n]), by what they are guessed to take.

    Args:
        batch: The dimensions that come first.
        m: Rows, or a symbol.
        n: Columns, or a symbol.
        k: Length of the products, or a symbol.
        isa: What to print for.
        element: Of A and B: f32 or bf16.
        epilogue: What is done to the sums.
        transpose_lhs: Whether A is (…, k, m).
        transpose_rhs: Whether B is (…, n, k).
        threads: Workers that the program will have.

    Raises:
        Unsuitable: There is none; the reason why.
    """

    def kernel(tile: BatchTile) -> BatchGemm:
        return BatchGemm(batch, m, n, k, isa, tile, element, epilogue, transpose_lhs, transpose_rhs)

    if k == 1:
        raise Unsuitable("an outer product, which IREE makes together with what reads it")
    if isinstance(n, int) and 2 * n <= isa.lanes < 2 * _size(m):
        # Measured with 2, 4 and 8 columns: by 2 to 40 %. With few rows neither takes any time.
        raise Unsuitable(f"IREE's product is faster for N = {n}, half a register or less")
    # Raises for what no cut helps.
    plain = kernel(BatchTile(1, 1, pack=transpose_rhs))
    tiles = sorted(_tiles(plain), key=lambda tile: _cycles(plain, tile))
    if not tiles:
        raise Unsuitable("no register tile fits")
    return [kernel(_split(plain, tile, threads)) for tile in tiles[:_MOST]]


def _size(extent: Extent) -> int:
    return extent if isinstance(extent, int) else _UNKNOWN


def _tiles(gemm: BatchGemm) -> Iterator[BatchTile]:
    """Register tiles, not split yet."""
    registers = gemm.isa.registers
    width = -(-_size(gemm.n) // gemm.isa.lanes)
    stride = _size(gemm.k) * (2 if gemm.element == "bf16" else 4)
    most = 16 if gemm.transpose_lhs else min(16, rows_in_cache(stride))
    for vectors in (3, 2, 4, 1, 8, 6):
        if vectors > width or (vectors > 4 and gemm.transpose_rhs):
            continue
        # Sums, a row of B or an element of each row of A, and one more.
        heights = [r for r in range(1, most + 1) if r * vectors + min(r, vectors) + 1 <= registers]
        for rows in reversed(heights):
            if isinstance(gemm.m, int):
                if rows > gemm.m or -(-gemm.m // rows) == -(-gemm.m // (rows - 1 or 1)) > 1:
                    continue  # as many tiles as with one row less, and a smaller last one
            elif not 4 <= rows <= 8:
                continue  # of an unknown number of rows the last few take a whole tile
            pack = gemm.transpose_rhs or (
                gemm.element == "bf16" and _size(gemm.m) > 2 * rows and isinstance(gemm.k, int)
            )
            tile = BatchTile(rows, vectors, pack=pack)
            if pack and _packed_bytes(gemm, tile) > SCRATCH_BYTES:
                if gemm.transpose_rhs:
                    continue
                tile = replace(tile, pack=False)
            yield tile


def _packed_bytes(gemm: BatchGemm, tile: BatchTile) -> int:
    steps = -(-_size(gemm.k) // (2 if gemm.element == "bf16" else 1))
    return 4 * steps * tile.vectors * gemm.isa.lanes


def _cycles(gemm: BatchGemm, tile: BatchTile) -> float:
    """Of one product, by one worker."""
    steps = -(-_size(gemm.k) // (2 if gemm.element == "bf16" else 1))
    width = -(-_size(gemm.n) // gemm.isa.lanes)
    total = 0.0
    for vectors, panels in _parts(width, tile.vectors):
        if tile.pack:
            # A square of registers is turned by log₂ of shuffles per register.
            each = 6 if gemm.transpose_rhs else 2
            total += each * steps * vectors * panels
        for rows, tiles in _parts(_size(gemm.m), tile.rows):
            # One multiplication a cycle, and two loads: of A's elements, and of B's registers.
            shuffles = vectors if gemm.element == "bf16" and not tile.pack else 0
            multiplying = max(rows * vectors + shuffles, (rows + vectors) / 2, 4)
            loads = 0.1 * (rows + vectors)
            total += panels * tiles * (steps * (multiplying + loads) + _TILE_CYCLES)
    return total


def _parts(extent: int, tile: int) -> list[tuple[int, int]]:
    """Extents of the tiles, and how many there are of each."""
    parts = [(tile, extent // tile), (extent % tile, 1)]
    return [(size, count) for size, count in parts if size and count]


def _split(gemm: BatchGemm, tile: BatchTile, threads: int) -> BatchTile:
    """The tile with its work divided: products first, then columns, then rows."""
    cycles = _cycles(gemm, tile)
    products = prod(_size(d.extent) for d in gemm.batch)
    # Four workgroups a worker even out what one of them loses, if there is work for so many.
    groups = int(min(4 * threads, max(1, products * cycles / _GROUP_CYCLES)))
    if threads == 1:
        groups = 1
    if products >= groups:
        least = -(-_GROUP_CYCLES // max(1, int(cycles)))
        return replace(tile, products=max(1, min(least, products // groups)))
    parts = -(-groups // products)
    columns = min(parts, -(-_size(gemm.n) // (tile.vectors * gemm.isa.lanes)))
    rows = min(-(-parts // columns), -(-_size(gemm.m) // tile.rows))
    return replace(tile, column_split=columns, row_split=rows)
