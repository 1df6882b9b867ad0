"""Lowering of `sem.attention`, and of `Attention` in the forms that it doesn't express.

Attention is written as what it is, product · bias · softmax · product, on (batch, heads, sequence,
head size); scores and probabilities are f32 for narrower operands. Grouped heads share their keys
by a reshape of the queries, not by copies of the keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math

from noema import dtypes
from noema.dialects.attrs import ActivationKind
from noema.dtypes import DType
from noema.lowering import activation, emit, slicing
from noema.lowering.emit import Extent
from noema.lowering.matmul import contract
from noema.lowering.node import Declined, Node

_RAW, _CAPPED, _BIASED, _PROBABILITIES = range(4)
"""Values of `qk_matmul_output_mode`: which intermediate the fourth result is."""


@dataclass(frozen=True)
class _Heads:
    """How many heads queries have, and keys and values."""

    query: int
    key: int

    def group(self, value: ir.Value) -> ir.Value:
        """(B, Hq, M, X) → (B, Hk, Hq / Hk · M, X): the queries that share a key head together."""
        if self.query == self.key:
            return value
        apart = slicing.split(value, 1, [self.key, self.query // self.key])
        return slicing.merge(apart, 2, 2)

    def ungroup(self, value: ir.Value, rows: Extent) -> ir.Value:
        """The inverse of `group`, for M = rows."""
        if self.query == self.key:
            return value
        apart = slicing.split(value, 2, [self.query // self.key, rows])
        return slicing.merge(apart, 1, 2)


def lower_attention(node: Node) -> Sequence[ir.Value | None]:
    """softmax(cap(Q Kᵀ · scale) + bias) V, with the caches joined to K and V first.

    Results: Y, present_key, present_value (K and V with what was cached), qk_matmul_output.
    """
    for slot in (0, 1, 2):
        if not node.dtype(slot).is_float or node.dtype(slot).bits < 16:
            raise Declined(f"attention of {node.dtype(slot)}")
    flat = len(emit.shape_of(node.operand(0))) == 3
    heads = _heads(node, flat)
    q, k, v = _operand(node, 0), _operand(node, 1), node.operand(2)
    if flat:
        q = _split_heads(q, heads.query)
        k, v = (_split_heads(x, heads.key) for x in (k, v))
    past: Extent = 0
    if node.has(4) != node.has(5):
        raise Declined("only one of past_key and past_value")
    if node.has(4):
        past = emit.extent(node.operand(4), 2)
        k = slicing.concatenate([node.operand(4), k], 2)
        v = slicing.concatenate([node.operand(5), v], 2)
    compute = _compute_type(node)
    rows, columns = emit.extent(q, 2), emit.extent(k, 2)
    raw = _scores(node, heads, q, k, compute)
    capped = _softcap(raw, node.float("softcap", 0.0))
    bias = _bias(node, past, rows, columns, emit.extent(q, 0), compute)
    scores = capped
    if bias is not None:
        scores = emit.pointwise([capped, bias], compute, lambda s, b: arith.AddFOp(s, b).result)
    probabilities = _softmax_beside(scores, node.operand(7)) if node.has(7) else _softmax(scores)
    if bias is not None and not _keeps_a_key(node):
        probabilities = _zero_masked_rows(probabilities, bias)
    out = heads.ungroup(contract(heads.group(probabilities), v, False, False, compute), rows)
    if flat:
        out = slicing.merge(emit.transpose(out, [0, 2, 1, 3]), 2, 2)
    shown = {_RAW: raw, _CAPPED: capped, _BIASED: scores, _PROBABILITIES: probabilities}
    mode = node.int("qk_matmul_output_mode", _RAW)
    if mode not in shown:
        raise Declined(f"qk_matmul_output_mode {mode}")
    results = [out, k, v, shown[mode]]
    return [
        _narrow(results[slot], node.result_element(slot)) if result is not None else None
        for slot, result in enumerate(node.results)
    ]


def _operand(node: Node, slot: int) -> ir.Value:
    """Queries or keys; a tensor of their own where others read them too.

    Disentangled attention multiplies them with relative positions besides. IREE 3.13 then packs
    one tensor for both products, and the scores are wrong.
    """
    value = node.inputs[slot]
    shared = value is not None and len(list(value.uses)) > 1
    return slicing.apart(node.operand(slot)) if shared else node.operand(slot)


def _heads(node: Node, flat: bool) -> _Heads:
    if flat:
        query, key = node.int("q_num_heads", 0), node.int("kv_num_heads", 0)
    else:
        shapes = [emit.shape_of(node.operand(slot)) for slot in (0, 1)]
        query, key = (shape[1] or 0 for shape in shapes)
    if query <= 0 or key <= 0 or query % key:
        raise Declined(f"{query or '?'} query heads, {key or '?'} key heads")
    return _Heads(query, key)


def _split_heads(value: ir.Value, heads: int) -> ir.Value:
    """(B, S, H·D) → (B, H, S, D)."""
    hidden = emit.shape_of(value)[2]
    if hidden is None or hidden % heads:
        raise Declined(f"{heads} heads of a hidden size {hidden or 'unknown'}")
    return emit.transpose(slicing.split(value, 2, [heads, hidden // heads]), [0, 2, 1, 3])


def _compute_type(node: Node) -> ir.Type:
    wanted = dtypes.from_onnx(node.int("softmax_precision", 1))
    wide = dtypes.from_name("float64")
    if wide in (wanted, *(node.dtype(slot) for slot in (0, 1, 2))):
        return ir.F64Type.get()
    return ir.F32Type.get()


def _scores(node: Node, heads: _Heads, q: ir.Value, k: ir.Value, compute: ir.Type) -> ir.Value:
    """Q Kᵀ · scale: (B, Hq, M, N). The smaller operand, Q, carries the scale."""
    size = emit.shape_of(q)[3]
    if size is None:
        raise Declined("attention of an unknown head size")
    scale = node.float("scale", size**-0.5)

    def scaled(x: ir.Value) -> ir.Value:
        return arith.MulFOp(_widened(x, compute), emit.scalar(scale, compute)).result

    q = emit.pointwise([q], compute, scaled)
    product = contract(heads.group(q), k, False, True, compute)
    return heads.ungroup(product, emit.extent(q, 2))


def _softcap(scores: ir.Value, cap: float) -> ir.Value:
    """Cap · tanh(scores / cap), where cap isn't 0."""
    if cap <= 0:
        return scores
    element = emit.element_of(scores)

    def body(s: ir.Value) -> ir.Value:
        c = emit.scalar(cap, element)
        bounded = activation.apply(ActivationKind.TANH, arith.DivFOp(s, c).result)
        return arith.MulFOp(bounded, c).result

    return emit.pointwise([scores], element, body)


