"""The machine as the analysis sees it: its processor, its roofs, its accelerators.

The roofs (operations and bytes per second) are measured by `noema.calibration`; `estimate` is what
is said of a machine where that isn't possible.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from noema.analysis import peak
from noema.progress import JSON
from noema.runtime.cpu import Cpu, this_cpu
from noema.runtime.device import DeviceInfo, list_devices
from noema.workload import Accelerator, Cache, Hardware

_FEATURES = (
    *("sse4_2", "avx", "fma", "avx2", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_bf16"),
    *("avx512_fp16", "avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_tile", "amx_bf16"),
    *("amx_int8", "asimd", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2"),
)
"""Extensions that matter for speed, narrowest first; Linux's names."""

_ASSUMED_GIGAHERTZ = 2.5
_ASSUMED_BANDWIDTH_PER_CORE, _ASSUMED_BANDWIDTH = 12.0, 60.0


@dataclass(frozen=True)
class Roofs:
    """How fast a processor is at most, all cores together.

    Attributes:
        gflops: Precision → 10⁹ operations per second; a precision without instructions is absent.
        bandwidth: 10⁹ bytes per second from memory.
        measured: Whether it was measured here.
    """

    gflops: Mapping[str, float]
    bandwidth: float
    measured: bool

    def to_json(self) -> dict[str, object]:
        return {"gflops": dict(self.gflops), "bandwidth": self.bandwidth}

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> Roofs:
        """Measured roofs from their record.

        Raises:
            ValueError: It isn't one: something is missing, or not a positive number.
        """
        gflops = record.get("gflops")
        if not isinstance(gflops, dict) or "f32" not in gflops:
            raise ValueError("not a record of measured roofs")
        speeds = cast("dict[str, JSON]", gflops)
        return Roofs(
            {str(name): _positive(value) for name, value in speeds.items()},
            _positive(record.get("bandwidth")),
            measured=True,
        )


def _positive(value: JSON) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"not a number: {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"not a positive number: {value!r}")
    return float(value)


def estimate(cpu: Cpu) -> Roofs:
    """Roofs from cores, clock and features: two registers of the widest kind per cycle and core.

    512-bit registers count once per cycle, which is right for processors that split them and half
    of what the widest servers do. Bandwidth is 12 GB/s per core, 60 GB/s at most.
    """
    gigahertz = cpu.megahertz / 1000 or _ASSUMED_GIGAHERTZ
    gflops: dict[str, float] = {}
    for kernel in peak.kernels(cpu.machine, cpu.features):
        per_cycle = (1 if kernel.lanes == 16 else 2) * 2 * kernel.lanes * kernel.pairs
        gflops[kernel.precision] = cpu.physical * gigahertz * per_cycle
    bandwidth = min(_ASSUMED_BANDWIDTH, _ASSUMED_BANDWIDTH_PER_CORE * cpu.physical)
    return Roofs(gflops, bandwidth, measured=False)


def describe(roofs: Roofs | None = None) -> Hardware:
    """This machine.

    Args:
        roofs: What was measured here; None for an estimate.
    """
    cpu = this_cpu()
    roofs = roofs or estimate(cpu)
    return Hardware(
        cpu=cpu.model,
        architecture=cpu.machine,
        features=tuple(f for f in _FEATURES if f in cpu.features),
        cores=cpu.physical,
        caches=tuple(Cache(name, size) for name, size in cpu.caches.items()),
        gflops=dict(roofs.gflops),
        bandwidth=roofs.bandwidth,
        accelerators=tuple(
            _accelerator(d) for d in list_devices() if d.available and d.kind != "cpu"
        ),
        measured=roofs.measured,
    )


def _accelerator(device: DeviceInfo) -> Accelerator:
    return Accelerator(device.kind, device.description, dict(device.details))
