"""Queries, keys and values behind what exporters put between them and the products.

Everything here is looked at first and built later: a `Rows` says how to make an operand of
`sem.attention` from a value that is there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import spelling
from noema.dialects.graph import definer, key_of
from noema.dialects.shapes import Shape, compatible
from noema.passes.base import PassContext
from noema.passes.patterns.build import constant_of, transposed, unsqueezed
from noema.passes.patterns.match import (
    constant_ints,
    integer,
    made_by,
    number,
    permutation,
)
from noema.passes.patterns.onnx_rewrite import with_shape

VERSION = 13
"""Opset version of the nodes that are built: the first where axes are inputs."""
_RESHAPES = ("onnx.Reshape", "onnx.Squeeze", "onnx.Unsqueeze")
_STORED = frozenset({"param", "constant"})
_KEEPS_VALUES = frozenset(
    {"elementwise.cast", "onnx.Expand", "onnx.Transpose", "onnx.DequantizeLinear", *_RESHAPES}
)


@dataclass(frozen=True)
class Rows:
    """A matrix of a row per token, in a batch: (…, tokens, features).

    Attributes:
        value: What it is made from.
        perm: Transpose to apply to the value; None for none.
        factor: What the value has to be multiplied with; the scale of the scores takes it up.
        covers: Ops that it replaces.
    """

    value: ir.Value
    perm: tuple[int, ...] | None = None
    factor: float = 1.0
    covers: tuple[ir.Operation, ...] = ()

    @property
    def shape(self) -> Shape:
        """Extents."""
        shape = sem.shape_of(self.value)
        return shape if self.perm is None else tuple(shape[i] for i in self.perm)

    def build(self) -> ir.Value:
        """The matrix."""
        if self.perm is None:
            return self.value
        return transposed(self.value, self.perm, version=VERSION)


def rows_of(value: ir.Value, as_columns: bool, *, scaled: bool = True) -> Rows:
    """The matrix that a value is, or, if it lies `as_columns` (…, features, tokens), holds.

    Args:
        value: Operand of a product.
        as_columns: How it lies.
        scaled: Whether a constant factor may be split off.
    """
    factor, covers = 1.0, []
    while scaled:
        found = _scaled(value)
        if found is None:
            break
        op, value, by = found
        factor *= by
        covers.append(op)
    if not as_columns:
        return Rows(value, None, factor, tuple(covers))
    rank = len(sem.shape_of(value))
    perm = [*range(rank - 2), rank - 1, rank - 2]
    transpose = made_by(value, "onnx.Transpose")
    if transpose is not None:
        own = permutation(transpose)
        perm, value = [own[i] for i in perm], transpose.operands[0]
        covers.append(transpose)
    else:
        flat = _transposed_flat(value)
        if flat is not None:
            ops, value = flat
            covers += ops
            perm = list(range(rank))
    if perm != sorted(perm):
        return Rows(value, tuple(perm), factor, tuple(covers))
    rest = rows_of(value, False, scaled=scaled)
    return Rows(rest.value, None, factor * rest.factor, (*covers, *rest.covers))


def _scaled(value: ir.Value) -> tuple[ir.Operation, ir.Value, float] | None:
    """The op, x and c where a value is x · c or x / c."""
    op = made_by(value, "elementwise.mul", "elementwise.div")
    if op is None:
        return None
    a, b = op.operands
    if a.type == value.type and (by := number(b)):
        return op, a, by if key_of(op) == "elementwise.mul" else 1 / by
    if b.type == value.type and key_of(op) == "elementwise.mul" and (by := number(a)):
        return op, b, by
    return None


def _transposed_flat(value: ir.Value) -> tuple[list[ir.Operation], ir.Value] | None:
    """x where (A, B, D, N) is x of (A, B, N, D) with A and B merged for a transpose of rank 3."""
    outer = made_by(value, "onnx.Reshape")
    transpose = None if outer is None else made_by(outer.operands[0], "onnx.Transpose")
    inner = None if transpose is None else made_by(transpose.operands[0], "onnx.Reshape")
    if outer is None or transpose is None or inner is None or permutation(transpose) != [0, 2, 1]:
        return None
    x = inner.operands[0]
    before, after = sem.shape_of(x), sem.shape_of(value)
    if len(before) != 4 or len(after) != 4 or before[1] is None or before[3] is None:
        return None
    if (*before[:2], before[3], before[2]) != after or sem.shape_of(inner.results[0])[2] != after[
        2
    ]:
        return None
    return [outer, transpose, inner], x


def without_repeats(rows: Rows, context: PassContext) -> Rows:
    """Keys or values (B, H, N, D) without the copies that groups of heads read.

    1. An axis put in, repeated by Expand, Tile or Concat, and merged with the heads.
    2. A Gather of heads by constant indices, each several times in a row.
    3. One head for all, by Expand.
    """
    if rows.perm is not None or len(rows.shape) != 4:
        return rows
    heads = rows.shape[1]
    op = definer(rows.value)
    if op is None or heads is None:
        return rows
    key = key_of(op)
    if key == "onnx.Gather" and integer(op, "axis", 0) in (1, -3):  # case 2
        x = op.operands[0]
        count = sem.shape_of(x)[1]
        indices = constant_ints(op.operands[1], context)
        in_groups = [i * (count or 0) // heads for i in range(heads)]
        if count and heads % count == 0 and indices == in_groups:
            return replace(rows, value=x, covers=(*rows.covers, op))
    if key == "onnx.Expand":  # case 3
        x = op.operands[0]
        if len(sem.shape_of(x)) == 4 and _single(sem.shape_of(x), rows.shape, 1):
            return replace(rows, value=x, covers=(*rows.covers, op))
    if key == "onnx.Reshape":  # case 1
        found = _repeated(op.operands[0], context)
        if found is not None:
            ops, x = found
            before = sem.shape_of(x)
            wide = sem.shape_of(op.operands[0])
            if wide[1] and wide[2] and heads == wide[1] * wide[2] and before[3] == rows.shape[3]:
                return replace(rows, value=x, covers=(*rows.covers, op, *ops))
    return rows


def _single(shape: Shape, wide: Shape, axis: int) -> bool:
    """Whether the shapes are alike but for one axis, of extent 1 in the first."""
    return shape[axis] == 1 and all(
        compatible(a, b) for i, (a, b) in enumerate(zip(shape, wide, strict=True)) if i != axis
    )


def _repeated(value: ir.Value, context: PassContext) -> tuple[list[ir.Operation], ir.Value] | None:
    """x of (B, Hk, N, D) where a value of (B, Hk, G, N, D) is G copies of it."""
    wide = sem.shape_of(value)
    op = definer(value)
    if op is None or len(wide) != 5:
        return None
    one = op.operands[0]
    narrow = sem.shape_of(one)
    key = key_of(op)
    if len(narrow) != 5 or not _single(narrow, wide, 2):
        return None
    if key == "onnx.Tile":
        repeats = constant_ints(op.operands[1], context)
        if repeats is None or repeats != [1, 1, wide[2], 1, 1]:
            return None
    elif key == "onnx.Concat":
        if integer(op, "axis", 0) not in (2, -3) or any(v != one for v in op.operands):
            return None
    elif key != "onnx.Expand":
        return None
    inserted = made_by(one, *_RESHAPES)
    if inserted is None:
        return None
    x = inserted.operands[0]
    if sem.shape_of(x) != (*narrow[:2], *narrow[3:]) or narrow[1] is None or narrow[4] is None:
        return None
    return [op, inserted], x


def is_stored(value: ir.Value) -> bool:
    """Whether a value is a weight or a constant, perhaps moved, cast or scaled."""
    for _ in range(12):
        op = definer(value)
        if op is None:
            return False
        key = key_of(op)
        if key in _STORED:
            return True
        scaled = (
            key in ("elementwise.mul", "elementwise.div") and number(op.operands[1]) is not None
        )
        if not scaled and key not in _KEEPS_VALUES:
            return False
        value = op.operands[0]
    return False


def narrowed(rows: Rows, element: str) -> Rows:
    """The matrix before a cast that widened it from `element`; as it is if none did."""
    cast = made_by(rows.value, "elementwise.cast")
    if cast is None:
        return rows
    x = cast.operands[0]
    if spelling(ir.RankedTensorType(x.type).element_type) != element:
        return rows
    return replace(rows, value=x, covers=(*rows.covers, cast))


# --- ranks ---------------------------------------------------------------------------------------


def regroups(a: Shape, b: Shape) -> bool:
    """Whether a reshape between the shapes only merges or splits the batch of a batch of matrices.

    Dynamic extents can't tell everything apart, so the heads (axis 1 of rank 4) must be known.
    """
    if not (3 <= len(a) <= 5 and 3 <= len(b) <= 5):
        return False
    if not (compatible(a[-1], b[-1]) and compatible(a[-2], b[-2])):
        return False
    for shape in (a, b):
        if len(shape) > 3 and None in shape[1:-2]:
            return False
    if None not in (*a, *b):
        return np.prod([d or 0 for d in a]) == np.prod([d or 0 for d in b])
    return True


def ungrouped_rows(rows: Rows, heads: int) -> Rows:
    """(B · heads, N, D) before the reshape that merged batch and heads, if one did."""
    if rows.perm is not None or len(rows.shape) != 3:
        return rows
    reshape = made_by(rows.value, "onnx.Reshape")
    if reshape is None:
        return rows
    x = reshape.operands[0]
    before, after = sem.shape_of(x), rows.shape
    if len(before) != 4 or before[1] != heads or before[3] is None or before[3] != after[2]:
        return rows
    if not compatible(before[2], after[1]):
        return rows
    return replace(rows, value=x, covers=(*rows.covers, reshape))


def heads_of(rows: Rows) -> int | None:
    """How many heads a batch of rank 3 holds, by where it comes from.

    1. (B, heads, N, D), reshaped.
    2. (N, B, heads · D), reshaped to (N, B · heads, D) and transposed.
    """
    if len(rows.shape) != 3:
        return None
    value = rows.value
    if rows.perm is None:
        reshape = made_by(value, "onnx.Reshape")
        if reshape is not None:  # case 1
            before = sem.shape_of(reshape.operands[0])
            is_split = len(before) == 4 and before[3] is not None and before[3] == rows.shape[2]
            return before[1] if is_split and compatible(before[2], rows.shape[1]) else None
        transpose = made_by(value, "onnx.Transpose")
        if transpose is None or permutation(transpose) != [1, 0, 2]:
            return None
        value = transpose.operands[0]
    elif rows.perm != (1, 0, 2):
        return None
    reshape = made_by(value, "onnx.Reshape")  # case 2
    before = () if reshape is None else sem.shape_of(reshape.operands[0])
    hidden, size = before[-1] if len(before) == 3 else None, rows.shape[2]
    if not hidden or not size or hidden % size or not compatible(before[0], rows.shape[1]):
        return None
    return hidden // size


def to_heads(value: ir.Value, heads: int | None) -> ir.Value:
    """A batch of matrices as (B, H, N, D).

    1. Rank 4: as it is.
    2. Rank 3: (B · H, N, D) split by `heads`; (B, 1, N, D) if that is None.
    3. Rank 5: (B, X, Y, N, D), X and Y merged.
    """
    shape = sem.shape_of(value)
    if len(shape) == 4:  # case 1
        return value
    if len(shape) == 5:  # case 3
        x, y = shape[1], shape[2]
        assert x is not None and y is not None
        return _reshape(value, [0, x * y, -1, shape[4] or 0], (shape[0], x * y, *shape[3:]))
    single = (shape[0], 1, *shape[1:])  # case 2
    value = unsqueezed(value, [1], with_shape(single, value), version=VERSION)
    if heads is None:
        return value
    batch = None if shape[0] is None else shape[0] // heads
    return _reshape(value, [-1, heads, 0, 0], (batch, heads, *shape[1:]))


def from_heads(value: ir.Value, wanted: Shape) -> ir.Value:
    """The inverse of `to_heads`, to a value of shape `wanted`."""
    if len(wanted) == 4:
        return value
    if len(wanted) == 5:
        return _reshape(value, [0, wanted[1] or 0, wanted[2] or 0, -1, wanted[4] or 0], wanted)
    single = (wanted[0], 1, *wanted[1:])
    if sem.shape_of(value)[1] != 1:
        value = _reshape(value, [-1, 1, 0, 0], single)
    axis = constant_of(np.array([1], np.int64))
    return sem.build_onnx(
        "Squeeze", [value, axis], [with_shape(wanted, value)], attrs={}, version=VERSION
    ).results[0]


def _reshape(value: ir.Value, to: list[int], shape: Shape) -> ir.Value:
    """A Reshape node: 0 copies the extent of that place, -1 takes what is left."""
    target = constant_of(np.array(to, np.int64))
    return sem.build_onnx(
        "Reshape", [value, target], [with_shape(shape, value)], attrs={}, version=VERSION
    ).results[0]
