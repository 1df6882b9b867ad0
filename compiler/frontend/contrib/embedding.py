"""Embeddings of `com.microsoft`: of tokens with their norm, and of positions by rotation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.normalization import SKIP_EPSILON
from noema.frontend.contrib.operators import FLOAT, INT, declare


def _embed_layer_norm(e: Expansion) -> Sequence[str | None]:
    """LayerNormalization(words + positions + segments).

    Results: Y, how many tokens of each row aren't masked, the sum before the norm.
    """
    total = e.op("Gather", e.input(2), e.input(0), axis=0)
    places = e.input(8) if e.has(8) else count_up(e, extent(e, e.input(0), 1))
    total = e.op("Add", total, e.op("Gather", e.input(3), places, axis=0))
    if e.has(1) and e.has(4):
        total = e.op("Add", total, e.op("Gather", e.input(4), e.input(1), axis=0))
    epsilon = e.float("epsilon", SKIP_EPSILON)
    normalized = e.op("LayerNormalization", total, e.input(5), e.input(6), axis=-1, epsilon=epsilon)
    return [normalized, _mask_index(e) if e.wants(1) else None, total]


def _mask_index(e: Expansion) -> str:
    """Shape (batch): how many entries of each row of the mask are 1; zeros without a mask."""
    dtype = onnx.TensorProto.INT32
    if not e.has(7):
        zero = onnx.helper.make_tensor("zero", dtype, [1], [0])
        return e.op("ConstantOfShape", extent(e, e.input(0), 0), value=zero)
    ones = e.op("Equal", e.input(7), e.constant(1, e.dtype(7)))
    return e.op("ReduceSum", e.op("Cast", ones, to=dtype), e.constant([1]), keepdims=0)


def _rotary_embedding(e: Expansion) -> Sequence[str]:
    """RotaryEmbedding of ONNX, whose caches come before the positions."""
    e.refuse(attributes=["is_packed_batching"])
    if e.float("scale", 1.0) != 1.0:
        raise Unexpandable(f"scale = {e.float('scale', 1.0)}")
    shape = e.shape(0)
    rotated, heads = e.int("rotary_embedding_dim"), e.int("num_heads")
    if len(shape) == 3 and not heads:
        # Without a number of heads the caches are of whole heads.
        size = 2 * e.extent(2, 1)
        heads = e.extent(0, 2) // max(size, 1)
    positions = e.input(1)
    if len(e.shape(1)) < 2:
        # One number: where the sequence starts, in every row of the batch.
        sequence = extent(e, e.input(0), 1 if len(shape) == 3 else 2)
        start = e.op("Reshape", positions, e.constant([1]))
        row = e.op("Add", count_up(e, sequence), start)
        rows = e.op("Concat", extent(e, e.input(0), 0), sequence, axis=0)
        positions = e.op("Expand", row, rows)
    return [
        e.op(
            "RotaryEmbedding",
            e.input(0),
            e.input(2),
            e.input(3),
            positions,
            interleaved=e.int("interleaved"),
            num_heads=heads if len(shape) == 3 else None,
            rotary_embedding_dim=rotated or None,
        )
    ]


def extent(e: Expansion, value: str, axis: int) -> str:
    """An extent of a value, as an int64 of shape (1)."""
    return e.op("Shape", value, start=axis, end=axis + 1)


def count_up(e: Expansion, count: str) -> str:
    """0, 1, … below `count`, which has shape (1), as int64."""
    scalar = e.op("Squeeze", count, e.constant([0]))
    zero, one = e.constant(0, np.int64), e.constant(1, np.int64)
    return e.op("Range", zero, scalar, one)


OPERATORS = (
    declare(
        "EmbedLayerNormalization",
        _embed_layer_norm,
        "input_ids:M segment_ids:M? word_embedding:T position_embedding:T segment_embedding:T?"
        " gamma:T beta:T mask:M? position_ids:M?",
        "output:T mask_index:M? embedding_sum:T?",
        {"epsilon": FLOAT, "mask_index_type": INT},
    ),
    declare(
        "RotaryEmbedding",
        _rotary_embedding,
        "input:T position_ids:I cos_cache:T sin_cache:T",
        "output:T",
        {
            "interleaved": INT,
            "is_packed_batching": INT,
            "num_heads": INT,
            "rotary_embedding_dim": INT,
            "scale": FLOAT,
        },
    ),
)
