"""Components read from a classified graph: causal masks told from others."""

from __future__ import annotations

import numpy as np
import pytest

from noema.analysis.components import is_triangle
from noema.workload import AttentionShape, ComponentKind
from pattern_batch import PatternBatch
from understanding import understand

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


def test_an_attention_with_sinks() -> None:
    """The sink is no mask and no key."""
    p = PatternBatch()
    rng = np.random.default_rng(3)
    q, k, v = (p.input(rng.standard_normal((2, 4, n, 8)).astype(np.float32)) for n in (5, 7, 7))
    sinks = p.constant(rng.standard_normal((1, 4, 1, 1)).astype(np.float32))
    scores = p.op("MatMul", q, p.op("Transpose", k, perm=[0, 1, 3, 2]))
    wide = p.op("Expand", sinks, p.constant([2, 4, 5, 1]))
    weights = p.op("Softmax", p.op("Concat", scores, wide, axis=3), axis=3)
    kept = p.op("Slice", weights, p.constant([0]), p.constant([-1]), p.constant([3]))
    p.output(p.op("MatMul", kept, v))
    (part,) = [q for q in understand(p.model()).parts if q.kind is ComponentKind.ATTENTION]
    assert part.attention == AttentionShape(
        "self", 4, 4, 8, 5, 7, causal=False, mask="none", rotary=False, cache=False, sinks=True
    )
