"""Layers that several families share, each as both exporters write it.

The formulas are those of the frameworks; a layer computes the same function in both styles.
"""

from __future__ import annotations

import math

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
        if g.older:
            weight = g.folded("MatMul", g.draw("weight", (n_out, n_in), std=std).T)
        else:
            weight = g.transpose(g.parameter("weight", (n_out, n_in), std=std), 1, 0)
        y = g.op("MatMul", x, weight)
        if not bias:
            return y
        b = g.parameter("bias", (n_out,), std=0.1)
        return g.op("Add", b, y) if g.older else g.op("Add", y, b)


def embedding(g: Graph, name: str, ids: str, rows: int, width: int, *, std: float = 1.0) -> str:
    """Rows of a [rows, width] table; ``ids`` int64 of any shape."""
    with g.scope(name):
        return g.op("Gather", g.parameter("weight", (rows, width), std=std), ids)


def layer_norm(g: Graph, name: str, x: str, width: int, *, epsilon: float = 1e-5) -> str:
    """Layer normalization over the last axis."""
    with g.scope(name):
        weight = g.parameter("weight", (width,), std=0.1, mean=1.0)
        bias = g.parameter("bias", (width,), std=0.1)
        if not g.older:
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
        if not g.older:
            return g.op("RMSNormalization", x, weight, axis=-1, epsilon=epsilon)
        mean = g.reduce("ReduceMean", g.op("Pow", x, g.literal(2.0)), -1)
        root = g.op("Sqrt", g.op("Add", mean, g.literal(epsilon)))
        normal = g.op("Mul", x, g.op("Div", g.literal(1.0), root))
        return g.op("Mul", weight, normal)


def group_norm(
    g: Graph, name: str, x: str, channels: int, groups: int, *, rank: int = 4, epsilon: float = 1e-5
) -> str:
    """Group normalization of ``x`` [N, C, ...] of rank ``rank``, 3 or 4.

    The tracing exporter writes an instance normalization over the groups instead.
    """
    with g.scope(name):
        weight, bias = (
            g.draw("weight", (channels,), std=0.1, mean=1.0),
            g.draw("bias", (channels,), std=0.1),
        )
        if not g.older:
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
        if not g.older:
            return g.op("Gelu", x)
        erf = g.op("Erf", g.op("Div", x, g.literal(math.sqrt(2))))
        product = g.op("Mul", x, g.op("Add", erf, g.literal(1.0)))
        return g.op("Mul", product, g.literal(0.5))


def gelu_tanh(g: Graph, name: str, x: str) -> str:
    """``x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))``."""
    with g.scope(name):
        if not g.older:
            return g.op("Gelu", x, approximate="tanh")
        half = g.op("Mul", x, g.literal(0.5))
        cube = g.op("Mul", g.op("Pow", x, g.literal(3.0)), g.literal(0.044715))
        inner = g.op("Mul", g.op("Add", x, cube), g.literal(math.sqrt(2 / math.pi)))
        return g.op("Mul", half, g.op("Add", g.op("Tanh", inner), g.literal(1.0)))


def swish(g: Graph, name: str, x: str) -> str:
    """``x sigmoid(x)``."""
    with g.scope(name):
        return g.op("Mul", x, g.op("Sigmoid", x)) if g.older else g.op("Swish", x)


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
        [B, 1, S, T]: float32 to add to the scores (older), or bool (newest).
    """
    rows, shape = g.unsqueeze(mask, 1, 2), [batch, 1, queries, keys]
    if not g.older:
        # ONNX Runtime 1.31 wants the mask's query axis full, though the operator broadcasts it.
        return g.op("Expand", g.cast(rows, np.bool_), g.shape(shape))
    full = g.cast(g.op("Expand", rows, g.shape(shape)), np.float32)
    inverted = g.op("Sub", g.literal(1.0), full)
    return g.op("Where", g.cast(inverted, np.bool_), g.literal(_MASKED), inverted)


def scaled_attention(g: Graph, q: str, k: str, v: str, width: int, *, mask: str = "") -> str:
    """The tracing exporter's attention: q, k, v [B, H, S, width], additive ``mask`` or none."""
    scores = g.op("MatMul", q, g.transpose(k, 0, 1, 3, 2))
    scores = g.op("Div", scores, g.literal(math.sqrt(width)))
    if mask:
        scores = g.op("Add", scores, mask)
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
