"""`noema explain` in the terminal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from noema.report.visible import visible
from noema.workload import (
    AttentionShape,
    Component,
    ComponentKind,
    Opportunity,
    RecurrentShape,
    Search,
    WorkloadProfile,
)

_COLOURS = {
    "attention": "blue",
    "mlp": "yellow",
    "norm": "bright_black",
    "embedding": "magenta",
    "conv_block": "green",
    "squeeze_excite": "bright_yellow",
    "recurrent": "bright_magenta",
    "pool": "cyan",
    "head": "red",
    "mask": "bright_blue",
    "generic": "white",
}
_MOST_EVIDENCE = 5
_MOST_VALUES = 3
_MOST_ROWS = 40
_MOST_EXAMPLES = 2
_WIDE = 110


@dataclass(frozen=True)
class Wanted:
    """What to show.

    Attributes:
        opportunities: At most so many.
        nodes: Whether the ONNX nodes stand behind each component.
        timing: Whether to show what the analysis took.
    """

    opportunities: int = 5
    nodes: bool = False
    timing: bool = False


def show(profile: WorkloadProfile, console: Console, wanted: Wanted) -> None:
    """Prints the report."""
    for part in (
        _headline(profile),
        _tree(profile, wanted),
        _table(profile, console.width),
        _shapes(profile),
        _opportunities(profile, wanted.opportunities),
        _kernels(profile),
        _machine(profile),
    ):
        if part is not None:
            console.print(part, highlight=False)
            console.print()
    if wanted.timing:
        console.print(_timing(profile), highlight=False)


def _name(text: str) -> str:
    """Text from the model, safe to stand in rich's markup."""
    return escape(visible(text, 160))


def _headline(profile: WorkloadProfile) -> RenderableType:
    model, workload = profile.model, profile.workload
    size = f"{_count(model.parameters)} parameters ({_bytes(model.parameter_bytes)})"
    total = sum(c.seconds for c in profile.components)
    lines = [
        f"[bold]{_name(model.name)}[/]  opset {model.opset}, {model.nodes} ONNX nodes, {size}",
        f"[bold green]{workload.type.replace('_', ' ')}[/], confidence {workload.confidence:.0%}; "
        f"{_flops(sum(c.flops for c in profile.components))} and "
        f"{_bytes(sum(c.bytes for c in profile.components))} per call, "
        f"[bold]{_time(total)}[/] predicted (f32 roofline)",
    ]
    for item in workload.evidence[:_MOST_EVIDENCE]:
        supports = "" if item.supports is workload.type else f" [dim]→ {item.supports}[/]"
        lines.append(f"  [dim]{item.weight:4.1f}[/]  {_name(item.text)}{supports}")
    hidden = len(workload.evidence) - _MOST_EVIDENCE
    if hidden > 0:
        lines.append(f"  [dim]      and {hidden} more (--json has all)[/]")
    lines.append(f"  [dim]{_some(model.inputs)} → {_some(model.outputs)}[/]")
    if model.assumed:
        extents = ", ".join(f"{_name(k)}={v}" for k, v in model.assumed.items())
        lines.append(f"  [dim]assumed {extents} (--shape sets others)[/]")
    return Text.from_markup("\n".join(lines))


def _some(signature: Sequence[str]) -> str:
    """Inputs or outputs, not all of many."""
    shown = ", ".join(map(_name, signature[:_MOST_VALUES])) or "nothing"
    hidden = len(signature) - _MOST_VALUES
    return f"{shown} and {hidden} more" if hidden > 0 else shown


@dataclass
class _Branch:
    """A level of the hierarchy that the dotted names spell."""

    children: dict[str, _Branch] = field(default_factory=dict[str, "_Branch"])
    component: Component | None = None

    @property
    def components(self) -> list[Component]:
        own = [] if self.component is None else [self.component]
        return own + [c for child in self.children.values() for c in child.components]

    @property
    def form(self) -> object:
        """What repeated layers have in common: names, kinds and roles, at every level."""
        own = None if self.component is None else (self.component.kind, self.component.role)
        return own, tuple((name, child.form) for name, child in self.children.items())


