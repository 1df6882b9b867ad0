"""Worker processes that outlive their cases, and are replaced when a case kills one."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from noema.bench.lines import LineProcess, NoAnswer, ProcessEnded

from .cases import Case
from .outcome import Outcome, Result

# Until a worker has imported its backend and generated the suite.
_START_SECONDS = 300.0


class Worker:
    """One worker process. Close it, or use it as a context manager."""

    def __init__(self, backend: str, command: Sequence[str] | None = None) -> None:
        """Starts the process; `command` replaces `conformance.worker`, with its protocol."""
        folder = Path(__file__).resolve().parent.parent
        path = os.pathsep.join(p for p in (str(folder), os.environ.get("PYTHONPATH", "")) if p)
        self._process = LineProcess(
            command or [sys.executable, "-m", "conformance.worker", backend],
            {**os.environ, "PYTHONPATH": path},
        )
        self._process.receive(_START_SECONDS)

    def run(self, case: Case, limit_seconds: float) -> Result:
        """How the case ended in this worker.

        Raises:
            ProcessEnded: It killed the worker.
            NoAnswer: It took longer than the limit.
        """
        reply = self._process.ask({"case": case.name}, limit_seconds)
        return Result(
            name=case.name,
            op=case.op,
            expanded=case.expanded,
            outcome=Outcome(reply["outcome"]),
            detail=reply["detail"],
            seconds=round(reply["seconds"], 3),
        )

    def close(self) -> None:
        """Ends the process and everything that it started."""
        self._process.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_cases(
    cases: Sequence[Case],
    backend: str,
    *,
    workers: int,
    limit_seconds: float,
    on_result: Callable[[Result], None] | None = None,
    start: Callable[[str], Worker] = Worker,
) -> dict[str, Result]:
    """Runs cases in worker processes.

    Args:
        cases: What to run.
        backend: Name in `BACKENDS`.
        workers: Number of processes.
        limit_seconds: Elapsed time after which a case counts as hanging.
        on_result: Called in this thread as results arrive.
        start: Starts a worker of a backend.

    Returns:
        By case, in the order of `cases`.
    """
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    done: queue.SimpleQueue[Result | BaseException] = queue.SimpleQueue()
    stopping = threading.Event()
    threads = [
        threading.Thread(
            target=_serve, args=(lambda: start(backend), limit_seconds, waiting, done, stopping)
        )
        for _ in range(min(workers, len(cases)))
    ]
    for thread in threads:
        thread.start()
    found: dict[str, Result] = {}
    try:
        for _ in cases:
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            found[result.name] = result
            if on_result is not None:
                on_result(result)
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    return {case.name: found[case.name] for case in cases}


def _serve(
    start: Callable[[], Worker],
    limit_seconds: float,
    waiting: queue.SimpleQueue[Case],
    done: queue.SimpleQueue[Result | BaseException],
    stopping: threading.Event,
) -> None:
    worker: Worker | None = None
    try:
        while not stopping.is_set():
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            worker = worker or start()
            begin = time.monotonic()
            try:
                done.put(worker.run(case, limit_seconds))
            except (ProcessEnded, NoAnswer) as error:
                worker.close()
                worker = None
                outcome = Outcome.CRASH if isinstance(error, ProcessEnded) else Outcome.HANG
                seconds = round(time.monotonic() - begin, 3)
                done.put(Result(case.name, case.op, case.expanded, outcome, str(error), seconds))
    except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
        done.put(error)
    finally:
        if worker is not None:
            worker.close()
