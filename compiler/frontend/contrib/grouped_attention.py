"""`GroupQueryAttention` of `com.microsoft`: attention of decoders, with rotary embedding and cache.

The cache of keys and values may be longer than what was seen so far, and rows of the batch may
have seen different numbers of tokens: new keys go where each row ends. That is `TensorScatter`
into the cache followed by `Attention` that is told how many keys of each row are valid.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from noema.frontend.contrib.attention import attend, merge_heads, split_heads
from noema.frontend.contrib.embedding import count_up, extent
from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.operators import FLOAT, INT, STRING, declare

_PAST_KEY, _PAST_VALUE, _LENGTHS, _TOTAL, _COS, _SIN, _POSITIONS, _BIAS = range(3, 11)
_HEAD_SINK, _K_SCALE, _V_SCALE, _Q_NORM, _K_NORM = range(11, 16)


def _group_query_attention(e: Expansion) -> Sequence[str | None]:
    """Attention of grouped heads. Results: Y, keys with the past, values with the past."""
    _refuse_extensions(e)
    heads = e.int("num_heads"), e.int("kv_num_heads")
    if min(heads) <= 0:
        raise Unexpandable(f"{heads[0]} heads of queries and {heads[1]} of keys")
    q, k, v = _projections(e, *heads)
    past = [e.input(_PAST_KEY), e.input(_PAST_VALUE)]
    has_past = all(past)
    before, valid = _lengths(e) if has_past else ("", "")
    if e.int("do_rotary"):
        positions = e.input(_POSITIONS) or _positions(e, before)
        q, k = (_rotated(e, x, positions, n) for x, n in zip((q, k), heads, strict=True))
    causal = bool(e.int("causal", 1))
    # The window of ONNX counts the keys before the query's own.
    window = e.int("local_window_size", -1) - 1
    bias = e.input(_BIAS)
    if not has_past or _appends(e):
        wants = [True, e.wants(1), e.wants(2), False]
        joined = past if has_past else []
        y, *present, _ = attend(
            e, [q, k, v], joined, heads, bias, causal=causal, window=window, wants=wants
        )
        return [y, *(name or None for name in present)]
    if not causal:
        raise Unexpandable("causal = 0 with a cache")
    queries = split_heads(e, q, heads[0])
    caches = [
        _written(e, state, split_heads(e, new, heads[1]), before)
        for state, new in zip(past, (k, v), strict=True)
    ]
    wants = [True, False, False, False]
    y = attend(
        e,
        [queries, *caches],
        [],
        heads,
        bias,
        causal=True,
        wants=wants,
        flat=False,
        valid=valid,
        window=window,
    )[0]
    present = [_kept(e, cache) if e.wants(slot) else None for slot, cache in enumerate(caches, 1)]
    return [merge_heads(e, y), *present]


def _refuse_extensions(e: Expansion) -> None:
    e.refuse(
        attributes=["sliding_window_cache", "smooth_softmax", "qk_output", "kv_cache_bit_width"],
        inputs=[_HEAD_SINK, _K_SCALE, _V_SCALE, _Q_NORM, _K_NORM],
    )
    for name in ("k_quant_type", "v_quant_type"):
        if e.text(name, "NONE") != "NONE":
            raise Unexpandable(f"{name} = {e.text(name, 'NONE')}")


def _projections(e: Expansion, queries: int, keys: int) -> list[str]:
    """Queries, keys and values, each (batch, sequence, heads · size)."""
    if e.has(1) and e.has(2):
        return [e.input(slot) for slot in range(3)]
    e.refuse(inputs=[1, 2])
    size = e.extent(0, 2) // (queries + 2 * keys)
    sizes = e.constant([queries * size, keys * size, keys * size])
    return e.ops("Split", [e.input(0), sizes], [True] * 3, axis=-1)


def _appends(e: Expansion) -> bool:
    """Whether new keys are known to go right behind the whole past: one row, no room left over."""
    total = e.value(_TOTAL)
    rows, new = e.shape(0)[0], e.shape(0)[1]
    seen = e.shape(_PAST_KEY)[2]
    if total is None or total.size != 1 or not isinstance(new, int) or not isinstance(seen, int):
        return False
    return rows == 1 and int(total.reshape(-1)[0]) == seen + new


def _lengths(e: Expansion) -> tuple[str, str]:
    """Shape (batch), int64: how many keys each row has before the new ones, and with them.

    Of a first prompt, whose total is its own length, all count: what pads its end is behind every
    query that matters.
    """
    new = extent(e, e.input(0), 1)
    int64 = onnx.TensorProto.INT64
    total = e.op("Cast", e.input(_TOTAL), to=int64)
    last = e.op("Cast", e.input(_LENGTHS), to=int64)
    with_new = e.op("Add", last, e.constant([1]))
    # Written (batch, 1) in some models.
    with_new = e.op("Reshape", with_new, e.constant([-1]))
    total = e.op("Reshape", total, e.constant([1]))
    valid = e.op("Where", e.op("Equal", total, new), new, with_new)
    return e.op("Sub", valid, new), valid


def _positions(e: Expansion, before: str) -> str:
    """Positions of the new tokens, (batch, sequence)."""
    sequence = extent(e, e.input(0), 1)
    row = count_up(e, sequence)
    if before:
        return e.op("Add", e.op("Unsqueeze", before, e.constant([1])), row)
    rows = e.op("Concat", extent(e, e.input(0), 0), sequence, axis=0)
    return e.op("Expand", row, rows)


def _rotated(e: Expansion, x: str, positions: str, heads: int) -> str:
    rotated = 2 * e.extent(_COS, 1)
    return e.op(
        "RotaryEmbedding",
        x,
        e.input(_COS),
        e.input(_SIN),
        positions,
        interleaved=e.int("rotary_interleaved"),
        num_heads=heads,
        rotary_embedding_dim=rotated,
    )


def _written(e: Expansion, cache: str, new: str, before: str) -> str:
    """The cache with the new keys where each row ends, and room for them where it was full."""
    longer = e.op("Concat", cache, new, axis=2)
    return e.op("TensorScatter", longer, new, before, axis=2)


def _kept(e: Expansion, cache: str) -> str:
    """As much of the cache as is handed on: what it was, or what is needed now if that is more."""
    total = e.op("Cast", e.input(_TOTAL), to=onnx.TensorProto.INT64)
    total = e.op("Reshape", total, e.constant([1]))
    end = e.op("Max", extent(e, e.input(_PAST_KEY), 2), total)
    return e.op("Slice", cache, e.constant([0]), end, e.constant([2]))


OPERATORS = (
    declare(
        "GroupQueryAttention",
        _group_query_attention,
        "query:T key:T? value:T? past_key:T? past_value:T? seqlens_k:M total_sequence_length:M"
        " cos_cache:T? sin_cache:T? position_ids:I? attention_bias:T? head_sink:T? k_scale:U?"
        " v_scale:U? q_norm_weight:T? k_norm_weight:T?",
        "output:T present_key:T? present_value:T? output_qk:T?",
        {
            "causal": INT,
            "do_rotary": INT,
            "k_quant_type": STRING,
            "kv_cache_bit_width": INT,
            "kv_num_heads": INT,
            "local_window_size": INT,
            "num_heads": INT,
            "qk_norm_epsilon": FLOAT,
            "qk_output": INT,
            "rotary_interleaved": INT,
            "scale": FLOAT,
            "sliding_window_cache": INT,
            "smooth_softmax": INT,
            "softcap": FLOAT,
            "v_quant_type": STRING,
        },
        ["num_heads", "kv_num_heads"],
    ),
)
