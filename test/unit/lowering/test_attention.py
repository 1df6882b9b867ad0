"""Attention and RotaryEmbedding against the ONNX reference evaluator.

Tolerances: f32 sums of up to a few dozen terms of size one are good to 1e-5; the reference rounds
every intermediate of f16 to f16, which is good to 1e-2.
"""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from execution import compile_proto, execute
from single_node import check

TOLERANCE = {"float32": 1e-5, "float16": 1e-2, "float64": 1e-9}


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(r: np.random.Generator, *shape: int, dtype: str = "float32") -> np.ndarray:
    return r.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("query_heads", "key_heads", "dtype"), [(3, 3, "float64"), (6, 2, "float32"), (4, 1, "float16")]
)
def test_flat_heads(query_heads: int, key_heads: int, dtype: str) -> None:
    r = rng(query_heads, key_heads)
    q = normal(r, 2, 5, query_heads * 4, dtype=dtype)
    k = normal(r, 2, 7, key_heads * 4, dtype=dtype)
    v = normal(r, 2, 7, key_heads * 3, dtype=dtype)
    check(
        "Attention",
        [q, k, v],
        [dtype],
        q_num_heads=query_heads,
        kv_num_heads=key_heads,
        opset=23,
        rtol=TOLERANCE[dtype],
        atol=TOLERANCE[dtype],
    )


MASKS = {
    "none": None,
    "bool2": lambda r, b, h, m, n: r.random((m, n)) < 0.6,
    "bool4": lambda r, b, h, m, n: r.random((b, 1, m, n)) < 0.6,
    "keys": lambda r, b, h, m, n: r.random((b, 1, 1, n)) < 0.6,
    "float2": lambda r, b, h, m, n: normal(r, m, n),
    "float3": lambda r, b, h, m, n: normal(r, h, m, n),
    "float4": lambda r, b, h, m, n: normal(r, b, h, m, n),
    "short": lambda r, b, h, m, n: normal(r, m, n - 2),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("causal", "past"), [(0, 0), (1, 3)])
