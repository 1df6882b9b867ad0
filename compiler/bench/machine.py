"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from noema.runtime.cpu import this_cpu

_PACKAGES = (
    "noema",
    "onnx",
    "torch-mlir",
    "iree-base-compiler",
    "iree-base-runtime",
    "onnxruntime",
    "openvino",
    "numpy",
)


@dataclass(frozen=True)
class Machine:
    """This machine and what is installed on it.

    Attributes:
        cpu: Model of the processor.
        level: Highest x86-64 level that it meets, or empty.
        features: Its features that generated code may use.
        logical: Processors that this process may run on.
        physical: Cores behind them.
        caches: Cache name → bytes, of one core.
        memory_bytes: Physical memory.
        load: Average number of running processes in the last minute, before the measurement.
        system: Operating system and kernel.
        python: Version.
        packages: Distribution → version, of those that are installed.
        date: UTC, ISO 8601.
    """

    cpu: str
    level: str
    features: tuple[str, ...]
    logical: int
    physical: int
    caches: dict[str, int]
    memory_bytes: int
    load: float
    system: str
    python: str
    packages: dict[str, str]
    date: str


def this_machine() -> Machine:
    """Describes this machine, now."""
    cpu = this_cpu()
    return Machine(
        cpu=cpu.model,
        level=cpu.level or "",
        features=cpu.codegen_features,
        logical=cpu.logical,
        physical=cpu.physical,
        caches=dict(cpu.caches),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        load=os.getloadavg()[0],
        system=platform.platform(),
        python=platform.python_version(),
        packages=installed_packages(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def installed_packages() -> dict[str, str]:
    """Distribution → version, of those that matter here and are installed."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        installed = package_version(name)
        if installed is not None:
            found[name] = installed
    return found


def package_version(name: str) -> str | None:
    """Version of an installed distribution; None if it isn't installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
