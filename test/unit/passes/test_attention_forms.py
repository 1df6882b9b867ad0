"""Attention that says by attributes what a mask or copies of keys said: found, and the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pattern_batch import Array, PatternBatch

B, H, M, N, D = 2, 4, 5, 7, 8
RNG = np.random.default_rng(8)
LOWEST = float(np.finfo(np.float32).min)


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def attend(p: PatternBatch, mask: str, *, keys: int = N) -> None:
    """An Attention node of M queries and N keys, both symbols; M keys if they have M positions."""
    n = "N" if keys == N else "M"
    q = p.input(normal(B, H, M, D), ("B", H, "M", D))
    k, v = (p.input(normal(B, H, keys, D), ("B", H, n, D)) for _ in range(2))
    p.output(p.op("Attention", q, k, v, mask))


def attend_static(p: PatternBatch, mask: str, *, rows: int = M, keys: int = N) -> None:
    q = p.input(normal(B, H, rows, D))
    k, v = (p.input(normal(B, H, keys, D)) for _ in range(2))
    p.output(p.op("Attention", q, k, v, mask))


def positions(p: PatternBatch, length: str, axis: int, start: int = 0) -> str:
    """start, start + 1, … as a row (axis 0 put in) or a column (axis 1 put in)."""
    first, one = p.constant(np.array(start)), p.constant(np.array(1))
    last = p.op("Add", length, first) if start else length
    return p.op("Unsqueeze", p.op("Range", first, last, one), p.constant([axis]))


def extents(p: PatternBatch) -> tuple[str, str]:
    """M and N as scalars, of an input that has both."""
    shape = p.op("Shape", p.input(normal(M, N), ("M", "N")))
    return tuple(p.op("Gather", shape, p.constant(np.array(i)), axis=0) for i in range(2))


def padding(p: PatternBatch, *, first: bool = True) -> str:
    """(B, 1, 1, N), true where a key counts; no key of the first batch does, if `first` isn't."""
    keep = RNG.random((B, 1, 1, N)) < 0.7
    keep[..., 0] = True
    keep[0] &= first
    return p.input(keep, ("B", 1, 1, "N"))


def check(p: PatternBatch, name: str, count: int) -> None:
    _, patterns = p.passes()
    assert patterns[name].found == count
    p.check()


def test_constant_triangles() -> None:
    p = PatternBatch(opset=23)
    triangle = np.tri(M, N, dtype=bool)
    attend_static(p, p.constant(triangle))
    attend_static(p, p.constant(np.where(triangle, 0, LOWEST).astype(np.float32)[None, None]))
    attend_static(p, p.constant(np.where(triangle, 0, -np.inf).astype(np.float32)))
    attend_static(p, p.constant(np.where(triangle, 0, -1e4).astype(np.float32)))
    attend_static(p, p.constant(np.tri(N, M, dtype=bool)), rows=N, keys=M)
    check(p, "causal-mask", 5)
    keys, _ = p.passes()
    assert keys["attention"] == 5


def test_windows_of_a_triangle() -> None:
    """As GPT-2 cuts its buffer to the length of the sequence."""
    p = PatternBatch(opset=23)
    rows, columns = extents(p)
    buffer = p.constant(np.tri(16, dtype=bool)[None, None])
    zero = p.constant([0])
    window = p.op("Slice", buffer, zero, p.op("Unsqueeze", rows, zero), p.constant([2]))
    window = p.op("Slice", window, zero, p.op("Unsqueeze", columns, zero), p.constant([3]))
    attend(p, window)
    attend(p, p.op("Where", window, p.constant(0.0), p.constant(LOWEST)))
    check(p, "causal-mask", 2)


def test_compared_positions() -> None:
    p = PatternBatch(opset=23)
    rows, columns = extents(p)
    query, key = positions(p, rows, 1), positions(p, columns, 0)
    past = p.op("LessOrEqual", key, query)
    attend(p, past)
    attend(p, p.op("GreaterOrEqual", query, key))
    attend(p, p.op("Not", p.op("Greater", key, query)))
    attend(p, p.op("Where", p.op("Less", query, key), p.constant(LOWEST), p.constant(0.0)))
    attend(p, p.op("Unsqueeze", p.op("And", p.constant(np.array(True)), past), p.constant([0, 1])))
    check(p, "causal-mask", 5)


def test_triangles_of_full_tensors() -> None:
    p = PatternBatch(opset=23)
    rows, columns = extents(p)
    shape = p.op(
        "Concat", *(p.op("Unsqueeze", x, p.constant([0])) for x in (rows, columns)), axis=0
    )
    one = p.constant(np.array(1))
    full = p.op("Expand", p.constant(LOWEST), shape)
    attend(p, p.op("Trilu", full, one, upper=1))
    ones = p.op("Expand", p.constant(np.array(True)), shape)
    attend(p, p.op("Trilu", ones, upper=0))
    attend(p, p.op("Not", p.op("Trilu", ones, one, upper=1)))
    check(p, "causal-mask", 3)


