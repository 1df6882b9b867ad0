"""Finds embeddings of tokens, positions, types and categories."""

from __future__ import annotations

from dataclasses import dataclass

from noema.dialects.attrs import Role
from noema.dialects.graph import Node, Tensor
from noema.passes.classification.draft import (
    ATTENTION,
    CONV,
    MOVES,
    Draft,
    Part,
    strip_moves,
)
from noema.workload import ComponentKind

_SUMS = frozenset({"onnx.ReduceSum", "onnx.ReduceMean", "onnx.ReduceMax"})
_FEW_TYPES = 8
"""Tables with at most so many rows hold types (segments), not words."""


@dataclass(frozen=True)
class Inputs:
    """Names of the network's inputs, in order; may be fewer than there are."""

    names: tuple[str, ...]

    def of(self, tensor: Tensor) -> str:
        """The lower-case name of a value that is an input; empty if unknown."""
        known = tensor.node is None and tensor.position < len(self.names)
        return self.names[tensor.position].lower() if known else ""


def is_lookup(draft: Draft, node: Node) -> bool:
    """Whether a node picks rows of a weight by ids that aren't constant."""
    if node.key == "embedding":
        return True
    if node.key != "onnx.Gather" or node.int("axis") != 0:
        return False
    table, ids = node.operands
    return draft.is_static(table) and len(table.shape) == 2 and not draft.is_static(ids)


def find_embeddings(draft: Draft, inputs: Inputs) -> None:
    """Makes a part of each look-up in a table, and of each addition of learned positions."""
    for node in draft.free(frozenset({"embedding", "onnx.Gather"})):
        if is_lookup(draft, node):
            role = _lookup_role(draft, node, inputs)
            part = draft.start(ComponentKind.EMBEDDING, role, node, role)
            _take_ids(draft, part, node)
    lookups = [p for p in draft.parts if p.kind is ComponentKind.EMBEDDING]
    for node in draft.free(frozenset({"elementwise.add"})):
        if _adds_positions(draft, node):
            role = Role.EMBEDDING_POSITION
            draft.start(ComponentKind.EMBEDDING, role, node, role)
    for part in lookups:
        if part.role is not Role.EMBEDDING_PATCH:
            last = draft.epilogue(part, part.anchor, part.role)
            _take_bag(draft, part, last)


def _take_ids(draft: Draft, part: Part, node: Node) -> None:
    """Takes what only makes the ids."""
    stack = [t.node for t in draft.data(node)]
    while stack:
        here = stack.pop()
        if here is None or not draft.is_free(here):
            continue
        if all(draft.owner.get(user) is part for user in here.consumers):
            draft.take(part, here, part.role)
            stack += [t.node for t in here.operands]


def _take_bag(draft: Draft, part: Part, last: Node) -> None:
    """Takes a sum over the rows that were looked up together, which makes it a bag."""
    for user in last.result.users:
        if user.key in _SUMS and draft.is_free(user) and len(last.result.users) == 1:
            part.role = Role.EMBEDDING_BAG
            draft.take(part, user, Role.EMBEDDING_BAG)
            for node in part.nodes:
                part.nodes[node] = Role.EMBEDDING_BAG
            draft.epilogue(part, user, Role.EMBEDDING_BAG)
            return


def _lookup_role(draft: Draft, node: Node, inputs: Inputs) -> Role:
    table, ids = node.operands[0], node.operands[1]
    source = strip_moves(draft, ids)
    name = inputs.of(source)
    rows = table.shape[0]
    if "type" in name or "segment" in name:
        return Role.EMBEDDING_TYPE
    if "position" in name:
        return Role.EMBEDDING_POSITION
    if source.node is None or _derives_from_ids(draft, source):
        few = rows is not None and rows <= _FEW_TYPES and not name.startswith("input_ids")
        return Role.EMBEDDING_TYPE if few and _is_added(draft, node) else Role.EMBEDDING_TOKEN
    return Role.EMBEDDING_POSITION


def _derives_from_ids(draft: Draft, tensor: Tensor) -> bool:
    """Whether ids are an input, only clipped, shifted or cast, and no running count of it."""
    for _ in range(8):
        node = tensor.node
        if node is None:
            return True
        data = draft.data(node)
        if len(data) != 1 or not (draft.is_pointwise(node) or node.key in MOVES):
            return False
        if node.key.startswith("elementwise.") and node.key not in (
            "elementwise.cast",
            "elementwise.clip",
            "elementwise.add",
            "elementwise.max",
            "elementwise.min",
        ):
            return False
        tensor = data[0]
    return False


def _is_added(draft: Draft, node: Node) -> bool:
    return any(draft.is_residual(user) for user in node.result.users)


def _adds_positions(draft: Draft, node: Node) -> bool:
    """Whether a node adds a learned table (…, S, D), S > 1, to what just was embedded."""
    if not draft.is_affine(node):
        return False
    (data,) = draft.data(node)
    table = next(t for t in node.operands if draft.is_static(t))
    if len(table.shape) < 2 or len(data.shape) != 3 or table.shape[-1] != data.shape[-1]:
        return False
    # A bias has one dimension; a table has two or more, even where only one row of it is left.
    if len(table.shape) < 3 and table.shape[-2] in (1, None) and not _is_cut(table):
        return False
    source = strip_moves(draft, data).node
    for _ in range(8):
        if source is None:
            return False
        part = draft.owner.get(source)
        if part is not None:
            return part.kind is ComponentKind.EMBEDDING
        if source.key in CONV:  # frames of sound
            return True
        operands = draft.data(source)
        if not operands or not (
            source.key in MOVES or draft.is_pointwise(source) or draft.is_residual(source)
        ):
            return False
        source = operands[-1].node
    return False


def _is_cut(table: Tensor) -> bool:
    """Whether a table is a slice of a longer one, as long as the sequence is."""
    return table.node is not None and table.node.key in ("onnx.Slice", "onnx.Gather", "embedding")


def has_sequence_layers(draft: Draft) -> bool:
    """Whether anything in the network works along a sequence."""
    is_recurrent = any(part.kind is ComponentKind.RECURRENT for part in draft.parts)
    return is_recurrent or draft.has(ATTENTION | {"softmax"})
