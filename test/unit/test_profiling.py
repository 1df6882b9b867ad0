"""Joining measured times with what the dispatches are and what the machine can do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from noema import dtypes
from noema.dispatches import Site
from noema.errors import InvalidModel, InvalidOption
from noema.profile import ProgramProfile
from noema.profiling import pinned_shapes, profile_program, usual_extents
from noema.runtime.attribution import SiteTime, Timeline
from noema.signature import TensorSpec
from noema.workload import Bound
from profiles import transformer

MACHINE = dataclasses.replace(
    transformer(1).hardware, cores=2, gflops={"f32": 100.0, "bf16": 200.0}, bandwidth=10.0
)


class _Program:
    """Stands in for a loaded program."""

    threads = 2

    class manifest:  # noqa: N801
        target = "cpu"

    artifact = None

    def run(self, inputs: object) -> dict[str, object]:
        return {}


def _profile(monkeypatch: pytest.MonkeyPatch, *rows: SiteTime, threads: int = 2) -> ProgramProfile:
    timeline = Timeline(rows, 3, sum(r.seconds for r in rows), 1.0)
    monkeypatch.setattr("noema.profiling.profile", lambda *_, **__: timeline)
    program: Any = _Program()
    program.threads = threads
    return profile_program(program, {}, name="m.onnx", calls=3, hardware=MACHINE)


def _row(site: Site, seconds: float, executions: int = 1) -> SiteTime:
    return SiteTime(site, executions, seconds, seconds / 2, seconds * 1.5)


GEMM = Site("gemm_1", "gemm", "gemm 1", ("n1",), "mlp", "mlp.up", 10**9, 10**6)
COPY = Site("dispatch_1", "iree", "copy", ("n2",), "", "", 0, 10**8)
OPEN = Site("dispatch_2", "iree", "copy", ("n3",), "mlp", "", None, None)


def test_time_against_the_roofs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _profile(monkeypatch, _row(GEMM, 0.02), _row(COPY, 0.02), _row(OPEN, 0.04))
    gemm, copy, unknown = (d.time for d in found.dispatches)
    assert (gemm.gflops, gemm.bound) == (pytest.approx(50.0), Bound.COMPUTE)
    assert (gemm.least, gemm.share) == (pytest.approx(0.01), pytest.approx(0.5))
    assert (copy.gbytes, copy.bound) == (pytest.approx(5.0), Bound.MEMORY)
    assert copy.share == pytest.approx(0.5)
    assert (unknown.gflops, unknown.share, unknown.bound) == (None, None, None)
    assert [d.portion for d in found.dispatches] == pytest.approx([0.25, 0.25, 0.5])
    assert found.dispatches[0].workers == pytest.approx(1.5)


def test_fewer_threads_have_a_lower_roof(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _profile(monkeypatch, _row(GEMM, 0.04), threads=1)
    assert found.dispatches[0].time.share == pytest.approx(0.5)


def test_a_narrower_format_has_a_higher_one(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = dataclasses.replace(GEMM, precision="bf16")
    unknown = dataclasses.replace(GEMM, precision="int8")  # this machine has no such roof
    found = _profile(monkeypatch, _row(narrow, 0.02), _row(unknown, 0.02))
    assert [d.time.share for d in found.dispatches] == pytest.approx([0.25, 0.5])


def test_what_runs_several_times_counts_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _profile(monkeypatch, _row(GEMM, 0.06, executions=3))
    assert found.dispatches[0].time.operations == 3 * 10**9
    assert found.dispatches[0].time.share == pytest.approx(0.5)


def test_groups_are_sorted_and_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _profile(
        monkeypatch, *(_row(GEMM, 0.02), _row(OPEN, 0.04), _row(GEMM, 0.03), _row(COPY, 0.01))
    )
    assert [(g.name, g.dispatches) for g in found.components] == [
        *(("mlp", (0, 1, 2)), ("(no component)", (3,))),
    ]
    mlp = found.components[0]
    assert mlp.time.seconds == pytest.approx(0.09)
    assert mlp.time.gflops == pytest.approx(2 / 0.05)  # of those whose work is known
    assert mlp.time.share == pytest.approx(0.02 / 0.05)
    assert mlp.above == pytest.approx(0.03)
    assert {g.name for g in found.kernels} == {"gemm 1", "dispatch_1", "dispatch_2"}
    assert sum(g.portion for g in found.kernels) == pytest.approx(1.0)


def test_json_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _profile(monkeypatch, _row(GEMM, 0.02), _row(OPEN, 0.04))
    record = json.loads(json.dumps(found.to_json()))
    assert ProgramProfile.from_json(record) == found
    with pytest.raises(ValueError, match="not a noema"):
        ProgramProfile.from_json({**record, "schema": "noema.profile/0"})
    with pytest.raises(ValueError, match="not a well-formed"):
        ProgramProfile.from_json({**record, "dispatches": [{}]})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    node = helper.make_node("Add", ["x", "y"], ["z"])
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (
            *(("x", ("batch", "sequence", 8)), ("y", ("batch", "other", 8))),
            ("z", None),
        )
    ]
    graph = helper.make_graph([node], "g", values[:2], values[2:])
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def test_every_extent_is_pinned(model: Path) -> None:
    assert pinned_shapes(model, {}, {}) == {"x": (1, 128, 8), "y": (1, 128, 8)}
    assert pinned_shapes(model, {"x": (4, None, 8)}, {"other": 7}) == {
        "x": (4, 128, 8),
        "y": (4, 7, 8),
    }
    with pytest.raises(InvalidOption, match="no input has a dimension 'tokens'"):
        pinned_shapes(model, {}, {"tokens": 3})


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="can't be read"):
        pinned_shapes(tmp_path / "none.onnx", {}, {})


def test_usual_extents_of_a_compiled_program() -> None:
    f32 = dtypes.from_mlir("f32")
    specs = [TensorSpec("x", f32, ("batch", "sequence")), TensorSpec("y", f32, ("n", "odd"))]
    assert usual_extents(specs, {"sequence": 9}) == {"batch": 1, "sequence": 9, "n": 1, "odd": 1}
