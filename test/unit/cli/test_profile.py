"""`noema profile`: its options, and what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from noema.cli.profile import profile_command
from noema.errors import InvalidOption
from noema.options import Precision
from noema.profile import ProgramProfile

DIGITS = Path(__file__).resolve().parents[3] / "examples" / "digits" / "digits_transformer.onnx"


def _profile(*arguments: str) -> Result:
    return CliRunner().invoke(profile_command, list(arguments), catch_exceptions=False)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the profile was asked for; it answers with one made by hand."""
    from profiled import profiled

    asked: dict[str, Any] = {}

    class Program:
        inputs = ()

        def __enter__(self) -> Program:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    def compile_cached(model: Path, options: object, **others: object) -> Program:
        asked.update(model=model, options=options, **others)
        return Program()

    def profile_program(program: object, feeds: object, **others: object) -> ProgramProfile:
        asked.update(others)
        return profiled()

    monkeypatch.setattr("noema.api.compile_cached", compile_cached)
    monkeypatch.setattr("noema.profiling.profile_program", profile_program)
    return asked


def test_a_table_by_default(timed: dict[str, Any]) -> None:
    text = _profile(str(DIGITS)).stdout
    assert "Most time above the roofline" in text
    assert timed["calls"] == 20
    assert timed["options"].shapes == {"images": (1, 1, 8, 8)}


def test_options_are_passed_on(timed: dict[str, Any]) -> None:
    _profile(str(DIGITS), "--dim", "batch=3", "--precision", "bf16", "--threads", "1")
    assert timed["options"].shapes == {"images": (3, 1, 8, 8)}
    assert (timed["options"].precision, timed["threads"]) == (Precision.BF16, 1)
    _profile(str(DIGITS), "--no-pin", "--repeat", "5", "--no-cache")
    assert (timed["options"].shapes, timed["calls"], timed["use_cache"]) == ({}, 5, False)


def test_json_to_a_file_or_alone(timed: dict[str, Any], tmp_path: Path) -> None:
    del timed
    file = tmp_path / "p.json"
    assert "bert.onnx for cpu" in _profile(str(DIGITS), "--json", str(file)).stdout
    written = ProgramProfile.from_json(json.loads(file.read_text("utf-8")))
    alone = ProgramProfile.from_json(json.loads(_profile(str(DIGITS), "--json", "-").stdout))
    assert written == alone


def test_a_compiled_program_keeps_its_shapes() -> None:
    with pytest.raises(InvalidOption, match="can't change it"):
        _profile("m.noema", "--shape", "x=1")


def test_help_teaches() -> None:
    text = _profile("--help").stdout
    assert "noema profile model.noema --by site --threads 1 --rows 0" in text
    assert "of roof" in text
