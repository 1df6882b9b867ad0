"""Scaled-dot-product attention as exporters spell it out: found, and the same as before.

The tolerance is 1e-5 of the largest output: f32 sums of a few dozen terms of size one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pattern_batch import Array, PatternBatch

B, H, M, N, D, E = 2, 4, 5, 7, 8, 6
RNG = np.random.default_rng(5)
LOWEST = np.array(np.finfo(np.float32).min)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def qkv(p: PatternBatch, *, heads: int = H, keys: int = N, dynamic: bool = True) -> list[str]:
    """Queries, keys and values (B, heads, tokens, size), keys of `heads` heads."""
    shapes = [(B, H, M, D), (B, heads, keys, D), (B, heads, keys, E)]
    n = "N" if keys == N else "M"
    names = [("B", H, "M", D), ("B", heads, n, D), ("B", heads, n, E)]
    return [p.input(normal(*s), n if dynamic else None) for s, n in zip(shapes, names, strict=True)]


def transposed(p: PatternBatch, x: str, *perm: int) -> str:
    return p.op("Transpose", x, perm=perm)


def finish(p: PatternBatch, scores: str, v: str) -> str:
    return p.output(p.op("MatMul", p.op("Softmax", scores, axis=-1), v))


def product(p: PatternBatch, q: str, k: str) -> str:
    return p.op("MatMul", q, transposed(p, k, 0, 1, 3, 2))


def found(p: PatternBatch, count: int) -> None:
    """All of the model's attentions are ops of their own now, and the model gives the same."""
    keys, patterns = p.passes()
    assert patterns["scaled-dot-product-attention"].found == count
    assert not keys["softmax"]
    p.check()


def test_scales() -> None:
    p = PatternBatch()
    root = p.constant(float(D**-0.25))
    q, k, v = qkv(p)
    finish(p, p.op("Mul", product(p, q, k), p.constant(0.3)), v)
    finish(p, p.op("Div", product(p, q, k), p.constant(float(D**0.5))), v)
    finish(p, product(p, p.op("Mul", p.constant(0.3), q), k), v)
    finish(p, product(p, q, p.op("Div", k, p.constant(3.0))), v)
    columns = p.op("Mul", transposed(p, k, 0, 1, 3, 2), root)
    finish(p, p.op("MatMul", p.op("Mul", q, root), columns), v)
    finish(p, product(p, q, k), v)
    found(p, 6)


def keep(*shape: int) -> Array:
    """A random mask in which row 0 of batch 0 sees no key at all."""
    mask = RNG.random(shape) < 0.6
    mask[..., 0] = True
    mask.reshape(-1, *shape[-2:])[0, 0] = False
    return mask


@pytest.mark.parametrize("dynamic", [False, True])
def test_masks(dynamic: bool) -> None:
    p = PatternBatch()
    q, k, v = qkv(p, dynamic=dynamic)
    scores = p.op("Mul", product(p, q, k), p.constant(0.4))
    full = p.input(keep(B, 1, M, N), ("B", 1, "M", "N") if dynamic else None)
    rows = p.input(keep(M, N), ("M", "N") if dynamic else None)
    bias = p.input(normal(1, H, M, N), (1, H, "M", "N") if dynamic else None)
    zero, lowest = p.constant(0.0), p.constant(LOWEST)
    # A finite number in place of forbidden scores: fully masked rows weigh all values alike.
    for number in (LOWEST, np.array(-1e4, np.float32), np.array(-1e9, np.float32)):
        finish(p, p.op("Where", full, scores, p.constant(number)), v)
    finish(p, p.op("Where", p.op("Not", full), lowest, scores), v)
    additive = p.op("Where", full, zero, lowest)
    finish(p, p.op("Add", scores, additive), v)
    finish(p, p.op("Add", additive, scores), v)
    finish(p, p.op("Sub", scores, p.op("Where", full, zero, p.constant(1e4))), v)
    # Several, in both orders, and before the scale.
    finish(p, p.op("Add", p.op("Add", scores, bias), additive), v)
    finish(p, p.op("Where", rows, p.op("Add", scores, bias), lowest), v)
    finish(p, p.op("Add", p.op("Where", rows, scores, lowest), bias), v)
    finish(p, p.op("Where", full, p.op("Where", rows, scores, lowest), lowest), v)
    biased = p.op("Add", product(p, q, k), bias)
    finish(p, p.op("Div", biased, p.constant(2.5)), v)
    found(p, 12)


