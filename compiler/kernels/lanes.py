"""Moves elements across the lanes of vectors: transposes, reductions of rows, splats of a lane.

All are butterflies: at distance d, lanes whose bit d is clear trade places with those where it is
set. `L` is a vector's number of lanes, a power of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from noema.kernels.curves import lanes_of
from noema.kernels.printer import Printer, Value

Combine = Callable[[Value, Value], Value]


def shuffle(p: Printer, a: Value, b: Value, picks: Sequence[int]) -> Value:
    """A vector of picked lanes; those of `b` are numbered after those of `a`."""
    element = a.type.rpartition("x")[2]
    text = ", ".join(map(str, picks))
    return p.op(
        f"vector.shuffle {a}, {b} [{text}] : {a.type}, {b.type}", f"vector<{len(picks)}x{element}"
    )


def splat(p: Printer, a: Value, lane: int) -> Value:
    """A vector of one lane of `a`."""
    return shuffle(p, a, a, [lane] * lanes_of(a))


def transpose(p: Printer, rows: Sequence[Value]) -> list[Value]:
    """L vectors of L lanes: lane j of vector i becomes lane i of vector j."""
    turned, count = list(rows), len(rows)
    distance = 1
    while distance < count:
        for i in range(count):
            if not i & distance:
                pair = turned[i], turned[i | distance]
                turned[i], turned[i | distance] = _trade(p, *pair, distance)
        distance *= 2
    return turned


def reduce_rows(p: Printer, rows: Sequence[Value], combine: Combine) -> Value:
    """Reduces each of up to L vectors to one lane.

    Args:
        p: Prints it.
        rows: Vectors of L lanes.
        combine: Of two vectors, lane by lane; associative and commutative.

    Returns:
        A vector whose lane i has the reduction of `rows[i]`.
    """
    left, lanes = list(rows), lanes_of(rows[0])
    while len(left) & (len(left) - 1):
        left.append(left[-1])
    distance = 1
    while len(left) > 1:
        left = [
            combine(*_trade(p, a, b, distance)) for a, b in zip(left[::2], left[1::2], strict=True)
        ]
        distance *= 2
    total = left[0]
    while distance < lanes:
        crossed = shuffle(p, total, total, [lane ^ distance for lane in range(lanes)])
        total = combine(total, crossed)
        distance *= 2
    return total


def _trade(p: Printer, a: Value, b: Value, distance: int) -> tuple[Value, Value]:
    lanes = range(lanes_of(a))
    count = len(lanes)
    low = [n if not n & distance else count + n - distance for n in lanes]
    high = [n + distance if not n & distance else count + n for n in lanes]
    return shuffle(p, a, b, low), shuffle(p, a, b, high)
