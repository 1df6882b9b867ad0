"""What a network computes, or holds, more than once.

Nodes are equal by value numbering: the same operation with the same attributes on equal operands.
Weights are equal by content: those of one type and size are compared by their ends, then by a
sample, and only those that agree in full. A matrix may equal another transposed, as tied embeddings
do after export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects.graph import Graph, Node, Tensor
from noema.parameters import ParameterStore
from noema.workload import Search

_LEAST_BYTES = 4096
"""Smaller weights (biases and scales that start as zeros or ones) aren't worth a word."""

_SAMPLE = 64
_CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class Duplicate:
    """Weights that hold the same values.

    Attributes:
        names: Their names, in program order.
        nodes: Their nodes.
        nbytes: Size of one.
        transposed: Whether some hold the transposed matrix.
    """

    names: tuple[str, ...]
    nodes: tuple[Node, ...]
    nbytes: int
    transposed: bool


def duplicate_weights(
    graph: Graph, weights: ParameterStore, budget: int
) -> tuple[list[Duplicate], Search]:
    """Groups of weights with equal values, and how many weights were compared for that.

    Args:
        graph: The network; only weights that it reads count.
        weights: Where the values are.
        budget: Bound on the bytes that are read in full; samples are free.
    """
    by_sample: dict[Hashable, list[tuple[str, Node, bool]]] = {}
    by_ends: dict[Hashable, list[tuple[str, Node, bool]]] = {}
    seen: set[str] = set()
    sizes: dict[tuple[str, int], list[tuple[str, Node]]] = {}
    for node in graph.nodes:
        if node.key != "param":
            continue
        name = node.parameter
        if name in seen or name not in weights:
            continue
        seen.add(name)
        weight = weights[name]
        if weight.nbytes >= _LEAST_BYTES:
            sizes.setdefault((weight.dtype.name, weight.nbytes), []).append((name, node))
    total = sum(nbytes * len(alike) for (_, nbytes), alike in sizes.items())
    if not budget:
        return [], Search("redundant", total, 0, 0)
    for alike in sizes.values():
        if len(alike) < 2:
            continue
        shapes = {weights[name].shape for name, _ in alike}
        for name, node in alike:
            weight = weights[name]
            # One orientation stands for both, so that a matrix and its transpose meet.
            flip = len(weight.shape) == 2 and weight.shape[::-1] in shapes
            flip = flip and weight.shape[0] < weight.shape[1]
            shape = weight.shape[::-1] if flip else weight.shape
            ends = _ends(weights.values(name))
            by_ends.setdefault((weight.dtype.name, shape, ends), []).append((name, node, flip))
    for about, alike in by_ends.items():
        if len(alike) < 2:
            continue
        for name, node, flip in alike:
            sample = _sample(_oriented(weights.values(name), flip))
            by_sample.setdefault((about, sample), []).append((name, node, flip))
    result: list[Duplicate] = []
    left, open_bytes = budget, 0  # samples told all others apart
    for alike in by_sample.values():
        if len(alike) < 2:
            continue
        nbytes = sum(weights[name].nbytes for name, _, _ in alike)
        if nbytes > left:
            open_bytes += nbytes
            continue
        left -= nbytes
        digests: dict[bytes, list[tuple[str, Node, bool]]] = {}
        for name, node, flip in alike:
            digests.setdefault(_digest(_oriented(weights.values(name), flip)), []).append(
                (name, node, flip)
            )
        for equal in digests.values():
            if len(equal) > 1:
                names, nodes, flips = zip(*equal, strict=True)
                nbytes = weights[names[0]].nbytes
                result.append(Duplicate(names, nodes, nbytes, len(set(flips)) > 1))
    return result, Search("redundant", total, total - open_bytes, budget)


def _oriented(values: NDArray[np.generic], flip: bool) -> NDArray[np.generic]:
    return values.T if flip else values


def _ends(values: NDArray[np.generic]) -> bytes:
    """The first and the last value, which are the same in a matrix and its transpose.

    A sample of a transposed matrix is all over the memory: it takes a hundred times as long.
    """
    flat = values.reshape(-1)
    return flat[:1].tobytes() + flat[-1:].tobytes()


def _sample(values: NDArray[np.generic]) -> bytes:
    """Some of the values: the start of the first row, the end of the last."""
    if values.ndim < 2:
        return values[:_SAMPLE].tobytes() + values[-_SAMPLE:].tobytes()
    first, last = values[0], values[-1]
    if values.ndim > 2:
        first, last = first.reshape(-1), last.reshape(-1)
    return first[:_SAMPLE].tobytes() + last[-_SAMPLE:].tobytes()


def _digest(values: NDArray[np.generic]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    rows = max(1, _CHUNK_BYTES * len(values) // max(1, values.nbytes))
    for start in range(0, len(values), rows):
        digest.update(np.ascontiguousarray(values[start : start + rows]).view(np.uint8).data)
    return digest.digest()


def repeated_nodes(graph: Graph, twins: Sequence[Duplicate] = ()) -> list[list[Node]]:
    """Groups of nodes that compute the same, each in program order; constants left out.

    Args:
        graph: The network.
        twins: Weights that are equal though they have several names.
    """
    same = {n: twin.names[0] for twin in twins if not twin.transposed for n in twin.names}
    # Every tensor → the first one that holds the same.
    firsts: dict[Tensor, Tensor] = {tensor: tensor for tensor in graph.inputs}
    stored: dict[Hashable, Tensor] = {}
    groups: dict[tuple[Hashable, ...], list[list[Node]]] = {}
    for node in graph.nodes:
        if node.is_constant:
            firsts[node.result] = stored.setdefault(_content(node, same), node.result)
            continue
        alike: list[list[Node]] = []
        if node.key not in _RANDOM:
            operands = [firsts[operand] for operand in node.operands]
            results = [(result.shape, result.element) for result in node.results]
            alike = groups.setdefault((node.key, *operands, *results), [])
        group = next((g for g in alike if _same_attributes(g[0], node)), None)
        if group is None:
            group = []
            alike.append(group)
        group.append(node)
        firsts.update(zip(node.results, group[0].results, strict=True))
    return [group for alike in groups.values() for group in alike if len(group) > 1]


def _content(stored: Node, same: Mapping[str, str]) -> Hashable:
    """What a constant or a weight holds."""
    if stored.key == "constant":
        return stored.op.attributes["value"]
    return same.get(stored.parameter, stored.parameter)


_RANDOM = frozenset(
    {
        f"onnx.{name}"
        for name in (
            *("Bernoulli", "Dropout", "Multinomial", "RandomNormal", "RandomNormalLike"),
            *("RandomUniform", "RandomUniformLike"),
        )
    }
)


def _same_attributes(a: Node, b: Node) -> bool:
    """Whether two nodes have the same attributes, but for those that say where they are."""
    return _attributes(a.op) == _attributes(b.op)


def _attributes(op: ir.Operation) -> dict[str, ir.Attribute]:
    attributes = op.attributes
    # `sem.role` and its like aren't what the node computes; a weight is known by its number.
    return {
        name: attributes[name]
        for name in attributes
        if not name.startswith("sem.") and name != "parameter"
    }
