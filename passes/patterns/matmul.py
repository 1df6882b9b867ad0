"""MatMul and Gemm → `sem.matmul`."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind
from noema.passes.patterns.onnx_rewrite import (
    FLOATS,
    OnnxNode,
    OnnxRewrite,
    elementwise,
    scalar,
)


class RaiseMatMul(OnnxRewrite):
    """`MatMul(a, b)` --> `sem.matmul`, where both operands have rank 2 or more."""

    op_types = ("MatMul",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not node.is_of(FLOATS):
            return None
        if min(len(sem.shape_of(v)) for v in operands) < 2:
            return None
        return sem.MatmulOp(*operands, node.type).results[0]


class RaiseGemm(OnnxRewrite):
    """`alpha A' B' + beta C` --> `sem.matmul`, scaled and added to where that isn't trivial.

    1. alpha = 1: no scaling of the product.
    2. C absent, or beta = 0: nothing is added.
    3. beta = 1: C is added as it is.
    """

    op_types = ("Gemm",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not node.is_of(FLOATS):
            return None
        if any(len(sem.shape_of(v)) != 2 for v in operands):
            return None
        alpha, beta, c = node.float("alpha", 1.0), node.float("beta", 1.0), node.input(2)
        flags = [ir.BoolAttr.get(node.int(name, 0) != 0) for name in ("transA", "transB")]
        value: ir.Value = sem.MatmulOp(
            *operands, node.type, transpose_lhs=flags[0], transpose_rhs=flags[1]
        ).results[0]
        if alpha != 1.0:  # case 1
            value = elementwise(ElementwiseKind.MUL, [value, scalar(alpha, value)], node.type)
        if c is None or beta == 0.0:  # case 2
            return value
        if beta != 1.0:  # case 3
            c = elementwise(ElementwiseKind.MUL, [c, scalar(beta, c)], c.type)
        return elementwise(ElementwiseKind.ADD, [value, c], node.type)
