"""CPU targets: IREE's LLVM code generation for this machine, an x86-64 level or AArch64."""

from __future__ import annotations

from collections.abc import Sequence

from noema.options import AARCH64

_DATA_TILING = "--iree-opt-data-tiling"
"""Packs matrix operands into tiles: what makes IREE's matrix products fast."""

_AGGRESSIVE_FUSION = "--iree-opt-level=O2"
"""Fewer, larger dispatches: fastest, but with dynamic extents they outgrow their stack."""

_UNDISTRIBUTED = "--iree-llvmcpu-disable-distribution"
"""Every dispatch runs on one thread: slow, but some dispatches of dynamic extents can't be cut."""

STACK_BYTES = 1 << 20
"""Stack that one dispatch may use; the default of 32 KiB refuses large tiles and reductions. The
runtime's worker threads have more than that (`WORKER_STACK_BYTES` in runtime/device.py)."""


def flags(arch: str) -> Sequence[str]:
    """IREE flags for a CPU architecture.

    Args:
        arch: `host`, an x86-64 level such as `x86-64-v3`, or `aarch64`.
    """
    if arch == "host":
        cpu = ["--iree-llvmcpu-target-cpu=host"]
    else:
        machine, model = ("aarch64", "generic") if arch == AARCH64 else ("x86_64", arch)
        cpu = [
            f"--iree-llvmcpu-target-triple={machine}-unknown-linux-gnu",
            f"--iree-llvmcpu-target-cpu={model}",
        ]
    return [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        *cpu,
        f"--iree-llvmcpu-stack-allocation-limit={STACK_BYTES}",
    ]


def attempts(*, is_static: bool) -> Sequence[Sequence[str]]:
    """Further flags to try, fastest program first.

    IREE 3.13 forms some dispatches, when it fuses or packs, that its code generation then refuses;
    a program that is refused is tried the next, plainer way. What it computes is the same.

    Args:
        is_static: Whether every extent of the program is known.
    """
    fused = [(_AGGRESSIVE_FUSION, _DATA_TILING)] if is_static else []
    return [*fused, (_DATA_TILING,), (), (_UNDISTRIBUTED,)]
