"""Malformed models are refused with the node named; unknown operators are all listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from noema.errors import InvalidModel, UnsupportedModel
from noema.frontend.onnx import ModelLimits, from_proto, read_model
from onnx_text import model, ops

X = "float[2,3] x"
Y = "float[2,3] y"


def refused(proto: onnx.ModelProto, *parts: str, node: str | None = None) -> None:
    """The model is invalid, for a reason that says `parts`, at `node`."""
    with pytest.raises(InvalidModel) as caught:
        from_proto(proto)
    for part in parts:
        assert part in str(caught.value)
    if node is not None:
        assert caught.value.node == node


def test_cycle_is_refused_and_a_node_on_it_named() -> None:
    proto = model(X, Y, "[a] t = Add(x, u) [b] u = Relu(t) [c] v = Relu(u) [d] y = Add(v, x)")
    with pytest.raises(InvalidModel) as caught:
        from_proto(proto)
    assert caught.value.node in ("a", "b")
    assert "cycle" in str(caught.value)


def test_node_that_needs_itself_is_a_cycle() -> None:
    refused(model(X, Y, "[a] y = Add(x, y)"), "cycle", node="a")


def test_unsorted_nodes_are_sorted() -> None:
    proto = model(X, Y, "[last] y = Relu(u) [first] t = Neg(x) [second] u = Abs(t)")
    assert ops(from_proto(proto).graph) == ["Neg", "Abs", "Relu"]


def test_captured_values_count_when_sorting() -> None:
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        """y = If(c) <then_branch = t () => (float[2] a) { a = Add(later, x) },
                     else_branch = e () => (float[2] b) { b = Neg(x) }>
           later = Abs(x)""",
    )
    assert ops(from_proto(proto).graph) == ["Abs", "If"]


@pytest.mark.parametrize(
    "body", ["[a] y = Relu(x) [b] y = Neg(x)", "[b] x = Relu(x) y = Neg(x)", "[b] y, y = Split(x)"]
)
def test_value_defined_twice_is_refused(body: str) -> None:
    refused(model(X, Y, body), "defined twice", node="b" if "[b]" in body else None)


def test_duplicate_inputs_outputs_and_initializers_are_refused() -> None:
    refused(model(f"{X}, {X}", Y, "y = Relu(x)"), "inputs")
    refused(model(X, f"{Y}, {Y}", "y = Relu(x)"), "outputs")
    twice = model(X, Y, "y = Add(x, w)", w=np.ones(3, np.float32))
    twice.graph.initializer.add().CopyFrom(twice.graph.initializer[0])
    refused(twice, "initializers")


def test_duplicate_node_names_are_told_apart() -> None:
    result = from_proto(model(X, Y, "[n] t = Relu(x) [n] y = Neg(t)"))
    names = [n.name for n in result.graph.node]
    assert len(set(names)) == 2
    assert [result.sources[n] for n in names] == [("n",), ("n",)]


def test_unnamed_nodes_get_names() -> None:
    result = from_proto(model(X, Y, "t = Relu(x) u = Relu(t) y = Neg(u)"))
    assert len({n.name for n in result.graph.node} - {""}) == 3


def test_undefined_values_are_refused() -> None:
    refused(model(X, Y, "[a] y = Add(x, nowhere)"), "nowhere", node="a")
    refused(model(X, "float[2] z", "y = Relu(x)"), "'z'")


def test_value_of_a_branch_is_not_visible_outside() -> None:
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        """[if] t = If(c) <then_branch = t () => (float[2] a) { a = Neg(x) },
                      else_branch = e () => (float[2] b) { b = Abs(x) }>
           [use] y = Add(t, a)""",
    )
    refused(proto, "'a'", node="use")


@pytest.mark.parametrize("extent", [-1, -(2**63), 2**62, 2**63 - 1, 2**46])
def test_absurd_input_extents_are_refused(extent: int) -> None:
    proto = model(X, Y, "y = Relu(x)")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = extent
    refused(proto, "x")


@pytest.mark.parametrize("dims", [[-1], [2**62], [2**32, 2**32], [0, 2**62], [2**63 - 1, 2]])
def test_absurd_initializer_dims_are_refused(dims: list[int]) -> None:
    proto = model(X, Y, "y = Add(x, w)")
    proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=dims)
    refused(proto, node="w")


def test_constant_of_2_to_46_elements_is_refused() -> None:
    proto = model("", "float[] y", "[huge] y = ConstantOfShape(s)", s=np.array([1 << 46], np.int64))
    refused(proto, str(1 << 46), node="huge")


def test_expanding_to_an_absurd_size_is_refused() -> None:
    proto = model(X, "float[] y", "[huge] y = Expand(x, s)", s=np.array([1 << 40, 2, 3]))
    refused(proto, node="huge")


def test_byte_budget_is_the_callers() -> None:
    proto = model("float[1000,1000] x", "float[1000,1000] y", "y = Relu(x)")
    from_proto(proto)
    with pytest.raises(InvalidModel, match="4000000 bytes"):
        from_proto(proto, limits=ModelLimits(value_bytes=1 << 20))


def nested(depth: int) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], [f"r{depth}"])],
        "leaf",
        [],
        [helper.make_tensor_value_info(f"r{depth}", TensorProto.FLOAT, [2])],
    )
    for level in reversed(range(depth)):
        result = helper.make_tensor_value_info(f"r{level}", TensorProto.FLOAT, [2])
        # The other branch is small: two deep ones would double the model at each level.
        inner = helper.make_tensor_value_info(f"r{level + 1}", TensorProto.FLOAT, [2])
        other = helper.make_graph(
            [helper.make_node("Neg", ["x"], [f"r{level + 1}"])], "other", [], [inner]
        )
        node = helper.make_node("If", ["c"], [f"r{level}"], then_branch=graph, else_branch=other)
        graph = helper.make_graph([node], "g", [], [result])
    graph.input.add().CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [2]))
    graph.input.add().CopyFrom(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    imports = [helper.make_opsetid("", 21)]
    return onnx.ModelProto(ir_version=10, graph=graph, opset_import=imports)


def test_subgraphs_may_nest_a_little() -> None:
    assert ops(from_proto(nested(8)).graph) == ["If"]


def deeply_nested(depth: int) -> bytes:
    """A serialized model whose one node holds a branch that holds a node, and so on.

    Written byte by byte: the protobuf library builds no message this deep.
    """

    def field(number: int, content: bytes) -> bytes:
        size, length = len(content), b""
        while size >= 0x80:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    graph = field(1, field(1, b"x") + field(2, b"y") + field(4, b"Neg"))
    for _ in range(depth):
        attribute = field(1, b"then_branch") + field(6, graph) + b"\xa0\x01\x05"
        graph = field(1, field(1, b"c") + field(2, b"y") + field(4, b"If") + field(5, attribute))
    return b"\x08\x0a" + field(7, graph)


@pytest.mark.parametrize("depth", [33, 40, 90, 2000])
def test_subgraphs_nested_too_deeply_are_refused(depth: int, tmp_path: Path) -> None:
    path = tmp_path / "deep.onnx"
    path.write_bytes(deeply_nested(depth))
    with pytest.raises(InvalidModel, match="nested"):
        read_model(path)


def test_depth_of_subgraphs_is_a_limit() -> None:
    with pytest.raises(InvalidModel, match="nested"):
        from_proto(nested(8), limits=ModelLimits(depth=7))


def test_unknown_operators_domains_and_functions_are_all_listed() -> None:
    proto = model(
        X,
        Y,
        """[a] t = Frobnicate(x) [b] u = com.acme.Gadget(t) [c] v = com.other.Thing(u)
           [d] w = Upsample(v, v) [e] y = Relu(w)""",
        opsets={"com.acme": 1},
    )
    with pytest.raises(UnsupportedModel) as caught:
        from_proto(proto)
    assert [(g.op, g.node) for g in caught.value.gaps] == [
        ("Frobnicate", "a"),
        ("com.acme.Gadget", "b"),
        ("com.other.Thing", "c"),
        ("Upsample", "d"),
    ]
    assert "deprecated" in caught.value.gaps[3].reason


def test_unknown_operator_in_a_branch_is_listed() -> None:
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        """y = If(c) <then_branch = t () => (float[2] a) { [deep] a = Frobnicate(x) },
                     else_branch = e () => (float[2] b) { b = Neg(x) }>""",
    )
    with pytest.raises(UnsupportedModel) as caught:
        from_proto(proto)
    assert [g.node for g in caught.value.gaps] == ["deep"]


def test_mixed_element_types_are_refused() -> None:
    refused(
        model("float[2] x, int64[2] n", "float[2] y", "[add] y = Add(x, n)"),
        "float32",
        "int64",
        node="add",
    )


def test_element_type_that_the_operator_does_not_take_is_refused() -> None:
    refused(model("int64[2] n", "int64[2] y", "[e] y = Erf(s) s = Sin(n)"), node="Sin_0")
    refused(model("bool[2] b", "bool[2] y", "[m] y = MatMul(b, b)"), "bool", node="m")


def test_output_declared_as_another_type_is_refused() -> None:
    refused(model("float[2] x", "int64[2] y", "[r] y = Relu(x)"), "declared", node="r")


def test_shapes_that_cannot_go_together_are_refused() -> None:
    refused(model("float[2,3] x, float[4,5] z", "float[] y", "[m] y = MatMul(x, z)"), node="m")
    refused(model("float[2] x, float[3] z", "float[] y", "[a] y = Add(x, z)"), node="a")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("[n] y = Relu(x, x)", "1 inputs"),
        ("[n] y = Concat<axis = 0>()", "inputs"),
        ("[n] y = Concat(x, x)", "axis"),
        ("[n] y = Concat<axis = 1.5>(x, x)", "INT"),
        ('[n] y = Softmax<axis = "last">(x)', "INT"),
        ("[n] y = Softmax<sharpness = 2>(x)", "sharpness"),
        ("[n] y, z = Relu(x)", "outputs"),
        ('[n] y = Add("", x)', "input"),
        ("[n] y = Cast(x)", "to"),
    ],
)
def test_wrong_arity_and_attributes_are_refused(body: str, part: str) -> None:
    if '""' in body:
        proto = model(X, Y, "[n] y = Add(x, x)")
        proto.graph.node[0].input[0] = ""
    else:
        proto = model(X, Y, body)
    refused(proto, part, node="n")


def test_attribute_given_twice_is_refused() -> None:
    proto = model(X, Y, "[n] y = Softmax<axis = 1>(x)")
    proto.graph.node[0].attribute.add().CopyFrom(proto.graph.node[0].attribute[0])
    refused(proto, "twice", node="n")


def test_attribute_without_its_value_is_refused() -> None:
    proto = model(X, Y, "[n] y = Softmax<axis = 1>(x)")
    proto.graph.node[0].attribute[0].ClearField("i")
    refused(proto, "no value", node="n")


def test_function_reference_outside_a_function_is_refused() -> None:
    proto = model(X, Y, "[n] y = Softmax<axis = 1>(x)")
    proto.graph.node[0].attribute[0].ref_attr_name = "axis"
    refused(proto, "function", node="n")


@pytest.mark.parametrize(
    ("inputs", "body", "reason"),
    [
        ("string[2] x", "y = Identity(x)", "string"),
        ("seq(float[2]) x", "y = SequenceAt(x, i)", "sequence"),
        ("optional(float[2]) x", "y = OptionalGetElement(x)", "optional"),
        ("sparse_tensor(float[2]) x", "y = Identity(x)", "sparse"),
        ("float[2] x", "s = SequenceConstruct(x, x) y = SequenceAt(s, i)", "sequence"),
    ],
)
def test_values_that_are_no_numeric_tensors_are_gaps(inputs: str, body: str, reason: str) -> None:
    proto = model(inputs, "float[] y", body, i=np.array(0))
    del proto.graph.output[:]
    proto.graph.output.add(name="y")
    with pytest.raises(UnsupportedModel) as caught:
        from_proto(proto)
    assert any(reason in gap.reason for gap in caught.value.gaps)


def test_unknown_rank_is_a_gap() -> None:
    proto = model("float[2] x, int64[K] s", "float[] y", "[r] y = Reshape(x, s)")
    with pytest.raises(UnsupportedModel, match="rank") as caught:
        from_proto(proto)
    assert [g.node for g in caught.value.gaps] == ["r"]


def test_input_of_unknown_rank_is_a_gap() -> None:
    proto = model("float[2] x", "float[] y", "y = Relu(x)")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedModel, match="rank"):
        from_proto(proto)


@pytest.mark.parametrize("count", [0, 5, 7, 4000])
def test_raw_data_of_the_wrong_size_is_refused(count: int) -> None:
    proto = model(X, Y, "y = Add(x, w)")
    proto.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[2, 3], raw_data=b"\0" * (4 * count + 1)
    )
    refused(proto, "24 bytes", node="w")


def test_typed_data_of_the_wrong_count_or_kind_is_refused() -> None:
    short = model(X, Y, "y = Add(x, w)")
    short.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[2, 3], float_data=[1, 2]
    )
    refused(short, "6 entries", node="w")
    other = model(X, Y, "y = Add(x, w)")
    other.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[3], int64_data=[1, 2, 3]
    )
    refused(other, node="w")
    both = model(X, Y, "y = Add(x, w)", w=np.ones(3, np.float32))
    both.graph.initializer[0].float_data.extend([1, 2, 3])
    refused(both, "twice", node="w")


def test_tensor_without_element_type_is_refused() -> None:
    proto = model(X, Y, "y = Add(x, w)", w=np.ones(3, np.float32))
    proto.graph.initializer[0].data_type = 0
    refused(proto, "element type", node="w")


@pytest.mark.parametrize("name", ["é☃", "a\0b", "n" * 5000, "../../etc/passwd", "%s{0}\n", "?0"])
def test_any_text_is_a_name(name: str) -> None:
    proto = model(X, Y, "y = Relu(x)")
    proto.graph.input[0].name = name
    proto.graph.node[0].input[0] = name
    proto.graph.node[0].name = name
    result = from_proto(proto)
    assert result.inputs[0].name == name
    assert result.graph.node[0].name == name


def test_strange_names_are_escaped_in_messages() -> None:
    proto = model(X, Y, "y = Add(x, x)")
    proto.graph.node[0].name = "evil\n\0" + "n" * 5000
    proto.graph.node[0].input[1] = "no\x1bwhere"
    with pytest.raises(InvalidModel) as caught:
        from_proto(proto)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    raw = model(X, Y, "[marker] y = Relu(x)").SerializeToString()
    path = tmp_path / "bytes.onnx"
    path.write_bytes(raw.replace(b"marker", b"mark\xff\xfe"))
    with pytest.raises(InvalidModel, match="UTF-8"):
        read_model(path)


def test_nan_and_infinity_are_kept() -> None:
    weights = np.array([np.nan, np.inf, -np.inf], np.float32)
    result = from_proto(model(X, Y, "y = Add(x, w)", w=weights))
    np.testing.assert_array_equal(result.constants["w"], weights)


def test_too_many_nodes_are_refused() -> None:
    proto = model(X, Y, "t = Relu(x) u = Neg(t) y = Abs(u)")
    with pytest.raises(InvalidModel, match="nodes"):
        from_proto(proto, limits=ModelLimits(nodes=2))


def test_the_callers_model_is_left_alone() -> None:
    proto = model(X, Y, "y = Relu(t) t = Identity(x)")
    before = proto.SerializeToString(deterministic=True)
    from_proto(proto)
    assert proto.SerializeToString(deterministic=True) == before


def test_initializer_also_listed_as_input_is_a_constant() -> None:
    proto = model(f"{X}, float[3] w", Y, "y = Add(x, w)", w=np.ones(3, np.float32))
    result = from_proto(proto)
    assert [s.name for s in result.inputs] == ["x"]
    assert numpy_helper.to_array(proto.graph.initializer[0]).tolist() == [1, 1, 1]
    assert "w" in result.constants
