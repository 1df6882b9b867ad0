"""Branches and loops whose course is known become straight-line nodes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from equivalence import assert_equivalent, rebuilt, run
from fuzz.seeds import branches, loop
from noema.errors import InvalidModel
from noema.frontend.onnx import from_proto
from onnx_text import model, ops

X = np.array([1.0, -2.0], np.float32)

IF = """y = If(c) <then_branch = t () => (float[2] a) { a = Neg(x) },
                     else_branch = e () => (float[2] b) { u = Abs(x) b = Exp(u) }>"""


@pytest.mark.parametrize(("condition", "expected"), [(True, ["Neg"]), (False, ["Abs", "Exp"])])
def test_if_of_a_constant_condition_becomes_its_branch(
    condition: bool, expected: list[str]
) -> None:
    proto = model("float[2] x", "float[2] y", IF, c=np.array(condition))
    proto.graph.node[0].name = "choice"
    result = from_proto(proto)
    assert ops(result.graph) == expected
    assert {result.sources[n.name] for n in result.graph.node} == {("choice",)}
    assert_equivalent(proto, result, {"x": X})


def test_condition_may_follow_from_shapes() -> None:
    proto = model(
        "float[2] x", "float[2] y", f"s = Size(x) c = Equal(s, two) {IF}", two=np.array(2)
    )
    assert ops(from_proto(proto).graph) == ["Neg"]


def test_if_of_an_input_stays() -> None:
    proto = branches()
    result = from_proto(proto)
    assert ops(result.graph) == ["Relu", "If"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    for flag in (True, False):
        assert_equivalent(proto, result, {"x": x, "flag": np.array(flag)})


def test_branch_may_hand_an_outer_value_or_a_constant_through() -> None:
    branch = helper.make_graph(
        [],
        "t",
        [],
        [helper.make_tensor_value_info(n, 1, [2]) for n in ("x", "k", "k")],
        [numpy_helper.from_array(X, "k")],
    )
    proto = model("float[2] x", "float[2] p, float[2] q, float[2] r", "", c=np.array(True))
    proto.graph.node.append(
        helper.make_node("If", ["c"], ["p", "q", "r"], then_branch=branch, else_branch=branch)
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["Identity"]
    assert result.constants["q"].tolist() == result.constants["r"].tolist() == X.tolist()
    assert_equivalent(proto, result, {"x": X})


def test_branch_of_another_arity_is_refused() -> None:
    proto = model("float[2] x", "float[2] y", IF, c=np.array(True))
    branch = next(a.g for a in proto.graph.node[0].attribute if a.name == "then_branch")
    del branch.output[:]
    with pytest.raises(InvalidModel):
        from_proto(proto)


def test_captures_follow_renamed_values() -> None:
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        f"i = Identity(x) {IF.replace('Neg(x)', 'Neg(i)').replace('Abs(x)', 'Abs(i)')}",
    )
    result = from_proto(proto)
    assert ops(result.graph) == ["If"]
    for flag in (True, False):
        assert_equivalent(proto, result, {"x": X, "c": np.array(flag)})


def test_inner_value_that_hides_an_outer_one_is_not_captured() -> None:
    # After `i` becomes `x`, the inner `x` must not catch it.
    proto = model(
        "bool c, float[2] x",
        "float[2] y",
        """i = Identity(x)
           y = If(c) <then_branch = t () => (float[2] a) { x = Neg(i) a = Add(x, i) },
                      else_branch = e () => (float[2] b) { b = Abs(i) }>""",
    )
    result = from_proto(proto)
    (node,) = result.graph.node
    branch = next(a.g for a in node.attribute if a.name == "then_branch")
    negated = branch.node[0].output[0]
    assert negated != "x"
    assert list(branch.node[1].input) == [negated, "x"]


def test_constants_leave_branches_that_stay() -> None:
    large = np.ones((40, 40), np.float32)
    body = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["a"])],
        "t",
        [],
        [helper.make_tensor_value_info("a", 1, [2, 40])],
        [numpy_helper.from_array(large, "w")],
    )
    proto = model("bool c, float[2,40] x", "float[2,40] y", "")
    proto.graph.node.append(
        helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    )
    result = from_proto(proto)
    assert len(result.parameters) == 2
    for attribute in result.graph.node[0].attribute:
        assert not attribute.g.initializer
        assert attribute.g.node[0].input[1] in result.parameters
    x = np.ones((2, 40), np.float32)
    assert_equivalent(proto, result, {"c": np.array(True), "x": x})


def test_loop_of_known_trips_is_unrolled() -> None:
    # Without a condition the reference evaluator runs no step at all, which the standard doesn't
    # say: the numbers here are by hand.
    result = from_proto(loop())
    assert "Loop" not in ops(result.graph)
    outputs = run(rebuilt(result), {"x": X})
    np.testing.assert_array_equal(outputs["last"], 4 * X)
    np.testing.assert_array_equal(outputs["rows"], np.maximum([2 * X, 3 * X, 4 * X], 0))


LOOP = """last, rows = Loop(trips, going, x)
  <body = b (int64 i, bool on, float[2] s) => (bool still, float[2] n, float[2] r)
    { still = Identity(on) f = Cast<to = 1>(i) n = Add(s, f) r = Neg(n) }>"""


@pytest.mark.parametrize("trips", [1, 2, 64])
def test_trip_number_and_scan_outputs(trips: int) -> None:
    proto = model(
        "float[2] x",
        f"float[2] last, float[{trips},2] rows",
        LOOP,
        trips=np.array(trips),
        going=np.array(True),
    )
    result = from_proto(proto)
    assert "Loop" not in ops(result.graph)
    assert_equivalent(proto, result, {"x": X})


def test_loops_that_are_long_or_unknown_stay() -> None:
    outputs = "float[2] last, float[] rows"
    long = model("float[2] x", outputs, LOOP, trips=np.array(65), going=np.array(True))
    unknown = model("float[2] x, int64 trips", outputs, LOOP, going=np.array(True))
    asked = model("float[2] x, bool going", outputs, LOOP, trips=np.array(3))
    for proto in (long, unknown, asked):
        del proto.graph.output[1:]
        proto.graph.node[0].output[1] = ""
        proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 2
        assert ops(from_proto(proto).graph) == ["Loop"]


def test_loop_that_stops_itself_stays() -> None:
    body = LOOP.replace("still = Identity(on)", "z = Size(s) still = Greater(z, i)")
    proto = model(
        "float[2] x",
        "float[2] last",
        body.replace("last, rows", "last"),
        trips=np.array(3),
        going=np.array(True),
    )
    proto.graph.node[0].output.append("")
    assert ops(from_proto(proto).graph) == ["Loop"]


def test_loop_of_no_trips_hands_its_state_on() -> None:
    proto = model(
        "float[2] x",
        "float[2] last",
        LOOP.replace("last, rows", "last"),
        trips=np.array(0),
        going=np.array(True),
    )
    assert ops(from_proto(proto).graph) == ["Identity"]


def test_nested_loops_and_branches() -> None:
    inner = onnx.parser.parse_graph(
        """b (int64 j, bool on, float[2] t) => (bool on2, float[2] m)
           { on2 = Identity(on) m = Add(t, x) }"""
    )
    outer = helper.make_graph(
        [
            helper.make_node("Identity", ["a"], ["b"]),
            helper.make_node("Loop", ["two", "", "s"], ["n"], body=inner),
        ],
        "o",
        [
            helper.make_tensor_value_info("i", 7, []),
            helper.make_tensor_value_info("a", 9, []),
            helper.make_tensor_value_info("s", 1, [2]),
        ],
        [helper.make_tensor_value_info("b", 9, []), helper.make_tensor_value_info("n", 1, [2])],
    )
    proto = model("float[2] x", "float[2] y", "", two=np.array(2))
    proto.graph.node.append(helper.make_node("Loop", ["two", "", "x"], ["y"], body=outer))
    result = from_proto(proto)
    assert set(ops(result.graph)) <= {"Add", "Identity"}
    # Two steps of two additions of `x`.
    np.testing.assert_array_equal(run(rebuilt(result), {"x": X})["y"], 5 * X)
