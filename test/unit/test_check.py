"""What counts as agreement with a reference."""

from __future__ import annotations

import numpy as np
import pytest

from noema.check import TOLERANCES, Measure, Tolerance, compare
from noema.options import Precision

REFERENCE = np.array([3.0, -4.0, 0.0, 0.0], np.float32)


def errors_of(got: list[float], tolerance: float | Tolerance = 1e-4) -> tuple[float, float, bool]:
    (error,) = compare({"y": REFERENCE}, {"y": np.array(got, np.float32)}, tolerance)
    return error.max_rel, error.l2_rel, error.agrees


def test_errors_are_relative_to_the_output() -> None:
    """Largest error over largest magnitude; norm of all errors over norm of the output."""
    largest, l2, _ = errors_of([3.0, -4.0, 0.3, 0.4])
    assert (largest, l2) == pytest.approx((0.1, 0.1), rel=1e-6)
    largest, l2, _ = errors_of([3.0, -4.0, 0.0, 0.5])
    assert (largest, l2) == pytest.approx((0.125, 0.1), rel=1e-6)


def test_each_measure_has_its_limit() -> None:
    got = [3.0, -4.0, 0.0, 0.5]
    assert not errors_of(got, 0.12)[2] and errors_of(got, 0.13)[2]
    assert errors_of(got, Tolerance(0.12, Measure.L2))[2]
    assert not errors_of(got, Tolerance(0.09, Measure.L2))[2]


@pytest.mark.parametrize("measure", list(Measure))
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_agrees_only_with_itself(value: float, measure: Measure) -> None:
    wrong = errors_of([value, -4.0, 0.0, 0.0], Tolerance(1e9, measure))
    assert wrong == (float("inf"), float("inf"), False)
    both = {"y": np.array([value, 1.0])}
    (error,) = compare(both, both, Tolerance(0.0, measure))
    assert error.agrees


def test_every_precision_has_a_tolerance_that_says_what_it_is() -> None:
    assert {*TOLERANCES} == {*Precision}
    assert str(TOLERANCES[Precision.F32]) == "largest error ≤ 0.0001"
    assert str(TOLERANCES[Precision.BF16]) == "relative L2 error ≤ 0.01"
