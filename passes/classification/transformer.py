"""Finds attention layers, MLPs, norms and residual additions."""

from __future__ import annotations

from collections.abc import Iterator

from noema.dialects.attrs import Role
from noema.dialects.graph import Node, Tensor
from noema.passes.classification.draft import (
    ATTENTION,
    CONV,
    MATMUL,
    MOVES,
    ROPE,
    Draft,
    Part,
    strip_moves,
    upstream,
)
from noema.workload import ComponentKind

_PROJECTIONS = (Role.ATTENTION_QUERY, Role.ATTENTION_KEY, Role.ATTENTION_VALUE)
_QUERY_KEY_NORMS = frozenset({"norm.rms", "norm.layer"})


def find_attention(draft: Draft) -> None:
    """Makes a part of each attention, from its projections to its output projection."""
    cores = [(node, _operands(draft, node)) for node in draft.free(ATTENTION)]
    cores += list(_spelled_out(draft))
    for core, (query, key, value) in cores:
        if not draft.is_free(core):
            continue
        part = draft.start(ComponentKind.ATTENTION, Role.ATTENTION, core, Role.ATTENTION_SCORES)
        sources: list[set[Tensor]] = []
        for role, tensor in zip(_PROJECTIONS, (query, key, value), strict=True):
            sources.append(_take_projection(draft, part, tensor, role))
        if core.key not in ATTENTION:
            for node in upstream([core.operands[0]], draft):
                if _reaches(draft, node, part):
                    draft.take(part, node, Role.ATTENTION_SCORES)
        if sources[0] and sources[1] and not sources[0] & sources[1]:
            part.role = Role.ATTENTION_CROSS
        _take_output(draft, part, core)


