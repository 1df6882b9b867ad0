"""CPU targets: IREE's LLVM code generation for this machine or for a portable x86-64 level."""

from __future__ import annotations

from collections.abc import Sequence

OPTIMISED = ("--iree-opt-level=O2",)
"""Aggressive fusion: fastest, but it forms some dispatches that code generation then refuses."""

STACK_BYTES = 1 << 20
"""Stack that one dispatch may use; the default of 32 KiB refuses large tiles and reductions. The
runtime's worker threads have more than that (`WORKER_STACK_BYTES` in runtime/device.py)."""


def flags(arch: str) -> Sequence[str]:
    """IREE flags for a CPU architecture.

    Args:
        arch: `host`, or an x86-64 level such as `x86-64-v3`.
    """
    cpu = (
        ["--iree-llvmcpu-target-cpu=host"]
        if arch == "host"
        else [
            "--iree-llvmcpu-target-triple=x86_64-unknown-linux-gnu",
            f"--iree-llvmcpu-target-cpu={arch}",
        ]
    )
    return [
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        *cpu,
        "--iree-opt-data-tiling",
        f"--iree-llvmcpu-stack-allocation-limit={STACK_BYTES}",
    ]
