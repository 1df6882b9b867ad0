from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conformance import wide


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, int],
    output: int,
    initializers: list[onnx.TensorProto] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(n, t, None) for n, t in inputs.items()],
        [helper.make_tensor_value_info("y", output, None)],
        initializers or [],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=functions or [])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_sums_that_would_be_rounded_are_exact(dtype: type) -> None:
    """An initializer and an input; 1 + 2^-20 is 1 in 16 bits, 1 + 2^-30 in 32."""
    small = 2.0**-30 if dtype is np.float32 else 2.0**-20
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    one = numpy_helper.from_array(np.array([1], dtype), "one")
    model = _model([helper.make_node("Add", ["x", "one"], ["y"])], {"x": kind}, kind, [one])
    feeds = {"x": np.array([small], dtype)}
    (exact,) = wide.evaluate(model, feeds)
    assert exact.dtype == np.float64 and exact[0] == 1 + small
    assert feeds["x"].dtype == dtype
    assert model.graph.initializer[0].data_type == kind


def test_casts_and_constants_are_wide() -> None:
    """A Cast to a float, CastLike, and every form of a Constant that holds floats."""
    third = helper.make_tensor("v", TensorProto.FLOAT16, [1], [0.333])
    nodes = [
        helper.make_node("Constant", [], ["a"], value=third),
        helper.make_node("Constant", [], ["b"], value_float=0.1),
        helper.make_node("Constant", [], ["c"], value_floats=[0.1, 0.2]),
        helper.make_node("Cast", ["x"], ["d"], to=TensorProto.FLOAT16),
        helper.make_node("CastLike", ["x", "a"], ["e"]),
        helper.make_node("Sum", ["a", "b", "c", "d", "e"], ["y"]),
    ]
    model = _model(nodes, {"x": TensorProto.FLOAT}, TensorProto.FLOAT16)
    (exact,) = wide.evaluate(model, {"x": np.array([1e-12], np.float32)})
    parts = [np.float16(0.333), np.float32(0.1), np.array([0.1, 0.2], np.float32)]
    expected = sum(np.asarray(p, np.float64) for p in [*parts, 2 * np.float64(np.float32(1e-12))])
    np.testing.assert_allclose(exact, expected, rtol=1e-15)
    assert exact.dtype == np.float64


def test_narrow_floats_and_integers_stay() -> None:
    """There a cast is the operation itself."""
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=TensorProto.FLOAT8E4M3FN),
        helper.make_node("Cast", ["n"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["f"], ["y"], to=TensorProto.INT32),
    ]
    model = _model(nodes, {"x": TensorProto.FLOAT}, TensorProto.INT32)
    (got,) = wide.evaluate(model, {"x": np.array([17.9], np.float32)})
    assert got.dtype == np.int32 and got[0] == 18
    model.graph.node.pop()
    model.graph.node[1].output[0] = "y"
    (got,) = wide.evaluate(model, {"x": np.array([17.0], np.float32)})
    assert got[0] == 16  # the nearest number of that type, not 17


def test_bodies_of_functions_and_branches_are_wide() -> None:
    """What would be rounded in a subgraph, and in a function, is not."""
    tiny = helper.make_node("Constant", [], ["t"], value_float=2.0**-30)
    branch = helper.make_graph(
        [tiny, helper.make_node("Add", ["x", "t"], ["r"])],
        "b",
        [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, None)],
    )
    call = helper.make_function(
        "own",
        "AddTiny",
        ["u"],
        ["w"],
        [tiny, helper.make_node("Add", ["u", "t"], ["w"])],
        [helper.make_opsetid("", 21)],
    )
    nodes = [
        helper.make_node("If", ["c"], ["h"], then_branch=branch, else_branch=branch),
        helper.make_node("AddTiny", ["h"], ["y"], domain="own"),
    ]
    inputs = {"x": TensorProto.FLOAT, "c": TensorProto.BOOL}
    model = _model(nodes, inputs, TensorProto.FLOAT, functions=[call])
    (exact,) = wide.evaluate(model, {"x": np.array([1], np.float32), "c": np.array(True)})
    assert exact[0] == 1 + 2.0**-29


def test_types_are_declared_as_they_become() -> None:
    model = _model(
        [helper.make_node("Identity", ["x"], ["y"])],
        {"x": TensorProto.FLOAT16},
        TensorProto.FLOAT16,
    )
    sequence = helper.make_sequence_type_proto(
        helper.make_tensor_type_proto(TensorProto.BFLOAT16, None)
    )
    model.graph.input.append(helper.make_value_info("s", helper.make_optional_type_proto(sequence)))
    x, s = wide.widened(model).graph.input
    assert x.type.tensor_type.elem_type == TensorProto.DOUBLE
    inner = s.type.optional_type.elem_type.sequence_type.elem_type
    assert inner.tensor_type.elem_type == TensorProto.DOUBLE
