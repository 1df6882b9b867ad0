"""`noema compile`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from noema.cli.models import compile_options, limit_options, read_limits, read_options


@click.command("compile", short_help="Compile an ONNX model to a .noema file.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; default: the model's name with .noema.",
)
@compile_options
@limit_options
@click.option(
    "--dump-ir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that gets the IR after each pass.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def compile_command(
    model: Path,
    output: Path | None,
    target: str,
    precision: str,
    emulate: bool,
    shapes: tuple[str, ...],
    passes: str,
    memory_limit: int | None,
    time_limit: int | None,
    dump_ir: Path | None,
    as_json: bool,
) -> None:
    """Compile MODEL (.onnx) to an artifact that `noema run` and `noema.load` take.

    \b
    noema compile bert.onnx -o bert.noema
    noema compile bert.onnx --target cpu:x86-64-v3 --shape input_ids=1,128
    """
    from noema.api import compile_to_file
    from noema.cli.progress import progress_line

    options = read_options(target, precision, shapes, passes, emulate=emulate)
    path = output or model.with_suffix(".noema")
    with progress_line(quiet=as_json) as on_progress:
        result = compile_to_file(
            model,
            path,
            options,
            limits=read_limits(memory_limit, time_limit),
            dump_ir=dump_ir,
            on_progress=on_progress,
        )
    if as_json:
        click.echo(json.dumps({"output": str(path), **result}, indent=2))
        return
    seconds = result["seconds"]
    assert isinstance(seconds, dict)
    spent = ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items())
    size = path.stat().st_size / 1e6
    click.echo(f"{path}: {size:.1f} MB for {options.target} ({spent})")
