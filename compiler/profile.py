"""Where the time of a program goes: the result of `noema.profiling` and `noema profile --json`.

Plain frozen records, no stage. `docs/profile_schema.md` documents them; `SCHEMA` names the version,
which rises when a field changes its meaning or goes away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noema.progress import JSON
from noema.records import decode, encode
from noema.workload import Bound, Hardware

SCHEMA = "noema.profile/1"


@dataclass(frozen=True)
class Roof:
    """What some work costs on the machine at least, and what it did cost.

    Attributes:
        seconds: What the work took.
        operations: Arithmetic operations, a multiply-add counted as two; null if an extent that
            isn't known decides.
        bytes: What is read and written, each tensor once; null likewise.
        gflops: 10⁹ operations per second; null without `operations`.
        gbytes: 10⁹ bytes per second; null without `bytes`.
        least: Time on this machine's roofline, with as many cores as the program has threads:
            max(operations / peak, bytes / bandwidth); null if either isn't known.
        share: least / seconds. More than 1 where data came from caches: the bandwidth is that of
            memory.
        bound: Which of the two roofs is the lower one.
    """

    seconds: float
    operations: int | None = None
    bytes: int | None = None
    gflops: float | None = None
    gbytes: float | None = None
    least: float | None = None
    share: float | None = None
    bound: Bound | None = None


@dataclass(frozen=True)
class Dispatch:
    """One place in the program that dispatches a kernel.

    Attributes:
        index: Its place in the order of execution, from 0.
        nodes: The ONNX nodes that it computes, the main one first.
        component: The component that they belong to; empty if unknown.
        role: Their role in it.
        kind: Family of the kernel (`gemm`, `conv`, …), or `iree` for what IREE's own code
            generation made.
        kernel: What it is: shapes, element types, epilogue, tile.
        executable: Its name in the program; dispatches of one executable run the same code.
        precision: The number format that its products are in.
        executions: How often it runs in a call.
        time: Median time of a call, and what the machine's roofs allow.
        fastest: The shortest time of all calls, in seconds.
        portion: Its part of the time of all dispatches, 0…1.
        workers: How many workers were at work in it, on average.
        declined: Why no kernel of ours serves it, if one might have.
    """

    index: int
    nodes: tuple[str, ...]
    component: str
    role: str
    kind: str
    kernel: str
    executable: str
    precision: str
    executions: int
    time: Roof
    fastest: float
    portion: float
    workers: float
    declined: str = ""


@dataclass(frozen=True)
class Group:
    """Dispatches that have something in common, together.

    Attributes:
        name: The component, or the kernel.
        dispatches: Indices of the dispatches.
        time: Their times added up. The roofs count those alone whose work is known.
        portion: Their part of the time of all dispatches, 0…1.
        above: Seconds above the roofline, of those dispatches whose work is known.
    """

    name: str
    dispatches: tuple[int, ...]
    time: Roof
    portion: float
    above: float


@dataclass(frozen=True)
class ProgramProfile:
    """Where the time of a program goes.

    Attributes:
        model: Name of the file.
        target: What it was compiled for.
        threads: Worker threads.
        calls: How many calls were timed.
        inputs: What it ran on, as `name: dtype[shape]`.
        hardware: The machine, whose roofs figures are compared with.
        call: Median time of a call in noema, not profiled, in seconds: numpy arrays in and out.
        span: Median time from the first dispatch's begin to the last one's end.
        busy: Median time in which at least one dispatch ran. What lies between it and `span` are
            copies, fills and the handing over from one dispatch to the next; what lies between
            `span` and `call` is waking the workers, and inputs and outputs.
        dispatches: In order of execution.
        components: By component, the slowest first.
        kernels: By kernel, the slowest first.
        schema: Name and version of this schema.
    """

    model: str
    target: str
    threads: int
    calls: int
    inputs: tuple[str, ...]
    hardware: Hardware
    call: float
    span: float
    busy: float
    dispatches: tuple[Dispatch, ...]
    components: tuple[Group, ...]
    kernels: tuple[Group, ...]
    schema: str = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """The profile in the documented schema."""
        return encode(self)

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> ProgramProfile:
        """The inverse of `to_json`.

        Raises:
            ValueError: It isn't a profile of this version of the schema.
        """
        if record.get("schema") != SCHEMA:
            raise ValueError(f"not a {SCHEMA} record: {record.get('schema')!r}")
        try:
            return decode(ProgramProfile, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a well-formed {SCHEMA} record: {error}") from error
