"""The pass driver: checks after each pass, reports, dumps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.context import new_context
from noema.errors import InvalidIR, InvalidOption
from noema.passes import registry
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.driver import PassRecord, check_raised, run_pipeline

MODULE = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>}
         : (tensor<4xf32>) -> tensor<4xf32> loc("neg")
  %1 = "sem.elementwise"(%x) {kind = "abs", operandSegmentSizes = array<i32: 1, 0, 0>}
         : (tensor<4xf32>) -> tensor<4xf32> loc("dead")
  return %0 : tensor<4xf32> loc("outputs")
}
"""


def _op(module: ir.Module) -> ir.OpView:
    return module.body.operations[0].regions[0].blocks[0].operations[0]


@dataclass(frozen=True)
class BreakType(Pass):
    """Writes a kind that doesn't exist."""

    name = "break-type"

    def run(self, module: ir.Module, context: PassContext) -> bool:
        _op(module).attributes["kind"] = ir.StringAttr.get("nope")
        return True


@dataclass(frozen=True)
class LoseProvenance(Pass):
    """Rebuilds the first op at no location."""

    name = "lose-provenance"

    def run(self, module: ir.Module, context: PassContext) -> bool:
        old = _op(module)
        with ir.InsertionPoint(old), ir.Location.unknown():
            new = sem.ElementwiseOp(
                old.operands[0], res=old.results[0].type, kind=old.attributes["kind"]
            )
        old.results[0].replace_all_uses_with(new.results[0])
        old.operation.erase()
        return True


@dataclass(frozen=True)
class Raises(Pass):
    """Has a bug."""

    name = "raises"

    def run(self, module: ir.Module, context: PassContext) -> bool:
        raise KeyError("oops")


@dataclass(frozen=True)
class Counts(Pass):
    """Counts, changing nothing."""

    name = "counts"
    step: int = 1

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        return PassResult(False, {"steps": self.step})


@pytest.fixture(autouse=True)
def own_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {cls.name: cls for cls in (BreakType, LoseProvenance, Raises, Counts)}
    original = registry.find_pass

    def find(name: str) -> type[Pass] | None:
        return known.get(name) or original(name)

    monkeypatch.setattr(registry, "find_pass", find)


def _module() -> ir.Module:
    with new_context():
        return ir.Module.parse(MODULE)


def test_the_report_says_what_each_pass_did() -> None:
    seen: list[PassRecord] = []
    report = run_pipeline(
        _module(), "counts{step=5},cse,dce,cse", PassContext(), on_pass=seen.append
    )
    assert tuple(seen) == report.passes
    assert [p.spec for p in report.passes] == ["counts{step=5}", "cse", "dce", "cse"]
    assert [(p.ops_before, p.ops_after) for p in report.passes] == [(4, 4), (4, 3), (3, 3), (3, 3)]
    assert [p.modified for p in report.passes] == [False, True, False, False]
    assert report.passes[0].statistics == {"steps": 5}
    assert report.modified
    assert report.seconds == sum(p.seconds for p in report.passes)
    assert "counts{step=5}" in str(report)
    assert report.to_json()[1]["ops_after"] == 3


GATED = """
    func.func @main(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
      %0 = "sem.elementwise"(%x) {kind = "cast", operandSegmentSizes = array<i32: 1, 0, 0>}
             : (tensor<3x4xf32>) -> tensor<3x4xf32> loc("/cast")
      %1 = "sem.activation"(%0) {kind = "sigmoid", alpha = 0.0 : f32, beta = 0.0 : f32}
             : (tensor<3x4xf32>) -> tensor<3x4xf32> loc("/sigmoid")
      %2 = "sem.elementwise"(%0, %1) {kind = "mul", operandSegmentSizes = array<i32: 1, 1, 0>}
             : (tensor<3x4xf32>, tensor<3x4xf32>) -> tensor<3x4xf32> loc("/mul")
      return %2 : tensor<3x4xf32> loc("return")
    }"""
"""Something to simplify, and then something to recognise."""


def test_passes_of_patterns_do_the_same_together_as_alone(tmp_path: Path) -> None:
    with new_context(), ir.Location.unknown():
        apart, joined, kept = (ir.Module.parse(GATED) for _ in range(3))
        pipeline = "simplify,recognize,dce"
        reports = [
            run_pipeline(apart, pipeline, PassContext()),
            run_pipeline(joined, pipeline, PassContext(), verify=False),
            run_pipeline(kept, pipeline, PassContext(), verify=False, dump_ir=tmp_path),
        ]
    assert [[p.spec for p in report.passes] for report in reports] == [
        ["simplify", "recognize", "dce"],
        ["simplify,recognize", "dce"],
        ["simplify", "recognize", "dce"],  # a dump for each
    ]
    texts = {m.operation.get_asm(enable_debug_info=True) for m in (apart, joined, kept)}
    assert len(texts) == 1
    assert 'kind = "swish"' in texts.pop()
    assert reports[1].passes[0].statistics == {"drop-cast": 1, "swish": 1}


