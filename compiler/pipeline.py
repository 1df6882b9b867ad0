"""The stages joined: ONNX file → sem → linalg → program → artifact. Nothing else joins them.

Each stage is a function that can be called alone; `compile_onnx` calls them in order, in this
process. `noema.api` runs it all in a child process with limits, which is what users get.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch_mlir import ir

from noema.artifact import write
from noema.backend.base import generate_program
from noema.dialects.context import new_context
from noema.dialects.opset import EXPANDED
from noema.dialects.provenance import node_names
from noema.dispatches import Site, labelled
from noema.errors import InvalidIR, InvalidModel
from noema.frontend.importer import import_model
from noema.frontend.onnx import OnnxModel, read_model
from noema.kernels.kernel import Kernel
from noema.lowering.lower import Lowered, lower
from noema.options import CompileOptions, Precision, Target
from noema.parameters import ParameterStore
from noema.passes.base import PassContext
from noema.passes.driver import PipelineReport, run_pipeline
from noema.passes.registry import compile_pipeline
from noema.progress import JSON, Progress, ProgressCallback, no_progress
from noema.runtime.cpu import requirements_of
from noema.runtime.device import default_threads
from noema.signature import Signature
from noema.vector_unit import check_precision, kernel_isa
from noema.versions import versions


@dataclass(frozen=True)
class CompiledModel:
    """A program and everything an artifact says about it.

    Attributes:
        program: VM FlatBuffer.
        signature: Inputs and outputs.
        parameters: The weights that the program reads, and only those.
        target: What it was compiled for.
        precision: Number format of the computation.
        passes: What each pass did.
        kernels: Function name → generated kernel, of those that it calls.
        declined: ONNX node → why no generated kernel serves it, of those that might have had one.
        seconds: Wall time by stage.
        sites: The dispatches of the program, in order.
    """

    program: bytes
    signature: Signature
    parameters: ParameterStore
    target: Target
    precision: Precision
    passes: PipelineReport
    kernels: Mapping[str, Kernel]
    declined: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()

    def report(self) -> dict[str, object]:
        """What `report.json` of the artifact says."""
        return {
            "seconds": dict(self.seconds),
            "passes": self.passes.to_json(),
            "kernels": {name: kernel.describe() for name, kernel in self.kernels.items()},
            "dispatches": [site.to_json() for site in self.sites],
            "declined": dict(self.declined),
        }


class _Stages:
    """Tells the progress of a compile, and times it, stage by stage."""

    def __init__(self, progress: ProgressCallback) -> None:
        self._progress = progress
        self._current: str | None = None
        self._start = 0.0
        self.seconds: dict[str, float] = {}

    def enter(self, stage: str, fraction: float) -> None:
        self.finish()
        self._current, self._start = stage, time.perf_counter()
        self._progress(Progress(stage, fraction))

    def finish(self) -> None:
        if self._current is not None:
            self.seconds[self._current] = time.perf_counter() - self._start
        self._current = None


def compile_onnx(
    model: OnnxModel,
    options: CompileOptions,
    *,
    dump_ir: Path | None = None,
    plain: bool = False,
    progress: ProgressCallback = no_progress,
) -> CompiledModel:
    """Compiles a model in this process.

    Args:
        model: As `read_model` gives it (with `expand=EXPANDED`).
        options: What to compile it for.
        dump_ir: Folder that gets the IR after each pass.
        plain: Generate code in the target's plainest way alone, without kernels of ours.
        progress: Told each stage as it starts.

    Raises:
        InvalidOption: The target has no such precision.
        InvalidModel: Operators of the model don't fit together.
        UnsupportedModel: Lists what can't be compiled.
        CompileFailed: The code generator refused the program.
    """
    check_precision(options)
    stages = _Stages(progress)
    stages.enter("import", 0.05)
    module = import_model(model, new_context())
    stages.enter("passes", 0.1)
    try:
        passes = run_pipeline(
            module,
            options.passes or compile_pipeline(options.target.kind, options.precision.value),
            pass_context(model),
            dump_ir=dump_ir,
        )
    except InvalidIR as error:
        # What ONNX's own inference lets through, the verifiers of the dialect may not.
        raise InvalidModel(f"operators that don't fit together: {error.message}") from error
    labels = labels_of(module)
    stages.enter("lower", 0.2)
    isa = None if plain else kernel_isa(options.target)
    lowered = lower(module, model.parameters, isa, default_threads())
    stages.enter("codegen", 0.3)
    is_static = all(spec.is_static for spec in model.inputs)
    generated = generate_program(
        lowered.bytecode, options.target, lowered.kernels, is_static=is_static, plain=plain
    )
    stages.finish()
    return CompiledModel(
        program=generated.program,
        signature=Signature(model.inputs, model.outputs),
        parameters=_used(model.parameters, lowered),
        target=options.target,
        precision=options.precision,
        passes=passes,
        kernels=lowered.kernels,
        declined=lowered.declined,
        seconds=stages.seconds,
        sites=labelled(generated.sites, labels, lowered.declined),
    )


def labels_of(module: ir.Module) -> dict[str, tuple[str, str]]:
    """ONNX node → component and role, as `classify` left them on a module's ops."""
    found: dict[str, tuple[str, str]] = {}

    def visit(op: ir.Operation) -> ir.WalkResult:
        if "sem.component" in op.attributes:
            component, role = (
                ir.StringAttr(op.attributes[name]).value if name in op.attributes else ""
                for name in ("sem.component", "sem.role")
            )
            for name in node_names(op):
                found.setdefault(name, (component, role))
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit, ir.WalkOrder.PRE_ORDER)
    return found


def pass_context(model: OnnxModel) -> PassContext:
    """What passes may know of a model besides its module."""
    return PassContext(
        parameters=model.parameters,
        scopes=model.scopes,
        inputs=tuple(spec.name for spec in model.inputs),
    )


def _used(parameters: ParameterStore, lowered: Lowered) -> ParameterStore:
    used = ParameterStore()
    for name in lowered.parameters:
        used.put(name, parameters[name])
    return used


def save(compiled: CompiledModel, path: Path) -> None:
    """Writes the artifact."""
    write(
        path,
        program=compiled.program,
        signature=compiled.signature,
        target=compiled.target,
        precision=compiled.precision.value,
        parameters=compiled.parameters,
        requirements=requirements_of(compiled.target),
        versions=versions(),
        report=compiled.report(),
    )


def compile_job(request: dict[str, JSON], progress: ProgressCallback) -> dict[str, object]:
    """The compile process's job: request {model, output, options, dump_ir, plain} → {files, …}."""
    options = request["options"]
    assert isinstance(options, Mapping)
    parsed = CompileOptions.from_json(options)
    check_precision(parsed)  # before a large model is read
    progress(Progress("read", 0.0))
    start = time.perf_counter()
    model = read_model(Path(str(request["model"])), shapes=parsed.shapes, expand=EXPANDED)
    read = time.perf_counter() - start
    dump = request.get("dump_ir")
    compiled = compile_onnx(
        model,
        parsed,
        dump_ir=None if dump is None else Path(str(dump)),
        plain=bool(request.get("plain")),
        progress=progress,
    )
    progress(Progress("write", 0.9))
    save(compiled, Path(str(request["output"])))
    return {
        "files": [str(f) for f in model.files],
        "seconds": {"read": read, **compiled.seconds},
        "parameters": compiled.parameters.nbytes,
    }
