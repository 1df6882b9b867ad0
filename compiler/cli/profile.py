"""`noema profile`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noema.cli.inputs import Wanted, input_options
from noema.cli.models import compile_options, limit_options, read_limits, read_options
from noema.errors import InvalidOption

if TYPE_CHECKING:
    from noema.options import CompileOptions, Limits
    from noema.progress import ProgressCallback
    from noema.runtime.session import Program


@click.command("profile", short_help="Time every kernel of a model, and name the slow ones.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--threads", type=int, help="Worker threads; default: one per core.")
@click.option(
    "--repeat",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="How many calls to time; medians count.",
)
@click.option(
    "--by",
    type=click.Choice(["component", "kernel", "site"]),
    default="component",
    show_default=True,
    help="What a row is: a component of the network, a kernel, or one place that runs one.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=25,
    show_default=True,
    help="Print so many rows, the slowest; 0 for all.",
)
@input_options("one that is usual for its name")
@click.option(
    "--pin/--no-pin",
    default=True,
    help="Compile the model for these extents, or with its symbolic dimensions left open: then "
    "what a dispatch computes isn't known, only what it takes.",
)
@click.option("--cache/--no-cache", default=True, help="Use the compile cache.")
@compile_options
@limit_options
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write the whole profile to this file (docs/profile_schema.md); - for stdout, instead of "
    "the table.",
)
def profile_command(
    model: Path,
    threads: int | None,
    repeat: int,
    by: str,
    rows: int,
    inputs: tuple[str, ...],
    dims: tuple[str, ...],
    pin: bool,
    seed: int,
    cache: bool,
    target: str,
    precision: str,
    emulate: bool,
    shapes: tuple[str, ...],
    passes: str,
    memory_limit: int | None,
    time_limit: int | None,
    json_file: Path | None,
) -> None:
    """Run MODEL (.onnx or .noema) some times and say where the time goes: which kernels, for which
    ONNX nodes, how many microseconds, and how near that is to what this machine can do.

    "of roof" compares a kernel with this machine's measured arithmetic speed and memory bandwidth:
    100% is as fast as the slower of the two allows, and what is far below it is worth a look. More
    than 100% means that its data came from caches. "Most time above the roofline" names the kernels
    that would gain most.

    \b
    noema profile bert.onnx
    noema profile bert.onnx --dim sequence=384 --precision bf16 --by kernel
    noema profile model.noema --by site --threads 1 --rows 0
    noema profile bert.onnx --json - | jq '.dispatches[] | select(.time.share < 0.3) | .nodes'

    How to read it: docs/profile.md.
    """  # noqa: D205
    from noema.cli.progress import progress_line
    from noema.profiling import profile_program, usual_extents
    from noema.samples import check_extents

    on_stdout = json_file is not None and str(json_file) == "-"
    wanted = Wanted.read(inputs, dims, seed)
    with ExitStack() as stack:
        on_progress = stack.enter_context(progress_line(quiet=on_stdout))
        if model.suffix == ".noema":
            program = _loaded(model, threads, shapes, passes)
            check_extents(program.inputs, wanted.extents)
        else:
            options = read_options(target, precision, shapes, passes, emulate=emulate)
            limits = read_limits(memory_limit, time_limit)
            pinned = wanted.extents if pin else None
            program = _compiled(model, options, pinned, threads, cache, limits, on_progress)
        stack.enter_context(program)
        symbols = usual_extents(program.inputs, wanted.extents)
        feeds = wanted.arrays(program.inputs, symbols)
        profile = profile_program(
            program, feeds, name=model.name, calls=repeat, on_progress=on_progress
        )
    if json_file is not None:
        text = json.dumps(profile.to_json(), indent=2, allow_nan=False)
        if on_stdout:
            click.echo(text)
            return
        json_file.write_text(f"{text}\n", encoding="utf-8")
    from rich.console import Console

    from noema.report.dispatches import show

    show(profile, Console(), by=by, rows=rows)


def _loaded(model: Path, threads: int | None, shapes: tuple[str, ...], passes: str) -> Program:
    from noema.runtime.session import load

    if shapes or passes:
        raise InvalidOption(
            f"{model.name} is compiled: --shape and --passes can't change it",
            remedy="profile the .onnx file, or choose extents with --dim",
        )
    return load(model, threads=threads)


def _compiled(
    model: Path,
    options: CompileOptions,
    extents: Mapping[str, int] | None,
    threads: int | None,
    cache: bool,
    limits: Limits,
    on_progress: ProgressCallback,
) -> Program:
    """The model's program, for these extents of its symbols if any are given."""
    from noema.api import compile_cached
    from noema.profiling import pinned_shapes

    if extents is not None:
        pinned = pinned_shapes(model, options.shapes, extents)
        options = dataclasses.replace(options, shapes=pinned)
    return compile_cached(
        model,
        options,
        threads=threads,
        use_cache=cache,
        limits=limits,
        on_progress=on_progress,
    )
