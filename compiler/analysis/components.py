"""Reads the components out of a classified module, and finds a place for every node of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.analysis.parts import Part
from noema.analysis.recurrence import recurrence_of
from noema.dialects.attrs import Role
from noema.dialects.elements import to_array
from noema.dialects.graph import Graph, Node, Tensor
from noema.dialects.slots import slots
from noema.parameters import ParameterStore
from noema.workload import AttentionShape, ComponentKind

_ATTRIBUTES = ("sem.component", "sem.kind", "sem.phase", "sem.modality", "sem.role")
_MASKING = -1e3
"""Scores below this are out of reach of a softmax."""
_LARGEST_TRIANGLE = 1 << 22
_RANK_COMPARISONS = frozenset(
    f"elementwise.{kind}" for kind in ("less", "less_or_equal", "greater", "greater_or_equal")
)


class FileNode(Protocol):
    """A node as the file has it; `noema.frontend.onnx.FileNode` is one."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Label:
    """What pass `classify` says of an op, but for its role, which differs within a component."""

    component: str
    kind: ComponentKind
    phase: str
    modality: str


Labels = Mapping[Node, tuple[Label, Role]]
"""What is said of every node of a graph, and its role."""


def labels_of(graph: Graph) -> Labels:
    """The labels that the ops of a classified graph carry.

    Args:
        graph: Of a module that pass `classify` has been over.

    Raises:
        ValueError: An op carries no `sem.component`.
    """
    labels: dict[Node, tuple[Label, Role]] = {}
    for node in graph.nodes:
        component, kind, phase, modality, role = _attributes(node)
        labels[node] = Label(component, ComponentKind(kind), phase, modality), Role(role)
    return labels


def read_parts(
    graph: Graph, labels: Labels, file_nodes: Sequence[FileNode], parameters: ParameterStore
) -> list[Part]:
    """The components of a graph, in program order.

    Args:
        graph: The network.
        labels: Of all of its nodes.
        file_nodes: The nodes of the file. Each is in exactly one part: that of the op that
            computes it, or, if it was folded away, of the first op that its value went into.
        parameters: The weights, to see whether a constant mask is a causal one.
    """
    members: dict[str, list[Node]] = {}
    for node in graph.nodes:
        members.setdefault(labels[node][0].component, []).append(node)
    places = _place(graph, file_nodes, labels)
    names: dict[str, list[str]] = {}
    for file_node in file_nodes:
        names.setdefault(places[file_node.name], []).append(file_node.name)
    parts: list[Part] = []
    for component, nodes in members.items():
        label, kind = labels[nodes[0]][0], labels[nodes[0]][0].kind
        roles = {node: labels[node][1] for node in nodes}
        parts.append(
            Part(
                name=component,
                kind=kind,
                role=str(_main_role(kind, roles)),
                phase=label.phase,
                modality=label.modality,
                nodes=tuple(nodes),
                names=tuple(dict.fromkeys(names.get(component, ()))),
                attention=_attention(nodes, roles, parameters)
                if kind is ComponentKind.ATTENTION
                else None,
                recurrent=recurrence_of(nodes, roles) if kind is ComponentKind.RECURRENT else None,
                roles=roles,
            )
        )
    return parts


def _attributes(node: Node) -> list[str]:
    attributes = node.op.attributes
    try:
        return [ir.StringAttr(attributes[name]).value for name in _ATTRIBUTES]
    except KeyError:
        raise ValueError(f"{node.key} of {', '.join(node.names)} is not classified") from None


def _place(graph: Graph, file_nodes: Sequence[FileNode], labels: Labels) -> dict[str, str]:
    """Name of each node of the file → the component that it is in."""
    places: dict[str, str] = {}
    # Where several ops name a node, the one that names the fewest computes it most directly.
    for node in sorted(graph.nodes, key=lambda n: (n.is_constant, len(n.names))):
        for name in node.names:
            places.setdefault(name, labels[node][0].component)
    lost = [file_node for file_node in file_nodes if file_node.name not in places]
    if not lost:
        return places
    readers: dict[str, list[FileNode]] = {}
    makers: dict[str, FileNode] = {}
    for file_node in file_nodes:
        makers.update(dict.fromkeys(file_node.outputs, file_node))
        for value in file_node.inputs:
            readers.setdefault(value, []).append(file_node)
    for file_node in reversed(lost):
        users = [u for value in file_node.outputs for u in readers.get(value, ())]
        found = next((places[u.name] for u in users if u.name in places), None)
        if found is not None:
            places[file_node.name] = found
    fallback = labels[graph.nodes[0]][0].component if graph.nodes else "generic"
    for file_node in lost:  # what nothing uses that was kept
        if file_node.name not in places:
            sources = [makers[value] for value in file_node.inputs if value in makers]
            found = next((places[s.name] for s in sources if s.name in places), fallback)
            places[file_node.name] = found
    return places


def _main_role(kind: ComponentKind, roles: Mapping[Node, Role]) -> Role:
    """The role of a component as a whole, from those of its nodes."""
    found = list(roles.values())
    if kind is ComponentKind.ATTENTION:
        return Role.ATTENTION
    if kind is ComponentKind.RECURRENT:
        return Role.RECURRENT_CELL
    if kind is ComponentKind.MLP:
        return Role.MLP_GATED if Role.MLP_GATE in found else Role.MLP
    if kind is ComponentKind.SQUEEZE_EXCITE:
        return Role.SQUEEZE_EXCITE
    minor = {Role.SHAPE, Role.GENERIC, Role.RESIDUAL, Role.CONV_ACTIVATION, Role.CONV_NORM}
    if kind is ComponentKind.HEAD:
        return Role.HEAD
    anchors = [r for node, r in roles.items() if r not in minor and not node.is_constant]
    return anchors[0] if anchors else found[0]


