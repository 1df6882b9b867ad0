"""Sine, cosine and tangent of float64 against numpy."""

from __future__ import annotations

import numpy as np

from node_batch import NodeBatch


def test_double_precision() -> None:
    """Every quarter of the circle, both signs, and multiples of π/2, near which sines vanish."""
    rng = np.random.default_rng(1)
    x = np.concatenate(
        [
            np.linspace(-20, 20, 401),
            rng.standard_normal(200) * 10.0 ** rng.integers(-8, 6, 200),
            np.arange(-8, 9) * np.pi / 2,
        ]
    )
    batch = NodeBatch(21)
    name = batch.input(x)
    batch.node("Sin", [name], expect=[np.sin(x)])
    batch.node("Cos", [name], expect=[np.cos(x)])
    # Two units in the last place of results up to 1; the tangent grows where the cosine vanishes,
    # and keeps its relative precision there.
    batch.check(rtol=5e-16, atol=5e-16)
    batch = NodeBatch(21)
    batch.node("Tan", [batch.input(x)], expect=[np.tan(x)])
    batch.check(rtol=5e-15)


def test_large_arguments_and_no_numbers() -> None:
    x = np.array([1e9, -3e12, np.inf, -np.inf, np.nan, 0.0])
    batch = NodeBatch(21)
    with np.errstate(invalid="ignore"):
        expected = np.sin(x)
    batch.node("Sin", [batch.input(x)], expect=[expected])
    # The multiple of π/2 that is subtracted is good to |x| · 1e-16.
    batch.check(atol=3e12 * 1e-16)
