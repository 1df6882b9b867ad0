"""Lowering of `sem.elementwise`: one pointwise linalg op, numpy broadcasting.

Semantics are ONNX's, which for integers are numpy's C-like ones: wrap-around, division that
truncates toward zero. Operations that the target lacks in a narrow float type are computed in f32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch_mlir import ir
from torch_mlir.dialects import arith, math

from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dtypes import DType, from_name
from noema.lowering import circular, emit
from noema.lowering.node import Declined, Node

Scalar = ir.Value
Function = Callable[..., Scalar]
"""Maps (element type, operand scalars…) to the result scalar."""


def lower_elementwise(node: Node) -> ir.Value:
    """Applies the kind's scalar function to the broadcast operands."""
    kind = Kind(node.text("kind"))
    operands = [node.operand(i) for i in range(kind.arity)]
    # The type that decides the function: the data's, not that of a condition.
    dtype = node.dtype(1 if kind is Kind.WHERE else 0)
    result = node.result_dtype()
    if kind is Kind.CAST:
        return emit.pointwise(operands, node.result_element(), lambda x: convert(x, dtype, result))
    if dtype.mlir.startswith("complex") and kind is not Kind.WHERE:
        raise Declined("complex arithmetic")
    if kind is Kind.POW:
        exponent = node.dtype(1)
        return emit.pointwise(
            operands, node.result_element(), lambda x, y: power(x, y, dtype, exponent)
        )
    return emit.pointwise(operands, node.result_element(), lambda *xs: apply(kind, dtype, *xs))


def apply(kind: Kind, dtype: DType, *operands: Scalar) -> Scalar:
    """The scalar function of a kind, for operands of `dtype` (signedness included).

    Raises:
        Declined: The kind has no meaning, or no lowering, for the type.
    """
    table = _FLOAT if dtype.is_float else _UNSIGNED if dtype.is_unsigned else _SIGNED
    if dtype.mlir == "i1":
        table = _BOOL
    function = table.get(kind)
    if function is None:
        raise Declined(f"{kind} of {dtype}")
    if dtype.is_float and dtype.bits < 16:
        raise Declined(f"arithmetic in {dtype}")
    if dtype.is_float and dtype.bits == 16 and kind in _IN_F32:
        f32 = ir.F32Type.get()
        wide = function(*(arith.ExtFOp(f32, x).result for x in operands))
        narrow = operands[0].type
        return wide if wide.type != f32 else arith.TruncFOp(narrow, wide).result
    return function(*operands)


def _constant(like: Scalar, value: float | int) -> Scalar:
    return emit.scalar(value, like.type)


def _float_compare(predicate: arith.CmpFPredicate) -> Function:
    return lambda a, b: arith.CmpFOp(predicate, a, b).result


def _int_compare(predicate: arith.CmpIPredicate) -> Function:
    return lambda a, b: arith.CmpIOp(predicate, a, b).result


