"""Profiles a program: times its dispatches and compares them with what the machine can do.

It joins what runs programs (`runtime`), what they are (the artifact's report) and the machine's
measured roofs, as `pipeline` joins the stages of a compile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import onnx
from google.protobuf.message import DecodeError

from noema.assumed import Assumptions, Dimension, is_cache
from noema.dispatches import IREE
from noema.errors import InvalidModel, InvalidOption
from noema.frontend.inputs import declared_inputs
from noema.machine import this_machine
from noema.profile import Dispatch, Group, ProgramProfile, Roof
from noema.progress import ProgressCallback
from noema.runtime.attribution import SiteTime
from noema.runtime.profile import profile
from noema.runtime.session import Program
from noema.signature import TensorSpec
from noema.workload import Bound, Hardware

UNCLASSIFIED = "(no component)"
_WARM_UP = 2
"""Calls before those that count: the first ones touch memory that nobody has touched yet."""

Shapes = Mapping[str, tuple[int | None, ...]]


def profile_program(
    program: Program,
    inputs: Mapping[str, object],
    *,
    name: str,
    calls: int = 20,
    hardware: Hardware | None = None,
    on_progress: ProgressCallback | None = None,
) -> ProgramProfile:
    """Finds out where the time of a program's calls goes.

    Args:
        program: For the CPU.
        inputs: Input name → array, for all calls.
        name: What to call it.
        calls: How many calls to time, with and without the profiler.
        hardware: The machine; None to measure it, or take what was measured before.
        on_progress: Told how a measurement of the machine goes on.

    Raises:
        As `runtime.profile.profile` and `Program.run`.
    """
    machine = hardware or this_machine(on_progress=on_progress)
    for _ in range(_WARM_UP):
        outputs = program.run(inputs)
    spent: list[float] = []
    for _ in range(calls):
        start = time.perf_counter()
        outputs = program.run(inputs)
        spent.append(time.perf_counter() - start)
        del outputs  # or its memory couldn't be used for the next call's
    timeline = profile(program.artifact, inputs, threads=program.threads, calls=calls)
    roofs = _Roofs(machine, program.threads)
    total = sum(row.seconds for row in timeline.sites) or 1.0
    dispatches = tuple(
        _dispatch(index, row, roofs, total) for index, row in enumerate(timeline.sites)
    )
    return ProgramProfile(
        model=name,
        target=str(program.manifest.target),
        threads=program.threads,
        calls=calls,
        inputs=tuple(_described(n, value) for n, value in inputs.items()),
        hardware=machine,
        call=median(spent),
        span=timeline.span,
        busy=timeline.busy,
        dispatches=dispatches,
        components=_groups(dispatches, lambda d: d.component or UNCLASSIFIED, total),
        kernels=_groups(dispatches, _kernel, total),
    )


def usual_extents(specs: Sequence[TensorSpec], given: Mapping[str, int]) -> dict[str, int]:
    """An extent for every symbol of a program's inputs.

    Args:
        specs: The inputs.
        given: Symbol → extent, where one is given. For others `noema.assumed` has the table.
    """
    symbols = {s.name: [d for d in s.shape if isinstance(d, str)] for s in specs}
    decodes = any(is_cache(name, names) for name, names in symbols.items())
    assume, known = Assumptions(), dict(given)
    for spec in specs:
        for index, extent in enumerate(spec.shape):
            if isinstance(extent, str) and extent not in known:
                rank, is_float = len(spec.shape), spec.dtype.is_float
                place = Dimension(spec.name, index, rank, extent, is_float, decodes)
                known[extent] = assume(place, known)
    return known


def pinned_shapes(
    path: Path, shapes: Shapes, extents: Mapping[str, int]
) -> dict[str, tuple[int | None, ...]]:
    """A shape for each input of a model, every extent known.

    Args:
        path: The `.onnx` file.
        shapes: Input name → extents, where they are given.
        extents: Symbol → extent, likewise. For others `noema.assumed` has the table.

    Raises:
        InvalidModel: The file can't be read.
        InvalidOption: A shape or an extent doesn't fit the model.
    """
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise InvalidModel(f"{path} can't be read as an ONNX model: {error}") from error
    weights = {t.name for t in graph.initializer}
    values = [v for v in graph.input if v.name not in weights]
    symbols = {d.dim_param for v in values for d in v.type.tensor_type.shape.dim if d.dim_param}
    for symbol in extents:
        if symbol not in symbols:
            known = ", ".join(sorted(symbols)) or "none: all shapes are static"
            raise InvalidOption(f"no input has a dimension {symbol!r}", remedy=f"there are {known}")
    assumptions = Assumptions()

    def extent_of(dimension: Dimension, known: Mapping[str, int]) -> int:
        given = extents.get(dimension.symbol)
        return assumptions(dimension, {**known, **extents}) if given is None else given

    declared = declared_inputs(values, shapes, extent_of)
    pinned: dict[str, tuple[int | None, ...]] = {}
    for name, proto in declared.items():
        if proto.tensor_type.HasField("shape"):
            pinned[name] = tuple(d.dim_value for d in proto.tensor_type.shape.dim)
    return pinned


class _Roofs:
    """The machine's roofs for a program with so many threads."""

    def __init__(self, machine: Hardware, threads: int) -> None:
        part = min(threads, machine.cores) / machine.cores
        self._peaks = {name: speed * 1e9 * part for name, speed in machine.gflops.items()}
        self._bandwidth = machine.bandwidth * 1e9

    def of(self, row: SiteTime) -> Roof:
        """A site's time against them."""
        site = row.site
        operations = None if site.operations is None else site.operations * row.executions
        traffic = None if site.bytes is None else site.bytes * row.executions
        if operations is None or traffic is None:
            return _roof(row.seconds, operations, traffic, None, None)
        compute = operations / self._peaks.get(site.precision, self._peaks["f32"])
        memory = traffic / self._bandwidth
        bound = Bound.COMPUTE if compute >= memory else Bound.MEMORY
        return _roof(row.seconds, operations, traffic, max(compute, memory), bound)


