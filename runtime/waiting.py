"""How a call waits for the worker threads of a device, and where those run: Linux only.

Three things cost time that no work is done in; `docs/threads.md` has their causes in IREE's source
and the measurements.

1. The thread that waits is woken before the worker has finished telling so, and then spins until
   it has. Woken on that worker's core it takes the core from it, and both lose a whole time slice
   (3–4 ms). A thread of the batch class doesn't take the core from the thread that wakes it.
2. Waking a thread on a core that sleeps takes 25–50 µs, on the caller's own core 3 µs. So the
   first worker, which every call wakes, is moved to the core that the call comes from.
3. Workers that may run anywhere can be woken on the same core, one after the other, while another
   core is idle. So no two of them may use one core.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

_TASKS = Path("/proc/self/task")
_WORKER = re.compile(r"\d+ \(iree-worker-(\d+)\) (\w)")
_ATTEMPTS = 8


def thread_ids() -> frozenset[int]:
    """The kernel's numbers of this process's threads; empty where the kernel doesn't tell."""
    try:
        return frozenset(int(entry.name) for entry in _TASKS.iterdir())
    except OSError:
        return frozenset()


class Waiting:
    """A context manager around the call into IREE. One thread at a time.

    It never fails: what the kernel refuses is left as it is, and not tried again.

    Args:
        threads: Worker threads of the device.
        candidates: Threads that were started with the device, its workers among them. They are
            looked up in the first call that finds them all started and asleep: a worker that
            starts gives itself a name, and then the cores that IREE means for it.
        cores: The logical processors of each core that workers may use.
    """

    def __init__(
        self,
        threads: int,
        candidates: frozenset[int] = frozenset(),
        cores: Sequence[frozenset[int]] = (),
    ) -> None:
        self._threads = threads
        self._candidates = candidates
        self._cores = cores
        self._workers: list[int] = []
        self._attempts = _ATTEMPTS if candidates else 0
        self._places: list[frozenset[int]] = []
        self._may_follow = False
        self._may_yield = hasattr(os, "SCHED_BATCH")
        self._yields = False

    def __enter__(self) -> None:
        if self._attempts:
            self._place()
        if self._may_follow:
            self._follow()
        if self._may_yield:
            try:
                # Whoever chose another class for the calling thread keeps it.
                self._yields = os.sched_getscheduler(0) == os.SCHED_OTHER
                if self._yields:
                    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            except OSError:
                self._may_yield = self._yields = False

    def __exit__(self, *_: object) -> None:
        if self._yields:
            self._yields = False
            try:
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            except OSError:
                self._may_yield = False

    def _place(self) -> None:
        """Finds the workers and gives each cores of its own, unless they have."""
        self._attempts -= 1
        self._workers = _sleeping_workers(self._candidates)
        if len(self._workers) != self._threads:
            return
        self._attempts = 0
        try:
            self._places = [frozenset(os.sched_getaffinity(worker)) for worker in self._workers]
            if sum(map(len, self._places)) != len(frozenset[int]().union(*self._places)):
                self._places = shares(self._cores, self._threads)
                for worker, place in zip(self._workers, self._places, strict=False):
                    os.sched_setaffinity(worker, place)
        except OSError:
            return
        # A worker that may choose between cores chooses an idle one, wherever the caller is.
        self._may_follow = (
            len(self._places) == self._threads
            and all(any(place <= core for core in self._cores) for place in self._places)
            and _current_cpu() is not None
        )

    def _follow(self) -> None:
        """Moves the first worker to the caller's core, and the one that was there to its place."""
        read = _current_cpu()
        assert read is not None
        cpu = read()
        if cpu in self._places[0]:
            return
        for index, place in enumerate(self._places):
            if cpu in place:
                try:
                    os.sched_setaffinity(self._workers[0], place)
                    os.sched_setaffinity(self._workers[index], self._places[0])
                except OSError:
                    self._may_follow = False
                    return
                self._places[0], self._places[index] = place, self._places[0]
                return


def shares(cores: Sequence[frozenset[int]], workers: int) -> list[frozenset[int]]:
    """Cores dealt out to workers, as evenly as can be; none if there are fewer cores than workers.

    Args:
        cores: The logical processors of each core.
        workers: Into how many shares.
    """
    if len(cores) < workers:
        return []
    return [frozenset[int]().union(*cores[index::workers]) for index in range(workers)]


def _sleeping_workers(candidates: frozenset[int]) -> list[int]:
    """Those that are workers of IREE's task executor and wait for work, the first one first."""
    numbered: dict[int, int] = {}
    for thread in candidates:
        try:
            found = _WORKER.match((_TASKS / str(thread) / "stat").read_text())
        except OSError:
            continue
        if found and found[2] == "S":
            numbered[int(found[1])] = thread
    return [numbered[number] for number in sorted(numbered)]


@functools.cache
def _current_cpu() -> Callable[[], int] | None:
    """The C library's function that tells which processor the calling thread is on."""
    try:
        read: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
    except (AttributeError, OSError, TypeError):
        return None
    return read
