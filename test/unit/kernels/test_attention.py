"""Attention kernels against numpy in f64."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.attention import Attention, candidates
from noema.kernels.attention_problem import AttentionProblem, AttentionTile, Heads, Mask
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa, Unsuitable

ISA = this_isa()
needs_unit = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")

F64 = NDArray[np.float64]
Array = NDArray[Any]


def rows(heads: int, size: int, width: int = 0, offset: int = 0) -> Heads:
    return Heads(width or heads * size, offset=offset, pitch=size)


def problem(
    sizes: tuple[int, int, int], heads: tuple[int, int], size: int, **more: Any
) -> AttentionProblem:
    """Of static (batch, queries, keys) and heads in rows."""
    (batch, queries, keys), (query, key) = sizes, heads
    lie: dict[str, Any] = {"q": rows(query, size), "out": rows(query, size)}
    lie |= {"k": rows(key, size), "v": rows(key, size), "value_size": size, "scale": size**-0.5}
    lie |= more
    return AttentionProblem(batch, queries, keys, query, key, size, **lie)


def operands(a: AttentionProblem, values: dict[str, int], seed: int = 0) -> list[Array]:
    """Random operands; `values` gives the symbols'."""
    rng = np.random.default_rng(seed)
    kernel = Attention(a, AttentionTile(4, 1, 4, 16), X86_64_V4)
    found: list[Array] = []
    for tensor in kernel.interface.operands:
        shape = [values[e] if isinstance(e, str) else e for e in tensor.extents]
        if tensor.element == "i1":
            found.append(rng.random(shape) < 0.6)
        else:
            found.append(rng.standard_normal(shape).astype(DTYPES[tensor.element]))
    return found


def expected(a: AttentionProblem, arrays: list[Array]) -> list[F64]:
    """What it gives, and keys and values with what was cached."""
    left = [x if x.dtype == np.bool_ else x.astype(np.float64) for x in arrays]
    q = _heads(left[0], a.q, a.query_heads, a.size)
    k = _heads(left[1], a.k, a.key_heads, a.size)
    v = _heads(left[2], a.v, a.key_heads, a.value_size)
    past = 0
    if a.past is not None:
        past = left[-2].shape[2]
        k, v = np.concatenate([left[-2], k], 2), np.concatenate([left[-1], v], 2)
    scores = q @ np.repeat(k, a.group, 1).transpose(0, 1, 3, 2) * a.scale
    if a.softcap:
        scores = a.softcap * np.tanh(scores / a.softcap)
    if a.mask is not None:
        mask = left[3]
        scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + mask
    if a.causal:
        ends = np.arange(scores.shape[2])[:, None] + past
        scores = np.where(np.arange(scores.shape[3]) <= ends, scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    factors = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = factors.sum(-1, keepdims=True)
    y = (factors / np.where(total == 0, 1, total)) @ np.repeat(v, a.group, 1)
    if not a.out.first:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1)
    return [y, k, v]


def _heads(x: Array, lie: Heads, heads: int, size: int) -> F64:
    if lie.first:
        return x[..., lie.offset : lie.offset + size]
    starts = [lie.offset + head * lie.pitch for head in range(heads)]
    return np.stack([x[:, :, start : start + size] for start in starts], 1)


def agree(kernel: Attention, seed: int = 0, *lengths: dict[str, int]) -> None:
    """Fails unless the kernel gives what numpy does, for each of `lengths` of its symbols.

    f32: 4e-6 of values of size 1, the error of sums of a thousand. bf16: operands are what they
    are, but probabilities are rounded, to 2⁻⁹ of themselves, and the result.
    """
    narrow = "bf16" in (kernel.problem.element, kernel.problem.result)
    bound = 2e-2 if narrow else 4e-6
    program = KernelProgram(kernel, threads=1)
    for values in lengths or ({},):
        arrays = operands(kernel.problem, values, seed)
        got = program.guarded(*arrays)
        want = expected(kernel.problem, arrays)
        np.testing.assert_allclose(got[0].astype(np.float64), want[0], rtol=bound, atol=bound)
        for present, whole in zip(got[1:], want[1:], strict=False):
            np.testing.assert_array_equal(present.astype(np.float64), whole)


