"""The stages of the analysis joined: ONNX file → sem → classified → measured → `WorkloadProfile`.

As `pipeline.py` joins the stages of a compile, this file joins those of `noema.analyze`, and
nothing else does. It stops where a compile would lower.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import cast

from torch_mlir import ir

from noema.analysis.components import Label, Labels, read_parts
from noema.analysis.cost import Costs
from noema.analysis.flow import flow_of
from noema.analysis.opportunities import opportunities
from noema.analysis.roofline import Roofline, assess, component_of
from noema.analysis.verdict import verdict
from noema.assumed import Assumptions
from noema.dialects.context import new_context
from noema.dialects.graph import Graph
from noema.dialects.opset import EXPANDED
from noema.errors import InvalidIR, InvalidModel, UnsupportedModel
from noema.frontend.importer import import_model
from noema.frontend.onnx import OnnxModel, read_model
from noema.options import CompileOptions, Precision
from noema.passes.base import PassContext
from noema.passes.classify import classify
from noema.passes.driver import PipelineReport, check_raised, run_pipeline
from noema.passes.pipeline_spec import Pipeline
from noema.passes.registry import default_pipeline, resolve
from noema.progress import JSON, Progress, ProgressCallback, no_progress
from noema.signature import TensorSpec
from noema.vector_unit import check_precision
from noema.workload import (
    Declined,
    Hardware,
    ModelSummary,
    PatternTime,
    Timing,
    WorkloadProfile,
)

Shapes = Mapping[str, tuple[int | None, ...]]

_SHRINKS = (1, 16)
"""Assumed extents are divided by these, one after the other, while the model refuses them."""


class Stopwatch:
    """Times stages, and tells which one is running.

    Args:
        progress: Told which stage runs.
        clock: Seconds since some moment.
    """

    def __init__(
        self,
        progress: ProgressCallback = no_progress,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._clock = clock

    @contextmanager
    def stage(self, name: str, fraction: float) -> Generator[None]:
        """Adds what the block takes to a stage."""
        self._progress(Progress(name, fraction))
        start = self._clock()
        try:
            yield
        finally:
            spent = self._clock() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


_MOST_DECLINED = 200


def read_assuming(path: Path, shapes: Shapes) -> tuple[OnnxModel, Mapping[str, int]]:
    """Reads a model with an extent for every dimension of its inputs.

    Args:
        path: The `.onnx` file.
        shapes: Extents that the caller wants.

    Returns:
        The model, and the extents that were assumed. A model that refuses every assumption is read
        with its dimensions left open, and nothing is assumed.

    Raises:
        As `read_model`.
    """
    for shrink in _SHRINKS:
        assumptions = Assumptions(shrink)
        try:
            model = read_model(path, shapes=shapes, assume=assumptions, expand=EXPANDED)
        except (InvalidModel, UnsupportedModel):
            if not assumptions.made:
                raise
        else:
            return model, dict(assumptions.made)
    return read_model(path, shapes=shapes, expand=EXPANDED), {}


def analyze_model(
    model: OnnxModel,
    hardware: Hardware,
    *,
    name: str = "model",
    assumed: Mapping[str, int] | None = None,
    stopwatch: Stopwatch | None = None,
    kernels: Precision | None = None,
) -> WorkloadProfile:
    """Understands a model in this process.

    Args:
        model: As `read_model` gives it (with `expand=EXPANDED`).
        hardware: The machine that figures are for.
        name: What to call it.
        assumed: Extents that stand for symbols of its inputs.
        stopwatch: Has timed the stages before, and tells the progress.
        kernels: Precision for which to decide on generated kernels; None for not at all.

    Raises:
        InvalidModel: Operators of the model don't fit together.
        PluginFailed: A third-party pattern failed.
    """
    # The graph is many small objects that refer to each other, and none of them is garbage yet: a
    # collection in the middle costs as much as a pass and frees nothing.
    enabled = gc.isenabled()
    gc.disable()
    try:
        watch = stopwatch or Stopwatch()
        return _profiled(model, hardware, name, assumed or {}, watch, kernels)
    finally:
        if enabled:
            gc.enable()


def _profiled(
    model: OnnxModel,
    hardware: Hardware,
    name: str,
    assumed: Mapping[str, int],
    watch: Stopwatch,
    kernels: Precision | None,
) -> WorkloadProfile:
    summary = _summary(model, name, assumed)  # before passes add weights of their own
    with watch.stage("import", 0.3):
        module = import_model(model, new_context(lowers=kernels is not None))
    context = PassContext(
        parameters=model.parameters,
        scopes=model.scopes,
        inputs=tuple(spec.name for spec in model.inputs),
    )
    with watch.stage("passes", 0.4):
        graph, labels, report = _understand(module, context)
    with watch.stage("components", 0.7):
        parts = read_parts(graph, labels, model.nodes, model.parameters)
        workload, flow = verdict(graph, parts), flow_of(graph, parts)
    with watch.stage("costs", 0.8):
        costs, roofline = Costs(graph), Roofline.of(hardware)
        found = [assess(part, costs, roofline) for part in parts]
        components = tuple(component_of(each, costs, roofline) for each in found)
    with watch.stage("opportunities", 0.9):
        could, searches = opportunities(
            graph, parts, hardware, model.parameters, costs=costs, found=found
        )
    planned = None
    if kernels is not None:
        with watch.stage("kernels", 0.95):
            from noema.kernel_plan import plan_kernels  # the whole lowering

            planned = plan_kernels(module, context, model.parameters, components, kernels)
    patterns, declined = _tallies(report)
    return WorkloadProfile(
        model=summary,
        workload=workload,
        components=components,
        flow=flow,
        hardware=hardware,
        opportunities=could,
        searches=searches,
        timing=Timing(sum(watch.seconds.values()), dict(watch.seconds), patterns),
        declined=declined,
        kernels=planned,
    )


def _understand(module: ir.Module, context: PassContext) -> tuple[Graph, Labels, PipelineReport]:
    """Runs the default pipeline, whose last pass is `classify`."""
    first, *others, _ = default_pipeline().items
    try:
        # Checking takes longer than all passes together, and only the first one reads what came
        # from the file. `noema compile` and the tests check after each.
        raised = run_pipeline(module, Pipeline((first,)), context, verify=False)
        with module.context:
            check_raised(module, f"pass {first}")
        rest = run_pipeline(module, Pipeline(tuple(others)), context, verify=False)
    except InvalidIR as error:
        # What ONNX's own inference lets through, the verifiers of the dialect may not.
        raise InvalidModel(f"operators that don't fit together: {error.message}") from error
    # As pass `classify`, but that its labels aren't written onto the ops and read back from there.
    graph = Graph.of(module)
    labels = {
        node: (label, role)
        for part in classify(graph, context).parts
        for label in [Label(part.name, part.kind, part.phase, part.modality)]
        for node, role in part.nodes.items()
    }
    return graph, labels, PipelineReport((*raised.passes, *rest.passes))


def _summary(model: OnnxModel, name: str, assumed: Mapping[str, int]) -> ModelSummary:
    # What folding computed is no weight; what the file holds in Constant nodes is.
    made = {value for n in model.nodes if n.op_type != "Constant" for value in n.outputs}
    held = [model.parameters[name] for name in model.parameters if name not in made]
    small = [a for n, a in model.constants.items() if a.dtype.kind == "f" and n not in made]
    return ModelSummary(
        name=name,
        opset=model.opset,
        nodes=len(model.nodes),
        parameters=sum(prod(p.shape) for p in held) + sum(a.size for a in small),
        parameter_bytes=sum(p.nbytes for p in held) + sum(a.nbytes for a in small),
        inputs=tuple(_signature_of(spec, model) for spec in model.inputs),
        outputs=tuple(_signature_of(spec, model) for spec in model.outputs),
        assumed=assumed,
    )


def _signature_of(spec: TensorSpec, model: OnnxModel) -> str:
    """`name: float32[batch=1, 64]`: symbols of the file with the extents that stand for them."""
    symbols = model.symbols.get(spec.name, ())
    if len(symbols) != len(spec.shape):  # the file doesn't say the rank
        return str(spec)
    is_input = spec in model.inputs  # what is open in an output follows
    dims = [
        f"{symbol or '?'}={extent}"
        if isinstance(extent, int) and symbol is not None and (symbol or is_input)
        else str(extent)
        for symbol, extent in zip(symbols, spec.shape, strict=True)
    ]
    return f"{spec.name}: {spec.dtype}[{', '.join(dims)}]"


def _tallies(report: PipelineReport) -> tuple[tuple[PatternTime, ...], tuple[Declined, ...]]:
    """What the patterns of all passes did, and their near misses."""
    times: list[PatternTime] = []
    declined: list[Declined] = []
    for record in report.passes:
        for pattern, tally in record.patterns.items():
            times.append(PatternTime(pattern, tally.tried, tally.found, tally.seconds))
            declined += [Declined(pattern, node, why) for node, why in tally.declined.items()]
    return tuple(times), tuple(declined[:_MOST_DECLINED])


def analyze_job(request: dict[str, JSON], progress: ProgressCallback) -> dict[str, object]:
    """The compile process's job: request {model, shapes, hardware, kernels} → {files, profile}."""
    shapes, hardware = request["shapes"], request["hardware"]
    assert isinstance(shapes, dict) and isinstance(hardware, dict)
    wanted = cast(
        "Shapes", {name: tuple(cast("list[int | None]", e)) for name, e in shapes.items()}
    )
    kernels = None if request["kernels"] is None else Precision(str(request["kernels"]))
    if kernels is not None:
        check_precision(CompileOptions(precision=kernels))  # before a large model is read
    path = Path(str(request["model"]))
    watch = Stopwatch(progress)
    with watch.stage("read", 0.0):
        model, assumed = read_assuming(path, wanted)
    with watch.stage("load", 0.2):
        resolve(default_pipeline())  # imports the passes, once per process
    profile = analyze_model(
        model,
        Hardware.from_json(hardware),
        name=path.name,
        assumed=assumed,
        stopwatch=watch,
        kernels=kernels,
    )
    return {"files": [str(f) for f in model.files], "profile": profile.to_json()}
