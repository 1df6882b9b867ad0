"""What `noema explain` says of kernels is what a compile would do, found without its work."""

from __future__ import annotations

import numpy as np
import pytest

from kernel_runs import this_isa
from models import find
from noema.analysis.hardware import describe
from noema.dialects.context import new_context
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import from_proto
from noema.kernels.conv import Conv
from noema.kernels.gemm import Gemm
from noema.lowering.lower import lower
from noema.options import Precision
from noema.passes.driver import run_pipeline
from noema.passes.registry import compile_pipeline
from noema.pipeline import pass_context
from noema.runtime.device import default_threads
from noema.understanding import Stopwatch, analyze_model
from noema.workload import WorkloadProfile
from onnx_text import model

pytestmark = pytest.mark.skipif(this_isa() is None, reason="no vector unit that kernels know")


def explained(name: str, precision: Precision | None) -> WorkloadProfile:
    read = from_proto(find(name).build("older", seed=3, static=True), expand=EXPANDED)
    return analyze_model(read, describe(), kernels=precision)


@pytest.mark.parametrize("name", ["bert", "unet", "resnet-basic", "dlrm", "llama", "mobilenet"])
@pytest.mark.parametrize("precision", list(Precision))
def test_the_plan_is_what_a_compile_does(name: str, precision: Precision) -> None:
    isa = this_isa()
    if precision is Precision.BF16 and (isa is None or not isa.bf16):
        pytest.skip("no bf16 here")
    plan = explained(name, precision).kernels
    assert plan is not None and not plan.reason
    read = from_proto(find(name).build("older", seed=3, static=True), expand=EXPANDED)
    module = import_model(read, new_context())
    run_pipeline(module, compile_pipeline("cpu", precision.value), pass_context(read))
    lowered = lower(module, read.parameters, isa, default_threads())
    assert {u.description for u in plan.uses} == {k.describe() for k in lowered.kernels.values()}
    assert {item.reason for item in plan.declined} == {*lowered.declined.values()}


def test_kernels_are_told_by_component() -> None:
    profile = explained("bert", Precision.F32)
    assert profile.kernels is not None
    kinds = {c.name: c.kind for c in profile.components}
    found = {(kinds[use.component], use.kernel) for use in profile.kernels.uses}
    assert {("attention", "attention"), ("attention", "gemm"), ("mlp", "gemm")} <= found
    assert ("norm", "norm") in found
    nodes = {node for c in profile.components for node in c.nodes}
    assert all(use.nodes and set(use.nodes) <= nodes for use in profile.kernels.uses)


def test_no_weight_is_packed_and_the_stage_is_timed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed(*_: object) -> np.ndarray:
        raise AssertionError("a weight was packed")

    monkeypatch.setattr(Gemm, "packed", packed)
    monkeypatch.setattr(Conv, "pack", packed)
    watch = Stopwatch()
    read = from_proto(find("vit").build("older", seed=3, static=True), expand=EXPANDED)
    profile = analyze_model(read, describe(), stopwatch=watch, kernels=Precision.F32)
    assert profile.kernels is not None
    assert {"conv", "gemm"} <= {use.kernel for use in profile.kernels.uses}
    assert list(profile.timing.stages)[-1] == "kernels"


def test_nobody_asked_nothing_is_planned() -> None:
    profile = explained("dlrm", None)
    assert profile.kernels is None and "kernels" not in profile.timing.stages


def test_of_a_model_that_cannot_be_compiled_the_reason_is_told() -> None:
    proto = model("float[4] x", "float[4] y", "a = Relu(x) [noise] y = Bernoulli(a)")
    read = from_proto(proto, expand=EXPANDED)
    profile = analyze_model(read, describe(), kernels=Precision.F32)
    assert profile.kernels is not None
    assert "'noise'): random numbers" in profile.kernels.reason and not profile.kernels.uses
