"""Channels and heads that could go: their weights are near zero compared with the others'.

Norms are taken of a sample first; only where that shows something are they taken of all values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noema.analysis.flops import contraction, extent
from noema.analysis.weights import Weights
from noema.dialects.graph import Node
from noema.workload import AttentionShape

DEAD = 1e-3
"""Share of the median norm below which a channel or head counts as dead."""

_SAMPLE = 64


def dead_channels(node: Node, weights: Weights) -> int:
    """Output channels of a product or convolution whose weights are near zero.

    Args:
        node: A `matmul` or `conv` whose second operand is a weight.
        weights: Where the values are.
    """
    return _dead(_channels_first(node, weights))


def dead_heads(node: Node, attention: AttentionShape | None, weights: Weights) -> int:
    """Heads whose results an output projection multiplies with weights near zero.

    Args:
        node: A `matmul` whose second operand is a weight.
        attention: The attention of its part.
        weights: Where the values are.
    """
    if attention is None or node.key != "matmul" or node.text("sem.role") != "attention.output":
        return 0
    inner = contraction(node)
    if attention.heads < 2 or inner % attention.heads:
        return 0
    rows = _channels_first(node, weights).T  # (K, N): a head's results are rows of it
    return _dead(rows.reshape(attention.heads, -1))


def _channels_first(node: Node, weights: Weights) -> NDArray[np.generic]:
    """The weight as (channels, everything else); not copied."""
    weight = node.operands[1]
    assert weight.node is not None
    values = weights.of(weight.node)
    if node.key == "conv":
        return values.reshape(extent(weight, 0), -1)
    if values.ndim != 2:
        return values.reshape(1, -1)  # batches of matrices have no channels of their own
    # With a square weight both readings agree on the shape, so ask the node.
    return values if node.int("transpose_rhs") else values.T


def _dead(rows: NDArray[np.generic]) -> int:
    if len(rows) < 2 or rows.dtype.kind != "f" or not rows.size:
        return 0
    sampled = _norms(rows[:, :: max(1, rows.shape[1] // _SAMPLE)])
    if not np.any(sampled < DEAD * np.median(sampled)):
        return 0
    norms = _norms(rows)
    median = float(np.median(norms))
    return int(np.count_nonzero(norms < DEAD * median)) if median > 0 else 0


def _norms(rows: NDArray[np.generic]) -> NDArray[np.float64]:
    """Root of the mean square of each row."""
    squares = np.square(rows.astype(np.float32)).mean(axis=1, dtype=np.float64)
    return np.sqrt(squares)