def _hierarchy(components: Iterable[Component]) -> _Branch:
    root = _Branch()
    for component in components:
        branch = root
        for part in component.name.split("."):
            branch = branch.children.setdefault(part, _Branch())
        branch.component = component
    return root


def _tree(profile: WorkloadProfile, wanted: Wanted) -> RenderableType:
    total = sum(c.seconds for c in profile.components) or 1.0
    tree = Tree("[bold]components[/]", guide_style="dim")
    _grow(tree, [_hierarchy(profile.components)], total, wanted)
    return tree


def _grow(tree: Tree, branches: Sequence[_Branch], total: float, wanted: Wanted) -> None:
    """Adds what is below a branch; of several of one form the first, with the time of all."""
    for path, copies, members in _folded(branches):
        first = members[0]
        text = "" if first.component is None else _described(first.component)
        inner = len(first.components)
        if first.component is None and inner > 1:
            text = f"[dim]{inner} components[/]"
        seconds = sum(c.seconds for member in members for c in member.components)
        times = f" [bold]×{copies}[/]" if copies > 1 else ""
        node = tree.add(f"{path}{times}  {text}  [dim]{seconds / total:.1%}[/]")
        if wanted.nodes and first.component is not None:
            for name in first.component.nodes:
                node.add(f"[dim]{_name(name)}[/]")
        _grow(node, members, total, wanted)


def _folded(branches: Sequence[_Branch]) -> list[tuple[str, int, list[_Branch]]]:
    """The children: label, how many are shown as one, and all of them in all branches.

    Numbered neighbours of one form are shown as one. A level that holds nothing but one other is
    joined with it.
    """
    groups: list[tuple[list[str], object, list[_Branch]]] = []
    for name, child in branches[0].children.items():
        everywhere = [branch.children[name] for branch in branches]
        shown, form = _name(name), child.form
        if groups and groups[-1][1] == form and _follows(groups[-1][0][-1], shown):
            groups[-1][0].append(shown)
            groups[-1][2].extend(everywhere)
        else:
            groups.append(([shown], form, everywhere))
    result: list[tuple[str, int, list[_Branch]]] = []
    for names, _, members in groups:
        path = names[0] if len(names) == 1 else f"{names[0]}…{names[-1]}"
        while len(names) == 1 and members[0].component is None and len(members[0].children) == 1:
            (name,) = members[0].children
            path = f"{path}.{_name(name)}"
            members = [member.children[name] for member in members]
        result.append((path, len(names), members))
    return result


def _follows(before: str, name: str) -> bool:
    """Whether a name is the next in a row: `3` after `2`, `layer_3` after `layer_2`."""
    a, b = (re.fullmatch(r"(.*?)(\d+)", text) for text in (before, name))
    return a is not None and b is not None and a[1] == b[1] and int(b[2]) == int(a[2]) + 1


def _described(component: Component) -> str:
    colour = _COLOURS.get(component.kind, "white")
    role = "" if component.role == component.kind else f" {_name(component.role)}"
    shape = _shape_of(component)
    shown = "" if shape is None else f" [dim]{_shape_text(shape)}[/]"
    return f"[{colour}]{component.kind.replace('_', ' ')}[/]{role}{shown}"


def _shape_of(component: Component) -> AttentionShape | RecurrentShape | None:
    return component.attention or component.recurrent


def _shape_text(shape: AttentionShape | RecurrentShape) -> str:
    if isinstance(shape, AttentionShape):
        return attention_text(shape)
    words = [f"{_name(shape.cell).upper()}, {shape.inputs or '?'} → {shape.hidden}"]
    words += ["both ways"] * (shape.directions == 2)
    words += [f"{shape.steps} steps" if shape.steps > 1 else "1 step"] * (shape.steps > 0)
    return ", ".join(words)


def attention_text(shape: AttentionShape) -> str:
    """An attention shape in a line."""
    heads = f"{shape.heads} heads"
    if shape.key_heads != shape.heads:
        heads += f" on {shape.key_heads}"
    words = [f"{_name(shape.purpose)}, {heads} × {shape.head_dim}"]
    if shape.queries or shape.keys:
        words.append(f"{shape.queries or '?'}×{shape.keys or '?'}")
    words.append("causal" if shape.causal else f"mask {_name(shape.mask)}")
    words += ["rotary"] * shape.rotary + ["KV cache"] * shape.cache + ["sinks"] * shape.sinks
    return ", ".join(words)


