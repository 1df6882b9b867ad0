"""Curves of activation functions over vectors of f32: polynomials and quotients of our own.

The coefficients are fits of ours: Lawson's reweighted least squares at Chebyshev nodes in f64,
rounded to f32. What is said about errors is against f64 over all finite inputs and held by
`test/unit/kernels/test_curves.py`; an ulp is 2⁻²³ of the result. NaN gives NaN. Where a result
is denormal, 0 may stand for it: IREE's workers flush those anyway.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from noema.kernels.printer import Printer, Value

# e^r = 1 + r + r² · P(r) for |r| ≤ ln 2 / 2, to 3.1e-9.
_EXP = (0.49999994, 0.1666651964, 0.04166839272, 0.008368780836, 0.001381446491)
# tanh x = x · P(x²) / Q(x²) for |x| ≤ 9.02, to 2.2e-8; from there on it rounds to 1.
_TANH_P = (1.0, 0.13379672, 0.00349398027, 2.05825727e-05, 1.33178091e-08)
_TANH_Q = (1.0, 0.467129886, 0.0258708689, 0.000328300317, 7.7615021e-07)
_TANH_END = 9.02
# erf x = x · P(x²) / Q(x²) for |x| ≤ 3.925, to 1.9e-8; from there on it rounds to 1.
_ERF_P = (
    1.1283791065,
    0.1905845553,
    0.05276789516,
    0.003772106487,
    0.0002848256263,
    2.045994279e-6,
)
_ERF_Q = (1.0, 0.5022339225, 0.1141787544, 0.01498231292, 0.00116373552, 3.804649168e-5)
_ERF_END = 3.925

_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
_MAGIC = 12582912.0  # 1.5 · 2²³: adding it rounds to an integer, which its low bits then hold


def lanes_of(value: Value) -> int:
    """Lanes of a vector."""
    found = re.match(r"vector<(\d+)x", value.type)
    assert found, value.type
    return int(found.group(1))


def number(p: Printer, x: Value, value: float) -> Value:
    """A vector like `x`, of one number."""
    return p.splat(value, lanes_of(x))


def at_most(p: Printer, x: Value, bound: Value) -> Value:
    """min(x, bound), NaN where x is: one instruction on x86, whose minimum is not symmetric."""
    return p.select(p.compare_floats("olt", bound, x), bound, x)


def at_least(p: Printer, x: Value, bound: Value) -> Value:
    """max(x, bound), NaN where x is."""
    return p.select(p.compare_floats("ogt", bound, x), bound, x)


def clamp(p: Printer, x: Value, low: float, high: float) -> Value:
    """x between two numbers, NaN where x is; an infinite one is no bound."""
    if low != -math.inf:
        x = at_least(p, x, number(p, x, low))
    return x if high == math.inf else at_most(p, x, number(p, x, high))


def polynomial(p: Printer, x: Value, coefficients: Sequence[float]) -> Value:
    """Σ coefficients[i] · xⁱ, by Horner's rule."""
    *rest, last = coefficients
    result = number(p, x, last)
    for coefficient in reversed(rest):
        result = p.fma(result, x, number(p, x, coefficient))
    return result


def exp(p: Printer, x: Value) -> Value:
    """eˣ to 1.5 ulp; 0 for −∞ and below −104, ∞ above 88.73.

    x = n ln 2 + r, |r| ≤ ln 2 / 2 (Cody and Waite): eˣ = 2ⁿ eʳ.
    """
    x = clamp(p, x, -105.0, 89.5)
    shifted = p.fma(x, number(p, x, math.log2(math.e)), number(p, x, _MAGIC))
    n = p.arith("arith.subf", shifted, number(p, x, _MAGIC))
    r = p.fma(n, number(p, x, -_LN2_HIGH), x)
    r = p.fma(n, number(p, x, -_LN2_LOW), r)
    squared = p.arith("arith.mulf", r, r)
    one_more = p.arith("arith.addf", r, number(p, x, 1.0))
    result = p.fma(squared, polynomial(p, r, _EXP), one_more)
    return _scale(p, result, n, shifted)


def _scale(p: Printer, x: Value, n: Value, shifted: Value) -> Value:
    """x · 2ⁿ for n from −152 to 129."""
    lanes = lanes_of(x)
    if lanes == 16:
        every = p.constant("-1", "i16")
        current = p.constant("4", "i32")  # round as the thread is set to
        return p.call_intrinsic(
            "llvm.x86.avx512.mask.scalef.ps.512", [x, n, x, every, current], x.type
        )
    # 2ⁿ may be no f32 where the product is one: two factors, of half the exponent each.
    integers = f"vector<{lanes}xi32>"

    def integer(value: int) -> Value:
        return p.constant(f"dense<{value}>", integers)

    exponent = p.arith("arith.subi", p.bitcast(shifted, integers), integer(0x4B400000))
    half = p.arith("arith.shrsi", exponent, integer(1))
    for part in (half, p.arith("arith.subi", exponent, half)):
        bits = p.arith("arith.shli", p.arith("arith.addi", part, integer(127)), integer(23))
        x = p.arith("arith.mulf", x, p.bitcast(bits, x.type))
    return x


def sigmoid(p: Printer, x: Value) -> Value:
    """1 / (1 + e⁻ˣ) to 4 ulp."""
    return over_one_plus_exp(p, number(p, x, 1.0), p.arith("arith.negf", x))


def over_one_plus_exp(p: Printer, x: Value, y: Value) -> Value:
    """x / (1 + eʸ)."""
    return p.arith("arith.divf", x, p.arith("arith.addf", exp(p, y), number(p, x, 1.0)))


def tanh(p: Printer, x: Value) -> Value:
    """Tanh x to 4 ulp; ±1 from ±9.02 on."""
    return _odd_quotient(p, x, _TANH_P, _TANH_Q, _TANH_END)


def erf(p: Printer, x: Value) -> Value:
    """Erf x to 4 ulp; ±1 from ±3.925 on."""
    return _odd_quotient(p, x, _ERF_P, _ERF_Q, _ERF_END)


def _odd_quotient(
    p: Printer, x: Value, above: Sequence[float], below: Sequence[float], end: float
) -> Value:
    x = clamp(p, x, -end, end)
    squared = p.arith("arith.mulf", x, x)
    result = p.arith(
        "arith.divf",
        p.arith("arith.mulf", x, polynomial(p, squared, above)),
        polynomial(p, squared, below),
    )
    return clamp(p, result, -1.0, 1.0)
