"""What would make a network faster or smaller, and by how much: predictions, nothing is measured.

Every gain is a difference of roofline times (`analysis.roofline`), so it is an upper bound where
code generation does the thing already, or where what is saved would have stayed in a cache.

- `fusion`: pointwise ops and norms right behind what makes their input, in one part. The tensor
  between them is neither written nor read.
- `redundant`: nodes that compute what another does, weights with the bytes of another. Saves their
  operations, or memory.
- `qkv_merge`: several products of one tensor with weights. It is read once.
- `precision`: parts that bf16 or int8 suits. Saves the difference of the parts' times.
- `layout`: convolutions with channels first. Saves `CHANNELS_LAST_GAIN` of their times.
- `pruning`: channels and heads whose weights are near zero. Saves their share of the product.
- `kv_cache`: caches that each call copies to join new keys or values to them. Saves the copy.

Weights are read only by duplicates and pruning, and only within a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from noema.analysis.cost import Costs, bytes_of
from noema.analysis.duplicates import Duplicate, duplicate_weights, repeated_nodes
from noema.analysis.flops import DENSE, MOVEMENT, extent, short_key
from noema.analysis.parts import Part
from noema.analysis.pruning import dead_channels, dead_heads, sampled_bytes
from noema.analysis.roofline import Assessment, Roofline, assess
from noema.dialects.graph import Graph, Node, Tensor
from noema.parameters import ParameterStore
from noema.workload import ComponentKind, Hardware, Opportunity, Search

DEFAULT_WEIGHT_BYTES = 64 << 20
"""Bytes of weights that are read for each purpose unless asked for more: reading takes longer than
all the rest. It is enough for a sample of every matrix of BERT-base."""

CHANNELS_LAST_GAIN = 0.3
"""Share of the time of a convolution with a window that channels-last saves; docs/roofline.md says
how it was measured. Pointwise ones gain nothing, grouped ones weren't measured."""

_ROOFLINE = "prediction: roofline"
_TRAFFIC = "prediction: roofline, as if the tensors saved came from memory"
_PERCENT = 100


@dataclass(frozen=True)
class _Network:
    """Everything that the searches look at."""

    graph: Graph
    parts: Sequence[Part]
    found: Sequence[Assessment]
    costs: Costs
    roofline: Roofline
    owner: Mapping[int, Part]  # index of a node → its part

    def owners(self, nodes: Iterable[Node]) -> tuple[str, ...]:
        """Names of the parts of nodes, each once, in order."""
        parts = (self.owner.get(node.index) for node in nodes)
        return tuple(dict.fromkeys(part.name for part in parts if part is not None))

    def moving(self, traffic: float) -> float:
        """Seconds to move bytes."""
        return traffic / self.roofline.bandwidth


def opportunities(
    graph: Graph,
    parts: Sequence[Part],
    hardware: Hardware,
    parameters: ParameterStore,
    *,
    costs: Costs | None = None,
    found: Sequence[Assessment] | None = None,
    weight_bytes: int = DEFAULT_WEIGHT_BYTES,
) -> tuple[tuple[Opportunity, ...], tuple[Search, ...]]:
    """Everything that could be better, and how much of the weights was looked at for that.

    Args:
        graph: The network, raised, with static extents.
        parts: Its components.
        hardware: The machine that gains are for.
        parameters: Its weights.
        costs: Of the graph, if they are known already.
        found: The parts' assessments, likewise.
        weight_bytes: Bound on the bytes of weights that are read, for duplicates and for pruning
            each; 0 reads none. What lies beyond it isn't looked into.

    Returns:
        The opportunities, the largest predicted gain first; and the searches through the weights.
    """
    roofline = Roofline.of(hardware)
    costs = costs or Costs(graph)
    found = found or [assess(part, costs, roofline) for part in parts]
    owner = {node.index: part for part in parts for node in part.nodes}
    network = _Network(graph, parts, found, costs, roofline, owner)
    twins, compared = duplicate_weights(graph, parameters, weight_bytes)
    prunings, sampled = _prunings(network, parameters, weight_bytes)
    result = [
        *_fusions(network),
        *_merges(network),
        *_precisions(network),
        *_layout(network),
        *_caches(network),
        *_redundant(network, twins),
        *prunings,
    ]
    ordered = sorted(result, key=lambda o: (-o.seconds, -o.bytes, o.title))
    return tuple(ordered), (compared, sampled)


