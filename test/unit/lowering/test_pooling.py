"""Pooling against ONNX Runtime on random geometries.

Tolerance: a window has at most 27 elements of size one, whose float32 sum is good to 1e-6.
"""

from __future__ import annotations

import itertools

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper

from node_batch import NodeBatch

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])


def by_onnx_runtime(
    operator: str, x: np.ndarray, outputs: int, opset: int, **attributes: object
) -> list[np.ndarray]:
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(operator, ["x"], names, **attributes)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    types = [element, helper.np_dtype_to_tensor_dtype(np.dtype(np.int64))]
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info("x", element, x.shape)],
        [helper.make_tensor_value_info(n, t, None) for n, t in zip(names, types, strict=False)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": x})


def pool(
    batch: NodeBatch, operator: str, x: str, *, outputs: int = 1, **attributes: object
) -> None:
    expected = by_onnx_runtime(operator, batch.value(x), outputs, batch.opset, **attributes)
    batch.node(operator, [x], outputs=outputs, expect=expected, **attributes)


def geometry(rng: np.random.Generator, spatial: int, **fixed: object) -> dict[str, object]:
    kernel = rng.integers(1, 4, spatial)
    dilations = rng.integers(1, 3, spatial)
    made: dict[str, object] = {
        "kernel_shape": kernel.tolist(),
        "strides": rng.integers(1, 4, spatial).tolist(),
        "dilations": dilations.tolist(),
        "pads": [int(rng.integers(0, k)) for k in (*kernel, *kernel)],
        "ceil_mode": int(rng.integers(0, 2)),
    }
    made.update(fixed)
    return {k: v for k, v in made.items() if v is not None}


@BOTH
@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_random_geometries(spatial: int, dynamic: bool) -> None:
    rng = np.random.default_rng(spatial)
    batch = NodeBatch(dynamic=dynamic)
    shape = (2, 3, 9, 8, 7)[: 2 + spatial]
    x = batch.input(rng.standard_normal(shape).astype(np.float32))
    for _ in range(6):
        pool(batch, "MaxPool", x, **geometry(rng, spatial))
        pool(batch, "MaxPool", x, outputs=2, **geometry(rng, spatial))
        for include in (0, 1):
            how = geometry(rng, spatial, ceil_mode=0)
            pool(batch, "AveragePool", x, count_include_pad=include, **how)
        how = geometry(rng, spatial, ceil_mode=0)
        pool(batch, "LpPool", x, p=int(rng.integers(1, 4)), **how)
    batch.check(rtol=1e-5, atol=1e-5)


@BOTH
@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_padding(auto_pad: str, dynamic: bool) -> None:
    rng = np.random.default_rng(4)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(rng.standard_normal((1, 2, 7, 8)).astype(np.float32))
    for kernel, strides in itertools.product(([3, 2], [2, 4]), ([1, 1], [2, 3])):
        for operator in ("MaxPool", "AveragePool", "LpPool"):
            pool(batch, operator, x, kernel_shape=kernel, strides=strides, auto_pad=auto_pad)
    batch.check(rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float64, np.float16])
def test_element_types(dtype: type) -> None:
    rng = np.random.default_rng(5)
    batch = NodeBatch(dynamic=True)
    values = rng.integers(0, 250, (2, 3, 6, 6)).astype(np.uint8)
    x = batch.input(values.view(dtype) if np.dtype(dtype).itemsize == 1 else values.astype(dtype))
    value = batch.value(x).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(value, (2, 3), (2, 3))
    best = windows.max((-2, -1)).astype(dtype)
    batch.node("MaxPool", [x], kernel_shape=[2, 3], expect=[best])
    if np.dtype(dtype).kind == "f":
        mean = windows.mean((-2, -1)).astype(dtype)
        batch.node("AveragePool", [x], kernel_shape=[2, 3], expect=[mean])
        whole = value.mean((2, 3), keepdims=True).astype(dtype)
        batch.node("GlobalAveragePool", [x], expect=[whole])
    top = value.max((2, 3), keepdims=True).astype(dtype)
    if np.dtype(dtype).kind == "f":
        batch.node("GlobalMaxPool", [x], expect=[top])
    batch.check(rtol=1e-3)


def test_indices_down_the_columns() -> None:
    rng = np.random.default_rng(6)
    batch = NodeBatch()
    x = batch.input(rng.integers(0, 4, (2, 2, 5, 4)).astype(np.float32))
    for order in (0, 1):
        pool(
            batch, "MaxPool", x, outputs=2, kernel_shape=[3, 2], strides=[2, 1], storage_order=order
        )
    batch.check()


@BOTH
def test_global_pools_and_lrn(dynamic: bool) -> None:
    rng = np.random.default_rng(7)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(rng.standard_normal((2, 5, 4, 3)).astype(np.float32))
    for operator in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        pool(batch, operator, x)
    pool(batch, "GlobalLpPool", x, p=3)
    pool(batch, "LRN", x, size=3)
    pool(batch, "LRN", x, size=5, alpha=0.1, beta=0.5, bias=2.0)
    batch.check(rtol=1e-5, atol=1e-5)


@BOTH
def test_unpooling_undoes_pooling(dynamic: bool) -> None:
    rng = np.random.default_rng(8)
    batch = NodeBatch(dynamic=dynamic)
    value = rng.standard_normal((2, 3, 6, 4)).astype(np.float32)
    how = {"kernel_shape": [2, 2], "strides": [2, 2]}
    best, indices = by_onnx_runtime("MaxPool", value, 2, batch.opset, **how)
    inputs = [batch.input(best), batch.input(indices)]
    expected = np.zeros(value.size, np.float32)
    expected[indices.reshape(-1)] = best.reshape(-1)
    expected = expected.reshape(value.shape)
    batch.node("MaxUnpool", inputs, expect=[expected], **how)
    larger = np.pad(expected, ((0, 0), (0, 0), (0, 1), (0, 2)))
    batch.node("MaxUnpool", [*inputs, batch.constant([2, 3, 7, 6])], expect=[larger], **how)
    batch.check()
