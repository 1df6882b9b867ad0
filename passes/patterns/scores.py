"""Attention scores, from what the softmax reads down to the product of queries and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dialects.graph import definer, key_of
from noema.dialects.shapes import Shape, broadcast_shapes
from noema.passes.patterns.build import constant_of
from noema.passes.patterns.match import number
from noema.passes.patterns.onnx_rewrite import element_of, elementwise, with_shape
from noema.passes.patterns.operands import regroups, to_heads
from noema.passes.patterns.pattern import Declined

MASKED = -1000.0
"""A constant at most this in place of a score forbids its key: exp of it beside any score is 0."""
_LEAST = -3.4028234663852886e38
"""The least f32."""
_RESHAPES = frozenset({"onnx.Reshape", "onnx.Unsqueeze", "onnx.Squeeze"})
_DEPTH = 16


@dataclass(frozen=True)
class Term:
    """One thing that is done to scores to forbid keys or to prefer some.

    Attributes:
        value: What is added; or a boolean tensor, and scores where it isn't `keeps` are replaced.
        factor: What the value is multiplied with before; -1 for one that is subtracted.
        keeps: The boolean value for which scores stay; None for an addition.
        forbids: What the others are replaced with.
        rank: Of the scores where it happens.
    """

    value: ir.Value
    factor: float = 1.0
    keeps: bool | None = None
    forbids: float = 0.0
    rank: int = 4


@dataclass
class Scores:
    """Attention scores: cap(product · scale), and then the terms, from the last to the first.

    Attributes:
        product: The product of queries and keys.
        scale: Its factor.
        softcap: The cap, 0 for none.
        terms: What happens to the scores, the outermost first.
        heads: How many heads share a batch, where a reshape showed it.
        covers: The ops between softmax and product, the product among them.
    """

    product: ir.Operation
    scale: float = 1.0
    softcap: float = 0.0
    terms: list[Term] = field(default_factory=list[Term])
    heads: int | None = None
    covers: list[ir.Operation] = field(default_factory=list[ir.Operation])


def scores_of(value: ir.Value) -> Scores | None:
    """What a value is as scores; None if it isn't made from a product in the ways known.

    Raises:
        Declined: It nearly is.
    """
    scale, softcap, heads = 1.0, 0.0, None
    terms: list[Term] = []
    covers: list[ir.Operation] = []
    for _ in range(_DEPTH):
        op = definer(value)
        if op is None:
            return None
        key = key_of(op)
        covers.append(op)
        if key == "matmul":
            return Scores(op, scale, softcap, terms, heads, covers)
        shape = sem.shape_of(value)
        if key == "elementwise.cast":
            value = op.operands[0]
        elif key in _RESHAPES:
            before = sem.shape_of(op.operands[0])
            if not regroups(before, shape):
                return None
            heads = heads or heads_in(before, shape)
            value = op.operands[0]
        elif key in ("elementwise.add", "elementwise.sub", "elementwise.where"):
            found = _term(op, key, shape, scale)
            if found is None:
                return None
            if softcap:
                raise Declined("something is added to the scores before their softcap")
            value, term = found
            terms.append(term)
        elif key in ("elementwise.mul", "elementwise.div"):
            found = _factor(op, key)
            if found is None:
                return None
            value, by = found
            scale *= by
        elif key == "activation.tanh" and not softcap:
            if scale <= 0:
                return None
            softcap = scale  # cap · tanh(x) is what the cap makes of x · cap
            value = op.operands[0]
        elif key == "onnx.Concat" and _has_product(op):
            raise Declined("attention sinks: the softmax reads more than the scores of keys")
        else:
            return None
    return None


def heads_in(a: Shape, b: Shape) -> int | None:
    """The heads that a reshape between rank 3 and rank 4 shows."""
    both = {len(a): a, len(b): b}
    return both[4][1] if set(both) == {3, 4} else None


def _factor(op: ir.Operation, key: str) -> tuple[ir.Value, float] | None:
    a, b = op.operands
    if (by := number(b)) is not None and by > 0:
        return a, by if key == "elementwise.mul" else 1 / by
    if key == "elementwise.mul" and (by := number(a)) is not None and by > 0:
        return b, by
    return None


def _term(op: ir.Operation, key: str, shape: Shape, scale: float) -> tuple[ir.Value, Term] | None:
    """The scores and what is done to them, in an addition, subtraction or choice."""
    rank = len(shape)
    if key == "elementwise.where":
        condition, a, b = op.operands
        for scores, other, keeps in ((a, b, True), (b, a, False)):
            forbids = number(other)
            if forbids is not None and forbids <= MASKED and _reaches_product(scores, shape):
                return scores, Term(condition, 1.0, keeps, forbids, rank)
        return None
    a, b = op.operands
    if _reaches_product(a, shape):
        return a, Term(b, scale if key == "elementwise.add" else -scale, rank=rank)
    if key == "elementwise.add" and _reaches_product(b, shape):
        return b, Term(a, scale, rank=rank)
    return None


_ON_THE_WAY = frozenset(
    {
        "elementwise.add",
        "elementwise.cast",
        "elementwise.div",
        "elementwise.mul",
        "elementwise.sub",
        "elementwise.where",
        "activation.tanh",
        *_RESHAPES,
    }
)


def _reaches_product(value: ir.Value, shape: Shape, depth: int = _DEPTH) -> bool:
    """Whether a value of the scores' shape comes from a product by steps that scores may take."""
    if sem.shape_of(value) != shape:
        return False
    op = definer(value)
    if op is None or depth == 0:
        return False
    key = key_of(op)
    if key == "matmul":
        return True
    if key not in _ON_THE_WAY:
        return False
    if key in _RESHAPES:
        before = sem.shape_of(op.operands[0])
        return regroups(before, shape) and _reaches_product(op.operands[0], before, depth - 1)
    return any(_reaches_product(v, shape, depth - 1) for v in op.operands)


