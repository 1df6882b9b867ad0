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
from noema.options import CompileOptions, Target
from noema.pipeline import save
from noema.runtime.cpu import this_cpu
from noema.runtime.session import load

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_cnn.onnx"
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")


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


def test_cuda_compiles_without_a_gpu(tmp_path: Path) -> None:
    assert artifact("cuda:sm_89", tmp_path).stat().st_size > 0


def test_unknown_cuda_architecture_names_those_there_are() -> None:
    with pytest.raises(InvalidOption, match="sm_89"):
        Target.parse("cuda:sm_90")
