"""A compile process may die in any way: the caller gets a typed error and nothing stays behind."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from noema.errors import (
    CompileCrashed,
    CompileFailed,
    CompileTimeout,
    GeneratorCrashed,
    InternalError,
    UnsupportedModel,
)
from noema.options import Limits
from noema.progress import Progress
from noema.worker import run_job

LIMITS = Limits(memory_bytes=1 << 30, cpu_seconds=60, wall_seconds=60, file_bytes=1 << 20)

# Stands in for the compiler: reads the request as the real one does, then misbehaves.
FAKE = """
import json, os, signal, subprocess, sys, time
request = json.load(sys.stdin)
channel = request["channel"]
def send(**record):
    os.write(channel, json.dumps(record).encode() + b"\\n")
def stage(name):
    send(type="progress", stage=name, fraction=None, detail="")
def note(*pids):
    with open(PIDS, "w") as file:
        file.write(" ".join(map(str, pids)))
note(os.getpid())
"""

# Runs the real protocol with jobs of its own.
REAL = """
import time
from noema.worker_main import main
{job}
main({{"compile": "__main__:job"}})
"""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds all temporary folders; a test ends with it empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


Fake = Callable[[str], list[str]]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    def write(body: str) -> list[str]:
        script = tmp_path / "fake.py"
        head = FAKE.replace("PIDS", repr(str(tmp_path / "pids")))
        script.write_text(head + textwrap.dedent(body))
        return [sys.executable, str(script)]

    return write


@pytest.fixture
def real(tmp_path: Path) -> Fake:
    def write(body: str) -> list[str]:
        script = tmp_path / "real.py"
        script.write_text(REAL.format(job=textwrap.dedent(body)))
        return [sys.executable, str(script)]

    return write


def gone(pid: int) -> bool:
    """Whether a process runs no more; one that only waits to be reaped doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def left_in(scratch: Path) -> list[Path]:
    """What jobs have left: anything but the empty folder that holds theirs."""
    return list(scratch.glob("*/*"))


def assert_nothing_left(scratch: Path, pids: Path) -> None:
    assert left_in(scratch) == []
    for pid in map(int, pids.read_text().split()):
        wait_until(functools.partial(gone, pid))  # hangs if one was left running


def run_fake(command: list[str], limits: Limits = LIMITS) -> object:
    return run_job("compile", {}, limits=limits, command=command)


FATAL = {
    "segfault": (
        "stage('lower'); print('about to die', file=sys.stderr, flush=True)\n"
        "import ctypes; ctypes.string_at(0)",
        CompileCrashed,
        ["SIGSEGV", "'lower'", "about to die", "remedy"],
    ),
    "abort": ("stage('import'); os.abort()", CompileCrashed, ["SIGABRT", "'import'"]),
    "abort of the code generator": (
        "stage('codegen'); os.abort()",
        GeneratorCrashed,
        ["SIGABRT", "'codegen'"],
    ),
    "abort of bad_alloc": (
        "print('terminate called after throwing std::bad_alloc', flush=True); os.abort()",
        CompileCrashed,
        ["memory limit"],
    ),
    "killed as by the system": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        CompileCrashed,
        ["SIGKILL", "memory limit"],
    ),
    "allocates": (
        "keep = []\nwhile True: keep.append(bytearray(1 << 26))",
        CompileCrashed,
        ["ran out of memory", str(LIMITS.memory_bytes)],
    ),
    "ends without a result": ("stage('import')", CompileCrashed, ["status 0 and no result"]),
    "ends with a status": ("sys.exit(3)", CompileCrashed, ["status 3"]),
    "half a result": (
        'os.write(channel, b\'{"type": "result", "resu\')',
        CompileCrashed,
        ["no result"],
    ),
    "result of the wrong type": ("send(type='result', result=[1])", CompileCrashed, ["not a rec"]),
    "garbage": ("os.write(channel, bytes(range(256)) * 99)", CompileCrashed, ["not a record"]),
    "garbage without an end": (
        "while True: os.write(channel, b'[' * 65536)",
        CompileCrashed,
        ["a record of more than"],
    ),
    "progress with wrong fields": (
        "send(type='progress', stage=['x'])",
        CompileCrashed,
        ["wrong fields"],
    ),
    "nested garbage": ("os.write(channel, b'[' * 50000 + b'\\n')", CompileCrashed, ["not a rec"]),
    "past the file size": (
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "open(os.environ['TMPDIR'] + '/big', 'wb').write(bytes(1 << 22))",
        CompileCrashed,
        ["past its limit of 1048576 bytes"],
    ),
    "grandchild holds the pipes": (
        "other = subprocess.Popen(['sleep', '1000'], pass_fds=(channel,))\n"
        "note(os.getpid(), other.pid)\n"
        "os.abort()",
        CompileCrashed,
        ["SIGABRT"],
    ),
    "grandchild floods after its parent": (
        "other = subprocess.Popen(['yes'], pass_fds=(channel,))\n"
        "note(os.getpid(), other.pid)\n"
        "time.sleep(0.2); os._exit(0)",
        CompileCrashed,
        ["no result"],
    ),
    "never reads the request": ("os.close(0); os.abort()", CompileCrashed, ["SIGABRT"]),
}


