"""Resize against the ONNX reference evaluator.

Tolerances: a weighted sum of up to a dozen f32 elements of size one is good to 1e-5; weights that
the program computes itself come from f32 coordinates below a hundred, good to 1e-4. The nearest
element is exact. The reference rounds integers as specified, and its f64 sums may fall on the other
side of a half than ours: one unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from execution import run_model
from single_node import check, model_of


def normal(seed: int, *shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


EXACT = {"rtol": 0.0, "atol": 0.0}
FIXED = {"rtol": 1e-5, "atol": 1e-5}
COMPUTED = {"rtol": 1e-4, "atol": 1e-4}


@pytest.mark.parametrize(
    ("scales", "settings"),
    [
        # Repetition: an integer factor.
        ((1, 1, 2, 3), {}),
        ((1, 1, 2, 2), {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}),
        # Arbitrary indices.
        ((1, 1, 0.6, 2.5), {"nearest_mode": "ceil"}),
        ((1, 2, 1.7, 0.5), {"nearest_mode": "round_prefer_ceil"}),
        ((2, 1, 3, 1.4), {"coordinate_transformation_mode": "align_corners"}),
    ],
)
def test_nearest_by_scales(scales: tuple[float, ...], settings: dict[str, Any]) -> None:
    x = normal(1, 2, 3, 5, 7)
    check(
        "Resize",
        [x, None, f32(*scales)],
        constants={2: f32(*scales)},
        opset=19,
        **settings,
        **EXACT,
    )


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]
)
def test_interpolation_by_scales(mode: str, coordinates: str, dynamic: bool) -> None:
    scales = f32(1, 1, 1.7, 0.6)
    check(
        "Resize",
        [normal(2, 1, 2, 5, 6), None, scales],
        constants={2: scales},
        opset=19,
        mode=mode,
        coordinate_transformation_mode=coordinates,
        dynamic=dynamic,
        **(COMPUTED if dynamic else FIXED),
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "nearest"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5},
        {"mode": "linear", "antialias": 1},
        {"mode": "cubic", "antialias": 1, "exclude_outside": 1},
        {"mode": "linear", "keep_aspect_ratio_policy": "not_larger"},
        {"mode": "nearest", "keep_aspect_ratio_policy": "not_smaller"},
    ],
)
def test_sizes_of_some_axes(settings: dict[str, Any], known: bool) -> None:
    """The sizes are constants, or inputs of the model, and the output's extents unknown."""
    sizes = i64(9, 4)
    check(
        "Resize",
        [normal(3, 2, 7, 1, 11), None, None, sizes],
        constants={3: sizes} if known else None,
        axes=[3, 1],
        opset=19,
        **settings,
        **(EXACT if settings["mode"] == "nearest" else COMPUTED),
    )


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_scales_at_run_time(mode: str) -> None:
    """Also of an extent of 1, where the output's is 1 or 2."""
    check(
        "Resize",
        [normal(4, 1, 3, 6), None, f32(2.9, 2.34, 0.7)],
        opset=18,
        mode=mode,
        **COMPUTED,
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_region(mode: str, known: bool) -> None:
    roi, sizes = f32(0.21, -0.3, 0.93, 1.2), i64(5, 8)
    check(
        "Resize",
        [normal(5, 2, 6, 7), roi, None, sizes],
        constants={1: roi, 3: sizes} if known else {3: sizes},
        axes=[1, 2],
        opset=19,
        mode=mode,
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=2.5,
        **(EXACT if mode == "nearest" else COMPUTED),
    )


@pytest.mark.parametrize(
    ("dtype", "rtol", "atol"),
    [("float16", 2e-3, 2e-3), ("float64", 1e-5, 1e-4), ("uint8", 0, 1), ("int32", 0, 1)],
)
def test_element_types(dtype: str, rtol: float, atol: float) -> None:
    """The reference's f64 results carry its f32 coefficients."""
    x = np.random.default_rng(6).uniform(0, 255, (1, 1, 4, 5)).astype(dtype)
    scales = f32(1, 1, 1.5, 2)
    settings: dict[str, Any] = {"constants": {2: scales}, "opset": 19, "mode": "cubic"}
    check("Resize", [x, None, scales], [dtype], rtol=rtol, atol=atol, **settings)


def test_oldest_form() -> None:
    """Operator set 10 has scales as its second input, and coordinates without half pixels."""
    x, scales = normal(7, 1, 2, 3, 3), f32(1, 1, 2, 3)
    constants = {1: scales}
    model = model_of("Resize", [x, scales], ["float32"], constants=constants, opset=10)
    (got,) = run_model(model, {"in0": x})
    np.testing.assert_array_equal(got, x.repeat(2, axis=2).repeat(3, axis=3))