def _select(condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
    return arith.SelectOp(condition, a, b).result


def _sign_float(x: Scalar) -> Scalar:
    zero, one = _constant(x, 0), _constant(x, 1)
    signed = math.CopySignOp(one, x).result
    equal = arith.CmpFOp(arith.CmpFPredicate.OEQ, x, zero).result
    nan = arith.CmpFOp(arith.CmpFPredicate.UNO, x, x).result
    return _select(nan, x, _select(equal, zero, signed))


def _sign_int(x: Scalar) -> Scalar:
    zero = _constant(x, 0)
    positive = arith.CmpIOp(arith.CmpIPredicate.sgt, x, zero).result
    negative = arith.CmpIOp(arith.CmpIPredicate.slt, x, zero).result
    return _select(positive, _constant(x, 1), _select(negative, _constant(x, -1), zero))


def _sign_unsigned(x: Scalar) -> Scalar:
    zero = _constant(x, 0)
    return _select(arith.CmpIOp(arith.CmpIPredicate.eq, x, zero).result, zero, _constant(x, 1))


def _nonzero_divisor(b: Scalar) -> Scalar:
    # Division by zero is undefined in ONNX and a trap on x86: give the dividend instead.
    zero = _constant(b, 0)
    return _select(arith.CmpIOp(arith.CmpIPredicate.eq, b, zero).result, _constant(b, 1), b)


def _divide_signed(a: Scalar, b: Scalar) -> Scalar:
    # MIN / -1 traps as well; its wrapped quotient is -a.
    minus_one = arith.CmpIOp(arith.CmpIPredicate.eq, b, _constant(b, -1)).result
    safe = _select(minus_one, _constant(b, 1), _nonzero_divisor(b))
    quotient = arith.DivSIOp(a, safe).result
    return _select(minus_one, arith.SubIOp(_constant(a, 0), a).result, quotient)


def _remainder_signed(a: Scalar, b: Scalar) -> Scalar:
    minus_one = arith.CmpIOp(arith.CmpIPredicate.eq, b, _constant(b, -1)).result
    safe = _select(minus_one, _constant(b, 1), _nonzero_divisor(b))
    return _select(minus_one, _constant(a, 0), arith.RemSIOp(a, safe).result)


def _modulo_signed(a: Scalar, b: Scalar) -> Scalar:
    remainder, zero = _remainder_signed(a, b), _constant(a, 0)
    differs = arith.CmpIOp(arith.CmpIPredicate.slt, arith.XOrIOp(remainder, b).result, zero).result
    nonzero = arith.CmpIOp(arith.CmpIPredicate.ne, remainder, zero).result
    fix = arith.AndIOp(differs, nonzero).result
    return _select(fix, arith.AddIOp(remainder, b).result, remainder)


def _modulo_float(a: Scalar, b: Scalar) -> Scalar:
    remainder, zero = _fmod(a, b), _constant(a, 0)
    below = arith.CmpFPredicate.OLT
    differs = arith.XOrIOp(
        arith.CmpFOp(below, remainder, zero).result, arith.CmpFOp(below, b, zero).result
    ).result
    nonzero = arith.CmpFOp(arith.CmpFPredicate.ONE, remainder, zero).result
    fix = arith.AndIOp(differs, nonzero).result
    return _select(fix, arith.AddFOp(remainder, b).result, remainder)


def _shift_amount(a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
    """Whether the shift is below the width, and an amount that always is; negative ones aren't."""
    inside = arith.CmpIOp(
        arith.CmpIPredicate.ult, b, _constant(b, ir.IntegerType(a.type).width)
    ).result
    return inside, _select(inside, b, _constant(b, 0))


def _shift_left(a: Scalar, b: Scalar) -> Scalar:
    inside, amount = _shift_amount(a, b)
    return _select(inside, arith.ShLIOp(a, amount).result, _constant(a, 0))


def _shift_right_unsigned(a: Scalar, b: Scalar) -> Scalar:
    inside, amount = _shift_amount(a, b)
    return _select(inside, arith.ShRUIOp(a, amount).result, _constant(a, 0))


def _shift_right_signed(a: Scalar, b: Scalar) -> Scalar:
    inside, amount = _shift_amount(a, b)
    sign = arith.ShRSIOp(a, _constant(a, ir.IntegerType(a.type).width - 1)).result
    return _select(inside, arith.ShRSIOp(a, amount).result, sign)


def _fmod(a: Scalar, b: Scalar) -> Scalar:
    """Remainder with the sign of the dividend.

    The code generator has no `fmod` of f64 to link with. There it is a - trunc(a / b) b, the
    product fused, and put right by one divisor where the quotient was rounded across an integer:
    exact while |a / b| < 2^53.
    """
    if not isinstance(a.type, ir.F64Type):
        return arith.RemFOp(a, b).result
    size, zero = math.AbsFOp(b).result, _constant(a, 0)
    quotient = math.TruncOp(arith.DivFOp(math.AbsFOp(a).result, size).result).result
    rest = math.FmaOp(arith.NegFOp(quotient).result, size, math.AbsFOp(a).result).result
    below = arith.CmpFOp(arith.CmpFPredicate.OLT, rest, zero).result
    rest = _select(below, arith.AddFOp(rest, size).result, rest)
    above = arith.CmpFOp(arith.CmpFPredicate.OGE, rest, size).result
    rest = _select(above, arith.SubFOp(rest, size).result, rest)
    unbounded = arith.CmpFOp(arith.CmpFPredicate.OEQ, size, _constant(a, float("inf"))).result
    finite = arith.CmpFOp(
        arith.CmpFPredicate.ONE, math.AbsFOp(a).result, _constant(a, float("inf"))
    ).result
    whole = _select(arith.AndIOp(unbounded, finite).result, math.AbsFOp(a).result, rest)
    return math.CopySignOp(whole, a).result


def _integer_power(x: Scalar, y: Scalar, signed: bool) -> Scalar:
    """x ** y, wrapping, by squaring over the exponent's bits.

    A negative exponent leaves 0, except of 1 and -1: the quotient 1 / x^-y, truncated.
    """
    width = ir.IntegerType(x.type).width
    one, zero = _constant(x, 1), _constant(x, 0)
    result, square = one, x
    for bit in range(width - signed):
        taken = arith.AndIOp(arith.ShRUIOp(y, _constant(y, bit)).result, one).result
        odd = arith.CmpIOp(arith.CmpIPredicate.ne, taken, zero).result
        result = _select(odd, arith.MulIOp(result, square).result, result)
        square = arith.MulIOp(square, square).result
    if not signed:
        return result
    # The bits below the sign keep the exponent's parity, which is all that 1 and -1 depend on.
    negative = arith.CmpIOp(arith.CmpIPredicate.slt, y, zero).result
    return _select(negative, _select(_is_unit(x), result, zero), result)


def _is_unit(x: Scalar) -> Scalar:
    one = arith.CmpIOp(arith.CmpIPredicate.eq, x, _constant(x, 1)).result
    return arith.OrIOp(one, arith.CmpIOp(arith.CmpIPredicate.eq, x, _constant(x, -1)).result).result


def _xor_constant(value: int) -> Function:
    return lambda x: arith.XOrIOp(x, _constant(x, value)).result


def _prelu_float(x: Scalar, slope: Scalar) -> Scalar:
    negative = arith.CmpFOp(arith.CmpFPredicate.OLT, x, _constant(x, 0)).result
    return _select(negative, arith.MulFOp(slope, x).result, x)


def _prelu_int(x: Scalar, slope: Scalar) -> Scalar:
    negative = arith.CmpIOp(arith.CmpIPredicate.slt, x, _constant(x, 0)).result
    return _select(negative, arith.MulIOp(slope, x).result, x)


def _one_minus_square(x: Scalar) -> Scalar:
    return arith.SubFOp(_constant(x, 1), arith.MulFOp(x, x).result).result


def _asin(x: Scalar) -> Scalar:
    return math.Atan2Op(x, math.SqrtOp(_one_minus_square(x)).result).result


def _acos(x: Scalar) -> Scalar:
    return math.Atan2Op(math.SqrtOp(_one_minus_square(x)).result, x).result


def _sinh(x: Scalar) -> Scalar:
    # (expm1(x) + expm1(x) / (expm1(x) + 1)) / 2 keeps small arguments accurate.
    e = math.ExpM1Op(x).result
    rest = arith.DivFOp(e, arith.AddFOp(e, _constant(x, 1)).result).result
    return arith.MulFOp(arith.AddFOp(e, rest).result, _constant(x, 0.5)).result


def _cosh(x: Scalar) -> Scalar:
    e = math.ExpOp(x).result
    rest = arith.DivFOp(_constant(x, 1), e).result
    return arith.MulFOp(arith.AddFOp(e, rest).result, _constant(x, 0.5)).result


def _asinh(x: Scalar) -> Scalar:
    # sign(x) log1p(|x| + x² / (1 + sqrt(x² + 1)))
    a, one = math.AbsFOp(x).result, _constant(x, 1)
    square = arith.MulFOp(a, a).result
    root = math.SqrtOp(arith.AddFOp(square, one).result).result
    rest = arith.DivFOp(square, arith.AddFOp(one, root).result).result
    return math.CopySignOp(math.Log1pOp(arith.AddFOp(a, rest).result).result, x).result


def _acosh(x: Scalar) -> Scalar:
    root = math.SqrtOp(arith.SubFOp(arith.MulFOp(x, x).result, _constant(x, 1)).result).result
    return math.LogOp(arith.AddFOp(x, root).result).result


def _atanh(x: Scalar) -> Scalar:
    # (log1p(x) - log1p(-x)) / 2
    plus, minus = math.Log1pOp(x).result, math.Log1pOp(arith.NegFOp(x).result).result
    return arith.MulFOp(arith.SubFOp(plus, minus).result, _constant(x, 0.5)).result


def _clip_float(x: Scalar, low: Scalar, high: Scalar) -> Scalar:
    return arith.MinimumFOp(arith.MaximumFOp(x, low).result, high).result


_FLOAT: Mapping[Kind, Function] = {
    Kind.ABS: lambda x: math.AbsFOp(x).result,
    Kind.ACOS: _acos,
    Kind.ACOSH: _acosh,
    Kind.ASIN: _asin,
    Kind.ASINH: _asinh,
    Kind.ATAN: lambda x: math.AtanOp(x).result,
    Kind.ATANH: _atanh,
    Kind.CEIL: lambda x: math.CeilOp(x).result,
    Kind.COS: circular.cosine,
    Kind.COSH: _cosh,
    Kind.ERF: lambda x: math.ErfOp(x).result,
    Kind.EXP: lambda x: math.ExpOp(x).result,
    Kind.FLOOR: lambda x: math.FloorOp(x).result,
    Kind.IS_NAN: lambda x: arith.CmpFOp(arith.CmpFPredicate.UNO, x, x).result,
    Kind.LOG: lambda x: math.LogOp(x).result,
    Kind.NEG: lambda x: arith.NegFOp(x).result,
    Kind.RECIPROCAL: lambda x: arith.DivFOp(_constant(x, 1), x).result,
    Kind.ROUND: lambda x: math.RoundEvenOp(x).result,
    Kind.SIGN: _sign_float,
    Kind.SIN: circular.sine,
    Kind.SINH: _sinh,
    Kind.SQRT: lambda x: math.SqrtOp(x).result,
    Kind.TAN: circular.tangent,
    Kind.ADD: lambda a, b: arith.AddFOp(a, b).result,
    Kind.DIV: lambda a, b: arith.DivFOp(a, b).result,
    Kind.EQUAL: _float_compare(arith.CmpFPredicate.OEQ),
    Kind.FMOD: _fmod,
    Kind.GREATER: _float_compare(arith.CmpFPredicate.OGT),
    Kind.GREATER_OR_EQUAL: _float_compare(arith.CmpFPredicate.OGE),
    Kind.LESS: _float_compare(arith.CmpFPredicate.OLT),
    Kind.LESS_OR_EQUAL: _float_compare(arith.CmpFPredicate.OLE),
    Kind.MAX: lambda a, b: arith.MaximumFOp(a, b).result,
    Kind.MIN: lambda a, b: arith.MinimumFOp(a, b).result,
    Kind.MOD: _modulo_float,
    Kind.MUL: lambda a, b: arith.MulFOp(a, b).result,
    Kind.PRELU: _prelu_float,
    Kind.SUB: lambda a, b: arith.SubFOp(a, b).result,
    Kind.CLIP: _clip_float,
    Kind.WHERE: _select,
}

_INTEGER: Mapping[Kind, Function] = {
    Kind.BITWISE_NOT: _xor_constant(-1),
    Kind.ADD: lambda a, b: arith.AddIOp(a, b).result,
    Kind.BITWISE_AND: lambda a, b: arith.AndIOp(a, b).result,
    Kind.BITWISE_OR: lambda a, b: arith.OrIOp(a, b).result,
    Kind.BITWISE_XOR: lambda a, b: arith.XOrIOp(a, b).result,
    Kind.EQUAL: _int_compare(arith.CmpIPredicate.eq),
    Kind.MUL: lambda a, b: arith.MulIOp(a, b).result,
    Kind.NEG: lambda x: arith.SubIOp(_constant(x, 0), x).result,
    Kind.SHIFT_LEFT: _shift_left,
    Kind.SUB: lambda a, b: arith.SubIOp(a, b).result,
    Kind.WHERE: _select,
}

_SIGNED: Mapping[Kind, Function] = {
    **_INTEGER,
    Kind.SHIFT_RIGHT: _shift_right_signed,
    Kind.ABS: lambda x: math.AbsIOp(x).result,
    Kind.SIGN: _sign_int,
    Kind.DIV: _divide_signed,
    Kind.FMOD: _remainder_signed,
    Kind.GREATER: _int_compare(arith.CmpIPredicate.sgt),
    Kind.GREATER_OR_EQUAL: _int_compare(arith.CmpIPredicate.sge),
    Kind.LESS: _int_compare(arith.CmpIPredicate.slt),
    Kind.LESS_OR_EQUAL: _int_compare(arith.CmpIPredicate.sle),
    Kind.MAX: lambda a, b: arith.MaxSIOp(a, b).result,
    Kind.MIN: lambda a, b: arith.MinSIOp(a, b).result,
    Kind.MOD: _modulo_signed,
    Kind.PRELU: _prelu_int,
    Kind.CLIP: lambda x, low, high: arith.MinSIOp(arith.MaxSIOp(x, low).result, high).result,
}

_UNSIGNED: Mapping[Kind, Function] = {
    **_INTEGER,
    Kind.SHIFT_RIGHT: _shift_right_unsigned,
    Kind.ABS: lambda x: x,
    Kind.SIGN: _sign_unsigned,
    Kind.DIV: lambda a, b: arith.DivUIOp(a, _nonzero_divisor(b)).result,
    Kind.FMOD: lambda a, b: arith.RemUIOp(a, _nonzero_divisor(b)).result,
    Kind.GREATER: _int_compare(arith.CmpIPredicate.ugt),
    Kind.GREATER_OR_EQUAL: _int_compare(arith.CmpIPredicate.uge),
    Kind.LESS: _int_compare(arith.CmpIPredicate.ult),
    Kind.LESS_OR_EQUAL: _int_compare(arith.CmpIPredicate.ule),
    Kind.MAX: lambda a, b: arith.MaxUIOp(a, b).result,
    Kind.MIN: lambda a, b: arith.MinUIOp(a, b).result,
    Kind.MOD: lambda a, b: arith.RemUIOp(a, _nonzero_divisor(b)).result,
    Kind.PRELU: lambda x, slope: x,
    Kind.CLIP: lambda x, low, high: arith.MinUIOp(arith.MaxUIOp(x, low).result, high).result,
}

_BOOL: Mapping[Kind, Function] = {
    Kind.NOT: _xor_constant(1),
    Kind.AND: lambda a, b: arith.AndIOp(a, b).result,
    Kind.OR: lambda a, b: arith.OrIOp(a, b).result,
    Kind.XOR: lambda a, b: arith.XOrIOp(a, b).result,
    Kind.EQUAL: _int_compare(arith.CmpIPredicate.eq),
    Kind.WHERE: _select,
}

_IN_F32 = frozenset(_FLOAT) - {
    Kind.ABS, Kind.NEG, Kind.WHERE, Kind.CLIP, Kind.MAX, Kind.MIN, Kind.EQUAL, Kind.GREATER,
    Kind.GREATER_OR_EQUAL, Kind.LESS, Kind.LESS_OR_EQUAL, Kind.IS_NAN, Kind.ADD, Kind.SUB,
    Kind.MUL, Kind.DIV,
}  # fmt: skip
"""Kinds that 16-bit floats compute in f32: the math library has no narrower versions."""


def power(x: Scalar, y: Scalar, base: DType, exponent: DType) -> Scalar:
    """Raises x to the power y in the base's type; the exponent may have another one (ONNX Pow)."""
    if base.is_float:
        if (exponent.is_float and exponent.bits > base.bits) or base.bits < 32:
            wide = exponent if exponent.is_float and exponent.bits > base.bits else None
            element = ir.Type.parse(wide.mlir) if wide and wide.bits >= 32 else ir.F32Type.get()
            a, b = _to_float(x, base, element), _to_float(y, exponent, element)
            return arith.TruncFOp(x.type, math.PowFOp(a, b).result).result
        return math.PowFOp(x, _to_float(y, exponent, x.type)).result
    if base.is_integer and exponent.is_integer and exponent.bits <= base.bits:
        if y.type != x.type:
            y = (arith.ExtUIOp if exponent.is_unsigned else arith.ExtSIOp)(x.type, y).result
        return _integer_power(x, y, signed=not base.is_unsigned)
    if base.is_integer:
        f64 = ir.F64Type.get()
        result = math.PowFOp(_to_float(x, base, f64), _to_float(y, exponent, f64)).result
        return (arith.FPToUIOp if base.is_unsigned else arith.FPToSIOp)(x.type, result).result
    raise Declined(f"pow of {base}")


def _to_float(x: Scalar, dtype: DType, element: ir.Type) -> Scalar:
    if dtype.is_float:
        if x.type == element:
            return x
        wider = dtype.bits < (64 if isinstance(element, ir.F64Type) else 32)
        return (arith.ExtFOp if wider else arith.TruncFOp)(element, x).result
    return (arith.UIToFPOp if dtype.is_unsigned or dtype.mlir == "i1" else arith.SIToFPOp)(
        element, x
    ).result


def convert(x: Scalar, source: DType, target: DType) -> Scalar:
    """ONNX Cast of a scalar: float → int truncates, anything → bool is `!= 0`.

    Raises:
        Declined: The target has no conversion for the pair.
    """
    if source.mlir.startswith("complex") or target.mlir.startswith("complex"):
        raise Declined(f"cast of {source} to {target}")
    if min(source.bits, target.bits) < 8 or {source, target} & _RARE_FLOATS:
        raise Declined(f"cast of {source} to {target}")
    element = ir.Type.parse(target.signless)
    if source == target:
        return x
    if target.mlir == "i1":
        zero = _constant(x, 0)
        if source.is_float:
            return arith.CmpFOp(arith.CmpFPredicate.UNE, x, zero).result
        return arith.CmpIOp(arith.CmpIPredicate.ne, x, zero).result
    if source.is_float and target.is_float:
        if source.bits == target.bits:  # f16 and bf16
            x = arith.ExtFOp(ir.F32Type.get(), x).result
            return arith.TruncFOp(element, x).result
        return (arith.ExtFOp if source.bits < target.bits else arith.TruncFOp)(element, x).result
    if source.is_float:
        return _float_to_int(x, source, target, element)
    if target.is_float:
        return _to_float(x, source, element)
    width = 1 if source.mlir == "i1" else source.bits
    if width == target.bits:
        return x
    if width > target.bits:
        return arith.TruncIOp(element, x).result
    unsigned = source.is_unsigned or source.mlir == "i1"
    return (arith.ExtUIOp if unsigned else arith.ExtSIOp)(element, x).result


_RARE_FLOATS: frozenset[DType] = frozenset()


def converted(x: ir.Value, source: DType, target: DType) -> ir.Value:
    """A tensor in another type."""
    if source == target:
        return x
    return emit.pointwise([x], ir.Type.parse(target.signless), lambda v: convert(v, source, target))


def working_float(dtype: DType, what: str) -> DType:
    """The float type that sums of `dtype` are made in: f32, or f64 for wider ones.

    Raises:
        Declined: `what` isn't lowered for elements of this type.
    """
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"{what} of {dtype}")
    return from_name("float64" if dtype.bits > 32 else "float32")


def _float_to_int(x: Scalar, source: DType, target: DType, element: ir.Type) -> Scalar:
    if source.bits < 32:
        x = arith.ExtFOp(ir.F32Type.get(), x).result
    if target.bits == 64:
        return (arith.FPToUIOp if target.is_unsigned else arith.FPToSIOp)(element, x).result
    # Through i64: values outside a narrow type then wrap, as numpy's do, instead of being poison.
    wide = arith.FPToSIOp(ir.IntegerType.get_signless(64), x).result
    return arith.TruncIOp(element, wide).result
