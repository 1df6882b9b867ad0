"""What a run of `noema bench` found, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from noema.bench.machine import Machine
from noema.bench.timing import Timing, geometric_mean
from noema.check import OutputError
from noema.progress import JSON

FORMAT = 1

Status = Literal["ok", "unavailable", "failed"]


@dataclass(frozen=True)
class Agreement:
    """How far a contender's outputs are from a reference contender's.

    Attributes:
        reference: The contender compared with.
        max_rel: Largest error of any output, relative to that output's largest magnitude.
        outputs: By output.
    """

    reference: str
    max_rel: float
    outputs: tuple[OutputError, ...]


@dataclass(frozen=True)
class ContenderResult:
    """One contender on one model.

    Attributes:
        name: The contender; for noema with another precision than f32, with that in its name.
        status: Whether it was timed; else `reason` says why not.
        reason: What is missing or went wrong, and the remedy.
        version: Of its package.
        configuration: How it was set up.
        load_seconds: From the model's file to ready, compiling included.
        timing: Seconds per call, numpy arrays in and out. Of calls side by side, the time of a
            burst over the number of its calls.
        rounds: Seconds of every call, by round; of calls side by side, one such figure.
        agreement: Of its outputs.
        peak_bytes: Largest resident set of its process, loading included.
        tools_peak_bytes: Largest resident set of a compiler process that it started; 0 if none.
        ratio: Its time over the first noema contender's: above 1, noema is faster.
    """

    name: str
    status: Status
    reason: str = ""
    version: str = ""
    configuration: Mapping[str, str] = field(default_factory=dict[str, str])
    load_seconds: float | None = None
    timing: Timing | None = None
    rounds: Sequence[Sequence[float]] = ()
    agreement: Agreement | None = None
    peak_bytes: int | None = None
    tools_peak_bytes: int | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class ModelResult:
    """All contenders on one model.

    Attributes:
        model: Path as it was given.
        inputs: Inputs as text: name, element type and shape.
        assumed: Symbolic dimension → extent, where nothing but the default decided.
        contenders: In the order asked for.
    """

    model: str
    inputs: tuple[str, ...]
    assumed: Mapping[str, int]
    contenders: tuple[ContenderResult, ...]


@dataclass(frozen=True)
class BenchResult:
    """A whole run.

    Attributes:
        machine: What it ran on.
        command: The command line.
        settings: Threads, rounds, seed and so on.
        models: By model.
    """

    machine: Machine
    command: tuple[str, ...]
    settings: Mapping[str, JSON]
    models: tuple[ModelResult, ...]

    def to_json(self) -> dict[str, object]:
        return {"format": FORMAT, **asdict(self), "mean_ratios": self.mean_ratios()}

    def mean_ratios(self) -> dict[str, float]:
        """Contender → geometric mean over models of its time over noema's."""
        found: dict[str, list[float]] = {}
        for contender in (c for m in self.models for c in m.contenders):
            if contender.ratio is not None:
                found.setdefault(contender.name, []).append(contender.ratio)
        return {name: geometric_mean(ratios) for name, ratios in found.items()}
