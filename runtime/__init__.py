"""Loading and running compiled programs.

Nothing here imports a compile stage, onnx, torch-mlir or the IREE compiler; the names below are
resolved on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noema.runtime.cpu import cpu_fingerprint as cpu_fingerprint
    from noema.runtime.device import DeviceInfo as DeviceInfo
    from noema.runtime.device import list_devices as list_devices
    from noema.runtime.session import Program as Program
    from noema.runtime.session import load as load

_HOMES = {
    "DeviceInfo": "noema.runtime.device",
    "Program": "noema.runtime.session",
    "cpu_fingerprint": "noema.runtime.cpu",
    "list_devices": "noema.runtime.device",
    "load": "noema.runtime.session",
}

__all__ = ["DeviceInfo", "Program", "cpu_fingerprint", "list_devices", "load"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
