"""Finds convolution blocks, squeeze-and-excite, patch embeddings and pools."""

from __future__ import annotations

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

GLOBAL_POOLS = frozenset(
    {"onnx.GlobalAveragePool", "onnx.GlobalMaxPool", "onnx.ReduceMean", "onnx.ReduceMax"}
)
POOLS = GLOBAL_POOLS | {"pool", "onnx.AveragePool", "onnx.MaxPool", "onnx.LpPool"}
RESAMPLES = frozenset(
    {"onnx.Resize", "onnx.Upsample", "onnx.DepthToSpace", "onnx.SpaceToDepth", "onnx.GridSample"}
)
_GATES = frozenset(
    {"activation.sigmoid", "activation.hard_sigmoid", "elementwise.clip", "activation.relu"}
)
_LONGEST_GATE = 16


def find_squeeze_excite(draft: Draft) -> None:
    """Makes a part of each gate that scales channels by what their own means say."""
    for product in draft.free(frozenset({"elementwise.mul"})):
        data = draft.data(product)
        if len(data) != 2:
            continue
        for gate, x in (data, reversed(data)):
            found = _gate(draft, gate, x)
            if found is not None:
                part = draft.start(
                    ComponentKind.SQUEEZE_EXCITE, Role.SQUEEZE_EXCITE, product, Role.SQUEEZE_EXCITE
                )
                for node in found:
                    draft.take(part, node, Role.SQUEEZE_EXCITE)
                break


def _gate(draft: Draft, tensor: Tensor, x: Tensor) -> list[Node] | None:
    """The nodes of a gate, from the pooling of `x` to its last activation; None if it isn't one."""
    found: list[Node] = []
    products = 0
    while len(found) < _LONGEST_GATE:
        node = tensor.node
        if not draft.is_free(node):
            return None
        assert node is not None
        found.append(node)
        if node.key in POOLS:
            return found[::-1] if products and node.operands[0] is x else None
        data = draft.data(node)
        if not products and draft.is_weighted(node) and not any(n.key in _GATES for n in found):
            return None
        products += draft.is_weighted(node)
        if len(data) != 1 or not (
            draft.is_weighted(node)
            or draft.is_pointwise(node)
            or node.key in MOVES
            or node.key.startswith("norm.batch")
        ):
            return None
        tensor = data[0]
    return None


def find_patches(draft: Draft) -> None:
    """Makes an embedding of each convolution that cuts an image into tokens for attention."""
    if not draft.has(ATTENTION | {"softmax"}):
        return
    for conv in draft.free(CONV):
        if not _cuts(conv) or not _from_input(draft, conv.operands[0]):
            continue
        moved = _tokens(draft, conv)
        if moved:
            part = draft.start(
                ComponentKind.EMBEDDING, Role.EMBEDDING_PATCH, conv, Role.EMBEDDING_PATCH
            )
            for node in moved:
                role = Role.EMBEDDING_CLASS if node.key == "onnx.Concat" else Role.EMBEDDING_PATCH
                draft.take(part, node, role)


def _cuts(conv: Node) -> bool:
    """Whether the windows of a convolution lie side by side."""
    kernel = conv.operands[1].shape[2:]
    strides = conv.ints("strides", (1,) * len(kernel))
    return len(kernel) == 2 and kernel == strides and (kernel[0] or 0) > 1


def _from_input(draft: Draft, tensor: Tensor) -> bool:
    """Whether a value is an input of the network, perhaps moved or normalised."""
    for _ in range(8):
        node = tensor.node
        if node is None:
            return True
        data = draft.data(node)
        if len(data) != 1 or not (draft.is_pointwise(node) or node.key in MOVES):
            return False
        tensor = data[0]
    return False


def _tokens(draft: Draft, conv: Node) -> list[Node]:
    """The nodes that make a sequence of a convolution's result; none if nothing does."""
    found: list[Node] = []
    node = conv
    while len(draft.readers(node)) == 1 and draft.is_free(draft.readers(node)[0]):
        (after,) = draft.readers(node)
        shape_alone = after.key in MOVES or (draft.is_affine(after) and node is conv)
        if not shape_alone or len(draft.data(after)) != 1:
            break
        found.append(after)
        node = after
    return found if any(len(n.result.shape) == 3 for n in found) else []


