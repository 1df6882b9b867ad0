"""Model-local functions are inlined, operators expanded on request, provenance kept."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import pytest
from onnx import helper

from equivalence import assert_equivalent, rebuilt, run
from fuzz.seeds import functions as two_functions
from noema.errors import InvalidModel, UnsupportedModel
from noema.frontend.onnx import ModelLimits, from_proto
from onnx_text import OPSET, model, ops

RNG = np.random.default_rng(0)


def floats(*extents: int) -> np.ndarray:
    return RNG.standard_normal(extents).astype(np.float32)


def with_functions(
    proto: onnx.ModelProto, *functions: onnx.FunctionProto, domain: str = "local"
) -> onnx.ModelProto:
    proto.functions.extend(functions)
    proto.opset_import.append(helper.make_opsetid(domain, 1))
    return proto


def function(
    name: str,
    inputs: list[str],
    outputs: list[str],
    nodes: list[onnx.NodeProto],
    *attributes: str,
    opset: int = OPSET,
) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, inputs, outputs, nodes, imports, list(attributes))


def test_nested_calls_are_inlined_with_their_attributes() -> None:
    proto = two_functions()
    result = from_proto(proto)
    assert ops(result.graph) == ["MatMul", "LeakyRelu", "Neg"] * 2
    assert result.graph.node[1].attribute[0].f == pytest.approx(0.2)
    # The reference evaluator can't run a body that refers to an attribute: by hand, then.
    x = expected = floats(3, 4)
    for _ in range(2):
        expected = -np.where(expected < 0, np.float32(0.2) * expected, expected)
    np.testing.assert_allclose(run(rebuilt(result), {"x": x})["y"], expected, rtol=1e-6)


def test_inlined_nodes_name_the_call_they_come_from() -> None:
    proto = two_functions()
    proto.graph.node[0].name, proto.graph.node[1].name = "first", "second"
    result = from_proto(proto)
    assert [result.sources[n.name] for n in result.graph.node] == [("first",)] * 3 + [
        ("second",)
    ] * 3
    assert len({n.name for n in result.graph.node}) == 6


def test_names_inside_do_not_clash_with_names_outside() -> None:
    double = function("Double", ["a"], ["t"], [helper.make_node("Add", ["a", "a"], ["t"])])
    proto = model(
        "float[2] x", "float[2] y", "t = local.Double(x) a = local.Double(t) y = Add(a, t)"
    )
    with_functions(proto, double)
    assert_equivalent(proto, from_proto(proto), {"x": floats(2)})


def test_omitted_optional_input_stays_omitted() -> None:
    clip = function(
        "Bound",
        ["a", "low", "high"],
        ["b"],
        [helper.make_node("Clip", ["a", "low", "high"], ["b"])],
    )
    proto = model("float[4] x", "float[4] y", "y = local.Bound(x)")
    proto.graph.node[0].input.extend(["", "h"])
    proto.graph.initializer.add().CopyFrom(onnx.numpy_helper.from_array(np.float32(0.5), "h"))
    with_functions(proto, clip)
    result = from_proto(proto)
    assert list(result.graph.node[0].input) == ["x", "", "h"]
    assert_equivalent(proto, result, {"x": floats(4)})


def test_function_that_hands_its_input_through() -> None:
    swap = function("Swap", ["a", "b"], ["b", "a"], [])
    proto = model("float[2] x, float[2] z", "float[2] y", "p, q = local.Swap(x, z) y = Sub(p, q)")
    with_functions(proto, swap)
    result = from_proto(proto)
    assert list(result.graph.node[0].input) == ["z", "x"]


def test_calls_in_branches_are_inlined() -> None:
    double = function("Double", ["a"], ["t"], [helper.make_node("Add", ["a", "a"], ["t"])])
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        """y = If(c) <then_branch = t () => (float[2] a) { a = local.Double(x) },
                     else_branch = e () => (float[2] b) { b = Neg(x) }>""",
    )
    with_functions(proto, double)
    result = from_proto(proto)
    (node,) = result.graph.node
    branch = next(a.g for a in node.attribute if a.name == "then_branch")
    assert ops(branch) == ["Add"]


def test_recursive_functions_are_refused() -> None:
    loop = function("Loop", ["a"], ["b"], [helper.make_node("Loop", ["a"], ["b"], domain="local")])
    proto = with_functions(model("float[2] x", "float[2] y", "[call] y = local.Loop(x)"), loop)
    with pytest.raises(InvalidModel, match="deep") as caught:
        from_proto(proto)
    assert caught.value.node == "call"


def test_functions_that_multiply_are_refused() -> None:
    functions = [function("F0", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])])]
    for level in range(1, 9):
        values = ["a", *(f"t{i}" for i in range(9)), "b"]
        calls = [
            helper.make_node(f"F{level - 1}", [a], [b], domain="local")
            for a, b in itertools.pairwise(values)
        ]
        functions.append(function(f"F{level}", ["a"], ["b"], calls))
    proto = with_functions(model("float[2] x", "float[2] y", "y = local.F8(x)"), *functions)
    with pytest.raises(InvalidModel, match="too many nodes"):
        from_proto(proto, limits=ModelLimits(nodes=5000))


def test_missing_attribute_of_a_call_is_refused() -> None:
    leaf = helper.make_node("LeakyRelu", ["a"], ["b"])
    leaf.attribute.add(name="alpha", type=1).ref_attr_name = "slope"
    activation = function("Act", ["a"], ["b"], [leaf], "slope")
    proto = with_functions(model("float[2] x", "float[2] y", "[c] y = local.Act(x)"), activation)
    with pytest.raises(InvalidModel, match="slope") as caught:
        from_proto(proto)
    assert caught.value.node == "c"


def test_body_for_another_operator_set_is_fine_where_the_operators_are_the_same() -> None:
    relu = function("Act", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opset=18)
    proto = with_functions(model("float[2] x", "float[2] y", "y = local.Act(x)"), relu)
    assert ops(from_proto(proto).graph) == ["Relu"]


def test_body_for_another_operator_set_with_other_operators_is_a_gap() -> None:
    total = function(
        "Total", ["a"], ["b"], [helper.make_node("ReduceSum", ["a"], ["b"], axes=[0])], opset=11
    )
    proto = with_functions(model("float[2] x", "float[] y", "y = local.Total(x)"), total)
    with pytest.raises((UnsupportedModel, InvalidModel)):
        from_proto(proto)


def test_malformed_function_body_is_refused() -> None:
    bad = function("Bad", ["a"], ["b"], [helper.make_node("Add", ["a", "nowhere"], ["b"])])
    with pytest.raises(InvalidModel, match="nowhere"):
        from_proto(with_functions(model("float[2] x", "float[2] y", "y = local.Bad(x)"), bad))


def test_operators_are_expanded_only_on_request() -> None:
    proto = model("float[N,4] x", "float[N,4] y", "[g] y = Gelu(x)")
    assert ops(from_proto(proto).graph) == ["Gelu"]
    result = from_proto(proto, expand=frozenset({"Gelu"}))
    assert "Gelu" not in ops(result.graph)
    assert {result.sources[n.name] for n in result.graph.node} == {("g",)}
    assert_equivalent(proto, result, {"x": floats(3, 4)})


def test_expansion_may_be_a_predicate() -> None:
    proto = model("float[N,4] x", "float[N,4] y", "t = Gelu(x) y = HardSwish(t)")
    result = from_proto(proto, expand=lambda domain, op: (domain, op) == ("", "HardSwish"))
    assert ops(result.graph)[0] == "Gelu"
    assert "HardSwish" not in ops(result.graph)


@pytest.mark.parametrize(
    ("body", "opset"),
    [
        ("y = Softmax(x)", 13),
        ("y = LayerNormalization(x, s)", 17),
        ("y = RMSNormalization(x, s)", 23),
        ("y = MeanVarianceNormalization<axes = [0]>(x)", 18),
        ("y = Clip(x, low)", 21),
        ("y = LeakyRelu<alpha = 0.3>(x)", 21),
        ("y = HardSigmoid(x)", 22),
        ("y = Softplus(x)", 22),
        ("y = Celu(x)", 12),
        ("y = Swish(x)", 24),
        ("y = SwiGLU(x, x)", 28),
    ],
)
def test_function_bodies_fit_the_models_operator_set(body: str, opset: int) -> None:
    used = {"s": np.ones(4, np.float32), "low": np.float32(-0.5)}
    weights = {k: v for k, v in used.items() if f", {k})" in body}
    proto = model("float[N,4] x", "float[N,4] y", body, opset=max(opset, 13), **weights)
    result = from_proto(proto, expand=lambda domain, op: True)
    assert proto.graph.node[0].op_type not in ops(result.graph)
    assert_equivalent(proto, result, {"x": floats(3, 4)})


def test_bodies_that_loop_are_left_alone() -> None:
    proto = model(
        "int64 n", "int64[] y", "y = Range(zero, n, one)", zero=np.array(0), one=np.array(1)
    )
    assert ops(from_proto(proto, expand=lambda domain, op: True).graph) == ["Range"]