def _softmax(scores: ir.Value) -> ir.Value:
    out = emit.empty(emit.extents(scores), emit.element_of(scores))
    dimension = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 3)
    return linalg.SoftmaxOp([out.type], scores, out, dimension).results[0]


def _softmax_beside(scores: ir.Value, sinks: ir.Value) -> ir.Value:
    """The softmax of scores and one more, which broadcasts onto (B, Hq, M, 1), without its part."""
    element = emit.element_of(scores)
    top = emit.reduce(
        scores,
        [3],
        emit.scalar(float("-inf"), element),
        lambda s, m: arith.MaximumFOp(s, m).result,
        keepdims=True,
    )
    top = emit.pointwise(
        [top, sinks], element, lambda m, s: arith.MaximumFOp(m, _widened(s, element)).result
    )

    def part(s: ir.Value, m: ir.Value) -> ir.Value:
        return math.ExpOp(arith.SubFOp(_widened(s, element), m).result).result

    parts = emit.pointwise([scores, top], element, part)
    zero = emit.scalar(0, element)
    total = emit.reduce(parts, [3], zero, lambda p, t: arith.AddFOp(p, t).result, keepdims=True)
    total = emit.pointwise(
        [total, sinks, top], element, lambda t, s, m: arith.AddFOp(t, part(s, m)).result
    )
    return emit.pointwise([parts, total], element, lambda p, t: arith.DivFOp(p, t).result)


def _keeps_a_key(node: Node) -> bool:
    """Whether every query attends to some key by construction: causal, and nothing else.

    The first key is then everybody's: the offset isn't negative without `nonpad_kv_seqlen`.
    """
    window = max(node.int("left_window_size", -1), node.int("right_window_size", -1)) >= 0
    return not (node.has(3) or node.has(6) or window)


