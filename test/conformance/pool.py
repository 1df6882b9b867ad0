"""Worker processes that outlive their cases, and are replaced when a case kills one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from .cases import Case
from .outcome import Outcome, Result

# Until a worker has imported its backend and generated the suite.
_START_SECONDS = 300.0
_TAIL_BYTES = 2000


class WorkerDied(Exception):
    """The worker process ended; the message says how."""


class WorkerHung(Exception):
    """The worker process gave no answer in time, and was stopped."""


class Worker:
    """One worker process."""

    def __init__(self, backend: str, command: Sequence[str] | None = None) -> None:
        """Starts the process; `command` replaces `conformance.worker`, with its protocol."""
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        folder = Path(__file__).resolve().parent.parent
        path = os.pathsep.join(p for p in (str(folder), os.environ.get("PYTHONPATH", "")) if p)
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", "conformance.worker", backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._buffer = b""
        self._receive(_START_SECONDS)

    def run(self, case: Case, limit_seconds: float) -> Result:
        """How the case ended in this worker.

        Raises:
            WorkerDied: It killed the worker.
            WorkerHung: It took longer than the limit; the worker is stopped.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps({"case": case.name}).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise WorkerDied(self._epitaph()) from None
        reply = self._receive(limit_seconds)
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
        with contextlib.suppress(ProcessLookupError):  # gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # unsent input of a dead worker
                stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self, limit_seconds: float) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + limit_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise WorkerHung(f"no answer in {limit_seconds:g} s")
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise WorkerDied(self._epitaph())
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        record: dict[str, Any] = json.loads(line)
        return record

    def _epitaph(self) -> str:
        code = self._process.wait()
        cause = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, self._stderr.tell() - _TAIL_BYTES))
        tail = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"{cause}: {tail[-1]}" if tail else cause


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
            except (WorkerDied, WorkerHung) as error:
                worker.close()
                worker = None
                outcome = Outcome.CRASH if isinstance(error, WorkerDied) else Outcome.HANG
                seconds = round(time.monotonic() - begin, 3)
                done.put(Result(case.name, case.op, case.expanded, outcome, str(error), seconds))
    except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
        done.put(error)
    finally:
        if worker is not None:
            worker.close()
