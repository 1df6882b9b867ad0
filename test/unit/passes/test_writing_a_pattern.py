"""docs/writing_a_pattern.md: the pattern that it writes works, plugged in either way."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import helper

import noema
from noema import api
from noema.cli.opt import opt_command
from noema.machine import this_machine

PAGE = Path(__file__).parents[3] / "docs" / "writing_a_pattern.md"
CLASS = "your_package.leaky_relu:LeakyReluAsMax"


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.S | re.M)
    assert found is not None
    return found[1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the import path with the page's package, which offers nothing yet."""
    (tmp_path / "your_package").mkdir()
    (tmp_path / "your_package" / "leaky_relu.py").write_text(_block("python"), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def in_environment(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert f"NOEMA_PATTERN_PLUGINS={CLASS}" in _block("sh")
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", CLASS)
    return package


@pytest.fixture
def installed(package: Path) -> Path:
    metadata = package / "your_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: your-package\nVersion: 1.0\n")
    group, row = _block("toml").splitlines()
    assert group == '[project.entry-points."noema.patterns"]'
    (metadata / "entry_points.txt").write_text(f"[noema.patterns]\n{row.replace(chr(34), '')}\n")
    return package


@pytest.fixture(params=["in_environment", "installed"])
def plugged(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def _opt(*arguments: str) -> str:
    result = CliRunner().invoke(opt_command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_pattern_passes_its_test(plugged: Path) -> None:
    test = plugged / "leaky.mlir"
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


def test_it_joins_the_compile_and_the_analysis(
    in_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their own process, to the same answers as before."""
    monkeypatch.setenv("PYTHONPATH", str(in_environment))
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(api, "this_machine", lambda **_: this_machine(measure=False))
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3, 5])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3, 5])
    slope = helper.make_tensor("a", onnx.TensorProto.FLOAT, [], [0.1])
    nodes = [
        helper.make_node("Mul", ["x", "a"], ["s"], name="/act/Mul"),
        helper.make_node("Max", ["s", "x"], ["y"], name="/act/Max"),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [slope])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    found = {p.name: p.found for p in noema.analyze(model).timing.patterns}
    assert found["leaky-relu-as-max"] == 1
    values = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    with noema.compile(model, cache=False) as program:
        made = program(x=values)["y"]
    np.testing.assert_allclose(made, np.maximum(values, np.float32(0.1) * values), rtol=1e-6)


def test_without_the_plugin_nothing_is_found(package: Path) -> None:
    test = package / "leaky.mlir"
    test.write_text(_block("mlir"), "utf-8")
    assert "leaky_relu" not in _opt(str(test), "--passes=recognize,dce")
