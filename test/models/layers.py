"""Layers that several families share, each as every exporter writes it.

The formulas are those of the frameworks; a layer computes the same function in all styles.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from .builder import Extent, Graph

_MASKED = float(np.finfo(np.float32).min)
"""What the tracing exporter's attention masks add to a score (adding -inf could make NaN rows)."""


def linear(
    g: Graph,
    name: str,
    x: str,
    n_in: int,
    n_out: int,
    *,
    bias: bool = True,
    rank: int = 3,
    gain: float = 1.0,
) -> str:
    """``x @ weight.T + bias``, ``x`` of shape [..., n_in] and of rank ``rank``.

    ``gain`` scales the weight: about 1.5 makes up for a ReLU or a saturated gate before it.
    """
    with g.scope(name):
        std = gain / math.sqrt(n_in)
        if rank == 2 and bias:
            weight = g.parameter("weight", (n_out, n_in), std=std)
            return g.op("Gemm", x, weight, g.parameter("bias", (n_out,), std=0.1), transB=1)
        if g.folds:
            weight = g.folded("MatMul", g.draw("weight", (n_out, n_in), std=std).T)
        else:
            weight = g.transpose(g.parameter("weight", (n_out, n_in), std=std), 1, 0)
        y = g.op("MatMul", x, weight)
        if not bias:
            return y
        b = g.parameter("bias", (n_out,), std=0.1)
        return g.op("Add", b, y) if g.traced else g.op("Add", y, b)


def embedding(g: Graph, name: str, ids: str, rows: int, width: int, *, std: float = 1.0) -> str:
    """Rows of a [rows, width] table; ``ids`` int64 of any shape."""
    with g.scope(name):
        return g.op("Gather", g.parameter("weight", (rows, width), std=std), ids)


def layer_norm(g: Graph, name: str, x: str, width: int, *, epsilon: float = 1e-5) -> str:
    """Layer normalization over the last axis."""
    with g.scope(name):
        weight = g.parameter("weight", (width,), std=0.1, mean=1.0)
        bias = g.parameter("bias", (width,), std=0.1)
        if g.has("LayerNormalization"):
            return g.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)
        centered = g.op("Sub", x, g.reduce("ReduceMean", x, -1))
        square = g.op("Pow", centered, g.literal(2.0))
        variance = g.reduce("ReduceMean", square, -1)
        deviation = g.op("Sqrt", g.op("Add", variance, g.literal(epsilon)))
        normal = g.op("Div", centered, deviation)
        return g.op("Add", g.op("Mul", normal, weight), bias)


def rms_norm(g: Graph, name: str, x: str, width: int, *, epsilon: float = 1e-6) -> str:
    """Root-mean-square normalization over the last axis."""
    with g.scope(name):
        weight = g.parameter("weight", (width,), std=0.1, mean=1.0)
        if g.has("RMSNormalization"):
            return g.op("RMSNormalization", x, weight, axis=-1, epsilon=epsilon)
        mean = g.reduce("ReduceMean", g.op("Pow", x, g.literal(2.0)), -1)
        root = g.op("Sqrt", g.op("Add", mean, g.literal(epsilon)))
        inverse = g.op("Div", g.literal(1.0), root) if g.traced else g.op("Reciprocal", root)
        normal = g.op("Mul", x, inverse)
        return g.op("Mul", weight, normal)


def group_norm(
    g: Graph, name: str, x: str, channels: int, groups: int, *, rank: int = 4, epsilon: float = 1e-5
) -> str:
    """Group normalization of ``x`` [N, C, ...] of rank ``rank``, 3 or 4.

    Before opset 21 the exporters write an instance normalization over the groups instead.
    """
    with g.scope(name):
        weight, bias = (
            g.draw("weight", (channels,), std=0.1, mean=1.0),
            g.draw("bias", (channels,), std=0.1),
        )
        if g.has("GroupNormalization"):
            scale, shift = g.stored("weight", weight), g.stored("bias", bias)
            return g.op("GroupNormalization", x, scale, shift, num_groups=groups, epsilon=epsilon)
        # 0 copies the extent of the input's axis, -1 takes all that is left.
        grouped = g.op("Reshape", x, g.literal([0, groups, -1]))
        ones, zeros = np.ones(groups, np.float32), np.zeros(groups, np.float32)
        normal = g.op(
            "InstanceNormalization", grouped, g.literal(ones), g.literal(zeros), epsilon=epsilon
        )
        normal = g.op("Reshape", normal, g.op("Shape", x))
        trailing = (channels,) + (1,) * (rank - 2)
        scaled = g.op("Mul", normal, g.folded("Mul", weight.reshape(trailing)))
        return g.op("Add", scaled, g.folded("Add", bias.reshape(trailing)))