def _operands(draft: Draft, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    del draft
    query, key, value = node.operands[:3]
    return query, key, value


def _spelled_out(draft: Draft) -> Iterator[tuple[Node, tuple[Tensor, Tensor, Tensor]]]:
    """Attention that no pattern could raise: product · softmax · product, all of data."""
    for softmax in draft.free(frozenset({"softmax"})):
        rank = len(softmax.result.shape)
        if rank < 3 or softmax.int("axis") != rank - 1:
            continue
        scores = _through(draft, softmax.operands[0])
        if scores is None:
            continue
        core = _mixing(draft, softmax)
        if core is not None and draft.is_free(core) and draft.is_free(scores):
            yield core, (scores.operands[0], scores.operands[1], core.operands[1])


def _through(draft: Draft, tensor: Tensor) -> Node | None:
    """The product of two data that scores come from, below scale, mask, casts and moves."""
    stack, seen = [tensor.node], set[Node]()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.key in MATMUL:
            if len(draft.data(node)) == 2:
                return node
        elif node.key.startswith("elementwise.") or node.key in MOVES:
            stack += [t.node for t in reversed(draft.data(node))]
        if len(seen) > 24:
            break
    return None


def _mixing(draft: Draft, softmax: Node) -> Node | None:
    """The product that the probabilities are the left side of."""
    node = softmax
    for _ in range(6):
        # A guard of rows in which everything is masked reads the probabilities twice.
        following = [n for n in draft.readers(node) if n.key != "elementwise.is_nan"]
        if len(following) != 1:
            return None
        (after,) = following
        if after.key in MATMUL and len(draft.data(after)) == 2:
            return after if after.operands[0] is node.result else None
        if not (after.key in MOVES or after.key.startswith("elementwise.")):
            return None
        node = after
    return None


def _reaches(draft: Draft, node: Node, part: Part) -> bool:
    """Whether all that uses a node is in the part."""
    return all(draft.owner.get(user) is part for t in node.results for user in t.users)


def _take_projection(draft: Draft, part: Part, tensor: Tensor, role: Role) -> set[Tensor]:
    """Takes the nodes between a layer's input and its queries, keys or values.

    Returns:
        The values that the projections read, without the moves that they came through.
    """
    sources: set[Tensor] = set()
    stack, seen = [tensor], set[Tensor]()
    while stack:
        tensor = stack.pop()
        node = tensor.node
        if tensor in seen:
            continue
        seen.add(tensor)
        if node is None:
            continue
        if draft.owner.get(node) is part:
            # Reached before, from another of the three: it makes several of them.
            if draft.is_weighted(node):
                part.nodes[node] = Role.ATTENTION_QKV
                sources.add(strip_moves(draft, draft.data(node)[0]))
            else:
                stack += draft.data(node)
            continue
        if not draft.is_free(node):
            continue
        if draft.is_weighted(node):
            draft.take(part, node, role)
            sources.add(strip_moves(draft, draft.data(node)[0]))
        elif node.key in ROPE:
            draft.take(part, node, Role.ATTENTION_ROPE)
            stack.append(node.operands[0])
        elif node.key in _QUERY_KEY_NORMS and _is_projected(draft, node.operands[0]):
            draft.take(part, node, Role.NORM_QUERY_KEY)
            stack.append(node.operands[0])
        elif node.key == "onnx.Concat" and any(_is_input(t) for t in node.operands):
            draft.take(part, node, Role.ATTENTION_CACHE)
            stack += draft.data(node)
        elif _carries(draft, node):
            draft.take(part, node, role)
            stack += draft.data(node)
        elif node.key not in _QUERY_KEY_NORMS:
            continue
        else:
            sources.add(tensor)
    return sources


def _carries(draft: Draft, node: Node) -> bool:
    """Whether a node hands a projection on: a bias, a scale, a move, a selection."""
    if node.key in ("onnx.Concat", "onnx.Expand", "onnx.Tile"):
        return _is_projected(draft, node.result)
    if node.key in ("onnx.Gather", "embedding"):
        return not draft.is_static(node.operands[0]) and _is_projected(draft, node.operands[0])
    if node.key in MOVES or draft.is_affine(node) or node.key == "elementwise.clip":
        return _is_projected(draft, node.result)
    return False


def _is_projected(draft: Draft, tensor: Tensor) -> bool:
    """Whether a value is a product with a weight that was moved, scaled, biased, rotated."""
    stack, seen = [tensor], set[Tensor]()
    while stack and len(seen) < 64:
        tensor = stack.pop()
        node = tensor.node
        if node is None or tensor in seen or node in draft.static:
            continue
        seen.add(tensor)
        if draft.is_weighted(node):
            return True
        if node.key in ROPE or node.key in _QUERY_KEY_NORMS or node.key == "onnx.Gather":
            stack.append(node.operands[0])
        elif node.key in MOVES or draft.is_affine(node) or node.key == "elementwise.clip":
            stack += draft.data(node)
    return False


def _is_input(tensor: Tensor) -> bool:
    return tensor.node is None


def _take_output(draft: Draft, part: Part, core: Node) -> None:
    """Takes what brings the heads together and projects them, with its bias."""
    node = core
    for _ in range(12):
        following = draft.readers(node)
        if len(following) != 1 or node.result.is_output:
            return
        (after,) = following
        if not draft.is_free(after):
            return
        if draft.is_weighted(after):
            draft.take(part, after, Role.ATTENTION_OUTPUT)
            _take_bias(draft, part, after, Role.ATTENTION_OUTPUT)
            return
        if not (after.key in MOVES - {"onnx.Concat"} or draft.is_affine(after)):
            return
        draft.take(part, after, Role.ATTENTION_OUTPUT)
        node = after


def _take_bias(draft: Draft, part: Part, node: Node, role: Role) -> Node:
    """Takes the constant additions, scales and moves that follow; returns the last one."""
    while not node.result.is_output and len(draft.readers(node)) == 1:
        (after,) = draft.readers(node)
        moves = after.key in MOVES - {"onnx.Concat"} and bool(draft.data(after))
        if not draft.is_free(after) or not (draft.is_affine(after) or moves):
            break
        draft.take(part, after, role)
        node = after
    return node


def find_masks(draft: Draft) -> None:
    """Makes parts of what computes attention masks and the angles of rotary embeddings."""
    for part in [p for p in draft.parts if p.kind is ComponentKind.ATTENTION]:
        for node in list(part.nodes):
            if node.key in ATTENTION:
                _flood(draft, node.operands[3:], ComponentKind.MASK, Role.ATTENTION_MASK)
            elif node.key in ROPE:
                _flood(draft, node.operands[1:], ComponentKind.GENERIC, Role.ATTENTION_ROPE)


_STOPS = MATMUL | CONV | ATTENTION | {"embedding"}


def _flood(draft: Draft, tensors: list[Tensor], kind: ComponentKind, role: Role) -> None:
    found = list(upstream(tensors, draft))
    if not found or any(draft.is_weighted(node) for node in found):
        return
    joined = next(
        (
            p
            for n in found
            for c in n.consumers
            if (p := draft.owner.get(c)) and p.kind is kind and p.role is role
        ),
        None,
    )
    for node in found:
        if joined is None:
            joined = draft.start(kind, role, node, role)
        else:
            draft.take(joined, node, role)


def find_mlps(draft: Draft) -> None:
    """Makes a part of each chain of products with weights that only pointwise ops are between."""
    for first in draft.free(MATMUL):
        if not draft.is_weighted(first):
            continue
        part = draft.start(ComponentKind.MLP, Role.MLP, first, Role.MLP_UP)
        reach: dict[Node, bool] = {}
        stack = [first]
        products = [first]
        while stack:
            node = stack.pop()
            for user in node.consumers:
                if draft.is_free(user) and _leads(draft, user, reach, part):
                    if draft.is_weighted(user):
                        products.append(user)
                        draft.take(part, user, Role.MLP_UP)
                    else:
                        draft.take(part, user, Role.MLP_ACTIVATION)
                    stack.append(user)
                    stack += _gates(draft, part, user, products)
        for product in products:
            draft.epilogue(part, product, Role.MLP_ACTIVATION)
        _name_mlp_roles(draft, part, products)


def _leads(draft: Draft, node: Node, reach: dict[Node, bool], part: Part) -> bool:
    """Whether a node hands a product on to another product with a weight, pointwise."""
    if node in reach:
        return reach[node]
    reach[node] = False
    if not draft.is_free(node):
        answer = draft.owner.get(node) is part
    elif draft.is_weighted(node) and node.key in MATMUL:
        answer = True
    elif _passes(draft, node):
        answer = any(_leads(draft, user, reach, part) for user in node.consumers)
    else:
        answer = False
    reach[node] = answer
    return answer


def _passes(draft: Draft, node: Node) -> bool:
    if node.key == "elementwise.mul" and len(draft.data(node)) == 2:
        return all(_is_linear(draft, t) for t in draft.data(node))
    return draft.is_pointwise(node) or (
        node.key in MOVES and node.key != "onnx.Concat" and len(draft.data(node)) == 1
    )


def _is_linear(draft: Draft, tensor: Tensor) -> bool:
    """Whether a value is a product with a weight, with pointwise ops and moves after it."""
    for _ in range(12):
        node = tensor.node
        if node is None:
            return False
        if draft.is_weighted(node):
            return True
        data = draft.data(node)
        if len(data) == 1 and (draft.is_pointwise(node) or node.key in MOVES):
            tensor = data[0]
        elif len(data) == 2 and node.key == "elementwise.mul" and data[0] is not data[1]:
            # x · sigmoid(x) that stayed two ops
            tensor = data[0]
        else:
            return False
    return False


def _gates(draft: Draft, part: Part, node: Node, products: list[Node]) -> list[Node]:
    """Takes what leads to the other factor of a gate; returns the product that it starts at."""
    if node.key != "elementwise.mul" or len(draft.data(node)) != 2:
        return []
    found: list[Node] = []
    for tensor in draft.data(node):
        here = tensor.node
        while draft.is_free(here):
            assert here is not None
            if draft.is_weighted(here):
                draft.take(part, here, Role.MLP_UP)
                products.append(here)
                found.append(here)
                break
            draft.take(part, here, Role.MLP_ACTIVATION)
            data = draft.data(here)
            if len(data) != 1:
                break
            here = data[0].node
    return found


def _name_mlp_roles(draft: Draft, part: Part, products: list[Node]) -> None:
    products.sort(key=lambda node: node.index)
    gates = [
        n
        for n in part.nodes
        if n.key == "elementwise.mul"
        and len(draft.data(n)) == 2
        and part.nodes[n] is Role.MLP_ACTIVATION
    ]
    if len(products) > 1:
        part.nodes[products[-1]] = Role.MLP_DOWN
    elif not any(node.key.startswith("activation.") for node in part.nodes):
        part.kind, part.role = ComponentKind.GENERIC, Role.PROJECTION
        part.nodes[products[0]] = Role.PROJECTION
    if gates:
        part.role = Role.MLP_GATED
        for product in products[:-1]:
            if any(_is_activated(draft, product, gate) for gate in gates):
                part.nodes[product] = Role.MLP_GATE


def _is_activated(draft: Draft, product: Node, gate: Node) -> bool:
    """Whether an activation lies between a product and the gate that it ends in."""
    node, activated = product, False
    while node is not gate:
        following = [n for n in node.consumers if draft.owner.get(n) is draft.owner.get(product)]
        if not following:
            return False
        if any(n.key.startswith("activation.") for n in following):
            activated = True
        node = following[0]
    return activated


def find_norms(draft: Draft) -> None:
    """Makes a part of each norm that isn't in one yet."""
    for node in draft.free():
        if node.key.startswith("norm."):
            draft.start(ComponentKind.NORM, Role.NORM, node, Role.NORM)


def take_residuals(draft: Draft) -> None:
    """Gives each residual addition to the part that computed the later of its operands."""
    for node in draft.free(frozenset({"elementwise.add"})):
        if not draft.is_residual(node):
            continue
        branches = [_branch(draft, t) for t in node.operands]
        owners = [(n.index, draft.owner[n]) for n in branches if n is not None]
        if owners:
            _, part = max(owners, key=lambda pair: pair[0])
            role = Role.RESIDUAL
            if part.kind is ComponentKind.EMBEDDING:
                role = part.role
            draft.take(part, node, role)


def _branch(draft: Draft, tensor: Tensor) -> Node | None:
    """The node in a part that a value comes from, below free pointwise ops and moves."""
    node = tensor.node
    while node is not None and draft.is_free(node):
        data = draft.data(node)
        if len(data) != 1 or not (draft.is_pointwise(node) or node.key in MOVES):
            return None
        node = data[0].node
    return node if node in draft.owner else None


def name_norm_roles(draft: Draft) -> None:
    """Tells norms before a layer from those after it, and the last one."""
    for part in draft.parts:
        if part.kind is not ComponentKind.NORM:
            continue
        norm = part.anchor
        source = norm.operands[0]
        if all(not t.users for t in norm.results) or _only_to_heads(draft, norm):
            role = Role.NORM_FINAL
        elif (
            source.node is not None
            and draft.is_residual(source.node)
            and len(draft.readers(source.node)) == 1
        ):
            role = Role.NORM_POST
        elif len(source.users) > 1:
            role = Role.NORM_PRE
        else:
            role = Role.NORM
        part.role = role
        for node, own in part.nodes.items():
            if own is Role.NORM:
                part.nodes[node] = role


def _only_to_heads(draft: Draft, norm: Node) -> bool:
    """Whether what a norm makes goes to outputs and heads only."""
    stack, seen = [norm], set[Node]()
    while stack:
        node = stack.pop()
        for user in node.consumers:
            part = draft.owner.get(user)
            if (
                part is None
                or part.kind in (ComponentKind.HEAD, ComponentKind.NORM)
                or (user.key in MOVES)
            ):
                if user not in seen:
                    seen.add(user)
                    stack.append(user)
            else:
                return False
    return True
