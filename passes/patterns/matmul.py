"""MatMul, Gemm and the Einsums that are products of matrices → `sem.matmul`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind
from noema.dialects.elements import to_attribute
from noema.passes.patterns.build import matmul, transposed
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
            return matmul(*operands, node.type)
        batch = sem.broadcast_shapes([s[:-2] for s in shapes]) or ()
        type_ = with_shape((*batch, shapes[0][-2], shapes[1][-1]), operands[0])
        product = matmul(*operands, type_)
        return _reshaped(node, "Squeeze", product, added, node.shape)


def _reshaped(
    node: OnnxNode, op_type: str, x: ir.Value, axes: list[int], shape: Sequence[int | None]
) -> ir.Value:
    attribute = to_attribute(np.array(axes, np.int64))
    constant = sem.build_constant(attribute)
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
        flip_a, flip_b = (node.int(name, 0) != 0 for name in ("transA", "transB"))
        value = matmul(*operands, node.type, transpose_lhs=flip_a, transpose_rhs=flip_b)
        if alpha != 1.0:  # case 1
            value = elementwise(ElementwiseKind.MUL, [value, scalar(alpha, value)], node.type)
        if c is None or beta == 0.0:  # case 2
            return value
        if beta != 1.0:  # case 3
            c = elementwise(ElementwiseKind.MUL, [c, scalar(beta, c)], c.type)
        return elementwise(ElementwiseKind.ADD, [value, c], node.type)


class RaiseEinsum(OnnxRewrite):
    """An `Einsum` of two operands that is one product of matrices --> transposes, `sem.matmul`.

    Its labels are those of the batch (in both operands and the result), the rows (of the first
    operand), the columns (of the second), and the one that is summed over: `bqhd,bkhd->bhqk` is a
    product per b and h of q rows, k columns, summed over d. Others stay.
    """

    op_types = ("Einsum",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or len(node.inputs) != 2 or not node.is_of(FLOATS):
            return None
        equation = node.text("equation", "").replace(" ", "")
        inputs, arrow, result = equation.partition("->")
        labels = inputs.split(",")
        if not arrow or len(labels) != 2 or "." in equation:
            return None
        lhs, rhs = labels
        if any(len(set(part)) != len(part) for part in (lhs, rhs, result)):
            return None
        shapes = [sem.shape_of(v) for v in operands]
        if (len(lhs), len(rhs)) != (len(shapes[0]), len(shapes[1])):
            return None
        batch = "".join(x for x in result if x in lhs and x in rhs)
        summed = [x for x in lhs if x in rhs and x not in result]
        rows = [x for x in lhs if x not in rhs]
        columns = [x for x in rhs if x not in lhs]
        if len(summed) != 1 or len(rows) != 1 or len(columns) != 1:
            return None
        if set(result) != {*batch, *rows, *columns}:
            return None
        m, k, n = rows[0], summed[0], columns[0]
        if shapes[0][lhs.index(k)] != shapes[1][rhs.index(k)]:  # an extent of 1 would broadcast
            return None
        left = _arranged(node, operands[0], lhs, batch + m + k)
        right = _arranged(node, operands[1], rhs, batch + n + k)
        extents = dict(zip(result, node.shape, strict=True))
        type_ = with_shape([extents[x] for x in batch + m + n], left)
        product = matmul(left, right, type_, transpose_rhs=True)
        return _arranged(node, product, batch + m + n, result)


def _arranged(node: OnnxNode, x: ir.Value, labels: str, wanted: str) -> ir.Value:
    """A tensor whose axes are named, in another order of them."""
    if labels == wanted:
        return x
    return transposed(x, [labels.index(label) for label in wanted], version=node.version)