def find_convs(draft: Draft) -> None:
    """Makes a part of each convolution, with the norm, activation and residual that follow it."""
    for conv in draft.free(CONV):
        role = _conv_role(draft, conv)
        part = draft.start(ComponentKind.CONV_BLOCK, role, conv, role)
        before = conv.operands[0].node
        if (
            before is not None
            and draft.is_free(before)
            and before.key == "onnx.Pad"
            and len(draft.readers(before)) == 1
        ):
            draft.take(part, before, role)
        _take_epilogue(draft, part, conv)


def _take_epilogue(draft: Draft, part: Part, node: Node) -> None:
    while len(draft.readers(node)) == 1 and not node.result.is_output:
        (after,) = draft.readers(node)
        if not draft.is_free(after):
            return
        if after.key == "norm.batch":
            draft.take(part, after, Role.CONV_NORM)
        elif draft.is_residual(after):
            if any(draft.is_free(t.node) for t in after.operands):
                return  # the other branch comes later, and takes it
            draft.take(part, after, Role.RESIDUAL)
        elif draft.is_affine(after):
            draft.take(part, after, part.nodes[part.anchor])
        elif draft.is_pointwise(after):
            draft.take(part, after, Role.CONV_ACTIVATION)
        else:
            return
        node = after


def _conv_role(draft: Draft, conv: Node) -> Role:
    if conv.key == "onnx.ConvTranspose":
        return Role.CONV_TRANSPOSED
    weight = conv.operands[1].shape
    x = conv.operands[0].shape
    groups = conv.int("groups", conv.int("group", 1))
    channels = x[1] if len(x) > 1 else None
    if groups > 1 and groups == channels:
        return Role.CONV_DEPTHWISE
    if all(extent == 1 for extent in weight[2:]):
        return _pointwise_role(draft, conv)
    if _from_input(draft, conv.operands[0]):
        return Role.CONV_STEM
    return Role.CONV


def _pointwise_role(draft: Draft, conv: Node) -> Role:
    """Which of the 1×1 convolutions of a block it is."""
    source = strip_moves(draft, conv.operands[0])
    if _is_depthwise(_conv_before(draft, source)):
        return Role.CONV_PROJECT
    after = conv
    while len(draft.readers(after)) == 1:
        (after,) = draft.readers(after)
        if after.key in CONV:
            return Role.CONV_EXPAND if _is_depthwise(after) else Role.CONV_POINTWISE
        if draft.is_residual(after):
            return Role.CONV_SHORTCUT if len(source.users) > 1 else Role.CONV_POINTWISE
        if not (after.key == "norm.batch" or draft.is_pointwise(after)):
            break
    return Role.CONV_POINTWISE


def _is_depthwise(conv: Node | None) -> bool:
    if conv is None or conv.key not in CONV or len(conv.operands[0].shape) < 2:
        return False
    groups = conv.int("groups", conv.int("group", 1))
    return groups > 1 and groups == conv.operands[0].shape[1]


def _conv_before(draft: Draft, tensor: Tensor) -> Node | None:
    """The convolution that a value comes from, below norm, activation and gate."""
    for _ in range(8):
        node = tensor.node
        if node is None or node.key in CONV:
            return node
        data = draft.data(node)
        if node.key == "elementwise.mul" and len(data) == 2:
            part = draft.owner.get(node)
            if part is None or part.kind is not ComponentKind.SQUEEZE_EXCITE:
                return None
            gates = part.nodes
            tensor = next((t for t in data if t.node not in gates), data[0])
        elif len(data) == 1 and (node.key == "norm.batch" or draft.is_pointwise(node)):
            tensor = data[0]
        else:
            return None
    return None


def find_pools(draft: Draft) -> None:
    """Makes a part of each pooling, and of each resampling."""
    for node in draft.free(POOLS | RESAMPLES):
        if node.key in GLOBAL_POOLS and len(node.result.shape) == 0:
            continue
        if node.key in RESAMPLES:
            draft.start(ComponentKind.GENERIC, Role.RESAMPLE, node, Role.RESAMPLE)
        else:
            draft.start(ComponentKind.POOL, Role.POOL, node, Role.POOL)
