"""`noema bench` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from noema.cli.bench import bench_command
from noema.errors import InvalidOption


@pytest.fixture
def model(tmp_path: Path) -> Path:
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 8]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    path = tmp_path / "relu.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


def test_table_and_json(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    options = ["--against", "ort", "--repeat", "2", "--burst", "0.001", "--threads", "1"]
    done = CliRunner().invoke(
        bench_command, [str(model), *options, "--json", str(file)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "assumed: --dim batch=1" in done.output
    record = json.loads(file.read_text(encoding="utf-8"))
    ours, theirs = record["models"][0]["contenders"]
    assert (ours["name"], theirs["name"]) == ("noema", "ort")
    assert ours["status"] == theirs["status"] == "ok"
    assert ours["agreement"]["max_rel"] == 0.0  # Relu rounds nothing
    assert theirs["ratio"] > 0 and record["mean_ratios"]["noema"] == 1.0
    assert record["machine"]["packages"]["onnxruntime"] == theirs["version"]
    assert record["settings"]["threads"] == 1


def test_requests_are_counted_where_throughput_is_asked_for(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    options = ["--against", "ort", "--repeat", "2", "--burst", "0.001", "--threads", "2"]
    options += ["--optimize-for", "throughput", "--json", str(file)]
    done = CliRunner().invoke(bench_command, [str(model), *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "requests/s" in done.output
    record = json.loads(file.read_text(encoding="utf-8"))
    ours, theirs = record["models"][0]["contenders"]
    assert ours["status"] == theirs["status"] == "ok"
    assert ours["configuration"]["optimize_for"] == "throughput"
    assert theirs["configuration"]["intra_op_num_threads"] == "1"
    assert theirs["configuration"]["calls at once"] == "2"
    assert [len(r) for r in ours["rounds"]] == [1, 1]
    assert record["settings"]["optimize_for"] == "throughput"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "tvm"], "tvm"),
        (["--against", "ort,ort"], "twice"),
        (["--dim", "batch"], "--dim"),
        (["--input", "x"], "--input"),
        (["--shape", "x=a"], "--shape"),
    ],
)
def test_options_are_checked_before_anything_runs(
    model: Path, options: list[str], message: str
) -> None:
    with pytest.raises(InvalidOption, match=message):
        CliRunner().invoke(bench_command, [str(model), *options], catch_exceptions=False)
