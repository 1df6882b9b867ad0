"""Attention of `com.microsoft` with as many key heads as query heads.

`Attention` projects its input itself, `MultiHeadAttention` is given queries, keys and values. Their
padding masks add a finite number to the scores, -10000 unless said otherwise, where ONNX's boolean
mask would exclude a key: what comes out is the additive mask, which is the same also where a row
has no key left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from noema.frontend.contrib.embedding import count_up, extent
from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.operators import FLOAT, INT, INTS, declare

MASK_FILTER_VALUE = -10000.0
_AFTER_MASK = 2
"""Value of `qk_matmul_output_mode`: the scores that the softmax gets."""


def _attention(e: Expansion) -> Sequence[str | None]:
    """Attention over the projections of one input. Results: Y, keys and values with the past."""
    e.refuse(attributes=["do_rotary", "past_present_share_buffer"], inputs=[6])
    heads = e.int("num_heads")
    sizes = e.ints("qkv_hidden_sizes") or [e.extent(1, 1) // 3] * 3
    projected = e.op("MatMul", e.input(0), e.input(1))
    if e.has(2):
        projected = e.op("Add", projected, e.input(2))
    q, k, v = e.ops("Split", [projected, e.constant(sizes)], [True] * 3, axis=-1)
    past: list[str] = []
    columns = extent(e, e.input(0), 1)
    if e.has(4):
        past = [e.op("Gather", e.input(4), e.constant(i, np.int64), axis=0) for i in (0, 1)]
        columns = e.op("Add", columns, extent(e, e.input(4), 3))
    bias = _bias(e, mask=3, bias=5, batch=0, columns=columns)
    causal = bool(e.int("unidirectional"))
    wants = [True, e.wants(1), e.wants(1), False]
    y, *present, _ = attend(e, [q, k, v], past, (heads, heads), bias, causal=causal, wants=wants)
    if not e.wants(1):
        return [y, None]
    pair = [e.op("Unsqueeze", state, e.constant([0])) for state in present]
    return [y, e.op("Concat", *pair, axis=0)]


def _multi_head_attention(e: Expansion) -> Sequence[str | None]:
    """Attention. Results: Y, keys with the past, values with the past, scores."""
    e.refuse(inputs=[8, 9])
    heads = e.int("num_heads")
    causal = bool(e.int("unidirectional")) and not _has_one_query(e)
    q, k, v = _projections(e, heads)
    past = [e.input(6), e.input(7)] if e.has(6) and e.has(7) else []
    if not past:
        e.refuse(inputs=[6, 7])
    whole = e.has(1) and len(e.shape(1)) == 4
    columns = ""
    if e.has(4) and len(e.shape(4)) == 1:
        columns = extent(e, k, 2 if whole else 1)
        if past:
            columns = e.op("Add", columns, extent(e, past[0], 2))
    bias = _bias(e, mask=4, bias=5, batch=0, columns=columns)
    if e.wants(3) and causal:
        raise Unexpandable("the scores of causal attention are used")
    if whole:
        q = split_heads(e, q, heads)
    wants = [True, *(e.wants(slot) for slot in (1, 2, 3))]
    results = attend(
        e, [q, k, v], past, (heads, heads), bias, causal=causal, wants=wants, flat=not whole
    )
    y = merge_heads(e, results[0]) if whole else results[0]
    return [y, *(name or None for name in results[1:])]


def _has_one_query(e: Expansion) -> bool:
    """Whether there is one query, which ONNX Runtime never masks by its position."""
    return e.shape(0)[1] == 1


def _projections(e: Expansion, heads: int) -> list[str]:
    """Queries, keys and values of `MultiHeadAttention`, unpacked, with their biases.

    Each is (batch, sequence, heads · size), but for keys and values that came as (batch, heads,
    sequence, size).
    """
    if not e.has(1):
        if len(e.shape(0)) != 5:
            raise Unexpandable("neither keys nor packed projections")
        parts = _unpack(e, e.input(0), 3)
        values = e.extent(0, 2) * e.extent(0, 4)
        hidden = values
    elif not e.has(2):
        if len(e.shape(1)) != 5:
            raise Unexpandable("keys without values")
        parts = [e.input(0), *_unpack(e, e.input(1), 2)]
        hidden = values = e.extent(0, 2)
    else:
        parts = [e.input(slot) for slot in range(3)]
        if not e.has(3):
            return parts
        if len(e.shape(1)) != 3:
            raise Unexpandable("a bias of keys that are split into heads")
        hidden, values = e.extent(0, 2), e.extent(2, 2)
    if not e.has(3):
        return parts
    sizes = e.constant([hidden, hidden, values])
    biases = e.ops("Split", [e.input(3), sizes], [True] * 3, axis=0)
    return [e.op("Add", part, bias) for part, bias in zip(parts, biases, strict=True)]


def _unpack(e: Expansion, packed: str, count: int) -> list[str]:
    """(batch, sequence, heads, count, size) as `count` of (batch, sequence, heads · size)."""
    parts = [e.op("Gather", packed, e.constant(i, np.int64), axis=3) for i in range(count)]
    return [e.op("Reshape", part, e.constant([0, 0, -1])) for part in parts]


def _bias(e: Expansion, *, mask: int, bias: int, batch: int, columns: str) -> str:
    """What is added to the scores: the padding mask and the given bias; empty for nothing."""
    padding = _padding(e, mask, batch, columns) if e.has(mask) else ""
    if not padding or not e.has(bias):
        return padding or e.input(bias)
    return e.op("Add", padding, e.input(bias))


def _padding(e: Expansion, slot: int, batch: int, columns: str) -> str:
    """The mask as numbers that broadcast onto (batch, heads, queries, keys); empty for none.

    Its forms: how many keys there are (batch), or where they end and begin (2 · batch); whether
    a key counts (batch, keys), for each query (batch, queries, keys).
    """
    shape = e.shape(slot)
    if len(shape) == 1:
        keep = e.op("Unsqueeze", _in_range(e, slot, batch, columns), e.constant([1, 2]))
    elif len(shape) == 2:
        if shape[1] == 1:
            return ""  # the same for every key of a row, which the softmax doesn't see
        keep = e.op("Unsqueeze", _positive(e, slot), e.constant([1, 2]))
    elif len(shape) == 3:
        keep = e.op("Unsqueeze", _positive(e, slot), e.constant([1]))
    else:
        raise Unexpandable(f"a mask of {len(shape)} dimensions")
    value = e.float("mask_filter_value", MASK_FILTER_VALUE)
    zero, filtered = (e.constant(number, e.dtype(batch)) for number in (0.0, value))
    return e.op("Where", keep, zero, filtered)


def _positive(e: Expansion, slot: int) -> str:
    return e.op("Greater", e.input(slot), e.constant(0, e.dtype(slot)))


def _in_range(e: Expansion, slot: int, batch: int, columns: str) -> str:
    """Shape (batch, keys): whether a key lies before the end, and not before the start."""
    count, rows = e.shape(slot)[0], e.shape(batch)[0]
    positions = count_up(e, columns)
    bounds = e.op("Cast", e.input(slot), to=onnx.TensorProto.INT64)
    if count == rows:
        return _before(e, positions, bounds)
    if isinstance(count, int) and isinstance(rows, int) and count != 2 * rows:
        raise Unexpandable(f"a mask of {count} numbers for a batch of {rows}")
    # Where neither extent is known the mask may be either: zeros behind it are starts that
    # exclude nothing, if it has none of its own.
    size = extent(e, e.input(batch), 0)
    none = onnx.helper.make_tensor("zero", onnx.TensorProto.INT64, [1], [0])
    padded = e.op("Concat", bounds, e.op("ConstantOfShape", size, value=none), axis=0)
    end = e.op("Slice", padded, e.constant([0]), size)
    start = e.op("Slice", padded, size, e.op("Add", size, size))
    begun = e.op("GreaterOrEqual", positions, e.op("Unsqueeze", start, e.constant([1])))
    return e.op("And", _before(e, positions, end), begun)


def _before(e: Expansion, positions: str, ends: str) -> str:
    return e.op("Less", positions, e.op("Unsqueeze", ends, e.constant([1])))


def attend(
    e: Expansion,
    projections: Sequence[str],
    past: Sequence[str],
    heads: tuple[int, int],
    bias: str,
    *,
    causal: bool,
    wants: Sequence[bool],
    flat: bool = True,
    valid: str = "",
    window: int = -1,
) -> list[str]:
    """Writes the `Attention`.

    Args:
        e: The expansion, whose `scale` and `softcap` it takes.
        projections: Queries, keys, values.
        past: Keys and values before these, (batch, heads, sequence, size); empty for none.
        heads: How many heads queries have, and keys.
        bias: What is added to the scores; empty for nothing.
        causal: Whether a query sees no later key.
        wants: Which results are wanted.
        flat: Whether the projections are (batch, sequence, heads · size); else they are (batch,
            heads, sequence, size).
        valid: How many keys count in each row, (batch), where keys hold a cache already.
        window: How many keys before its own a query sees; -1 for all.

    Returns:
        Y, keys with the past, values with the past, scores; empty where not wanted.
    """
    queries, keys = heads
    if queries <= 0 or keys <= 0:
        raise Unexpandable(f"{queries} heads of queries and {keys} of keys")
    inputs = [*projections, bias, *(past or ["", ""]), valid]
    return e.ops(
        "Attention",
        inputs,
        wants,
        is_causal=1 if causal else None,
        kv_num_heads=keys if flat else None,
        left_window_size=window if window >= 0 else None,
        q_num_heads=queries if flat else None,
        qk_matmul_output_mode=_AFTER_MASK if wants[3] else None,
        scale=e.float("scale", 0.0) or None,
        softcap=e.float("softcap", 0.0) or None,
    )


def split_heads(e: Expansion, x: str, heads: int) -> str:
    """(batch, sequence, heads · size) as (batch, heads, sequence, size)."""
    apart = e.op("Reshape", x, e.constant([0, 0, heads, -1]))
    return e.op("Transpose", apart, perm=[0, 2, 1, 3])


def merge_heads(e: Expansion, x: str) -> str:
    """(batch, heads, sequence, size) as (batch, sequence, heads · size)."""
    return e.op("Reshape", e.op("Transpose", x, perm=[0, 2, 1, 3]), e.constant([0, 0, -1]))


OPERATORS = (
    declare(
        "Attention",
        _attention,
        "input:T weights:T bias:T? mask_index:M? past:T? attention_bias:T? past_sequence_length:M?",
        "output:T present:T?",
        {
            "do_rotary": INT,
            "mask_filter_value": FLOAT,
            "num_heads": INT,
            "past_present_share_buffer": INT,
            "qkv_hidden_sizes": INTS,
            "rotary_embedding_dim": INT,
            "scale": FLOAT,
            "unidirectional": INT,
        },
        ["num_heads"],
    ),
    declare(
        "MultiHeadAttention",
        _multi_head_attention,
        "query:T key:T? value:T? bias:T? key_padding_mask:M? attention_bias:T? past_key:T?"
        " past_value:T? past_sequence_length:M? cache_indirection:M?",
        "output:T present_key:T? present_value:T? qk:U?",
        {
            "mask_filter_value": FLOAT,
            "num_heads": INT,
            "scale": FLOAT,
            "unidirectional": INT,
        },
        ["num_heads"],
    ),
)