def _roof(
    seconds: float,
    operations: int | None,
    traffic: int | None,
    least: float | None,
    bound: Bound | None,
) -> Roof:
    def rate(amount: float | None, unit: float) -> float | None:
        return None if amount is None or not seconds else amount / seconds / unit

    return Roof(
        seconds=seconds,
        operations=operations,
        bytes=traffic,
        gflops=rate(operations, 1e9),
        gbytes=rate(traffic, 1e9),
        least=least,
        share=rate(least, 1.0),
        bound=bound,
    )


def _dispatch(index: int, row: SiteTime, roofs: _Roofs, total: float) -> Dispatch:
    site = row.site
    return Dispatch(
        index=index,
        nodes=site.nodes,
        component=site.component,
        role=site.role,
        kind=site.kind,
        kernel=site.kernel,
        executable=site.executable,
        precision=site.precision,
        executions=row.executions,
        time=roofs.of(row),
        fastest=row.least,
        portion=row.seconds / total,
        workers=row.worked / row.seconds if row.seconds else 0.0,
        declined=site.declined,
    )


def _kernel(dispatch: Dispatch) -> str:
    # Executables of IREE's of one name and different bodies aren't one kernel.
    return dispatch.executable if dispatch.kind == IREE else dispatch.kernel


def _groups(
    dispatches: Sequence[Dispatch], name_of: Callable[[Dispatch], str], total: float
) -> tuple[Group, ...]:
    members: dict[str, list[Dispatch]] = {}
    for dispatch in dispatches:
        members.setdefault(name_of(dispatch), []).append(dispatch)
    made = [_group(name, group, total) for name, group in members.items()]
    return tuple(sorted(made, key=lambda group: -group.time.seconds))


def _group(name: str, members: Sequence[Dispatch], total: float) -> Group:
    seconds = sum(d.time.seconds for d in members)
    known = [d.time for d in members if d.time.least is not None]
    return Group(
        name=name,
        dispatches=tuple(d.index for d in members),
        time=_sum(seconds, known),
        portion=seconds / total,
        above=sum(t.seconds - (t.least or 0.0) for t in known),
    )


def _sum(seconds: float, known: Sequence[Roof]) -> Roof:
    if not known:
        return Roof(seconds)
    counted = sum(t.seconds for t in known)
    operations, traffic = sum(t.operations or 0 for t in known), sum(t.bytes or 0 for t in known)
    least = sum(t.least or 0.0 for t in known)
    compute = sum(t.least or 0.0 for t in known if t.bound is Bound.COMPUTE)
    bound = Bound.COMPUTE if 2 * compute >= least else Bound.MEMORY
    return Roof(
        seconds=seconds,
        operations=operations,
        bytes=traffic,
        gflops=operations / counted / 1e9 if counted else None,
        gbytes=traffic / counted / 1e9 if counted else None,
        least=least,
        share=least / counted if counted else None,
        bound=bound,
    )


def _described(name: str, value: object) -> str:
    shape = getattr(value, "shape", ())
    return f"{name}: {getattr(value, 'dtype', '?')}[{','.join(map(str, shape))}]"
