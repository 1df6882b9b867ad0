"""The process of one contender: `python -m noema.bench.child NAME`.

Reads commands and writes one answer each, as lines of JSON:

| Command | Answer |
|---|---|
| `{"do": "load", "setup": …, "inputs": {"folder", "arrays"}}` | `{"seconds", "configuration"}` |
| `{"do": "outputs", "folder": …}` | `{"arrays"}`: runs once, writes the outputs there |
| `{"do": "burst", "calls": N}` | `{"seconds": [N times]}`, after one call that isn't timed |
| `{"do": "memory"}` | `{"peak_bytes", "tools_peak_bytes"}` |

Where a contender keeps several calls side by side, a burst has one time: its own over its calls.
An answer `{"unavailable": reason}` or `{"failed": reason}` says why a command was not done.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import IO

from noema.bench.arrays import Arrays, read_arrays, write_arrays
from noema.bench.contenders import create, find
from noema.bench.contenders.contender import Contender, Setup, Unavailable
from noema.progress import JSON

_PR_SET_PDEATHSIG = 1


class Server:
    """Does commands, one after the other."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._inputs: Arrays = {}
        self._threads: ThreadPoolExecutor | None = None

    def do(self, command: Mapping[str, JSON]) -> dict[str, JSON]:
        """Does one command; the answer."""
        match command["do"]:
            case "load":
                return self._load(command)
            case "outputs":
                outputs = self._contender.call(self._inputs)
                return {"arrays": write_arrays(Path(str(command["folder"])), outputs)}
            case "burst":
                calls = command["calls"]
                assert isinstance(calls, int)
                return {"seconds": list[JSON](self._burst(calls))}
            case "memory":
                return {"peak_bytes": _peak_bytes(), "tools_peak_bytes": _tools_peak_bytes()}
            case other:
                raise ValueError(f"no command {other!r}")

    def _load(self, command: Mapping[str, JSON]) -> dict[str, JSON]:
        setup, inputs = command["setup"], command["inputs"]
        assert isinstance(setup, dict) and isinstance(inputs, dict)
        arrays = inputs["arrays"]
        assert isinstance(arrays, list)
        self._inputs = read_arrays(Path(str(inputs["folder"])), arrays)
        start = time.perf_counter()
        configuration = self._contender.load(Setup.from_json(setup))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "configuration": dict[str, JSON](configuration)}

    def _burst(self, calls: int) -> list[float]:
        if self._contender.requests > 1:
            return [self._side_by_side(calls)]
        call, inputs, clock = self._contender.call, self._inputs, time.perf_counter_ns
        # Another contender had the caches, and our threads are asleep.
        call(inputs)
        seconds: list[float] = []
        for _ in range(calls):
            start = clock()
            call(inputs)
            seconds.append((clock() - start) / 1e9)
        return seconds

    def _side_by_side(self, calls: int) -> float:
        """Seconds per call, of `calls` or a few more that as many threads share as keep it busy."""
        contender, inputs = self._contender, self._inputs
        each = -(-calls // contender.requests)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(contender.requests)
        # No thread begins before the last of the warm-up calls has ended; the clock neither.
        ready = threading.Barrier(contender.requests + 1)

        def work() -> None:
            try:
                contender.call(inputs)
            except BaseException:
                ready.abort()
                raise
            ready.wait()
            for _ in range(each):
                contender.call(inputs)

        done = [self._threads.submit(work) for _ in range(contender.requests)]
        with suppress(threading.BrokenBarrierError):  # a future has the reason
            ready.wait()
        start = time.perf_counter()
        wait(done)
        seconds = time.perf_counter() - start
        failed = [e for f in done if (e := f.exception()) is not None]
        told = [e for e in failed if not isinstance(e, threading.BrokenBarrierError)]
        if failed:
            raise (told or failed)[0]
        return seconds / (each * contender.requests)


def main() -> int:
    """Serves until the input ends."""
    # Nothing that the coordinator's end leaves behind may go on computing.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Native code may print; only this stream is the protocol's.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    server = Server(create(sys.argv[1]))
    for line in sys.stdin:
        _answer(answers, _done(server, json.loads(line)))
    return 0


def _done(server: Server, command: Mapping[str, JSON]) -> dict[str, JSON]:
    try:
        return server.do(command)
    except Unavailable as error:
        return {"unavailable": str(error)}
    except ImportError as error:
        return {"unavailable": f"{error}; {find(sys.argv[1]).remedy}"}
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises is the contender's result
        traceback.print_exc(file=sys.stderr)
        return {"failed": f"{type(error).__name__}: {error}"}


def _answer(answers: IO[str], record: dict[str, JSON]) -> None:
    answers.write(json.dumps(record) + "\n")
    answers.flush()


def _peak_bytes() -> int:
    """Largest resident set of this process so far.

    From /proc: `getrusage` counts what the process that started this one had, too.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _tools_peak_bytes() -> int:
    """Largest resident set of a process that this one started and that has ended; 0 if none."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10


if __name__ == "__main__":
    sys.exit(main())
