"""Names of parts: from what the exporter left, else from the structure that repeats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from noema.dialects.attrs import Role
from noema.dialects.graph import Node
from noema.passes.classification.draft import Draft, Part
from noema.workload import ComponentKind

_PLACED = frozenset({Role.RESAMPLE, Role.INTERACTION, Role.PROJECTION})
"""Roles of generic parts that are at a place of their own in the network."""
_ENOUGH = 0.8
"""Share of the parts with weights that must have a scope for scopes to name the parts."""
_LONGEST_LAYER = 40
"""Parts in one layer of a stack, at most."""
_UNNAMED = frozenset({ComponentKind.GENERIC, ComponentKind.MASK})
_OWN_NAME = re.compile(r"^(onnx::|[A-Za-z_]*\d*$)")


def name_parts(draft: Draft, scopes: Mapping[str, str]) -> None:
    """Gives every part a name of its own.

    Args:
        draft: The parts.
        scopes: ONNX node → path of the module that it was exported from.
    """
    main = [p for p in draft.parts if p.kind not in _UNNAMED or p.role in _PLACED]
    paths = {part: _scope(draft, part, scopes) for part in main}
    with_weights = [p for p in main if p.kind not in (ComponentKind.NORM, ComponentKind.GENERIC)]
    named = [p for p in with_weights if paths[p]]
    if not with_weights or len(named) < _ENOUGH * len(with_weights):
        paths = _structural(main)
    taken: dict[str, str] = {}
    for part in sorted(draft.parts, key=lambda p: p.anchor.index):
        kind = _kind_name(part)
        stem = paths.get(part, "")
        if not stem:
            stem = kind
        elif stem.rpartition(".")[2].isdigit() or taken.get(stem, kind) != kind:
            stem = f"{stem}.{kind}"  # a layer holds several parts: which of them
        number, name = 1, stem
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken[name] = kind
        part.name = name


def _kind_name(part: Part) -> str:
    match part.role:
        case Role.ATTENTION_ROPE:
            return "rotary"
        case Role.ATTENTION_CROSS:
            return "cross_attention"
        case Role.INTERACTION | Role.RESAMPLE | Role.PROJECTION:
            return str(part.role)
        case _:
            pass
    if part.kind is ComponentKind.EMBEDDING:
        return str(part.role).rpartition(".")[2] + "_embedding"
    return "conv" if part.kind is ComponentKind.CONV_BLOCK else str(part.kind)


def _scope(draft: Draft, part: Part, scopes: Mapping[str, str]) -> str:
    """The innermost module around all nodes of a part that have weights."""
    weighted = [n for n in part.nodes if draft.is_weighted(n)]
    found = [_scope_of(draft, n, scopes) for n in (weighted or [part.anchor])]
    known = [path.split(".") for path in found if path]
    if not known:
        return ""
    joined = known[0]
    for path in known[1:]:
        equal = 0
        while equal < min(len(joined), len(path)) and _is_module(path[equal], joined[equal]):
            equal += 1
        joined = joined[:equal]
    return ".".join(joined)


def _is_module(name: str, module: str) -> bool:
    """Whether a name is that of a module; tracing numbers later calls of it, `cell_1`."""
    stem, _, call = name.rpartition("_")
    return name == module or (stem == module and call.isdigit())


def _scope_of(draft: Draft, node: Node, scopes: Mapping[str, str]) -> str:
    for name in node.names:
        if name in scopes:
            return scopes[name]
    for tensor in node.operands:
        maker = tensor.node
        for _ in range(4):
            if maker is None or maker not in draft.static:
                break
            if maker.key == "param":
                path, _, _ = maker.parameter.rpartition(".")
                if path and not _OWN_NAME.match(path):
                    return path
                break
            maker = maker.operands[0].node if maker.operands else None
    return ""


def _structural(parts: Sequence[Part]) -> dict[Part, str]:
    """Names by place: `layers.3.attention` in a stack of equal layers, else the kind alone."""
    ordered = sorted(parts, key=lambda p: p.anchor.index)
    names: dict[Part, str] = dict.fromkeys(ordered, "")
    stacks = list(_stacks(ordered))
    for number, (start, period, count) in enumerate(stacks):
        stem = "layers" if len(stacks) == 1 else f"stack{number}.layers"
        for layer in range(count):
            for part in ordered[start + layer * period : start + (layer + 1) * period]:
                names[part] = f"{stem}.{layer}"
    return names


def _stacks(parts: Sequence[Part], offset: int = 0) -> list[tuple[int, int, int]]:
    """Runs of equal layers: (index of the first part, parts per layer, layers), in order."""
    signatures = [(p.kind, p.role is Role.ATTENTION_CROSS) for p in parts]
    best = (0, 0, 0)
    for period in range(1, min(_LONGEST_LAYER, len(parts) // 2) + 1):
        run = 0
        for i in range(len(parts) - period):
            run = run + 1 if signatures[i] == signatures[i + period] else 0
            count = run // period + 1
            # A longer layer must explain more, or it is just several of a shorter one.
            if count >= 2 and count * period > best[1] * best[2]:
                best = (i - run + 1, period, count)
    start, period, count = best
    if period < 2 or not any(_is_layer(p) for p in parts[start : start + period]):
        return []
    while start > 0 and _starts_later(parts, start, period):
        start += 1
        if start + count * period > len(parts):
            count -= 1
            break
    end = start + period * count
    if count < 2:
        return []
    return [
        *_stacks(parts[:start], offset),
        (offset + start, period, count),
        *_stacks(parts[end:], offset + end),
    ]


def _is_layer(part: Part) -> bool:
    return part.kind in (ComponentKind.ATTENTION, ComponentKind.CONV_BLOCK, ComponentKind.RECURRENT)


def _starts_later(parts: Sequence[Part], start: int, period: int) -> bool:
    """Whether the first part of a run is the norm that ends the layer before."""
    first = parts[start]
    return first.kind is ComponentKind.NORM and first.role in (Role.NORM_POST, Role.NORM)
