"""This machine's profile, its roofs measured once and kept.

    <cache folder>/hardware-v1/<fingerprint>-<threads>.json

A figure belongs to a kind of processor (`cpu_fingerprint`) and a number of cores. A file that is
damaged is measured again, and one that can't be written is done without: a measurement takes about
three seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import cast

from noema import environment
from noema.analysis.hardware import Roofs, describe
from noema.errors import InvalidOption, NoemaError
from noema.options import Limits
from noema.progress import JSON, ProgressCallback
from noema.runtime.cpu import cpu_fingerprint
from noema.runtime.device import default_threads
from noema.scratch import check_private
from noema.worker import run_job
from noema.workload import Hardware

_LIMITS = Limits(cpu_seconds=120, wall_seconds=60)
_SOURCES = "hardware-v1"


def this_machine(
    *,
    measure: bool = True,
    refresh: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Hardware:
    """The machine that noema runs on.

    Args:
        measure: Measure its roofs if they aren't known yet; else they are estimated.
        refresh: Measure them whether they are known or not.
        on_progress: Told how a measurement goes on.

    Returns:
        Its profile; `measured` is False if it wasn't, or couldn't be, measured.
    """
    return describe(roofs(measure=measure, refresh=refresh, on_progress=on_progress))


def roofs(
    *,
    measure: bool = True,
    refresh: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Roofs | None:
    """The measured roofs alone, from the cache or a measurement; None if there are none."""
    path = _file()
    known = None if refresh or path is None else _read(path)
    if known is not None or not (measure or refresh):
        return known
    with _alone(path):
        # Somebody else may have measured while we waited.
        known = None if refresh or path is None else _read(path)
        if known is not None:
            return known
        try:
            found = Roofs.from_json(
                run_job("calibrate", {}, limits=_LIMITS, on_progress=on_progress)
            )
        except (NoemaError, ValueError):
            # What went wrong is a matter of the code generator; the caller wants a profile, which
            # says that it is an estimate.
            return None
        if path is not None:
            _write(path, found.to_json())
        return found


def _file() -> Path | None:
    try:
        folder = environment.cache_directory() / _SOURCES
    except InvalidOption:  # no home folder
        return None
    return folder / f"{cpu_fingerprint()}-{default_threads()}.json"


def _read(path: Path) -> Roofs | None:
    try:
        check_private(path.parent)
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            return None
        return Roofs.from_json(cast("dict[str, JSON]", record))
    except (OSError, ValueError, RecursionError):  # absent or damaged
        return None


def _write(path: Path, record: Mapping[str, object]) -> None:
    """Replaces the file, whole or not at all."""
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".json")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(record, file, allow_nan=False)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _alone(path: Path | None) -> Generator[None]:
    """Keeps other processes from measuring at the same time, where there is a folder for a lock."""
    with contextlib.ExitStack() as stack:
        if path is not None:
            with contextlib.suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = os.open(path.parent / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
