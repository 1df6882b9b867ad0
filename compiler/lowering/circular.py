"""Sine, cosine and tangent; of f64 too, for which the code generator has none to link with."""

from __future__ import annotations

import math

from torch_mlir import ir
from torch_mlir.dialects import arith
from torch_mlir.dialects import math as math_ops

from noema.lowering import emit

_QUARTER = (
    float.fromhex("0x1.921fb544p+0"),
    float.fromhex("0x1.0b4611a6p-34"),
    float.fromhex("0x1.3198a2e037073p-69"),
)
"""π/2 as a sum. The first two have 33 bits, so that their products with whole numbers up to 2^20
are exact (reduction by Cody and Waite)."""

_TERMS = 9
"""So many of the series for arguments up to π/4: what is left out is below 1e-17."""


def sine(x: ir.Value) -> ir.Value:
    """sin x of a float scalar; in f64 to 1e-15, or for |x| above 10^6 to |x| · 1e-16."""
    return _f64(x, 0) if _is_f64(x) else math_ops.SinOp(x).result


def cosine(x: ir.Value) -> ir.Value:
    """cos x of a float scalar, as precise as `sine`."""
    return _f64(x, 1) if _is_f64(x) else math_ops.CosOp(x).result


def tangent(x: ir.Value) -> ir.Value:
    """tan x of a float scalar."""
    if not _is_f64(x):
        return math_ops.TanOp(x).result
    return arith.DivFOp(_f64(x, 0), _f64(x, 1)).result


def _is_f64(x: ir.Value) -> bool:
    return isinstance(x.type, ir.F64Type)


def _f64(x: ir.Value, quarters: int) -> ir.Value:
    """sin(x + quarters · π/2) by its series around the nearest multiple of π/2."""

    def c(value: float) -> ir.Value:
        return emit.scalar(value, x.type)

    def multiply(a: ir.Value, b: ir.Value) -> ir.Value:
        return arith.MulFOp(a, b).result

    turns = math_ops.RoundEvenOp(multiply(x, c(2 / math.pi))).result
    rest = x
    for part in _QUARTER:
        rest = arith.SubFOp(rest, multiply(turns, c(part))).result
    square = multiply(rest, rest)

    def series(first: int) -> ir.Value:
        """Σ (-1)^i square^i / (first + 2i)!, times the power of `rest` that comes first."""
        total = c(0.0)
        for i in reversed(range(_TERMS)):
            factor = (-1) ** i / math.factorial(first + 2 * i)
            total = arith.AddFOp(multiply(total, square), c(factor)).result
        return multiply(total, rest) if first else total

    # Which quarter of the circle, 0 … 3: an odd one swaps the series, the last two turn the sign.
    count = arith.AddFOp(turns, c(float(quarters))).result
    wholes = math_ops.FloorOp(multiply(count, c(0.25))).result
    quarter = arith.SubFOp(count, multiply(wholes, c(4.0))).result
    half = math_ops.FloorOp(multiply(quarter, c(0.5))).result
    odd = arith.SubFOp(quarter, multiply(half, c(2.0))).result
    is_odd = arith.CmpFOp(arith.CmpFPredicate.OGT, odd, c(0.5)).result
    value = arith.SelectOp(is_odd, series(0), series(1)).result
    is_negative = arith.CmpFOp(arith.CmpFPredicate.OGT, half, c(0.5)).result
    return arith.SelectOp(is_negative, arith.NegFOp(value).result, value).result