def default(a: AttentionProblem) -> Attention:
    assert ISA is not None
    return candidates(a, ISA)[0]


@needs_unit
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"causal": True},
        {"softcap": 2.0},
        {"mask": Mask("f32", True, False, False, 53)},
        {"mask": Mask("f32", False, True, True, 53), "causal": True},
        {"mask": Mask("i1", True, True, True, 53)},
        {"mask": Mask("i1", False, False, True, 53), "causal": True},
        {"result": "bf16"},
        {"element": "bf16"},
        {"element": "bf16", "causal": True, "scale": 0.3},
    ],
    ids=lambda more: ", ".join(more) or "plain",
)
def test_what_acts_on_the_scores(more: dict[str, Any]) -> None:
    agree(default(problem((2, 37, 53), (6, 2), 24, **more)))


@needs_unit
@pytest.mark.parametrize("element", ["f32", "bf16"])
@pytest.mark.parametrize("causal", [False, True])
def test_blocks_of_keys_are_joined(element: str, causal: bool) -> None:
    assert ISA is not None
    a = problem((1, 90, 90), (2, 1), 20, element=element, causal=causal)
    agree(Attention(a, AttentionTile(4, 2, 16, 32), ISA))


@needs_unit
@pytest.mark.parametrize("way", ["f32", "i1"])
def test_a_query_that_sees_nothing_gives_zeros(way: str) -> None:
    assert ISA is not None
    a = problem((1, 5, 40), (2, 2), 16, mask=Mask(way, False, False, True, 40))
    arrays = operands(a, {})
    arrays[3][:, :, 2, :] = False if way == "i1" else -np.inf
    for block in (16, 48):
        (got,) = KernelProgram(Attention(a, AttentionTile(4, 2, 8, block), ISA))(*arrays)
        assert not got[:, 2].any()
        np.testing.assert_allclose(got, expected(a, arrays)[0], atol=4e-6)


@needs_unit
def test_a_mask_of_the_least_number_is_not_infinite() -> None:
    a = problem((1, 2, 20), (1, 1), 16, mask=Mask("f32", False, False, True, 20))
    arrays = operands(a, {})
    arrays[3][:, :, 1, :] = np.finfo(np.float32).min
    (got,) = KernelProgram(default(a))(*arrays)
    np.testing.assert_allclose(got[0, 1], arrays[2][0].mean(0), atol=4e-6)


@needs_unit
@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_merged_projections_and_heads_first(element: str) -> None:
    merged = {
        name: Heads(3 * 48, offset=48 * i, pitch=24) for i, name in enumerate(("q", "k", "v"))
    }
    agree(default(problem((2, 19, 19), (2, 2), 24, element=element, **merged)))
    first = Heads(24, first=True)
    apart = dict.fromkeys(("q", "k", "v", "out"), first)
    agree(default(problem((2, 19, 21), (4, 2), 24, element=element, **apart)))


@needs_unit
@pytest.mark.parametrize("element", ["f32", "bf16"])
@pytest.mark.parametrize(
    ("queries", "group", "present"), [(1, 1, None), (1, 3, 70), (1, 8, None), (7, 2, 70)]
)
def test_a_cache_comes_first(queries: int, group: int, element: str, present: int | None) -> None:
    a = problem(
        (2, queries, queries),
        (2 * group, 2),
        40,
        element=element,
        causal=True,
        past=70 - queries,
        present=present,
    )
    agree(default(a))


@needs_unit
@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_extents_may_be_symbols(element: str) -> None:
    a = problem((1, 1, 1), (4, 2), 32, element=element, causal=True)
    mask = Mask("f32", True, False, False, "T")
    a = dataclasses.replace(a, batch="B", queries="M", keys="M", past="P", mask=mask, present="T")
    lengths = ((1, 300), (5, 0), (5, 16), (70, 1), (150, 300))
    agree(default(a), 0, *({"B": 2, "M": m, "P": p, "T": m + p} for m, p in lengths))


