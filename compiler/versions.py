"""Versions of noema and of what decides its output: part of artifacts and of cache keys."""

from __future__ import annotations

import hashlib
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
    files = sorted({file for folder in folders for file in folder.rglob("*.py")})
    states = ((file, file.stat()) for file in files)
    lines = [f"{file}:{state.st_size}:{state.st_mtime_ns}" for file, state in states]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
