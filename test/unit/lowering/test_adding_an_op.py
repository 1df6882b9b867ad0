"""docs/adding_an_op.md: the lowering that it writes works, and so do its tests."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from noema.cli.opt import opt_command
from noema.lowering.table import ONNX

PAGE = Path(__file__).parents[3] / "docs" / "adding_an_op.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)


def _module(file: Path, code: str) -> ModuleType:
    file.write_text(code, "utf-8")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def lower_det(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's lowering, in the table under the key that the page says."""
    module = _module(tmp_path / "det.py", _blocks("python")[0])
    row = re.fullmatch(r'"(\w+)": (\w+),\n', _blocks("text")[0])
    assert row is not None
    monkeypatch.setitem(ONNX, row[1], getattr(module, row[2]))


@pytest.mark.parametrize("name", ["test_det", "test_larger_and_unknown_orders_are_refused"])
def test_the_lowering_passes_its_unit_tests(name: str, tmp_path: Path) -> None:
    getattr(_module(tmp_path / "test_det.py", _blocks("python")[1]), name)()


def test_the_lowering_passes_its_lit_test(tmp_path: Path) -> None:
    test = tmp_path / "det.mlir"
    test.write_text(_blocks("mlir")[0], "utf-8")
    assert "// RUN: noema opt %s --lower | FileCheck %s\n" in test.read_text("utf-8")
    lowered = CliRunner().invoke(opt_command, [str(test), "--lower"], catch_exceptions=False)
    assert lowered.exit_code == 0, lowered.output
    filecheck = shutil.which("filecheck", path=str(Path(sys.executable).parent))
    assert filecheck is not None, "the test extra installs filecheck"
    checked = subprocess.run(
        [filecheck, str(test)], input=lowered.stdout, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_every_file_and_table_that_the_page_names_is_there() -> None:
    root = PAGE.parents[1]
    own = {"compiler/lowering/det.py", "test/unit/lowering/test_det.py"}
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", PAGE.read_text("utf-8"))) - own
    assert {path for path in named if not (root / path).exists()} == set()
