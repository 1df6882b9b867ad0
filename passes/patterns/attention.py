"""Attention and RotaryEmbedding → `sem.attention`, `sem.rope`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch_mlir import ir

from noema.dialects import sem, shapes
from noema.dialects.elements import to_attribute
from noema.passes.patterns.onnx_rewrite import (
    FLOATS,
    OnnxNode,
    OnnxRewrite,
    element_of,
    i64,
    with_shape,
)

_MODES = {"left_window_size": -1, "right_window_size": -1, "qk_matmul_output_mode": 0}
"""Integer attributes that `sem.attention` has where the node does, and ONNX's defaults."""


def build_attention(
    operands: Sequence[ir.Value | None],
    results: Sequence[ir.Type | None],
    *,
    scale: float,
    is_causal: bool = False,
    softcap: float = 0.0,
    heads: tuple[int, int] = (0, 0),
) -> ir.Operation:
    """Builds a `sem.attention`.

    Args:
        operands: In the op's order, None where omitted; trailing ones may be left out.
        results: Types, likewise.
        scale: Factor of the scores.
        is_causal: Whether queries see only keys up to their own position.
        softcap: Bound of the scores; 0 for none.
        heads: Of queries, and of keys and values, if the operands are of rank 3.
    """
    return sem.create(
        sem.AttentionOp,
        operands,
        results,
        scale=ir.FloatAttr.get(ir.F64Type.get(), scale),
        is_causal=ir.BoolAttr.get(is_causal),
        softcap=ir.FloatAttr.get(ir.F32Type.get(), softcap),
        q_num_heads=i64(heads[0]),
        kv_num_heads=i64(heads[1]),
    )


class RaiseAttention(OnnxRewrite):
    """`Attention(q, k, v, …)` --> `sem.attention`, with the default scale written out.

    1. Operands of rank 4 carry the number of heads in their shapes; the attributes don't count.
    2. Without a scale the head size must be known: the scale is one over its root.
    """

    op_types = ("Attention",)
    all_outputs = True

    def rewrite(self, node: OnnxNode) -> Sequence[ir.Value | None] | None:
        required = node.required(3)
        if required is None or len({element_of(v) for v in required}) != 1:
            return None
        if element_of(required[0]) not in FLOATS:
            return None
        q = sem.shape_of(required[0])
        heads = (node.int("q_num_heads", 0), node.int("kv_num_heads", 0))
        if len(q) == 4:  # case 1
            heads = (0, 0)
        operands = [node.input(i) for i in range(7)]
        known = [*(None if v is None else sem.shape_of(v) for v in operands), None]
        wanted, complaint = shapes.attention(known, *heads)
        if complaint:
            return None
        for output, want in zip(node.outputs, wanted, strict=False):
            if output is not None and not shapes.same_shape(sem.shape_of(output), want):
                return None
        size = q[3] if len(q) == 4 else None if q[2] is None else q[2] // heads[0]
        if "scale" in node.attributes:
            scale = node.float("scale", 0.0)
        elif size:  # case 2
            scale = size**-0.5
        else:
            return None
        softcap = node.float("softcap", 0.0)
        if not scale or softcap < 0:
            return None
        op = build_attention(
            operands,
            [None if v is None else v.type for v in node.outputs],
            scale=scale,
            is_causal=node.int("is_causal", 0) != 0,
            softcap=softcap,
            heads=heads,
        )
        for name, default in _MODES.items():
            if node.int(name, default) != default:
                op.attributes[name] = i64(node.int(name, default))
        if "softmax_precision" in node.attributes:
            op.attributes["softmax_precision"] = i64(node.int("softmax_precision", 1))
        return sem.slots(op, "result")


class RaiseRotaryEmbedding(OnnxRewrite):
    """`RotaryEmbedding(x, cos, sin, positions?)` --> `sem.rope`.

    1. With positions: cos and sin are tables in both.
    2. Without: they are (batch, sequence, factors), and an `Unsqueeze` node makes them broadcast
       onto the heads.
    """

    op_types = ("RotaryEmbedding",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(3)
        if operands is None:
            return None
        if len({element_of(v) for v in operands}) != 1 or element_of(operands[0]) not in FLOATS:
            return None
        x, positions = sem.shape_of(operands[0]), node.input(3)
        rotated = node.int("rotary_embedding_dim", 0)
        heads = node.int("num_heads", 0) if len(x) == 3 else 0
        if (len(x) == 3 and heads < 1) or len(x) not in (3, 4):
            return None
        factors = [sem.shape_of(v) for v in operands[1:]]
        if positions is None:  # case 2
            if any(len(f) != 3 for f in factors):
                return None
            axis = 2 if heads else 1
            factors = [(*f[:axis], 1, *f[axis:]) for f in factors]
        held = None if positions is None else sem.shape_of(positions)
        if shapes.rope([x, *factors, held], rotated, heads):
            return None
        if positions is None:
            where = to_attribute(np.array([2 if heads else 1], np.int64))
            axes = sem.ConstantOp(where.type, value=where).results[0]
            operands[1:] = [
                sem.build_onnx(
                    "Unsqueeze", [v, axes], [with_shape(f, v)], attrs={}, version=node.version
                ).results[0]
                for v, f in zip(operands[1:], factors, strict=True)
            ]
        return sem.RopeOp(
            *operands,
            positions=positions,
            res=node.type,
            interleaved=ir.BoolAttr.get(node.int("interleaved", 0) != 0),
            num_heads=i64(heads),
            rotary_embedding_dim=i64(rotated),
        ).results[0]