def test_masked_rows_of_safe_softmax_are_zero() -> None:
    p = PatternBatch()
    q, k, v = qkv(p)
    mask = p.input(keep(B, 1, M, N), ("B", 1, "M", "N"))
    never, zero = p.constant(np.array(-np.inf, np.float32)), p.constant(0.0)
    scores = product(p, q, k)
    for masked in (
        p.op("Where", mask, scores, never),
        p.op("Add", scores, p.op("Where", mask, zero, never)),
        p.op("Where", p.op("Not", mask), never, p.op("Where", mask, scores, never)),
    ):
        weights = p.op("Softmax", masked, axis=-1)
        safe = p.op("Where", p.op("IsNaN", weights), zero, weights)
        p.output(p.op("MatMul", safe, v))
    found(p, 3)


def test_masks_that_could_be_misread_are_declined() -> None:
    """A mask of one key would forbid the others."""
    p = PatternBatch()
    q, k, v = qkv(p)
    mask = p.input(normal(B, 1, M, 1), ("B", 1, "M", 1))
    finish(p, p.op("Add", product(p, q, k), mask), v)
    keys, patterns = p.passes()
    assert keys["attention"] == 0
    (reason,) = patterns["scaled-dot-product-attention"].declined.values()
    assert "same for all keys" in reason


@pytest.mark.parametrize("dynamic", [False, True])
def test_batch_and_heads_merged(dynamic: bool) -> None:
    """Rank 3, as torch's bmm has it: with the mask added in rank 4, in rank 3, or none."""
    p = PatternBatch()
    lead, rows, cols = ("B", "M", "N") if dynamic else (B, M, N)
    q, k, v = qkv(p, dynamic=dynamic)
    shape = p.op("Shape", q)
    batch = p.op("Slice", shape, p.constant([0]), p.constant([1]), p.constant([0]))
    merged = p.op("Mul", batch, p.constant([H]))

    def flat(x: str, size: int) -> str:
        target = p.op("Concat", merged, p.constant([-1, size]), axis=0)
        return p.op("Reshape", x, target)

    q3, k3, v3 = flat(q, D), flat(k, D), flat(v, E)
    scores = p.op("MatMul", q3, transposed(p, k3, 0, 2, 1))
    finish(p, scores, v3)
    mask = p.input(normal(B, 1, M, N), (lead, 1, rows, cols))
    apart = p.op("Slice", p.op("Shape", scores), p.constant([1]), p.constant([3]), p.constant([0]))
    split = p.op("Concat", batch, p.constant([H]), apart, axis=0)
    four = p.op("Add", p.op("Reshape", scores, split), mask)
    joined = p.op("Concat", merged, apart, axis=0)
    finish(p, p.op("Reshape", four, joined), v3)
    weights = p.op("Reshape", p.op("Softmax", four, axis=-1), joined)
    p.output(p.op("MatMul", weights, v3))
    alibi = p.input(normal(B * H, 1, N), ("X", 1, cols) if dynamic else None)
    finish(p, p.op("Reshape", p.op("Add", p.op("Reshape", four, joined), alibi), joined), v3)
    found(p, 4)


