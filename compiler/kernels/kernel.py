"""What a kernel is, and what a processor has that one may use."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from noema.kernels.executable import Interface

DEFAULT_L2 = 512 << 10
"""Bytes of a second cache where nobody said."""


class Unsuitable(Exception):
    """A kernel can't serve a case; the message says why, for `noema explain`."""


@dataclass(frozen=True)
class Isa:
    """The vector unit that kernels are printed for.

    Attributes:
        lanes: f32 elements of a register.
        registers: Vector registers.
        bf16: Whether it multiplies pairs of bf16 into f32 sums (`vdpbf16ps`).
        vnni: Whether it multiplies quadruples of int8 into int32 sums (`vpdpbusd`).
        l1: Bytes of a core's first data cache.
        l2: Bytes of a core's second cache.
    """

    lanes: int
    registers: int
    bf16: bool = False
    vnni: bool = False
    l1: int = 32 << 10
    l2: int = DEFAULT_L2


X86_64_V4 = Isa(lanes=16, registers=32)
X86_64_V3 = Isa(lanes=8, registers=16)


def isa_of(machine: str, features: Collection[str], l2: int = DEFAULT_L2) -> Isa | None:
    """What a processor offers to kernels; None if they don't know it.

    Args:
        machine: Architecture, as `platform.machine()` spells it.
        features: Its feature flags by their Linux names.
        l2: Bytes of a core's second cache.
    """
    if machine not in ("x86_64", "AMD64"):
        return None
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= {*features}:
        return dataclasses.replace(
            X86_64_V4, bf16="avx512_bf16" in features, vnni="avx512_vnni" in features, l2=l2
        )
    if {"avx2", "fma"} <= {*features}:
        return dataclasses.replace(X86_64_V3, l2=l2)
    return None


class Kernel(Protocol):
    """A kernel with all its parameters: a frozen dataclass of numbers and names.

    Equal kernels are compiled once.
    """

    @property
    def kind(self) -> str:
        """The family, e.g. `gemm`."""
        ...

    @property
    def interface(self) -> Interface:
        """What it takes and gives."""
        ...

    @property
    def operations(self) -> int | None:
        """Multiplications and additions of one call; None if that depends on a symbol."""
        ...

    def describe(self) -> str:
        """Shapes, element types, epilogue and tile, in a line."""
        ...

    def print(self, name: str) -> str:
        """The `stream.executable` @name."""
        ...


def name_of(kernel: Kernel) -> str:
    """A symbol for a kernel: its kind, and a digest of its parameters."""
    return f"{kernel.kind}_{hashlib.sha256(repr(kernel).encode()).hexdigest()[:12]}"
