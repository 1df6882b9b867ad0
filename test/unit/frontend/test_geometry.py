"""Attributes that don't fit the inputs, which onnx's own inference lets through."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from noema.errors import InvalidModel
from noema.frontend.onnx import from_proto


@pytest.mark.parametrize("perm", [[0], [0, 0], [0, 2], [0, 1, 2]])
def test_a_permutation_orders_every_dimension_once(perm: list[int]) -> None:
    """A found bug: onnx infers an output of rank 1 from perm [0] and a matrix."""
    node = helper.make_node("Transpose", ["x"], ["y"], name="turn", perm=perm)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4])
    y = helper.make_empty_tensor_value_info("y")
    graph = helper.make_graph([node], "g", [x], [y])
    with pytest.raises(InvalidModel):
        from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
