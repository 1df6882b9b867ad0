"""Which masks forbid exactly the future: query i sees the keys up to i.

Everything here is proved from constants and from how a mask is made; what can't be proved isn't
causal. Positions count from 0 on both sides, so a mask that is a window of a larger triangle is
causal only if the window starts at the corner.
"""

from __future__ import annotations

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import definer, key_of
from noema.passes.base import PassContext
from noema.passes.patterns.match import (
    axes,
    constant,
    constant_ints,
    integer,
    made_by,
    number,
)
from noema.passes.patterns.onnx_rewrite import element_of
from noema.passes.patterns.scores import MASKED

_LARGEST = 1 << 22
"""Elements of a constant mask that is looked at."""
_DEPTH = 8


def keeps_only_past(mask: ir.Value, context: PassContext) -> bool:
    """Whether a boolean mask (…, queries, keys) is true just where the key isn't after the query.

    1. A constant triangle, or its window from the corner.
    2. A comparison of the positions of keys and queries, both counted from 0.
    3. The lower triangle of a tensor of ones.
    """
    mask = _unwrapped(mask, context)
    op = definer(mask)
    if op is None or element_of(mask) != "i1":
        return False
    key = key_of(op)
    if key == "elementwise.cast":
        return keeps_only_past_numbers(op.operands[0], context)
    if key == "elementwise.not":
        return _is_future(op.operands[0], context)
    array = _small(mask, context)
    if array is not None:  # case 1
        return _is_triangle(array)
    compared = {
        "elementwise.less_or_equal": (0, 1),  # key <= query
        "elementwise.greater_or_equal": (1, 0),
    }.get(key)
    if compared is not None:  # case 2
        keys, queries = (op.operands[i] for i in compared)
        return _counts(keys, -1, context) and _counts(queries, -2, context)
    return _is_lower(op, context)  # case 3


def keeps_only_past_numbers(mask: ir.Value, context: PassContext) -> bool:
    """Whether a tensor of ones and zeros is one exactly where the key isn't after the query."""
    mask = _unwrapped(mask, context)
    op = definer(mask)
    if op is None:
        return False
    array = _small(mask, context)
    if array is not None:
        return bool(np.isin(array, (0, 1)).all()) and _is_triangle(array == 1)
    if key_of(op) == "elementwise.cast" and element_of(op.operands[0]) == "i1":
        return keeps_only_past(op.operands[0], context)
    return _is_lower(op, context)


def adds_only_past(mask: ir.Value, context: PassContext) -> bool:
    """Whether a mask that is added is 0 where the key isn't after the query, and forbids elsewhere.

    1. A constant triangle, or its window from the corner.
    2. A choice between the two by a condition.
    3. The upper triangle, without the diagonal, of a tensor of the forbidding number.
    """
    mask = _unwrapped(mask, context)
    op = definer(mask)
    if op is None:
        return False
    array = _small(mask, context)
    if array is not None:  # case 1
        array = array.astype(np.float64)
        past = array == 0
        return bool((past | (array <= MASKED)).all()) and _is_triangle(past)
    key = key_of(op)
    if key == "elementwise.where":  # case 2
        condition, a, b = op.operands
        first, second = number(a), number(b)
        if first is None or second is None:
            return False
        if sem.shape_of(condition)[-2:] != sem.shape_of(mask)[-2:]:
            return False
        if first == 0 and second <= MASKED:
            return keeps_only_past(condition, context)
        return second == 0 and first <= MASKED and _is_future(condition, context)
    if key == "onnx.Trilu" and integer(op, "upper", 1) == 1:  # case 3
        filled = _fill(op.operands[0])
        return filled is not None and filled <= MASKED and _offset(op, context) == 1
    return False


def _is_future(mask: ir.Value, context: PassContext) -> bool:
    """Whether a boolean mask is true exactly where the key is after the query."""
    mask = _unwrapped(mask, context)
    op = definer(mask)
    if op is None:
        return False
    array = _small(mask, context)
    if array is not None:
        return array.dtype == np.bool_ and _is_triangle(~array)
    key = key_of(op)
    if key == "elementwise.not":
        return keeps_only_past(op.operands[0], context)
    if key == "elementwise.cast":
        inner = _unwrapped(op.operands[0], context)
        made = definer(inner)
        return made is not None and _is_upper(made, context)
    compared = {
        "elementwise.greater": (0, 1),  # key > query
        "elementwise.less": (1, 0),
    }.get(key)
    if compared is not None:
        keys, queries = (op.operands[i] for i in compared)
        return _counts(keys, -1, context) and _counts(queries, -2, context)
    return _is_upper(op, context)


def _is_lower(op: ir.Operation, context: PassContext) -> bool:
    """Whether an op gives a tensor of ones with zeros above the diagonal."""
    if key_of(op) != "onnx.Trilu" or integer(op, "upper", 1) != 0:
        return False
    return _fill(op.operands[0]) == 1 and _offset(op, context) == 0


def _is_upper(op: ir.Operation, context: PassContext) -> bool:
    """Whether an op gives a tensor of ones with zeros on the diagonal and below."""
    if key_of(op) != "onnx.Trilu" or integer(op, "upper", 1) != 1:
        return False
    return _fill(op.operands[0]) == 1 and _offset(op, context) == 1


