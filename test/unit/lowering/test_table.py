"""Every ONNX operator is served by somebody, or is a gap that says why."""

from __future__ import annotations

import onnx

from noema.dialects import optimized, sem
from noema.dialects.opset import EXPANDED, GAPS, TORCH
from noema.lowering.table import ANCHORS, KERNELS, ONNX, SEM
from noema.passes.raise_ import REWRITES

RAISED = {op for rewrite in REWRITES for op in rewrite.op_types}
CONSTANT = {"Constant"}  # the frontend takes its value


def test_every_operator_of_the_default_domain_has_a_route_or_a_reason() -> None:
    known = {s.name for s in onnx.defs.get_all_schemas() if not s.domain}
    assert known - (RAISED | {*ONNX} | EXPANDED | TORCH | {*GAPS} | CONSTANT) == set()


def test_a_gap_is_not_served() -> None:
    served = RAISED | {*ONNX} | EXPANDED | TORCH
    assert {*GAPS} & served == set()


def test_tables_name_only_operators_that_exist() -> None:
    known = {s.name for s in onnx.defs.get_all_schemas_with_history() if not s.domain}
    assert ({*ONNX} | EXPANDED | TORCH | {*GAPS}) - known == set()


def named_ops() -> set[str]:
    """Those of the dialect, with those that only optimising passes make."""
    assert optimized.FusedOp in sem.Sem.operations
    return {f"sem.{op._op_name}" for op in sem.Sem.operations}


def test_every_named_op_has_a_lowering() -> None:
    # What holds values, what the other table serves, and what holds ops (lit: fused.mlir).
    others = {"sem.constant", "sem.param", "sem.onnx", "sem.fused", "sem.yield"}
    assert named_ops() - others == {*SEM}


def test_kernels_are_for_ops_that_there_are() -> None:
    """Each of them may decline, and is then lowered by another way."""
    assert {*KERNELS} <= named_ops() and {*KERNELS} - {"sem.fused"} <= {*SEM}
    assert {*ANCHORS} <= {*KERNELS}
