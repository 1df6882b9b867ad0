from __future__ import annotations

import sys
from pathlib import Path

import onnx

from conformance.cases import Case
from conformance.outcome import Outcome
from conformance.pool import Worker, run_cases

_COMMAND = [sys.executable, str(Path(__file__).with_name("faulty_worker.py"))]


def _start(backend: str) -> Worker:
    return Worker(backend, _COMMAND)


def _case(name: str) -> Case:
    return Case(name, "Abs", False, onnx.ModelProto(), (), (), 0.0, 0.0)


def test_one_worker_serves_many_cases() -> None:
    results = run_cases(
        [_case(n) for n in "abc"], "fake", workers=1, limit_seconds=60, start=_start
    )
    assert list(results) == ["a", "b", "c"]
    assert len({r.detail for r in results.values()}) == 1


def test_dead_and_hanging_workers_cost_their_case_only() -> None:
    names = ["a", "dies", "b", "hangs", "c"]
    seen: list[str] = []
    results = run_cases(
        [_case(n) for n in names],
        "fake",
        workers=2,
        limit_seconds=5,
        on_result=lambda r: seen.append(r.name),
        start=_start,
    )
    assert {n: r.outcome for n, r in results.items()} == {
        "a": Outcome.PASS,
        "dies": Outcome.CRASH,
        "b": Outcome.PASS,
        "hangs": Outcome.HANG,
        "c": Outcome.PASS,
    }
    assert "SIGSEGV: stack of the dead" in results["dies"].detail
    assert sorted(seen) == sorted(names)
