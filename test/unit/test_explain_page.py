"""docs/explain.md: the commands and the code on it work, and show what it says."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from noema import api
from noema.cli.explain import explain_command
from noema.machine import this_machine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explain.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def in_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(api, "this_machine", lambda **_: this_machine(measure=False))


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.S | re.M)
    assert found is not None
    return found[1]


def test_the_commands(tmp_path: Path) -> None:
    commands = [line.split() for line in _block("sh").splitlines()]
    assert len(commands) == 3
    for program, command, *arguments in commands:
        assert (program, command) == ("noema", "explain")
        arguments = [a.replace("report.html", str(tmp_path / "report.html")) for a in arguments]
        result = CliRunner().invoke(explain_command, arguments, catch_exceptions=False)
        assert result.exit_code == 0
    assert (tmp_path / "report.html").exists()


def test_what_it_shows_is_what_is_printed() -> None:
    """Names, kinds and counts; figures of time depend on the machine."""
    model = "examples/digits/digits_transformer.onnx"
    printed = CliRunner().invoke(explain_command, [model], catch_exceptions=False).stdout
    words = set(re.findall(r"[\w.×…]+", printed))
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
    shown = [text for language, text in blocks if not language]
    assert len(shown) == 3
    for text in shown:
        for word in re.findall(r"[A-Za-z_][\w.]{3,}", text):
            assert word in words or word in ("memory", "compute"), word


def test_the_code() -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(_block("python"), {})  # noqa: S102 — it is our own page
    assert out.getvalue().startswith("vision 2\n")
