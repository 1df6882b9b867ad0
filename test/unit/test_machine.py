"""The roofs of this machine are measured once, kept by kind of processor, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from noema import machine
from noema.errors import CompileCrashed
from noema.progress import JSON
from noema.runtime.cpu import this_cpu

RECORD: dict[str, JSON] = {"gflops": {"f32": 123.0}, "bandwidth": 45.0}


class Jobs:
    """Stands in for the compile process."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.crashes = False

    def __call__(self, job: str, request: Mapping[str, object], **_: object) -> Mapping[str, JSON]:
        self.asked.append(job)
        if self.crashes:
            raise CompileCrashed("illegal instruction")
        return RECORD


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hardware-v1"


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Jobs:
    jobs = Jobs()
    monkeypatch.setattr(machine, "run_job", jobs)
    return jobs


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def test_it_is_measured_once(jobs: Jobs, folder: Path) -> None:
    first, second = machine.this_machine(), machine.this_machine()
    assert jobs.asked == ["calibrate"]
    assert first == second
    assert first.measured and dict(first.gflops) == {"f32": 123.0} and first.bandwidth == 45.0
    (file,) = _files(folder)
    assert json.loads(file.read_text()) == RECORD
    assert [p.name for p in folder.iterdir() if p.name.startswith(".")] == []


def test_it_is_measured_again_when_asked(jobs: Jobs) -> None:
    machine.this_machine()
    machine.this_machine(refresh=True)
    assert len(jobs.asked) == 2


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"\xff", b'{"gflops": {"f32": 0}, "bandwidth": 1}', b"[" * 100_000]
)
def test_a_damaged_file_is_measured_anew(jobs: Jobs, folder: Path, damage: bytes) -> None:
    machine.this_machine()
    (file,) = _files(folder)
    file.write_bytes(damage)
    assert machine.this_machine().measured
    assert len(jobs.asked) == 2
    assert json.loads(file.read_text()) == RECORD


def test_without_measuring_it_is_an_estimate(jobs: Jobs, folder: Path) -> None:
    estimated = machine.this_machine(measure=False)
    assert not estimated.measured and estimated.gflops["f32"] > 1
    assert jobs.asked == []
    assert not folder.exists()


def test_a_crash_of_the_measurement_leaves_an_estimate(jobs: Jobs, folder: Path) -> None:
    jobs.crashes = True
    assert not machine.this_machine().measured
    assert _files(folder) == []
    jobs.crashes = False
    assert machine.this_machine().measured


def test_a_folder_that_cannot_be_written_is_done_without(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "file"))
    assert machine.this_machine().measured
    assert machine.this_machine().measured
    assert len(jobs.asked) == 2


def test_the_real_measurement(folder: Path) -> None:
    """Every precision that the processor has instructions for, and a plausible order of them."""
    measured = machine.roofs()
    assert measured is not None and measured.measured
    assert ("bf16" in measured.gflops) == ("avx512_bf16" in this_cpu().features)
    assert all(1 < speed < 1e6 for speed in measured.gflops.values())
    assert 0.5 < measured.bandwidth < 1e4
    (file,) = _files(folder)
    assert json.loads(file.read_text()) == measured.to_json()