def gelu(g: Graph, name: str, x: str) -> str:
    """``x/2 (1 + erf(x/√2))``."""
    with g.scope(name):
        if g.has("Gelu"):
            return g.op("Gelu", x)
        erf = g.op("Erf", g.op("Div", x, g.literal(math.sqrt(2))))
        cumulative = g.op("Add", erf, g.literal(1.0))
        if g.traced:
            return g.op("Mul", g.op("Mul", x, cumulative), g.literal(0.5))
        return g.op("Mul", x, g.op("Mul", g.literal(0.5), cumulative))


def gelu_tanh(g: Graph, name: str, x: str) -> str:
    """``x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))``."""
    with g.scope(name):
        if g.has("Gelu"):
            return g.op("Gelu", x, approximate="tanh")
        half = g.op("Mul", x, g.literal(0.5))
        cube = g.op("Mul", g.op("Pow", x, g.literal(3.0)), g.literal(0.044715))
        inner = g.op("Mul", g.op("Add", x, cube), g.literal(math.sqrt(2 / math.pi)))
        return g.op("Mul", half, g.op("Add", g.op("Tanh", inner), g.literal(1.0)))


def swish(g: Graph, name: str, x: str) -> str:
    """``x sigmoid(x)``."""
    with g.scope(name):
        return g.op("Swish", x) if g.has("Swish") else g.op("Mul", x, g.op("Sigmoid", x))


def split_heads(g: Graph, x: str, heads: int, width: int, batch: Extent, sequence: Extent) -> str:
    """[B, S, heads * width] -> [B, heads, S, width]."""
    return g.transpose(g.reshape(x, [batch, sequence, heads, width]), 0, 2, 1, 3)


def merge_heads(g: Graph, x: str, heads: int, width: int, batch: Extent, sequence: Extent) -> str:
    """[B, heads, S, width] -> [B, S, heads * width]."""
    return g.reshape(g.transpose(x, 0, 2, 1, 3), [batch, sequence, heads * width])


def additive_mask(g: Graph, visible: str) -> str:
    """Bool mask, true where attention may look -> 0 there, else the lowest float."""
    return g.op("Where", visible, g.literal(0.0), g.literal(_MASKED))


def padding_mask(g: Graph, mask: str, batch: Extent, queries: Extent, keys: Extent) -> str:
    """Mask of the keys for bidirectional attention.

    Args:
        mask: int64 [B, T], 1 for a token and 0 for padding.

    Returns:
        [B, 1, S, T]: float32 to add to the scores (traced), or bool (captured).
    """
    rows, shape = g.unsqueeze(mask, 1, 2), [batch, 1, queries, keys]
    if not g.traced:
        # ONNX Runtime 1.31 wants the mask's query axis full, though the operator broadcasts it.
        return g.op("Expand", g.cast(rows, np.bool_), g.shape(shape))
    full = g.cast(g.op("Expand", rows, g.shape(shape)), np.float32)
    inverted = g.op("Sub", g.literal(1.0), full)
    return g.op("Where", g.cast(inverted, np.bool_), g.literal(_MASKED), inverted)


def scaled_attention(g: Graph, q: str, k: str, v: str, width: int, *, mask: str = "") -> str:
    """Attention spelled out.

    Args:
        q: [B, H, S, width]; k and v [B, H, T, width].
        mask: Added to the scores (traced), or bool, true where one may look (captured); or none.
    """
    if not g.traced:
        return _decomposed_attention(g, q, k, v, width, mask)
    scores = g.op("MatMul", q, g.transpose(k, 0, 1, 3, 2))
    scores = g.op("Div", scores, g.literal(math.sqrt(width)))
    if mask:
        scores = g.op("Add", scores, mask)
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), v)


def _decomposed_attention(g: Graph, q: str, k: str, v: str, width: int, visible: str) -> str:
    """torch's decomposition of its one operator.

    Keys are transposed whatever their rank is, so through rank 3; queries and keys are scaled by
    the root of the scale each; rows that may look at nothing become zeros.
    """
    shape = g.op("Shape", k, start=0)
    ends = (g.literal([-(2**63)]), g.literal([-2]), g.literal([-1]), g.literal([2**63 - 1]))
    leading, rows, columns = (g.op("Slice", shape, a, b) for a, b in pairwise(ends))
    flat = g.op("Concat", g.literal([-1]), rows, columns, axis=0)
    turned = g.transpose(g.op("Reshape", k, flat, allowzero=0), 0, 2, 1)
    back = g.op("Concat", leading, columns, rows, axis=0)
    turned = g.op("Reshape", turned, back, allowzero=0)
    root = g.literal(width**-0.25)
    scores = g.op("MatMul", g.op("Mul", q, root), g.op("Mul", turned, root))
    if not visible:
        return g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    scores = g.op("Add", scores, additive_mask(g, visible))
    weights = g.op("Softmax", scores, axis=-1)
    weights = g.op("Where", g.op("IsNaN", weights), g.literal(0.0), weights)
    return g.op("MatMul", weights, v)
