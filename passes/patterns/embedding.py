"""Gather → `sem.embedding`."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import definer, key_of
from noema.passes.patterns.onnx_rewrite import FLOATS, OnnxNode, OnnxRewrite, element_of

_STORED = frozenset({"param", "constant"})
_KEEPS_ROWS = frozenset({"elementwise.cast", "onnx.Transpose", "onnx.DequantizeLinear"})
"""What may stand between a stored table and the lookup: a table tied to the network's head is
stored transposed, a compressed one in a narrower type."""


class RaiseEmbedding(OnnxRewrite):
    """`Gather(table, ids)` along axis 0 --> `sem.embedding`, where the table is a weight.

    1. The table is a matrix that is stored, of floats or of 8-bit integers.
    2. The ids aren't: a constant choice of rows is a smaller weight, not a lookup.
    """

    op_types = ("Gather",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or node.int("axis", 0) not in (0, -2):
            return None
        table, ids = operands
        if len(sem.shape_of(table)) != 2 or element_of(ids) not in ("i32", "i64"):
            return None
        if element_of(table) not in FLOATS | {"i8", "ui8"} or not _is_stored(table):  # case 1
            return None
        owner = definer(ids)
        if owner is not None and key_of(owner) in _STORED:  # case 2
            return None
        return sem.EmbeddingOp(table, ids, node.type).results[0]


def _is_stored(value: ir.Value) -> bool:
    """Whether a value is a weight, as it is stored or as a few steps make it of that."""
    for _ in range(4):
        owner = definer(value)
        if owner is None:
            return False
        key = key_of(owner)
        if key in _STORED:
            return True
        if key not in _KEEPS_ROWS:
            return False
        value = owner.operands[0]
    return False
