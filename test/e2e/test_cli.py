"""The command line as a user meets it: right use, and the mistakes that users make."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from noema.errors import InvalidOption

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits_cnn.onnx"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One compile cache for the whole module, and not the user's."""
    return tmp_path_factory.mktemp("cache")


def noema(cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {"NOEMA_CACHE_DIR": str(cache), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    command = [sys.executable, "-m", "noema.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_compile_then_run(cache: Path, tmp_path: Path) -> None:
    """An artifact made by one command runs in another, on given inputs, and saves its outputs."""
    artifact, results = tmp_path / "digits.noema", tmp_path / "results"
    made = noema(cache, "compile", DIGITS, "-o", artifact)
    assert made.returncode == 0, made.stderr
    assert artifact.stat().st_size > 0
    images = np.random.default_rng(0).random((3, 1, 8, 8), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    run = noema(
        cache, "run", artifact, "--input", f"images={tmp_path / 'images.npy'}", "--output", results
    )
    assert run.returncode == 0, run.stderr
    assert np.load(results / "logits.npy").shape == (3, 10)


def test_check_agrees_and_the_second_run_comes_from_the_cache(cache: Path) -> None:
    """`run --check --json` reports the errors; a second run finds the compiled program."""
    first = noema(cache, "run", DIGITS, "--dim", "batch=5", "--check", "--json")
    assert first.returncode == 0, first.stderr
    (output,) = json.loads(first.stdout)["outputs"]
    assert output["shape"] == [5, 10]
    assert output["check"]["agrees"] and output["check"]["max_rel"] < 1e-4
    before = json.loads(noema(cache, "cache", "info", "--json").stdout)["entries"]
    assert noema(cache, "run", DIGITS).returncode == 0
    assert json.loads(noema(cache, "cache", "info", "--json").stdout)["entries"] == before == 1


def test_a_run_for_throughput_computes_the_same(cache: Path, tmp_path: Path) -> None:
    """Of an .onnx file and of an artifact."""
    goal = ("--optimize-for", "throughput")
    first = noema(cache, "run", DIGITS, "--dim", "batch=2", "--check", "--json", *goal)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["outputs"][0]["check"]["agrees"]
    artifact = tmp_path / "digits.noema"
    assert noema(cache, "compile", DIGITS, "-o", artifact).returncode == 0
    assert noema(cache, "run", artifact, "--json", *goal).returncode == 0
    refused = noema(cache, "run", DIGITS, "--optimize-for", "size")
    assert refused.returncode == 2 and "throughput" in refused.stderr


def test_bf16_is_refused_where_there_is_none_and_emulated_when_asked_for(cache: Path) -> None:
    """Emulated, it is checked by what suits it: 1e-2 in the L2 norm, and says so."""
    wanted = ("run", DIGITS, "--target", "cpu:x86-64-v2", "--precision", "bf16", "--check")
    refused = noema(cache, *wanted)
    assert refused.returncode == InvalidOption.exit_code
    assert "cpu:x86-64-v2 has no instructions for bf16" in refused.stderr
    assert "--precision f32" in refused.stderr and "--emulate" in refused.stderr
    emulated = noema(cache, *wanted, "--emulate")
    assert emulated.returncode == 0, emulated.stderr
    assert "to agree in bf16: relative L2 error ≤ 0.01" in emulated.stdout
    record = json.loads(noema(cache, *wanted, "--emulate", "--json").stdout)
    assert record["tolerance"] == {"limit": 1e-2, "measure": "relative L2 error"}
    (output,) = record["outputs"]
    assert output["check"]["agrees"] and output["check"]["max_rel"] > 1e-5  # it did round


def test_devices_lists_the_cpu_and_says_why_others_are_missing(cache: Path) -> None:
    devices = json.loads(noema(cache, "devices", "--json").stdout)
    assert [d["available"] for d in devices if d["name"] == "cpu"] == [True]
    assert all(d["available"] or d["reason"] for d in devices)


def test_devices_measures_the_cpu_and_remembers(cache: Path) -> None:
    def speeds(*arguments: str) -> dict[str, str]:
        devices = json.loads(noema(cache, "devices", "--json", *arguments).stdout)
        (details,) = [d["details"] for d in devices if d["name"] == "cpu"]
        return {k: v for k, v in details.items() if k.endswith(("Gop/s", "GB/s"))}

    assert speeds() == {}
    measured = speeds("--measure")
    assert {"f32 Gop/s", "memory GB/s"} <= measured.keys()
    assert all(float(value) > 0 for value in measured.values())
    assert speeds() == measured


def test_dump_ir_shows_each_pass(cache: Path, tmp_path: Path) -> None:
    """The dumped IR is what `noema opt` reads back."""
    folder = tmp_path / "ir"
    made = noema(cache, "compile", DIGITS, "-o", tmp_path / "x.noema", "--dump-ir", folder)
    assert made.returncode == 0, made.stderr
    names = sorted(p.name for p in folder.iterdir())
    assert names[:2] == ["00-import.mlir", "01-raise.mlir"]
    assert "sem.conv" in (folder / "01-raise.mlir").read_text()
    assert noema(cache, "opt", folder / "01-raise.mlir").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "missing.onnx"], 3, "missing.onnx"),
        (["run", DIGITS, "--input", "image=zeros"], 11, "images"),
        (["run", DIGITS, "--dim", "bach=2"], 2, "batch"),
        (["compile", DIGITS, "--target", "tpu"], 2, "cpu:x86-64-v3"),
        (["compile", DIGITS, "--shape", "images=1,2"], 2, "images"),
        (["compile", DIGITS, "--passes", "rais"], 2, "raise"),
        (["run", __file__], 3, ""),
    ],
    ids=["no file", "no such input", "no such symbol", "target", "rank", "pass", "not a model"],
)
def test_mistakes_get_one_clear_message(
    cache: Path, arguments: list[object], code: int, says: str
) -> None:
    """The class's exit code, the remedy's word on stderr, and no traceback."""
    result = noema(cache, *arguments)
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert "Traceback" not in result.stderr and result.stderr.startswith("error:")


def test_unsupported_operators_are_all_listed(cache: Path, tmp_path: Path) -> None:
    """Every gap at once, each with its node."""
    nodes = [
        helper.make_node("RandomNormalLike", ["x"], ["u"], name="first"),
        helper.make_node("Bernoulli", ["x"], ["b"], name="second"),
    ]
    outputs = [
        helper.make_tensor_value_info("u", TensorProto.FLOAT, [4]),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    path = tmp_path / "gaps.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    result = noema(cache, "compile", path, "-o", tmp_path / "gaps.noema")
    assert result.returncode == 4, result.stderr
    assert "first" in result.stderr and "second" in result.stderr
    assert not (tmp_path / "gaps.noema").exists()