# Fusion

_POINTWISE = ("elementwise.", "activation.", "norm.")


def _fusions(network: _Network) -> Iterable[Opportunity]:
    """Per kind and role of part: the tensors between a producer and its only, pointwise user."""
    groups: dict[tuple[ComponentKind, str], tuple[list[str], int, int]] = {}
    for part in network.parts:
        inside = {node.index for node in part.nodes}
        saved = fused = 0
        for node in part.nodes:
            if not node.key.startswith(_POINTWISE) and node.key != "softmax":
                continue
            tensor = node.operands[0]
            for other in node.operands[1:]:  # the residual, not the bias, may come first
                if _is_private(other, inside) and not _is_private(tensor, inside):
                    tensor = other
            if _is_private(tensor, inside):
                saved += 2 * bytes_of(tensor)
                fused += 1
        if saved:
            names, total, ops = groups.setdefault((part.kind, part.role), ([], 0, 0))
            names.append(part.name)
            groups[part.kind, part.role] = (names, total + saved, ops + fused)
    for (kind, role), (names, saved, fused) in groups.items():
        where = _plural(len(names), f"{role} component")
        yield Opportunity(
            kind="fusion",
            title=f"Fuse {_plural(fused, 'pointwise op')} into what feeds them ({where})",
            detail=f"In {kind} components, the result of an op goes to one pointwise op or norm "
            "only: computed there at once, it needs no memory. Code generation does this for many.",
            components=tuple(names),
            seconds=network.moving(saved),
            bytes=0,
            basis=_TRAFFIC,
        )


def _is_private(tensor: Tensor, inside: set[int]) -> bool:
    """Whether a computed tensor has one user only, in the same part."""
    maker = tensor.node
    return (
        maker is not None
        and maker.index in inside
        and len(tensor.users) == 1
        and not tensor.is_output
        and short_key(maker) not in MOVEMENT
    )


# Merging products


def _merges(network: _Network) -> Iterable[Opportunity]:
    """Products of one tensor with several weights, which one product with all of them could be."""
    groups: dict[tuple[int, int], list[Node]] = {}
    for node in network.graph.nodes:
        if node.key == "matmul" and _is_weight(node.operands[1]):
            # (K, N) and (N, K) weights don't merge with each other without a transposition.
            groups.setdefault((id(node.operands[0]), node.int("transpose_rhs")), []).append(node)
    alike: dict[tuple[int, str], list[list[Node]]] = {}
    for nodes in groups.values():
        if len(nodes) > 1:
            part = network.owner.get(nodes[0].index)
            alike.setdefault((len(nodes), part.role if part else ""), []).append(nodes)
    for (count, role), merges in alike.items():
        again = sum((count - 1) * bytes_of(nodes[0].operands[0]) for nodes in merges)
        names = network.owners(node for nodes in merges for node in nodes)
        yield Opportunity(
            kind="qkv_merge",
            title=f"Merge {count} products of one tensor, {_plural(len(merges), 'time')} ({role})",
            detail=f"{_nodes(merges[0])} multiply the same tensor with {count} weights: one "
            "product with the weights side by side reads it once, and is a better size for a "
            "kernel.",
            components=names,
            seconds=network.moving(again),
            bytes=0,
            basis=_TRAFFIC,
        )


def _is_weight(tensor: Tensor) -> bool:
    return tensor.node is not None and tensor.node.is_constant and len(tensor.shape) == 2


# Precision


