"""The coordinator's end of a contender's process."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from noema.progress import JSON

_TAIL_BYTES = 4000


class ContenderFailed(Exception):
    """The contender raised, died or hung; the message says which, and what it said last."""


class ContenderUnavailable(Exception):
    """The contender can't run here; the message says why."""


class ContenderProcess:
    """One contender in its own process and session. Close it, or use it as a context manager."""

    def __init__(self, name: str, command: Sequence[str] | None = None) -> None:
        """Starts the process.

        Args:
            name: Row of the table of contenders.
            command: What to start instead of `noema.bench.child`, with the same protocol.
        """
        self.name = name
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            command or [sys.executable, "-m", "noema.bench.child", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # The terminal's Ctrl-C goes to the coordinator alone, which ends the contenders.
            start_new_session=True,
        )
        self._buffer = b""

    @property
    def identifier(self) -> int:
        """Process id, which is also its session's and group's."""
        return self._process.pid

    def request(self, command: Mapping[str, JSON], limit_seconds: float) -> dict[str, JSON]:
        """Has one command done; see `noema.bench.child`.

        Raises:
            ContenderUnavailable: It can't run here.
            ContenderFailed: It raised, died or took longer than the limit.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(command).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise ContenderFailed(self._epitaph()) from None
        answer = json.loads(self._line(limit_seconds))
        if "unavailable" in answer:
            raise ContenderUnavailable(answer["unavailable"])
        if "failed" in answer:
            raise ContenderFailed(answer["failed"])
        return answer

    def close(self) -> None:
        """Ends the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):  # gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # a command that a dead process won't read
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _line(self, limit_seconds: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + limit_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ContenderFailed(f"no answer in {limit_seconds:g} s")
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise ContenderFailed(self._epitaph())
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _epitaph(self) -> str:
        code = self._process.wait()
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{cause}: {tail[-1]}" if tail else cause
