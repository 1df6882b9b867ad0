"""Floats of 8 and 4 bits and integers below 8 bits, as scalars in IREE's types.

IREE computes in none of them on every target, so below this level a tensor of such elements holds
one byte per element, in whose low bits the number stands (what numpy holds, too; the bits above
mean nothing). Conversions are exact integer arithmetic: round to nearest, ties to even.
Formats: OCP 8-bit floating point 1.0 (e4m3fn, e5m2), OCP microscaling formats 1.0 (e2m1, e8m0),
and the `fnuz` variants of arXiv:2206.02915.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, math

from noema.dtypes import DType
from noema.lowering import emit

Scalar = ir.Value


@dataclass(frozen=True)
class Format:
    """A binary float of at most 8 bits, with subnormals.

    Attributes:
        mantissa: Bits of the fraction.
        bias: Of the exponent.
        bits: Width.
        largest: Code of the largest finite number.
        infinity: Code of infinity; None if there is none.
        nan: Code of a NaN without its sign; None if there is none.
        signed_zero: Whether the sign bit alone means -0; else it is the only NaN (`fnuz`).
    """

    mantissa: int
    bias: int
    bits: int
    largest: int
    infinity: int | None
    nan: int | None
    signed_zero: bool = True

    @property
    def sign(self) -> int:
        """The sign bit."""
        return 1 << (self.bits - 1)


FORMATS: Mapping[str, Format] = {
    "float8_e4m3fn": Format(3, 7, 8, 0x7E, None, 0x7F),
    "float8_e4m3fnuz": Format(3, 8, 8, 0x7F, None, 0x80, signed_zero=False),
    "float8_e5m2": Format(2, 15, 8, 0x7B, 0x7C, 0x7E),
    "float8_e5m2fnuz": Format(2, 16, 8, 0x7F, None, 0x80, signed_zero=False),
    "float4_e2m1fn": Format(1, 1, 4, 0x7, None, None),
}
"""All but float8_e8m0fnu, which is an exponent and nothing else."""

ROUND_MODES = ("up", "down", "nearest")
"""How float8_e8m0fnu rounds."""


def _i32() -> ir.Type:
    return ir.IntegerType.get_signless(32)


def _c(value: int) -> Scalar:
    return emit.scalar(value, _i32())


def _and(a: Scalar, mask: int) -> Scalar:
    return arith.AndIOp(a, _c(mask)).result


def _add(a: Scalar, b: Scalar) -> Scalar:
    return arith.AddIOp(a, b).result


def _left(a: Scalar, count: int) -> Scalar:
    return arith.ShLIOp(a, _c(count)).result


def _right(a: Scalar, count: int) -> Scalar:
    return arith.ShRUIOp(a, _c(count)).result


def _above(a: Scalar, bound: int) -> Scalar:
    return arith.CmpIOp(arith.CmpIPredicate.sgt, a, _c(bound)).result


def _equal(a: Scalar, value: int) -> Scalar:
    return arith.CmpIOp(arith.CmpIPredicate.eq, a, _c(value)).result


def _select(condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
    return arith.SelectOp(condition, a, b).result


def _bits(x: Scalar) -> Scalar:
    return arith.BitcastOp(_i32(), x).result


def _float(x: Scalar) -> Scalar:
    return arith.BitcastOp(ir.F32Type.get(), x).result


_NAN, _INFINITY = 0x7FC00000, 0x7F800000


def decode(code: Scalar, dtype: DType) -> Scalar:
    """The number of a byte: f32, exactly."""
    byte = arith.ExtUIOp(_i32(), code).result
    if dtype.name == "float8_e8m0fnu":
        # 2^(code - 127); 2^-127 is a subnormal f32.
        number = _select(_equal(byte, 0), _c(1 << 22), _left(byte, 23))
        return _float(_select(_equal(byte, 0xFF), _c(_NAN), number))
    f = FORMATS[dtype.name]
    byte = _and(byte, (1 << f.bits) - 1)
    size = _and(byte, f.sign - 1)
    normal = _add(_left(size, 23 - f.mantissa), _c((127 - f.bias) << 23))
    unit = emit.scalar(2.0 ** (1 - f.bias - f.mantissa), ir.F32Type.get())
    tiny = arith.MulFOp(arith.SIToFPOp(ir.F32Type.get(), size).result, unit).result
    number = _select(_above(size, (1 << f.mantissa) - 1), normal, _bits(tiny))
    if f.infinity is not None:
        number = _select(_equal(size, f.infinity), _c(_INFINITY), number)
        number = _select(_above(size, f.infinity), _c(_NAN), number)
    elif f.signed_zero and f.nan is not None:
        number = _select(_equal(size, f.nan), _c(_NAN), number)
    number = arith.OrIOp(number, _left(_and(byte, f.sign), 32 - f.bits)).result
    if not f.signed_zero:
        number = _select(_equal(byte, f.sign), _c(_NAN), number)
    return _float(number)


def encode(x: Scalar, dtype: DType, *, saturate: bool = True, round_mode: str = "up") -> Scalar:
    """The byte of an f32, rounded to nearest even.

    Args:
        x: f32.
        dtype: The float type.
        saturate: Whether numbers that are too large, and infinities, become the largest finite
            number; else infinity or, where there is none, NaN. 4-bit floats always saturate.
        round_mode: For float8_e8m0fnu, one of `ROUND_MODES`.
    """
    i8 = ir.IntegerType.get_signless(8)
    u = _bits(x)
    if dtype.name == "float8_e8m0fnu":
        return arith.TruncIOp(i8, _exponent(u, saturate, round_mode)).result
    f = FORMATS[dtype.name]
    size, negative = _and(u, 0x7FFFFFFF), _right(u, 31)
    # Normal numbers: add half a unit less one, plus the last bit that stays, and cut off.
    cut = 23 - f.mantissa
    last = _and(_right(size, cut), 1)
    rounded = _right(_add(_add(size, _c((1 << (cut - 1)) - 1)), last), cut)
    normal = arith.SubIOp(rounded, _c((127 - f.bias) << f.mantissa)).result
    # Subnormal ones: in the sum with a number whose last place is our unit, f32 does the rounding.
    anchor = 2.0 ** (23 + 1 - f.bias - f.mantissa)
    f32 = ir.F32Type.get()
    total = arith.AddFOp(_float(size), emit.scalar(anchor, f32)).result
    tiny = arith.SubIOp(_bits(total), _bits(emit.scalar(anchor, f32))).result
    code = _select(_above(size, ((128 - f.bias) << 23) - 1), normal, tiny)
    over = f.largest
    if not saturate and f.nan is not None:
        over = f.nan if f.infinity is None else f.infinity
    code = _select(_above(code, f.largest), _c(over), code)
    sign = _left(negative, f.bits - 1)
    code_signed = arith.OrIOp(code, sign).result
    is_nan = _above(size, _INFINITY)
    if not f.signed_zero:
        assert f.nan is not None
        no_sign = arith.OrIOp(_equal(code, 0), _equal(code, f.nan)).result
        code_signed = _select(no_sign, code, code_signed)
        code_signed = _select(is_nan, _c(f.nan), code_signed)
    elif f.nan is not None:
        code_signed = _select(is_nan, arith.OrIOp(_c(f.nan), sign).result, code_signed)
    else:
        # There is no right answer; numpy's (ml_dtypes') is a zero of the other sign.
        code_signed = _select(is_nan, arith.XOrIOp(_c(f.sign), sign).result, code_signed)
    return arith.TruncIOp(i8, code_signed).result


def _exponent(u: Scalar, saturate: bool, round_mode: str) -> Scalar:
    """The float8_e8m0fnu code of the bits of an f32: its exponent, rounded; the sign is ignored."""
    exponent = _and(_right(u, 23), 0xFF)
    fraction = _and(u, 0x7FFFFF)
    if round_mode == "down":
        rounded = exponent
    else:
        # "nearest": up from halfway on, but for subnormal numbers only from above halfway.
        up = _above(fraction, 0)
        if round_mode == "nearest":
            up = arith.AndIOp(
                _above(fraction, (1 << 22) - 1),
                arith.OrIOp(_above(fraction, 1 << 22), _above(exponent, 0)).result,
            ).result
        rounded = _add(exponent, arith.ExtUIOp(_i32(), up).result)
        if saturate:
            rounded = arith.MinSIOp(rounded, _c(0xFE)).result
    return _select(_equal(exponent, 0xFF), _c(0xFF), rounded)


def round_to_odd(x: Scalar) -> Scalar:
    """An f64 as an f32 such that rounding it again to fewer bits rounds but once.

    Toward zero, with the last bit set if anything was lost (S. Boldo, G. Melquiond, *Emulation of
    FMA and correctly rounded sums: proved algorithms using rounding to odd*, 2008).
    """
    near = arith.TruncFOp(ir.F32Type.get(), x).result
    back = arith.ExtFOp(x.type, near).result
    exact = arith.CmpFOp(arith.CmpFPredicate.UEQ, back, x).result
    beyond = arith.CmpFOp(
        arith.CmpFPredicate.OGT, math.AbsFOp(back).result, math.AbsFOp(x).result
    ).result
    bits = _bits(near)
    toward_zero = _select(beyond, arith.SubIOp(bits, _c(1)).result, bits)
    odd = arith.OrIOp(toward_zero, _c(1)).result
    return _float(_select(exact, bits, odd))


def widen_integer(code: Scalar, dtype: DType) -> Scalar:
    """The i8 of an integer of less than 8 bits: sign- or zero-extended."""
    shift = emit.scalar(8 - dtype.bits, code.type)
    high = arith.ShLIOp(code, shift).result
    return (arith.ShRUIOp if dtype.is_unsigned else arith.ShRSIOp)(high, shift).result


def narrow_integer(value: Scalar, dtype: DType) -> Scalar:
    """The byte of an integer of less than 8 bits: the low bits of an i8."""
    return arith.AndIOp(value, emit.scalar((1 << dtype.bits) - 1, value.type)).result
