"""Lowering of `LinearAttention`: a recurrence over tokens, for as many as are worth unrolling."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, math

from noema.lowering import emit, slicing
from noema.lowering.emit import Extent
from noema.lowering.matmul import contract
from noema.lowering.node import Declined, Node

_RULES = {
    "linear": (False, False),
    "gated": (True, False),
    "delta": (False, True),
    "gated_delta": (True, True),
}
"""update_rule → whether the state decays, and whether what it already holds is subtracted."""
_UNROLLED = 16
"""Tokens up to which the recurrence is written out."""


def lower_linear_attention(node: Node) -> Sequence[ir.Value | None]:
    """State S (B, H, dk, dv) per token: decay it, add k ⊗ v (less what S has for k), read q S.

    Results: the readings, packed (B, T, Hq·dv), and the last state. In f32.
    """
    rule = _RULES.get(node.text("update_rule", "gated_delta"))
    if rule is None:
        raise Declined(f"update_rule {node.text('update_rule')}")
    gated, corrected = rule
    heads, readers = node.int("kv_num_heads", 0), node.int("q_num_heads", 0)
    if heads <= 0 or readers <= 0 or readers % heads:
        raise Declined(f"{readers} query heads, {heads} key heads")
    if gated != node.has(4) or corrected != node.has(5):
        raise Declined("decay or beta that the update rule doesn't go with")
    if any(node.dtype(i).bits == 64 for i in (0, 1, 2)):
        raise Declined("linear attention in f64")
    tokens = emit.shape_of(node.operand(0))[1]
    if tokens is None or not 0 < tokens <= _UNROLLED:
        raise Declined(f"a sequence of {tokens or 'unknown length'} tokens")
    query, key, value = (
        _unpacked(node, slot, [heads, readers // heads] if slot == 0 else [heads])
        for slot in (0, 1, 2)
    )
    batch = emit.extent(key, 0)
    dk, dv = emit.extent(key, 3), emit.extent(value, 3)
    if not isinstance(dk, int) or not isinstance(dv, int):
        raise Declined("head sizes that aren't known")
    scale = node.float("scale", 0.0) or dk**-0.5
    state = (
        emit.widen(node.operand(3))
        if node.has(3)
        else emit.full([batch, heads, dk, dv], emit.scalar(0, ir.F32Type.get()))
    )
    decay = _unpacked(node, 4, [heads]) if gated else None
    beta = _unpacked(node, 5, [_width(node, 5)]) if corrected else None
    readings: list[ir.Value] = []
    for token in range(tokens):
        k = slicing.at(key, 1, token)
        v = slicing.split(slicing.at(value, 1, token), 2, [1, dv])
        if decay is not None:
            state = _decayed(state, slicing.at(decay, 1, token))
        if beta is not None:
            held = contract(_row(k, dk), state, False, False, ir.F32Type.get())
            rate = slicing.split(slicing.at(beta, 1, token), 2, [1, 1])
            v = _f32([v, held, rate], lambda a, b, r: _mul(r, arith.SubFOp(a, b).result))
        column = slicing.split(k, 2, [dk, 1])
        state = _f32([state, column, v], lambda s, a, b: arith.AddFOp(s, _mul(a, b)).result)
        q = slicing.at(query, 1, token)
        readings.append(contract(q, state, False, False, ir.F32Type.get()))
    out = slicing.concatenate(
        [slicing.split(reading, 0, [batch, 1]) for reading in readings], 1
    )  # (B, T, H, Hq / H, dv)
    out = _f32([out], lambda x: _mul(x, emit.scalar(scale, x.type)))
    results = [slicing.merge(out, 2, 3), state]
    return [
        emit.narrow(results[slot], node.result_element(slot)) if result is not None else None
        for slot, result in enumerate(node.results)
    ]


def _width(node: Node, slot: int) -> int:
    width = emit.shape_of(node.operand(slot))[2]
    if width is None:
        raise Declined(f"input {slot} of unknown extent")
    return width


def _unpacked(node: Node, slot: int, heads: Sequence[int]) -> ir.Value:
    """(B, T, H·D) in f32 as (B, T, H…, D)."""
    value = emit.widen(node.operand(slot))
    width, count = _width(node, slot), 1
    for number in heads:
        count *= number
    if width % count:
        raise Declined(f"{count} heads of {width} features")
    sizes: list[Extent] = [*heads, width // count]
    return slicing.split(value, 2, sizes)


def _row(k: ir.Value, size: int) -> ir.Value:
    return slicing.split(k, 2, [1, size])


def _decayed(state: ir.Value, gate: ir.Value) -> ir.Value:
    """S · exp(g), g (B, H, dk) or (B, H, 1)."""
    gate = slicing.split(gate, 2, [emit.extent(gate, 2), 1])
    return _f32([state, gate], lambda s, g: _mul(s, math.ExpOp(g).result))


def _f32(operands: Sequence[ir.Value], body: emit.Body) -> ir.Value:
    return emit.pointwise(operands, ir.F32Type.get(), body)


def _mul(a: ir.Value, b: ir.Value) -> ir.Value:
    return arith.MulFOp(a, b).result
