"""Softmax and the normalisations → `sem.softmax`, `sem.norm`."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import NormKind
from noema.passes.patterns.onnx_rewrite import FLOATS, OnnxNode, OnnxRewrite, f32, i64

CHANNEL = 1
"""The channel dimension of a (N, C, …) tensor; the axis of the norms that have no other."""
EPSILON = 1e-5
"""ONNX's default, in all of them."""


class RaiseSoftmax(OnnxRewrite):
    """`Softmax(x)`, `LogSoftmax(x)` --> `sem.softmax`.

    Before opset 13 these flattened their input to two dimensions; such nodes are left.
    """

    op_types = ("Softmax", "LogSoftmax")

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands, axis = node.required(1), node.axis(-1)
        if operands is None or axis is None or not node.is_of(FLOATS) or node.version < 13:
            return None
        log = ir.BoolAttr.get(node.op_type == "LogSoftmax")
        return sem.build(sem.SoftmaxOp, operands, node.type, axis=i64(axis), log=log)


class RaiseLayerNorm(OnnxRewrite):
    """`LayerNormalization`, `RMSNormalization` --> `sem.norm` of kind layer, rms.

    Scale and bias must have exactly the normalised shape, and the statistics the default
    precision (`stash_type` f32); other nodes are left.
    """

    op_types = ("LayerNormalization", "RMSNormalization")

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands, axis = node.required(2), node.axis(-1)
        if operands is None or axis is None or not node.is_of(FLOATS):
            return None
        if node.int("stash_type", 1) != 1:
            return None
        x, scale = operands
        bias = node.input(2)
        normalized = sem.shape_of(x)[axis:]
        if any(v is not None and sem.shape_of(v) != normalized for v in (scale, bias)):
            return None
        is_layer = node.op_type == "LayerNormalization"
        kind = NormKind.LAYER if is_layer else NormKind.RMS
        return _norm(node, kind, [x, scale, bias], axis=axis)


class RaiseBatchNorm(OnnxRewrite):
    """`BatchNormalization` outside training --> `sem.norm` of kind batch."""

    op_types = ("BatchNormalization",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(5)
        if operands is None or not node.is_of(FLOATS) or node.int("training_mode", 0) != 0:
            return None
        if len(sem.shape_of(operands[0])) < 2 or node.version < 9:  # older ones have `spatial`
            return None
        return _norm(node, NormKind.BATCH, operands)


class RaiseInstanceNorm(OnnxRewrite):
    """`InstanceNormalization` --> `sem.norm` of kind instance."""

    op_types = ("InstanceNormalization",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(3)
        if operands is None or not node.is_of(FLOATS) or len(sem.shape_of(operands[0])) < 3:
            return None
        return _norm(node, NormKind.INSTANCE, operands)


class RaiseGroupNorm(OnnxRewrite):
    """`GroupNormalization` --> `sem.norm` of kind group.

    Before opset 21 scale and bias were per group, not per channel; such nodes are left.
    """

    op_types = ("GroupNormalization",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands, groups = node.required(3), node.int("num_groups", 0)
        if operands is None or not node.is_of(FLOATS) or node.version < 21:
            return None
        shape = sem.shape_of(operands[0])
        if node.int("stash_type", 1) != 1 or len(shape) < 2 or shape[CHANNEL] is None:
            return None
        if groups < 1 or shape[CHANNEL] % groups:
            return None
        return _norm(node, NormKind.GROUP, operands, groups=groups)


def _norm(
    node: OnnxNode,
    kind: NormKind,
    operands: list[ir.Value] | list[ir.Value | None],
    *,
    axis: int = CHANNEL,
    groups: int = 1,
) -> ir.Value:
    return sem.build(
        sem.NormOp,
        operands,
        node.type,
        kind=ir.StringAttr.get(kind),
        axis=i64(axis),
        groups=i64(groups),
        epsilon=f32(node.float("epsilon", EPSILON)),
    )
