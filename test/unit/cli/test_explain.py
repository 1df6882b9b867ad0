"""`noema explain`: what it prints, writes and returns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from noema import api
from noema.cli import main
from noema.cli.explain import explain_command
from noema.errors import InvalidOption
from noema.workload import WorkloadProfile
from profiles import transformer

PROFILE = transformer(2)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Calls of `analyze`, which answers with a profile made by hand."""
    calls: list[dict[str, object]] = []

    def analyze(model: Path, **options: object) -> WorkloadProfile:
        calls.append({"model": model, **options})
        return PROFILE

    monkeypatch.setattr(api, "analyze", analyze)
    return calls


def _explain(*arguments: str) -> Result:
    return CliRunner().invoke(explain_command, list(arguments), catch_exceptions=False)


def test_a_report(asked: list[dict[str, object]]) -> None:
    result = _explain("bert.onnx")
    assert result.exit_code == 0
    assert "text encoder, confidence 94%" in result.stdout
    assert asked[0]["model"] == Path("bert.onnx")
    assert asked[0]["cache"] is True
    assert asked[0]["kernels"] == "f32"


def test_json_is_the_profile_and_nothing_else(asked: list[dict[str, object]]) -> None:
    result = _explain("bert.onnx", "--json")
    assert WorkloadProfile.from_json(json.loads(result.stdout)) == PROFILE


def test_options_are_passed_on(asked: list[dict[str, object]]) -> None:
    _explain("m.onnx", "--shape", "x=1,?", "--no-cache", "--time-limit", "9", "--no-kernels")
    assert asked[0]["kernels"] is None
    _explain("m.onnx", "--precision", "bf16")
    assert asked[1]["kernels"] == "bf16"
    assert asked[0]["shapes"] == {"x": (1, None)}
    assert asked[0]["cache"] is False
    assert getattr(asked[0]["limits"], "wall_seconds", None) == 9
    with pytest.raises(InvalidOption, match="cannot read shape"):
        _explain("m.onnx", "--shape", "x")


def test_a_page_beside_the_report(asked: list[dict[str, object]], tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    result = _explain("m.onnx", "--html", str(page))
    assert f"page: {page}" in result.stdout
    assert page.read_text("utf-8").startswith("<!doctype html>")
    result = _explain("m.onnx", "--html", str(page), "--json")
    json.loads(result.stdout)


def test_nodes_timing_and_opportunities(asked: list[dict[str, object]]) -> None:
    text = _explain("m.onnx", "--nodes", "--timing", "--opportunities", "1").stdout
    assert "/encoder/layer.0/attention/query" in text
    assert "layer-norm" in text
    assert "and 1 more" in text


def test_help_teaches() -> None:
    text = _explain("--help").stdout
    assert "noema explain bert.onnx --shape input_ids=8,256 --html bert.html" in text
    assert "predictions" in text


def test_an_error_is_a_paragraph_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    known = api.this_machine
    monkeypatch.setattr(api, "this_machine", lambda **_: known(measure=False))
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"\xff" * 64)
    with pytest.raises(SystemExit) as caught:
        main(["explain", str(bad)])
    assert caught.value.code == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error
