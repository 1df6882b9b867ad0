"""GridSample, DeformConv and the region poolings against ONNX Runtime or the reference evaluator.

Tolerance: coordinates of some ten elements in f32 are good to 1e-6, and elements of size one differ
by about one between neighbours; sums of a few dozen of them are good to 1e-4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from execution import run_model
from single_node import check, feeds_of, model_of


def compare(op: str, inputs: list[Any], dtype: str = "float32", **settings: Any) -> None:
    """Against ONNX Runtime."""
    model = model_of(op, inputs, [dtype], **settings)
    feeds = feeds_of(inputs, settings.get("constants"))
    (expected,) = ort.InferenceSession(model.SerializeToString()).run(None, feeds)
    (got,) = run_model(model, feeds)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_grid_of_images(mode: str, padding: str, corners: int) -> None:
    """Also of places far outside; with channels few and many, and extents known or not."""
    rng = np.random.default_rng(len(mode) * len(padding))
    x = normal(rng, 2, 3 if corners else 9, 5, 7)
    grid = normal(rng, 2, 4, 6, 2) * 1.5
    compare(
        "GridSample",
        [x, grid],
        opset=20,
        mode=mode,
        padding_mode=padding,
        align_corners=corners,
        dynamic=padding == "border",
    )


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "reflection"])
def test_grid_of_volumes(mode: str, padding: str) -> None:
    """The reference has f32 coordinates too, but cubic sums of its own order."""
    rng = np.random.default_rng(len(mode))
    grid = rng.uniform(-1.3, 1.3, (1, 2, 2, 3, 3)).astype(np.float32)
    check(
        "GridSample",
        [normal(rng, 1, 2, 3, 4, 5), grid],
        opset=20,
        mode=mode,
        padding_mode=padding,
        rtol=1e-4,
        atol=1e-4,
    )


def test_grid_of_opset_16_and_other_types() -> None:
    rng = np.random.default_rng(3)
    x, grid = normal(rng, 1, 2, 4, 4), normal(rng, 1, 3, 5, 2)
    compare("GridSample", [x, grid], opset=16, mode="bilinear")
    integers = (x * 50).astype(np.int32)
    check("GridSample", [integers, grid], ["int32"], opset=20, mode="nearest", rtol=0, atol=0)


def test_infinite_neighbours_outside_do_not_count() -> None:
    """Beside an infinity, what the grid doesn't touch stays finite."""
    x = np.array([[[[1.0, np.inf], [3.0, 4.0]]]], np.float32)
    grid = np.array([[[[-1.5, -0.5], [-0.5, 0.5]]]], np.float32)
    compare("GridSample", [x, grid], opset=20, mode="linear")


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("group", "offset_group", "dynamic"), [(1, 1, False), (2, 4, False), (2, 1, True)]
)
def test_deformed_convolution(group: int, offset_group: int, dynamic: bool, masked: bool) -> None:
    """Kernel 3 × 2, strides 2 × 1, dilations 1 × 2, so that 7 × 6 gives 4 × 6."""
    rng = np.random.default_rng(group + offset_group)
    weight = normal(rng, 6, 8 // group, 3, 2)
    inputs = [
        normal(rng, 2, 8, 7, 6),
        weight,
        normal(rng, 2, offset_group * 12, 4, 6),
        normal(rng, 6),
        normal(rng, 2, offset_group * 6, 4, 6) if masked else None,
    ]
    settings: dict[str, Any] = {
        "opset": 22, "group": group, "offset_group": offset_group, "strides": [2, 1],
        "dilations": [1, 2], "pads": [1, 1, 1, 1], "constants": {1: weight},
    }  # fmt: skip
    model = model_of("DeformConv", inputs, ["float32"], **settings)
    if dynamic:
        for i in range(len(model.graph.input)):
            shape = model.graph.input[i].type.tensor_type.shape
            for axis in (0, 2, 3):
                if axis < len(shape.dim):
                    shape.dim[axis].dim_param = f"d{i}_{axis}"
    feeds = feeds_of(inputs, {1: weight})
    (got,) = run_model(model, feeds)
    np.testing.assert_allclose(got, deformed(*inputs, settings), rtol=1e-4, atol=1e-4)


def deformed(
    x: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray,
    bias: np.ndarray,
    mask: np.ndarray | None,
    settings: dict[str, Any],
) -> np.ndarray:
    """The definition, element by element: the reference evaluator takes minutes."""
    batch, channels, rows, columns = x.shape
    filters, per_group, height, width = weight.shape
    lines, places = offset.shape[2:]
    result = np.zeros((batch, filters, lines, places)) + bias[:, None, None]
    for n, c, i, j, a, b in np.ndindex(batch, channels, lines, places, height, width):
        k = a * width + b
        part = c // (channels // settings["offset_group"])
        dy, dx = offset[n, part * 2 * height * width + 2 * k :][:2, i, j]
        y = i * settings["strides"][0] - 1 + a * settings["dilations"][0] + dy
        z = j * settings["strides"][1] - 1 + b * settings["dilations"][1] + dx
        top, left = int(np.floor(y)), int(np.floor(z))
        value = 0.0
        for u, v in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            if 0 <= u < rows and 0 <= v < columns:
                value += (1 - abs(y - u)) * (1 - abs(z - v)) * x[n, c, u, v]
        if mask is not None:
            value *= mask[n, part * height * width + k, i, j]
        group = c // per_group
        own = slice(*(np.array([group, group + 1]) * filters // settings["group"]))
        result[n, own, i, j] += weight[own, c % per_group, a, b] * value
    return result
