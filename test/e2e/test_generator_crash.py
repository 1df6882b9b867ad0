"""What IREE's code generation dies of, or gets wrong, where a product reads what repeats."""

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


@pytest.mark.parametrize("repeat", ["Expand", "Tile"])
def test_a_learned_row_for_each_example_is_projected(repeat: str) -> None:
    """A pooling head's query. IREE 3.13 fuses the repetition into the product and dies."""
    rng = np.random.default_rng(5)
    row = rng.standard_normal((1, 1, 32), dtype=np.float32)
    weight = rng.standard_normal((32, 32), dtype=np.float32)
    rest = "[1, 32]" if repeat == "Expand" else "[1, 1]"
    proto = model(
        "float[N,9,32] x",
        "float[N,1,32] y",
        f"""
        n = Shape<start=0, end=1>(x)
        rest = Constant<value_ints={rest}>()
        extents = Concat<axis=0>(n, rest)
        rows = {repeat}(row, extents)
        y = MatMul(rows, weight)
        """,
        row=row,
        weight=weight,
    )
    with noema.compile(proto, cache=False, threads=1) as program:
        y = program(x=np.zeros((3, 9, 32), np.float32))["y"]
    expected = np.broadcast_to(row.astype(np.float64) @ weight, (3, 1, 32))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_a_crash_of_the_code_generator_is_survived(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain: list[object] = []

    def crashing(job: str, request: dict[str, object], **options: object) -> object:
        plain.append(request.get("plain"))
        if not request.get("plain"):
            raise GeneratorCrashed("the compile process was killed")
        return run_job(job, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("noema.api.run_job", crashing)
    path = tmp_path / "model.onnx"
    onnx.save(model("float[N,4] x", "float[N,4] y", "y = MatMul(x, x)"), path)
    compile_to_file(path, tmp_path / "model.noema", CompileOptions())
    assert plain == [None, True]
    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    with noema.load(tmp_path / "model.noema") as program:
        np.testing.assert_allclose(program(x=x)["y"], x @ x)


def test_a_second_crash_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[object] = []

    def crash(job: str, request: dict[str, object], **options: object) -> object:
        calls.append(request.get("plain"))
        raise GeneratorCrashed("the compile process was killed")

    monkeypatch.setattr("noema.api.run_job", crash)
    with pytest.raises(GeneratorCrashed):
        compile_to_file(tmp_path / "model.onnx", tmp_path / "model.noema", CompileOptions())
    assert calls == [None, True]
