"""Slots of ops: operands and results by place, some of which may be empty.

An op with optional operands has as many slots as it can have operands at most;
`operandSegmentSizes` (and `resultSegmentSizes`) says which of them are filled.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir


def segments(slots: Sequence[object], count: int) -> ir.DenseI32ArrayAttr:
    """The attribute that says which of `count` slots are filled: those that aren't None."""
    if len(slots) > count:
        raise ValueError(f"{len(slots)} slots, the op has {count}")
    empty = [0] * (count - len(slots))
    return ir.DenseI32ArrayAttr.get([0 if slot is None else 1 for slot in slots] + empty)


def slots(op: ir.Operation | ir.OpView, which: str = "operand") -> list[ir.Value | None]:
    """Operands (or results) of an op with optional slots, by slot; None where the slot is empty.

    Trailing empty slots are dropped.
    """
    present: list[ir.Value | None] = list(op.operands if which == "operand" else op.results)
    try:
        sizes = ir.DenseI32ArrayAttr(op.attributes[which + "SegmentSizes"])
    except KeyError:
        return present
    # Reading all of them takes longer than all the rest, and nearly always no empty slot lies
    # between the filled ones.
    for i in range(len(present)):
        if not sizes[i]:
            break
    else:
        return present
    filled = iter(present)
    values = [next(filled) if size else None for size in sizes]
    while values and values[-1] is None:
        values.pop()
    return values