@pytest.mark.parametrize("how", FATAL)
def test_a_fatal_end_is_a_typed_error(how: str, fake: Fake, scratch: Path, tmp_path: Path) -> None:
    body, error, phrases = FATAL[how]
    with pytest.raises(error) as caught:
        run_fake(fake(body))
    for phrase in phrases:
        assert phrase in str(caught.value)
    assert_nothing_left(scratch, tmp_path / "pids")


@pytest.mark.parametrize(
    ("body", "limits", "phrase"),
    [
        ("stage('tune')\nwhile True: pass", Limits(cpu_seconds=1), "1 s of processor time"),
        (
            "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            Limits(cpu_seconds=1),
            "1 s of processor time",
        ),
        ("stage('tune'); time.sleep(10_000)", Limits(wall_seconds=1), "past 1 s in stage 'tune'"),
        (
            "os.close(0); os.close(1); os.close(2); os.close(channel); time.sleep(10_000)",
            Limits(wall_seconds=1),
            "past 1 s",
        ),
        (
            "while True: os.write(2, b'\\x1b[2J' * 16384)",
            Limits(wall_seconds=1),
            "past 1 s",
        ),
    ],
    ids=["spins", "spins and ignores SIGXCPU", "sleeps", "closes all pipes", "floods forever"],
)
def test_a_process_that_does_not_end_is_stopped(
    body: str, limits: Limits, phrase: str, fake: Fake, scratch: Path, tmp_path: Path
) -> None:
    with pytest.raises(CompileTimeout) as caught:
        run_fake(fake(body), limits)
    assert phrase in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert_nothing_left(scratch, tmp_path / "pids")


def test_a_flood_neither_blocks_nor_fills_the_caller(
    fake: Fake, scratch: Path, tmp_path: Path
) -> None:
    body = """
        for _ in range(4096):                       # 256 MiB on each
            os.write(1, b"o" * 65536)
            os.write(2, b"e" * 65535 + b"\\n")
        os.write(2, b"the last line\\n")
        os.abort()
    """
    with pytest.raises(CompileCrashed, match="the last line") as caught:
        run_fake(fake(body))
    assert len(str(caught.value)) < 20_000
    assert_nothing_left(scratch, tmp_path / "pids")


def test_a_result_counts_even_if_the_process_then_hangs(
    fake: Fake, scratch: Path, tmp_path: Path
) -> None:
    assert run_fake(fake("send(type='result', result={'x': [1]}); time.sleep(10_000)")) == {
        "x": [1]
    }
    assert_nothing_left(scratch, tmp_path / "pids")


def test_a_request_larger_than_a_pipe_and_progress_in_order(real: Fake, scratch: Path) -> None:
    command = real("""
        from noema.progress import Progress
        def job(request, progress):
            for i in range(500):
                progress(Progress("lower", i / 500, f"pass {i}"))
            return {"length": len(request["text"]), "folder": request["temporary_folder"]}
    """)
    seen: list[Progress] = []
    text = "é" * (1 << 20)
    result = run_job(
        "compile", {"text": text}, limits=LIMITS, on_progress=seen.append, command=command
    )
    assert result["length"] == len(text)
    assert seen == [Progress("lower", i / 500, f"pass {i}") for i in range(500)]
    assert str(result["folder"]).startswith(str(scratch))
    assert left_in(scratch) == []


def test_errors_of_the_job_come_back_as_themselves(real: Fake) -> None:
    command = real("""
        from noema.errors import Gap, UnsupportedModel
        def job(request, progress):
            raise UnsupportedModel("two ops", gaps=[Gap("Foo", "n", "unknown")], remedy="wait")
    """)
    with pytest.raises(UnsupportedModel) as caught:
        run_job("compile", {}, limits=LIMITS, command=command)
    assert caught.value.gaps[0].op == "Foo"
    assert caught.value.remedy == "wait"


def test_a_bug_in_the_job_is_an_internal_error_with_its_traceback(real: Fake) -> None:
    command = real("""
        def job(request, progress):
            return {}["no such key"]
    """)
    with pytest.raises(InternalError, match="no such key") as caught:
        run_job("compile", {}, limits=LIMITS, command=command)
    assert "in job" in caught.value.__notes__[0]


