"""Locations as the record of which ONNX nodes an op comes from."""

from __future__ import annotations

import pytest
from torch_mlir import ir

from noema.dialects.context import new_context
from noema.dialects.provenance import fused_location, node_names, ops_without_provenance

FUNCTION = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {{
  %0 = "sem.elementwise"(%x) {{kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>}}
         : (tensor<4xf32>) -> tensor<4xf32> loc({first})
  %1 = "sem.elementwise"(%0) {{kind = "abs", operandSegmentSizes = array<i32: 1, 0, 0>}}
         : (tensor<4xf32>) -> tensor<4xf32> loc({second})
  %2 = "sem.constant"() {{value = dense<0.0> : tensor<f32>}} : () -> tensor<f32> loc(unknown)
  return %1 : tensor<4xf32> loc(unknown)
}}
"""


def _module(first: str, second: str = '"b"') -> ir.Module:
    with new_context():
        return ir.Module.parse(FUNCTION.format(first=first, second=second))


def _ops(module: ir.Module) -> list[ir.OpView]:
    return list(module.body.operations[0].regions[0].blocks[0].operations)


@pytest.mark.parametrize(
    ("location", "names"),
    [
        ('"a"', ("a",)),
        ('"a"("inner"("f":1:2))', ("a", "inner")),
        ('fused["a", fused["b", "a"], "c"]', ("a", "b", "c")),
        ('fused<"why">["a", unknown, "b"]', ("a", "b")),
        ('callsite("callee" at "caller")', ("callee", "caller")),
        ('"f":1:2', ()),
        ("unknown", ()),
    ],
)
def test_names_are_read_outside_in_each_once(location: str, names: tuple[str, ...]) -> None:
    assert node_names(_ops(_module(location))[0]) == names


def test_fused_location_joins_the_names() -> None:
    module = _module('fused["a", "c"]', 'fused["b", "a"]')
    with module.context:
        first, second, *_ = _ops(module)
        first.operation.location = fused_location([first, second])
        assert node_names(first) == ("a", "c", "b")
        # Fusing again adds nothing, and one op's location stays what it is.
        assert fused_location([first, second, first]) == first.location
        assert fused_location([second]) == second.location
        assert fused_location([]) == ir.Location.unknown()


@pytest.mark.parametrize("location", ['"a"', 'fused["a", "b"]', '"f":1:2', 'callsite("a" at "b")'])
def test_ops_that_lead_somewhere_are_fine(location: str) -> None:
    assert ops_without_provenance(_module(location)) == []


def test_ops_that_lead_nowhere_are_found_except_constants_and_terminators() -> None:
    lost = ops_without_provenance(_module("unknown", "fused[unknown, unknown]"))
    assert [op.attributes["kind"].value for op in lost] == ["neg", "abs"]
