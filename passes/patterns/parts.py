"""Which features of which value a value is, through slices and splits of the last axis."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import definer, key_of
from noema.dialects.shapes import Shape
from noema.passes.base import PassContext
from noema.passes.patterns.match import axes, constant_ints, integer, made_by

_DEPTH = 6


@dataclass(frozen=True)
class Part:
    """The features start, start + step, … of a value, `count` of them.

    Attributes:
        base: The value; or one whose last two axes (count, 2) together are the features.
        start: First feature.
        step: From one feature to the next.
        count: How many.
        is_paired: Whether the base has its features in two axes.
    """

    base: ir.Value
    start: int
    step: int
    count: int
    is_paired: bool = False

    @property
    def shape(self) -> Shape:
        """Extents of the part."""
        lead = sem.shape_of(self.base)[: -2 if self.is_paired else -1]
        return (*lead, self.count)

    @property
    def is_all(self) -> bool:
        """Whether it is the value itself."""
        return self.start == 0 and self.step == 1 and self.count == sem.shape_of(self.base)[-1]


def axis_of(value: ir.Value) -> int:
    """The last axis of a value."""
    return len(sem.shape_of(value)) - 1


def part_of(value: ir.Value, context: PassContext) -> Part | None:
    """What part of what a value is, seen from as far up as slices go; None if of unknown width.

    1. Slice along the last axis, by constants.
    2. Split along the last axis.
    3. One of every two: Gather, Slice or Split of the last axis, of extent 2, dropped after.
    """
    shape = sem.shape_of(value)
    if not shape or shape[-1] is None:
        return None
    start, step, count = 0, 1, shape[-1]
    for _ in range(_DEPTH):
        found = _sliced(value, context)
        if found is None:
            break
        value, by, stride = found
        start, step = by + start * stride, step * stride
    if step == 1:
        paired = _paired(value, context)
        if paired is not None:
            base, which, inner = paired
            if inner:
                return Part(base, 2 * start + which, 2, count)
            return Part(base, which, 2, count, True) if start == 0 else None
    return Part(value, start, step, count)


def _sliced(value: ir.Value, context: PassContext) -> tuple[ir.Value, int, int] | None:
    """x, start and step where a value is a slice of the last axis of x."""
    op = definer(value)
    if op is None:
        return None
    key = key_of(op)
    if key not in ("onnx.Slice", "onnx.Split"):
        return None
    x = op.operands[0]
    shape = sem.shape_of(x)
    rank, size = len(shape), shape[-1]
    if size is None:
        return None
    if key == "onnx.Split":  # case 2
        if integer(op, "axis", 0) not in (-1, rank - 1):
            return None
        before = 0
        for result in op.results:
            if result == value:
                return x, before, 1
            width = sem.shape_of(result)[-1]
            if width is None:
                return None
            before += width
        return None
    if len(op.operands) < 4:  # case 1
        return None
    bounds = [constant_ints(v, context) for v in list(op.operands)[1:]]
    if any(b is None or len(b) != 1 for b in bounds):
        return None
    first, _, axis, step = [*(b[0] for b in bounds if b), 1][:4]
    if axis not in (-1, rank - 1) or step < 1:
        return None
    return x, max(first + size if first < 0 else first, 0), step


def _paired(value: ir.Value, context: PassContext) -> tuple[ir.Value, int, bool] | None:
    """Where a value is one of the two columns of (…, count, 2): of what, and which.

    The last of the three says whether the first is the value before a reshape made the columns.
    """
    op = definer(value)
    if op is None:
        return None
    key = key_of(op)
    which: int | None = None
    if key == "onnx.Gather":
        indices = constant_ints(op.operands[1], context)
        rank = len(sem.shape_of(op.operands[0]))
        scalar = not sem.shape_of(op.operands[1])
        if scalar and indices is not None and integer(op, "axis", 0) in (-1, rank - 1):
            which = indices[0]
        columns = op.operands[0]
    elif key in ("onnx.Squeeze", "onnx.Reshape"):
        x = op.operands[0]
        if sem.shape_of(x) != (*sem.shape_of(value), 1):
            return None
        if key == "onnx.Squeeze" and axes(op, context) != [axis_of(x)]:
            return None
        found = _sliced(x, context)
        if found is None:
            return None
        columns, which, _ = found
    else:
        return None
    shape = sem.shape_of(columns)
    if which is None or shape[-1] != 2 or len(shape) < 2 or shape[-2] is None:
        return None
    which = which + 2 if which < 0 else which
    reshape = made_by(columns, "onnx.Reshape")
    if reshape is not None:
        whole = reshape.operands[0]
        if sem.shape_of(whole) == (*shape[:-2], 2 * shape[-2]):
            return whole, which, True
    return columns, which, False
