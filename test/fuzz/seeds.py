"""Small valid models that mutants are made from: the test networks, and one for each construct
that those don't have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models import CATALOG

OPSET = 21


def _model(graph: onnx.GraphProto, **fields: object) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, **fields)


def branches() -> onnx.ModelProto:
    """An If that depends on an input, nested in one that doesn't."""
    inner = helper.make_node(
        "If",
        ["flag"],
        ["z"],
        then_branch=helper.make_graph(
            [helper.make_node("Add", ["x", "y"], ["t"])], "t", [], [_value("t", [2, 3])]
        ),
        else_branch=helper.make_graph(
            [helper.make_node("Mul", ["x", "y"], ["e"])], "e", [], [_value("e", [2, 3])]
        ),
    )
    outer = helper.make_node(
        "If",
        ["always"],
        ["out"],
        then_branch=helper.make_graph([inner], "outer_then", [], [_value("z", [2, 3])]),
        else_branch=helper.make_graph(
            [helper.make_node("Identity", ["x"], ["same"])], "o", [], [_value("same", [2, 3])]
        ),
    )
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"]), outer],
        "branches",
        [_value("x", [2, 3]), helper.make_tensor_value_info("flag", TensorProto.BOOL, [])],
        [_value("out", [2, 3])],
        [numpy_helper.from_array(np.array(True), "always")],
    )
    return _model(graph)


def loop() -> onnx.ModelProto:
    """A Loop of three steps with a scan output."""
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "x"], ["next"]),
            helper.make_node("Identity", ["going"], ["still"]),
            helper.make_node("Relu", ["next"], ["row"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            _value("state", [2]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            _value("next", [2]),
            _value("row", [2]),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["trips", "", "x"], ["last", "rows"], body=body)],
        "loop",
        [_value("x", [2])],
        [_value("last", [2]), _value("rows", [3, 2])],
        [numpy_helper.from_array(np.array(3), "trips")],
    )
    return _model(graph)


def functions() -> onnx.ModelProto:
    """Two model-local functions, one calling the other, with an attribute."""
    imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("local", 1)]
    leaf = helper.make_node("LeakyRelu", ["a"], ["b"])
    reference = leaf.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT)
    reference.ref_attr_name = "slope"
    activation = helper.make_function(
        "local", "Activation", ["a"], ["b"], [leaf], imports, ["slope"]
    )
    call = helper.make_node("Activation", ["p"], ["q"], domain="local", slope=0.2)
    block = helper.make_function(
        "local",
        "Block",
        ["i", "w"],
        ["o"],
        [
            helper.make_node("MatMul", ["i", "w"], ["p"]),
            call,
            helper.make_node("Neg", ["q"], ["o"]),
        ],
        imports,
    )
    graph = helper.make_graph(
        [
            helper.make_node("Block", ["x", "w"], ["h"], domain="local"),
            helper.make_node("Block", ["h", "w"], ["y"], domain="local"),
        ],
        "functions",
        [_value("x", ["N", 4])],
        [_value("y", ["N", 4])],
        [numpy_helper.from_array(np.eye(4, dtype=np.float32), "w")],
    )
    model = _model(graph, functions=[activation, block])
    model.opset_import.append(helper.make_opsetid("local", 1))
    return model


def constants() -> onnx.ModelProto:
    """Constants in every form, typed fields, sub-byte types, shape arithmetic."""
    four_bit = helper.make_tensor("q", TensorProto.INT4, [2, 3], [1, -2, 3, -4, 5, 6])
    nodes = [
        helper.make_node("Constant", [], ["a"], value_float=1.5),
        helper.make_node("Constant", [], ["shape"], value_ints=[-1, 6]),
        helper.make_node(
            "Constant", [], ["big"], value=numpy_helper.from_array(np.ones((20, 20), np.float32))
        ),
        helper.make_node("DequantizeLinear", ["q", "scale"], ["w"]),
        helper.make_node("Mul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "a"], ["xa"]),
        helper.make_node("Reshape", ["xa", "shape"], ["r"]),
        helper.make_node("Shape", ["r"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["zeros"]),
        helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
        helper.make_node("Add", ["zeros", "total"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "constants",
        [_value("x", ["N", 2, 3])],
        [_value("y", ["N", 6])],
        [four_bit, helper.make_tensor("scale", TensorProto.FLOAT, [], [0.5])],
    )
    return _model(graph)


def _value(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def seed_models() -> list[bytes]:
    """The serialized models, in a fixed order."""
    builders: list[Callable[[], onnx.ModelProto]] = [branches, loop, functions, constants]
    models = [build() for build in builders]
    for network in CATALOG:
        models += [network.build(style) for style in network.styles]
    return [model.SerializeToString(deterministic=True) for model in models]
