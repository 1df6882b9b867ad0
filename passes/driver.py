"""Runs a pipeline of passes over a module, checks the IR after each, and reports what each did.

Python passes run in a loop of our own, MLIR's through its pass manager; both are verified the
same way, so that a broken pass is named at once.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from torch_mlir import ir
from torch_mlir.passmanager import PassManager

from noema.dialects.provenance import locations, ops_without_provenance
from noema.errors import InvalidIR, InvalidOption, NoemaError, printable
from noema.passes.base import Pass, PassContext, PassResult, Tally
from noema.passes.options import spec_of
from noema.passes.patterns.pattern_pass import PatternPass, apply_passes
from noema.passes.pipeline_spec import NestedSpec, PassSpec, Pipeline, parse_pipeline
from noema.passes.registry import MlirPass, resolve, unknown_pass

_LISTED_OPS = 5
_NOTE_WIDTH = 200
_IMPORTED = frozenset({"sem.param", "sem.constant", "sem.onnx", "func.return"})
_ELIDE_ELEMENTS = 16


@dataclass(frozen=True)
class PassRecord:
    """What one pass did.

    Attributes:
        spec: The pass as written in a pipeline; several, with commas, that ran together.
        seconds: Wall time of the pass itself, without the checks after it.
        ops_before: Operations in the module before, those in nested regions included if the
            pipeline is verified.
        ops_after: The same, after.
        modified: Whether the module changed. For one of MLIR's passes this compares the printed
            IR, where constants of more than 16 elements are elided.
        statistics: What the pass counted.
        patterns: Pattern name → what became of it.
    """

    spec: str
    seconds: float
    ops_before: int
    ops_after: int
    modified: bool
    statistics: dict[str, int]
    patterns: dict[str, Tally]


@dataclass(frozen=True)
class PipelineReport:
    """What a pipeline did, pass by pass."""

    passes: tuple[PassRecord, ...]

    @property
    def seconds(self) -> float:
        """Wall time of all passes."""
        return sum(p.seconds for p in self.passes)

    @property
    def modified(self) -> bool:
        return any(p.modified for p in self.passes)

    def to_json(self) -> list[dict[str, object]]:
        return [dataclasses.asdict(p) for p in self.passes]

    def __str__(self) -> str:
        rows = [("pass", "ms", "ops", "")]
        for p in self.passes:
            counts = ", ".join(f"{k} {v}" for k, v in sorted(p.statistics.items()))
            ops = f"{p.ops_before} -> {p.ops_after}"
            rows.append((p.spec, f"{p.seconds * 1e3:.2f}", ops, counts or _change(p)))
        rows.append(("total", f"{self.seconds * 1e3:.2f}", "", ""))
        widths = [max(len(r[i]) for r in rows) for i in range(3)]
        lines = [
            f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d}" for a, b, c, d in rows
        ]
        return "\n".join(line.rstrip() for line in lines)


def _change(record: PassRecord) -> str:
    return "" if record.modified else "no change"


def run_pipeline(
    module: ir.Module,
    pipeline: str | Pipeline,
    context: PassContext,
    *,
    verify: bool = True,
    dump_ir: Path | None = None,
    on_pass: Callable[[PassRecord], None] | None = None,
) -> PipelineReport:
    """Runs the passes in order, in place.

    Args:
        module: Rewritten in place; after a failure its contents are unspecified.
        pipeline: As parsed, or as text (see `noema.passes.pipeline_spec`).
        context: What the passes may use besides the module.
        verify: Check before the first pass and after each that the module verifies, and that no
            op has lost its provenance which had one before. Takes longer than the passes. Without
            it, whether one of MLIR's passes changed something is told from the number of ops, and
            passes in a row that only apply patterns run together, unless `dump_ir` separates them.
        dump_ir: Folder, made if need be, that gets `00-import.mlir`, then a file per pass such as
            `01-raise.mlir`; all with locations, and readable by `noema opt`. What a failed pass
            left behind ends in `.failed.mlir` (in generic form, since it may not verify).
        on_pass: Called after each pass.

    Raises:
        InvalidOption: The pipeline names an unknown pass or option; nothing has run then.
        InvalidIR: The module doesn't verify, or a pass failed, broke the IR or dropped
            provenance; the message names the pass.
    """
    if isinstance(pipeline, str):
        pipeline = parse_pipeline(pipeline)
    with module.context, ir.Location.unknown():
        together = not verify and dump_ir is None
        steps = list(_steps(resolve(pipeline), together=together, compare=verify))
        dump = _Dump(dump_ir)
        if verify:
            check_module(module, "the module", provenance=False)
        checks_provenance = verify and not ops_without_provenance(module)
        dump.write(module, "import")
        records: list[PassRecord] = []
        count = _count_all if verify else _count
        before = count(module)
        for step in steps:
            try:
                start = time.perf_counter()
                result = step.run(module, context)
                seconds = time.perf_counter() - start
                if verify:
                    check_module(module, f"pass {step.spec}", provenance=checks_provenance)
            except Exception as error:
                dump.write(module, f"{step.name}.failed", generic=True)
                if isinstance(error, ir.MLIRError):
                    raise _failure(f"pass {step.spec} failed", error) from error
                if not isinstance(error, NoemaError):
                    error.add_note(f"while running pass {step.spec}")
                raise
            dump.write(module, step.name)
            after = count(module)
            record = PassRecord(
                spec=step.spec,
                seconds=seconds,
                ops_before=before,
                ops_after=after,
                modified=result.modified,
                statistics=dict(result.statistics),
                patterns=dict(result.patterns),
            )
            records.append(record)
            before = after
            if on_pass is not None:
                on_pass(record)
    return PipelineReport(tuple(records))


@dataclass(frozen=True)
class _Step:
    """A pass made ready to run."""

    name: str
    spec: str
    run: Callable[[ir.Module, PassContext], PassResult]


def _steps(items: Sequence[Pass | MlirPass], *, together: bool, compare: bool) -> Iterator[_Step]:
    """The passes in order; those in a row that only apply patterns as one step, if `together`."""
    for joined, group in groupby(items, lambda item: together and isinstance(item, PatternPass)):
        if joined:
            yield _pattern_step([item for item in group if isinstance(item, PatternPass)])
        else:
            yield from (_step(item, compare=compare) for item in group)


def _pattern_step(passes: Sequence[PatternPass]) -> _Step:
    def run(module: ir.Module, context: PassContext) -> PassResult:
        return apply_passes(module, passes, context)

    spec = Pipeline(tuple(spec_of(each) for each in passes))
    return _Step(",".join(each.name for each in passes), str(spec), run)


def _step(item: Pass | MlirPass, *, compare: bool) -> _Step:
    if isinstance(item, MlirPass):
        return _mlir_step(item, compare=compare)
    instance = item

    def run(module: ir.Module, context: PassContext) -> PassResult:
        result = instance.run(module, context)
        return result if isinstance(result, PassResult) else PassResult(result)

    return _Step(instance.name, str(spec_of(instance)), run)


def _mlir_step(item: MlirPass, *, compare: bool) -> _Step:
    manager = PassManager("builtin.module")
    try:
        manager.add(item.text)
    except ValueError as error:
        raise _refused(item.spec, str(error)) from error
    # The driver verifies after each step, and says which step it was.
    manager.enable_verifier(False)

    def run(module: ir.Module, context: PassContext) -> PassResult:
        state = _elided if compare else _count
        before = state(module)
        manager.run(module.operation)
        return PassResult(state(module) != before)

    return _Step(str(item.spec).partition("{")[0], str(item.spec), run)


def _refused(spec: PassSpec | NestedSpec, message: str) -> InvalidOption:
    missing = re.search(r"'([^']*)' does not refer to a registered pass", message)
    if missing:
        return unknown_pass(missing[1])
    nest = re.search(r"restricted to '([^']*)'", message)
    remedy = f"write {nest[1]}({spec})" if nest else None
    return InvalidOption(f"MLIR refuses {spec}: {' '.join(message.split())}", remedy=remedy)


def _elided(module: ir.Module) -> str:
    text = module.operation.get_asm(large_elements_limit=_ELIDE_ELEMENTS, assume_verified=True)
    assert isinstance(text, str)
    return text


def _count(module: ir.Module) -> int:
    """The functions and their ops; those in regions of ops would take a walk."""
    return sum(
        1 + sum(len(block.operations) for region in function.operation.regions for block in region)
        for function in module.body.operations
    )


def _count_all(module: ir.Module) -> int:
    count = 0

    def visit(op: ir.Operation) -> ir.WalkResult:
        nonlocal count
        count += 1
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return count - 1  # not the module itself


def check_module(module: ir.Module, culprit: str, *, provenance: bool = True) -> None:
    """What `run_pipeline` checks after each pass.

    Args:
        module: The module.
        culprit: Who made it what it is, for the message.
        provenance: Whether every op must lead to its ONNX nodes.

    Raises:
        InvalidIR: It doesn't verify, or an op has lost its way back.
    """
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise _failure(f"{culprit} does not verify", error) from error
    lost = ops_without_provenance(module) if provenance else []
    if lost:
        listed = ", ".join(op.name for op in lost[:_LISTED_OPS])
        more = f" and {len(lost) - _LISTED_OPS} more" if len(lost) > _LISTED_OPS else ""
        raise InvalidIR(
            f"{culprit} made ops without an ONNX node: {listed}{more}",
            remedy="build them at the location of the op they replace, or at fused_location(ops)",
        )


def check_raised(module: ir.Module, culprit: str) -> None:
    """What `check_module` would find after pass `raise`, in a tenth of its time.

    Constants, weights and ONNX nodes are as the importer built them. Whether any other op of ours
    fits together depends on its attributes and types alone, and a network has few combinations of
    those.

    Args:
        module: The module.
        culprit: As for `check_module`.

    Raises:
        InvalidIR: An op doesn't verify.
    """
    seen: set[tuple[object, ...]] = set()
    try:
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    for view in block.operations:
                        op = view.operation
                        name = op.name
                        if name in _IMPORTED:
                            continue
                        types = [v.type for v in op.operands]
                        made = [v.type for v in op.results]
                        form = (name, *types, *op.attributes.items(), *made)
                        if form not in seen:
                            op.verify()
                            seen.add(form)
    except ir.MLIRError as error:
        raise _failure(f"{culprit} does not verify", error) from error


def _failure(what: str, error: ir.MLIRError) -> InvalidIR:
    return InvalidIR("\n".join([f"{what}:", *diagnostic_lines(error)]))


def diagnostic_lines(error: ir.MLIRError) -> list[str]:
    """MLIR's diagnostics as indented lines, each with its location."""
    lines: list[str] = []
    for diagnostic in error.error_diagnostics:
        lines.append(f"  {describe_location(diagnostic.location)}: {diagnostic.message}")
        lines += [
            f"    {describe_location(n.location)}: note: {_first_line(n.message)}"
            for n in diagnostic.notes
        ]
    return lines or [f"  {error}"]


def _first_line(message: str) -> str:
    # MLIR likes to attach the whole operation, which may be the whole network.
    line = message.strip().partition("\n")[0]
    return line if len(line) <= _NOTE_WIDTH else f"{line[:_NOTE_WIDTH]}…"


def describe_location(location: ir.Location) -> str:
    """A location as a reader expects it: `file:line:column`, or the ONNX node names."""
    names: list[str] = []
    for part in locations(location):
        if isinstance(part, ir.FileLineColLoc):
            return f"{part.filename}:{part.start_line}:{part.start_col}"
        if isinstance(part, ir.NameLoc):
            names.append(printable(part.name_str))
    return f"node {', '.join(names)}" if names else "unknown location"


class _Dump:
    """Numbered IR files in a folder, or nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._number = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, module: ir.Module, name: str, *, generic: bool = False) -> None:
        if self._folder is None:
            return
        text = module.operation.get_asm(
            enable_debug_info=True, print_generic_op_form=generic, assume_verified=generic
        )
        assert isinstance(text, str)
        stem = re.sub(r"[^\w.-]+", "-", name).strip("-")
        (self._folder / f"{self._number:02d}-{stem}.mlir").write_text(text, encoding="utf-8")
        self._number += 1
