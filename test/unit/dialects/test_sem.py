"""Operands and results by slot."""

from __future__ import annotations

import pytest
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.context import new_context


@pytest.mark.parametrize("given", ["", "x", "xx", ".x", "x.x", "..x", "x..xx", "xxx"])
def test_omitted_inputs_are_empty_slots(given: str) -> None:
    with new_context(), ir.Location.name("node"):
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            type_ = ir.RankedTensorType.get([2], ir.F32Type.get())
            inputs = [
                sem.build_param(type_, f"p{i}") if c == "x" else None for i, c in enumerate(given)
            ]
            op = sem.build_onnx("Op", inputs, [type_], attrs={}, version=21)
            assert sem.slots(op) == inputs
            assert sem.slots(op, "result") == list(op.results)


def test_a_quick_build_gives_what_the_class_gives() -> None:
    with new_context(), ir.Location.name("node"):
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            type_ = ir.RankedTensorType.get([2, 3], ir.F32Type.get())
            x = sem.build_param(type_, "x")
            bias = sem.build_param(ir.RankedTensorType.get([3], ir.F32Type.get()), "b")
            attributes: dict[str, ir.Attribute] = {
                "kind": ir.StringAttr.get("layer"),
                "axis": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 1),
                "groups": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 1),
                "epsilon": ir.FloatAttr.get(ir.F32Type.get(), 1e-5),
            }
            slow = sem.NormOp(x, bias=bias, res=type_, **attributes)
            quick = sem.build(sem.NormOp, [x, None, bias], type_, **attributes)
            owner = quick.owner
            assert isinstance(owner, ir.OpView)
            assert owner.attributes["operandSegmentSizes"] == slow.attributes["operandSegmentSizes"]
            assert str(owner.operation).split("=", 1)[1] == str(slow.operation).split("=", 1)[1]
            assert module.operation.verify()
