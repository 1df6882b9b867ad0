"""A program that kills IREE's code generation compiles all the same, in a plainer way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import noema
from noema.api import compile_to_file
from noema.errors import GeneratorCrashed
from noema.options import CompileOptions
from noema.worker import run_job
from onnx_text import model


def _projected_query(rng: np.random.Generator) -> onnx.ModelProto:
    """One learned row for each example of a batch, projected: a pooling head's query.

    IREE 3.13 fuses the broadcast into the product and dies when it packs the operands
    (`MaterializeEncoding`, in `linalg::PackOp::getResultShape`).
    """
    return model(
        "float[N,9,32] x",
        "float[N,1,32] y",
        """
        n = Shape<start=0, end=1>(x)
        rest = Constant<value_ints=[1, 32]>()
        extents = Concat<axis=0>(n, rest)
        rows = Expand(row, extents)
        y = MatMul(rows, weight)
        """,
        row=rng.standard_normal((1, 1, 32), dtype=np.float32),
        weight=rng.standard_normal((32, 32), dtype=np.float32),
    )


def test_a_crash_of_the_code_generator_is_survived(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    proto = _projected_query(rng)
    requests: list[object] = []

    def recorded(job: str, request: dict[str, object], **options: object) -> object:
        requests.append(request.get("plain"))
        return run_job(job, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("noema.api.run_job", recorded)
    path = tmp_path / "model.onnx"
    onnx.save(proto, path)
    compile_to_file(path, tmp_path / "model.noema", CompileOptions())
    # When this fails, IREE no longer dies on it: find another program, or drop the second way.
    assert requests == [None, True]

    rows, weight = (onnx.numpy_helper.to_array(t) for t in proto.graph.initializer)
    expected = np.broadcast_to(rows.astype(np.float64) @ weight, (3, 1, 32))
    with noema.load(tmp_path / "model.noema") as program:
        y = program(x=np.zeros((3, 9, 32), np.float32))["y"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_a_second_crash_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[object] = []

    def crash(job: str, request: dict[str, object], **options: object) -> object:
        calls.append(request.get("plain"))
        raise GeneratorCrashed("the compile process was killed")

    monkeypatch.setattr("noema.api.run_job", crash)
    with pytest.raises(GeneratorCrashed):
        compile_to_file(tmp_path / "model.onnx", tmp_path / "model.noema", CompileOptions())
    assert calls == [None, True]
