"""Goes along rows of a matrix by vectors: what norms and softmax share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from noema.kernels import lanes as across
from noema.kernels.curves import lanes_of
from noema.kernels.epilogue import narrow, widen
from noema.kernels.executable import Extent, Scope
from noema.kernels.printer import Buffer, Index, Printer, Value

if TYPE_CHECKING:
    from collections.abc import Generator

_SUMS = 4
"""Independent partial results of a reduction: one would wait for itself."""

Turn = Callable[[Index, Value | None], Value]
"""Gives a vector, from its first column and the mask of its lanes (None: all count)."""


@contextmanager
def each_row(scope: Scope, rows: Extent, block: int) -> Generator[Index]:
    """The rows of a workgroup, `block` of them at most."""
    p, end = scope.printer, scope.extent(rows)
    low = p.mul(scope.workgroup[0], block)
    if isinstance(end, int) and end % block == 0:
        high = p.add(low, block)
    else:
        high = p.min(p.add(low, block), end)
    with p.loop(low, high) as loop:
        yield loop.index


def each_vector(
    p: Printer, width: Index, lanes: int, turn: Callable[[Index, Value | None], None]
) -> None:
    """Calls `turn` for all vectors of a row of `width`."""
    end = p.mul(p.div(width, lanes), lanes)
    if end != 0:
        with p.loop(0, end, lanes) as loop:
            turn(loop.index, None)
    if isinstance(width, int) and isinstance(end, int):
        if end < width:
            turn(end, p.mask(width - end, lanes))
    else:
        with p.loop(end, width, lanes) as loop:
            turn(loop.index, p.mask(p.sub(width, loop.index), lanes))


def reduce_row(
    p: Printer, width: Index, start: Value, combine: across.Combine, turn: Turn
) -> Value:
    """A vector of which all lanes are the reduction of a row.

    Args:
        p: Prints it.
        width: Of the row.
        start: A vector of what changes nothing.
        combine: Of two vectors, lane by lane; associative and commutative.
        turn: Gives each vector; lanes that don't count are replaced by those of `start`.
    """
    lanes = lanes_of(start)
    step = lanes * _SUMS
    wide = p.mul(p.div(width, step), step)
    end = p.mul(p.div(width, lanes), lanes)
    sums = [start] * _SUMS
    if wide != 0:
        with p.loop(0, wide, step, sums) as loop:
            columns = [p.add(loop.index, i * lanes) for i in range(_SUMS)]
            values = [turn(column, None) for column in columns]
            loop.give([combine(a, b) for a, b in zip(loop.carried, values, strict=True)])
        sums = list(loop.results)
    total = combine(combine(sums[0], sums[1]), combine(sums[2], sums[3]))
    if not (isinstance(end, int) and end == wide):
        with p.loop(wide, end, lanes, [total]) as loop:
            loop.give([combine(loop.carried[0], turn(loop.index, None))])
        total = loop.results[0]
    if not (isinstance(width, int) and width == end):
        with p.loop(end, width, lanes, [total]) as loop:
            mask = p.mask(p.sub(width, loop.index), lanes)
            value = p.select(mask, turn(loop.index, mask), start)
            loop.give([combine(loop.carried[0], value)])
        total = loop.results[0]
    return across.splat(p, across.reduce_rows(p, [total], combine), 0)


def read(p: Printer, buffer: Buffer, at: list[Index], lanes: int, mask: Value | None) -> Value:
    """A vector of f32, widened if need be; 0 where the mask forbids."""
    if mask is None:
        return widen(p, p.load(buffer, at, lanes))
    return widen(p, p.load_masked(buffer, at, mask, p.splat(0, lanes, buffer.element)))


def write(
    p: Printer,
    value: Value,
    buffer: Buffer,
    at: list[Index],
    mask: Value | None,
    *,
    native: bool = False,
) -> None:
    """Stores a vector of f32, narrowed if need be; `native` as for `narrow`."""
    value = narrow(p, value, buffer.element, native=native)
    if mask is None:
        p.store(value, buffer, at)
    else:
        p.store_masked(value, buffer, at, mask)


def block_of(rows: Extent, width: int) -> int:
    """Rows of a workgroup: 16 Ki elements, but at least two workgroups if there are two rows."""
    block = max(1, (1 << 14) // max(width, 1))
    return min(block, -(-rows // 2)) if isinstance(rows, int) else block
