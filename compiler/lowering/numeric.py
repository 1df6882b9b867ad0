"""Lowering of Det, IsInf and Mean."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import linalg

from noema.lowering import emit, real
from noema.lowering.elementwise import convert, working_float
from noema.lowering.node import Declined, Node
from noema.lowering.real import Real

_LARGEST = 8
"""Determinants of larger matrices would be a very long body."""


def lower_det(node: Node) -> ir.Value:
    """Determinants of the innermost matrices, by elimination with pivots."""
    x, dtype = node.operand(0), node.dtype(0)
    work = working_float(dtype, "Det")
    rows, columns = emit.shape_of(x)[-2:]
    if rows is None or rows != columns or rows > _LARGEST:
        raise Declined(f"determinants of {rows or '?'} × {columns or '?'} matrices")
    sizes, order = emit.extents(x)[:-2], rows

    def body() -> ir.Value:
        batch = [linalg.IndexOp(i).result for i in range(len(sizes))]
        matrix = [
            [Real(convert(emit.extract(x, [*batch, i, j]), dtype, work)) for j in range(order)]
            for i in range(order)
        ]
        return convert(_determinant(matrix).value, work, dtype)

    return emit.parallel([], [], sizes, node.result_element(), body)


def _determinant(matrix: list[list[Real]]) -> Real:
    order = len(matrix)
    result = real.constant(1.0, matrix[0][0].value.type)
    for k in range(order):
        pivot = matrix[k]
        for r in range(k + 1, order):
            # The row with the larger element comes up; each exchange turns the sign.
            row = matrix[r]
            larger = real.absolute(row[k]) > real.absolute(pivot[k])
            matrix[r] = [real.where(larger, a, b) for a, b in zip(pivot, row, strict=True)]
            pivot = [real.where(larger, b, a) for a, b in zip(pivot, row, strict=True)]
            result = real.where(larger, result * -1.0, result)
        result = result * pivot[k]
        # A column of zeros makes the result 0 already.
        divisor = real.where(
            real.equal(pivot[k], 0.0), real.constant(1.0, result.value.type), pivot[k]
        )
        for r in range(k + 1, order):
            factor = matrix[r][k] / divisor
            matrix[r] = [
                a - factor * b if j > k else a
                for j, (a, b) in enumerate(zip(matrix[r], pivot, strict=True))
            ]
    return result


def lower_is_inf(node: Node) -> ir.Value:
    """Whether an element is an infinity, of the signs that the attributes ask for."""
    x, dtype = node.operand(0), node.dtype(0)
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"IsInf of {dtype}")
    signs = [
        infinity
        for name, infinity in (
            ("detect_negative", float("-inf")),
            ("detect_positive", float("inf")),
        )
        if node.int(name, 1)
    ]

    def test(value: ir.Value) -> ir.Value:
        found = emit.scalar(0, ir.IntegerType.get_signless(1))
        for infinity in signs:
            found = real.either(found, real.equal(Real(value), infinity))
        return found

    return emit.pointwise([x], node.result_element(), test)


def lower_mean(node: Node) -> ir.Value:
    """The mean of the operands, which broadcast."""
    dtype = node.dtype(0)
    work = working_float(dtype, "Mean")
    values = [node.operand(i) for i in range(len(node.inputs)) if node.has(i)]

    def mean(*elements: ir.Value) -> ir.Value:
        wide = [Real(convert(e, dtype, work)) for e in elements]
        total = wide[0]
        for other in wide[1:]:
            total = total + other
        return convert((total / float(len(wide))).value, work, dtype)

    return emit.pointwise(values, node.result_element(), mean)
