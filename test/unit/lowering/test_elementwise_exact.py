"""Integer and remainder operators are exact: they equal numpy's, bit for bit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from execution import run_model


def run(op: str, a: NDArray[np.generic], b: NDArray[np.generic], **attributes: object):
    kinds = [helper.np_dtype_to_tensor_dtype(v.dtype) for v in (a, b)]
    graph = helper.make_graph(
        [helper.make_node(op, ["a", "b"], ["y"], name="op", **attributes)],
        "g",
        [helper.make_tensor_value_info(n, k, ["n"]) for n, k in zip("ab", kinds, strict=True)],
        [helper.make_tensor_value_info("y", kinds[0], ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)])
    return run_model(model, {"a": a, "b": b})[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fmod_over_many_magnitudes(dtype: type[np.floating]) -> None:
    """Quotients up to 2^20 or so, both signs, infinite divisors; IEEE fmod is exact."""
    rng = np.random.default_rng(8)
    a = (rng.standard_normal(997) * 10.0 ** rng.integers(-3, 4, 997)).astype(dtype)
    b = (rng.standard_normal(997) * 10.0 ** rng.integers(-2, 3, 997)).astype(dtype)
    b[:5] = np.inf, -np.inf, 1.0, -1.0, a[4]
    got = run("Mod", a, b, fmod=1)
    np.testing.assert_array_equal(got, np.fmod(a, b))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integer_power_wraps(dtype: type[np.integer]) -> None:
    rng = np.random.default_rng(9)
    base = rng.integers(-9, 10, 501).astype(dtype)
    exponent = rng.integers(0, 80, 501).astype(dtype)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run("Pow", base, exponent), base**exponent)
