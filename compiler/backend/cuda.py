"""CUDA targets: IREE's NVPTX code generation; the driver compiles the PTX for newer devices."""

from __future__ import annotations

from collections.abc import Sequence


def flags(arch: str) -> Sequence[str]:
    """IREE flags for a CUDA architecture, e.g. `sm_89`."""
    return ["--iree-hal-target-device=cuda", f"--iree-cuda-target={arch}"]
