"""The transforms of Winograd's convolution F(m × m, 3 × 3), as matrices and as printed code.

m outputs of a 3-tap filter need m + 2 products instead of 3 m: inputs, filter and outputs are
evaluated and interpolated as polynomials at 0, at pairs ±p and at infinity (Winograd 1980; Lavin
and Gray 2016). Small integers as points lose 2 to 3 bits; m = 4 with ±11/16 and ±11/8 has errors
like the direct sum's (measured: 1e-6 of the largest output), and their squares are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noema.kernels import curves
from noema.kernels.printer import Printer, Value

PAIRS: dict[int, tuple[float, ...]] = {2: (1.0,), 4: (0.6875, 1.375)}
"""Outputs along an axis → the points p; −p, 0 and infinity belong to it too."""

F64 = NDArray[np.float64]


def filter_matrix(outputs: int) -> F64:
    """G: from 3 taps to m + 2 values, in the order 0, p, −p, …, infinity."""
    points = [0.0]
    for point in PAIRS[outputs]:
        points += [point, -point]
    rows = [np.array([1.0, p, p * p]) / np.prod([p - q for q in points if q != p]) for p in points]
    return np.stack([*rows, np.array([0.0, 0.0, 1.0])])


def transform_filters(weights: NDArray[np.float32], outputs: int) -> NDArray[np.float32]:
    """(F, C, 3, 3) → ((m + 2)², F, C), computed in f64 and rounded once."""
    filters, channels = weights.shape[:2]
    g = filter_matrix(outputs)
    taps = weights.reshape(filters * channels, 9).T.astype(np.float64)
    points = (np.kron(g, g) @ taps).astype(np.float32)
    return points.reshape(-1, filters, channels)


def print_inputs(p: Printer, x: Sequence[Value], outputs: int) -> list[Value]:
    """Bᵀ x: m + 2 inputs → as many values."""

    def times(value: Value, factor: float, other: Value) -> Value:
        return p.fma(value, curves.number(p, value, factor), other)

    def scaled(value: Value, factor: float) -> Value:
        return p.arith("arith.mulf", value, curves.number(p, value, factor))

    if outputs == 2:
        square = PAIRS[2][0] ** 2
        even, odd = x[2], scaled(x[1], PAIRS[2][0])
        return [
            times(x[0], -square, x[2]),
            p.arith("arith.addf", even, odd),
            p.arith("arith.subf", even, odd),
            times(x[1], -square, x[3]),
        ]
    a, b = PAIRS[4]
    total, product = a * a + b * b, a * a * b * b
    found = [times(x[0], product, times(x[2], -total, x[4]))]
    for point, other in ((a, b), (b, a)):
        even = times(x[2], -other * other, x[4])
        odd = times(x[1], -other * other, x[3])
        found += [times(odd, point, even), times(odd, -point, even)]
    return [*found, times(x[1], product, times(x[3], -total, x[5]))]


def print_outputs(p: Printer, x: Sequence[Value], outputs: int) -> list[Value]:
    """Aᵀ x: m + 2 values → m outputs, of which the i-th is Σ pⁱ x over the points."""
    pairs = PAIRS[outputs]
    sums = [p.arith("arith.addf", x[1 + 2 * i], x[2 + 2 * i]) for i in range(len(pairs))]
    differences = [p.arith("arith.subf", x[1 + 2 * i], x[2 + 2 * i]) for i in range(len(pairs))]
    found: list[Value] = []
    for power in range(outputs):
        value = x[0] if power == 0 else x[-1] if power == outputs - 1 else None
        for point, part in zip(pairs, differences if power % 2 else sums, strict=True):
            factor = point**power
            if value is None:
                value = p.arith("arith.mulf", part, curves.number(p, part, factor))
            elif factor == 1:
                value = p.arith("arith.addf", value, part)
            else:
                value = p.fma(part, curves.number(p, part, factor), value)
        assert value is not None
        found.append(value)
    return found
