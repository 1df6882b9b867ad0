from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper

from conformance.cases import Case
from conformance.compare import mismatch


def _case(expected: Any, op: str = "Abs") -> Case:
    value = helper.make_tensor_value_info("y", 1, None)
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "g", [], [value])
    # The tolerances of the suite.
    return Case("t", op, False, onnx.ModelProto(graph=graph), (), (expected,), 1e-3, 1e-7)


def _f32(*values: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (_f32(1.0005), _f32(1.0)),
        (_f32(np.nan, np.inf), _f32(np.nan, np.inf)),
        ([_f32(1), _f32(2)], [_f32(1), _f32(2)]),
        (None, None),
        (np.array(["a"], object), np.array(["a"], object)),
        # Neighbours in bfloat16 differ by 2^-7, more than the suite's 1e-3.
        (np.array([1.0078125], ml_dtypes.bfloat16), np.array([1], ml_dtypes.bfloat16)),
    ],
)
def test_accepted(got: Any, expected: Any) -> None:
    assert mismatch(_case(expected), [got]) is None


@pytest.mark.parametrize(
    ("got", "expected", "reason"),
    [
        (_f32(1.01), _f32(1.0), "1 of 1 values"),
        (_f32(np.nan), _f32(1.0), "values"),
        (_f32(np.inf), _f32(-np.inf), "values"),
        (_f32(1, 1), _f32(1), "shape"),
        (np.array([1.0]), _f32(1), "dtype float64 for float32"),
        ([_f32(1)], [_f32(1), _f32(2)], "1 elements for 2"),
        (_f32(1), None, "a tensor for nothing"),
        (np.array(["b"], object), np.array(["a"], object), "strings"),
        (np.array([3], ml_dtypes.int4), np.array([4], ml_dtypes.int4), "values"),
    ],
)
def test_refused(got: Any, expected: Any, reason: str) -> None:
    problem = mismatch(_case(expected), [got])
    assert problem is not None and reason in problem


def test_number_of_outputs_counts() -> None:
    assert mismatch(_case(_f32(1)), []) == "0 outputs for 1"


def test_random_outputs_are_compared_by_type_and_shape() -> None:
    assert mismatch(_case(_f32(0, 1), "Bernoulli"), [_f32(1, 1)]) is None
    assert mismatch(_case(_f32(0, 1), "Bernoulli"), [_f32(1)]) is not None
