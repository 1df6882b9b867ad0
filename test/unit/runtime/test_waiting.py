"""Where workers run and how a caller waits: seen from the kernel's side. Linux only."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from noema.artifact import open_artifact
from noema.runtime import load
from noema.runtime.cpu import core_groups
from noema.runtime.device import open_device
from noema.runtime.invoker import Invoker
from noema.runtime.waiting import Waiting, shares, thread_ids

from .conftest import affine_of

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="needs Linux's scheduler")
two_cores = pytest.mark.skipif(len(core_groups()) < 2, reason="needs two cores")

X = np.ones((300, 64), np.float32)


@pytest.fixture(autouse=True)
def same_thread_as_before() -> Iterator[None]:
    """The thread of the tests keeps its processors and its class."""
    processors, policy = os.sched_getaffinity(0), os.sched_getscheduler(0)
    yield
    os.sched_setaffinity(0, processors)
    os.sched_setscheduler(0, policy, os.sched_param(0))


def workers_since(before: frozenset[int]) -> dict[str, int]:
    """The two workers that were started after a time, as soon as they wait: name -> thread."""
    for _ in range(5000):
        found: dict[str, int] = {}
        for thread in thread_ids() - before:
            fields = Path(f"/proc/self/task/{thread}/stat").read_text().split()
            if fields[1].startswith("(iree-worker-") and fields[2] == "S":
                found[fields[1][1:-1]] = thread
        if len(found) == 2:
            return found
        time.sleep(0.001)
    raise AssertionError("the workers never wait")


def test_a_waiting_thread_is_of_the_batch_class_and_of_its_own_again() -> None:
    with Waiting(2):
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_an_exception_restores_the_class_too() -> None:
    with pytest.raises(ZeroDivisionError), Waiting(2):
        raise ZeroDivisionError
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_class_that_the_user_chose_is_kept() -> None:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with Waiting(2):
        pass
    assert os.sched_getscheduler(0) == os.SCHED_BATCH


def test_a_kernel_that_refuses_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(thread: int, policy: int, parameter: os.sched_param) -> None:
        asked.append(policy)
        raise PermissionError

    waiting = Waiting(2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "sched_setscheduler", refuse)
        for _ in range(3):
            with waiting:
                pass
    assert asked == [os.SCHED_BATCH]


def test_the_call_into_iree_runs_in_it(affine: Path) -> None:
    class Recorder(AbstractContextManager[None]):
        entered = left = 0

        def __enter__(self) -> None:
            self.entered += 1

        def __exit__(self, *_: object) -> None:
            self.left += 1

    recorder = Recorder()
    device = dataclasses.replace(open_device("cpu", 2), waiting=recorder)
    invoker = Invoker(open_artifact(affine), device)
    np.testing.assert_array_equal(invoker.invoke([X])["y"], affine_of(X))
    assert (recorder.entered, recorder.left) == (1, 1)


def test_one_thread_needs_no_waiting() -> None:
    with open_device("cpu", 1).waiting:
        assert os.sched_getscheduler(0) == os.SCHED_OTHER


@two_cores
def test_no_two_workers_use_one_core(affine: Path) -> None:
    before = thread_ids()
    with load(affine, threads=2) as program:
        workers_since(before)
        program(x=X)
        found = workers_since(before)
        assert sorted(found) == ["iree-worker-0", "iree-worker-1"]
        first, second = (os.sched_getaffinity(thread) for thread in found.values())
        assert first and second and not first & second


@two_cores
def test_workers_that_may_run_anywhere_are_dealt_the_cores(
    affine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the process may use only some of the machine's processors."""
    monkeypatch.setattr(os, "cpu_count", lambda: 10_000)
    before = thread_ids()
    with load(affine, threads=2) as program:
        found = workers_since(before)
        unplaced = [os.sched_getaffinity(thread) for thread in found.values()]
        assert unplaced[0] == unplaced[1]
        program(x=X)
        first, second = (os.sched_getaffinity(thread) for thread in found.values())
        assert first and second and not first & second


@pytest.mark.skipif(len(core_groups()) != 2, reason="needs a worker for each core")
def test_the_first_worker_is_on_the_core_of_the_caller(affine: Path) -> None:
    cores = core_groups()
    before = thread_ids()
    with load(affine, threads=2) as program:
        found = workers_since(before)
        for mine, other in (cores, cores[::-1], cores):
            os.sched_setaffinity(0, mine)
            np.testing.assert_array_equal(program(x=X)["y"], affine_of(X))
            assert os.sched_getaffinity(found["iree-worker-0"]) <= mine
            assert os.sched_getaffinity(found["iree-worker-1"]) <= other


def test_more_workers_than_cores_are_left_to_the_kernel(affine: Path) -> None:
    with load(affine, threads=len(core_groups()) + 1) as program:
        np.testing.assert_array_equal(program(x=X)["y"], affine_of(X))


def test_shares() -> None:
    cores = [frozenset({0, 4}), frozenset({1, 5}), frozenset({2, 6}), frozenset({3, 7})]
    assert shares(cores, 4) == cores
    assert shares(cores, 2) == [frozenset({0, 2, 4, 6}), frozenset({1, 3, 5, 7})]
    assert shares(cores, 3) == [frozenset({0, 3, 4, 7}), frozenset({1, 5}), frozenset({2, 6})]
    assert shares(cores, 5) == []