def _has_product(concat: ir.Operation) -> bool:
    return any(
        len(sem.shape_of(v)) >= 3 and _reaches_product(v, sem.shape_of(v)) for v in concat.operands
    )


# --- the mask ------------------------------------------------------------------------------------


def build_mask(terms: Sequence[Term], heads: int | None, wide: bool) -> ir.Value | None:
    """The mask operand that does what the terms do; None if there are none.

    1. Only replacements by -inf: the booleans, joined.
    2. Otherwise the additions and replacements, the same in the same order, on a score of 0. A
       finite replacement becomes the least f32, beside which a score doesn't count: a row that
       forbids every key still weighs all alike. It doesn't if the sum of scores and mask is
       infinite throughout: then the spelled-out form gives NaN, and `sem.attention` gives 0.

    Args:
        terms: The outermost first.
        heads: As for `to_heads`.
        wide: Whether scores are f64.
    """
    if not terms:
        return None
    element = np.dtype(np.float64 if wide else np.float32)
    if all(t.keeps is not None and np.isinf(t.forbids) for t in terms):  # case 1
        joined: ir.Value | None = None
        for term in terms:
            condition = _aligned(term.value, term.rank, heads)
            if not term.keeps:
                condition = elementwise(Kind.NOT, [condition], condition.type)
            joined = condition if joined is None else _broadcast(Kind.AND, [joined, condition])
        return joined
    bias: ir.Value | None = None
    choices = any(t.keeps is not None for t in terms)
    for term in reversed(terms):  # case 2
        value = _aligned(term.value, term.rank, heads)
        if term.keeps is None:
            if choices or term.factor != 1:
                value = _cast(value, element)
            if term.factor != 1:
                value = _broadcast(Kind.MUL, [value, _scalar(term.factor, element)])
            if bias is not None and element_of(bias) != element_of(value):
                bias, value = _cast(bias, element), _cast(value, element)
            bias = value if bias is None else _broadcast(Kind.ADD, [bias, value])
        else:
            least = _LEAST if np.isfinite(term.forbids) else term.forbids
            kept = _scalar(0.0, element) if bias is None else bias
            forbidden = _scalar(least, element)
            pair = [kept, forbidden] if term.keeps else [forbidden, kept]
            bias = _broadcast(Kind.WHERE, [value, *pair])
    return bias


def _aligned(value: ir.Value, rank: int, heads: int | None) -> ir.Value:
    """A mask of scores of some rank so that it broadcasts onto scores of rank 4."""
    shape = sem.shape_of(value)
    if len(shape) < 3 or len(shape) < rank or all(d == 1 for d in shape[:-2]):
        if len(shape) == 5:
            return to_heads(value, None)
        return value
    return to_heads(value, heads)


def _cast(value: ir.Value, element: np.dtype[np.generic]) -> ir.Value:
    name = {"float32": "f32", "float64": "f64"}[element.name]
    if element_of(value) == name:
        return value
    type_ = ir.RankedTensorType.get(ir.RankedTensorType(value.type).shape, ir.Type.parse(name))
    return elementwise(Kind.CAST, [value], type_)


def _scalar(value: float, element: np.dtype[np.generic]) -> ir.Value:
    return constant_of(np.array(value).astype(element))


def _broadcast(kind: Kind, operands: Sequence[ir.Value]) -> ir.Value:
    """A `sem.elementwise` of the operands, its result type from theirs."""
    shape = broadcast_shapes([sem.shape_of(v) for v in operands])
    assert shape is not None
    return elementwise(kind, operands, with_shape(shape, operands[-1]))
