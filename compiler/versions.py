"""Versions of noema and of what decides its output: part of artifacts and of cache keys."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("noema", "torch-mlir", "iree-base-compiler", "iree-base-runtime", "onnx")


def versions() -> dict[str, str]:
    """Package name → installed version; `unknown` for one that isn't installed."""
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"
