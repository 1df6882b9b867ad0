"""Single nodes on constant inputs."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import helper

from noema.evaluate import EvaluationFailed, evaluate_node


def test_optional_inputs_and_outputs_may_be_missing() -> None:
    node = helper.make_node("Clip", ["x", "", "high"], ["y"])
    x = np.array([-1.0, 5.0], np.float32)
    (y,) = evaluate_node(node, [x, None, np.array(2.0, np.float32)], {"": 21})
    assert y is not None
    assert y.tolist() == [-1.0, 2.0]
    top = helper.make_node("TopK", ["x", "k"], ["", "at"])
    values, indices = evaluate_node(top, [x, np.array([1])], {"": 21})
    assert values is None
    assert indices is not None
    assert indices.tolist() == [1]


def test_same_value_twice() -> None:
    node = helper.make_node("Add", ["x", "x"], ["y"])
    x = np.array([1, 2], np.int64)
    (y,) = evaluate_node(node, [x, x], {"": 21})
    assert y is not None
    assert y.tolist() == [2, 4]


def test_opset_decides_the_meaning() -> None:
    node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    (y,) = evaluate_node(node, [np.ones((2, 3), np.float32)], {"": 13})
    assert y is not None
    assert float(y) == 6.0


def test_element_types_outside_numpy() -> None:
    node = helper.make_node("Cast", ["x"], ["y"], to=16)
    (y,) = evaluate_node(node, [np.array([1.5], np.float32)], {"": 21})
    assert y is not None
    assert y.dtype == ml_dtypes.bfloat16


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("NoSuchOp", ["x"], ["y"]),
        helper.make_node("Reshape", ["x", "x"], ["y"]),
        helper.make_node("MatMul", ["x", "nowhere"], ["y"]),
    ],
)
def test_failure_has_one_class(node: object) -> None:
    x = np.array([3.0, 4.0], np.float32)
    inputs = [x, x] if len(node.input) == 2 else [x]  # type: ignore[attr-defined]
    if "nowhere" in node.input:  # type: ignore[attr-defined]
        inputs[1] = np.ones((5, 5), np.float32)
    with pytest.raises(EvaluationFailed):
        evaluate_node(node, inputs, {"": 21})  # type: ignore[arg-type]