def test_sequence_first() -> None:
    """torch.nn.MultiheadAttention: (tokens, batch, hidden), heads split before the transpose."""
    p = PatternBatch()
    x = p.input(normal(M, B, H * D), ("M", "B", H * D))
    extents = p.op("Shape", x)
    tokens = p.op("Slice", extents, p.constant([0]), p.constant([1]), p.constant([0]))
    shape = p.op("Concat", tokens, p.constant([-1, D]), axis=0)
    q, k, v = (
        transposed(p, p.op("Reshape", p.op("MatMul", x, p.constant(normal(H * D, H * D))), shape),
                   1, 0, 2)
        for _ in range(3)
    )  # fmt: skip
    weights = p.op("Softmax", p.op("MatMul", q, transposed(p, k, 0, 2, 1)), axis=-1)
    p.output(p.op("MatMul", weights, v))
    found(p, 1)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("shifted", [False, True], ids=["plain", "maximum taken off"])
def test_sinks(dynamic: bool, shifted: bool) -> None:
    """One more score for each query, learnt by head, as gpt-oss has it; with masks, and alone."""
    p = PatternBatch()
    q, k, v = qkv(p, dynamic=dynamic)
    learnt = p.constant(normal(1, H, 1, 1))
    batch, rows = (p.op("Slice", p.op("Shape", q), p.constant([i]), p.constant([i + 1]),
                        p.constant([0])) for i in (0, 2))  # fmt: skip
    wide = p.op("Concat", batch, p.constant([H]), rows, p.constant([1]), axis=0)
    sinks = p.op("Expand", learnt, wide)
    given = p.input(10 * normal(B, H, M, 1), ("B", H, "M", 1) if dynamic else None)
    mask = p.input(keep(B, 1, M, N), ("B", 1, "M", "N") if dynamic else None)
    lowest, never = p.constant(LOWEST), p.constant(np.array(-np.inf, np.float32))
    scores = p.op("Mul", product(p, q, k), p.constant(0.4))
    forms = [
        scores,
        p.op("Where", mask, scores, lowest),
        p.op("Where", mask, scores, never),
        p.op("Add", scores, p.op("Where", mask, p.constant(0.0), lowest)),
    ]
    for form, sink in zip(forms, (sinks, sinks, given, given), strict=True):
        joined = p.op("Concat", form, sink, axis=-1)
        if shifted:
            top = p.op("ReduceMax", joined, p.constant([-1]), keepdims=1)
            joined = p.op("Sub", joined, top)
        weights = p.op("Softmax", joined, axis=-1)
        kept = p.op("Slice", weights, p.constant([0]), p.constant([-1]), p.constant([3]))
        p.output(p.op("MatMul", kept, v))
    found(p, 4)


def _relative(p: PatternBatch, q: str, rows: int, columns: int) -> tuple[str, str]:
    """SAM's biases: q by what was learnt for distances in rows, and in columns."""
    places = p.op("Reshape", q, p.constant([-1, rows, columns, D]))
    by_row, by_column = p.constant(normal(rows, rows, D)), p.constant(normal(columns, columns, D))
    return (
        p.op("Unsqueeze", p.op("Einsum", places, by_row, equation="bhwc,hkc->bhwk"),
             p.constant([4])),
        p.op("Unsqueeze", p.op("Einsum", places, by_column, equation="bhwc,wkc->bhwk"),
             p.constant([3])),
    )  # fmt: skip


@pytest.mark.parametrize("batch", [None, 3 * H])
def test_relative_positions_in_rows_and_columns(batch: int | None) -> None:
    """As SAM adds them: to the scores taken apart one after the other, or joined before."""
    rows, columns = 3, 5
    tokens = rows * columns
    p = PatternBatch()
    lead: int | str = "B" if batch is None else batch
    q, k, v = (p.input(normal(3 * H, tokens, s), (lead, tokens, s)) for s in (D, D, E))
    scores = p.op("Mul", p.op("MatMul", q, transposed(p, k, 0, 2, 1)), p.constant(0.4))
    by_row, by_column = _relative(p, q, rows, columns)
    apart = p.op("Reshape", scores, p.constant([-1, rows, columns, rows, columns]))
    back = p.constant([-1, tokens, tokens])
    first = p.op("Add", p.op("Add", apart, by_row), by_column)
    finish(p, p.op("Reshape", first, back), v)
    second = p.op("Add", by_column, p.op("Add", by_row, apart))
    finish(p, p.op("Reshape", second, back), v)
    third = p.op("Add", p.op("Add", by_row, by_column), apart)
    finish(p, p.op("Reshape", third, back), v)
    bias = p.op("Reshape", p.op("Add", by_row, by_column), back)
    finish(p, p.op("Add", scores, bias), v)
    found(p, 4)


