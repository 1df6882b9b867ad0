"""Constants are folded where it pays, and nothing else is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from equivalence import assert_equivalent
from noema.errors import InvalidModel
from noema.frontend.onnx import from_proto
from onnx_text import model, ops

RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((48, 32)).astype(np.float32)


def test_chain_on_a_weight_becomes_one_parameter() -> None:
    proto = model(
        "float[N,48] x",
        "float[N,32] y",
        "[t] t = Transpose(w) [c] c = Cast<to = 10>(t) [b] b = Cast<to = 1>(c) "
        "[tt] tt = Transpose(b) [m] y = MatMul(x, tt)",
        w=WEIGHTS,
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["MatMul"]
    assert list(result.parameters) == ["tt"]
    assert set(result.sources) == {"m"}
    assert_equivalent(proto, result, {"x": RNG.standard_normal((3, 48)).astype(np.float32)})


def test_quantised_weight_is_dequantised() -> None:
    quantised = RNG.integers(-128, 127, (48, 32)).astype(np.int8)
    proto = model(
        "float[N,48] x",
        "float[N,32] y",
        "w = DequantizeLinear<axis = 1>(q, s) y = MatMul(x, w)",
        q=quantised,
        s=RNG.random(32).astype(np.float32),
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["MatMul"]
    assert list(result.parameters) == ["w"]


@pytest.mark.parametrize(
    "node",
    ["t = ConstantOfShape(s)", "t = Expand(c, s)", "t = Tile(one, s)"],
)
def test_what_would_inflate_the_model_stays_a_node(node: str) -> None:
    proto = model(
        "float[1] x",
        "float[1024,1024] y",
        f"{node} y = Add(t, x)",
        s=np.array([1024, 1024]),
        c=np.array([2.0], np.float32),
        one=np.array([[2.0]], np.float32),
    )
    result = from_proto(proto)
    assert len(result.graph.node) == 2
    assert result.parameters.nbytes == 0


def test_small_expansions_fold() -> None:
    proto = model(
        "float[8] x", "float[8] y", "t = ConstantOfShape(s) y = Add(t, x)", s=np.array([8])
    )
    assert ops(from_proto(proto).graph) == ["Add"]


def test_random_results_are_not_constants() -> None:
    proto = model(
        "float[4] x",
        "float[4] y",
        "r = RandomNormalLike(c) y = Add(x, r)",
        c=np.ones(4, np.float32),
    )
    assert ops(from_proto(proto).graph) == ["RandomNormalLike", "Add"]


def test_constant_nodes_in_every_form() -> None:
    body = """
        a = Constant<value_float = 1.5>() b = Constant<value_floats = [1.0, 2.0]>()
        c = Constant<value_int = 3>() d = Constant<value_ints = [4, 5]>()
        e = Constant<value = float[2] {6.0, 7.0}>()
    """
    outputs = "float[] a, float[2] b, int64[] c, int64[2] d, float[2] e"
    proto = model("", outputs, body)
    result = from_proto(proto)
    assert not result.graph.node
    values = {name: result.constants[name].tolist() for name in "abcde"}
    assert values == {"a": 1.5, "b": [1, 2], "c": 3, "d": [4, 5], "e": [6, 7]}
    assert [str(result.types[n].dtype) for n in "abcde"] == [
        "float32",
        "float32",
        "int64",
        "int64",
        "float32",
    ]


def test_constant_without_or_with_two_values_is_refused() -> None:
    proto = model("", "int64 y", "[c] y = Constant<value_int = 1>()")
    proto.graph.node[0].attribute.add().CopyFrom(helper.make_attribute("value_float", 1.0))
    with pytest.raises(InvalidModel) as caught:
        from_proto(proto)
    assert caught.value.node == "c"
    del proto.graph.node[0].attribute[:]
    with pytest.raises(InvalidModel):
        from_proto(proto)


def test_output_that_is_a_constant_keeps_its_name() -> None:
    proto = model(
        "", "float[2] y", "y = Add(a, b)", a=np.ones(2, np.float32), b=np.ones(2, np.float32)
    )
    result = from_proto(proto)
    assert not result.graph.node
    assert result.constants["y"].tolist() == [2, 2]
    assert [str(o) for o in result.outputs] == ["y: float32[2]"]


def test_output_that_is_an_initializer_or_input() -> None:
    proto = model("float[2] x", "float[2] x, float[2] w", "", w=np.ones(2, np.float32))
    result = from_proto(proto)
    assert [o.name for o in result.outputs] == ["x", "w"]
    assert set(result.constants) == {"w"}


def test_identity_and_idle_dropout_vanish_but_output_names_stay() -> None:
    proto = model(
        "float[2] x",
        "float[2] y, float[2] z",
        """[a] a = Identity(x) [b] b = Dropout(a, r) [c] c = Identity(b) [d] y = Relu(c)
           [e] z = Identity(y)""",
        r=np.array(0.5, np.float32),
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["Relu", "Identity"]
    assert list(result.graph.node[0].input) == ["x"]


def test_dropout_in_training_or_with_its_mask_used_stays() -> None:
    training = model(
        "float[2] x, bool t", "float[2] y", "d = Dropout(x, r, t) y = Relu(d)", r=np.float32(0.5)
    )
    assert ops(from_proto(training).graph) == ["Dropout", "Relu"]
    masked = model("float[2] x", "float[2] y, bool[2] m", "d, m = Dropout(x) y = Relu(d)")
    assert ops(from_proto(masked).graph) == ["Dropout", "Relu"]


def test_unused_nodes_and_weights_are_dropped() -> None:
    proto = model("float[2] x", "float[2] y", "u = Add(x, w) y = Relu(x)", w=np.ones(2, np.float32))
    result = from_proto(proto)
    assert ops(result.graph) == ["Relu"]
    assert not result.constants
    assert set(result.types) == {"x", "y"}


def test_division_by_zero_does_not_stop_the_import() -> None:
    proto = model(
        "int64[2] x",
        "int64[2] y",
        "d = Div(a, b) y = Add(x, d)",
        a=np.array([1, 2]),
        b=np.array([0, 1]),
    )
    assert ops(from_proto(proto).graph)[-1] == "Add"


def test_cast_like_needs_only_the_type_of_its_second_input() -> None:
    proto = model(
        "float16[N] x",
        "float16[N] y",
        "c = CastLike(k, x) y = Mul(x, c)",
        k=np.array([2.0], np.float32),
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["Mul"]
    assert result.constants["c"].dtype == np.float16


def test_constants_cannot_be_changed_by_accident() -> None:
    proto = model("float[2] x", "float[2] y", "y = Add(x, w)", w=np.ones(2, np.float32))
    with pytest.raises(ValueError, match="read-only"):
        from_proto(proto).constants["w"][0] = 3


def test_graph_of_the_result_has_no_initializers() -> None:
    proto = model("float[N,48] x", "float[N,32] y", "y = MatMul(x, w)", w=WEIGHTS)
    proto.graph.value_info.add(name="w")
    result = from_proto(proto)
    assert isinstance(result.graph, onnx.GraphProto)
    assert not result.graph.initializer
    assert numpy_helper.to_array(proto.graph.initializer[0]).shape == (48, 32)
