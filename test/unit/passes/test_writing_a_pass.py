"""docs/writing_a_pass.md: the pass that it writes works, and so does the test."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from noema.cli.opt import opt_command
from noema.errors import InvalidOption

PAGE = Path(__file__).parents[3] / "docs" / "writing_a_pass.md"


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
    assert found is not None
    return found[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path with a package that offers the page's pass."""
    (tmp_path / "your_package").mkdir()
    (tmp_path / "your_package" / "fuse_swish.py").write_text(_block("python"), "utf-8")
    metadata = tmp_path / "your_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: your-package\nVersion: 1.0\n")
    group, row = _block("toml").splitlines()
    assert group == '[project.entry-points."noema.passes"]'
    (metadata / "entry_points.txt").write_text(f"[noema.passes]\n{row.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _opt(*arguments: str) -> str:
    result = CliRunner().invoke(opt_command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_pass_passes_its_test(installed: Path) -> None:
    test = installed / "fuse-swish.mlir"
    test.write_text(_block("mlir"), "utf-8")
    run = re.search(r"RUN: noema opt %s (.*) \| FileCheck %s", test.read_text("utf-8"))
    assert run is not None
    output = _opt(str(test), *run[1].split())
    filecheck = shutil.which("filecheck", path=str(Path(sys.executable).parent))
    assert filecheck is not None, "the test extra installs filecheck"
    checked = subprocess.run(
        [filecheck, str(test)], input=output, text=True, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_its_option_is_listed_and_obeyed(installed: Path) -> None:
    assert "fuse-swish          Makes one activation of `x * sigmoid(x)`." in _opt("--list")
    test = installed / "fuse-swish.mlir"
    test.write_text(_block("mlir"), "utf-8")
    assert "swish" in _opt(str(test), "--passes=fuse-swish{limit=1}")
    with pytest.raises(InvalidOption, match="has no option 'limits'"):
        _opt(str(test), "--passes=fuse-swish{limits=1}")


def test_the_page_names_the_table_row_as_it_must_be() -> None:
    assert '"fuse-swish": "noema.passes.fuse_swish:FuseSwish",' in _block("text")