def _products(flag: str) -> str:
    """Two products, the second of which has `flag` for whether its left side lies on its side."""
    return f"""
    func.func @main(%x: tensor<3x4xf32>, %y: tensor<4x5xf32>) -> tensor<3x5xf32> {{
      %0 = "sem.matmul"(%x, %y) {{transpose_lhs = false, transpose_rhs = false}}
             : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32> loc("/first")
      %1 = "sem.matmul"(%x, %y) {{transpose_lhs = {flag}, transpose_rhs = false}}
             : (tensor<3x4xf32>, tensor<4x5xf32>) -> tensor<3x5xf32> loc("/second")
      return %1 : tensor<3x5xf32> loc("return")
    }}"""


def test_an_op_that_differs_from_a_checked_one_by_an_attribute_is_checked() -> None:
    with new_context(), ir.Location.unknown():
        check_raised(ir.Module.parse(_products("false")), "pass raise")
        # The parser verifies what it reads; a pass can break it afterwards.
        module = ir.Module.parse(_products("false"))
        second = module.body.operations[0].regions[0].blocks[0].operations[1]
        second.attributes["transpose_lhs"] = ir.BoolAttr.get(True)
        with pytest.raises(
            InvalidIR, match=r"pass raise does not verify:\n  node '/second': .*extents"
        ):
            check_raised(module, "pass raise")


def test_an_empty_pipeline_only_verifies() -> None:
    assert run_pipeline(_module(), "", PassContext()).passes == ()


def test_a_pass_that_breaks_the_ir_is_named() -> None:
    with pytest.raises(InvalidIR) as caught:
        run_pipeline(_module(), "dce,break-type,cse", PassContext())
    assert "pass break-type does not verify" in str(caught.value)
    assert "node 'neg'" in str(caught.value)
    assert "kind 'nope'" in str(caught.value)


def test_a_pass_that_drops_provenance_is_named() -> None:
    with pytest.raises(InvalidIR) as caught:
        run_pipeline(_module(), "cse,lose-provenance", PassContext())
    assert "pass lose-provenance made ops without an ONNX node: sem.elementwise" in str(
        caught.value
    )


def test_verification_can_be_turned_off() -> None:
    report = run_pipeline(_module(), "lose-provenance,break-type", PassContext(), verify=False)
    assert len(report.passes) == 2


def test_a_module_that_had_no_provenance_needs_none() -> None:
    with new_context():
        module = ir.Module.parse(MODULE.replace('loc("neg")', "loc(unknown)"))
    run_pipeline(module, "lose-provenance", PassContext())


def test_a_module_that_does_not_verify_is_refused_before_the_first_pass() -> None:
    module = _module()
    with module.context:
        _op(module).attributes["kind"] = ir.StringAttr.get("nope")
    with pytest.raises(InvalidIR, match="the module does not verify"):
        run_pipeline(module, "cse", PassContext())


def test_a_bug_in_a_pass_keeps_its_type_and_tells_the_pass() -> None:
    with pytest.raises(KeyError) as caught:
        run_pipeline(_module(), "raises", PassContext())
    assert caught.value.__notes__ == ["while running pass raises"]


def test_nothing_runs_if_the_pipeline_is_wrong() -> None:
    module = _module()
    before = str(module)
    for pipeline in ("dce,nope", "dce,counts{step=x}", "dce,func.func(nope)", "dce,inline{x=1}"):
        with pytest.raises(InvalidOption):
            run_pipeline(module, pipeline, PassContext())
    assert str(module) == before


def test_a_mlir_pass_that_fails_is_named() -> None:
    with pytest.raises(InvalidIR) as caught:
        run_pipeline(_module(), "func.func(symbol-dce)", PassContext())
    assert "pass func.func(symbol-dce) failed" in str(caught.value)
    assert "does not define a symbol table" in str(caught.value)


def test_dumps_are_numbered_and_can_be_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ir"
    run_pipeline(_module(), "cse,counts{step=2},func.func(cse)", PassContext(), dump_ir=folder)
    names = sorted(p.name for p in folder.iterdir())
    assert names == [
        "00-import.mlir",
        "01-cse.mlir",
        "02-counts.mlir",
        "03-func.func-cse.mlir",
    ]
    assert "dead" in (folder / names[0]).read_text(encoding="utf-8")
    for name in names:
        with new_context():
            module = ir.Module.parse((folder / name).read_text(encoding="utf-8"))
            assert str(_op(module).location) == 'loc("neg")'


def test_what_a_failed_pass_left_is_dumped(tmp_path: Path) -> None:
    with pytest.raises(InvalidIR):
        run_pipeline(_module(), "cse,break-type", PassContext(), dump_ir=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "00-import.mlir",
        "01-cse.mlir",
        "02-break-type.failed.mlir",
    ]
    assert '"nope"' in (tmp_path / "02-break-type.failed.mlir").read_text(encoding="utf-8")
