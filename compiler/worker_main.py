"""The compile process: reads one request, runs one job, writes one result.

Started by `noema.worker.run_job` as `python -m noema.worker_main`. Standard input carries one
JSON object, after which it closes:

    {"job": "compile", "request": {…}, "channel": 5, "parent": 4711}

`channel` is a file descriptor that takes JSON lines: any number of progress records, then exactly
one result or failure. Standard output and error are free text, kept for a crash report.

    {"type": "progress", "stage": "lower", "fraction": 0.4, "detail": ""}
    {"type": "result", "result": {…}}
    {"type": "failure", "kind": "noema", "error": {…NoemaError.to_json()…}}
    {"type": "failure", "kind": "memory" | "storage" | "internal", "message": "…", "errno": 28,
     "traceback": "…"}

Nothing but the standard library and `noema.errors` is imported before the job itself, and the
parent has set the resource limits before it sends the request.
"""

from __future__ import annotations

import ctypes
import errno
import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from noema.errors import NoemaError, is_out_of_space
from noema.progress import JSON, Progress, ProgressCallback

Job: TypeAlias = Callable[[dict[str, JSON], ProgressCallback], Mapping[str, object]]

JOBS: Mapping[str, str] = {
    "analyze": "noema.understanding:analyze_job",
    "calibrate": "noema.calibration:calibrate_job",
    "compile": "noema.pipeline:compile_job",
}
"""Every job there is, as `module:function`; the module is imported when its job is asked for."""

_PR_SET_PDEATHSIG = 1


class Channel:
    """The parent's end of the line: writes one JSON record per line, whole, from any thread."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._lock = threading.Lock()

    def send(self, record: Mapping[str, object]) -> None:
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        with self._lock:
            while line:
                line = line[self._file.write(line) or 0 :]

    def progress(self, step: Progress) -> None:
        self.send(
            {
                "type": "progress",
                "stage": step.stage,
                "fraction": step.fraction,
                "detail": step.detail,
            }
        )


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent dies; best effort, Linux only."""
    if sys.platform == "linux":
        prctl = ctypes.CDLL(None).prctl
        prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        prctl.restype = ctypes.c_int
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def failure(error: BaseException) -> dict[str, object]:
    """The failure record for an exception that a job raised."""
    if isinstance(error, NoemaError):
        return {"type": "failure", "kind": "noema", "error": error.to_json()}
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or number == errno.ENOMEM or _mapping_failed(error):
        kind = "memory"
    elif is_out_of_space(error):
        kind = "storage"
    else:
        kind = "internal"
    return {
        "type": "failure",
        "kind": kind,
        "message": "".join(traceback.format_exception_only(error)).strip(),
        "errno": number,
        "traceback": "".join(traceback.format_exception(error)),
    }


def _mapping_failed(error: BaseException) -> bool:
    """Whether the loader ran out of address space on a shared library (it says so in text only)."""
    return isinstance(error, ImportError) and "failed to map segment" in str(error)


def main(jobs: Mapping[str, str] = JOBS) -> None:
    """Runs the job that standard input asks for, and exits without any teardown.

    Args:
        jobs: Job name → `module:function`.
    """
    text = sys.stdin.buffer.read()
    if not text:  # the parent gave up before it had asked for anything
        os._exit(1)
    envelope = cast("dict[str, JSON]", json.loads(text))
    channel = Channel(int(cast(int, envelope["channel"])))
    die_with_parent(int(cast(int, envelope["parent"])))
    faulthandler.enable()
    try:
        module, _, function = jobs[str(envelope["job"])].partition(":")
        job = cast(Job, getattr(importlib.import_module(module), function))
        result = job(cast("dict[str, JSON]", envelope["request"]), channel.progress)
        record: dict[str, object] = {"type": "result", "result": dict(result)}
        channel.send(record)
    except BaseException as error:  # noqa: BLE001 (whatever it is, the parent is told)
        channel.send(failure(error))
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: native libraries have crashed in their own teardown after a good result.
    os._exit(0)


if __name__ == "__main__":
    main()
