"""ConvTranspose against ONNX Runtime (the reference evaluator gets groups wrong), and Col2Im.

Tolerance: sums of up to a hundred products of f32 of size one are good to 1e-5 of their size,
which is ten; f16 inputs are rounded once on the way out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from execution import run_model
from single_node import check, feeds_of, model_of

CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    # X (N, C, …), W (C, F/g, …)
    "doubling": ((2, 3, 5, 7), (3, 4, 2, 2), {"strides": [2, 2]}),
    "overlap": ((1, 3, 4, 5), (3, 2, 3, 4), {"strides": [2, 3], "pads": [1, 0, 2, 1]}),
    "longer": (
        (1, 2, 4, 4),
        (2, 3, 3, 3),
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    ),
    "dilated": ((2, 2, 5, 6), (2, 3, 3, 2), {"strides": [1, 2], "dilations": [2, 3]}),
    "groups": ((2, 6, 4, 3), (6, 2, 3, 3), {"group": 3, "strides": [2, 1], "pads": [0, 1, 1, 0]}),
    "depthwise": ((1, 4, 5, 5), (4, 1, 4, 4), {"group": 4, "strides": [2, 2], "pads": [1] * 4}),
    "same_upper": ((1, 2, 4, 5), (2, 2, 3, 3), {"strides": [2, 3], "auto_pad": "SAME_UPPER"}),
    "same_lower": ((1, 2, 4, 5), (2, 2, 4, 3), {"strides": [3, 2], "auto_pad": "SAME_LOWER"}),
    "cut": ((1, 2, 6, 6), (2, 2, 3, 3), {"strides": [3, 2], "output_shape": [13, 10]}),
    "wanted": ((1, 2, 3, 3), (2, 1, 3, 3), {"strides": [3, 2], "output_shape": [10, 8]}),
    "deep cut": ((1, 1, 6), (1, 2, 2), {"strides": [2], "pads": [5, 3]}),
    "line": ((2, 3, 9), (3, 2, 5), {"strides": [4], "pads": [2, 1]}),
    "volume": ((1, 2, 3, 2, 4), (2, 2, 3, 2, 3), {"strides": [2, 1, 2], "dilations": [1, 2, 1]}),
}


def expected(model: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    (result,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    return result


@pytest.mark.parametrize("case", CASES)
def test_static(case: str) -> None:
    x_shape, w_shape, attributes = CASES[case]
    rng = np.random.default_rng(len(case))
    x = rng.standard_normal(x_shape).astype(np.float32)
    w = rng.standard_normal(w_shape).astype(np.float32)
    bias = rng.standard_normal(w_shape[1] * attributes.get("group", 1)).astype(np.float32)
    inputs, constants = [x, w, bias], {1: w, 2: bias}
    settings: dict[str, Any] = {"opset": 17, "constants": constants, **attributes}
    model = model_of("ConvTranspose", inputs, ["float32"], **settings)
    feeds = feeds_of(inputs, constants)
    np.testing.assert_allclose(run_model(model, feeds)[0], expected(model, feeds), 1e-5, 1e-4)


@pytest.mark.parametrize("case", ["doubling", "longer", "groups", "same_upper", "line"])
def test_dynamic(case: str) -> None:
    x_shape, w_shape, attributes = CASES[case]
    rng = np.random.default_rng(len(case))
    x = rng.standard_normal(x_shape).astype(np.float32)
    w = rng.standard_normal(w_shape).astype(np.float32)
    settings: dict[str, Any] = {"opset": 17, "constants": {1: w}, **attributes}
    model = model_of("ConvTranspose", [x, w], ["float32"], **settings)
    shape = model.graph.input[0].type.tensor_type.shape
    for axis, dim in enumerate(shape.dim):
        if axis != 1:
            dim.dim_param = f"d{axis}"
    got = run_model(model, {"in0": x})[0]
    np.testing.assert_allclose(got, expected(model, {"in0": x}), 1e-5, 1e-4)


def test_half_precision() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 5, 4, 4)).astype(np.float16)
    w = rng.standard_normal((5, 3, 3, 3)).astype(np.float16)
    model = model_of("ConvTranspose", [x, w], ["float16"], opset=17, strides=[2, 2])
    wide = [x.astype(np.float32), w.astype(np.float32)]
    reference = model_of("ConvTranspose", wide, ["float32"], opset=17, strides=[2, 2])
    (got,) = run_model(model, feeds_of([x, w]))
    np.testing.assert_allclose(got, expected(reference, feeds_of(wide)), 1e-3, 1e-3)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_col2im(dtype: str, known: bool) -> None:
    """Windows 2 × 3 over 6 × 9 with paddings: 2 × 4 of them; extents are constants or inputs."""
    image, block = np.array([6, 9]), np.array([2, 3])
    x = np.random.default_rng(1).integers(-9, 9, (2, 3 * 6, 2 * 4)).astype(dtype)
    check(
        "Col2Im",
        [x, image, block],
        [dtype],
        opset=18,
        constants={1: image, 2: block} if known else None,
        strides=[4, 2],
        dilations=[3, 2],
        pads=[1, 0, 1, 2],
        rtol=0,
        atol=0,
    )
