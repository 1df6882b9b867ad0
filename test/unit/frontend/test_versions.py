"""Old operator sets are converted, unknown ones refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from equivalence import assert_equivalent
from noema.errors import InvalidModel, UnsupportedModel
from noema.frontend.onnx import from_proto
from onnx_text import model, ops

NEWEST = onnx.defs.onnx_opset_version()


@pytest.mark.parametrize("opset", [13, 17, NEWEST])
def test_known_operator_sets_are_kept(opset: int) -> None:
    result = from_proto(model("float[2] x", "float[2] y", "y = Relu(x)", opset=opset))
    assert result.opset == opset


@pytest.mark.parametrize("opset", [7, 9, 11, 12])
def test_older_operator_sets_are_converted(opset: int) -> None:
    proto = model(
        "float[2,1,3] x",
        "float[2] y",
        "s = Squeeze<axes = [1]>(x) w = Add(s, b) y = ReduceSum<axes = [1], keepdims = 0>(w)",
        opset=opset,
        ir_version=4,
        b=np.arange(3, dtype=np.float32),
    )
    result = from_proto(proto)
    assert result.opset == 13
    x = np.arange(6, dtype=np.float32).reshape(2, 1, 3)
    assert_equivalent(proto, result, {"x": x})


def test_large_weights_survive_conversion() -> None:
    weights = np.random.default_rng(0).standard_normal((40, 40)).astype(np.float32)
    proto = model(
        "float[2,40] x", "float[2,40] y", "[m] y = MatMul(x, w)", opset=9, ir_version=4, w=weights
    )
    result = from_proto(proto)
    np.testing.assert_array_equal(result.parameters["w"].values(), weights)
    assert result.sources["m"] == ("m",)


@pytest.mark.parametrize("opset", [NEWEST + 1, 999, 2**62])
def test_newer_operator_sets_are_refused(opset: int) -> None:
    with pytest.raises(UnsupportedModel, match=str(NEWEST)) as caught:
        from_proto(model("float[2] x", "float[2] y", "y = Relu(x)", opset=opset))
    assert caught.value.remedy


@pytest.mark.parametrize("version", [99, 2**31, 2**62])
def test_newer_versions_of_other_domains_are_gaps(version: int) -> None:
    body = "[n] y = ai.onnx.ml.Normalizer(x)"
    proto = model("float[2,2] x", "float[2,2] y", body, opsets={"ai.onnx.ml": version})
    with pytest.raises(UnsupportedModel, match="newest") as caught:
        from_proto(proto)
    assert [g.node for g in caught.value.gaps] == ["n"]


@pytest.mark.parametrize("opset", [0, -1, -(2**62)])
def test_impossible_operator_sets_are_refused(opset: int) -> None:
    with pytest.raises(InvalidModel):
        from_proto(model("float[2] x", "float[2] y", "y = Relu(x)", opset=opset))


def test_ir_versions() -> None:
    proto = model("float[2] x", "float[2] y", "y = Relu(x)")
    proto.ir_version = onnx.IR_VERSION + 1
    with pytest.raises(UnsupportedModel, match="IR version"):
        from_proto(proto)
    proto.ClearField("ir_version")
    with pytest.raises(InvalidModel, match="IR version"):
        from_proto(proto)


def test_missing_and_contradictory_imports_are_refused() -> None:
    proto = model("float[2] x", "float[2] y", "y = Relu(x)")
    proto.opset_import.append(helper.make_opsetid("", 13))
    with pytest.raises(InvalidModel, match="two operator set versions"):
        from_proto(proto)
    del proto.opset_import[:]
    with pytest.raises(InvalidModel, match="imports no version"):
        from_proto(proto)


def test_default_domain_has_two_spellings() -> None:
    proto = model("float[2] x", "float[2] y", "t = ai.onnx.Relu(x) y = Neg(t)")
    del proto.opset_import[:]
    proto.opset_import.append(helper.make_opsetid("ai.onnx", 21))
    assert ops(from_proto(proto).graph) == ["Relu", "Neg"]


def test_conversion_that_would_change_the_meaning_is_refused() -> None:
    body = onnx.parser.parse_graph(
        "b (float[2] s, float[2] e) => (float[2] n, float[2] r) { n = Add(s, e) r = Identity(n) }"
    )
    proto = model("float[1,2] s, float[1,3,2] x", "float[1,2] y", "", opset=8, ir_version=3)
    proto.graph.node.append(
        helper.make_node("Scan", ["", "s", "x"], ["y", ""], num_scan_inputs=1, body=body)
    )
    with pytest.raises(UnsupportedModel, match="13"):
        from_proto(proto)
