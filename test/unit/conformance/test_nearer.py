from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from onnx import helper

from conformance.cases import Case, Value
from conformance.nearer import nearer
from conformance.outcome import Outcome
from conformance.worker import run_case


class _Returns:
    """A backend that returns what it was given."""

    packages: ClassVar[Sequence[str]] = ()

    def __init__(self, *outputs: Value) -> None:
        self.outputs = outputs

    def run(self, case: Case) -> Sequence[Value]:
        return self.outputs

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        raise error


def _case(dtype: type) -> tuple[Case, np.ndarray[Any, Any]]:
    """(x + big) - big, whose stored values have lost what x has below the steps of big; and x."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "big"], ["sum"]),
            helper.make_node("Sub", ["sum", "big"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info(n, kind, None) for n in ("x", "big")],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    x = np.array([0.1, 0.25, 0.7, 1.0], dtype)
    big = np.array([100], dtype)
    stored = (x + big) - big
    return Case("t", "Sub", False, model, (x, big), (stored,), 1e-3, 1e-7), x


def test_a_better_result_is_nearer() -> None:
    case, exact = _case(np.float16)
    outcome, detail = run_case(_Returns(exact), case)
    assert outcome is Outcome.NEARER
    assert "output y: largest error 0.0e+00, of the stored values 2.5e-02" in detail
    assert outcome.is_clean


def test_stored_values_pass() -> None:
    case, _ = _case(np.float16)
    assert run_case(_Returns(case.outputs[0]), case) == (Outcome.PASS, "")


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("error", [3e-3, -0.5, 20.0])
def test_a_perturbed_result_is_wrong(index: int, error: float) -> None:
    """Also where one element is off by less than the stored values are elsewhere."""
    case, exact = _case(np.float16)
    bad = exact.copy()
    bad[index] += np.float16(error)
    assert run_case(_Returns(bad), case)[0] is Outcome.WRONG


def test_within_the_tolerance_but_worse_than_the_stored_is_wrong() -> None:
    """float32: each element may be off by 1e-3 of itself, but not all in all by more than they."""
    case, exact = _case(np.float32)
    stored = case.outputs[0].copy()
    stored[:] = exact
    stored[0] -= np.float32(2e-4)  # the only error of what is stored
    case = Case("t", "Sub", False, case.model, case.inputs, (stored,), 1e-3, 1e-7)
    assert run_case(_Returns(exact), case)[0] is Outcome.NEARER
    worse = exact.copy()
    worse[3] += np.float32(5e-4)
    assert run_case(_Returns(worse), case)[0] is Outcome.WRONG


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_must_be_as_stored(value: float) -> None:
    case, exact = _case(np.float16)
    bad = exact.copy()
    bad[0] = value
    assert run_case(_Returns(bad), case)[0] is Outcome.WRONG


def test_other_types_shapes_and_random_values_are_not_judged() -> None:
    case, exact = _case(np.float16)
    assert nearer(case, [exact.astype(np.float32)]) is None
    assert nearer(case, [exact[:3]]) is None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.graph.node.add(op_type="RandomNormal", output=["z"])
    drawn = Case("t", "Sub", False, model, case.inputs, case.outputs, 1e-3, 1e-7)
    assert nearer(drawn, [exact]) is None


def test_what_the_evaluator_cannot_do_stays_wrong() -> None:
    case, exact = _case(np.float16)
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.graph.node[0].op_type = "NoSuchOperator"
    unknown = Case("t", "Sub", False, model, case.inputs, case.outputs, 1e-3, 1e-7)
    assert run_case(_Returns(exact), unknown)[0] is Outcome.WRONG
