"""Timing the dispatches of a program with IREE's profiler."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from noema.artifact import Artifact, open_artifact
from noema.errors import InvalidInput, InvalidOption, RunFailed
from noema.frontend.onnx import read_model
from noema.options import CompileOptions
from noema.pipeline import EXPANDED, compile_onnx, save
from noema.runtime.profile import dispatch_sites, profile, read_events
from noema.runtime.session import load


def _event(key: str, **fields: object) -> str:
    record = {
        "type": "host_dispatch_event",
        "key": key,
        "valid": True,
        "status_code": 0,
        "submission_id": 3,
        "command_index": 0xFFFFFFFF,
        "event_id": 0,
        "start_host_time_ns": 100,
        "end_host_time_ns": 200,
        "tile_duration_sum_ns": 150,
    }
    return json.dumps({**record, **fields})


def test_events_come_in_the_order_of_dispatch() -> None:
    finished = [
        _event("later", submission_id=4, command_index=0, event_id=1),
        _event("second", command_index=2, event_id=2),
        _event("first", command_index=0, event_id=3),
        json.dumps({"type": "dispatch_summary"}),
    ]
    assert [e.executable for e in read_events("\n".join(finished))] == ["first", "second", "later"]


def test_without_places_the_order_is_that_of_events() -> None:
    text = "\n".join([_event("b", event_id=8), _event("a", event_id=7)])
    (first, second) = read_events(text)
    assert (first.executable, second.executable) == ("a", "b")
    assert (first.start, first.end, first.worked) == (100, 200, 150)


@pytest.mark.parametrize("fields", [{"valid": False}, {"status_code": 13}])
def test_a_dispatch_that_failed(fields: dict[str, object]) -> None:
    with pytest.raises(RunFailed, match="dispatch a failed"):
        read_events(_event("a", **fields))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two products that share a kernel, a third that doesn't, and inputs of three types."""
    folder = tmp_path_factory.mktemp("profile")
    rng = np.random.default_rng(0)
    weights = [
        helper.make_tensor(name, TensorProto.FLOAT, shape, rng.standard_normal(shape).ravel())
        for name, shape in (("u", (64, 64)), ("v", (64, 64)), ("w", (64, 32)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "u"], ["a"], name="first"),
        helper.make_node("MatMul", ["a", "v"], ["b"], name="second"),
        helper.make_node("MatMul", ["b", "w"], ["c"], name="third"),
        helper.make_node("Cast", ["h"], ["g"], name="widen", to=TensorProto.FLOAT),
        helper.make_node("Where", ["m", "c", "g"], ["y"], name="choose"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, (48, 64)),
        helper.make_tensor_value_info("h", TensorProto.BFLOAT16, (48, 32)),
        helper.make_tensor_value_info("m", TensorProto.BOOL, (48, 32)),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, (48, 32))]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    file = folder / "m.onnx"
    file.write_bytes(model.SerializeToString())
    save(compile_onnx(read_model(file, expand=EXPANDED), CompileOptions()), folder / "m.noema")
    return folder / "m.noema"


def _inputs(artifact: Artifact) -> dict[str, np.ndarray]:
    return {
        spec.name: np.ones([d for d in spec.shape if isinstance(d, int)], spec.dtype.numpy)
        for spec in artifact.manifest.signature.inputs
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_every_site_is_timed_in_order(path: Path, threads: int) -> None:
    with open_artifact(path) as artifact:
        found = profile(artifact, _inputs(artifact), threads=threads, calls=4)
        sites = [site for site in dispatch_sites(artifact) if not site.once]
    assert [row.site for row in found.sites] == sites
    main = [row.site.nodes[0] for row in found.sites]
    assert [n for n in main if n in ("first", "second", "third")] == ["first", "second", "third"]
    assert all(row.executions == 1 for row in found.sites)
    assert all(0 < row.least <= row.seconds for row in found.sites)
    assert 0 < found.busy <= found.span
    assert found.calls == 4


def test_a_program_of_an_older_compiler_is_timed_by_executable(path: Path) -> None:
    with load(path, threads=1) as program:
        artifact = program.artifact
        older = Artifact(
            path, artifact.manifest, artifact.program, artifact.weights, b'{"seconds": {}}'
        )
        found = profile(older, _inputs(artifact), threads=1, calls=2)
    assert all(row.site.nodes == () for row in found.sites)
    assert sum(row.executions for row in found.sites) >= 3


def test_what_cannot_be_profiled(path: Path) -> None:
    with open_artifact(path) as artifact:
        inputs = _inputs(artifact)
        with pytest.raises(InvalidOption, match="calls must be"):
            profile(artifact, inputs, threads=1, calls=0)
        with pytest.raises(InvalidOption, match="threads must be"):
            profile(artifact, inputs, threads=0, calls=1)
        with pytest.raises(InvalidInput):
            profile(artifact, {}, threads=1, calls=1)
