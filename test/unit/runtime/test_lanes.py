"""Calls side by side: `optimize_for="throughput"`."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from noema.errors import InvalidOption, RunFailed
from noema.runtime import load
from noema.runtime.invoker import Invoker
from noema.runtime.lanes import Lanes

from .conftest import affine_of

Arrays = dict[str, NDArray[np.generic]]


class Meeting(Invoker):
    """An invoker whose calls end only when as many run as are expected."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self.process = os.getpid()
        self._barrier = barrier

    def __del__(self) -> None:
        pass

    def invoke(self, arrays: list[NDArray[np.generic]]) -> Arrays:
        self._barrier.wait(30)
        return {}


def in_threads(count: int, run: Lanes) -> list[threading.Thread]:
    threads = [threading.Thread(target=run, args=([],)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_as_many_calls_run_at_once_as_there_are_lanes() -> None:
    barrier = threading.Barrier(3)
    made: list[Invoker] = []

    def make() -> Invoker:
        made.append(Meeting(barrier))
        return made[-1]

    lanes = Lanes(make(), 3, make)
    for thread in in_threads(6, lanes):
        thread.join()
    assert not barrier.broken
    assert len(made) == 3


def test_a_lane_that_cannot_be_made_does_not_count() -> None:
    barrier = threading.Barrier(2)
    first = Meeting(barrier)
    failures = [MemoryError(), None]

    def make() -> Invoker:
        failure = failures.pop(0)
        if failure:
            raise failure
        return Meeting(barrier)

    lanes = Lanes(first, 2, make)
    (waiting,) = in_threads(1, lanes)
    while lanes._idle:  # until the first lane is taken  # pyright: ignore[reportPrivateUsage]
        pass
    with pytest.raises(MemoryError):
        lanes([])
    lanes([])
    waiting.join()
    assert failures == []


def test_closing_waits_for_every_call_and_refuses_more() -> None:
    barrier = threading.Barrier(3)  # two calls, and this thread
    lanes = Lanes(Meeting(barrier), 2, lambda: Meeting(barrier))
    callers = in_threads(2, lanes)
    while barrier.n_waiting < 2:
        pass
    closing = threading.Thread(target=lanes.close)
    closing.start()
    assert closing.is_alive()
    barrier.wait(30)
    closing.join()
    for caller in callers:
        caller.join(30)
        assert not caller.is_alive()
    with pytest.raises(RunFailed, match="closed"):
        lanes([])


def test_throughput_gives_every_caller_its_own_result(affine: Path) -> None:
    wrong: list[int] = []

    def caller(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            x = rng.integers(-9, 9, (int(rng.integers(0, 700)), 64)).astype(np.float32)
            outputs = program(x=x)
            y = affine_of(x)
            if not (np.array_equal(outputs["y"], y) and np.array_equal(outputs["total"], y.sum(0))):
                wrong.append(seed)

    with load(affine, threads=3, optimize_for="throughput") as program:
        assert program.threads == 3
        threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_throughput_starts_no_worker(affine: Path) -> None:
    before = threading_count()
    with load(affine, threads=2, optimize_for="throughput") as program:
        program(x=np.ones((3, 64), np.float32))
        assert not [name for name in threading_count() - before if name.startswith("iree-worker")]


def threading_count() -> set[str]:
    """Names of this process's threads, with their numbers."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("needs Linux")
    found: set[str] = set()
    for task in tasks.iterdir():
        # One of an earlier test may end between being listed and being read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found.add(f"{(task / 'comm').read_text().strip()} {task.name}")
    return found


@pytest.mark.parametrize("options", [{"optimize_for": "speed"}, {"threads": 0}])
def test_options_that_make_no_sense(affine: Path, options: dict[str, object]) -> None:
    with pytest.raises(InvalidOption):
        load(affine, **{"optimize_for": "throughput", **options})  # type: ignore[arg-type]