def test_masks_and_cache(mask: str, causal: int, past: int) -> None:
    if mask == "keys" and causal:
        pytest.skip("the reference takes the mask's row extent, 1, for the number of queries")
    r = rng(len(mask), causal, past)
    b, h, g, m, n, d = 2, 4, 2, 5, 6, 8
    make = MASKS[mask]
    inputs = [
        normal(r, b, h, m, d),
        normal(r, b, g, n, d),
        normal(r, b, g, n, 3),
        None if make is None else make(r, b, h, m, n + past),
        normal(r, b, g, past, d) if past else None,
        normal(r, b, g, past, 3) if past else None,
    ]
    check(
        "Attention",
        inputs,
        ["float32"] * 4,
        is_causal=causal,
        qk_matmul_output_mode=2,
        opset=24,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("softcap", [0.0, 1.5])
def test_intermediates(mode: int, softcap: float) -> None:
    if mode == 0 and softcap:
        pytest.skip("the reference shows the capped scores, the specification the raw ones")
    r = rng(mode)
    inputs = [normal(r, 1, 3, 4, 5), normal(r, 1, 3, 6, 5), normal(r, 1, 3, 6, 5)]
    check(
        "Attention",
        [*inputs, r.random((4, 6)) < 0.5],
        ["float32", None, None, "float32"],
        softcap=softcap,
        qk_matmul_output_mode=mode,
        scale=0.3,
        opset=23,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("left", "right", "causal"), [(0, -1, 0), (2, 1, 0), (-1, 1, 0), (2, 1, 1)]
)
def test_windows(left: int, right: int, causal: int) -> None:
    r = rng(left + 1, right + 1, causal)
    check(
        "Attention",
        [normal(r, 2, 2, 7, 4), normal(r, 2, 2, 5, 4), normal(r, 2, 2, 5, 4)],
        left_window_size=left,
        right_window_size=right,
        is_causal=causal,
        opset=25,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("causal", [0, 1])
def test_outside_cache(causal: int) -> None:
    r = rng(causal)
    valid = np.array([2, 6, 4], np.int64)  # fewer than the queries, all, and some of the keys
    check(
        "Attention",
        [normal(r, 3, 2, 3, 4), normal(r, 3, 2, 6, 4), normal(r, 3, 2, 6, 4), None, None, None,
         valid],
        is_causal=causal,
        opset=24,
        rtol=1e-5,
        atol=1e-5,
    )  # fmt: skip


def test_masked_rows_are_zero() -> None:
    r = rng(0)
    mask = np.ones((4, 6), bool)
    mask[2] = False
    check(
        "Attention",
        [normal(r, 1, 2, 4, 4), normal(r, 1, 2, 6, 4), normal(r, 1, 2, 6, 4), mask],
        opset=23,
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("past", "mask"), [(0, "none"), (3, "none"), (3, "bool"), (0, "float"), (3, "short")]
)
def test_dynamic_sequences(past: int, mask: str) -> None:
    """Batch, sequences and cache are symbolic; heads and head size must be known."""
    shapes = {
        "q": ["B", "M", 4 * 8], "k": ["B", "N", 2 * 8], "v": ["B", "N", 2 * 8],
        "mask": ["B", 1, "M", "T"], "pk": ["B", 2, "P", 8], "pv": ["B", 2, "P", 8],
    }  # fmt: skip
    names = ["q", "k", "v", "mask" if mask != "none" else "", *(["pk", "pv"] if past else [])]
    kinds = {"mask": TensorProto.BOOL if mask == "bool" else TensorProto.FLOAT}
    outputs = ["y", "ck", "cv"]
    node = helper.make_node("Attention", names, outputs, q_num_heads=4, kv_num_heads=2, is_causal=1)
    model = helper.make_model(
        helper.make_graph(
            [node],
            "g",
            [
                helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), shapes[n])
                for n in names
                if n
            ],
            [
                helper.make_tensor_value_info(
                    n, TensorProto.FLOAT, [f"{n}{i}" for i in range(rank)]
                )
                for n, rank in (("y", 3), ("ck", 4), ("cv", 4))
            ],
        ),
        opset_imports=[helper.make_opsetid("", 24)],
        ir_version=10,
    )
    onnx.checker.check_model(model)
    compiled = compile_proto(model)
    for batch, rows, keys in itertools.product((1, 3), (1, 5), (2, 7)):
        r = rng(batch, rows, keys)
        extents = {"B": batch, "M": rows, "N": keys, "P": past, "T": past + keys}
        if mask == "short":  # what it doesn't reach is masked
            extents["T"] -= 1
        feeds = {
            n: normal(r, *(extents[d] if isinstance(d, str) else d for d in shapes[n]))
            for n in names
            if n
        }
        if mask == "bool":
            feeds["mask"] = feeds["mask"] > 0
        expected = ReferenceEvaluator(model).run(None, feeds)
        for ours, theirs in zip(execute(compiled, feeds), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize(
    ("rotated", "positions", "flat"),
    [(0, False, False), (0, True, True), (4, True, False), (4, False, True)],
)
def test_rotary(interleaved: int, rotated: int, positions: bool, flat: bool) -> None:
    r = rng(interleaved, rotated, positions, flat)
    b, h, s, d = 2, 3, 5, 6
    x = normal(r, b, s, h * d) if flat else normal(r, b, h, s, d)
    half = (rotated or d) // 2
    cache = (11, half) if positions else (b, s, half)
    ids = r.integers(0, 11, (b, s)) if positions else None
    attributes = {"num_heads": h} if flat else {}
    check(
        "RotaryEmbedding",
        [x, normal(r, *cache), normal(r, *cache), ids],
        interleaved=interleaved,
        rotary_embedding_dim=rotated,
        opset=23,
        rtol=1e-5,
        atol=1e-6,
        **attributes,
    )


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("past", [False, True])
def test_linear_attention(rule: str, past: bool) -> None:
    r = rng(len(rule), past)
    b, t, h, q, dk, dv = 2, 5, 2, 4, 3, 6
    inputs = [
        normal(r, b, t, q * dk),
        normal(r, b, t, h * dk) / 2,
        normal(r, b, t, h * dv),
        normal(r, b, h, dk, dv) if past else None,
        -abs(normal(r, b, t, h * dk if past else h)) if "gated" in rule else None,
        r.random((b, t, h)).astype(np.float32) if "delta" in rule else None,
    ]
    check(
        "LinearAttention",
        inputs,
        ["float32", "float32"],
        q_num_heads=q,
        kv_num_heads=h,
        update_rule=rule,
        opset=27,
        rtol=1e-5,
        atol=1e-5,
    )