def _attention(
    nodes: Sequence[Node], roles: Mapping[Node, Role], parameters: ParameterStore
) -> AttentionShape | None:
    core = next((n for n in nodes if n.key == "attention"), None)
    if core is None:
        return None
    query, key = core.operands[0], core.operands[1]
    heads, key_heads = core.int("q_num_heads"), core.int("kv_num_heads")
    if len(query.shape) == 4:
        heads, key_heads = query.shape[1] or 0, key.shape[1] or 0
        width = query.shape[3] or 0
    else:
        width = (query.shape[-1] or 0) // max(heads, 1)
    given = [*slots(core.op), *[None] * 8]
    sinks = given[7] is not None
    extras = core.operands[3:-1] if sinks else core.operands[3:]
    caches = [t for t in extras if len(t.shape) == 4 and _is_cache(t)]
    past = (caches[0].shape[2] or 0) if caches else 0
    mask, causal = _mask(core, [t for t in extras if t not in caches], parameters)
    cached = bool(caches) or Role.ATTENTION_CACHE in roles.values()
    return AttentionShape(
        purpose="cross" if _is_cross(nodes, roles) else "self",
        heads=heads,
        key_heads=key_heads,
        head_dim=width,
        queries=query.shape[-2] or 0,
        keys=(key.shape[-2] or 0) + past,
        causal=causal,
        mask=mask,
        rotary=any(n.key in ("rope", "onnx.RotaryEmbedding") for n in nodes),
        cache=cached,
        sinks=sinks,
    )


def _is_cache(tensor: Tensor) -> bool:
    return tensor.node is None or tensor.node.key == "onnx.Concat"


def _is_cross(nodes: Sequence[Node], roles: Mapping[Node, Role]) -> bool:
    """Whether queries come from elsewhere than keys."""
    inside = set(nodes)

    def sources(role: Role) -> set[Tensor]:
        return {
            _unmoved(tensor)
            for node in nodes
            if roles[node] is role and node.key in ("matmul", "onnx.Gemm", "conv")
            for tensor in node.operands[:1]
            if tensor.node not in inside
        }

    query, key = sources(Role.ATTENTION_QUERY), sources(Role.ATTENTION_KEY)
    return bool(query and key and not query & key)


def _unmoved(tensor: Tensor) -> Tensor:
    while tensor.node is not None and tensor.node.key in ("onnx.Reshape", "onnx.Transpose"):
        tensor = tensor.node.operands[0]
    return tensor


def _mask(core: Node, operands: Sequence[Tensor], parameters: ParameterStore) -> tuple[str, bool]:
    """What the mask of an attention is, and whether the attention is causal."""
    causal = bool(core.int("is_causal"))
    if not operands:
        return ("causal" if causal else "none"), causal
    stack, seen = list(operands), set[Tensor]()
    from_input = learnt = False
    while stack and len(seen) < 256:
        tensor = stack.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        node = tensor.node
        if node is None:
            from_input = from_input or len(tensor.shape) >= 2
        elif node.is_constant:
            array = _values(node, parameters)
            causal = causal or (array is not None and is_triangle(array))
            learnt = learnt or (node.key == "param" and array is not None and _is_learnt(array))
        else:
            causal = causal or node.key == "onnx.Trilu" or _compares_ranks(node)
            if node.key != "onnx.Shape":
                stack += node.operands
    if learnt:
        return "bias", causal
    if causal:
        return "causal", True
    return ("padding" if from_input else "mask"), False


def _compares_ranks(node: Node) -> bool:
    """Whether a node compares positions with positions: a column with a row."""
    if node.key not in _RANK_COMPARISONS or len(node.operands) != 2:
        return False
    left, right = (t.shape for t in node.operands)
    return _is_column(left, right) or _is_column(right, left)


def _is_column(shape: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    return len(shape) >= 2 and len(other) >= 1 and shape[-1] == 1 and other[-1] != 1


def _values(node: Node, parameters: ParameterStore) -> NDArray[np.generic] | None:
    if node.result.count > _LARGEST_TRIANGLE:
        return None
    if node.key == "constant":
        return to_array(node.op.attributes["value"])
    return parameters.values(node.parameter) if node.parameter in parameters else None


def _is_learnt(array: NDArray[np.generic]) -> bool:
    """Whether numbers were learnt: many different floats."""
    if array.dtype.kind != "f" or array.size < 4:
        return False
    return len(np.unique(array.reshape(-1)[:4096])) > 2 and not is_triangle(array)


def is_triangle(array: NDArray[np.generic]) -> bool:
    """Whether an array's last two dimensions let a row see only columns up to its own.

    Where there are more columns than rows, the rows are the last positions of the columns. Either
    booleans or 0 and 1 (a lower triangle), or numbers to add (0 below, very small above).
    """
    if array.ndim < 2 or not 2 <= array.shape[-2] <= array.shape[-1] or array.size == 0:
        return False
    rows, columns = array.shape[-2:]
    last = np.asarray(array.reshape(-1, rows, columns)[0])
    above = np.triu(np.ones(last.shape, np.bool_), columns - rows + 1)
    if last.dtype.kind in "biu":
        lower = last.astype(np.bool_)
        # Some exporters store what may be seen, others what may not.
        return bool(np.array_equal(lower, ~above) or np.array_equal(lower, above))
    numbers = last.astype(np.float64)
    if np.array_equal(numbers != 0, ~above):  # 0 and 1
        return True
    return bool((numbers[above] < _MASKING).all() and (numbers[~above] == 0).all())
