"""What the user asks for, as typed values. Imports no stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from noema.errors import InvalidOption, printable


class Precision(Enum):
    """Number format of the computation. f32 is the default and is never left silently."""

    F32 = "f32"
    BF16 = "bf16"
    """Products of bf16 that add up in f32; see the pass `to-bf16`. Where the target has no
    instructions for it, only with `CompileOptions.emulate`."""

    @staticmethod
    def parse(text: str) -> Precision:
        """Reads `f32` or `bf16`.

        Raises:
            InvalidOption: Anything else.
        """
        try:
            return Precision(text)
        except ValueError:
            known = " or ".join(p.value for p in Precision)
            raise InvalidOption(f"no precision {printable(text)}", remedy=f"use {known}") from None


class Goal(Enum):
    """What a loaded program should be best at."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"

    @staticmethod
    def parse(text: str) -> Goal:
        """Reads `latency` or `throughput`.

        Raises:
            InvalidOption: Anything else.
        """
        try:
            return Goal(text)
        except ValueError:
            raise InvalidOption(
                f"cannot optimize for {printable(text)}", remedy="use latency or throughput"
            ) from None


CPU_LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
AARCH64 = "aarch64"
"""Any 64-bit Arm processor: ARMv8-A with its vectors of 128 bits."""

CUDA_ARCHS = ("sm_60", "sm_61", "sm_62", "sm_70", "sm_72", "sm_75", "sm_80", "sm_86", "sm_89")
"""What IREE 3.13 generates code for; the driver compiles it further for newer devices."""


@dataclass(frozen=True)
class Target:
    """Where a program runs.

    Attributes:
        kind: `cpu`, `vulkan` or `cuda`.
        arch: For cpu, `host` (all features of this machine), an x86-64 level or `aarch64`; for
            cuda, the architecture, e.g. `sm_89`; for vulkan, empty.
    """

    kind: Literal["cpu", "vulkan", "cuda"]
    arch: str = ""

    @staticmethod
    def parse(text: str) -> Target:
        """Reads `cpu`, `cpu:x86-64-v3`, `cpu:aarch64`, `vulkan` or `cuda:sm_89`.

        Raises:
            InvalidOption: Anything else.
        """
        kind, _, arch = text.partition(":")
        if kind == "cpu" and arch in ("", "host", *CPU_LEVELS, AARCH64):
            return Target("cpu", arch or "host")
        if kind == "vulkan" and not arch:
            return Target("vulkan")
        if kind == "cuda" and arch in CUDA_ARCHS:
            return Target("cuda", arch)
        if kind == "cuda":
            raise InvalidOption(
                f"no CUDA architecture {arch!r}: there are {', '.join(CUDA_ARCHS)}",
                remedy="for a newer device use cuda:sm_89, which its driver compiles further",
            )
        raise InvalidOption(
            f"unknown target {text!r}",
            remedy="use cpu, cpu:x86-64-v2|v3|v4 (written cpu:x86-64-v3), cpu:aarch64, vulkan, "
            "or cuda:sm_89",
        )

    def __str__(self) -> str:
        if self.kind == "cpu" and self.arch == "host":
            return "cpu"
        return f"{self.kind}:{self.arch}" if self.arch else self.kind


@dataclass(frozen=True)
class Limits:
    """What a compile process may use; past any of these it is stopped.

    Attributes:
        memory_bytes: Address space.
        cpu_seconds: Processor time, all threads together.
        wall_seconds: Elapsed time.
        file_bytes: Largest file it may write.
    """

    memory_bytes: int = 64 << 30
    cpu_seconds: int = 3600
    wall_seconds: int = 1800
    file_bytes: int = 64 << 30


@dataclass(frozen=True)
class CompileOptions:
    """Everything that decides what a compiled program is (and so, with the model, its cache key).

    Attributes:
        target: Where it runs.
        precision: Number format.
        shapes: Input name → extents that replace its symbolic ones; `None` keeps one dynamic.
        passes: Pass pipeline; empty means the default one.
        emulate: Whether a precision that the target has no instructions for is computed as those
            would round, in f32 arithmetic.
    """

    target: Target = field(default_factory=lambda: Target("cpu", "host"))
    precision: Precision = Precision.F32
    shapes: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    passes: str = ""
    emulate: bool = False

    def to_json(self) -> dict[str, object]:
        return {
            "target": str(self.target),
            "precision": self.precision.value,
            "shapes": {k: list(v) for k, v in sorted(self.shapes.items())},
            "passes": self.passes,
            "emulate": self.emulate,
        }

    @staticmethod
    def from_json(record: Mapping[str, object]) -> CompileOptions:
        shapes = record["shapes"]
        assert isinstance(shapes, Mapping)
        return CompileOptions(
            target=Target.parse(str(record["target"])),
            precision=Precision(str(record["precision"])),
            shapes={str(k): tuple(v) for k, v in shapes.items()},
            passes=str(record["passes"]),
            emulate=bool(record["emulate"]),
        )


def parse_shape(text: str) -> tuple[str, tuple[int | None, ...]]:
    """Reads one `--shape` value: `input_ids=1,128`, with `?` for an extent left dynamic.

    Raises:
        InvalidOption: It isn't of that form.
    """
    name, eq, dims = text.rpartition("=")
    if eq and name and re.fullmatch(r"(\d+|\?)(,(\d+|\?))*|", dims):
        return name, tuple(None if d == "?" else int(d) for d in dims.split(",") if d)
    raise InvalidOption(
        f"cannot read shape {text!r}",
        remedy="write it as --shape input=1,128 (? keeps one dynamic)",
    )
