"""MatMul and Gemm → `sem.matmul`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind
from noema.dialects.elements import to_attribute
from noema.passes.patterns.onnx_rewrite import (
    FLOATS,
    OnnxNode,
    OnnxRewrite,
    elementwise,
    scalar,
    with_shape,
)


class RaiseMatMul(OnnxRewrite):
    """`MatMul(a, b)` --> `sem.matmul`.

    An operand of rank 1 becomes a row (a) or a column (b) before, by an `Unsqueeze` node, and its
    dimension of extent 1 leaves the product after, by a `Squeeze` node.
    """

    op_types = ("MatMul",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not node.is_of(FLOATS):
            return None
        shapes = [sem.shape_of(v) for v in operands]
        if not all(shapes) or node.version < 13:  # before, axes were attributes
            return None
        added: list[int] = []  # dimensions of the product, from the back
        for position, axis in ((0, 0), (1, 1)):
            if len(shapes[position]) == 1:
                (extent,) = shapes[position]
                shapes[position] = (1, extent) if axis == 0 else (extent, 1)
                operands[position] = _reshaped(
                    node, "Unsqueeze", operands[position], [axis], shapes[position]
                )
                added.append(axis - 2)
        if not added:
            return sem.MatmulOp(*operands, node.type).results[0]
        batch = sem.broadcast_shapes([s[:-2] for s in shapes]) or ()
        type_ = with_shape((*batch, shapes[0][-2], shapes[1][-1]), operands[0])
        product = sem.MatmulOp(*operands, type_).results[0]
        return _reshaped(node, "Squeeze", product, added, node.shape)


def _reshaped(
    node: OnnxNode, op_type: str, x: ir.Value, axes: list[int], shape: Sequence[int | None]
) -> ir.Value:
    attribute = to_attribute(np.array(axes, np.int64))
    constant = sem.ConstantOp(attribute.type, value=attribute).results[0]
    result = with_shape(shape, x)
    return sem.build_onnx(op_type, [x, constant], [result], attrs={}, version=node.version).results[
        0
    ]


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