def test_grouped_heads() -> None:
    """Keys and values of 2 heads for 4 heads of queries, repeated in every way."""
    p = PatternBatch()
    q, k, v = qkv(p, heads=2, dynamic=False)

    def expanded(x: str, size: int) -> str:
        wide = p.op("Expand", p.op("Unsqueeze", x, p.constant([2])),
                    p.constant([B, 2, 2, N, size]))  # fmt: skip
        return p.op("Reshape", wide, p.constant([B, H, N, size]))

    def tiled(x: str, size: int) -> str:
        wide = p.op("Tile", p.op("Unsqueeze", x, p.constant([2])), p.constant([1, 1, 2, 1, 1]))
        return p.op("Reshape", wide, p.constant([B, H, N, size]))

    def joined(x: str, size: int) -> str:
        one = p.op("Unsqueeze", x, p.constant([2]))
        return p.op("Reshape", p.op("Concat", one, one, axis=2), p.constant([B, H, N, size]))

    def gathered(x: str, size: int) -> str:
        return p.op("Gather", x, p.constant([0, 0, 1, 1]), axis=1)

    for repeat in (expanded, tiled, joined, gathered):
        finish(p, product(p, q, repeat(k, D)), repeat(v, E))
    keys, patterns = p.passes()
    assert patterns["scaled-dot-product-attention"].found == 4
    assert not keys["onnx.Expand"] + keys["onnx.Tile"] + keys["onnx.Concat"] + keys["onnx.Gather"]
    p.check()


def test_one_head_of_keys() -> None:
    p = PatternBatch()
    q, k, v = qkv(p, heads=1)
    finish(p, product(p, q, k), v)
    # Two dimensions of heads, the keys broadcast over the second.
    five = p.input(normal(B, 2, 3, M, D), ("B", 2, 3, "M", D))
    key = p.input(normal(B, 2, 1, N, D), ("B", 2, 1, "N", D))
    value = p.input(normal(B, 2, 1, N, E), ("B", 2, 1, "N", E))
    scores = p.op("MatMul", five, transposed(p, key, 0, 1, 2, 4, 3))
    finish(p, p.op("Mul", scores, p.constant(0.3)), value)
    found(p, 2)


def test_heads_interleaved_by_tile_are_not_groups() -> None:
    """Tile over the heads themselves gives head h the keys h mod 2, not h / 2."""
    p = PatternBatch()
    q, k, v = qkv(p, heads=2, dynamic=False)
    tile = p.constant([1, 2, 1, 1])
    finish(p, product(p, q, p.op("Tile", k, tile)), p.op("Tile", v, tile))
    keys, _ = p.passes()
    assert keys["attention"] == 1
    assert keys["onnx.Tile"] == 2
    p.check()


def test_softcap() -> None:
    p = PatternBatch()
    q, k, v = qkv(p)
    scores = p.op("Mul", product(p, q, k), p.constant(0.3))
    capped = p.op("Mul", p.op("Tanh", p.op("Div", scores, p.constant(1.5))), p.constant(1.5))
    finish(p, capped, v)
    mask = p.input(keep(B, 1, M, N), ("B", 1, "M", "N"))
    finish(p, p.op("Add", capped, p.op("Where", mask, p.constant(0.0), p.constant(LOWEST))), v)
    finish(p, p.op("Tanh", p.op("Mul", scores, p.constant(0.7))), v)
    found(p, 3)


