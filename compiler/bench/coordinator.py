"""Has contenders take turns on a model.

All load first, one after the other, each with the machine to itself. Then in each round every
contender runs a burst of calls while the others sleep; the order moves on by one from round to
round, so that none always comes after the same one.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema.bench.arrays import Arrays, read_arrays, write_arrays
from noema.bench.contenders import find
from noema.bench.contenders.contender import Setup
from noema.bench.machine import package_version
from noema.bench.model import BenchModel
from noema.bench.process import ContenderFailed, ContenderProcess, ContenderUnavailable
from noema.bench.record import Agreement, ContenderResult, Status
from noema.bench.timing import paired_ratio, summarize
from noema.check import compare
from noema.options import Goal
from noema.progress import JSON

_MOST_CALLS = 1000
_SETTLE_SECONDS = 0.01
"""Between bursts: longer than runtimes' threads spin after their last work."""


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        threads: Threads that each contender may compute with.
        goal: Whether calls come one after the other, or side by side.
        rounds: Number of bursts of each contender.
        burst_seconds: About how long a burst lasts; a call at least.
        warmup: Calls before the first round.
        load_limit: Seconds that loading may take.
        run_limit: Seconds that one burst may take.
    """

    threads: int
    goal: Goal = Goal.LATENCY
    rounds: int = 10
    burst_seconds: float = 0.1
    warmup: int = 3
    load_limit: float = 1800.0
    run_limit: float = 600.0


@dataclass(frozen=True)
class Contestant:
    """A contender with what it is asked to compute in.

    Attributes:
        name: What it is called in results.
        contender: Row of the table of contenders.
        precision: For noema.
        emulate: For noema: whether it may emulate the precision.
    """

    name: str
    contender: str
    precision: str = "f32"
    emulate: bool = False


OnStep = Callable[[str], None]
"""Told what is being done, in a few words."""


class _Run:
    """One contestant's process and what is known of it so far."""

    def __init__(self, contestant: Contestant, process: ContenderProcess) -> None:
        self.contestant = contestant
        self.process = process
        self.calls = 1
        self.rounds: list[list[float]] = []
        self.outputs: Arrays = {}
        entry = find(contestant.contender)
        version = package_version(entry.packages[0]) or ""
        self.result = ContenderResult(contestant.name, "ok", version=version)

    @property
    def alive(self) -> bool:
        return self.result.status == "ok"

    def stop(self, status: Status, reason: str) -> None:
        self.result = replace(self.result, status=status, reason=reason)
        self.process.close()


def compete(
    contestants: Sequence[Contestant],
    model: BenchModel,
    inputs: Mapping[str, NDArray[np.generic]],
    plan: Plan,
    folder: Path,
    on_step: OnStep,
    start: Callable[[str], ContenderProcess] = ContenderProcess,
) -> tuple[ContenderResult, ...]:
    """Times the contestants on one model.

    Whatever happens to one of them is in its result, and the others go on.

    Args:
        contestants: Who takes part.
        model: What they load.
        inputs: What they run on.
        plan: How to measure.
        folder: For files; must exist.
        on_step: Told what is being done.
        start: Starts the process of a contender, by its row in the table.

    Returns:
        In the order of `contestants`.
    """
    records = write_arrays(folder / "inputs", inputs)
    with ExitStack() as stack:
        runs: list[_Run] = []
        for index, contestant in enumerate(contestants):
            on_step(f"{contestant.name}: loading")
            process = stack.enter_context(start(contestant.contender))
            run = _Run(contestant, process)
            runs.append(run)
            private = folder / f"contender{index}"
            private.mkdir()
            _guarded(run, lambda r=run, p=private: _load(r, model, records, plan, folder, p))
        for number in range(plan.rounds):
            on_step(f"round {number + 1} of {plan.rounds}")
            for position in range(len(runs)):
                run = runs[(number + position) % len(runs)]
                _guarded(run, lambda r=run: _burst(r, plan))
        for run in runs:
            _guarded(run, lambda r=run: _finish(r, plan))
    return _judged(runs)


def _guarded(run: _Run, step: Callable[[], None]) -> None:
    if not run.alive:
        return
    try:
        step()
    except ContenderUnavailable as reason:
        run.stop("unavailable", str(reason))
    except ContenderFailed as reason:
        run.stop("failed", str(reason))


def _load(
    run: _Run,
    model: BenchModel,
    inputs: list[JSON],
    plan: Plan,
    folder: Path,
    private: Path,
) -> None:
    """Loads, runs once for the outputs, warms up and finds how many calls fill a burst."""
    setup = Setup(
        model=model.path.absolute(),
        outputs=model.outputs,
        threads=plan.threads,
        goal=plan.goal,
        precision=run.contestant.precision,
        emulate=run.contestant.emulate,
        folder=private,
    )
    answer = run.process.request(
        {
            "do": "load",
            "setup": setup.to_json(),
            "inputs": {"folder": str(folder / "inputs"), "arrays": inputs},
        },
        plan.load_limit,
    )
    configuration = answer["configuration"]
    assert isinstance(configuration, dict)
    run.result = replace(
        run.result,
        load_seconds=_number(answer["seconds"]),
        configuration={name: str(value) for name, value in configuration.items()},
    )
    outputs = private / "outputs"
    answer = run.process.request({"do": "outputs", "folder": str(outputs)}, plan.run_limit)
    arrays = answer["arrays"]
    assert isinstance(arrays, list)
    run.outputs = read_arrays(outputs, arrays)
    seconds = _calls(run, max(1, plan.warmup), plan)
    fill = math.ceil(plan.burst_seconds / max(statistics.median(seconds), 1e-9))
    run.calls = min(max(1, fill), _MOST_CALLS)


def _burst(run: _Run, plan: Plan) -> None:
    time.sleep(_SETTLE_SECONDS)
    run.rounds.append(_calls(run, run.calls, plan))


def _calls(run: _Run, calls: int, plan: Plan) -> list[float]:
    answer = run.process.request({"do": "burst", "calls": calls}, plan.run_limit)
    seconds = answer["seconds"]
    assert isinstance(seconds, list)
    return [_number(s) for s in seconds]


def _finish(run: _Run, plan: Plan) -> None:
    answer = run.process.request({"do": "memory"}, plan.run_limit)
    run.result = replace(
        run.result,
        timing=summarize(run.rounds),
        rounds=tuple(map(tuple, run.rounds)),
        peak_bytes=int(_number(answer["peak_bytes"])),
        tools_peak_bytes=int(_number(answer["tools_peak_bytes"])),
    )


def _judged(runs: Sequence[_Run]) -> tuple[ContenderResult, ...]:
    """The results with what follows from comparing them."""
    timed = {r.contestant.name: r for r in runs if r.alive}
    reference = timed.get("ort") or next(iter(timed.values()), None)
    base = next((r for r in timed.values() if r.contestant.contender == "noema"), None)
    results: list[ContenderResult] = []
    for run in runs:
        result = run.result
        if run.alive and reference is not None:
            agreement = _agreement(reference.contestant.name, reference.outputs, run.outputs)
            result = replace(result, agreement=agreement)
        if run.alive and base is not None:
            result = replace(result, ratio=paired_ratio(run.rounds, base.rounds))
        results.append(result)
    return tuple(results)


def _agreement(name: str, reference: Arrays, outputs: Arrays) -> Agreement:
    errors = tuple(compare(reference, outputs, math.inf))
    return Agreement(name, max((e.max_rel for e in errors), default=0.0), errors)


def _number(value: JSON) -> float:
    assert isinstance(value, int | float)
    return float(value)