@needs_unit
def test_one_query_and_a_cache_of_any_length() -> None:
    a = problem((1, 1, 1), (3, 3), 64, causal=True)
    kernel = default(dataclasses.replace(a, past="P"))
    assert kernel.tile.direct
    agree(kernel, 0, *({"P": past} for past in (0, 1, 15, 16, 511, 700)))


@needs_unit
@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_on_eight_lanes(element: str) -> None:
    isa = dataclasses.replace(X86_64_V3, l2=1 << 20)
    for kernel in candidates(problem((1, 21, 33), (2, 1), 20, element=element), isa)[::7]:
        agree(kernel)


@needs_unit
@settings(max_examples=25)
@given(data=st.data())
def test_drawn_problems(data: st.DataObject) -> None:
    draw, assert_isa = data.draw, ISA
    assert assert_isa is not None
    key_heads, group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    queries, keys = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    past = draw(st.sampled_from([None, None, 0, 1, 17, 64]))
    bits = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    element = draw(st.sampled_from(["", "f32", "i1", "bf16"]))
    size, value_size = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    heads = key_heads * group
    a = problem(
        (draw(st.integers(1, 2)), queries, keys),
        (heads, key_heads),
        size,
        value_size=value_size,
        v=rows(key_heads, value_size, key_heads * value_size + 5, offset=draw(st.integers(0, 5))),
        out=draw(st.sampled_from([rows(heads, value_size), Heads(value_size, first=True)])),
        element=draw(st.sampled_from(["f32", "bf16"])),
        causal=draw(st.booleans()),
        softcap=draw(st.sampled_from([0.0, 0.0, 5.0])),
        mask=Mask(element, *bits, keys + (past or 0)) if element else None,
        past=past,
    )
    agree(draw(st.sampled_from(candidates(a, assert_isa))), seed=1)


def isa(registers: int = 32) -> Isa:
    return X86_64_V4 if registers == 32 else X86_64_V3


def test_candidates_say_why_there_are_none() -> None:
    with pytest.raises(Unsuitable, match="no blocks fit"):
        candidates(problem((1, 8, 8), (1, 1), 20000), isa())
    with pytest.raises(Unsuitable, match="attention of f64"):
        problem((1, 8, 8), (1, 1), 8, element="f64")
    with pytest.raises(Unsuitable, match="3 query heads, 2 key heads"):
        problem((1, 8, 8), (3, 2), 8)
    with pytest.raises(Unsuitable, match="don't fit in rows of 7"):
        problem((1, 8, 8), (1, 1), 8, q=Heads(7, pitch=8))
    with pytest.raises(Unsuitable, match="an empty tensor"):
        problem((1, 0, 8), (1, 1), 8)
    with pytest.raises(Unsuitable, match="9 positions in a mask"):
        problem((1, 8, 8), (1, 1), 8, mask=Mask("f32", False, False, False, 9))


def test_a_register_tile_is_all_that_the_inner_loop_does() -> None:
    text = Attention(
        problem((1, 128, 128), (12, 12), 64), AttentionTile(4, 4, 128, 128), isa()
    ).print("a")
    inner = [loop for loop in text.split("scf.for") if loop.count("vector.fma") == 16]
    assert len(inner) == 2  # scores, and products with the values
    for loop in inner:
        body = loop[: loop.index("scf.yield")]
        assert body.count("vector.load") == body.count("memref.load") == 4
        assert "mask" not in body
    assert "masked" not in text  # nothing is ragged


def test_candidates_keep_within_the_cache() -> None:
    for registers, l2 in ((32, 1 << 20), (32, 512 << 10), (16, 256 << 10)):
        own = dataclasses.replace(isa(registers), l2=l2)
        for kernel in candidates(problem((1, 512, 512), (12, 12), 64), own):
            assert kernel.stack <= l2 * 5 // 8
    assert candidates(problem((1, 8, 8), (1, 1), 8), isa())[0].operations == 2048
