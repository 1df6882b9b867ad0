"""`noema profile` as a user calls it, on a trained network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits_transformer.onnx"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def _noema(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NOEMA_CACHE_DIR": str(cache), "COLUMNS": "160"}
    command = [sys.executable, "-m", "noema.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_every_dispatch_is_timed_and_named(cache: Path, threads: str) -> None:
    done = _noema(
        cache, "profile", str(DIGITS), "--threads", threads, "--repeat", "5", "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    profile: dict[str, Any] = json.loads(done.stdout)
    rows = profile["dispatches"]
    assert profile["schema"] == "noema.profile/1"
    assert (profile["threads"], profile["calls"]) == (int(threads), 5)
    assert all(row["nodes"] and row["component"] for row in rows)
    assert all(row["time"]["seconds"] > 0 and row["executions"] == 1 for row in rows)
    assert all(row["time"]["gflops"] is not None for row in rows)
    components = [row["component"] for row in rows]
    assert components.index("encoder.0.attention") < components.index("encoder.1.attention")
    assert sum(len(group["dispatches"]) for group in profile["components"]) == len(rows)
    assert sum(group["portion"] for group in profile["kernels"]) == pytest.approx(1.0)


def test_one_kernel_of_two_layers_is_two_sites(cache: Path) -> None:
    done = _noema(cache, "profile", str(DIGITS), "--repeat", "3", "--json", "-")
    by_executable: dict[str, set[str]] = {}
    for row in json.loads(done.stdout)["dispatches"]:
        by_executable.setdefault(row["executable"], set()).add(row["component"])
    assert any(len(components) > 1 for components in by_executable.values())


def test_a_compiled_file_and_a_table(cache: Path, tmp_path: Path) -> None:
    program = tmp_path / "digits.noema"
    assert _noema(cache, "compile", str(DIGITS), "-o", str(program)).returncode == 0
    done = _noema(cache, "profile", str(program), "--by", "site", "--dim", "batch=2", "--rows", "4")
    assert done.returncode == 0, done.stderr
    assert "images: float32[2,1,8,8]" in done.stdout
    assert "encoder.0" in done.stdout
    assert "more (--rows 0 shows all)" in done.stdout