def test_half_precision_with_a_softmax_in_f32() -> None:
    p = PatternBatch()
    q, k, v = (p.input(normal(B, H, M, D).astype(np.float16)) for _ in range(3))
    scores = p.op("Cast", product(p, q, k), to=1)
    weights = p.op("Cast", p.op("Softmax", scores, axis=-1), to=10)
    p.output(p.op("MatMul", weights, v))
    wide = [p.op("Cast", x, to=1) for x in (q, k)]
    weights = p.op("Cast", p.op("Softmax", product(p, *wide), axis=-1), to=10)
    p.output(p.op("MatMul", weights, v))
    keys, patterns = p.passes()
    assert patterns["scaled-dot-product-attention"].found == 2
    assert not keys["elementwise.cast"]
    p.check(tolerance=3e-3)  # f16 keeps 11 bits


def test_packed_projection_and_cache() -> None:
    p = PatternBatch()
    x = p.input(normal(B, M, H * D), ("B", "M", H * D))
    packed = p.op("MatMul", x, p.constant(normal(H * D, 3 * H * D) / 6))
    shape = p.constant([0, 0, H, D])
    q, k, v = (
        transposed(p, p.op("Reshape", part, shape), 0, 2, 1, 3)
        for part in p.op("Split", packed, outputs=3, axis=2, num_outputs=3)
    )
    past = [p.input(normal(B, H, N, D), ("B", H, "P", D)) for _ in range(2)]
    joined = [p.op("Concat", old, new, axis=2) for old, new in zip(past, (k, v), strict=True)]
    k, v = map(p.output, joined)
    finish(p, product(p, q, k), v)
    five = p.op("Reshape", packed, p.constant([0, 0, 3, H, D]))
    five = transposed(p, five, 2, 0, 3, 1, 4)
    q, k, v = (p.op("Gather", five, p.constant(np.array(i)), axis=0) for i in range(3))
    finish(p, product(p, q, k), v)
    found(p, 2)


def test_channels_first() -> None:
    """Attention over the places of an image, (B, C, places): v softmax(qᵀ k)ᵀ."""
    p = PatternBatch()
    q, k, v = (p.input(normal(B, D, M), ("B", D, "M")) for _ in range(3))
    scores = p.op("MatMul", transposed(p, q, 0, 2, 1), k)
    weights = p.op("Softmax", p.op("Mul", scores, p.constant(0.3)), axis=2)
    p.output(p.op("MatMul", v, transposed(p, weights, 0, 2, 1)))
    found(p, 1)


def test_einsums() -> None:
    """Tokens before heads, as networks written with einsum keep them."""
    p = PatternBatch()
    q = p.input(normal(B, M, H, D), ("B", "M", H, D))
    k = p.input(normal(B, N, H, D), ("B", "N", H, D))
    v = p.input(normal(B, N, H, E), ("B", "N", H, E))
    scores = p.op("Einsum", q, k, equation="bqhd, bkhd -> bhqk")
    weights = p.op("Softmax", p.op("Mul", scores, p.constant(0.3)), axis=-1)
    p.output(p.op("Einsum", weights, v, equation="bhqk,bkhe->bqhe"))
    found(p, 1)


def over_queries(p: PatternBatch) -> None:
    q, k, v = qkv(p, keys=M)
    p.output(p.op("MatMul", p.op("Softmax", product(p, q, k), axis=2), v))


def router(p: PatternBatch) -> None:
    x = p.input(normal(B, M, D))
    gate = p.op("Softmax", p.op("MatMul", x, p.constant(normal(D, H))), axis=-1)
    p.output(p.op("MatMul", gate, p.constant(normal(H, E))))


def memory(p: PatternBatch) -> None:
    """External attention: keys and values that are weights."""
    q = p.input(normal(B, H, M, D))
    k, v = (p.constant(normal(H, N, D)) for _ in range(2))
    scores = p.op("MatMul", q, transposed(p, k, 0, 2, 1))
    finish(p, scores, v)


def elementwise_gate(p: PatternBatch) -> None:
    q, k, _ = qkv(p, keys=M)
    weights = p.op("Softmax", product(p, q, k), axis=-1)
    p.output(p.op("Mul", weights, weights))


