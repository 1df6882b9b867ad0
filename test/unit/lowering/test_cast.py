"""Casts to and from the small float and integer types, bit by bit against ml_dtypes.

No tolerance: the specification says which number each result is.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.numpy_helper import saturate_cast, to_float8e8m0

from execution import compile_proto, execute
from noema import dtypes

FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
WIDE = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("int4", "uint4", "int2", "uint2")


def casts(source: str, targets: list[tuple[str, dict[str, Any]]]) -> onnx.ModelProto:
    """A model of one vector of any length and a Cast of it for each of the targets."""
    nodes = [
        helper.make_node("Cast", ["x"], [f"y{i}"], to=dtypes.from_name(t).onnx, **attributes)
        for i, (t, attributes) in enumerate(targets)
    ]
    outputs = [
        helper.make_tensor_value_info(f"y{i}", dtypes.from_name(t).onnx, ["n"])
        for i, (t, _) in enumerate(targets)
    ]
    x = helper.make_tensor_value_info("x", dtypes.from_name(source).onnx, ["n"])
    graph = helper.make_graph(nodes, "casts", [x], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=12)


def numbers(source: str) -> NDArray[Any]:
    """Every f16, or many numbers of every size, halfway cases of all formats among them."""
    if dtypes.from_name(source).bits == 16:
        return np.arange(65536, dtype=np.uint16).view(dtypes.from_name(source).numpy)
    r = np.random.default_rng(0)
    wide = r.integers(0, 1 << 32, 50_000, dtype=np.uint32).view(np.float32)
    halves = []
    for name in (*FLOAT8, "float4_e2m1fn"):
        known = np.arange(256, dtype=np.uint8).view(dtypes.from_name(name).numpy)
        known = np.unique(known.astype(np.float32)[np.isfinite(known.astype(np.float32))])
        halves += [known, (known[1:] + known[:-1]) / 2]
    middle = np.concatenate([np.float32(x).reshape(-1) for x in halves])
    near = [np.nextafter(middle, np.float32(s)) for s in (-np.inf, np.inf)]
    all32 = np.concatenate([wide, middle, *near, np.float32([np.inf, -np.inf, 0, -0.0])])
    # A NaN's sign is not carried from f32 to f64 by every machine.
    all32 = all32[~np.isnan(all32)]
    if source == "float32":
        return np.concatenate([all32, np.float32([np.nan])])
    # IREE runs with subnormal numbers flushed to zero, which f64 → f32 shows.
    normal = (np.abs(all32) >= np.finfo(np.float32).tiny) | (all32 == 0)
    return all32[normal].astype(np.float64)


def expected(x: NDArray[Any], target: str, attributes: dict[str, Any]) -> NDArray[Any]:
    """What onnx's reference evaluator computes."""
    dtype = dtypes.from_name(target).numpy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if target == "float8_e8m0fnu":
            saturate = bool(attributes.get("saturate", 1))
            return to_float8e8m0(x, saturate, attributes.get("round_mode", "up"))
        if target in FLOAT8 and attributes.get("saturate", 1):
            return saturate_cast(x, dtype)
        return x.astype(dtype)


@pytest.mark.parametrize("source", WIDE)
def test_to_small_floats(source: str) -> None:
    targets: list[tuple[str, dict[str, Any]]] = [
        *((t, {"saturate": s}) for t, s in itertools.product(FLOAT8, (0, 1))),
        ("float4_e2m1fn", {}),
        *(
            ("float8_e8m0fnu", {"saturate": s, "round_mode": m})
            for s, m in itertools.product((0, 1), ("up", "down", "nearest"))
        ),
    ]
    x = numbers(source)
    got = execute(compile_proto(casts(source, targets)), {"x": x})
    for (target, attributes), ours in zip(targets, got, strict=True):
        theirs = expected(x, target, attributes)
        a, b = ours.view(np.uint8), theirs.view(np.uint8)
        # The sign of a NaN is nobody's promise; 4-bit floats have no NaN, so any number will do.
        nan = np.isnan(x.astype(np.float64))
        same = (a == b) | (nan & ((a ^ b) & 0x7F == 0))
        if target == "float4_e2m1fn":
            same |= nan
        assert same.all(), (target, attributes, x[~same][:5], a[~same][:5], b[~same][:5])