def _precisions(network: _Network) -> Iterable[Opportunity]:
    for precision in ("bf16", "int8"):
        suited = [a for a in network.found if precision in a.precisions]
        saved = sum(a.seconds["f32"] - a.seconds[precision] for a in suited)
        if not saved:
            continue
        total = sum(a.seconds["f32"] for a in network.found)
        weights = sum(a.weight_bytes["f32"] - a.weight_bytes[precision] for a in suited)
        yield Opportunity(
            kind="precision",
            title=f"Compute {_plural(len(suited), 'component')} in {precision}: "
            f"{_PERCENT * saved / total:.0f} % less time",
            detail=f"Their products reach {network.roofline.peak[precision] / 1e9:.0f} Gop/s in "
            f"{precision} here, {network.roofline.peak['f32'] / 1e9:.0f} in f32, and their weights "
            "get smaller. Whether the result is accurate enough has to be measured.",
            components=tuple(a.part.name for a in suited),
            seconds=saved,
            bytes=weights,
            basis=_ROOFLINE,
        )


# Layout


def _layout(network: _Network) -> Iterable[Opportunity]:
    nodes = [n for n in network.graph.nodes if n.key == "conv" and _has_window(n)]
    if not nodes:
        return
    seconds = sum(
        network.roofline.seconds(network.costs.flops[n.index], network.costs.of([n]).bytes)
        for n in nodes
    )
    yield Opportunity(
        kind="layout",
        title=f"Run {_plural(len(nodes), 'convolution')} with channels last",
        detail="They have channels first, as ONNX does. With channels last, the vectors of a "
        "direct convolution are contiguous in memory.",
        components=network.owners(nodes),
        seconds=CHANNELS_LAST_GAIN * seconds,
        bytes=0,
        basis=f"{_ROOFLINE}, and the gain of 3×3 convolutions measured once",
    )


def _has_window(node: Node) -> bool:
    """Whether it is a 2-D convolution of all channels, with a kernel larger than 1×1."""
    x, weight = node.operands[0].shape, node.operands[1].shape
    return len(weight) == 4 and weight[2:] != (1, 1) and weight[1] == x[1]


# Caches of keys and values


def _caches(network: _Network) -> Iterable[Opportunity]:
    """Inputs that are joined to something and given back longer."""
    copied: list[tuple[Node, Tensor]] = []
    nodes = dict.fromkeys(node for tensor in network.graph.inputs for node in tensor.users)
    for node in nodes:
        key = short_key(node)
        if key != "onnx.Concat" and not (key in DENSE and len(node.results) > 1):
            continue
        # Where the new positions are an input as well, the cache is the longer of the two.
        inputs = sorted((t for t in node.operands if t.node is None), key=bytes_of, reverse=True)
        for result in node.results:
            cache = next((t for t in inputs if result.is_output and _extends(result, t)), None)
            if cache is not None:
                inputs.remove(cache)
                copied.append((node, cache))
    if not copied:
        return
    size = sum(bytes_of(tensor) for _, tensor in copied)
    yield Opportunity(
        kind="kv_cache",
        title=f"Keep {_plural(len(copied), 'cache')} of keys and values in place",
        detail="Each call copies what was cached into a longer tensor and gives that back. With "
        "room for the longest sequence set aside, it writes the new positions only.",
        components=network.owners(node for node, _ in copied),
        seconds=network.moving(2 * size),
        bytes=size,
        basis=_ROOFLINE,
    )


def _extends(result: Tensor, cache: Tensor) -> bool:
    """Whether a result is a cache with more positions: one extent is larger, the others equal."""
    if not 3 <= len(cache.shape) == len(result.shape) or result.element != cache.element:
        return False
    differing = [
        (a, b) for a, b in zip(result.shape, cache.shape, strict=True) if a != b or a is None
    ]
    return len(differing) == 1 and (
        differing[0][0] is None or differing[0][0] > (differing[0][1] or 0)
    )


# Redundant computation and weights


