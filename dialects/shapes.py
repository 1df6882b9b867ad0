"""Shape rules of the `sem` ops: what extents operands and results must have.

An extent is an int, or None where it is only known at run time; None agrees with anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

Shape = tuple[int | None, ...]
"""Extents of a tensor."""


def shape_of(value: ir.Value) -> Shape:
    """Extents of a ranked tensor value, None where dynamic."""
    return extents_of(ir.RankedTensorType(value.type))


def extents_of(type_: ir.RankedTensorType) -> Shape:
    """Extents of a ranked tensor type, None where dynamic."""
    if type_.has_static_shape:
        return tuple(type_.shape)
    dynamic = ir.ShapedType.get_dynamic_size()
    return tuple([None if d == dynamic else d for d in type_.shape])


def compatible(a: int | None, b: int | None) -> bool:
    """Whether two extents may be the same."""
    return a is None or b is None or a == b


def same_shape(a: Shape, b: Shape) -> bool:
    """Whether two shapes may be the same."""
    return len(a) == len(b) and all(map(compatible, a, b))


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape | None:
    """Numpy broadcasting where None is an unknown extent; None if the shapes don't agree."""
    first, *others = shapes or ((),)
    if None not in first and all(s == first[len(first) - len(s) :] for s in others):
        return tuple(first)  # nearly always: an operand and its bias
    rank = max((len(s) for s in shapes), default=0)
    extents: list[int | None] = []
    for axis in range(-rank, 0):
        dims = [s[axis] for s in shapes if len(s) >= -axis]
        known = {d for d in dims if d is not None and d != 1}
        if len(known) > 1:
            return None
        extents.append(known.pop() if known else (None if None in dims else 1))
    return tuple(extents)


def broadcasts_onto(shape: Shape, onto: Shape) -> bool:
    """Whether a tensor of `shape` broadcasts, numpy-style, onto one of `onto`."""
    if len(shape) > len(onto):
        return False
    pairs = zip(reversed(shape), reversed(onto), strict=False)
    return all(a == 1 or compatible(a, b) for a, b in pairs)


def attention(
    operands: Sequence[Shape | None], query_heads: int, key_heads: int
) -> tuple[Sequence[Shape], str]:
    """The shape rule of `sem.attention`.

    Args:
        operands: Shapes of q, k, v, mask, past_key, past_value, nonpad_kv_seqlen, sinks.
        query_heads: Of operands of rank 3.
        key_heads: Of operands of rank 3.

    Returns:
        Shapes of y, present_key, present_value and the scores; and "", or no shapes and what is
        wrong.
    """
    q, k, v, mask, past_key, past_value, valid, sinks = operands
    assert q is not None and k is not None and v is not None
    if len(q) not in (3, 4) or len(k) != len(q) or len(v) != len(q):
        return (), f"takes q, k and v of one rank, 3 or 4, not {len(q)}, {len(k)} and {len(v)}"
    flat = len(q) == 3
    if flat:
        if query_heads < 1 or key_heads < 1:
            return (), "needs the number of heads of operands of rank 3"
        apart: list[Shape] = []
        for shape, heads in ((q, query_heads), (k, key_heads), (v, key_heads)):
            if shape[2] is not None and shape[2] % heads:
                return (), f"has {heads} heads of a hidden size {shape[2]}"
            size = None if shape[2] is None else shape[2] // heads
            apart.append((shape[0], heads, shape[1], size))
        q, k, v = apart
    if q[1] is not None and k[1] is not None and (k[1] < 1 or q[1] % k[1]):
        return (), f"has {q[1]} query heads, not a multiple of {k[1]} key heads"
    if not (compatible(q[0], k[0]) and same_shape(k[:3], v[:3]) and compatible(q[3], k[3])):
        return (), f"has q, k and v of {q}, {k} and {v}"
    if (past_key is None) != (past_value is None):
        return (), "takes past_key and past_value together"
    columns = k[2]
    if past_key is not None and past_value is not None:
        wanted = [(*s[:2], None, s[3]) for s in (k, v)]
        if not (same_shape(past_key, wanted[0]) and same_shape(past_value, wanted[1])):
            return (), f"has caches of {past_key} and {past_value} for k and v of {k} and {v}"
        columns = None if columns is None or past_key[2] is None else columns + past_key[2]
    scores = (q[0], q[1], q[2], columns)
    if mask is not None:
        long = columns is not None and (mask[-1:] or (0,))[0] is not None
        if not 1 <= len(mask) <= 4 or not broadcasts_onto((*mask[:-1], None), scores):
            return (), f"has a mask of {mask} for scores of {scores}"
        if long and (mask[-1] or 0) > (columns or 0):
            return (), f"has a mask of {mask} for scores of {scores}"
    if valid is not None and not same_shape(valid, (q[0],)):
        return (), f"has nonpad_kv_seqlen of {valid}, expected {(q[0],)}"
    if sinks is not None and (not sinks or not broadcasts_onto(sinks, (*scores[:3], 1))):
        return (), f"has sinks of {sinks} for scores of {scores}"
    present = [(*s[:2], columns, s[3]) for s in (k, v)]
    y: Shape = (*q[:3], v[3])
    if flat:
        y = (q[0], q[2], None if v[3] is None else query_heads * v[3])
    return (y, *present, scores), ""


def rope(operands: Sequence[Shape | None], rotated: int, heads: int) -> str:
    """The shape rule of `sem.rope`: what is wrong, or "".

    Args:
        operands: Shapes of x, cos, sin, positions.
        rotated: How many features of a head are rotated, 0 for all.
        heads: If x is (batch, sequence, heads · head size), how many; else 0.
    """
    x, cos, sin, positions = operands
    assert x is not None and cos is not None and sin is not None
    if heads < 0 or rotated < 0 or rotated % 2:
        return f"has {heads} heads, {rotated} rotated features"
    if heads:
        if len(x) != 3 or (x[2] is not None and x[2] % heads):
            return f"has {heads} heads in x of {x}"
        x = (x[0], x[1], heads, None if x[2] is None else x[2] // heads)
    elif positions is not None and len(x) != 4:
        return f"takes positions for x of rank 4, or of rank 3 with heads, not {x}"
    size = x[-1] if x else 0
    width = rotated or size
    if size is not None and width is not None and (width > size or width % 2 or not width):
        return f"rotates {width} features of heads of {size}"
    for factor in (cos, sin):
        if positions is not None:
            if len(factor) != 2:
                return f"has cos or sin of {factor}, expected a table of a row per position"
        elif not factor or not broadcasts_onto(factor[:-1], x[:-1]):
            return f"has cos or sin of {factor} for x of {x}"
        if width is not None and factor[-1] not in (None, width, width // 2):
            return f"has {factor[-1]} factors for {width} rotated features"
    if not compatible(cos[-1], sin[-1]):
        return f"has cos and sin of {cos} and {sin}"
    if positions is not None:
        sequence = x[1] if heads else x[2]
        if not same_shape(positions, (x[0], sequence)):
            return f"has positions of {positions}, expected {(x[0], sequence)}"
    return ""