@pytest.mark.parametrize("result", ["{1: object()}", "float('nan')", "{'x': float('nan')}"])
def test_a_result_that_is_not_json_is_an_internal_error(result: str, real: Fake) -> None:
    command = real(f"""
        def job(request, progress):
            return {result}
    """)
    with pytest.raises(InternalError):
        run_job("compile", {}, limits=LIMITS, command=command)


def test_an_unknown_job_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match="no_such_job"):
        run_job("no_such_job", {}, limits=LIMITS)


def test_memory_and_storage_limits_inside_python(real: Fake, scratch: Path) -> None:
    memory = real("""
        def job(request, progress):
            return {"x": len(bytearray(1 << 31))}
    """)
    with pytest.raises(CompileCrashed, match="memory limit: 1073741824"):
        run_job("compile", {}, limits=LIMITS, command=memory)
    storage = real("""
        def job(request, progress):
            open(request["temporary_folder"] + "/big", "wb").write(bytes(1 << 22))
    """)
    with pytest.raises(CompileFailed, match="could not write its files") as caught:
        run_job("compile", {}, limits=LIMITS, command=storage)
    assert isinstance(caught.value.__cause__, OSError)
    assert left_in(scratch) == []


def test_a_failing_callback_ends_the_job(fake: Fake, scratch: Path, tmp_path: Path) -> None:
    def callback(step: Progress) -> None:
        raise LookupError(step.stage)

    with pytest.raises(LookupError, match="import"):
        run_job(
            "compile",
            {},
            limits=LIMITS,
            on_progress=callback,
            command=fake("stage('import'); time.sleep(10_000)"),
        )
    assert_nothing_left(scratch, tmp_path / "pids")


def test_a_program_that_cannot_start() -> None:
    with pytest.raises(CompileCrashed, match="could not be started"):
        run_fake(["/nonexistent/compiler"])


CALLER = """
import json, sys, tempfile
from noema.options import Limits
from noema.worker import run_job
tempfile.tempdir, *command = json.loads(sys.argv[1])
run_job("compile", {}, limits=Limits(), command=command)
"""


def start_caller(scratch: Path, command: list[str]) -> subprocess.Popen[bytes]:
    text = json.dumps([str(scratch), *command])
    # A shell that runs this suite in the background has SIGINT ignored, which children inherit.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen([sys.executable, "-c", listen + CALLER, text], stderr=subprocess.PIPE)


def test_control_c_cleans_up_and_passes_on(fake: Fake, scratch: Path, tmp_path: Path) -> None:
    body = "other = subprocess.Popen(['sleep', '1000']); note(os.getpid(), other.pid)\n"
    caller = start_caller(scratch, fake(body + "time.sleep(10_000)"))
    pids = tmp_path / "pids"
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    caller.send_signal(signal.SIGINT)
    _, errors = caller.communicate()
    assert b"KeyboardInterrupt" in errors
    assert_nothing_left(scratch, pids)


def test_the_process_dies_with_its_caller(real: Fake, scratch: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = real(f"""
        import os
        def job(request, progress):
            with open({str(pids)!r}, "w") as file:
                file.write(str(os.getpid()))
            time.sleep(10_000)
    """)
    caller = start_caller(scratch, command)
    wait_until(lambda: pids.exists() and pids.read_text() != "")
    caller.kill()
    caller.communicate()
    pid = int(pids.read_text())
    wait_until(lambda: gone(pid))
    assert left_in(scratch) != []
    with pytest.raises(CompileCrashed):  # the next job tidies
        run_fake([sys.executable, "-c", "raise SystemExit(1)"])
    assert left_in(scratch) == []


def test_limits_hold_before_any_code_of_the_job_runs(real: Fake) -> None:
    command = real("""
        import resource
        AT_IMPORT = {
            name: resource.getrlimit(getattr(resource, name))[0]
            for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
        }
        def job(request, progress):
            return AT_IMPORT
    """)
    held = run_job("compile", {}, limits=LIMITS, command=command)
    assert held["RLIMIT_AS"] == LIMITS.memory_bytes
    assert held["RLIMIT_CPU"] == LIMITS.cpu_seconds
    assert held["RLIMIT_FSIZE"] == LIMITS.file_bytes
    assert held["RLIMIT_CORE"] == 0


def test_modules_in_the_working_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "errno", "noema"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the folder')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InternalError, match="no_such_job"):
        run_job("no_such_job", {}, limits=LIMITS)


def test_the_start_of_the_process_imports_no_stage() -> None:
    code = "import sys, noema.worker_main; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"numpy", "onnx", "torch_mlir", "iree", "click", "rich", "sqlite3"}
    assert heavy.isdisjoint(output)


def test_file_descriptors_do_not_leak(fake: Fake) -> None:
    command = fake("os.abort()")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(CompileCrashed):
            run_fake(command)
    assert len(os.listdir("/proc/self/fd")) == before
