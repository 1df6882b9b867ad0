"""How the components of a network depend on each other: edges, residual streams, branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noema.analysis.cost import bytes_of
from noema.analysis.parts import Part
from noema.dialects.attrs import Modality
from noema.dialects.graph import Graph, Node, Tensor
from noema.workload import ComponentKind, Edge, Flow, ResidualStream

_LIGHT = frozenset({ComponentKind.NORM, ComponentKind.MASK, ComponentKind.GENERIC})
"""Kinds that compute too little to run side by side with anything."""


def flow_of(graph: Graph, parts: Sequence[Part]) -> Flow:
    """The flow between the parts of a graph.

    Args:
        graph: The network.
        parts: Its parts; every node is in one.
    """
    owner = {node: part for part in parts for node in part.nodes}
    residual = _residual_tensors(graph)
    edges = _edges(graph, owner, residual)
    generations = _generations(parts, edges)
    kinds = {part.name: part.kind for part in parts}
    return Flow(
        edges=edges,
        generations=generations,
        width=max((sum(kinds[n] not in _LIGHT for n in g) for g in generations), default=0),
        residual_streams=_streams(graph, owner),
        fusion_points=_fusion_points(parts, edges),
    )


def _edges(graph: Graph, owner: Mapping[Node, Part], residual: set[Tensor]) -> tuple[Edge, ...]:
    crossing: dict[tuple[str, str], dict[Tensor, None]] = {}
    for node in graph.nodes:
        if node.is_constant:
            continue
        source = owner[node].name
        for tensor in node.results:
            for user in tensor.users:
                target = owner[user].name
                if target != source:
                    crossing.setdefault((source, target), {})[tensor] = None
    return tuple(
        Edge(
            source,
            target,
            sum(bytes_of(t) for t in tensors),
            any(t in residual for t in tensors),
        )
        for (source, target), tensors in crossing.items()
    )


def _residual_tensors(graph: Graph) -> set[Tensor]:
    """The values that an addition of two data reads and that something else reads too."""
    return {
        tensor
        for node in graph.nodes
        if _adds_data(node)
        for tensor in node.operands
        if len(tensor.users) > 1
    }


def _adds_data(node: Node) -> bool:
    if node.key != "elementwise.add" or len(node.operands) != 2:
        return False
    left, right = node.operands
    constant = any(t.node is not None and t.node.is_constant for t in node.operands)
    return not constant and left is not right and left.shape == right.shape


def _generations(parts: Sequence[Part], edges: Sequence[Edge]) -> tuple[tuple[str, ...], ...]:
    """Kahn's algorithm, a generation at a time.

    Parts that depend on each other in a circle, as generic ones may, come one by one.
    """
    place = {part.name: i for i, part in enumerate(parts)}
    waiting = dict.fromkeys(place, 0)
    targets: dict[str, list[str]] = {}
    for edge in edges:
        waiting[edge.target] += 1
        targets.setdefault(edge.source, []).append(edge.target)
    generations: list[tuple[str, ...]] = []
    ready = [name for name, count in waiting.items() if not count]
    while waiting:
        generation = tuple(ready) or (next(iter(waiting)),)
        generations.append(generation)
        ready = []
        for name in generation:
            del waiting[name]
            for target in targets.get(name, ()):
                if target in waiting:
                    waiting[target] -= 1
                    if not waiting[target]:
                        ready.append(target)
        ready = sorted((name for name in ready if name in waiting), key=place.__getitem__)
    return tuple(generations)


def _streams(graph: Graph, owner: Mapping[Node, Part]) -> tuple[ResidualStream, ...]:
    """Chains of residual additions, each of which reads what the one before made."""
    chains: list[list[Node]] = []
    chain_of: dict[Tensor, list[Node]] = {}
    for node in graph.nodes:
        if _adds_data(node):
            # The longest chain that comes in goes on; a norm in between doesn't end it.
            incoming = [chain_of[t] for t in node.operands if t in chain_of]
            if incoming:
                chain = max(incoming, key=len)
            else:
                chain = []
                chains.append(chain)
            chain.append(node)
            chain_of[node.result] = chain
        elif node.key.startswith(("norm.", "activation.", "onnx.Transpose", "onnx.Reshape")):
            first = node.operands[0]
            if first in chain_of:
                chain_of[node.result] = chain_of[first]
    return tuple(
        ResidualStream(
            tuple(dict.fromkeys(owner[node].name for node in chain)), bytes_of(chain[-1].result)
        )
        for chain in chains
        if len(chain) > 1 or owner[chain[0]].kind is not ComponentKind.EMBEDDING
    )


def _fusion_points(parts: Sequence[Part], edges: Sequence[Edge]) -> tuple[str, ...]:
    fused = {part.name for part in parts if part.modality == Modality.FUSED}
    behind = {edge.target for edge in edges if edge.source in fused}
    return tuple(p.name for p in parts if p.name in fused - behind)
