"""A process that answers every line of JSON with one."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO, Self

from noema.progress import JSON

_TAIL_BYTES = 4000


class ProcessEnded(Exception):
    """The process ended without an answer; the message says how, and what it said last."""


class NoAnswer(Exception):
    """The process gave no answer in time."""


class LineProcess:
    """A process in a session of its own. Close it, or use it as a context manager."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None):
        """Starts the process.

        Args:
            command: Program and arguments.
            environment: All of its variables; by default the caller's.
        """
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            # The terminal's Ctrl-C goes to the caller alone, which ends the process.
            start_new_session=True,
        )
        self._buffer = b""

    @property
    def identifier(self) -> int:
        """Process id, which is also its session's and group's."""
        return self._process.pid

    def ask(self, question: Mapping[str, JSON], limit_seconds: float) -> dict[str, JSON]:
        """Sends one line and waits for the answer.

        Raises:
            ProcessEnded: It ended, before or during.
            NoAnswer: It took longer than the limit; it still runs.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise ProcessEnded(self._epitaph()) from None
        return self.receive(limit_seconds)

    def receive(self, limit_seconds: float) -> dict[str, JSON]:
        """Waits for the next line, as `ask` does for its answer."""
        stdout = self._process.stdout
        assert stdout is not None
        deadline = time.monotonic() + limit_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise NoAnswer(f"no answer in {limit_seconds:g} s")
                chunk = os.read(stdout.fileno(), 1 << 16)
                if not chunk:
                    raise ProcessEnded(self._epitaph())
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, JSON] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):  # gone already
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            assert stream is not None
            with contextlib.suppress(BrokenPipeError):  # a line that a dead process won't read
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _epitaph(self) -> str:
        code = self._process.wait()
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - _TAIL_BYTES))
        tail = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{cause}: {tail[-1]}" if tail else cause
