"""The comparison with ONNX Runtime sees what it should."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.numerics import difference, largest_difference
from onnx_text import model


def test_difference_is_relative_to_the_largest_output() -> None:
    expected = np.array([1.0, -10.0], np.float32)
    actual = np.array([1.1, -10.0], np.float32)
    assert difference(actual, expected) == pytest.approx(0.01, rel=1e-5)
    assert difference(expected, expected) == 0.0


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ([1.0, 2.0], [1.0]),
        ([np.nan], [1.0]),
        ([1.0], [np.inf]),
        ([np.inf], [np.nan]),
    ],
)
def test_other_shapes_and_infinities_differ_without_bound(
    actual: list[float], expected: list[float]
) -> None:
    assert difference(np.array(actual), np.array(expected)) == np.inf


def test_a_model_is_run_on_every_draw() -> None:
    proto = model("float[N,4] x", "float[N,4] y", "y = Relu(x)")
    rng = np.random.default_rng(0)
    draws = [{"x": rng.standard_normal((n, 4), dtype=np.float32)} for n in (1, 5)]
    assert largest_difference(proto, draws) == 0.0
