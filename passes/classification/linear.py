"""What a gate reads: sums of products of data with weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noema.dialects.graph import Node, Tensor
from noema.passes.classification.draft import CONV, MATMUL, MOVES, Draft, strip_moves

_HANDS_ON = MOVES - {"onnx.Concat"} | {
    "elementwise.cast",
    "elementwise.clip",
    "norm.layer",
    "onnx.Gather",
}
"""Ops with one operand of data that a sum of products may go through."""
SIGMOIDS = frozenset({"activation.sigmoid", "activation.hard_sigmoid"})
_DEEPEST = 24


@dataclass(frozen=True)
class Linear:
    """A sum of products with weights, with biases, and cut out of wider ones.

    Attributes:
        products: The products with weights.
        nodes: The nodes between these and the sum, itself included.
        scaled: Its terms that are products of data with data, or with a sigmoid.
    """

    products: Sequence[Node]
    nodes: Sequence[Node]
    scaled: Sequence[Node]


def linear_of(draft: Draft, tensor: Tensor) -> Linear | None:
    """What a value is as a sum of products; None if there is none with a weight in it.

    Terms that are neither, such as inputs that were multiplied elsewhere, aren't looked into.
    """
    found = _linear(draft, tensor, _DEEPEST)
    return found if found.products else None


_NOTHING = Linear((), (), ())


def _linear(draft: Draft, tensor: Tensor, depth: int) -> Linear:
    node = tensor.node
    if node is None or not draft.is_free(node) or not depth:
        return _NOTHING
    if _is_product(draft, node):
        return Linear((node,), (), ())
    data = draft.data(node)
    if node.key == "elementwise.mul" and (len(data) == 2 or _is_gate(draft, data)):
        return Linear((), (), (node,))
    if node.key == "elementwise.add" and len(data) == 2:
        left, right = (_linear(draft, t, depth - 1) for t in data)
    elif len(data) == 1 and (node.key in _HANDS_ON or draft.is_affine(node)):
        left, right = _linear(draft, data[0], depth - 1), _NOTHING
        if not left.products:  # a weight of the state itself: a peephole
            return _NOTHING
    else:
        return _NOTHING
    products = (*left.products, *right.products)
    own = (node,) if products else ()
    return Linear(products, (*left.nodes, *right.nodes, *own), (*left.scaled, *right.scaled))


def _is_product(draft: Draft, node: Node) -> bool:
    """Whether a node multiplies data with a weight, or a state that starts as zeros."""
    if node.key not in MATMUL and node.key not in CONV:
        return False
    return (node.operands[0].node in draft.static) != (node.operands[1].node in draft.static)


def _is_gate(draft: Draft, data: Sequence[Tensor]) -> bool:
    sources = (strip_moves(draft, t).node for t in data)
    return any(n is not None and n.key in SIGMOIDS for n in sources)


def sources_of(draft: Draft, product: Node) -> list[Tensor]:
    """The values that a product with a weight multiplies, where several are joined each of them."""
    stack = [t for t in product.operands[:2] if t.node not in draft.static]
    found: list[Tensor] = []
    while stack:
        tensor = strip_moves(draft, stack.pop())
        if tensor.node is not None and tensor.node.key == "onnx.Concat":
            stack += draft.data(tensor.node)
        else:
            found.append(tensor)
    return found


def weights_of(draft: Draft, product: Node) -> set[str]:
    """What tells the weight of a product from others: the parameters that it is made of."""
    stack = [t for t in product.operands[:2] if t.node in draft.static]
    found: set[str] = set()
    while stack:
        tensor = stack.pop()
        node = tensor.node
        if node is None:
            continue
        if not node.is_constant:
            stack += node.operands
        elif len(tensor.shape) > 1:
            found.add(node.parameter if node.key == "param" else f"%{node.index}")
    return found