def test_causal_and_padding() -> None:
    """The padding stays, a row per batch."""
    p = PatternBatch(opset=23)
    rows, columns = extents(p)
    past = p.op("LessOrEqual", positions(p, columns, 0), positions(p, rows, 1))
    both = p.op("And", past, padding(p))
    attend(p, both)
    never = p.constant(np.array(-np.inf, np.float32))
    attend(p, p.op("Where", p.op("And", padding(p), past), p.constant(0.0), never))
    check(p, "causal-mask", 2)


def test_causal_and_padding_by_a_safe_softmax() -> None:
    """Rows without any key give zeros as before."""
    p = PatternBatch()
    rows, columns = extents(p)
    past = p.op("LessOrEqual", positions(p, columns, 0), positions(p, rows, 1))
    mask = p.op("And", past, padding(p, first=False))
    q = p.input(normal(B, H, M, D), ("B", H, "M", D))
    k, v = (p.input(normal(B, H, N, D), ("B", H, "N", D)) for _ in range(2))
    zero, never = p.constant(0.0), p.constant(np.array(-np.inf, np.float32))
    scores = p.op("MatMul", q, p.op("Transpose", k, perm=[0, 1, 3, 2]))
    weights = p.op("Softmax", p.op("Add", scores, p.op("Where", mask, zero, never)), axis=-1)
    weights = p.op("Where", p.op("IsNaN", weights), zero, weights)
    p.output(p.op("MatMul", weights, v))
    check(p, "causal-mask", 1)


def shifted(p: PatternBatch) -> None:
    """Queries that come after a cache: their positions don't start at 0."""
    rows, columns = extents(p)
    attend(p, p.op("LessOrEqual", positions(p, columns, 0), positions(p, rows, 1, start=2)))


def strictly_past(p: PatternBatch) -> None:
    rows, columns = extents(p)
    attend(p, p.op("Less", positions(p, columns, 0), positions(p, rows, 1)))


def future(p: PatternBatch) -> None:
    rows, columns = extents(p)
    attend(p, p.op("GreaterOrEqual", positions(p, columns, 0), positions(p, rows, 1)))


def band(p: PatternBatch) -> None:
    attend_static(p, p.constant(np.tri(M, N, dtype=bool) & ~np.tri(M, N, -2, dtype=bool)))


def last_aligned(p: PatternBatch) -> None:
    """The last query sees every key: a triangle that starts further right."""
    attend_static(p, p.constant(np.tri(M, N, N - M, dtype=bool)))


def soft(p: PatternBatch) -> None:
    """Later keys count less, but they count."""
    attend_static(p, p.constant(np.where(np.tri(M, N), 0, -2).astype(np.float32)))


def one_row(p: PatternBatch) -> None:
    """The first key only, for all queries: the first row of a triangle."""
    attend_static(p, p.constant(np.tri(1, N, dtype=bool)))


def cut_inside(p: PatternBatch) -> None:
    """A window of a triangle that doesn't start at its corner."""
    rows, columns = (p.op("Unsqueeze", x, p.constant([0])) for x in extents(p))
    three = p.constant([3])
    end = p.op("Add", rows, three)
    window = p.op("Slice", p.constant(np.tri(16, dtype=bool)), three, end, p.constant([0]))
    attend(p, p.op("Slice", window, p.constant([0]), columns, p.constant([1])))


def finite_choice_of_both(p: PatternBatch) -> None:
    """A row without keys is an average of all values, not of the past ones."""
    rows, columns = extents(p)
    past = p.op("LessOrEqual", positions(p, columns, 0), positions(p, rows, 1))
    both = p.op("And", past, padding(p))
    attend(p, p.op("Where", both, p.constant(0.0), p.constant(LOWEST)))


LOOKALIKES: list[Callable[[PatternBatch], None]] = [
    shifted, strictly_past, future, band, last_aligned, soft, one_row, cut_inside,
    finite_choice_of_both,
]  # fmt: skip


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=lambda f: f.__name__)
def test_other_masks_stay(lookalike: Callable[[PatternBatch], None]) -> None:
    p = PatternBatch(opset=23)
    lookalike(p)
    keys, patterns = p.passes()
    assert keys["attention"] == 1
    assert patterns["causal-mask"].found == 0


def test_masks_that_forbid_nothing_go() -> None:
    p = PatternBatch(opset=23)
    attend_static(p, p.constant(np.ones((M, N), bool)))
    attend_static(p, p.constant(np.zeros((1, 1, M, N), np.float32)))
    check(p, "drop-mask", 2)


def test_grouped_heads() -> None:
    p = PatternBatch(opset=23)
    q = p.input(normal(B, H, M, D), ("B", H, "M", D))
    repeated = []
    for _ in range(2):
        x = p.input(normal(B, 2, N, D), ("B", 2, "N", D))
        wide = p.op("Expand", p.op("Unsqueeze", x, p.constant([2])), p.constant([1, 1, 2, 1, 1]))
        repeated.append(p.op("Reshape", wide, p.constant([0, H, -1, D])))
    p.output(p.op("Attention", q, *repeated))
    check(p, "grouped-heads", 1)
    keys, _ = p.passes()
    assert not keys["onnx.Expand"]
