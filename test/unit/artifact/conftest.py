"""A small artifact, with a program that no test here runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema import artifact, dtypes
from noema.options import Target
from noema.parameters import ParameterStore
from noema.signature import Signature, TensorSpec

PROGRAM = bytes(range(256)) * 5
REPORT = {"passes": [{"name": "raise", "seconds": 0.25}]}


@pytest.fixture
def store() -> ParameterStore:
    """Weights of several types and awkward names and sizes."""
    weights = ParameterStore()
    weights.add("dense.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    weights.add("../è\x00\n", np.array([1, 2, 3], np.int8))
    weights.add("empty", np.zeros((0, 7), np.float16))
    weights.add("scalar", np.array(2.5, np.float64))
    weights.add("half", np.array([1.5, -2], dtypes.from_name("bfloat16").numpy))
    return weights


@pytest.fixture
def signature() -> Signature:
    f32, i64 = dtypes.from_name("float32"), dtypes.from_name("int64")
    return Signature(
        (TensorSpec("x", f32, ("batch", 3)), TensorSpec("ids:0", i64, ())),
        (TensorSpec("y", f32, ("batch", "?0")),),
    )


@pytest.fixture
def path(tmp_path: Path, store: ParameterStore, signature: Signature) -> Path:
    """A written artifact."""
    file = tmp_path / "model.noema"
    artifact.write(
        file,
        program=PROGRAM,
        signature=signature,
        target=Target("cpu", "x86-64-v3"),
        parameters=store,
        requirements=artifact.Requirements("x86_64", ("avx2", "fma")),
        versions={"noema": "0.1.0"},
        attributes={"model": "m.onnx"},
        report=REPORT,
    )
    return file