def test_f64_rounds_once() -> None:
    """Numbers so near to a halfway case that f32 doesn't tell them from it (ml_dtypes neither)."""
    got = execute(
        compile_proto(casts("float64", [("float8_e4m3fn", {}), ("float4_e2m1fn", {})])),
        {"x": np.nextafter([17.0, 19.0, 2.5, 3.5, -400.0, -2.5], [9e9, 0, 9e9, 0, -9e9, 0])},
    )
    np.testing.assert_array_equal(got[0].astype(np.float64), [18, 18, 2.5, 3.5, -416, -2.5])
    np.testing.assert_array_equal(got[1].astype(np.float64), [6, 6, 3, 3, -6, -2])


@pytest.mark.parametrize("source", [*FLOAT8, "float8_e8m0fnu", "float4_e2m1fn"])
def test_from_small_floats(source: str) -> None:
    targets = ["float32", "float16", "bfloat16", "float64", "bool", "float8_e5m2"]
    codes = np.arange(16 if source == "float4_e2m1fn" else 256, dtype=np.uint8)
    x = codes.view(dtypes.from_name(source).numpy)
    got = execute(compile_proto(casts(source, [(t, {}) for t in targets])), {"x": x})
    for target, ours in zip(targets, got, strict=True):
        theirs = expected(x.astype(np.float32), target, {})
        np.testing.assert_array_equal(ours.astype(np.float64), theirs.astype(np.float64))


@pytest.mark.parametrize("source", INTEGERS)
def test_from_small_integers(source: str) -> None:
    """The bits of a byte that don't belong to the number are not looked at."""
    targets = ["float32", "int8", "uint8", "int64", "bool", "float8_e4m3fn", "uint4", "int2"]
    x = np.arange(256, dtype=np.uint8).view(dtypes.from_name(source).numpy)
    got = execute(compile_proto(casts(source, [(t, {}) for t in targets])), {"x": x})
    for target, ours in zip(targets, got, strict=True):
        theirs = expected(x.astype(np.int32), target, {})
        np.testing.assert_array_equal(ours.astype(np.float64), theirs.astype(np.float64))


@pytest.mark.parametrize("source", ["int32", "uint8", "float32", "bool"])
def test_to_small_integers(source: str) -> None:
    """Integers lose their high bits; floats lose their fraction first."""
    x = np.arange(-7, 8) if source in ("int32", "float32") else np.arange(0, 16)
    x = (x * 0.9 if source == "float32" else x).astype(dtypes.from_name(source).numpy)
    got = execute(compile_proto(casts(source, [(t, {}) for t in INTEGERS])), {"x": x})
    for target, ours in zip(INTEGERS, got, strict=True):
        # Through int32: where a float is out of range, there is no right answer.
        wanted = x.astype(np.int32).astype(dtypes.from_name(target).numpy)
        np.testing.assert_array_equal(ours.astype(np.int32), wanted.astype(np.int32))


def test_small_elements_move_as_they_are() -> None:
    """Transposing and reshaping a tensor of 4-bit floats changes no bit."""
    kind = dtypes.from_name("float4_e2m1fn").onnx
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"]),
        helper.make_node("Unsqueeze", ["t", "axis"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "moves",
        [helper.make_tensor_value_info("x", kind, ["a", "b"])],
        [helper.make_tensor_value_info("y", kind, ["b", 1, "a"])],
        [helper.make_tensor("axis", onnx.TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)], ir_version=12)
    x = np.arange(15, dtype=np.uint8).reshape(5, 3).view(ml_dtypes.float4_e2m1fn)
    (y,) = execute(compile_proto(model), {"x": x})
    np.testing.assert_array_equal(y.view(np.uint8), x.view(np.uint8).T[:, None])
