"""`noema profile` in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from noema.profile import Dispatch, Group, ProgramProfile, Roof
from noema.report.visible import visible

Row = TypeVar("Row")

_WIDE = 130
"""Columns of a terminal from which the ONNX nodes have one of their own."""

_NUMBERS = {"µs": 8, "share": 5, "GFLOP/s": 7, "GB/s": 5, "of roof": 7, "bound": 7}
"""Columns of figures, and their widths: names are cut before figures are."""

_INDEX = 3

_SLOW = 3
_WORTH = 0.01
"""Part of the time from which something above the roofline is named."""


def show(profile: ProgramProfile, console: Console, *, by: str, rows: int) -> None:
    """Prints a profile.

    Args:
        profile: What to print.
        console: Where to.
        by: What a row is: `component`, `kernel` or `site`.
        rows: At most so many, the slowest; 0 for all.
    """
    plural = "" if profile.threads == 1 else "s"
    console.print(
        f"[bold]{_text(profile.model)}[/] for {_text(profile.target)}, {profile.threads} "
        f"thread{plural}, {profile.calls} calls on {_text(', '.join(profile.inputs))}",
        highlight=False,
    )
    console.print(_where(profile), highlight=False)
    console.print()
    if by == "site":
        slowest = sorted(profile.dispatches, key=lambda d: -d.time.seconds)
        wide = console.width >= _WIDE
        table = _table(["#", "component", "kernel", *["ONNX nodes"] * wide], ["#"], console.width)
        for dispatch in _cut(slowest, rows):
            cells = _site_cells(dispatch)[: 3 + wide]
            table.add_row(*cells, *_numbers(dispatch.time, dispatch.portion))
        hidden = len(slowest) - len(_cut(slowest, rows))
    else:
        groups = profile.components if by == "component" else profile.kernels
        table = _table([by, "what" if by == "kernel" else "kernels", "n"], ["n"], console.width)
        for group in _cut(groups, rows):
            cells = _group_cells(group, profile, by)
            table.add_row(*cells, *_numbers(group.time, group.portion))
        hidden = len(groups) - len(_cut(groups, rows))
    console.print(table)
    if hidden:
        console.print(f"[dim]and {hidden} more (--rows 0 shows all)[/]", highlight=False)
    for line in _slow(profile):
        console.print(line, highlight=False)


def _where(profile: ProgramProfile) -> str:
    """The time of a call, in its parts."""
    total = sum(d.time.seconds for d in profile.dispatches)
    between, around = profile.span - profile.busy, profile.call - profile.span
    parts = [
        f"a call takes [bold]{_milliseconds(profile.call)}[/]",
        f"dispatches {_milliseconds(total)}",
        f"between them {_milliseconds(max(0.0, between))}",
    ]
    if around >= 0:
        parts.append(f"around them {_milliseconds(around)}")
    else:
        parts.append(f"[dim]the profiler adds {_milliseconds(-around)}[/]")
    return " · ".join(parts)


def _table(texts: Sequence[str], right: Sequence[str], width: int) -> Table:
    """An empty table whose names share what the figures leave of a terminal's width."""
    table = Table(box=None, pad_edge=False)
    figures = sum(_NUMBERS.values()) + _INDEX * len(right) + 2 * (len(texts) + len(_NUMBERS))
    most = max(8, (width - figures) // (len(texts) - len(right)))
    for heading in texts:
        if heading in right:
            table.add_column(heading, justify="right", no_wrap=True, min_width=_INDEX)
        else:
            table.add_column(heading, no_wrap=True, max_width=most)
    for heading, width in _NUMBERS.items():
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    return table


def _numbers(time: Roof, portion: float) -> list[str]:
    return [
        f"{time.seconds * 1e6:.1f}",
        f"{portion:.1%}",
        _maybe(time.gflops, "{:.1f}"),
        _maybe(time.gbytes, "{:.1f}"),
        _coloured(time.share),
        "" if time.bound is None else str(time.bound),
    ]


def _maybe(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _coloured(share: float | None) -> str:
    if share is None:
        return ""
    colour = "green" if share >= 0.7 else "yellow" if share >= 0.35 else "red"
    return f"[{colour}]{share:.0%}[/]"


def _site_cells(dispatch: Dispatch) -> list[str]:
    times = "" if dispatch.executions == 1 else f" ×{dispatch.executions}"
    nodes = ", ".join(dispatch.nodes[:2]) + (" …" if len(dispatch.nodes) > 2 else "")
    return [
        str(dispatch.index),
        _text(f"{dispatch.component} {dispatch.role}"),
        f"{_text(_kernel(dispatch), 80)}{times}",
        _text(nodes, 100),
    ]


def _kernel(dispatch: Dispatch) -> str:
    known = dispatch.kernel.startswith(dispatch.kind)
    return dispatch.kernel if known else f"{dispatch.kind} {dispatch.kernel}"


def _group_cells(group: Group, profile: ProgramProfile, by: str) -> list[str]:
    members = [profile.dispatches[index] for index in group.dispatches]
    if by == "component":
        kinds = dict.fromkeys(d.kind for d in sorted(members, key=lambda d: -d.time.seconds))
        return [_text(group.name), ", ".join(kinds), str(len(members))]
    roles = dict.fromkeys(d.role for d in members if d.role)
    return [_text(_kernel(members[0]), 80), _text(", ".join(roles), 60), str(len(members))]


def _slow(profile: ProgramProfile) -> Iterable[str]:
    """What would gain most if it were as fast as the machine allows."""
    total = sum(d.time.seconds for d in profile.dispatches)
    found = sorted(profile.kernels, key=lambda g: -g.above)[:_SLOW]
    found = [g for g in found if g.above > _WORTH * total]
    if found:
        yield ""
        yield "[bold]Most time above the roofline[/]"
    for group in found:
        members = [profile.dispatches[index] for index in group.dispatches]
        slowest = max(members, key=lambda d: d.time.seconds)
        nodes = slowest.nodes[0] if slowest.nodes else slowest.executable
        others = f" and {len(members) - 1} more" if len(members) > 1 else ""
        yield (
            f"  {_text(_kernel(slowest), 80)}: {_milliseconds(group.above)} above, at "
            f"{group.time.share or 0.0:.0%} of its {group.time.bound} roof; "
            f"{_text(nodes)}{others}"
        )
        if slowest.declined:
            yield f"    [dim]no kernel of noema's: {_text(slowest.declined)}[/]"


def _cut(rows: Sequence[Row], most: int) -> Sequence[Row]:
    return rows[:most] if most else rows


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds * 1e3:.0f} ms"


def _text(text: str, limit: int = 400) -> str:
    return escape(visible(text, limit))
