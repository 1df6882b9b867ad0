"""Results as tables for people."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from noema.bench.record import BenchResult, ContenderResult, ModelResult
from noema.options import Goal

_REASON_CHARACTERS = 400
_BUSY_LOAD = 0.5
"""Processes running before the measurement, above which its figures aren't to be trusted."""


def print_result(console: Console, result: BenchResult) -> None:
    """Prints the machine, a table per model and, for several, the mean ratios."""
    machine = result.machine
    threads = result.settings["threads"]
    per_second = result.settings["optimize_for"] == Goal.THROUGHPUT.value
    console.print(
        f"{escape(machine.cpu)}, {machine.physical} cores ({machine.logical} logical), "
        f"{machine.memory_bytes / 2**30:.0f} GiB; {threads} threads per contender",
        highlight=False,
    )
    versions = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
    console.print(f"[dim]{escape(versions)}[/]", highlight=False)
    if machine.load > _BUSY_LOAD:
        console.print(
            f"[yellow]the machine was busy before the start (load {machine.load:.1f}): "
            "don't trust small differences[/]"
        )
    for model in result.models:
        console.print(_table(model, per_second=per_second))
        if model.assumed:
            dims = " ".join(f"--dim {name}={extent}" for name, extent in model.assumed.items())
            console.print(f"[dim]assumed: {escape(dims)}[/]", highlight=False)
        for contender in model.contenders:
            if contender.status != "ok":
                colour = "yellow" if contender.status == "unavailable" else "red"
                console.print(
                    f"[{colour}]{contender.name} {contender.status}:[/] "
                    f"{escape(_short(contender.reason))}",
                    highlight=False,
                )
    means = result.mean_ratios()
    if len(result.models) > 1 and means:
        table = Table(title="all models", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("contender")
        table.add_column("time ÷ noema's, geometric mean", justify="right")
        for name, ratio in means.items():
            table.add_row(name, f"{ratio:.2f}")
        console.print(table)


def _table(model: ModelResult, *, per_second: bool) -> Table:
    title = f"{escape(model.model)} [not bold]{escape('; '.join(model.inputs))}[/]"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("contender", no_wrap=True)
    unit = "requests/s" if per_second else "ms"
    for head in (unit, "quartiles", "fastest", "÷ noema", "error", "load s", "MiB"):
        table.add_column(head, justify="right", no_wrap=True)
    for contender in model.contenders:
        figure = _per_second if per_second else _milliseconds
        table.add_row(contender.name, *_cells(contender, figure))
    return table


def _cells(contender: ContenderResult, figure: Callable[[float], str]) -> list[str]:
    timing = contender.timing
    if timing is None:
        return [contender.status]
    agreement = contender.agreement
    peak = max(contender.peak_bytes or 0, contender.tools_peak_bytes or 0)
    return [
        figure(timing.median),
        " – ".join(sorted(map(figure, (timing.lower, timing.upper)), key=float)),
        figure(timing.minimum),
        "" if contender.ratio is None else f"{contender.ratio:.2f}",
        "" if agreement is None else _error(agreement.reference, contender.name, agreement.max_rel),
        "" if contender.load_seconds is None else f"{contender.load_seconds:.2f}",
        f"{peak / 2**20:.0f}",
    ]


def _short(reason: str) -> str:
    """The reason on one line of bounded length; the JSON file has all of it."""
    text = " ".join(reason.split())
    return text if len(text) <= _REASON_CHARACTERS else text[: _REASON_CHARACTERS - 1] + "…"


def _milliseconds(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _per_second(seconds: float) -> str:
    value = 1 / seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _error(reference: str, name: str, max_rel: float) -> str:
    return "reference" if reference == name else f"{max_rel:.1e}"
