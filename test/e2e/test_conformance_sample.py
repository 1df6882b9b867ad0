"""A fixed sample of the ONNX node suite: what passed must go on passing, and nothing may break.

`make conformance` runs all of it. The sample and its outcomes are drawn from such a run:
`PYTHONPATH=test python -m conformance sample RESULTS.json --output test/conformance/sample.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import conformance
from conformance.cases import load_cases
from conformance.outcome import Outcome, Result
from conformance.pool import run_cases

# All in one process when tests run in several: they share one run of the sample.
pytestmark = pytest.mark.xdist_group("conformance")

_SAMPLE = Path(conformance.__file__).with_name("sample.json")
_LIMIT_SECONDS = 300.0


def _sample() -> dict[str, str]:
    expected: dict[str, str] = json.loads(_SAMPLE.read_text(encoding="utf-8"))
    return expected


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    cases = load_cases()
    chosen = [cases[name] for name in _sample()]
    return run_cases(chosen, "noema", workers=2, limit_seconds=_LIMIT_SECONDS)


def test_what_passed_still_passes(results: dict[str, Result]) -> None:
    lost = {
        name: f"{results[name].outcome.value}: {results[name].detail}"
        for name, expected in _sample().items()
        if expected == Outcome.PASS.value and results[name].outcome is not Outcome.PASS
    }
    assert not lost


def test_every_other_case_is_refused_cleanly(results: dict[str, Result]) -> None:
    bugs = {
        name: f"{result.outcome.value}: {result.detail}"
        for name, result in results.items()
        if not result.outcome.is_clean
    }
    assert not bugs


def test_the_suite_is_the_one_that_the_table_counts() -> None:
    cases = load_cases()
    assert len(cases) == 1884
    assert sum(not case.expanded for case in cases.values()) == 1404
