"""Command line: ``python -m conformance run|diff|sample`` (with ``test/`` on PYTHONPATH)."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import report
from .backends import BACKENDS, versions
from .cases import load_cases
from .cases import sample as draw
from .outcome import Outcome, Result, ResultFile
from .pool import run_cases

_REASONS_SHOWN = 12
_LINE_EVERY = 200
_FILE_WIDTH = 120


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--filter", "pattern", default="", help="Only cases whose name matches this regex.")
@click.option(
    "--not-passing",
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="Only cases that did not pass in the run that wrote this file (by --json).",
)
@click.option("--sample", type=click.IntRange(1), help="Only this many of them, drawn by --seed.")
@click.option("--seed", default=0, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="noema", show_default=True)
@click.option("--limit", default=120.0, show_default=True, help="Seconds until a case hangs.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write results here.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the page here.")
def run(
    pattern: str,
    not_passing: Path | None,
    sample: int | None,
    seed: int,
    workers: int,
    backend: str,
    limit: float,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Run cases; exit 0 if every one ended in pass, nearer or unsupported."""
    # Where it isn't a terminal there is no width to fit into.
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    cases = load_cases()
    names = [name for name in cases if re.search(pattern, name)]
    if not_passing is not None:
        before = ResultFile.read(not_passing).results
        names = [n for n in names if n not in before or before[n].outcome is not Outcome.PASS]
    if sample is not None:
        names = draw(names, sample, seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    done: list[Result] = []
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(backend, total=len(names))

        def show(result: Result) -> None:
            done.append(result)
            progress.advance(task)
            if not console.is_terminal and len(done) % _LINE_EVERY == 0:
                unclean = sum(not r.outcome.is_clean for r in done)
                click.echo(f"{len(done)} of {len(names)} cases, {unclean} bugs", err=True)

        results = run_cases(
            [cases[name] for name in names],
            backend,
            workers=workers,
            limit_seconds=limit,
            on_result=show,
        )
    file = ResultFile(backend, versions(backend), len(cases), results)
    if json_file is not None:
        file.write(json_file)
    if markdown is not None:
        markdown.write_text(report.markdown(file), encoding="utf-8")
    _print(console, file)
    sys.exit(0 if all(r.outcome.is_clean for r in results.values()) else 1)


@main.command()
@click.argument("before", type=click.Path(exists=True, path_type=Path))
@click.argument("after", type=click.Path(exists=True, path_type=Path))
def diff(before: Path, after: Path) -> None:
    """Compare two result files; exit 1 if a case got worse."""
    console = Console()
    changes = report.differences(ResultFile.read(before), ResultFile.read(after))
    for change in changes:
        was = change.before.outcome.value if change.before else "not run"
        now = change.after.outcome.value if change.after else "not run"
        colour = "red" if change.is_regression else "green"
        detail = change.after.detail[:200] if change.after else ""
        console.print(f"[{colour}]{was} → {now}[/] {change.name} [dim]{escape(detail)}[/]")
    worse = sum(c.is_regression for c in changes)
    console.print(f"{len(changes)} cases differ, {worse} for the worse")
    sys.exit(1 if worse else 0)


@main.command("sample")
@click.argument("results", type=click.Path(exists=True, path_type=Path))
@click.option("--size", default=120, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True)
def write_sample(results: Path, size: int, seed: int, output: Path) -> None:
    """Draw the fixed sample that the tests run, with its expected outcomes, from a full run."""
    file = ResultFile.read(results)
    names = draw(list(file.results), size, seed)
    expected = {name: file.results[name].outcome.value for name in names}
    output.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


def _print(console: Console, file: ResultFile) -> None:
    table = Table(title=f"ONNX node suite, {file.backend}")
    table.add_column("cases")
    for head in ("number", *(o.value for o in Outcome), "pass share"):
        table.add_column(head, justify="right")
    for name, found, total in report.summary_rows(file):
        share = report.percent(found[Outcome.PASS], total)
        table.add_row(name, str(total), *(str(found[o] or "") for o in Outcome), share)
    console.print(table)
    for outcome in Outcome:
        rows = report.reasons(file.results.values(), outcome)
        if outcome is Outcome.PASS or not rows:
            continue
        console.print(f"[bold]{outcome.value}[/], by reason:")
        for text, names in rows[:_REASONS_SHOWN]:
            console.print(f"  {len(names):4} {escape(text)} [dim]{names[0]}[/]", soft_wrap=True)
        if len(rows) > _REASONS_SHOWN:
            console.print(f"       and {len(rows) - _REASONS_SHOWN} other reasons")


if __name__ == "__main__":
    main()