def _offset(trilu: ir.Operation, context: PassContext) -> int | None:
    if len(trilu.operands) < 2:
        return 0
    found = constant_ints(trilu.operands[1], context)
    return found[0] if found is not None and len(found) == 1 else None


def _fill(value: ir.Value) -> float | None:
    """The one number that a tensor is full of, whatever its extents."""
    for _ in range(_DEPTH):
        known = number(value)
        if known is not None:
            return known
        op = made_by(value, "onnx.Expand", "elementwise.cast", "onnx.ConstantOfShape")
        if op is None:
            return None
        if key_of(op) == "onnx.ConstantOfShape":
            held = ir.DictAttr(op.attributes["attrs"])
            if "value" not in held:
                return 0.0
            return float(np.array(ir.DenseElementsAttr(held["value"])).reshape(-1)[0])
        value = op.operands[0]
    return None


def _counts(value: ir.Value, axis: int, context: PassContext) -> bool:
    """Whether a value is 0, 1, 2, … along `axis` (-1 or -2) and the same along all others."""
    for _ in range(_DEPTH):
        shape = sem.shape_of(value)
        op = definer(value)
        if op is None:
            return False
        key = key_of(op)
        if key == "constant":
            array = constant(value, context)
            if array is None or array.size > _LARGEST or array.ndim < -axis:
                return False
            if any(d != 1 for i, d in enumerate(array.shape) if i != array.ndim + axis):
                return False
            return bool(np.array_equal(array.reshape(-1), np.arange(array.size)))
        if key == "onnx.Range":
            return axis == -1 and number(op.operands[0]) == 0 and number(op.operands[2]) == 1
        if key == "onnx.Unsqueeze":
            added = axes(op, context)
            if added is None or len(shape) + axis in added:
                return False
            behind = sum(a > len(shape) + axis for a in added)
            axis += behind
        elif key == "elementwise.cast":
            if element_of(value) == "i1":
                return False
        elif key == "onnx.Reshape":
            # A vector made a row or a column.
            inner = sem.shape_of(op.operands[0])
            others = [d for i, d in enumerate(shape) if i != len(shape) + axis]
            if len(inner) != 1 or any(d != 1 for d in others):
                return False
            axis = -1
        else:
            return False
        value = op.operands[0]
    return False


def _unwrapped(mask: ir.Value, context: PassContext) -> ir.Value:
    """A mask before what only repeats it, adds leading axes, or joins it with true."""
    for _ in range(_DEPTH):
        op = made_by(mask, "onnx.Expand", "onnx.Unsqueeze", "elementwise.and", "onnx.Reshape")
        if op is None:
            return mask
        key = key_of(op)
        shape = sem.shape_of(mask)
        if key == "elementwise.and":
            ones = [number(v) == 1 for v in op.operands]
            rest = op.operands[0 if ones[1] else 1]
            if not any(ones) or sem.shape_of(rest)[-2:] != shape[-2:]:
                return mask
            mask = rest
            continue
        x = op.operands[0]
        inner = sem.shape_of(x)
        if len(inner) < 2:
            return mask
        if key == "onnx.Unsqueeze":
            added = axes(op, context)
            if added is None or any(a >= len(shape) - 2 for a in added):
                return mask
        elif key == "onnx.Expand":
            if 1 in inner[-2:] and inner[-2:] != shape[-2:]:
                return mask
        elif inner[-2:] != shape[-2:] or None in inner[-2:]:
            return mask
        mask = x
    return mask


def _small(mask: ir.Value, context: PassContext) -> np.ndarray | None:
    """The array of a constant mask, or of one of which a mask is a window from the corner."""
    for _ in range(4):
        op = made_by(mask, "onnx.Slice")
        if op is None:
            break
        if len(op.operands) < 4:
            return None
        starts, where = (constant_ints(op.operands[i], context) for i in (1, 3))
        steps = constant_ints(op.operands[4], context) if len(op.operands) > 4 else [1]
        if starts is None or where is None or steps is None or set(steps) != {1}:
            return None
        if any(s != 0 for s in starts):
            return None
        mask = op.operands[0]
    op = definer(mask)
    if op is None or op.name not in ("sem.constant", "sem.param"):
        return None
    size = 1
    for extent in sem.shape_of(mask):
        size *= extent or 0
    return constant(mask, context) if 0 < size <= _LARGEST else None


def _is_triangle(past: np.ndarray) -> bool:
    """Whether all matrices of a boolean array are true up to the diagonal and false above it."""
    if past.ndim < 2 or past.dtype != np.bool_:
        return False
    rows, columns = past.shape[-2:]
    return bool((past == np.tri(rows, columns, dtype=np.bool_)).all())


def parts_of(mask: ir.Value) -> list[ir.Value]:
    """The boolean masks that a mask joins."""
    op = made_by(mask, "elementwise.and")
    if op is None:
        expand = made_by(mask, "onnx.Expand")
        inner = None if expand is None else made_by(expand.operands[0], "elementwise.and")
        if inner is None:
            return [mask]
        op = inner
    return [part for v in op.operands for part in parts_of(v)]
