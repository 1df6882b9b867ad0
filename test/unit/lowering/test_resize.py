"""Resize against the ONNX reference evaluator.

Tolerances: a weighted sum of up to a dozen f32 elements of size one is good to 1e-5; weights that
the program computes itself come from f32 coordinates below a hundred, good to 1e-4. The nearest
element is exact. The reference rounds integers as specified, and its f64 sums may fall on the other
side of a half than ours: one unit.
"""

from __future__ import annotations

import numpy as np
import pytest

from execution import run_model
from node_batch import NodeBatch
from single_node import model_of


def normal(seed: int, *shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


EXACT = {"rtol": 0.0, "atol": 0.0}
FIXED = {"rtol": 1e-5, "atol": 1e-5}
COMPUTED = {"rtol": 1e-4, "atol": 1e-4}


def test_nearest_by_scales() -> None:
    batch = NodeBatch(19)
    x = batch.input(normal(1, 2, 3, 5, 7))
    for scales, settings in (
        # Repetition: an integer factor.
        ((1, 1, 2, 3), {}),
        ((1, 1, 2, 2), {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
        # Arbitrary indices.
        ((1, 1, 0.6, 2.5), {"nearest_mode": "ceil"}),
        ((1, 2, 1.7, 0.5), {"nearest_mode": "round_prefer_ceil"}),
        ((2, 1, 3, 1.4), {"coordinate_transformation_mode": "align_corners"}),
    ):
        batch.node("Resize", [x, "", batch.constant(f32(*scales))], **settings)
    batch.check()


@pytest.mark.parametrize("dynamic", [False, True])
def test_interpolation_by_scales(dynamic: bool) -> None:
    batch = NodeBatch(19, dynamic=dynamic)
    x, scales = batch.input(normal(2, 1, 2, 5, 6)), batch.constant(f32(1, 1, 1.7, 0.6))
    for mode in ("linear", "cubic"):
        for form in ("half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"):
            settings = {"mode": mode, "coordinate_transformation_mode": form}
            batch.node("Resize", [x, "", scales], **settings)
    batch.check(**(COMPUTED if dynamic else FIXED))


@pytest.mark.parametrize("known", [True, False])
def test_sizes_of_some_axes(known: bool) -> None:
    """The sizes are constants, or inputs of the model, and the output's extents unknown."""
    batch = NodeBatch(19)
    x = batch.input(normal(3, 2, 7, 1, 11))
    sizes = (batch.constant if known else batch.input)(i64(9, 4))
    for settings in (
        {"mode": "nearest"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5},
        {"mode": "linear", "antialias": 1},
        {"mode": "cubic", "antialias": 1, "exclude_outside": 1},
        {"mode": "linear", "keep_aspect_ratio_policy": "not_larger"},
        {"mode": "nearest", "keep_aspect_ratio_policy": "not_smaller"},
    ):
        tolerance = EXACT if settings["mode"] == "nearest" else COMPUTED
        batch.node("Resize", [x, "", "", sizes], axes=[3, 1], **settings, **tolerance)
    batch.check()


def test_scales_at_run_time() -> None:
    """Also of an extent of 1, where the output's is 1 or 2."""
    batch = NodeBatch(18)
    x, scales = batch.input(normal(4, 1, 3, 6)), batch.input(f32(2.9, 2.34, 0.7))
    for mode in ("nearest", "linear"):
        batch.node("Resize", [x, "", scales], mode=mode)
    batch.check(**COMPUTED)


@pytest.mark.parametrize("known", [True, False])
def test_region(known: bool) -> None:
    batch = NodeBatch(19)
    x, sizes = batch.input(normal(5, 2, 6, 7)), batch.constant(i64(5, 8))
    region = (batch.constant if known else batch.input)(f32(0.21, -0.3, 0.93, 1.2))
    settings = {
        "axes": [1, 2],
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "extrapolation_value": 2.5,
    }
    for mode in ("nearest", "linear", "cubic"):
        tolerance = EXACT if mode == "nearest" else COMPUTED
        batch.node("Resize", [x, region, "", sizes], mode=mode, **settings, **tolerance)
    batch.check()


def test_element_types() -> None:
    """The reference's f64 results carry its f32 coefficients."""
    batch = NodeBatch(19)
    scales = batch.constant(f32(1, 1, 1.5, 2))
    for dtype, rtol, atol in (
        ("float16", 2e-3, 2e-3),
        ("float64", 1e-5, 1e-4),
        ("uint8", 0, 1),
        ("int32", 0, 1),
    ):
        x = batch.input(np.random.default_rng(6).uniform(0, 255, (1, 1, 4, 5)).astype(dtype))
        batch.node("Resize", [x, "", scales], mode="cubic", rtol=rtol, atol=atol)
    batch.check()


def test_oldest_form() -> None:
    """Operator set 10 has scales as its second input, and coordinates without half pixels."""
    x, scales = normal(7, 1, 2, 3, 3), f32(1, 1, 2, 3)
    constants = {1: scales}
    model = model_of("Resize", [x, scales], ["float32"], constants=constants, opset=10)
    (got,) = run_model(model, {"in0": x})
    np.testing.assert_array_equal(got, x.repeat(2, axis=2).repeat(3, axis=3))
