"""Bursts, as the process of a contender runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import pytest

from noema.bench.arrays import Arrays
from noema.bench.child import Server
from noema.bench.contenders.contender import Setup


class Slow:
    """Takes ten milliseconds a call, and counts how many run at once."""

    def __init__(self, requests: int, fails_at: int = 0) -> None:
        self.requests = requests
        self.calls = self.most = 0
        self._running = 0
        self._fails_at = fails_at
        self._lock = threading.Lock()

    def load(self, setup: Setup) -> dict[str, str]:
        raise NotImplementedError

    def call(self, inputs: Mapping[str, object]) -> Arrays:
        with self._lock:
            self.calls += 1
            self._running += 1
            self.most = max(self.most, self._running)
            number = self.calls
        time.sleep(0.01)
        with self._lock:
            self._running -= 1
        if number == self._fails_at:
            raise ValueError("no more")
        return {}


def burst(contender: Slow, calls: int) -> list[float]:
    answer = Server(contender).do({"do": "burst", "calls": calls})["seconds"]
    assert isinstance(answer, list)
    return [float(str(s)) for s in answer]


def test_one_after_the_other_each_call_has_a_time() -> None:
    contender = Slow(1)
    seconds = burst(contender, 3)
    assert len(seconds) == 3 and min(seconds) >= 0.01
    assert (contender.calls, contender.most) == (1 + 3, 1)


def test_side_by_side_a_burst_has_one_time_of_all_its_calls() -> None:
    contender = Slow(4)
    (seconds,) = burst(contender, 10)
    # Three rounds of four, each of ten milliseconds at least: the clock doesn't stop before.
    assert seconds >= 3 * 0.01 / 12
    assert (contender.calls, contender.most) == (4 + 12, 4)


@pytest.mark.parametrize("fails_at", [2, 9])
def test_a_call_that_fails_fails_the_burst_with_its_reason(fails_at: int) -> None:
    with pytest.raises(ValueError, match="no more"):
        burst(Slow(4, fails_at), 10)
