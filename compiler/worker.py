"""Runs a job in a child process with limits, so that nothing in it can harm the caller.

The native code that a compile runs (shape inference, MLIR, LLVM) can crash, hang or eat all
memory on hostile input. `run_job` turns each of these into a typed error: the caller lives, no
process is left running and no temporary file stays behind. See `noema.worker_main` for the other
side and for the records that cross. Linux only.

What is not covered: a process that moves itself out of its session (`setsid` twice) escapes the
kill. If the caller itself is killed, the child dies by the parent-death signal, and the next job
of the same user removes the temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn, cast

from noema import environment
from noema.errors import (
    CompileCrashed,
    CompileFailed,
    CompileTimeout,
    GeneratorCrashed,
    InternalError,
    NoemaError,
    from_json,
)
from noema.options import Limits
from noema.progress import JSON, Progress, ProgressCallback, no_progress
from noema.scratch import temporary_folder

_READ_BYTES = 1 << 16
_TAIL_BYTES = 1 << 16
_TAIL_LINES = 20
_LINE_CHARACTERS = 300
_RECORD_BYTES = 64 << 20
_OPEN_FILES = 4096
_LAST_READS = 64
_POLL_SECONDS = 0.05

_MEMORY_TEXT = re.compile(
    rb"bad_alloc|out of memory|cannot allocate memory|MemoryError|failed to map segment",
    re.IGNORECASE,
)
_MEMORY_REMEDY = (
    "raise the memory limit, free memory, or pin dynamic shapes (--shape) to make the program "
    "smaller"
)
_FAULTS = frozenset(
    {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGTRAP}
)
"""Signals by which a process dies of its own fault."""
_CRASH_REMEDY = (
    "this is a bug in the compiler or in a library it uses; please report it with the model and "
    "the output above"
)


def run_job(
    job: str,
    request: Mapping[str, object],
    *,
    limits: Limits,
    on_progress: ProgressCallback | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, JSON]:
    """Runs one job of `noema.worker_main.JOBS` in its own process and returns its result.

    Args:
        job: Name in the job table.
        request: The job's argument; JSON-representable. The job gets it with
            `temporary_folder` added: a private folder that is removed before this returns.
        limits: What the process may use. Memory, processor time and file size hold for each
            process that the job starts, the wall clock for all together.
        on_progress: Called in this thread with every progress record. What it raises ends the
            job and is passed on.
        command: Program to start in place of our own, for tests.

    Returns:
        The job's result.

    Raises:
        NoemaError: The one that the job raised, rebuilt.
        CompileCrashed: It died, ran out of memory or went past its file size, or ended without
            a whole result.
        CompileTimeout: It used up its processor time or wall clock.
        CompileFailed: No disk space for its files.
        InternalError: It raised anything else; its traceback is attached as a note.
    """
    with _temporary_folder() as folder:
        child = _start(command or (sys.executable, "-P", "-m", "noema.worker_main"), limits, folder)
        try:
            child.send(
                {
                    "job": job,
                    "request": {**request, "temporary_folder": str(folder)},
                    "channel": child.channel_number,
                    "parent": os.getpid(),
                }
            )
            record = child.listen(on_progress or no_progress)
        finally:
            child.end()
    if record is None:
        raise child.crash()
    if record["type"] == "result":
        return cast("dict[str, JSON]", record["result"])
    _raise_failure(record, child)


@contextlib.contextmanager
def _temporary_folder() -> Generator[Path]:
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder())
        except OSError as error:
            raise CompileFailed(
                f"cannot make a temporary folder: {error}",
                remedy="free disk space, or set TMPDIR to a folder that you can write to",
            ) from error
        yield folder


def _start(command: Sequence[str], limits: Limits, folder: Path) -> _Child:
    """Starts the process, under its limits, in its own session; it waits for the request."""
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=(writer,),
            start_new_session=True,
            env=environment.compile_process(folder),
        )
    except OSError as error:
        os.close(reader)
        raise CompileCrashed(
            f"the compile process could not be started: {error}",
            remedy="check the memory and process limits of this machine",
        ) from error
    finally:
        os.close(writer)
    child = _Child(process, reader, writer, limits)
    child.restrict()
    return child


class _BrokenProtocol(Exception):
    """The channel carried something that is no record of ours."""


@dataclass
class _Child:
    """A running compile process and what it has said so far."""

    process: subprocess.Popen[bytes]
    channel: int
    channel_number: int
    limits: Limits
    stage: str = ""
    status: int | None = None
    usage_seconds: float = 0.0
    broken: str = ""
    out_of_time: bool = False
    _request: memoryview = field(default_factory=lambda: memoryview(b""))
    _tail: bytearray = field(default_factory=bytearray)
    _partial: bytearray = field(default_factory=bytearray)
    _deadline: float = 0.0
    _pidfd: int | None = None

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + self.limits.wall_seconds
        # Where the kernel or a sandbox has no pidfd, `listen` polls instead.
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(self.process.pid)
        for descriptor in (self.channel, self._stdin.fileno(), self._output.fileno()):
            os.set_blocking(descriptor, False)

    @property
    def _stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def restrict(self) -> None:
        """Sets the resource limits. From outside: code run between fork and exec isn't safe."""
        for kind, value in (
            (resource.RLIMIT_AS, self.limits.memory_bytes),
            (resource.RLIMIT_CPU, self.limits.cpu_seconds),
            (resource.RLIMIT_FSIZE, self.limits.file_bytes),
            (resource.RLIMIT_NOFILE, _OPEN_FILES),
            (resource.RLIMIT_CORE, 0),
        ):
            with contextlib.suppress(ProcessLookupError):  # dead already: `listen` will see it
                _, hard = resource.prlimit(self.process.pid, kind)
                most = value if hard == resource.RLIM_INFINITY else min(value, hard)
                # SIGXCPU comes at the soft limit and can be ignored; SIGKILL, at the hard one.
                grace = 1 if kind == resource.RLIMIT_CPU and most == value != hard else 0
                resource.prlimit(self.process.pid, kind, (most, most + grace))

    def send(self, envelope: Mapping[str, object]) -> None:
        """Hands over the request, for `listen` to write as the process takes it."""
        self._request = memoryview(json.dumps(envelope, allow_nan=False).encode())

    def listen(self, on_progress: ProgressCallback) -> dict[str, JSON] | None:
        """Serves all pipes until the result or failure record, death, or the wall limit.

        Returns:
            The final record, or `None` if there will be none.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdin, selectors.EVENT_WRITE, self._write_request)
            selector.register(self._output, selectors.EVENT_READ, self._read_output)
            selector.register(self.channel, selectors.EVENT_READ)
            if self._pidfd is not None:
                selector.register(self._pidfd, selectors.EVENT_READ)
            while True:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.out_of_time = True
                    return None
                poll = left if self._pidfd is not None else min(left, _POLL_SECONDS)
                ready = selector.select(poll)
                for key, _ in ready:
                    if key.fd == self.channel:
                        final, more = self._read_channel(on_progress)
                        if final is not None or self.broken:
                            return final
                        if not more:
                            selector.unregister(self.channel)
                    elif key.data is not None and not cast("Callable[[], bool]", key.data)():
                        selector.unregister(key.fileobj)
                        if key.fileobj is self._stdin:
                            self._stdin.close()  # the end of the request
                if self._exited():
                    return self._last_words(on_progress)

    def _write_request(self) -> bool:
        """Writes what the pipe takes; whether there is more to write."""
        try:
            written = os.write(self._stdin.fileno(), self._request)
        except BlockingIOError:
            return True
        except BrokenPipeError:  # it reads no more; what it says or how it dies will tell
            return False
        self._request = self._request[written:]
        return bool(self._request)

    def _read_output(self) -> bool:
        """Keeps the tail of standard output and error; whether more may come."""
        try:
            text = os.read(self._output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return True
        self._tail += text
        del self._tail[:-_TAIL_BYTES]
        return bool(text)

    def _read_channel(self, on_progress: ProgressCallback) -> tuple[dict[str, JSON] | None, bool]:
        """Reads what is there: the final record if it came, and whether more may come."""
        try:
            text = os.read(self.channel, _READ_BYTES)
        except BlockingIOError:
            return None, True
        first, newline, rest = text.partition(b"\n")
        self._partial += first
        try:
            while newline:
                record = _record(self._partial)
                self._partial.clear()
                if record["type"] != "progress":
                    return record, True
                step = _progress(record)
                self.stage = step.stage
                on_progress(step)
                first, newline, rest = rest.partition(b"\n")
                self._partial += first
            if len(self._partial) > _RECORD_BYTES:
                raise _BrokenProtocol(f"a record of more than {_RECORD_BYTES} bytes")
        except _BrokenProtocol as error:
            self.broken = str(error)
        return None, bool(text)

    def _exited(self) -> bool:
        """Whether the process is dead. It stays a zombie, so that its number isn't reused."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, options) is not None

    def _last_words(self, on_progress: ProgressCallback) -> dict[str, JSON] | None:
        """Reads what the dead process left in its pipes."""
        self._kill()  # what it started may still hold the pipes, and fill them
        final: dict[str, JSON] | None = None
        more = True
        # Bounded, because a process that escaped the kill could go on writing.
        for _ in range(_RECORD_BYTES // _READ_BYTES):
            if not more or final is not None or self.broken or not _readable(self.channel):
                break
            final, more = self._read_channel(on_progress)
        for _ in range(_LAST_READS):
            if not _readable(self._output.fileno()) or not self._read_output():
                break
        return final

    def _kill(self) -> None:
        # The process is not reaped yet, so the number is still its own.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kills the whole group, reaps the process and closes every pipe."""
        self._kill()
        _, self.status, usage = os.wait4(self.process.pid, 0)
        self.usage_seconds = usage.ru_utime + usage.ru_stime
        self.process.returncode = os.waitstatus_to_exitcode(self.status)
        self._stdin.close()
        self._output.close()
        os.close(self.channel)
        if self._pidfd is not None:
            os.close(self._pidfd)

    def crash(self) -> NoemaError:
        """The error for a process that ended, or was ended, without a result."""
        where = f" in stage {self.stage!r}" if self.stage else " before its first stage"
        tail = _printable_tail(bytes(self._tail))
        if self.out_of_time:
            return CompileTimeout(
                f"the compile process ran past {self.limits.wall_seconds} s{where}{tail}",
                remedy="raise the wall-clock limit, or pin dynamic shapes with --shape",
            )
        if self.broken:
            return CompileCrashed(
                f"the compile process sent {self.broken}{where}{tail}", remedy=_CRASH_REMEDY
            )
        code = self.process.returncode
        if code == -signal.SIGXCPU or (
            code == -signal.SIGKILL and self.usage_seconds >= self.limits.cpu_seconds
        ):
            return CompileTimeout(
                f"the compile process used its {self.limits.cpu_seconds} s of processor time"
                f"{where}{tail}",
                remedy="raise the processor-time limit, or pin dynamic shapes with --shape",
            )
        memory = f" (memory limit: {self.limits.memory_bytes} bytes)"
        if code == -signal.SIGKILL:
            return CompileCrashed(
                "the compile process was killed by SIGKILL, most likely by the system because "
                f"memory ran out{memory},{where}{tail}",
                remedy=_MEMORY_REMEDY,
            )
        if code != 0 and _MEMORY_TEXT.search(self._tail):
            return CompileCrashed(
                f"the compile process ran out of memory{memory}{where}{tail}",
                remedy=_MEMORY_REMEDY,
            )
        if code == -signal.SIGXFSZ:
            return CompileCrashed(
                f"the compile process wrote a file past its limit of {self.limits.file_bytes} "
                f"bytes{where}{tail}",
                remedy="raise the file-size limit",
            )
        if code < 0:
            how = f"was killed by {_signal_name(-code)}"
        else:
            how = f"ended with exit status {code} and no result"
        crashed = CompileCrashed
        if self.stage == "codegen" and -code in _FAULTS:
            crashed = GeneratorCrashed
        return crashed(f"the compile process {how}{where}{tail}", remedy=_CRASH_REMEDY)


def _readable(descriptor: int) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(0))


