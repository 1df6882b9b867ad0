"""Versions of noema and of what decides its output: part of artifacts and of cache keys."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("noema", "torch-mlir", "iree-base-compiler", "iree-base-runtime", "onnx")


def versions() -> dict[str, str]:
    """Package name → installed version; `unknown` for one that isn't installed."""
    return {name: _version(name) for name in _PACKAGES}


def source_stamp() -> str:
    """Names the state of noema's own source files, by their sizes and modification times.

    Part of cache keys: in a checkout the code changes and the version doesn't.
    """
    folders: set[Path] = set()
    for package in ("noema", "noema.dialects", "noema.passes", "noema.runtime"):
        spec = find_spec(package)
        locations = None if spec is None else spec.submodule_search_locations
        folders.update(Path(location).resolve() for location in locations or ())
    lines = sorted({line for folder in folders for line in _states(str(folder))})
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _states(folder: str) -> Iterator[str]:
    """A line for each Python file below a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                state = entry.stat()
                yield f"{entry.path}:{state.st_size}:{state.st_mtime_ns}"
            elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                yield from _states(entry.path)


@functools.cache  # the modules in this process are of that version, whatever is installed later
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
