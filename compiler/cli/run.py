"""`noema run`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from noema.cli.inputs import Arrays, Wanted, input_options
from noema.cli.models import (
    compile_options,
    limit_options,
    optimize_for_option,
    read_limits,
    read_options,
)
from noema.errors import AccuracyBudgetMissed, InvalidOption
from noema.options import Precision

if TYPE_CHECKING:
    from noema.check import OutputError, Tolerance
    from noema.runtime.session import Program


@click.command("run", short_help="Run a model once, compiling it first if need be.")
@click.argument("model", type=click.Path(path_type=Path))
@input_options("1")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that gets each output as a .npy file.",
)
@click.option("--check", is_flag=True, help="Compare the outputs with ONNX Runtime's.")
@click.option(
    "--tolerance",
    type=float,
    help="With --check: largest error that passes. In f32, of one element relative to the output's "
    "largest, default 1e-4; in bf16, of the whole output in the L2 norm, default 1e-2.",
)
@click.option("--threads", type=int, help="Worker threads; default: one per core.")
@optimize_for_option("The call uses all threads, or one core as each of many side by side.")
@click.option("--device", help="Where to run, e.g. cpu or vulkan:1; default: the target's kind.")
@click.option("--cache/--no-cache", default=True, help="Use the compile cache.")
@compile_options
@limit_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def run_command(
    model: Path,
    inputs: tuple[str, ...],
    dims: tuple[str, ...],
    seed: int,
    output: Path | None,
    check: bool,
    tolerance: float | None,
    threads: int | None,
    optimize_for: str,
    device: str | None,
    cache: bool,
    target: str,
    precision: str,
    emulate: bool,
    shapes: tuple[str, ...],
    passes: str,
    memory_limit: int | None,
    time_limit: int | None,
    as_json: bool,
) -> None:
    """Run MODEL (.onnx or .noema) once and print what comes out.

    An .onnx file is compiled first, and found in the compile cache the next time.

    \b
    noema run model.noema --input x=x.npy --output results/
    noema run bert.onnx --dim batch=2 --dim sequence=128 --check
    """
    from noema.api import compile_cached
    from noema.check import TOLERANCES
    from noema.cli.progress import progress_line
    from noema.runtime.session import load
    from noema.samples import check_extents

    wanted = Wanted.read(inputs, dims, seed)
    allowed = TOLERANCES[Precision(precision)]
    if tolerance is not None:
        allowed = replace(allowed, limit=tolerance)
    if model.suffix == ".noema":
        if check:
            raise InvalidOption("--check needs the .onnx file to compare with")
        program = load(model, threads=threads, device=device, optimize_for=optimize_for)
    else:
        options = read_options(target, precision, shapes, passes, emulate=emulate)
        with progress_line(quiet=as_json) as on_progress:
            program = compile_cached(
                model,
                options,
                threads=threads,
                device=device,
                optimize_for=optimize_for,
                use_cache=cache,
                limits=read_limits(memory_limit, time_limit),
                on_progress=on_progress,
            )
    with program:
        check_extents(program.inputs, wanted.extents)
        feeds = wanted.arrays(program.inputs, wanted.extents)
        start = time.perf_counter()
        outputs = program.run(feeds)
        seconds = time.perf_counter() - start
        errors = _check(model, feeds, outputs, allowed) if check else []
        files = {} if output is None else _save(outputs, output)
        if as_json:
            record = _record(outputs, seconds, errors, files)
            if check:
                record["tolerance"] = {"limit": allowed.limit, "measure": allowed.measure.value}
            click.echo(json.dumps(record, indent=2))
        else:
            _print(program, outputs, seconds, errors, files)
            if check:
                click.echo(f"compared with ONNX Runtime in f32; to agree in {precision}: {allowed}")
    wrong = [e for e in errors if not e.agrees]
    if wrong:
        names = ", ".join(e.name for e in wrong)
        raise AccuracyBudgetMissed(
            f"not within {allowed} of ONNX Runtime: {names}",
            remedy="if the network amplifies rounding, allow more with --tolerance; else report it",
        )


def _check(
    model: Path, feeds: Arrays, outputs: Mapping[str, NDArray[np.generic]], tolerance: Tolerance
) -> list[OutputError]:
    from noema.check import compare, reference_outputs

    return compare(reference_outputs(model, feeds, list(outputs)), outputs, tolerance)


def _save(outputs: Mapping[str, NDArray[np.generic]], folder: Path) -> dict[str, str]:
    """Writes each output; the file names are safe whatever the outputs are called."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for number, (name, array) in enumerate(outputs.items()):
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", name).strip(".")[:100] or "output"
        path = folder / f"{stem}.npy"
        if str(path) in files.values():
            path = folder / f"{stem}.{number}.npy"
        np.save(path, array, allow_pickle=False)
        files[name] = str(path)
    return files


def _summary(array: NDArray[np.generic]) -> tuple[float, float, float] | None:
    if array.size == 0 or array.dtype.kind == "c":
        return None
    wide = array.astype(np.float64)
    return float(wide.min()), float(wide.mean()), float(wide.max())


def _record(
    outputs: Arrays, seconds: float, errors: Sequence[OutputError], files: Mapping[str, str]
) -> dict[str, object]:
    found = {e.name: e for e in errors}
    rows: list[dict[str, object]] = []
    for name, array in outputs.items():
        row: dict[str, object] = {
            "name": name,
            "dtype": str(array.dtype),
            "shape": list(array.shape),
            "min_mean_max": _summary(array),
        }
        if name in files:
            row["file"] = files[name]
        if name in found:
            error = found[name]
            row["check"] = {
                "max_abs": error.max_abs,
                "max_rel": error.max_rel,
                "l2_rel": error.l2_rel,
                "agrees": error.agrees,
                "note": error.note,
            }
        rows.append(row)
    return {"seconds": seconds, "outputs": rows}


def _print(
    program: Program,
    outputs: Arrays,
    seconds: float,
    errors: Sequence[OutputError],
    files: Mapping[str, str],
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("output", "type", "min", "mean", "max"):
        table.add_column(heading)
    if errors:
        for heading in ("max abs error", "max rel error", "L2 rel error", ""):
            table.add_column(heading)
    found = {e.name: e for e in errors}
    for name, array in outputs.items():
        summary = _summary(array)
        numbers = ["", "", ""] if summary is None else [f"{v:.6g}" for v in summary]
        cells = [escape(name), escape(f"{array.dtype}{list(array.shape)}"), *numbers]
        if name in found:
            error = found[name]
            verdict = "[green]agrees[/]" if error.agrees else f"[red]differs[/] {error.note}"
            cells += [
                f"{error.max_abs:.3g}",
                f"{error.max_rel:.3g}",
                f"{error.l2_rel:.3g}",
                verdict,
            ]
        table.add_row(*cells)
    console = Console()
    console.print(table)
    plural = "" if program.threads == 1 else "s"
    console.print(
        f"{seconds * 1e3:.2f} ms (first call) on {program.device}, "
        f"{program.threads} thread{plural}",
        highlight=False,
    )
    for name, path in files.items():
        console.print(f"{escape(name)} → {escape(path)}", highlight=False)
