"""The shipped, trained networks on their held-out images: accuracy that a user would notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import noema

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"

# f32 on both sides, sums in a different order: noema's bound on every test network.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def split() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    with np.load(DIGITS / "test_split.npz", allow_pickle=False) as file:
        return file["images"], file["labels"]


@pytest.mark.parametrize(("network", "right"), [("digits_cnn", 447), ("digits_transformer", 444)])
def test_accuracy_and_agreement_with_onnx_runtime(
    network: str, right: int, split: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    """As many of the 450 images right as when it was trained, at any batch size."""
    images, labels = split
    path = DIGITS / f"{network}.onnx"
    program = noema.compile(path)
    session = onnxruntime.InferenceSession(path)
    for batch in (len(images), 1, 7):
        logits = program(images=images[:batch])["logits"]
        (reference,) = session.run(["logits"], {"images": images[:batch]})
        assert logits.shape == (batch, 10)
        assert np.abs(logits - reference).max() <= TOLERANCE * np.abs(reference).max()
        if batch == len(images):
            assert (logits.argmax(1) == labels).sum() == right


def test_a_saved_program_runs_without_the_compiler(
    tmp_path: Path, split: tuple[NDArray[np.float32], NDArray[np.int64]]
) -> None:
    """In a fresh process that loads and calls an artifact, no compile package is imported."""
    images, labels = split
    noema.compile(DIGITS / "digits_cnn.onnx").save(tmp_path / "digits.noema")
    np.save(tmp_path / "images.npy", images)
    script = (
        "import sys, numpy, noema\n"
        f"program = noema.load({str(tmp_path / 'digits.noema')!r})\n"
        f"logits = program(images=numpy.load({str(tmp_path / 'images.npy')!r}))['logits']\n"
        "print(' '.join(map(str, logits.argmax(1))))\n"
        "compile_only = {'torch_mlir', 'iree.compiler', 'onnx', 'noema.pipeline'}\n"
        "print(sorted(compile_only & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    classes, imported = done.stdout.splitlines()
    assert (np.array(classes.split(), np.int64) == labels).sum() == 447
    assert imported == "[]"
