"""Lowering of `sem.matmul` to linalg contractions."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from noema.dialects.graph import definer, key_of
from noema.lowering import emit, slicing
from noema.lowering.node import Node

_REPEATS = frozenset({"onnx.Expand", "onnx.Tile"})
_REARRANGES = frozenset(
    {"onnx.Flatten", "onnx.Reshape", "onnx.Squeeze", "onnx.Transpose", "onnx.Unsqueeze"}
)
_STEPS = 6
"""How many rearrangements may lie between what repeats and the product."""


def lower_matmul(node: Node) -> ir.Value:
    """(…, M, K) × (…, K, N) → (…, M, N); 16-bit floats accumulate in f32, others in their type.

    A rank-2 right-hand side without batch dimensions of its own (a weight) makes one 2-D
    contraction of all rows of the left-hand side, which is the form that code generation does best.
    """
    lhs, rhs = (unfused(node, slot) for slot in (0, 1))
    transpose_lhs, transpose_rhs = bool(node.int("transpose_lhs")), bool(node.int("transpose_rhs"))
    element = node.result_element()
    sums = emit.accumulator_of(element)
    if len(emit.shape_of(rhs)) == 2 and len(emit.shape_of(lhs)) > 2 and not transpose_lhs:
        return emit.narrow(_rows_by_weight(lhs, rhs, transpose_rhs, sums), element)
    return emit.narrow(contract(lhs, rhs, transpose_lhs, transpose_rhs, sums), element)


def unfused(node: Node, slot: int) -> ir.Value:
    """An operand; one that repeats a smaller tensor is made before the product, not in it.

    IREE 3.13 fuses what repeats into the product and then packs the wrong operand: it dies
    (`PackOp::getResultShape`), or the product is wrong.
    """
    value = node.inputs[slot]
    for _ in range(_STEPS):
        op = None if value is None else definer(value)
        if op is None or key_of(op) not in _REPEATS | _REARRANGES:
            break
        if key_of(op) in _REPEATS:
            return slicing.apart(node.operand(slot))
        value = op.operands[0]
    return node.operand(slot)


def _rows_by_weight(
    lhs: ir.Value, rhs: ir.Value, transpose_rhs: bool, element: ir.Type
) -> ir.Value:
    sizes = emit.extents(lhs)
    rank = len(sizes)
    leading = emit.shape_of(lhs)[:-1]
    rows: emit.Extent = 1
    for extent in sizes[:-1]:
        rows = multiply(rows, extent)
    groups = [list(range(rank - 1)), [rank - 1]]
    flat_type = emit.tensor_type([rows, sizes[-1]], emit.element_of(lhs))
    flat = tensor.CollapseShapeOp(flat_type, lhs, emit.nested(groups)).result
    product = contract(flat, rhs, False, transpose_rhs, element)
    columns = emit.extent(product, 1)
    result_type = emit.tensor_type([*leading, columns], element)
    out_sizes = [*sizes[:-1], columns]
    return tensor.ExpandShapeOp(
        result_type,
        product,
        emit.nested(groups),
        [d for d in out_sizes if not isinstance(d, int)],
        list(result_type.shape),
    ).result


def contract(
    lhs: ir.Value, rhs: ir.Value, transpose_lhs: bool, transpose_rhs: bool, element: ir.Type
) -> ir.Value:
    """Batched matrix product with numpy broadcasting of the batch dimensions."""
    lhs_sizes, rhs_sizes = emit.extents(lhs), emit.extents(rhs)
    rows = lhs_sizes[-1 if transpose_lhs else -2]
    columns = rhs_sizes[-2 if transpose_rhs else -1]
    batch = emit.broadcast_batch(lhs, rhs)
    out_rank = len(batch) + 2
    # Loops: batch…, m, n, k. An operand's extent-1 batch dimensions are squeezed away where the
    # result's is larger: a constant in an indexing map would hide the contraction.
    loops = emit.dims(out_rank + 1)
    m, n, k = loops[-3:]
    lhs, lhs_batch = _squeeze_batch(lhs, batch)
    rhs, rhs_batch = _squeeze_batch(rhs, batch)
    lhs_map = [*(loops[i] for i in lhs_batch), *((k, m) if transpose_lhs else (m, k))]
    rhs_map = [*(loops[i] for i in rhs_batch), *((n, k) if transpose_rhs else (k, n))]
    zero = emit.scalar(0, element)
    return emit.generic(
        [lhs, rhs],
        [emit.affine_map(out_rank + 1, lhs_map), emit.affine_map(out_rank + 1, rhs_map)],
        emit.full([*batch, rows, columns], zero),
        emit.affine_map(out_rank + 1, loops[:-1]),
        ["parallel"] * out_rank + ["reduction"],
        multiply_add(element),
    )


def multiply_add(element: ir.Type) -> emit.Body:
    """Body a·b + acc in `element`; narrower operands are widened first, integers as signed ones."""

    def body(a: ir.Value, b: ir.Value, acc: ir.Value) -> ir.Value:
        if isinstance(element, ir.IntegerType):
            a, b = (v if v.type == element else arith.ExtSIOp(element, v).result for v in (a, b))
            return arith.AddIOp(acc, arith.MulIOp(a, b).result).result
        a, b = (v if v.type == element else arith.ExtFOp(element, v).result for v in (a, b))
        return arith.AddFOp(acc, arith.MulFOp(a, b).result).result

    return body


def multiply(a: emit.Extent, b: emit.Extent) -> emit.Extent:
    """Product of two extents, static if both are."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if isinstance(a, int) and a == 1:
        return b
    if isinstance(b, int) and b == 1:
        return a
    return arith.MulIOp(emit.as_index(a), emit.as_index(b)).result


def _squeeze_batch(value: ir.Value, batch: list[emit.Extent]) -> tuple[ir.Value, list[int]]:
    """Drops the operand's broadcast batch dimensions; gives the loops of those that stay."""
    shape = emit.shape_of(value)
    own = len(shape) - 2
    offset = len(batch) - own
    kept = [
        i
        for i in range(own)
        if not (
            shape[i] == 1 and not (isinstance(batch[offset + i], int) and batch[offset + i] == 1)
        )
    ]
    if len(kept) < own:
        sizes = emit.extents(value)
        value = emit.reshape(value, [sizes[i] for i in kept] + sizes[-2:])
    return value, [offset + i for i in kept]
