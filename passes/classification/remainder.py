"""Finds the heads, and gives every node that is still in no part to the one it serves."""

from __future__ import annotations

from collections.abc import Iterable

from noema.dialects.attrs import Role
from noema.dialects.graph import Node
from noema.passes.classification.draft import MATMUL, MOVES, Draft, Part
from noema.workload import ComponentKind

_COMPUTES = frozenset(
    {
        ComponentKind.ATTENTION,
        ComponentKind.MLP,
        ComponentKind.CONV_BLOCK,
        ComponentKind.RECURRENT,
        ComponentKind.EMBEDDING,
        ComponentKind.SQUEEZE_EXCITE,
    }
)
_MAY_BE_HEADS = frozenset({ComponentKind.MLP, ComponentKind.CONV_BLOCK})
_COMPUTES_OR_HEAD = _COMPUTES | {ComponentKind.HEAD}


def find_heads(draft: Draft) -> None:
    """Turns into heads what comes last: chains of products that nothing adds to or follows."""
    candidates = [p for p in draft.parts if p.kind in _MAY_BE_HEADS or p.role is Role.PROJECTION]
    if sum(_computes(p) for p in draft.parts) < 2:
        return
    for part in reversed(candidates):
        if any(role is Role.RESIDUAL for role in part.nodes.values()):
            continue
        following = list(_following(draft, part))
        last = not following
        single = sum(draft.is_weighted(n) for n in part.nodes) == 1
        leads_to_heads = bool(following) and all(p.kind is ComponentKind.HEAD for p in following)
        if part.kind is ComponentKind.CONV_BLOCK:
            if last and _after_upsampling_or_pool(draft, part):
                _make_head(part)
        elif last or (leads_to_heads and single):
            _make_head(part)
            _take_pool(draft, part)


def _make_head(part: Part) -> None:
    part.kind, part.role = ComponentKind.HEAD, Role.HEAD
    for node in part.nodes:
        part.nodes[node] = Role.HEAD


def _after_upsampling_or_pool(draft: Draft, part: Part) -> bool:
    """Whether a convolution is pointwise: one that maps features to an answer per place."""
    weight = part.anchor.operands[1].shape
    return all(extent == 1 for extent in weight[2:]) and not any(
        r in (Role.CONV_NORM, Role.RESIDUAL) for r in part.nodes.values()
    )


def _following(draft: Draft, part: Part) -> Iterable[Part]:
    """The parts that compute and that depend on this one, each once."""
    stack: list[Node] = list(part.nodes)
    seen: set[Node] = set(stack)
    found: dict[Part, None] = {}
    while stack:
        for user in stack.pop().consumers:
            if user in seen:
                continue
            seen.add(user)
            owner = draft.owner.get(user)
            if owner is not None and owner is not part and _computes(owner):
                found.setdefault(owner)
            else:
                stack.append(user)
    return found


def _computes(part: Part) -> bool:
    return part.kind in _COMPUTES_OR_HEAD or part.role is Role.PROJECTION


def _take_pool(draft: Draft, part: Part) -> None:
    """Gives a head the pooling that it starts with."""
    node = part.anchor
    for _ in range(6):
        data = draft.data(node)
        if len(data) != 1 or data[0].node is None or len(data[0].users) != 1:
            return
        node = data[0].node
        owner = draft.owner.get(node)
        if owner is not None:
            if owner.kind is ComponentKind.POOL and all(n is node for n in owner.nodes):
                draft.parts.remove(owner)
                del draft.owner[node]
                draft.take(part, node, Role.POOL)
            return
        if node.key not in MOVES and node.key != "onnx.Gather":
            return
        draft.take(part, node, Role.HEAD)


def find_interactions(draft: Draft) -> None:
    """Makes a part of each product of data with data that is no attention."""
    for node in draft.free(MATMUL):
        draft.start(ComponentKind.GENERIC, Role.INTERACTION, node, Role.INTERACTION)


def assign_rest(draft: Draft) -> None:
    """Gives each node that is left to the part that it serves; what serves none makes its own."""
    for backwards in (False, True, False):
        nodes = list(draft.free())
        for node in reversed(nodes) if backwards else nodes:
            part = _served(draft, node, backwards)
            if part is not None:
                draft.take(part, node, _role_of(draft, node, part))
    rest = list(draft.free())
    for node in rest:
        if not draft.is_free(node):
            continue
        role = Role.SHAPE if _is_small(draft, node) else Role.GENERIC
        part = draft.start(ComponentKind.GENERIC, role, node, role)
        stack = [node]
        while stack:
            here = stack.pop()
            for other in (*here.producers, *here.consumers):
                if draft.is_free(other):
                    draft.take(part, other, _role_of(draft, other, part))
                    stack.append(other)


def _served(draft: Draft, node: Node, backwards: bool) -> Part | None:
    """The one part that all users of a node, or all that make its data, are in."""
    users = {draft.owner.get(user) for user in node.consumers if user not in draft.static}
    if len(users) == 1:
        (part,) = users
        if part is not None and (backwards or _is_small(draft, node)):
            return part
    if backwards:
        return None
    makers = {draft.owner.get(t.node) for t in draft.data(node) if t.node is not None}
    if len(makers) == 1 and (node.key in MOVES or draft.is_pointwise(node)):
        (part,) = makers
        return part
    return None


def _is_small(draft: Draft, node: Node) -> bool:
    """Whether a node makes an extent or a few of them."""
    return node.result.element in ("i64", "i32") and len(node.result.shape) <= 1


def _role_of(draft: Draft, node: Node, part: Part) -> Role:
    if part.kind in (ComponentKind.MASK, ComponentKind.HEAD, ComponentKind.EMBEDDING):
        return part.role
    if node.key in MOVES or _is_small(draft, node) or node.key == "onnx.Shape":
        return Role.SHAPE
    return Role.GENERIC


def assign_static(draft: Draft) -> None:
    """Gives constants, weights and what is made of them alone to the first part that reads them."""
    for node in reversed(draft.graph.nodes):
        if node in draft.owner:
            continue
        for user in node.consumers:
            part = draft.owner.get(user)
            if part is not None:
                draft.owner[node] = part
                part.nodes[node] = part.nodes[user]
                break
    for node in draft.graph.nodes:
        if node not in draft.owner:  # returned as it is, or dead
            draft.start(ComponentKind.GENERIC, Role.GENERIC, node, Role.GENERIC)
