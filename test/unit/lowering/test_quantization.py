"""Quantization and quantized products.

Integers are compared exactly: with ONNX Runtime for 8 bits, with the reference evaluator for what
it lacks. Dequantized numbers may differ by the rounding of one f32 (or f16) product.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime
import pytest

from execution import compile_proto, execute
from noema import dtypes
from single_node import check, feeds_of, model_of, run_both


def like_onnx_runtime(op: str, inputs: list[Any], output: str, **settings: Any) -> None:
    model = model_of(op, inputs, [output], **settings)
    feeds = feeds_of(inputs, settings.get("constants"))
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    (got,) = execute(compile_proto(model), feeds)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def draw(seed: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    info = ml_dtypes.iinfo(dtypes.from_name(dtype).numpy)
    values = np.random.default_rng(seed).integers(int(info.min), int(info.max) + 1, shape)
    return values.astype(dtypes.from_name(dtype).numpy)


def scales(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.01, 0.3, shape).astype(np.float32)


GRANULARITIES = {"tensor": ((), {}), "axis": ((6,), {"axis": -2}), "even": ((3, 2, 5), {
    "axis": 1, "block_size": 3}), "uneven": ((3, 6, 2), {"axis": 2, "block_size": 4})}  # fmt: skip


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int4", "uint4", "uint2"])
def test_there_and_back(kind: str, granularity: str) -> None:
    shape, attributes = GRANULARITIES[granularity]
    scale, zero = scales(1, *shape), draw(2, shape, kind)
    x = np.random.default_rng(3).normal(0, 4, (3, 6, 5)).astype(np.float32)
    x.reshape(-1)[:3] = [1e9, -1e9, 0]
    if not shape:  # halves, which go to the even neighbour
        x.reshape(-1)[3:9] = np.float32([0.5, 1.5, 2.5, -0.5, -1.5, 1.25]) * scale
    got, expected = run_both(
        "QuantizeLinear", [x, scale, zero], [kind], opset=25, dynamic=kind == "int8", **attributes
    )
    # In the reference, a quotient beyond int32 wraps around before it saturates.
    ours, theirs = (v.astype(np.int32).reshape(-1) for v in (got[0], expected[0]))
    np.testing.assert_array_equal(ours[2:], theirs[2:])
    info = ml_dtypes.iinfo(dtypes.from_name(kind).numpy)
    assert list(ours[:2]) == [int(info.max), int(info.min)]
    check(
        "DequantizeLinear",
        [got[0], scale, zero],
        ["float32"],
        opset=25,
        dynamic=kind == "uint8",
        rtol=1e-6,
        atol=0,
        **attributes,
    )


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "float4_e2m1fn"])
@pytest.mark.parametrize("wide", ["float32", "float16"])
def test_small_floats(kind: str, wide: str) -> None:
    x = np.random.default_rng(0).normal(0, 9, (4, 8)).astype(wide)
    scale = scales(1, 8).astype(wide)
    zero = np.zeros(8, dtypes.from_name(kind).numpy)
    got, expected = run_both("QuantizeLinear", [x, scale, zero], [kind], opset=23)
    np.testing.assert_array_equal(got[0].view(np.uint8), expected[0].view(np.uint8))
    check("DequantizeLinear", [got[0], scale, zero], [wide], opset=23, rtol=1e-3, atol=0)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(("a", "b"), [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")])
def test_integer_products(a: str, b: str, dynamic: bool) -> None:
    left, right = draw(0, (2, 5, 7), a), draw(1, (7, 4), b)
    zeros = [draw(2, (), a), draw(3, (4,), b)]
    like_onnx_runtime("MatMulInteger", [left, right, *zeros], "int32", opset=10, dynamic=dynamic)
    like_onnx_runtime("MatMulInteger", [left, right], "int32", opset=10, dynamic=dynamic)


@pytest.mark.parametrize(("a", "b"), [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")])
def test_quantized_products(a: str, b: str) -> None:
    one = np.float32(0.02)
    inputs = [
        draw(0, (3, 5, 7), a), np.array(one), draw(2, (), a),
        draw(1, (7, 4), b), np.array(one), draw(3, (), b),
        np.array(np.float32(0.9)), draw(4, (), a),
    ]  # fmt: skip
    like_onnx_runtime("QLinearMatMul", inputs, a, opset=10)


def test_rows_and_columns_of_their_own() -> None:
    """Zero points and scales by row of A and by column of B, which the specification has."""
    a, b = draw(0, (3, 7), "uint8"), draw(1, (7, 4), "int8")
    za, zb = draw(2, (3,), "uint8"), draw(3, (4,), "int8")
    model = model_of("MatMulInteger", [a, b, za, zb], ["int32"], opset=10)
    (got,) = execute(compile_proto(model), feeds_of([a, b, za, zb]))
    wide = [v.astype(np.int32) for v in (a, b, za, zb)]
    np.testing.assert_array_equal(got, (wide[0] - wide[2][:, None]) @ (wide[1] - wide[3]))


CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 7, 8), (4, 3, 3, 2), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ((1, 4, 9, 6), (6, 2, 3, 3), {"group": 2, "auto_pad": "SAME_UPPER"}),
    ((1, 3, 8, 8), (3, 1, 3, 3), {"group": 3, "dilations": [2, 1], "auto_pad": "VALID"}),
    ((2, 3, 11), (4, 3, 4), {"pads": [2, 1]}),
]


@pytest.mark.parametrize("case", range(len(CONVOLUTIONS)))
@pytest.mark.parametrize(("x", "w"), [("uint8", "int8"), ("uint8", "uint8"), ("int8", "int8")])
def test_quantized_convolutions(x: str, w: str, case: int) -> None:
    shape, kernel, attributes = CONVOLUTIONS[case]
    filters = kernel[0]
    by_filter = w == "int8" and x == "int8"  # what ONNX Runtime serves differs by type
    zero = np.zeros(filters, np.int8) if by_filter else draw(3, (), w)
    inputs = [
        draw(0, shape, x), np.array(np.float32(0.02)), draw(2, (), x),
        draw(1, kernel, w), scales(5, *((filters,) if by_filter else ())), zero,
        np.array(np.float32(4.7)), draw(4, (), x),
        np.random.default_rng(6).integers(-9999, 9999, filters).astype(np.int32),
    ]  # fmt: skip
    constants = {3: inputs[3], 5: inputs[5]}
    like_onnx_runtime("QLinearConv", inputs, x, opset=10, constants=constants, **attributes)


@pytest.mark.parametrize("case", range(len(CONVOLUTIONS)))
def test_integer_convolutions(case: int) -> None:
    shape, kernel, attributes = CONVOLUTIONS[case]
    inputs = [
        draw(0, shape, "uint8"), draw(1, kernel, "uint8"), draw(2, (), "uint8"),
        draw(3, (), "uint8"),
    ]  # fmt: skip
    like_onnx_runtime("ConvInteger", inputs, "int32", opset=10, **attributes)


@pytest.mark.parametrize("dynamic", [False, True])
def test_dynamic_quantization(dynamic: bool) -> None:
    x = np.random.default_rng(0).normal(1, 2, (3, 17)).astype(np.float32)
    got, expected = run_both(
        "DynamicQuantizeLinear",
        [x],
        ["uint8", "float32", "uint8"],
        opset=11,
        dynamic=dynamic,
    )
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
