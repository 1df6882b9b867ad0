"""What this machine's processor is and can do, without any native library.

Linux tells it in /proc/cpuinfo and /sys; elsewhere only the architecture is known, and a
host-targeted program then carries no feature list to check.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from noema.artifact.manifest import Requirements
from noema.errors import DeviceUnavailable
from noema.options import AARCH64, Target

_CPUINFO = Path("/proc/cpuinfo")
_SYSTEM = Path("/sys/devices/system/cpu")

# x86-64 psABI, "Micro-Architecture Levels", in Linux's names (sse3 is `pni`, lzcnt is `abm`,
# lahf/sahf is `lahf_lm`, cmpxchg16b is `cx16`; osxsave shows as `xsave`).
_V2 = frozenset({"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"})
_V3 = _V2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
X86_LEVELS: Mapping[str, frozenset[str]] = {
    "x86-64-v2": _V2,
    "x86-64-v3": _V3,
    "x86-64-v4": _V4,
}

# x86 features that code generation for the host may use, by prefix or name. The rest of cpuinfo
# (virtualisation, mitigations, power) comes and goes with kernels and must not bind an artifact.
_CODEGEN_PREFIXES = ("avx", "amx", "sse", "bmi")
_CODEGEN_NAMES = _V3 | {
    "adx", "aes", "fma4", "gfni", "pclmulqdq", "sha_ni", "tbm", "vaes", "vpclmulqdq", "xop",
}  # fmt: skip


@dataclass(frozen=True)
class Cpu:
    """This machine's processor.

    Attributes:
        machine: Architecture, as `platform.machine()` spells it, e.g. `x86_64`.
        model: Marketing name, or family/model/stepping where the kernel has no name.
        features: Feature flags by their Linux names; empty if unknown.
        logical: Processors that this process may run on.
        physical: Cores behind them.
        caches: Cache name (`L1d`, `L2`, `L3`) → bytes, of one core.
        megahertz: Clock of the first processor when it was read; 0 if unknown.
    """

    machine: str
    model: str
    features: frozenset[str]
    logical: int
    physical: int
    caches: Mapping[str, int]
    megahertz: float = 0.0

    @property
    def codegen_features(self) -> tuple[str, ...]:
        """Those features that generated code may depend on, sorted."""
        if self.machine not in ("x86_64", "AMD64"):
            return tuple(sorted(self.features))  # elsewhere the kernel lists little else
        return tuple(
            sorted(
                f for f in self.features if f in _CODEGEN_NAMES or f.startswith(_CODEGEN_PREFIXES)
            )
        )

    @property
    def level(self) -> str | None:
        """The highest x86-64 level that it meets; None if none, or another architecture."""
        met = [name for name, needed in X86_LEVELS.items() if needed <= self.features]
        return met[-1] if met and self.machine in ("x86_64", "AMD64") else None


@functools.cache
def this_cpu() -> Cpu:
    """Describes the processor; read once per process."""
    fields = _cpuinfo()
    features = fields.get("flags") or fields.get("Features") or ""
    numbers = [fields.get(k, "?") for k in ("cpu family", "model", "stepping")]
    model = fields.get("model name") or platform.processor() or platform.machine()
    if numbers != ["?", "?", "?"]:
        # Cloud machines call all their generations by one name; the numbers tell them apart.
        model = f"{model} ({'/'.join(numbers)})"
    allowed = _allowed()
    return Cpu(
        machine=platform.machine(),
        model=model,
        features=frozenset(features.split()),
        logical=len(allowed),
        physical=len(core_groups()),
        caches=_caches(),
        megahertz=_number(fields.get("cpu MHz", "")),
    )


def core_groups() -> tuple[frozenset[int], ...]:
    """The logical processors of each core, as far as this process may run on them.

    In the order of their lowest numbers; a processor whose core is unknown counts as a core.
    """
    groups: dict[str, set[int]] = {}
    for number in sorted(_allowed()):
        try:
            siblings = _SYSTEM / f"cpu{number}" / "topology" / "thread_siblings_list"
            core = siblings.read_text().strip()
        except OSError:
            core = str(number)
        groups.setdefault(core, set()).add(number)
    return tuple(frozenset(group) for group in groups.values())


def cpu_fingerprint() -> str:
    """A stable name for this processor model and its code generation features.

    Equal on machines that can exchange host-targeted programs with the same speed; a part of
    compile cache keys. Form: `x86_64-` and 16 hex digits.
    """
    cpu = this_cpu()
    text = "\n".join((cpu.machine, cpu.model, *cpu.codegen_features))
    return f"{cpu.machine}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def requirements_of(target: Target) -> Requirements:
    """What a machine must have to run a program compiled here for `target`."""
    if target.kind != "cpu":
        return Requirements()
    if target.arch in X86_LEVELS:
        return Requirements("x86_64", tuple(sorted(X86_LEVELS[target.arch])))
    if target.arch == AARCH64:
        return Requirements("aarch64")  # without a list: whatever each of them has
    cpu = this_cpu()
    return Requirements(cpu.machine, cpu.codegen_features)


def check_requirements(requirements: Requirements) -> None:
    """Checks that this processor can execute a program.

    Raises:
        DeviceUnavailable: It is of another architecture or lacks features.
    """
    cpu = this_cpu()
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(cpu.machine, cpu.machine)
    if requirements.machine and requirements.machine != machine:
        raise DeviceUnavailable(
            f"the program was compiled for {requirements.machine}, this machine is {machine}",
            remedy="run it there, or compile the model again for this machine (--target cpu)",
        )
    missing = sorted(set(requirements.cpu_features) - cpu.features)
    if missing:
        shown = ", ".join(missing[:12]) + (" …" if len(missing) > 12 else "")
        raise DeviceUnavailable(
            f"the program needs processor features that this machine lacks: {shown}",
            remedy="compile it on this machine"
            + (f", or for --target cpu:{cpu.level}" if cpu.level else ""),
        )


def _cpuinfo() -> dict[str, str]:
    """Fields of the first processor in /proc/cpuinfo; empty where there is no such file."""
    fields: dict[str, str] = {}
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return fields
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon and fields:
            break
        fields[key.strip()] = value.strip()
    return fields


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _allowed() -> frozenset[int]:
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _caches() -> dict[str, int]:
    caches: dict[str, int] = {}
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    for index in sorted((_SYSTEM / "cpu0" / "cache").glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction" and size[-1:] in units and size[:-1].isdigit():
            suffix = "d" if kind == "Data" else ""
            caches[f"L{level}{suffix}"] = int(size[:-1]) * units[size[-1]]
    return caches
