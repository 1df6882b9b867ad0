"""Finds recurrent layers: operators, and cells that are spelled out.

Steps that share a weight are one layer: a loop over time that was unrolled.
"""

from __future__ import annotations

from collections.abc import Sequence

from noema.dialects.attrs import Role
from noema.dialects.graph import Node, Tensor
from noema.passes.classification.cells import Step, gru_step, lstm_step
from noema.passes.classification.draft import MOVES, RECURRENT, Draft, Part, strip_moves
from noema.passes.classification.linear import sources_of, weights_of
from noema.workload import ComponentKind


def find_recurrent(draft: Draft) -> None:
    """Makes a part of each recurrent layer; of an operator, with the moves that follow it."""
    for node in draft.free(RECURRENT):
        part = draft.start(ComponentKind.RECURRENT, Role.RECURRENT_CELL, node, Role.RECURRENT_CELL)
        draft.epilogue(part, node, Role.SHAPE)
    steps: list[Step] = []
    ends: set[Tensor] = set()
    for node in draft.free(frozenset({"activation.tanh"})):
        step = lstm_step(draft, node) or gru_step(draft, node, ends)
        if step is not None:
            steps.append(step)
            ends.add(step.end)
    for layer in _layers(draft, steps):
        roles = _roles(draft, layer)
        first, *others = sorted(filter(draft.is_free, roles), key=lambda n: n.index)
        part = draft.start(ComponentKind.RECURRENT, Role.RECURRENT_CELL, first, roles[first])
        for node in others:
            draft.take(part, node, roles[node])
        _take_moves(draft, part, [s.end.node for s in layer if s.end.node is not None])


def _take_moves(draft: Draft, part: Part, ends: Sequence[Node]) -> None:
    """Takes what only gathers a layer's states: an axis for time, and one value of all steps."""
    stack = list(ends)
    while stack:
        for user in draft.readers(stack.pop()):
            data = [t.node for t in draft.data(user)]
            if (
                user.key in MOVES
                and draft.is_free(user)
                and data
                and all(n is not None and draft.owner.get(n) is part for n in data)
            ):
                draft.take(part, user, Role.SHAPE)
                stack.append(user)


def _layers(draft: Draft, steps: Sequence[Step]) -> list[list[Step]]:
    """The steps by layer: those that share a weight, be it by way of others."""
    layers: list[tuple[set[str], list[Step]]] = []
    for step in steps:
        weights = {w for p in step.products for w in weights_of(draft, p)}
        members = [step]
        for layer in [each for each in layers if each[0] & weights]:
            layers.remove(layer)
            weights |= layer[0]
            members = layer[1] + members
        layers.append((weights, members))
    return [members for _, members in layers]


def _roles(draft: Draft, steps: Sequence[Step]) -> dict[Node, Role]:
    """The roles of all nodes of a layer."""
    roles: dict[Node, Role] = {}
    for step in steps:
        roles |= step.roles
    products = list(dict.fromkeys(p for s in steps for p in s.products))
    states = _states(draft, steps, products)
    # The state before the first step may be anything: that another step reads one tells.
    hidden = {
        weight
        for product in products
        if not states.isdisjoint(sources_of(draft, product))
        for weight in weights_of(draft, product)
    }
    for product in products:
        if len(sources_of(draft, product)) > 1:
            roles[product] = Role.RECURRENT_GATES
        elif hidden.isdisjoint(weights_of(draft, product)):
            roles[product] = Role.RECURRENT_INPUT
        else:
            roles[product] = Role.RECURRENT_HIDDEN
    return roles


def _states(draft: Draft, steps: Sequence[Step], products: Sequence[Node]) -> set[Tensor]:
    """The values that are states of a layer, before a step or after it."""
    states = {strip_moves(draft, s.end) for s in steps}
    states |= {s.before for s in steps if s.before is not None}
    read = dict.fromkeys(s for p in products for s in sources_of(draft, p))
    if not states.isdisjoint(read) or len(read) < 2:
        return states
    # A single step of an LSTM doesn't show which of what it reads is the state: it is as wide as
    # what comes out, and given after the inputs.
    width = steps[0].end.shape[-1:]
    wide = [t for t in read if t.shape[-1:] == width] or list(read)
    return states | {max(wide, key=lambda t: (t.node.index if t.node else -1, t.position))}