def logarithm(p: PatternBatch) -> None:
    q, k, v = qkv(p)
    p.output(p.op("MatMul", p.op("LogSoftmax", product(p, q, k), axis=-1), v))


def mask_multiplied(p: PatternBatch) -> None:
    q, k, v = qkv(p)
    mask = p.input(RNG.random((B, 1, M, N)).astype(np.float32), ("B", 1, "M", "N"))
    finish(p, p.op("Mul", product(p, q, k), mask), v)
    weights = p.op("Softmax", product(p, q, k), axis=-1)
    p.output(p.op("MatMul", p.op("Mul", weights, mask), v))


def normalized_again(p: PatternBatch) -> None:
    q, k, v = qkv(p)
    weights = p.op("Softmax", product(p, q, k), axis=-1)
    p.output(p.op("MatMul", p.op("Add", weights, p.constant(1e-3)), v))


def linear(p: PatternBatch) -> None:
    """Linear attention: softmax of the keys, not of scores."""
    q, k, v = qkv(p)
    context = p.op("MatMul", transposed(p, p.op("Softmax", k, axis=2), 0, 1, 3, 2), v)
    p.output(p.op("MatMul", p.op("Softmax", q, axis=-1), context))


def small_number(p: PatternBatch) -> None:
    """A choice that replaces scores by a number that still counts isn't a mask."""
    q, k, v = qkv(p)
    mask = p.input(keep(B, 1, M, N), ("B", 1, "M", "N"))
    finish(p, p.op("Where", mask, product(p, q, k), p.constant(-1.0)), v)


def sinks_in_front(p: PatternBatch) -> None:
    """The softmax has a column that no key stands for, but it isn't the last."""
    q, k, v = qkv(p, dynamic=False)
    sink = p.input(normal(B, H, M, 1))
    weights = p.op("Softmax", p.op("Concat", sink, product(p, q, k), axis=-1), axis=-1)
    kept = p.op("Slice", weights, p.constant([1]), p.constant([N + 1]), p.constant([3]))
    p.output(p.op("MatMul", kept, v))


def two_sinks(p: PatternBatch) -> None:
    """The softmax has two columns that no key stands for."""
    q, k, v = qkv(p, dynamic=False)
    sinks = p.input(normal(B, H, M, 2))
    weights = p.op("Softmax", p.op("Concat", product(p, q, k), sinks, axis=-1), axis=-1)
    kept = p.op("Slice", weights, p.constant([0]), p.constant([N]), p.constant([3]))
    p.output(p.op("MatMul", kept, v))


def a_key_dropped(p: PatternBatch) -> None:
    """The last key takes part in the softmax, and its value isn't mixed in."""
    q, k, _ = qkv(p, dynamic=False)
    v = p.input(normal(B, H, N - 1, E))
    weights = p.op("Softmax", product(p, q, k), axis=-1)
    kept = p.op("Slice", weights, p.constant([0]), p.constant([-1]), p.constant([3]))
    p.output(p.op("MatMul", kept, v))


LOOKALIKES: list[Callable[[PatternBatch], None]] = [
    over_queries, router, memory, elementwise_gate, logarithm, mask_multiplied, normalized_again,
    linear, small_number, sinks_in_front, two_sinks, a_key_dropped,
]  # fmt: skip


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=lambda f: f.__name__)
def test_other_things_are_not_mistaken(lookalike: Callable[[PatternBatch], None]) -> None:
    p = PatternBatch()
    lookalike(p)
    keys, _ = p.passes()
    assert keys["attention"] == 0
    assert keys["softmax"]


def test_near_misses_say_why() -> None:
    for lookalike, reason in ((memory, "weights"), (a_key_dropped, "column")):
        p = PatternBatch()
        lookalike(p)
        _, patterns = p.passes()
        assert reason in str(patterns["scaled-dot-product-attention"].declined)


def test_lookalikes_still_compute_the_same() -> None:
    p = PatternBatch()
    for lookalike in LOOKALIKES:
        lookalike(p)
    p.check()