def _bias(
    node: Node, past: Extent, rows: Extent, columns: Extent, batch: Extent, element: ir.Type
) -> ir.Value | None:
    """What is added to the scores, 0 where a query attends to a key and -inf where it doesn't.

    Its extents broadcast onto (batch, heads, rows, columns). None if there is nothing to add.
    """
    left, right = node.int("left_window_size", -1), node.int("right_window_size", -1)
    causal = bool(node.int("is_causal", 0))
    positional = causal or left >= 0 or right >= 0
    if not (positional or node.has(3) or node.has(6)):
        return None
    inputs: list[ir.Value] = []
    shapes: list[Sequence[Extent]] = [
        [batch if node.has(6) else 1, 1, rows if positional else 1, columns]
    ]
    if node.has(3):
        inputs.append(_mask(node, columns))
        shapes.append(emit.extents(inputs[0]))
    if node.has(6):
        inputs.append(emit.reshape(node.operand(6), [emit.extent(node.operand(6), 0), 1, 1, 1]))
    sizes = emit.broadcast_sizes(shapes)
    maps = [_operand_map(v, sizes) for v in inputs]
    mask_dtype = node.dtype(3) if node.has(3) else None
    row_count = emit.as_index(rows)

    def body(*operands: ir.Value) -> ir.Value:
        given = list(operands)
        zero, never = emit.scalar(0, element), emit.scalar(float("-inf"), element)
        bias = None if mask_dtype is None else _mask_bias(given.pop(0), mask_dtype, element)
        valid = arith.IndexCastOp(ir.IndexType.get(), given.pop()).result if given else None
        column = _index(3)
        allowed: list[ir.Value] = []
        if positional:
            # With an outside cache the queries are the last of the valid keys.
            before = emit.as_index(past) if valid is None else _sub(valid, row_count)
            position = arith.AddIOp(_index(2), before).result
            if causal:
                allowed.append(_at_most(column, position))
            if left >= 0:
                allowed.append(_at_most(_sub(position, emit.index(left)), column))
            if right >= 0:
                reach = arith.AddIOp(position, emit.index(right)).result
                allowed.append(_at_most(column, reach))
        if valid is not None:
            allowed.append(arith.CmpIOp(arith.CmpIPredicate.slt, column, valid).result)
        if allowed:
            both = allowed[0]
            for condition in allowed[1:]:
                both = arith.AndIOp(both, condition).result
            chosen = arith.SelectOp(both, zero, never).result
            bias = chosen if bias is None else arith.AddFOp(bias, chosen).result
        assert bias is not None
        return bias

    bias = emit.parallel(inputs, maps, sizes, element, body)
    # IREE 3.13 can't pack an i1 operand of a fused kernel, so a boolean mask gets its own.
    return bias if mask_dtype is None or mask_dtype.is_float else slicing.apart(bias)


def _operand_map(value: ir.Value, sizes: Sequence[Extent]) -> ir.AffineMap:
    return emit.broadcast_map(emit.shape_of(value), len(sizes))


def _mask(node: Node, columns: Extent) -> ir.Value:
    mask, dtype = node.operand(3), node.dtype(3)
    if (dtype.is_float and dtype.bits < 16) or dtype.is_integer:
        raise Declined(f"attention mask of {dtype}")
    if not emit.shape_of(mask):
        raise Declined("attention mask of rank 0")
    return fill_up_mask(mask, dtype, columns)


def fill_up_mask(mask: ir.Value, dtype: DType, columns: Extent) -> ir.Value:
    """A mask (…, keys or fewer) with its last dimension filled up to `columns` by what forbids."""
    last = len(emit.shape_of(mask)) - 1
    own = emit.extent(mask, last)
    element = emit.element_of(mask)
    missing = slicing.subtract(columns, own)
    if isinstance(missing, int):
        if missing < 0:
            raise Declined("attention mask longer than the keys")
    else:
        missing = arith.MaxSIOp(missing, emit.index(0)).result
    forbids = emit.scalar(float("-inf") if dtype.is_float else 0, element)
    return slicing.pad_end(mask, last, missing, forbids)


def _mask_bias(mask: ir.Value, dtype: DType, element: ir.Type) -> ir.Value:
    if dtype.is_float:
        return _widened(mask, element)
    never = emit.scalar(float("-inf"), element)
    return arith.SelectOp(mask, emit.scalar(0, element), never).result


def _zero_masked_rows(probabilities: ir.Value, bias: ir.Value) -> ir.Value:
    """Zero instead of NaN for queries whose whole bias is -inf."""
    element = emit.element_of(bias)
    never = float("-inf")
    top = emit.reduce(
        bias,
        [len(emit.shape_of(bias)) - 1],
        emit.scalar(never, element),
        lambda b, m: arith.MaximumFOp(b, m).result,
        keepdims=True,
    )

    def body(p: ir.Value, m: ir.Value) -> ir.Value:
        masked = arith.CmpFOp(arith.CmpFPredicate.OEQ, m, emit.scalar(never, element)).result
        return arith.SelectOp(masked, emit.scalar(0, element), p).result

    return emit.pointwise([probabilities, top], element, body)


def _index(dimension: int) -> ir.Value:
    return linalg.IndexOp(dimension).result


def _at_most(a: ir.Value, b: ir.Value) -> ir.Value:
    return arith.CmpIOp(arith.CmpIPredicate.sle, a, b).result


def _sub(a: ir.Value, b: ir.Value) -> ir.Value:
    return arith.SubIOp(a, b).result


def _widened(x: ir.Value, element: ir.Type) -> ir.Value:
    return x if x.type == element else arith.ExtFOp(element, x).result


def _narrow(value: ir.Value, element: ir.Type) -> ir.Value:
    if emit.element_of(value) == element:
        return value
    return emit.pointwise([value], element, lambda x: arith.TruncFOp(element, x).result)
