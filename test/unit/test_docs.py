"""`make docs`: every op and every pass has a docstring and a lit test, and lands on its page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from noema.passes import registry

ROOT = Path(__file__).resolve().parents[2]


def test_every_op_and_pass_is_documented_and_tested(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--output", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    passes = (tmp_path / "passes.md").read_text(encoding="utf-8")
    for name in registry.PASSES:
        assert f"\n## `{name}`\n" in passes
    dialect = (tmp_path / "dialect.md").read_text(encoding="utf-8")
    for test in sorted((ROOT / "test" / "lit" / "dialect").glob("*.mlir")):
        if test.stem != "unknown":
            assert f"\n## `sem.{test.stem}`\n" in dialect, test
    assert "| `InvalidModel` | 3 |" in (tmp_path / "errors.md").read_text(encoding="utf-8")
