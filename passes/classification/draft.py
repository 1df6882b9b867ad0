"""The classification while it is being made: parts, and which node is in which of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from noema.dialects.attrs import Modality, Phase, Role
from noema.dialects.graph import Graph, Node, Tensor
from noema.workload import ComponentKind

MOVES = frozenset(
    {
        "elementwise.cast",
        "onnx.Concat",
        "onnx.Expand",
        "onnx.Flatten",
        "onnx.Identity",
        "onnx.Reshape",
        "onnx.Slice",
        "onnx.Split",
        "onnx.Squeeze",
        "onnx.Tile",
        "onnx.Transpose",
        "onnx.Unsqueeze",
    }
)
"""Ops that move, repeat or rename elements and compute none."""

_FIRST_ONLY = MOVES - {"onnx.Concat"}
ATTENTION = frozenset({"attention", "onnx.Attention", "onnx.LinearAttention"})
ROPE = frozenset({"rope", "onnx.RotaryEmbedding"})
RECURRENT = frozenset({"onnx.LSTM", "onnx.GRU", "onnx.RNN"})
CONV = frozenset({"conv", "onnx.Conv", "onnx.ConvTranspose", "onnx.ConvInteger"})
MATMUL = frozenset({"matmul", "onnx.MatMul", "onnx.Gemm", "onnx.MatMulInteger"})
AFFINE = frozenset({f"elementwise.{k}" for k in ("add", "sub", "mul", "div", "pow")})
_SATURATING = frozenset({"elementwise.clip", "elementwise.min", "elementwise.max"})


@dataclass(eq=False)
class Part:
    """A component in the making.

    Attributes:
        kind: What it is.
        role: Its role in the layer around it.
        anchor: The node that makes it what it is.
        nodes: Its nodes, each with its role, in the order in which they were found.
    """

    kind: ComponentKind
    role: Role
    anchor: Node
    nodes: dict[Node, Role] = field(default_factory=dict[Node, Role])
    name: str = ""
    phase: Phase = Phase.UNKNOWN
    modality: Modality = Modality.UNKNOWN


@dataclass(eq=False)
class Draft:
    """What has been decided so far.

    Attributes:
        graph: The network.
        parts: Its parts.
        owner: Node → the part that it is in.
        static: Nodes that depend on constants and weights only.
        live: The others, which compute something, by key and each in program order.
    """

    graph: Graph
    parts: list[Part] = field(default_factory=list[Part])
    owner: dict[Node, Part] = field(default_factory=dict[Node, Part])
    static: set[Node] = field(default_factory=set[Node])
    live: dict[str, list[Node]] = field(default_factory=dict[str, list[Node]])
    _data: dict[Node, list[Tensor]] = field(default_factory=dict[Node, list[Tensor]])

    def __post_init__(self) -> None:
        for node in self.graph.nodes:
            if node.is_constant or (
                node.operands and all(t.node in self.static for t in node.operands)
            ):
                self.static.add(node)
            else:
                self.live.setdefault(node.key, []).append(node)

    def start(self, kind: ComponentKind, role: Role, anchor: Node, anchor_role: Role) -> Part:
        """A new part around a node that is in none yet."""
        part = Part(kind, role, anchor)
        self.parts.append(part)
        self.take(part, anchor, anchor_role)
        return part

    def take(self, part: Part, node: Node, role: Role) -> None:
        """Puts a node that is in no part into this one."""
        assert node not in self.owner
        self.owner[node] = part
        part.nodes[node] = role

    def is_free(self, node: Node | None) -> bool:
        """Whether a node computes something and is in no part yet."""
        return node is not None and node not in self.owner and node not in self.static

    def is_static(self, tensor: Tensor) -> bool:
        """Whether a value is made of constants and weights only, in whatever shape."""
        node = tensor.node
        while node is not None and node.key in _FIRST_ONLY and node not in self.static:
            node = node.operands[0].node
        return node in self.static

    def free(self, keys: frozenset[str] | None = None) -> Iterator[Node]:
        """The nodes that are in no part yet, of these keys, in program order."""
        found = [n for k, nodes in self.live.items() if keys is None or k in keys for n in nodes]
        for node in sorted(found, key=_place):
            if node not in self.owner:
                yield node

    def has(self, keys: frozenset[str]) -> bool:
        """Whether any node that computes something is of these keys."""
        return not keys.isdisjoint(self.live)

    def data(self, node: Node) -> Sequence[Tensor]:
        """The operands that carry data: not weights, and not the shape of a Reshape."""
        found = self._data.get(node)
        if found is None:  # what is static never changes, and many rules ask
            operands = node.operands[:1] if node.key in _FIRST_ONLY else node.operands
            found = self._data[node] = [t for t in operands if not self.is_static(t)]
        return found

    def is_weighted(self, node: Node) -> bool:
        """Whether a node is a product, or convolution, of data with a weight."""
        if node.key not in MATMUL and node.key not in CONV:
            return False
        left, right = node.operands[0], node.operands[1]
        return self.is_static(left) != self.is_static(right)

    def is_affine(self, node: Node) -> bool:
        """Whether a node adds a constant or weight to data, or scales by one."""
        return node.key in AFFINE and len(self.data(node)) == 1 and len(node.operands) == 2

    def is_pointwise(self, node: Node) -> bool:
        """Whether a node is a function of single elements of one operand of data."""
        if node.key.startswith("activation.") or node.key in _SATURATING or self.is_affine(node):
            return len(self.data(node)) == 1
        return node.key.startswith("elementwise.") and len(node.operands) == 1

    def is_residual(self, node: Node) -> bool:
        """Whether a node adds two data of one shape."""
        if node.key != "elementwise.add" or len(self.data(node)) != 2:
            return False
        left, right = node.operands
        return left is not right and len(left.shape) == len(right.shape) == len(node.result.shape)

    def readers(self, node: Node) -> list[Node]:
        """The nodes that read what a node makes, and not only its extents."""
        return [user for t in node.results for user in t.users if not _measures(user)]

    def epilogue(self, part: Part, node: Node, role: Role) -> Node:
        """Takes what follows a node for itself alone: bias, scale, activation, moves.

        Returns:
            The last node taken, or `node`.
        """
        while True:
            following = self.readers(node)
            if len(following) != 1 or node.result.is_output or not self.is_free(following[0]):
                return node
            after = following[0]
            if not (self.is_pointwise(after) or (after.key in _FIRST_ONLY and self.data(after))):
                return node
            self.take(part, after, role)
            node = after


_place = attrgetter("index")


def _measures(node: Node) -> bool:
    """Whether a node is there for the extents of what it reads, and not for the elements."""
    if node.key == "onnx.Shape":
        return True
    return node.key in _FIRST_ONLY and all(
        not t.is_output and bool(t.users) and all(map(_measures, t.users)) for t in node.results
    )


def strip_moves(draft: Draft, tensor: Tensor) -> Tensor:
    """The value that moved elements come from: what a chain of `MOVES` starts at."""
    while tensor.node is not None and tensor.node.key in MOVES:
        data = draft.data(tensor.node)
        if len(data) != 1:
            break
        tensor = data[0]
    return tensor


def upstream(starts: Iterable[Tensor], draft: Draft) -> Iterator[Node]:
    """Every free node that the values depend on through free nodes, and not by extents alone."""
    stack = [t.node for t in starts]
    seen: set[Node] = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen or not draft.is_free(node):
            continue
        seen.add(node)
        yield node
        if node.key != "onnx.Shape":
            stack += [t.node for t in node.operands]
