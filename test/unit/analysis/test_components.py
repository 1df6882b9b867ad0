"""Components read from a classified graph: causal masks told from others."""

from __future__ import annotations

import numpy as np
import pytest

from noema.analysis.components import is_triangle

N = 5
LOWER = np.tril(np.ones((N, N)))


@pytest.mark.parametrize(
    "mask",
    [
        LOWER.astype(np.bool_),
        ~LOWER.astype(np.bool_),  # what may not be seen
        LOWER.astype(np.uint8)[None, None],
        LOWER.astype(np.float32),
        np.where(LOWER, 0.0, -np.inf).astype(np.float32),
        np.where(LOWER, 0.0, np.finfo(np.float16).min).astype(np.float16),
        np.where(LOWER, 0.0, -10000.0)[None],
        np.tril(np.ones((N, N + 3)), 3).astype(np.bool_),  # after three cached positions
    ],
)
def test_causal_masks(mask: np.ndarray) -> None:
    assert is_triangle(mask)


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((N, N), np.bool_),
        np.tril(np.ones((N, N)), 1).astype(np.bool_),  # sees one ahead
        np.tril(np.ones((N, N)), -1).astype(np.bool_),  # doesn't see itself
        np.where(LOWER, 0.0, -0.5),  # a bias, not a mask
        np.where(LOWER, LOWER * 2.0 - np.eye(N), -np.inf),  # a bias below the diagonal
        np.tril(np.ones((N, N + 1))).astype(np.bool_),
        np.ones((1, 1), np.bool_),
        np.ones(N, np.bool_),
        np.random.default_rng(0).normal(size=(N, N)),
    ],
)
def test_other_masks(mask: np.ndarray) -> None:
    assert not is_triangle(mask)
