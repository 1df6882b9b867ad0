from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from noema import dtypes
from noema.bench.coordinator import Contestant, Plan, compete
from noema.bench.model import BenchModel
from noema.bench.process import ContenderProcess
from noema.bench.record import ContenderResult
from noema.signature import TensorSpec

_FAKE = Path(__file__).with_name("fake_contender.py")
_PLAN = Plan(threads=1, rounds=4, burst_seconds=0.03, run_limit=10.0)


class _Fakes:
    """Runs fake contenders, each named for how it behaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.processes: list[ContenderProcess] = []
        self.behaviours: list[str] = []

    def __call__(self, name: str) -> ContenderProcess:
        behaviour = self.behaviours[len(self.processes)]
        command = [sys.executable, str(_FAKE), behaviour, str(self._folder / "journal")]
        self.processes.append(ContenderProcess(name, command))
        return self.processes[-1]

    def run(self, *contenders: tuple[str, str]) -> dict[str, ContenderResult]:
        self.behaviours = [behaviour for _, behaviour in contenders]
        model = BenchModel(
            Path("model.onnx"), (TensorSpec("x", dtypes.from_name("float32"), (2,)),), ("y",)
        )
        contestants = [Contestant(name, name) for name, _ in contenders]
        inputs = {"x": np.zeros(2, np.float32)}
        results = compete(
            contestants, model, inputs, _PLAN, self._folder, lambda _: None, start=self
        )
        return {r.name: r for r in results}

    @property
    def journal(self) -> list[str]:
        return (self._folder / "journal").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def fakes(tmp_path: Path) -> _Fakes:
    return _Fakes(tmp_path)


def test_ratio_and_agreement(fakes: _Fakes) -> None:
    results = fakes.run(("noema", "inexact"), ("ort", "slow"))
    assert results["ort"].ratio == 2.0 and results["noema"].ratio == 1.0
    agreement = results["noema"].agreement
    assert agreement is not None
    assert (agreement.reference, agreement.max_rel) == ("ort", 0.25)
    assert results["noema"].load_seconds == 1.5
    assert results["noema"].configuration == {"mode": "inexact"}


def test_bursts_interleave_and_fill_their_time(fakes: _Fakes) -> None:
    results = fakes.run(("noema", "good"), ("ort", "slow"))
    # Two warm-ups of three calls; then 30 ms take three calls of 10 ms or two of 20 ms.
    assert fakes.journal == [
        *("good 3", "slow 3"),
        *("good 3", "slow 2"),
        *("slow 2", "good 3"),
        *("good 3", "slow 2"),
        *("slow 2", "good 3"),
    ]
    timing = results["noema"].timing
    assert timing is not None and timing.calls == 12


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("crashes", "SIGSEGV: about to die"), ("raises", "ValueError: no"), ("hangs", "no answer")],
)
def test_one_failure_leaves_the_others(fakes: _Fakes, behaviour: str, reason: str) -> None:
    results = fakes.run(("noema", "good"), ("iree", behaviour), ("ort", "good"))
    assert results["iree"].status == "failed" and reason in results["iree"].reason
    assert results["iree"].timing is None and results["iree"].ratio is None
    for name in ("noema", "ort"):
        timing = results[name].timing
        assert timing is not None and timing.calls == 12


def test_missing_package_is_no_failure(fakes: _Fakes) -> None:
    results = fakes.run(("noema", "good"), ("openvino", "missing"))
    assert results["openvino"].status == "unavailable"
    assert "pip install wonder" in results["openvino"].reason


def test_interrupt_leaves_no_process(fakes: _Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("noema.bench.coordinator.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fakes.run(("noema", "good"), ("ort", "good"))
    assert len(fakes.processes) == 2
    for process in fakes.processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process.identifier, 0)
