"""Reshape, Concat, Split, Tile, … against ONNX's reference evaluator, exactly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from torch_mlir import ir

from node_batch import NodeBatch
from noema.dialects.context import new_context
from noema.frontend.importer import import_model
from noema.frontend.onnx import from_proto
from noema.lowering.lower import lower

DTYPES = [
    np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.int64, bool
]  # fmt: skip
BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])


def values(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: object = np.float32
) -> np.ndarray:
    return rng.integers(0, 2 if dtype is bool else 100, shape).astype(dtype)  # type: ignore[arg-type]


@BOTH
def test_reshape_with_constant_target(dynamic: bool) -> None:
    rng = np.random.default_rng(1)
    batch = NodeBatch(dynamic=dynamic)
    for shape, target in [
        ((2, 3, 12), [2, 3, 3, 4]),
        ((2, 3, 12), [0, 0, 3, 4]),
        ((2, 3, 3, 4), [0, 0, -1]),
        ((2, 3, 4), [-1]),
        ((2, 3, 4), [4, -1, 2]),
        ((6, 4), [2, 3, 4]),
        ((7,), [1, -1, 1]),
        ((1, 1), []),
        ((), [1, 1]),
        ((5, 1, 3), [0, -1]),
    ]:
        batch.node("Reshape", [batch.input(values(rng, shape)), batch.constant(target)])
    batch.check()


@BOTH
def test_reshape_with_target_given_at_run_time(dynamic: bool) -> None:
    rng = np.random.default_rng(2)
    batch = NodeBatch(dynamic=dynamic)
    for shape, target in [
        ((2, 3, 12), [2, 3, 3, 4]),
        ((2, 3, 12), [0, -1, 6]),
        ((2, 3, 4), [-1]),
        ((2, 3, 4), [3, -1, 0]),
    ]:
        x = batch.input(values(rng, shape))
        batch.node("Reshape", [x, batch.input(np.array(target, np.int64), dynamic=False)])
    batch.check()


def test_reshape_allowing_zero() -> None:
    batch = NodeBatch()
    x = batch.input(np.zeros((0, 3), np.float32))
    batch.node("Reshape", [x, batch.constant([3, 0])], allowzero=1)
    batch.check()


def test_target_computed_from_shapes() -> None:
    """Shape → Gather → Unsqueeze → Concat → Reshape, the way exporters write it."""
    rng = np.random.default_rng(3)
    batch = NodeBatch(dynamic=True)
    x = batch.input(values(rng, (3, 5, 12)))
    (shape,) = batch.node("Shape", [x])
    (n,) = batch.node("Gather", [shape, batch.constant(np.array(0))])
    (s,) = batch.node("Gather", [shape, batch.constant(np.array(1))])
    (hidden,) = batch.node("Slice", [shape, batch.constant([2]), batch.constant([3])])
    zero = batch.constant([0])
    (n1,) = batch.node("Unsqueeze", [n, zero])
    (s1,) = batch.node("Unsqueeze", [s, zero])
    (heads,) = batch.node("Div", [hidden, batch.constant([4])])
    (split,) = batch.node("Concat", [n1, s1, heads, batch.constant([4])], axis=0)
    (four,) = batch.node("Reshape", [x, split])
    (swapped,) = batch.node("Transpose", [four], perm=[0, 2, 1, 3])
    (rows,) = batch.node("Mul", [n, s])
    (rows1,) = batch.node("Unsqueeze", [rows, zero])
    (flat,) = batch.node("Concat", [rows1, batch.constant([-1])], axis=0)
    batch.node("Reshape", [swapped, flat])
    (equal,) = batch.node("Equal", [split, batch.constant([-1])])
    (target,) = batch.node("Where", [equal, batch.constant([1, 1, 1, 1]), split])
    (one,) = batch.node("Slice", [four, batch.constant([0]), batch.constant([1]), zero])
    batch.node("Expand", [one, target])
    batch.check()


def test_shape_arithmetic_makes_no_tensors() -> None:
    """What is computed of shapes stays with the host side: no linalg op, nothing to read back."""
    text = onnx.parser.parse_model("""
        <ir_version: 10, opset_import: ["": 21]>
        agraph (float[N,S,12] x) => (float[N,S,a,b] y) {
          zero = Constant<value: tensor = int64[1] {0}>()
          one = Constant<value: tensor = int64[1] {1}>()
          rest = Constant<value: tensor = int64[2] {3, 4}>()
          shape = Shape(x)
          n = Gather(shape, zero)
          s = Gather(shape, one)
          target = Concat<axis = 0>(n, s, rest)
          y = Reshape(x, target)
        }""")
    model = from_proto(text, shapes={})
    with new_context() as context:
        lowered = lower(import_model(model, context), model.parameters)
    with ir.Context() as context:
        context.allow_unregistered_dialects = True
        program = str(ir.Module.parse(lowered.bytecode))
    assert "linalg." not in program
    assert "tensor.extract " not in program
    assert "tensor.expand_shape" in program


@BOTH
def test_flatten_squeeze_unsqueeze(dynamic: bool) -> None:
    rng = np.random.default_rng(4)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (2, 3, 4)))
    for axis in (-2, 0, 1, 2, 3):
        batch.node("Flatten", [x], axis=axis)
    for axes in ([0], [-1], [1, 3], [3, 0, -2]):
        batch.node("Unsqueeze", [x, batch.constant(axes)])
        batch.node("Unsqueeze", [x, batch.input(np.array(axes), dynamic=False)])
    y = batch.input(values(rng, (1, 3, 1, 2)))
    for axes in ([0], [-2], [2, 0]):
        batch.node("Squeeze", [y, batch.constant(axes)])
        batch.node("Squeeze", [y, batch.input(np.array(axes), dynamic=False)])
    batch.check()


def test_squeeze_of_all_ones() -> None:
    batch = NodeBatch()
    batch.node("Squeeze", [batch.input(np.ones((1, 3, 1), np.float32))])
    batch.check()


@BOTH
def test_expand(dynamic: bool) -> None:
    """With dynamic extents, which dimensions repeat shows only when the program runs."""
    rng = np.random.default_rng(5)
    batch = NodeBatch(dynamic=dynamic)
    for shape, target in [
        ((3, 1), [3, 4]),
        ((3, 1), [2, 1, 6]),
        ((3, 4), [1]),
        ((1, 4), [5, 1]),
        ((), [2, 3]),
        ((2, 1, 3), [2, 5, 1]),
    ]:
        x = batch.input(values(rng, shape))
        batch.node("Expand", [x, batch.constant(target)])
        batch.node("Expand", [x, batch.input(np.array(target), dynamic=False)])
    batch.check()


@BOTH
def test_transpose_and_tile(dynamic: bool) -> None:
    rng = np.random.default_rng(6)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (2, 3, 5)))
    batch.node("Transpose", [x])
    batch.node("Transpose", [x], perm=[1, 2, 0])
    for repeats in ([2, 1, 3], [1, 4, 1], [1, 1, 1], [0, 1, 1]):
        batch.node("Tile", [x, batch.constant(repeats)])
        batch.node("Tile", [x, batch.input(np.array(repeats), dynamic=False)])
    batch.node("Tile", [batch.input(values(rng, (1, 3))), batch.constant([4, 2])])
    batch.check()


@BOTH
@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_data_movement_of_every_element_type(dtype: object, dynamic: bool) -> None:
    rng = np.random.default_rng(7)
    batch = NodeBatch(dynamic=dynamic)
    a, b = (batch.input(values(rng, (2, n, 3), dtype)) for n in (4, 5))
    (joined,) = batch.node("Concat", [a, b, a], axis=1)
    batch.node("Split", [joined, batch.constant([3, 0, 10])], outputs=3, axis=-2)
    batch.node("Transpose", [joined], perm=[2, 0, 1])
    batch.node("Tile", [a, batch.constant([1, 2, 2])])
    batch.node("Reshape", [joined, batch.constant([-1])])
    batch.node("Expand", [a, batch.constant([3, 1, 1, 1])])
    batch.check()


@BOTH
def test_concat(dynamic: bool) -> None:
    rng = np.random.default_rng(8)
    batch = NodeBatch(dynamic=dynamic)
    for axis in (0, 1, -1):
        shapes = []
        for n in (1, 7, 2):
            shape = [2, 3, 4]
            shape[axis] = n
            shapes.append(batch.input(values(rng, tuple(shape))))
        batch.node("Concat", shapes, axis=axis)
    only = batch.input(values(rng, (3,)))
    batch.node("Concat", [only], axis=0)
    batch.check()


def test_concat_with_nothing() -> None:
    rng = np.random.default_rng(9)
    batch = NodeBatch()
    x, nothing = batch.input(values(rng, (2, 3))), batch.input(np.zeros((2, 0), np.float32))
    batch.node("Concat", [nothing, x, nothing], axis=1)
    batch.node("Concat", [nothing, nothing], axis=1)
    batch.check()


def test_extents_that_turn_out_to_be_zero() -> None:
    """An empty cache, say: a dimension that is symbolic and has no elements in this call."""
    rng = np.random.default_rng(12)
    batch = NodeBatch(dynamic=True)
    cache, x = batch.input(np.zeros((2, 0, 3), np.float32)), batch.input(values(rng, (2, 4, 3)))
    (joined,) = batch.node("Concat", [cache, x], axis=1)
    batch.node("Transpose", [cache], perm=[1, 0, 2])
    batch.node("Reshape", [cache, batch.constant([2, -1])])
    batch.node("ReduceSum", [cache, batch.constant([1])])
    batch.node("Gather", [joined, batch.input(np.zeros((0,), np.int64))], axis=1)
    batch.node("Slice", [x, *map(batch.constant, ([4], [9], [1]))])
    batch.node("Add", [cache, cache])
    batch.check()


@BOTH
def test_split(dynamic: bool) -> None:
    rng = np.random.default_rng(10)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (7, 6)))
    batch.node("Split", [x], outputs=3, axis=0, num_outputs=3)
    batch.node("Split", [x], outputs=2, axis=1, num_outputs=2)
    batch.node("Split", [x, batch.constant([1, 5])], outputs=2, axis=1)
    batch.node("Split", [x, batch.input(np.array([2, 5]), dynamic=False)], outputs=2, axis=0)
    batch.node("Split", [x, batch.constant([4, 3])], outputs=[False, True], axis=0)
    batch.check()


def test_ranges() -> None:
    batch = NodeBatch()
    for dtype in (np.float32, np.float64, np.int32, np.int64, np.int16):
        for numbers in ([0, 10, 3], [9, -1, -2], [5, 5, 1], [5, 2, 1]):
            batch.node("Range", [batch.input(np.array(n, dtype)) for n in numbers])
    batch.node("Range", [batch.input(np.array(v, np.float32)) for v in (1.0, 2.25, 0.5)])
    batch.check()


@BOTH
def test_made_from_shapes(dynamic: bool) -> None:
    rng = np.random.default_rng(11)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (4, 6)))
    batch.node("EyeLike", [x], k=1)
    batch.node("EyeLike", [x], k=-2, dtype=onnx.TensorProto.INT64)
    batch.node("EyeLike", [x], dtype=onnx.TensorProto.BOOL)
    (shape,) = batch.node("Shape", [x])
    batch.node("Shape", [x], start=1)
    batch.node("Shape", [x], start=-1, end=5)
    batch.node("Shape", [x], end=-1)
    batch.node("Size", [x])
    seven = onnx.numpy_helper.from_array(np.array([7], np.int32))
    batch.node("ConstantOfShape", [shape], value=seven)
    batch.node("ConstantOfShape", [batch.input(np.array([2, 0, 3]), dynamic=False)])
    batch.node("ConstantOfShape", [batch.constant([2, 3])], value=seven)
    batch.check()