def _redundant(network: _Network, twins: Sequence[Duplicate]) -> Iterable[Opportunity]:
    for twin in twins:
        yield _duplicate(network, twin)
    repeated = [
        group
        for group in repeated_nodes(network.graph, twins)
        if any(short_key(node) not in MOVEMENT for node in group)
    ]
    by_owner: dict[tuple[str, ...], list[Node]] = {}
    for group in repeated:
        by_owner.setdefault(network.owners(group), []).extend(group[1:])
    for owners, nodes in by_owner.items():
        flops = sum(network.costs.flops[node.index] for node in nodes)
        traffic = sum(bytes_of(result) for node in nodes for result in node.results)
        yield Opportunity(
            kind="redundant",
            title=f"Compute {_plural(len(nodes), 'op')} once ({', '.join(owners[:2])})",
            detail=f"{_nodes(nodes)} compute what others do: the same operation on the same "
            "operands.",
            components=owners,
            seconds=network.roofline.seconds(flops, traffic),
            bytes=0,
            basis=_ROOFLINE,
        )


def _duplicate(network: _Network, twin: Duplicate) -> Opportunity:
    copies = len(twin.names) - 1
    how = "transposed " if twin.transposed else ""
    users = [user for node in twin.nodes for user in node.consumers]
    return Opportunity(
        kind="redundant",
        title=f"Keep one of {len(twin.names)} equal weights ({twin.names[0]})",
        detail=f"{', '.join(twin.names[:4])} hold the same {how}values.",
        components=network.owners(users),
        seconds=0.0,
        bytes=copies * twin.nbytes,
        basis="content of the weights",
    )


# Pruning


def _prunings(
    network: _Network, weights: ParameterStore, budget: int
) -> tuple[list[Opportunity], Search]:
    """What the weights of products say, in program order, as far as the budget goes."""
    found: list[Opportunity] = []
    sizes: dict[str, int] = {}  # those of the products
    examined: set[str] = set()
    read = 0
    for node in network.graph.nodes:
        part = network.owner.get(node.index)
        if node.key not in ("matmul", "conv") or part is None:
            continue
        maker = node.operands[1].node
        if maker is None or maker.key != "param":
            continue
        sizes[maker.parameter] = bytes_of(node.operands[1])
        read += sampled_bytes(node)
        if read <= budget:
            examined.add(maker.parameter)
            found += _pruning(network, weights, node, part)
    looked_at = sum(sizes[name] for name in examined)
    return found, Search("pruning", sum(sizes.values()), looked_at, budget)


def _pruning(
    network: _Network, weights: ParameterStore, node: Node, part: Part
) -> Iterable[Opportunity]:
    """What could be left out of a product."""
    weight = node.operands[1]
    assert weight.node is not None
    finders: list[tuple[str, Callable[[Node, Part], int]]] = [
        ("channel", lambda node, _: dead_channels(node, weights)),
        ("head", lambda node, part: dead_heads(node, part, weights)),
    ]
    for what, find in finders:
        dead = find(node, part)
        if not dead:
            continue
        of = extent(node.result, 1 if node.key == "conv" else -1)
        if what == "head" and part.attention is not None:
            of = part.attention.heads
        share = dead / max(1, of)
        flops, cost = network.costs.flops[node.index], network.costs.of([node])
        full = network.roofline.seconds(flops, cost.bytes)
        kept = network.roofline.seconds((1 - share) * flops, cost.bytes - share * cost.weight_bytes)
        yield Opportunity(
            kind="pruning",
            title=f"Remove {dead} of {_plural(of, what)} ({part.name})",
            detail=f"In {weight.node.parameter!r} their weights are near zero: less than "
            "a thousandth of the median. What follows must be checked on data.",
            components=(part.name,),
            seconds=full - kept,
            bytes=int(share * bytes_of(weight)),
            basis=f"content of the weights; {_ROOFLINE}",
        )


def _nodes(nodes: Sequence[Node]) -> str:
    """Some of the ONNX nodes behind nodes."""
    names = list(dict.fromkeys(name for node in nodes for name in node.names))
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown or "Nodes"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