def _table(profile: WorkloadProfile, width: int) -> RenderableType:
    def words(c: Component) -> tuple[str, ...]:
        return (c.kind, c.role, c.phase, c.modality)[: 4 if width >= _WIDE else 2]

    keys = {words(c) for c in profile.components}
    # A column in which all rows say the same has no place to lose.
    told = [i for i in range(4 if width >= _WIDE else 2) if i < 2 or len({k[i] for k in keys}) > 1]
    rows: dict[tuple[str, ...], list[Component]] = {}
    for c in profile.components:
        rows.setdefault(tuple(words(c)[i] for i in told), []).append(c)
    gap = 2 if width >= _WIDE else 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for i in told:
        table.add_column(("kind", "role", "phase", "modality")[i], no_wrap=True)
    for heading in ("n", "FLOP", "bytes", "FLOP/B"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("bound", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    ordered = sorted(rows.items(), key=lambda item: -sum(c.seconds for c in item[1]))
    for (kind, *others), members in ordered[:_MOST_ROWS]:
        flops = sum(c.flops for c in members)
        nbytes = sum(c.bytes for c in members)
        table.add_row(
            f"[{_COLOURS.get(kind, 'white')}]{kind.replace('_', ' ')}[/]",
            *map(_name, others),
            str(len(members)),
            _count(flops),
            _count(nbytes),
            f"{flops / nbytes if nbytes else 0:#.3g}",
            _bounds(members),
            _time(sum(c.seconds for c in members)),
            f"{sum(c.score for c in members) / len(members):.2f}",
        )
    if len(ordered) > _MOST_ROWS:
        return Group(table, Text(f"and {len(ordered) - _MOST_ROWS} more kinds", style="dim"))
    return table


def _bounds(components: Sequence[Component]) -> str:
    bounds = {c.bound for c in components}
    return str(*bounds) if len(bounds) == 1 else "mixed"


def _shapes(profile: WorkloadProfile) -> RenderableType | None:
    """What the attention and recurrent layers are, those of one shape together."""
    lines: list[str] = []
    for kind in (ComponentKind.ATTENTION, ComponentKind.RECURRENT):
        shapes = Counter(_shape_of(c) for c in profile.components if c.kind is kind)
        told = [f"  {n} × {_shape_text(s)}" for s, n in shapes.items() if s is not None]
        if told:
            lines += [f"[bold]{kind}[/]", *told]
    return Text.from_markup("\n".join(lines)) if lines else None


def _opportunities(profile: WorkloadProfile, most: int) -> RenderableType | None:
    searched = _searched(profile.searches)
    if not most or not (profile.opportunities or searched):
        return None
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    for item in profile.opportunities[:most]:
        grid.add_row(
            f"[green]{_gain(item)}[/]",
            f"[bold]{_name(item.title)}[/] [dim]{item.kind.replace('_', ' ')}\n"
            f"{escape(visible(item.detail))} ({_name(item.basis)})[/]",
        )
    parts: list[RenderableType] = [
        "[bold]opportunities[/] [dim](every gain is a prediction)[/]",
        Padding(grid, (0, 0, 0, 2)),
    ]
    hidden = len(profile.opportunities) - most
    if hidden > 0:
        parts.append(f"  [dim]and {hidden} more (--opportunities {len(profile.opportunities)})[/]")
    if searched:
        parts.append(f"  [dim]{searched}[/]")
    return Group(*parts)


_SOUGHT = {"redundant": "equal ones", "pruning": "channels and heads near zero"}


def _searched(searches: Sequence[Search]) -> str:
    """How much of the weights was looked at, and for what."""
    told = [
        f"{_share(s.examined, s.bytes)} of {_bytes(s.bytes)} for {_SOUGHT.get(s.kind, s.kind)}"
        for s in searches
        if s.bytes
    ]
    if not told:
        return ""
    limit = max(s.limit for s in searches)
    return f"weights looked at: {', '.join(told)} (at most {_bytes(limit)} are read for each)"


def _share(part: int, whole: int) -> str:
    """A share in percent, which is 100 only where it is all."""
    return f"{int(100 * part / whole)}%"


def _gain(item: Opportunity) -> str:
    if item.seconds > 0:
        return f"−{_time(item.seconds)}"
    return f"−{_bytes(item.bytes)}" if item.bytes > 0 else "?"


def _kernels(profile: WorkloadProfile) -> RenderableType | None:
    """Which kernels serve each kind of component, then what none serves, by reason."""
    plan = profile.kernels
    if plan is None:
        return None
    plural = "" if plan.threads == 1 else "s"
    how = f"{plan.precision} on this machine, {plan.threads} thread{plural}"
    title = f"[bold]kernels[/] [dim]({how})[/]"
    if plan.reason:
        return Text.from_markup(f"{title}\n  none: {_name(plan.reason)}")
    kinds = {c.name: c.kind for c in profile.components}
    counts: dict[ComponentKind | None, Counter[str]] = {}
    for use in plan.uses:
        counts.setdefault(kinds.get(use.component), Counter())[use.kernel] += 1
    grid = Table.grid(padding=(0, 2))
    for kind, found in counts.items():
        label = "no component" if kind is None else kind.replace("_", " ")
        served = ", ".join(f"{n} {_name(kernel)}" for kernel, n in found.most_common())
        grid.add_row(f"[{_COLOURS.get(kind or '', 'white')}]{label}[/]", served)
    parts: list[RenderableType] = [title, Padding(grid, (0, 0, 0, 2))]
    without = sum(len(item.nodes) for item in plan.declined)
    if without:
        parts.append(f"  [bold]{without} nodes without one[/], left to IREE's code generation:")
        reasons: dict[str, list[str]] = {}
        for item in plan.declined:
            reasons.setdefault(item.reason, []).extend(item.nodes)
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", no_wrap=True)
        for reason, nodes in sorted(reasons.items(), key=lambda entry: -len(entry[1])):
            shown = ", ".join(map(_name, nodes[:_MOST_EXAMPLES]))
            more = ", …" if len(nodes) > _MOST_EXAMPLES else ""
            table.add_row(str(len(nodes)), f"{_name(reason)}\n[dim]{shown}{more}[/]")
        parts.append(Padding(table, (0, 0, 0, 4)))
    return Group(*parts)


def _machine(profile: WorkloadProfile) -> RenderableType:
    h = profile.hardware
    speeds = ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in h.gflops.items())
    how = "measured" if h.measured else "estimated, not measured"
    text = f"[dim]{_name(h.cpu)}, {h.cores} cores: {speeds}, {h.bandwidth:.1f} GB/s ({how})"
    for device in h.accelerators:
        text += f"; {_name(device.kind)}: {_name(device.name)}"
    return Text.from_markup(f"{text}[/]")


def _timing(profile: WorkloadProfile) -> RenderableType:
    timing = profile.timing
    stages = ", ".join(f"{_name(k)} {_time(v)}" for k, v in timing.stages.items())
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("pattern")
    for heading in ("tried", "found", "time"):
        table.add_column(heading, justify="right")
    for p in sorted(timing.patterns, key=lambda p: -p.seconds):
        if p.tried:
            table.add_row(_name(p.name), str(p.tried), str(p.found), _time(p.seconds))
    parts: list[RenderableType] = [f"analysis {_time(timing.total)}: {stages}", table]
    if profile.declined:
        parts.append("[bold]near misses[/]")
        parts += [
            f"  {_name(d.pattern)} at {_name(d.node)}: {_name(d.reason)}" for d in profile.declined
        ]
    return Group(*parts)


def _scaled(value: float, units: Sequence[str]) -> str:
    step = 0
    while abs(value) >= 1000 and step < len(units) - 1:
        value /= 1000
        step += 1
    digits = 0 if value == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {units[step]}".rstrip()


def _count(number: float) -> str:
    return _scaled(number, ("", "k", "M", "G", "T"))


def _flops(number: float) -> str:
    return _scaled(number, ("FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"))


def _bytes(number: float) -> str:
    return _scaled(number, ("B", "kB", "MB", "GB", "TB"))


def _time(seconds: float) -> str:
    return "0" if seconds == 0 else _scaled(seconds * 1e9, ("ns", "µs", "ms", "s"))
