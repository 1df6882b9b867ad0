"""Scaled-dot-product attention spelled out --> `sem.attention`."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import definer, key_of
from noema.dialects.shapes import Shape
from noema.passes.base import PassContext
from noema.passes.patterns.attention import build_attention
from noema.passes.patterns.build import transposed
from noema.passes.patterns.match import made_by, number, permutation
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of, with_shape
from noema.passes.patterns.operands import (
    VERSION,
    Rows,
    from_heads,
    heads_of,
    is_stored,
    narrowed,
    regroups,
    rows_of,
    to_heads,
    ungrouped_rows,
    without_repeats,
)
from noema.passes.patterns.pattern import Declined, Match, Pattern
from noema.passes.patterns.scores import Scores, build_mask, heads_in, scores_of
from noema.passes.patterns.sinks import drops_last, sinks_of

_RESHAPES = frozenset({"onnx.Reshape", "onnx.Unsqueeze", "onnx.Squeeze"})
_STEPS_OF_PROBABILITIES = (
    *("softmax", "elementwise.cast", "elementwise.where", "onnx.Transpose", "onnx.Slice"),
    *_RESHAPES,
)
"""What the product with the values may read: the softmax, or what may stand behind it."""
_STEPS = 6
"""How many ops may stand between the softmax and the product with the values."""


@dataclass(frozen=True)
class _Probabilities:
    """What weighs the values: the softmax, and the ops after it, which may drop its last column."""

    softmax: ir.Operation
    covers: tuple[ir.Operation, ...]
    heads: int | None
    drops_last: bool = False


@dataclass(frozen=True)
class _Operands:
    """Queries, keys and values, and how many heads a batch of rank 3 holds (None: unknown)."""

    q: Rows
    k: Rows
    v: Rows
    heads: int | None


class ScaledDotProductAttention(Pattern):
    """softmax(q kᵀ · scale + mask) v --> `sem.attention`.

    ```mlir
    %0 = "sem.matmul"(%q, %k) {transpose_lhs = false, transpose_rhs = true}
           : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x?xf32>
    %1 = "sem.elementwise"(%0, %eighth) {kind = "mul", …}
           : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
    %2 = "sem.elementwise"(%1, %mask) {kind = "add", …}
           : (tensor<?x4x?x?xf32>, tensor<?x1x1x?xf32>) -> tensor<?x4x?x?xf32>
    %3 = "sem.softmax"(%2) {axis = 3 : i64, log = false}
           : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
    %4 = "sem.matmul"(%3, %v) {transpose_lhs = false, transpose_rhs = false}
           : (tensor<?x4x?x?xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
    ```
    -->
    ```mlir
    %4 = "sem.attention"(%q, %k, %v, %mask) {scale = 0.125 : f64, …}
           : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x1x1x?xf32>)
             -> tensor<?x4x?x8xf32>
    ```

    1. The scale is on the scores, on the queries, on the keys, on both, or nowhere.
    2. Masks are added (several, one after the other, before or after the scale), subtracted, or
       chosen by a condition, either way round (`scores.build_mask`).
    3. Between all these, casts, and reshapes that merge or split batch and heads. Operands of
       rank 3 are (batch · heads, tokens, size); of rank 5, the heads have two dimensions.
    4. NaN probabilities replaced by 0 are what `sem.attention` gives for rows that see no key.
    5. Keys and values repeated for groups of queries aren't.
    6. cap · tanh(scores / cap) is a softcap.
    7. vᵀ softmax(…)ᵀ, channels first, gives the transpose of the result.
    8. One more score is joined to those of each query and dropped after the softmax (`sinks.py`).

    Keys and values that are weights are something else: a router, or a memory.
    """

    name = "scaled-dot-product-attention"
    roots = ("matmul",)
    reads = _STEPS_OF_PROBABILITIES

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        if len(sem.shape_of(root.results[0])) not in (3, 4, 5):
            return None
        weights, values, flipped = root.operands[0], root.operands[1], False
        flags = [_flag(root, name) for name in ("transpose_lhs", "transpose_rhs")]
        probabilities = None if flags[0] else _probabilities(weights, context)
        if probabilities is None:  # case 7
            weights, values = values, weights
            flags = [not flags[1], not flags[0]]
            probabilities = _probabilities(weights, context, columns=flags[0])
            flipped = True
        if probabilities is None:
            return None
        softmax = probabilities.softmax
        joined = None
        if probabilities.drops_last:  # case 8
            joined = sinks_of(softmax.operands[0], context)
        scores = scores_of(softmax.operands[0] if joined is None else joined.scores)
        if scores is None:
            return None
        if len(sem.shape_of(scores.product.results[0])) not in (3, 4, 5):
            return None
        operands = _operands(scores, values, flags[1], probabilities.heads, context)
        _check_masks(scores, operands)
        covers = [
            *scores.covers,
            *(() if joined is None else joined.covers),
            softmax,
            *probabilities.covers,
            *(op for rows in (operands.q, operands.k, operands.v) for op in rows.covers),
            root,
        ]
        sinks = None if joined is None else joined.sinks
        return Match(
            list(dict.fromkeys(covers)),
            lambda: [_build(root, scores, operands, sinks, flipped)],
        )


def _flag(matmul: ir.Operation, name: str) -> bool:
    return bool(ir.IntegerAttr(matmul.attributes[name]).value)


def _probabilities(
    value: ir.Value, context: PassContext, columns: bool = False
) -> _Probabilities | None:
    """The softmax over keys that a value is, through what exporters put after it.

    Args:
        value: Operand of the product with the values.
        context: What constants are read from.
        columns: Whether it lies transposed, (…, keys, queries).
    """
    covers: list[ir.Operation] = []
    heads, drops = None, False
    for _ in range(_STEPS):
        op = definer(value)
        if op is None:
            return None
        key = key_of(op)
        if key == "softmax":
            last = len(sem.shape_of(value)) - 1
            axis = ir.IntegerAttr(op.attributes["axis"]).value
            if axis != last or columns or _flag(op, "log"):
                return None
            return _Probabilities(op, tuple(covers), heads, drops)
        covers.append(op)
        if key == "elementwise.cast":
            value = op.operands[0]
        elif key == "elementwise.where":  # case 4
            condition, zero, p = op.operands
            is_nan = made_by(condition, "elementwise.is_nan")
            if is_nan is None or is_nan.operands[0] != p or number(zero) != 0:
                return None
            covers.append(is_nan)
            value = p
        elif key in _RESHAPES and not columns:
            before, after = sem.shape_of(op.operands[0]), sem.shape_of(value)
            if not regroups(before, after):
                return None
            heads = heads or heads_in(before, after)
            value = op.operands[0]
        elif key == "onnx.Transpose" and columns:
            perm = permutation(op)
            if perm != [*range(len(perm) - 2), len(perm) - 1, len(perm) - 2]:
                return None
            columns = False
            value = op.operands[0]
        elif key == "onnx.Slice" and not columns and not drops and drops_last(op, context):
            drops = True
            value = op.operands[0]
        else:
            return None
    return None


def _operands(
    scores: Scores, values: ir.Value, flipped: bool, heads: int | None, context: PassContext
) -> _Operands:
    """The operands of the attention.

    Raises:
        Declined: They aren't what an attention takes.
    """
    product = scores.product
    q = rows_of(product.operands[0], _flag(product, "transpose_lhs"))
    k = rows_of(product.operands[1], not _flag(product, "transpose_rhs"))
    v = rows_of(values, flipped, scaled=False)
    if is_stored(k.value) or is_stored(v.value):
        raise Declined("keys or values are weights")
    element = element_of(v.value)
    q, k = (r if element_of(r.value) == element else narrowed(r, element) for r in (q, k))
    if element not in FLOATS or any(element_of(r.value) != element for r in (q, k)):
        raise Declined("queries, keys and values are of different element types")
    heads = scores.heads or heads or heads_of(q) or heads_of(k) or heads_of(v)
    if heads is not None:
        q, k, v = (ungrouped_rows(r, heads) for r in (q, k, v))
        for rows in (q, k, v):
            shape = rows.shape
            if len(shape) == 3 and shape[0] is not None and shape[0] % heads:
                raise Declined(f"a batch of {shape[0]} isn't one of {heads} heads")
    shared = [without_repeats(r, context) for r in (k, v)]
    if shared[0].shape[1:2] == shared[1].shape[1:2]:  # case 5
        k, v = shared
    q4, k4, v4 = (_with_heads(r.shape, heads) for r in (q, k, v))
    if q4[3] is None or k4[3] != q4[3]:
        raise Declined("the head size isn't known")
    if q4[1] is None or k4[1] is None or v4[1] != k4[1] or q4[1] % k4[1]:
        raise Declined(f"{q4[1]} heads of queries, {k4[1]} of keys, {v4[1]} of values")
    if not (q4[0] == k4[0] == v4[0]) and 1 in (q4[0], k4[0], v4[0]):
        raise Declined("queries, keys and values are of different batches")
    if scores.scale * q.factor * k.factor == 0:
        raise Declined("the scale is 0")
    return _Operands(q, k, v, heads)


def _with_heads(shape: Shape, heads: int | None) -> Shape:
    """What `to_heads` makes of a shape."""
    if len(shape) == 4:
        return shape
    if len(shape) == 5:
        if shape[1] is None or shape[2] is None or shape[4] is None:
            raise Declined("two dimensions of heads, of unknown extents")
        return (shape[0], shape[1] * shape[2], *shape[3:])
    if len(shape) != 3:
        raise Declined(f"operands of rank {len(shape)}")
    if heads is None:
        return (shape[0], 1, *shape[1:])
    return (None if shape[0] is None else shape[0] // heads, heads, *shape[1:])


def _check_masks(scores: Scores, operands: _Operands) -> None:
    """Refuses masks that `sem.attention` would read in another way.

    Raises:
        Declined: There is one.
    """
    if not scores.terms:
        return
    full = sem.shape_of(scores.product.results[0])
    shapes = [sem.shape_of(t.value) for t in scores.terms]
    if full[-1] != 1 and all(not s or s[-1] == 1 for s in shapes):
        raise Declined("a mask that is the same for all keys")
    for term, shape in zip(scores.terms, shapes, strict=True):
        if len(shape) > 5 or term.rank > 5:
            raise Declined(f"a mask of rank {len(shape)}")
        if term.rank == 5 and len(shape) > 3:
            lead = shape[-4:-2]
            own = sem.shape_of(operands.q.value)[1:3] if len(operands.q.shape) == 5 else None
            if lead != (1, 1) and (len(shape) != 5 or lead != own):
                raise Declined("a mask over one of two dimensions of heads")
            if len(shape) == 4:
                raise Declined("a mask over one of two dimensions of heads")


def _build(
    root: ir.Operation,
    scores: Scores,
    found: _Operands,
    sinks: ir.Value | None,
    flipped: bool,
) -> ir.Value:
    q, k, v = (to_heads(r.build(), found.heads) for r in (found.q, found.k, found.v))
    wide = element_of(q) == "f64"
    mask = build_mask(scores.terms, found.heads, wide)
    result = sem.shape_of(root.results[0])
    if flipped:
        result = (*result[:-2], result[-1], result[-2])
    shapes = [sem.shape_of(x) for x in (q, k, v)]
    out = _with_heads(result, found.heads)
    type_ = root.results[0].type
    if flipped or len(result) != 4:
        type_ = with_shape((*out[:2], shapes[0][2], shapes[2][3]), v)
    y = build_attention(
        [q, k, v, mask, None, None, None, sinks],
        [type_],
        scale=scores.scale * found.q.factor * found.k.factor,
        softcap=scores.softcap,
    ).results[0]
    y = from_heads(y, result)
    if flipped:
        rank = len(result)
        y = transposed(y, [*range(rank - 2), rank - 1, rank - 2], version=VERSION)
    return y
