"""What nodes and parts of a network cost, whatever the machine: operations, bytes, weights.

The bytes of a part are its least traffic: every weight that it reads, and every tensor that crosses
its border, once. What stays inside is taken to stay in caches. A lookup in a table moves the rows
that it finds, not the table. So the sum over parts is more than the traffic of one part that holds
them all, which is what makes fusion worth something.

Extents must be known: read the model with the assumed extents pinned (`read_model(shapes=…)`).
An unknown extent counts as 1; `is_static` tells whether there are any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from noema import dtypes
from noema.analysis.flops import flops_of, short_key
from noema.dialects.graph import Graph, Node, Tensor

_BYTES = {row.mlir: row.numpy.itemsize for row in dtypes.TABLE}

_LOOKUPS = frozenset({"embedding", "onnx.Gather", "onnx.GatherElements", "onnx.GatherND"})
_SHAPE_ONLY = frozenset({"onnx.Shape", "onnx.Size"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs in one call.

    Attributes:
        flops: Operations; see `analysis.flops`.
        bytes: Least traffic.
        weight_bytes: The part of it that is weights.
        params: Elements of the weights that it reads; of a table, all of its elements.
    """

    flops: int
    bytes: int
    weight_bytes: int
    params: int


def bytes_of(tensor: Tensor) -> int:
    """Size of a tensor in memory."""
    return tensor.count * _BYTES.get(tensor.element, 4)


def is_static(graph: Graph) -> bool:
    """Whether every extent of every tensor is known, so that costs are exact."""
    return all(None not in t.shape for node in graph.nodes for t in node.results)


class Costs:
    """The costs of a graph's nodes; made once, asked for any set of nodes.

    Attributes:
        flops: Operations of every node, by its index.
    """

    def __init__(self, graph: Graph) -> None:
        self.flops: Sequence[int] = [flops_of(node) for node in graph.nodes]

    def of(self, nodes: Iterable[Node]) -> Cost:
        """The cost of nodes that run as one part."""
        inside = frozenset(nodes)
        flops = traffic = weight_traffic = params = 0
        seen: dict[Tensor, int] = {}  # read from outside → bytes counted for it
        weights: set[str] = set()
        for node in nodes:
            if node.is_constant:
                continue
            flops += self.flops[node.index]
            key = short_key(node)
            if key in _SHAPE_ONLY:
                continue
            for position, tensor in enumerate(node.operands):
                maker = tensor.node
                is_weight = maker is not None and maker.is_constant
                if not is_weight and maker in inside:
                    continue
                size = bytes_of(tensor)
                if position == 0 and key in _LOOKUPS:  # moves the rows that it finds
                    size = min(size, bytes_of(node.result))
                counted = seen.get(tensor, 0)
                if size <= counted:
                    continue
                seen[tensor] = size
                if is_weight and maker is not None and _holds_weights(tensor):
                    name = maker.parameter if maker.key == "param" else f"%{maker.index}"
                    if name in weights and not counted:
                        continue  # the same weight through another op
                    if not counted:
                        weights.add(name)
                        params += tensor.count
                    weight_traffic += size - counted
                traffic += size - counted
            for tensor in node.results:
                if tensor.is_output or not inside.issuperset(tensor.users):
                    traffic += bytes_of(tensor)
        return Cost(flops, traffic, weight_traffic, params)


def _holds_weights(tensor: Tensor) -> bool:
    """Whether a constant is numbers that were learnt, not a shape, an axis or a bound."""
    return prod(d or 1 for d in tensor.shape) >= 2 and tensor.element not in ("i64", "i32", "i1")
