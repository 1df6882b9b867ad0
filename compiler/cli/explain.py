"""`noema explain`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from noema.cli.models import limit_options, read_limits, read_shapes, shape_option
from noema.options import Precision


@click.command("explain", short_help="Show what the parts of a network are for, and cost here.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with the component graph, the roofline plot and all tables.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON (docs/explain_schema.md).")
@shape_option
@click.option(
    "--opportunities",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="How many opportunities to print.",
)
@click.option(
    "--kernels/--no-kernels",
    default=True,
    help="Say which generated kernels would serve it here, and what none serves and why.",
)
@click.option(
    "--precision",
    type=click.Choice([p.value for p in Precision]),
    default=Precision.F32.value,
    show_default=True,
    help="Number format of products for which kernels are chosen.",
)
@click.option("--nodes", is_flag=True, help="Print the ONNX nodes behind each component.")
@click.option("--timing", is_flag=True, help="Print what the analysis took, and near misses.")
@click.option("--cache/--no-cache", default=True, help="Use the cache.")
@limit_options
def explain_command(
    model: Path,
    html_file: Path | None,
    as_json: bool,
    shapes: tuple[str, ...],
    opportunities: int,
    kernels: bool,
    precision: str,
    nodes: bool,
    timing: bool,
    cache: bool,
    memory_limit: int | None,
    time_limit: int | None,
) -> None:
    """Say what kind of network MODEL (.onnx) is, what its parts are for, what each costs on this
    machine, what would make it faster, and which of noema's kernels would serve it.

    Times are predictions from this machine's roofline, not measurements. Symbolic dimensions get
    usual extents (batch 1, sequence 128, image side 224, …), which are printed; set others with
    --shape.

    \b
    noema explain bert.onnx
    noema explain bert.onnx --shape input_ids=8,256 --html bert.html
    noema explain bert.onnx --precision bf16
    noema explain bert.onnx --json | jq '.components[] | select(.kind == "attention") | .name'

    How to read the report: docs/explain.md.
    """  # noqa: D205
    from noema.api import analyze
    from noema.cli.progress import progress_line

    pinned = read_shapes(shapes)
    with progress_line(quiet=as_json) as on_progress:
        profile = analyze(
            model,
            shapes=pinned,
            kernels=precision if kernels else None,
            cache=cache,
            limits=read_limits(memory_limit, time_limit),
            on_progress=on_progress,
        )
    if html_file is not None:
        from noema.report.html import write_page

        write_page(profile, html_file)
    if as_json:
        click.echo(json.dumps(profile.to_json(), indent=2, allow_nan=False))
        return
    from rich.console import Console

    from noema.report.terminal import Wanted, show

    show(profile, Console(), Wanted(opportunities, nodes, timing))
    if html_file is not None:
        click.echo(f"page: {html_file}")
