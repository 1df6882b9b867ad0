"""Det, IsInf and Mean against numpy."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from node_batch import NodeBatch
from noema.errors import UnsupportedModel
from single_node import run_both

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_determinants(dtype: type) -> None:
    """Of orders 1 to 6, also where rows must be exchanged, and of singular matrices."""
    rng = np.random.default_rng(1)
    batch = NodeBatch()
    for order in range(1, 7):
        array = rng.standard_normal((2, 3, order, order)).astype(dtype)
        array[0, 0, 0, 0] = 0
        if order > 1:
            array[0, 1, -1] = array[0, 1, 0]
        expected = np.linalg.det(array.astype(np.float64)).astype(dtype)
        batch.node("Det", [batch.input(array)], expect=[expected])
    exchange = np.eye(4)[[3, 0, 2, 1]].astype(dtype)
    batch.node("Det", [batch.input(exchange)], expect=[np.asarray(np.linalg.det(exchange), dtype)])
    zeros = np.zeros((3, 3), dtype)
    batch.node("Det", [batch.input(zeros)], expect=[np.zeros((), dtype)])
    # Some thirty roundings of intermediate results that are no larger than 10.
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    batch.check(rtol=tolerance, atol=tolerance)


def test_determinants_of_an_unknown_number_of_matrices() -> None:
    array = np.random.default_rng(2).standard_normal((5, 3, 3)).astype(np.float32)
    batch = NodeBatch()
    x = batch.input(array, dynamic=[True, False, False])
    batch.node("Det", [x], expect=[np.linalg.det(array.astype(np.float64)).astype(np.float32)])
    batch.check(rtol=1e-5, atol=1e-5)


def test_large_determinants_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="Det"):
        run_both("Det", [np.eye(9, dtype=np.float32)], opset=11)


@BOTH
@DTYPES
def test_infinities(dtype: Any, dynamic: bool) -> None:
    array = np.array([[np.inf, -np.inf, np.nan], [0, -1, np.finfo(np.float16).max]], dtype)
    batch = NodeBatch(20, dynamic=dynamic)
    x = batch.input(array)
    wide = array.astype(np.float64)
    for negative in (0, 1):
        for positive in (0, 1):
            expected = (negative & np.isneginf(wide)) | (positive & np.isposinf(wide))
            flags = {"detect_negative": negative, "detect_positive": positive}
            batch.node("IsInf", [x], expect=[expected.astype(bool)], **flags)
    batch.node("IsInf", [x], expect=[np.isinf(wide)])
    batch.check()


@BOTH
@DTYPES
def test_means(dtype: Any, dynamic: bool) -> None:
    """Of one to four operands, which broadcast; an extent that isn't known is none that does."""
    rng = np.random.default_rng(3)
    batch = NodeBatch(13)
    first = (2, 3, 4) if dynamic else (2, 1, 4)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (first, (3, 1), (4,), ())]
    names = [batch.input(a, dynamic=dynamic and a is arrays[0]) for a in arrays]
    for count in range(1, 5):
        total = sum(a.astype(np.float64) for a in arrays[:count])
        batch.node("Mean", names[:count], expect=[np.asarray(total / count, dtype)])
    # Sums in f32 or wider, rounded once to the result.
    step = float(ml_dtypes.finfo(dtype).eps)
    batch.check(rtol=step, atol=step)
