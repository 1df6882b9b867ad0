"""Lowering of `sem.rope`, rotary position embedding."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.lowering import emit, slicing
from noema.lowering.emit import Extent
from noema.lowering.gather import inside
from noema.lowering.node import Declined, Node


def lower_rope(node: Node) -> ir.Value:
    """Rotates pairs of features of x by the angles whose cosines and sines are given."""
    x, dtype = node.operand(0), node.dtype(0)
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"rotary embedding of {dtype}")
    heads = node.int("num_heads")
    last = len(emit.shape_of(x)) - 1
    if heads:
        hidden = emit.shape_of(x)[2]
        if hidden is None:
            raise Declined(f"{heads} heads of an unknown hidden size")
        x = slicing.split(x, 2, [heads, hidden // heads])
        last = 3
    size = emit.shape_of(x)[last]
    if size is None:
        raise Declined("rotary embedding of an unknown head size")
    rotated = node.int("rotary_embedding_dim") or size
    cos, sin = (_factors(node, slot, rotated) for slot in (1, 2))
    if node.has(3):
        # (batch, sequence, factors): x's own order, with the heads left out.
        axes = [0, 1 if heads else 2]
    else:
        axes = list(range(last))
    turned = _rotate(
        slicing.part(x, last, 0, rotated), cos, sin, axes, bool(node.int("interleaved"))
    )
    if rotated < size:
        rest = slicing.part(x, last, rotated, size - rotated)
        turned = slicing.concatenate([turned, rest], last)
    return slicing.merge(turned, 2, 2) if heads else turned


def _factors(node: Node, slot: int, rotated: int) -> ir.Value:
    """Cos or sin of every position's angles: (…, factors), the rows of the table looked up."""
    factors = node.operand(slot)
    width = emit.shape_of(factors)[-1]
    if width not in (rotated, rotated // 2):
        raise Declined(f"{width or 'unknown'} cosines or sines for {rotated} features")
    return _rows(factors, node.operand(3), width) if node.has(3) else factors


def _rows(table: ir.Value, positions: ir.Value, width: int) -> ir.Value:
    """table[positions]: (rows, width) by integer (…) → (…, width); negative ones count back."""
    sizes: list[Extent] = [*emit.extents(positions), width]
    rank = len(sizes)
    rows = emit.extent(table, 0)

    def pick(position: ir.Value) -> ir.Value:
        return emit.extract(table, [inside(position, rows), linalg.IndexOp(rank - 1).result])

    mapping = emit.affine_map(rank, emit.dims(rank)[:-1])
    return emit.parallel([positions], [mapping], sizes, emit.element_of(table), pick)


def _rotate(
    x: ir.Value, cos: ir.Value, sin: ir.Value, axes: list[int], interleaved: bool
) -> ir.Value:
    """(cos·a - sin·b, sin·a + cos·b) for the pairs (a, b) of the last dimension of x.

    Args:
        x: (…, 2 · half).
        cos: (…, half) or (…, 2 · half).
        sin: The same.
        axes: Dimensions of x that the leading ones of cos and sin are, aligned at the last.
        interleaved: Whether pairs are neighbours.
    """
    element = emit.element_of(x)
    last = len(emit.shape_of(x)) - 1
    width = emit.shape_of(x)[last]
    assert width is not None
    half = width // 2
    pair = [half, 2] if interleaved else [2, half]
    pair_axis, angle_axis = (last + 1, last) if interleaved else (last, last + 1)
    paired = slicing.split(x, last, pair)
    first, second = (slicing.at(paired, pair_axis, i) for i in (0, 1))
    loops = emit.dims(last + 2)
    operand = [d for i, d in enumerate(loops) if i != pair_axis]
    zero = ir.AffineExpr.get_constant(0)
    factors: list[ir.Value] = []
    maps: list[ir.AffineMap] = []
    for value in (cos, sin):
        lead = emit.extents(value)[:-1]
        own = axes[len(axes) - len(lead) :]
        # What is only known when the program runs is checked then.
        emit.broadcast_sizes([[emit.extent(x, axis) for axis in own], lead])
        where = [
            zero if extent == 1 else loops[axis] for extent, axis in zip(lead, own, strict=True)
        ]
        if emit.shape_of(value)[-1] == half:
            factors.append(value)
            where.append(loops[angle_axis])
        else:
            factors.append(slicing.split(value, len(lead), pair))
            where += loops[last:]
        maps.append(emit.affine_map(last + 2, where))
    wide = isinstance(element, ir.F64Type)
    compute = element if wide else ir.F32Type.get()

    def widened(v: ir.Value) -> ir.Value:
        return v if v.type == compute else arith.ExtFOp(compute, v).result

    def product(a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.MulFOp(a, b).result

    def body(a: ir.Value, b: ir.Value, c: ir.Value, s: ir.Value) -> ir.Value:
        a, b, c, s = (widened(v) for v in (a, b, c, s))
        index = linalg.IndexOp(pair_axis).result
        is_first = arith.CmpIOp(arith.CmpIPredicate.eq, index, emit.index(0)).result
        real = arith.SubFOp(product(c, a), product(s, b)).result
        imaginary = arith.AddFOp(product(s, a), product(c, b)).result
        result = arith.SelectOp(is_first, real, imaginary).result
        return result if compute == element else arith.TruncFOp(element, result).result

    plain = emit.affine_map(last + 2, operand)
    turned = emit.parallel(
        [first, second, *factors], [plain, plain, *maps], emit.extents(paired), element, body
    )
    return slicing.merge(turned, last, 2)
