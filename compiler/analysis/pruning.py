"""Channels and heads that could go: their weights are near zero compared with the others'.

Norms are taken of a sample first: some inputs of every channel. A dead channel is dead there too,
so only where the sample shows one are norms taken of all values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noema.analysis.cost import bytes_of
from noema.analysis.flops import contraction, extent
from noema.analysis.parts import Part
from noema.dialects.attrs import Role
from noema.dialects.graph import Node
from noema.parameters import ParameterStore

DEAD = 1e-3
"""Share of the median norm below which a channel or head counts as dead."""

_SAMPLE = 16


def sampled_bytes(node: Node) -> int:
    """Bytes of its weight that are read before anything is found.

    Args:
        node: A `matmul` or `conv`.
    """
    weight = node.operands[1]
    channels = extent(weight, 0) if node.key == "conv" else extent(node.result, -1)
    each = max(1, weight.count // max(1, channels))
    return bytes_of(weight) * min(_SAMPLE, each) // each


def dead_channels(node: Node, weights: ParameterStore) -> int:
    """Output channels of a product or convolution whose weights are near zero.

    Args:
        node: A `matmul` or `conv` whose second operand is a weight.
        weights: Where the values are.
    """
    return _dead(_channels_first(node, weights))


def dead_heads(node: Node, part: Part, weights: ParameterStore) -> int:
    """Heads whose results an output projection multiplies with weights near zero.

    Args:
        node: A `matmul` whose second operand is a weight.
        part: The part that it is in.
        weights: Where the values are.
    """
    attention = part.attention
    if attention is None or part.roles.get(node) is not Role.ATTENTION_OUTPUT:
        return 0
    if node.key != "matmul":
        return 0
    inner = contraction(node)
    if attention.heads < 2 or inner % attention.heads:
        return 0
    rows = _channels_first(node, weights).T  # (K, N): a head's results are rows of it
    return _dead(rows.reshape(attention.heads, -1))


def _channels_first(node: Node, weights: ParameterStore) -> NDArray[np.generic]:
    """The weight as (channels, everything else); not copied."""
    weight = node.operands[1]
    assert weight.node is not None
    values = weights.values(weight.node.parameter)
    if node.key == "conv":
        return values.reshape(extent(weight, 0), -1)
    if values.ndim != 2:
        return values.reshape(1, -1)  # batches of matrices have no channels of their own
    # With a square weight both readings agree on the shape, so ask the node.
    return values if node.int("transpose_rhs") else values.T


def _dead(rows: NDArray[np.generic]) -> int:
    if len(rows) < 2 or rows.dtype.kind != "f" or not rows.size:
        return 0
    # Contiguous in memory, whichever way the matrix lies.
    return _below(_norms(rows)) if _below(_norms(rows[:, :_SAMPLE])) else 0


def _below(norms: NDArray[np.float32]) -> int:
    """How many are far below the median."""
    if norms.min() >= DEAD * norms.max():  # nearly always, and known without sorting
        return 0
    in_order = np.sort(norms)
    return int(np.searchsorted(in_order, DEAD * in_order[len(in_order) // 2]))


def _norms(rows: NDArray[np.generic]) -> NDArray[np.float32]:
    """Euclidean norm of each row."""
    values = rows.astype(np.float32, copy=False)
    return np.sqrt(np.einsum("ij,ij->i", values, values))