def _record(line: bytearray) -> dict[str, JSON]:
    """One line of the channel, checked down to what every kind of record must have."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if isinstance(record, dict):
        fields = cast("dict[str, JSON]", record)
        if (
            fields.get("type") == "progress"
            or (fields.get("type") == "result" and isinstance(fields.get("result"), dict))
            or (fields.get("type") == "failure" and isinstance(fields.get("kind"), str))
        ):
            return fields
    raise _BrokenProtocol("something that is not a record")


def _progress(record: Mapping[str, JSON]) -> Progress:
    stage, fraction, detail = (record.get(name) for name in ("stage", "fraction", "detail"))
    if (
        isinstance(stage, str)
        and isinstance(detail, str)
        and (fraction is None or isinstance(fraction, (int, float)))
    ):
        return Progress(stage, fraction, detail)
    raise _BrokenProtocol("a progress record with wrong fields")


def _raise_failure(record: Mapping[str, JSON], child: _Child) -> NoReturn:
    """Raises the error that the job ended with."""
    where = f" in stage {child.stage!r}" if child.stage else ""
    message, kind = record.get("message"), record["kind"]
    traceback = f"in the compile process:\n{record.get('traceback')}"
    if kind == "noema" and isinstance(record.get("error"), dict):
        try:
            raise from_json(cast("dict[str, JSON]", record["error"]))
        except (TypeError, ValueError) as error:
            raise InternalError(f"not an error record: {record['error']!r}") from error
    if kind == "memory":
        raise CompileCrashed(
            f"the compile process ran out of memory (memory limit: {child.limits.memory_bytes} "
            f"bytes){where}: {message}",
            remedy=_MEMORY_REMEDY,
        )
    if kind == "storage":
        number = record.get("errno")
        cause = OSError(number if isinstance(number, int) else 0, str(message))
        raise CompileFailed(
            f"the compile process could not write its files{where}: {message}",
            remedy=f"free disk space, or raise the file-size limit ({child.limits.file_bytes} "
            "bytes)",
        ) from cause
    error = InternalError(f"{message}{where}")
    error.add_note(traceback)
    raise error


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def _printable_tail(tail: bytes) -> str:
    """The last lines of the output, indented, with nothing in them that moves a terminal."""
    lines = [line for line in tail.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines:
        return ""
    shown = (
        "".join(c if c.isprintable() else " " for c in line[-_LINE_CHARACTERS:])
        for line in lines[-_TAIL_LINES:]
    )
    return "\n  its last output:\n" + "\n".join(f"    {line}" for line in shown)
