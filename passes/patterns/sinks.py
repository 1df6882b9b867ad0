"""Attention sinks: one more score for each query, joined to those of the keys and dropped after."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.passes.base import PassContext
from noema.passes.patterns.match import axes, constant_ints, integer, made_by
from noema.passes.patterns.pattern import Declined


@dataclass(frozen=True)
class Sinks:
    """What a softmax reads besides the scores of keys.

    Attributes:
        scores: The scores of keys.
        sinks: The others, which broadcast onto (B, heads, M, 1).
        covers: The ops that join them.
    """

    scores: ir.Value
    sinks: ir.Value
    covers: tuple[ir.Operation, ...]


def drops_last(op: ir.Operation, context: PassContext) -> bool:
    """Whether a Slice leaves the last column out, and nothing else."""
    x = sem.shape_of(op.operands[0])
    bounds = [constant_ints(v, context) for v in list(op.operands)[1:]]
    if not 3 <= len(bounds) <= 4 or any(b is None or len(b) != 1 for b in bounds):
        return False
    start, end, axis, step = [*(b[0] for b in bounds if b), 1][:4]
    if start != 0 or axis not in (-1, len(x) - 1) or step != 1:
        return False
    return end == -1 or (x[-1] is not None and end == x[-1] - 1)


def sinks_of(value: ir.Value, context: PassContext) -> Sinks:
    """What a softmax reads whose last column is dropped after it.

    1. Scores and a column, joined.
    2. Then the largest of each row taken off, which changes no softmax.

    Raises:
        Declined: It is something else.
    """
    covers: list[ir.Operation] = []
    shifted = made_by(value, "elementwise.sub")
    if shifted is not None:  # case 2
        top = made_by(shifted.operands[1], "onnx.ReduceMax")
        last = len(sem.shape_of(value)) - 1
        if (
            top is None
            or top.operands[0] != shifted.operands[0]
            or axes(top, context) != [last]
            or not integer(top, "keepdims", 1)
        ):
            raise Declined("a column of the softmax is dropped")
        covers += [shifted, top]
        value = shifted.operands[0]
    concat = made_by(value, "onnx.Concat")
    rank = len(sem.shape_of(value))
    if (
        concat is None
        or len(concat.operands) != 2
        or integer(concat, "axis", 0)
        not in (
            -1,
            rank - 1,
        )
    ):
        raise Declined("a column of the softmax is dropped")
    scores, sinks = concat.operands
    if rank != 4 or sem.shape_of(sinks)[-1] != 1:
        raise Declined("attention sinks of several columns, or without heads")
    covers.append(concat)
    expand = made_by(sinks, "onnx.Expand")
    if expand is not None and len(sem.shape_of(expand.operands[0])) <= rank:
        covers.append(expand)
        sinks = expand.operands[0]
    return Sinks(scores, sinks, tuple(covers))
