"""Element types that programs hold as bytes are converted and moved, never computed with so."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from execution import compile_proto
from noema.errors import InvalidModel, UnsupportedModel


@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.FLOAT8E4M3FN])
@pytest.mark.parametrize("op", ["Max", "Mul", "Relu"])
def test_arithmetic_is_refused(op: str, kind: int) -> None:
    """Summing the bytes of a 4-bit integer would wrap at 8 bits: a gap, not a wrong answer."""
    names = ["a"] if op == "Relu" else ["a", "b"]
    graph = helper.make_graph(
        [
            *(helper.make_node("Cast", [n], [f"{n}c"], name=f"to_{n}", to=kind) for n in names),
            helper.make_node(op, [f"{n}c" for n in names], ["yc"], name="arithmetic"),
            helper.make_node("Cast", ["yc"], ["y"], name="back", to=TensorProto.FLOAT),
        ],
        "g",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [3]) for n in names],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    # Where the operator's type constraints exclude the type, the model itself is at fault.
    with pytest.raises((UnsupportedModel, InvalidModel), match="arithmetic"):
        compile_proto(model)
