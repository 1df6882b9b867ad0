"""Reductions and running sums against numpy.

Tolerances: a float32 sum of n elements of size one is good to n · 1e-7, of which 1e-5 leaves a
multiple here; 16-bit results are rounded to 1e-3 (float16) or 1e-2 (bfloat16) of themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from node_batch import NodeBatch

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])


def _log_sum_exp(x: np.ndarray, **how: object) -> np.ndarray:
    top = np.max(x, **how)  # type: ignore[call-overload]
    return top + np.log(np.sum(np.exp(x - np.max(x, axis=how["axis"], keepdims=True)), **how))  # type: ignore[call-overload]


REDUCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "ReduceSum": np.sum,
    "ReduceMean": np.mean,
    "ReduceMax": np.max,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceL1": lambda x, **how: np.sum(np.abs(x), **how),
    "ReduceL2": lambda x, **how: np.sqrt(np.sum(np.square(x), **how)),
    "ReduceLogSum": lambda x, **how: np.log(np.sum(x, **how)),
    "ReduceLogSumExp": _log_sum_exp,
    "ReduceSumSquare": lambda x, **how: np.sum(np.square(x), **how),
}


@BOTH
@pytest.mark.parametrize("operator", REDUCTIONS)
def test_axes_known_to_the_compiler_or_not(operator: str, dynamic: bool) -> None:
    rng = np.random.default_rng(1)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(rng.uniform(0.5, 1.5, (3, 1, 5, 7)).astype(np.float32))
    for axes in ([0], [-1], [1, 2], [3, 0], [0, 1, 2, 3]):
        for keepdims in (0, 1):
            how = {"axis": tuple(axes), "keepdims": bool(keepdims)}
            expected = REDUCTIONS[operator](batch.value(x), **how).astype(np.float32)
            for given in (batch.constant(axes), batch.input(np.array(axes), dynamic=False)):
                batch.node(operator, [x, given], keepdims=keepdims, expect=[expected])
    everything = REDUCTIONS[operator](batch.value(x), axis=None, keepdims=True)
    batch.node(operator, [x], expect=[everything.astype(np.float32)])
    batch.check(rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(np.float64, 1e-12), (np.float16, 1e-3), (ml_dtypes.bfloat16, 1e-2)],
    ids=["float64", "float16", "bfloat16"],
)
def test_float_types(dtype: type, tolerance: float) -> None:
    """Narrow types are summed in float32: 3,000 ones are 3,000, not 2,048."""
    rng = np.random.default_rng(2)
    batch = NodeBatch(dynamic=True)
    x = batch.input(rng.uniform(0.5, 1.5, (4, 33)).astype(dtype))
    wide = batch.value(x).astype(np.float64)
    for operator, function in REDUCTIONS.items():
        if operator != "ReduceProd":
            expected = function(wide, axis=(1,), keepdims=True).astype(dtype)
            batch.node(operator, [x, batch.constant([1])], expect=[expected])
    ones = batch.input(np.ones((3000,), dtype))
    batch.node("ReduceSum", [ones], keepdims=0, expect=[np.array(3000, dtype)])
    batch.check(rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32, np.uint64])
def test_integers_wrap_and_means_truncate(dtype: type) -> None:
    rng = np.random.default_rng(3)
    batch = NodeBatch(dynamic=True)
    low = 0 if np.dtype(dtype).kind == "u" else -(2**30)
    x = batch.input(rng.integers(low, 2**30, (4, 9)).astype(dtype))
    value = batch.value(x)
    with np.errstate(over="ignore"):
        for operator in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare"):
            function = REDUCTIONS[operator]
            if operator in ("ReduceSum", "ReduceProd"):
                expected = function(value, axis=1, keepdims=True, dtype=dtype)
            elif operator == "ReduceSumSquare":
                expected = np.sum(value * value, axis=1, keepdims=True, dtype=dtype)
            else:
                expected = function(value, axis=1, keepdims=True)
            batch.node(operator, [x, batch.constant([1])], expect=[expected])
    mean = np.trunc(np.mean(value.astype(np.float64), axis=1, keepdims=True)).astype(dtype)
    batch.node("ReduceMean", [x, batch.constant([1])], expect=[mean])
    small = batch.input(np.array([[3, 4], [5, 12]], dtype))
    batch.node("ReduceL2", [small, batch.constant([1])], expect=[np.array([[5], [13]], dtype)])
    batch.check()


def test_extremes_of_small_types() -> None:
    rng = np.random.default_rng(4)
    batch = NodeBatch(dynamic=True)
    for dtype in (np.int8, np.uint8, np.bool_):
        values = rng.integers(-200, 200, (5, 6)).astype(np.int8)
        x = batch.input((values > 50) if dtype is np.bool_ else values.view(dtype))
        for operator in ("ReduceMax", "ReduceMin"):
            expected = REDUCTIONS[operator](batch.value(x), axis=1, keepdims=True)
            batch.node(operator, [x, batch.constant([1])], expect=[expected])
    batch.check()


def test_nan_and_infinities() -> None:
    inf, nan = np.inf, np.nan
    batch = NodeBatch()
    x = np.array([[1, nan, 3], [-inf, -inf, -inf], [inf, 1, 2]], np.float32)
    name = batch.input(x)
    last = batch.constant([1])
    for operator, expected in {
        "ReduceMax": [nan, -inf, inf],
        "ReduceMin": [nan, -inf, 1],
        "ReduceLogSumExp": [nan, -inf, inf],
    }.items():
        batch.node(operator, [name, last], keepdims=0, expect=[np.array(expected, np.float32)])
    large = batch.input(np.array([[1000, 1000]], np.float32))
    expected = np.array([1000 + np.log(2)], np.float32)
    batch.node("ReduceLogSumExp", [large, last], keepdims=0, expect=[expected])
    batch.check(rtol=1e-6)


def test_nothing_reduces_to_the_identity() -> None:
    inf = np.inf
    batch = NodeBatch()
    x = batch.input(np.zeros((2, 0, 3), np.float32))
    axis = batch.constant([1])
    for operator, value in {
        "ReduceSum": 0, "ReduceProd": 1, "ReduceMax": -inf, "ReduceMin": inf, "ReduceL1": 0,
        "ReduceL2": 0, "ReduceLogSum": -inf, "ReduceLogSumExp": -inf, "ReduceSumSquare": 0,
    }.items():  # fmt: skip
        batch.node(operator, [x, axis], expect=[np.full((2, 1, 3), value, np.float32)])
    batch.node("ReduceSum", [x, batch.constant([0])], expect=[np.zeros((1, 0, 3), np.float32)])
    batch.check()


def test_no_axes() -> None:
    """They mean all dimensions, or none if the attribute says so; the rest is still computed."""
    batch = NodeBatch()
    x = batch.input(np.array([[3.0, -4.0]], np.float32))
    none = batch.constant([])
    value = batch.value(x)
    batch.node("ReduceSum", [x, none], expect=[np.array([[-1]], np.float32)])
    batch.node("ReduceSum", [x, none], noop_with_empty_axes=1, expect=[value])
    batch.node("ReduceSumSquare", [x, none], noop_with_empty_axes=1, expect=[value**2])
    batch.node("ReduceL2", [x], noop_with_empty_axes=1, expect=[np.abs(value)])
    batch.check()


def test_axes_as_an_attribute() -> None:
    batch = NodeBatch(opset=11)
    x = batch.input(np.arange(12, dtype=np.float32).reshape(3, 4))
    batch.node("ReduceMean", [x], axes=[-1], keepdims=0)
    batch.node("ReduceSum", [x], axes=[0])
    batch.check()


@BOTH
@pytest.mark.parametrize("operator", ["CumSum", "CumProd"])
def test_running_sums_and_products(operator: str, dynamic: bool) -> None:
    rng = np.random.default_rng(5)
    batch = NodeBatch(opset=26, dynamic=dynamic)
    for dtype in (np.float32, np.int64, np.float64):
        x = batch.input(rng.integers(1, 4, (3, 4, 5)).astype(dtype))
        for axis in (0, 1, -1):
            for exclusive in (0, 1):
                for reverse in (0, 1):
                    expected = _running(operator, batch.value(x), axis, exclusive, reverse)
                    given = batch.constant(np.array(axis))
                    flags = {"exclusive": exclusive, "reverse": reverse}
                    batch.node(operator, [x, given], expect=[expected], **flags)
        given = batch.input(np.array(-2), dynamic=False)
        expected = _running(operator, batch.value(x), -2, 0, 1)
        batch.node(operator, [x, given], reverse=1, expect=[expected])
    batch.check()


def _running(operator: str, x: np.ndarray, axis: int, exclusive: int, reverse: int) -> np.ndarray:
    function, identity = (np.cumsum, 0) if operator == "CumSum" else (np.cumprod, 1)
    x = np.flip(x, axis) if reverse else x
    if exclusive:
        first = np.full_like(np.take(x, [0], axis), identity)
        x = np.concatenate([first, np.delete(x, -1, axis)], axis)
    result = function(x, axis=axis, dtype=x.dtype)
    return np.flip(result, axis) if reverse else result


def test_lp_normalization() -> None:
    rng = np.random.default_rng(6)
    batch = NodeBatch(opset=22, dynamic=True)
    value = rng.standard_normal((3, 4, 5)).astype(np.float32)
    value[1] = 0
    x = batch.input(value)
    for p in (1, 2):
        for axis in (-1, 0, 1):
            norm = np.linalg.norm(value, p, axis, keepdims=True)
            expected = np.divide(value, norm, where=norm != 0, out=np.zeros_like(value))
            batch.node("LpNormalization", [x], p=p, axis=axis, expect=[expected])
    batch.check(rtol=1e-5, atol=1e-6)
