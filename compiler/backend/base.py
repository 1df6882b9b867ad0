"""From a lowered module to a program for a target: which flags, then IREE."""

from __future__ import annotations

from collections.abc import Sequence

from noema.backend import cpu, cuda, vulkan
from noema.backend.iree import generate
from noema.options import Target

COMMON = (
    "--iree-input-type=auto",
    "--iree-vm-emit-polyglot-zip=false",
    # Evaluating constants at compile time takes minutes on some models; weights are folded earlier.
    "--iree-opt-const-eval=false",
)


def flags(target: Target) -> Sequence[str]:
    """The IREE compiler flags of a target."""
    match target.kind:
        case "cpu":
            own = cpu.flags(target.arch)
        case "vulkan":
            own = vulkan.flags()
        case "cuda":
            own = cuda.flags(target.arch)
    return [*COMMON, *own]


def generate_program(bytecode: bytes, target: Target) -> bytes:
    """Compiles a lowered module to a VM FlatBuffer for `target`.

    Raises:
        CompileFailed: IREE refused it.
    """
    return generate(bytecode, flags(target))
