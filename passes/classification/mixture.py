"""Mixes of two values: z a + (1 - z) b, however it is factored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from noema.dialects.graph import Node, Tensor
from noema.passes.patterns.match import number

_ARITHMETIC = frozenset(
    {"elementwise.add", "elementwise.sub", "elementwise.mul", "elementwise.neg"}
)
_DEEPEST = 8
_MOST_TERMS = 16
_NEAR = 4
"""How many ops may stand between one of the two and the mix."""

_Sum = Mapping[frozenset[Tensor], float]
"""Products of values, each with its coefficient."""


@dataclass(frozen=True)
class Mixture:
    """A mix of a value with another one.

    Attributes:
        result: The mix.
        weight: z: one of the two has it, the other 1 - z.
        other: The other value; None if it is zero, or a sum or product itself.
        nodes: The nodes that mix.
    """

    result: Tensor
    weight: Tensor
    other: Tensor | None
    nodes: Sequence[Node]


def mixtures_of(value: Tensor, known: Collection[Tensor]) -> Iterator[Mixture]:
    """The mixes of a value with others that are near it.

    Args:
        value: The value.
        known: Values that aren't looked into.
    """
    level, seen = [value], {value}
    for _ in range(_NEAR):
        users = dict.fromkeys(u for t in level for u in t.users if u.key in _ARITHMETIC)
        level = [n.result for n in users if n.result not in seen]
        seen.update(level)
        for tensor in level:
            found = _mixture(tensor, value, known)
            if found is not None:
                yield found


def _mixture(root: Tensor, value: Tensor, known: Collection[Tensor]) -> Mixture | None:
    if root.node is None or root.node.key not in ("elementwise.add", "elementwise.sub"):
        return None
    visited: set[Node] = set()
    terms = _expanded(root, {value, *known} - {root}, visited, _DEEPEST)
    if terms is None:
        return None
    for weight in {t for m in terms if len(m) == 2 and value in m for t in m if t is not value}:
        alone, both = frozenset({value}), frozenset({value, weight})
        rest = {m: k for m, k in terms.items() if m not in (alone, both)}
        with_weight = {m - {weight}: k for m, k in rest.items() if weight in m}
        without = {m: k for m, k in rest.items() if weight not in m}
        shares = terms.get(alone, 0.0), terms.get(both, 0.0)
        if shares == (1.0, -1.0) and not without:  # (1 - z) value + z other
            other = with_weight
        elif shares == (0.0, 1.0) and with_weight == {m: -k for m, k in without.items()}:
            other = without
        else:
            continue
        single = [next(iter(m)) for m, k in other.items() if len(m) == 1 and k == 1.0]
        return Mixture(
            root,
            weight,
            single[0] if len(other) == len(single) == 1 else None,
            _above({value, weight}, visited),
        )
    return None


def _above(values: set[Tensor], nodes: Collection[Node]) -> list[Node]:
    """Those of the nodes that depend on the values, by way of each other."""
    reached, found = set(values), list[Node]()
    for node in sorted(nodes, key=lambda n: n.index):
        if not reached.isdisjoint(node.operands):
            found.append(node)
            reached.update(node.results)
    return found


def _expanded(
    tensor: Tensor, leaves: Collection[Tensor], visited: set[Node], depth: int
) -> dict[frozenset[Tensor], float] | None:
    """A value as a sum of products of others; None if it has squares, or too many terms."""
    node = tensor.node
    if node is not None and node.key == "constant":
        value = number(node.op.results[tensor.position])
        if value is not None:
            return {frozenset(): value} if value else {}
    if tensor in leaves or node is None or node.key not in _ARITHMETIC or not depth:
        return {frozenset({tensor}): 1.0}
    visited.add(node)
    inner = [_expanded(t, leaves, visited, depth - 1) for t in node.operands]
    sums = [s for s in inner if s is not None]
    if len(sums) < len(inner):
        return None
    if node.key == "elementwise.neg":
        return {m: -k for m, k in sums[0].items()}
    a, b = sums
    if node.key == "elementwise.mul":
        if len(a) * len(b) > _MOST_TERMS or any(m & n for m in a for n in b):
            return None
        products: dict[frozenset[Tensor], float] = {}
        for m, k in a.items():
            for n, other in b.items():
                products[m | n] = products.get(m | n, 0.0) + k * other
        return _nonzero(products)
    sign = 1.0 if node.key == "elementwise.add" else -1.0
    total = dict(a)
    for m, k in b.items():
        total[m] = total.get(m, 0.0) + sign * k
    return _nonzero(total) if len(total) <= _MOST_TERMS else None


def _nonzero(terms: _Sum) -> dict[frozenset[Tensor], float]:
    return {m: k for m, k in terms.items() if k}
