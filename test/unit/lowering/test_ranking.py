"""ArgMax, ArgMin, Hardmax, TopK and Unique against numpy, exactly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from node_batch import NodeBatch
from noema.lowering.ranking import is_iterated

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
DTYPES = pytest.mark.parametrize(
    "dtype",
    [
        np.float32,
        np.float64,
        np.float16,
        ml_dtypes.bfloat16,
        np.int8,
        np.uint8,
        np.int64,
        np.uint64,
    ],
    ids=lambda d: np.dtype(d).name,
)


def tied(rng: np.random.Generator, shape: tuple[int, ...], dtype: type = np.float32) -> np.ndarray:
    """Few different values, so that there are ties; large ones, so that signs matter."""
    return (rng.integers(0, 5, shape) * 50).astype(np.uint8).astype(dtype)


@BOTH
@DTYPES
def test_arg_extremes(dtype: type, dynamic: bool) -> None:
    rng = np.random.default_rng(1)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(tied(rng, (3, 7, 4), dtype))
    value = batch.value(x).astype(np.float64)
    for axis in (0, 1, -1):
        for last in (0, 1):
            turned = np.flip(value, axis) if last else value
            for operator, function in (("ArgMax", np.argmax), ("ArgMin", np.argmin)):
                index = function(turned, axis=axis, keepdims=True)
                index = value.shape[axis] - 1 - index if last else index
                flags = {"axis": axis, "select_last_index": last}
                batch.node(operator, [x], expect=[index], **flags)
                flat = index.squeeze(axis)
                batch.node(operator, [x], keepdims=0, expect=[flat], **flags)
    batch.check()


def test_nan_is_the_extreme() -> None:
    batch = NodeBatch()
    x = batch.input(np.array([1, np.nan, 3, np.nan], np.float32))
    batch.node("ArgMax", [x], expect=[np.array([1])])
    batch.node("ArgMin", [x], expect=[np.array([1])])
    batch.check()


def test_hardmax() -> None:
    rng = np.random.default_rng(2)
    batch = NodeBatch(dynamic=True)
    x = batch.input(tied(rng, (3, 4, 5)))
    value = batch.value(x)
    for axis in (0, 1, -1):
        expected = np.zeros_like(value)
        np.put_along_axis(expected, np.argmax(value, axis, keepdims=True), 1, axis)
        batch.node("Hardmax", [x], axis=axis, expect=[expected])
    batch.check()


def top_k(x: np.ndarray, k: int, axis: int, largest: int) -> list[np.ndarray]:
    wide = x.astype(object) if x.dtype.kind in "iu" else x.astype(np.float64)
    order = np.argsort(-wide if largest else wide, axis=axis, kind="stable")
    index = np.take(order, range(k), axis)
    return [np.take_along_axis(x, index, axis), index]


@BOTH
@DTYPES
def test_top_k(dtype: type, dynamic: bool) -> None:
    """Ties go to the lower index."""
    rng = np.random.default_rng(3)
    batch = NodeBatch(opset=24, dynamic=dynamic)
    x = batch.input(tied(rng, (3, 7, 4), dtype))
    for axis, k in ((0, 2), (1, 7), (-1, 3)):
        for largest in (0, 1):
            expected = top_k(batch.value(x), k, axis, largest)
            for given in (batch.constant([k]), batch.input(np.array([k]), dynamic=False)):
                flags = {"axis": axis, "largest": largest}
                batch.node("TopK", [x, given], outputs=2, expect=expected, **flags)
    batch.check()


@pytest.mark.parametrize("largest", [0, 1])
def test_top_k_of_many(largest: int) -> None:
    """Few of many are found one after another; the result is the same."""
    rng = np.random.default_rng(4)
    batch = NodeBatch()
    n = 301
    assert is_iterated(5, n)
    for values in (rng.standard_normal((2, n)), rng.integers(0, 3, (2, n))):
        x = batch.input(values.astype(np.float32))
        expected = top_k(batch.value(x), 5, -1, largest)
        given = batch.constant([5])
        batch.node("TopK", [x, given], outputs=2, largest=largest, expect=expected)
    batch.check()


def unique(x: np.ndarray, axis: int | None, order: int) -> list[np.ndarray]:
    rows = x.reshape(-1, 1) if axis is None else np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
    distinct: list[tuple[object, ...]] = []
    for row in map(tuple, rows.tolist()):
        if row not in distinct:
            distinct.append(row)
    if order:
        distinct.sort()
    inverse = np.array([distinct.index(row) for row in map(tuple, rows.tolist())])
    first = np.array([inverse.tolist().index(k) for k in range(len(distinct))])
    values = np.take(x.reshape(-1) if axis is None else x, first, axis or 0)
    return [values, first, inverse, np.bincount(inverse)]


@BOTH
def test_unique(dynamic: bool) -> None:
    rng = np.random.default_rng(5)
    batch = NodeBatch(dynamic=dynamic)
    for dtype in (np.float32, np.int64, np.uint8):
        x = batch.input(tied(rng, (3, 4), dtype))
        for order in (0, 1):
            expected = unique(batch.value(x), None, order)
            batch.node("Unique", [x], outputs=4, sorted=order, expect=expected)
    rows = batch.input(rng.integers(0, 2, (9, 2)).astype(np.float32))
    expected = unique(batch.value(rows), 0, 1)
    batch.node("Unique", [rows], outputs=4, axis=0, expect=expected)
    some = [unique(batch.value(rows), 0, 0)[i] for i in (0, 2)]
    present = [True, False, True, False]
    batch.node("Unique", [rows], outputs=present, axis=0, sorted=0, expect=some)
    some = [unique(batch.value(rows), 1, 1)[i] for i in (0, 3)]
    present = [True, False, False, True]
    batch.node("Unique", [rows], outputs=present, axis=-1, expect=some)
    batch.check()


@BOTH
def test_compress_and_non_zero(dynamic: bool) -> None:
    rng = np.random.default_rng(6)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(tied(rng, (4, 5)))
    for axis, n in ((0, 4), (-1, 5), (None, 20), (1, 3)):
        condition = rng.random(n) < 0.5
        for given in (batch.input(condition), batch.constant(condition)):
            batch.node("Compress", [x, given], axis=axis)
    none = batch.input(np.zeros(4, np.bool_))
    batch.node("Compress", [x, none], axis=0)
    for dtype in (np.float32, np.int32, np.bool_):
        batch.node("NonZero", [batch.input(tied(rng, (3, 4, 2), dtype))])
    batch.check()
