"""From a lowered module to a program for a target: which flags, then IREE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noema.backend import cpu, cuda, vulkan
from noema.backend.iree import generate
from noema.backend.sites import list_sites
from noema.dispatches import Site
from noema.errors import CompileFailed
from noema.kernels.kernel import Kernel
from noema.options import Target

COMMON = (
    "--iree-input-type=auto",
    "--iree-vm-emit-polyglot-zip=false",
    # Evaluating constants at compile time takes minutes on some models; weights are folded earlier.
    "--iree-opt-const-eval=false",
    # The default makes every f64 an f32, on the program's interface too.
    "--iree-input-demote-f64-to-f32=false",
)


@dataclass(frozen=True)
class Generated:
    """A program for a target.

    Attributes:
        program: VM FlatBuffer.
        sites: Its dispatches, in order.
    """

    program: bytes
    sites: tuple[Site, ...]


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


def generate_program(
    bytecode: bytes,
    target: Target,
    kernels: Mapping[str, Kernel] | None = None,
    *,
    is_static: bool,
    plain: bool = False,
) -> Generated:
    """Compiles a lowered module for `target`.

    Args:
        bytecode: From `lowering.lower.lower`.
        target: What to generate code for.
        kernels: What the functions that it only declares are.
        is_static: Whether every extent of the program is known.
        plain: Try the plainest way alone, because another one crashed.

    Raises:
        CompileFailed: IREE refused it in every way that the target has.
    """
    ways = cpu.attempts(is_static=is_static) if target.kind == "cpu" else [()]
    refused: CompileFailed | None = None
    for further in ways[-1:] if plain else ways:
        try:
            return _generate(bytecode, [*flags(target), *further], kernels or {})
        except CompileFailed as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _generate(bytecode: bytes, given: Sequence[str], kernels: Mapping[str, Kernel]) -> Generated:
    sites: list[Site] = []

    def look(module: Any) -> None:
        sites.extend(list_sites(module, kernels))

    return Generated(generate(bytecode, given, kernels, look), tuple(sites))
