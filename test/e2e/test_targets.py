"""Artifacts for machines other than this one: made here, and run here where this machine can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from execution import compile_proto
from noema.check import compare
from noema.errors import DeviceUnavailable, InvalidOption
from noema.options import CompileOptions, Precision, Target
from noema.pipeline import save
from noema.runtime.cpu import this_cpu
from noema.runtime.session import load

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_cnn.onnx"
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
PORTABLE = tuple(f"cpu:{level}" for level in LEVELS)


def artifact(target: str, folder: Path) -> Path:
    path = folder / "digits.noema"
    options = CompileOptions(target=Target.parse(target))
    save(compile_proto(onnx.load(DIGITS), options), path)
    return path


@pytest.mark.parametrize("level", LEVELS)
def test_portable_levels_agree_or_are_refused(level: str, tmp_path: Path) -> None:
    """Same results (1e-4, float32 sums in another order), or a refusal before any code runs."""
    path = artifact(f"cpu:{level}", tmp_path)
    here = this_cpu().level
    if here is None or LEVELS.index(level) > LEVELS.index(here):
        with pytest.raises(DeviceUnavailable, match=level):
            load(path)
        return
    images = np.random.default_rng(4).random((5, 1, 8, 8), dtype=np.float32)
    wanted = ort.InferenceSession(DIGITS).run(["logits"], {"images": images})
    with load(path) as program:
        (error,) = compare({"logits": np.asarray(wanted[0])}, program(images=images), 1e-4)
    assert error.agrees, error


def test_aarch64_compiles_here_and_runs_there(tmp_path: Path) -> None:
    """For any 64-bit Arm processor; on another kind it's refused before any code runs."""
    path = artifact("cpu:aarch64", tmp_path)
    if this_cpu().machine in ("aarch64", "arm64"):
        with load(path) as program:
            assert program(images=np.zeros((1, 1, 8, 8), np.float32))["logits"].shape == (1, 10)
        return
    with pytest.raises(DeviceUnavailable, match="compiled for aarch64, this machine is") as caught:
        load(path)
    assert "--target cpu" in str(caught.value)


@pytest.mark.parametrize("target", [*PORTABLE, "cpu:aarch64", "vulkan", "cuda:sm_89"])
def test_bf16_is_refused_where_there_are_no_instructions_for_it(target: str) -> None:
    """No level of x86-64 has them; the code generation for GPUs has no use of theirs yet."""
    options = CompileOptions(Target.parse(target), Precision.BF16)
    with pytest.raises(InvalidOption, match=f"{target} has no instructions for bf16") as caught:
        compile_proto(onnx.load(DIGITS), options)
    assert "--emulate" in str(caught.value)


@pytest.mark.parametrize("target", ["cpu:aarch64", "vulkan", "cuda:sm_89"])
def test_bf16_is_emulated_when_asked_for(target: str) -> None:
    """The weights are stored in bf16; the precision is on the artifact."""
    options = CompileOptions(Target.parse(target), Precision.BF16, emulate=True)
    compiled = compile_proto(onnx.load(DIGITS), options)
    assert "bfloat16" in {compiled.parameters[n].dtype.name for n in compiled.parameters}
    assert not compiled.kernels


def test_a_precision_is_on_the_artifact(tmp_path: Path) -> None:
    options = CompileOptions(Target("cpu", "x86-64-v2"), Precision.BF16, emulate=True)
    save(compile_proto(onnx.load(DIGITS), options), tmp_path / "digits.noema")
    with load(tmp_path / "digits.noema") as program:
        assert program.manifest.precision == "bf16"


def test_cuda_compiles_without_a_gpu(tmp_path: Path) -> None:
    assert artifact("cuda:sm_89", tmp_path).stat().st_size > 0


def test_unknown_cuda_architecture_names_those_there_are() -> None:
    with pytest.raises(InvalidOption, match="sm_89"):
        Target.parse("cuda:sm_90")
