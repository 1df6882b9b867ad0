"""A line on stderr that says what a long job is doing; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from noema.progress import Progress, ProgressCallback, no_progress

_STAGES = {
    "read": "reading the model",
    "import": "importing",
    "passes": "understanding",
    "lower": "lowering",
    "codegen": "generating code",
    "components": "finding components",
    "costs": "counting operations and bytes",
    "opportunities": "looking for opportunities",
    "compile": "compiling micro-benchmarks",
    "measure": "measuring this machine:",
    "write": "writing the artifact",
}


@contextmanager
def progress_line(*, quiet: bool = False) -> Generator[ProgressCallback]:
    """Gives a callback that keeps one line up to date until the block ends."""
    if quiet or not sys.stderr.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)

        def show(step: Progress) -> None:
            text = _STAGES.get(step.stage, step.stage)
            bar.update(
                task,
                description=f"{text} {step.detail}".strip(),
                completed=step.fraction if step.fraction is not None else bar.tasks[0].completed,
            )

        yield show
