"""Lowering of `sem.activation`: one pointwise linalg op. 16-bit floats are computed in f32."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch_mlir import ir
from torch_mlir.dialects import arith, math

from noema.dialects.attrs import ActivationKind as Kind
from noema.lowering import emit
from noema.lowering.node import Declined, Node

Scalar = ir.Value


def lower_activation(node: Node) -> ir.Value:
    """Applies the kind's function, whose formula stands beside it in dialects/attrs.py."""
    x = node.operand(0)
    kind, alpha, beta = Kind(node.text("kind")), node.float("alpha"), node.float("beta")
    dtype = node.dtype(0)
    if not dtype.is_float:
        if kind is Kind.RELU and dtype.is_integer:
            return emit.pointwise([x], emit.element_of(x), _relu_int(dtype.is_unsigned))
        raise Declined(f"{kind} of {dtype}")
    if dtype.bits < 16:
        raise Declined(f"arithmetic in {dtype}")
    function = _FUNCTIONS[kind]

    def body(value: Scalar) -> Scalar:
        if dtype.bits != 16:
            return function(value, alpha, beta)
        wide = function(arith.ExtFOp(ir.F32Type.get(), value).result, alpha, beta)
        return arith.TruncFOp(value.type, wide).result

    return emit.pointwise([x], emit.element_of(x), body)


def apply(kind: Kind, x: Scalar, alpha: float = 0.0, beta: float = 0.0) -> Scalar:
    """The function of a kind, of an f32 or f64 scalar."""
    return _FUNCTIONS[kind](x, alpha, beta)


def _relu_int(unsigned: bool) -> Callable[[Scalar], Scalar]:
    return lambda x: x if unsigned else arith.MaxSIOp(x, emit.scalar(0, x.type)).result


def _c(x: Scalar, value: float) -> Scalar:
    return emit.scalar(value, x.type)


def _mul(a: Scalar, b: Scalar) -> Scalar:
    return arith.MulFOp(a, b).result


def _add(a: Scalar, b: Scalar) -> Scalar:
    return arith.AddFOp(a, b).result


def _less(a: Scalar, b: Scalar) -> Scalar:
    return arith.CmpFOp(arith.CmpFPredicate.OLT, a, b).result


def _select(condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
    return arith.SelectOp(condition, a, b).result


def _sigmoid(x: Scalar) -> Scalar:
    one = _c(x, 1)
    return arith.DivFOp(one, _add(one, math.ExpOp(arith.NegFOp(x).result).result)).result


def _softplus(x: Scalar) -> Scalar:
    # max(x, 0) + log1p(exp(-|x|)) neither overflows nor loses small results.
    tail = math.ExpOp(arith.NegFOp(math.AbsFOp(x).result).result).result
    return _add(arith.MaximumFOp(x, _c(x, 0)).result, math.Log1pOp(tail).result)


def _hard_sigmoid(x: Scalar, alpha: float, beta: float) -> Scalar:
    y = _add(_mul(x, _c(x, alpha)), _c(x, beta))
    return arith.MaximumFOp(arith.MinimumFOp(y, _c(x, 1)).result, _c(x, 0)).result


def _elu(x: Scalar, alpha: float) -> Scalar:
    tail = _mul(_c(x, alpha), math.ExpM1Op(x).result)
    return _select(_less(x, _c(x, 0)), tail, x)


def _celu(x: Scalar, alpha: float) -> Scalar:
    zero = _c(x, 0)
    tail = _mul(_c(x, alpha), math.ExpM1Op(arith.DivFOp(x, _c(x, alpha)).result).result)
    return _add(arith.MaximumFOp(x, zero).result, arith.MinimumFOp(tail, zero).result)


def _tanh(x: Scalar) -> Scalar:
    if not isinstance(x.type, ir.F64Type):
        return math.TanhOp(x).result
    # IREE has no tanh of f64. With t = expm1(-2|x|) it is -t / (t + 2), with the sign of x.
    t = math.ExpM1Op(_mul(_c(x, -2), math.AbsFOp(x).result)).result
    size = arith.DivFOp(arith.NegFOp(t).result, _add(t, _c(x, 2))).result
    return math.CopySignOp(size, x).result


def _gelu_erf(x: Scalar) -> Scalar:
    bell = _add(math.ErfOp(_mul(x, _c(x, 0.5**0.5))).result, _c(x, 1))
    return _mul(_mul(x, _c(x, 0.5)), bell)


def _gelu_tanh(x: Scalar) -> Scalar:
    cubic = _add(x, _mul(_c(x, 0.044715), _mul(x, _mul(x, x))))
    bell = _add(_tanh(_mul(_c(x, (2 / 3.141592653589793) ** 0.5), cubic)), _c(x, 1))
    return _mul(_mul(x, _c(x, 0.5)), bell)


def _shrink(x: Scalar, bound: float, bias: float) -> Scalar:
    low = _select(_less(x, _c(x, -bound)), _add(x, _c(x, bias)), _c(x, 0))
    return _select(_less(_c(x, bound), x), arith.SubFOp(x, _c(x, bias)).result, low)


_FUNCTIONS: Mapping[Kind, Callable[[Scalar, float, float], Scalar]] = {
    Kind.CELU: lambda x, a, b: _celu(x, a),
    Kind.ELU: lambda x, a, b: _elu(x, a),
    Kind.GELU_ERF: lambda x, a, b: _gelu_erf(x),
    Kind.GELU_TANH: lambda x, a, b: _gelu_tanh(x),
    Kind.HARD_SIGMOID: _hard_sigmoid,
    Kind.HARD_SWISH: lambda x, a, b: _mul(x, _hard_sigmoid(x, 1 / 6, 0.5)),
    Kind.LEAKY_RELU: lambda x, a, b: _select(_less(x, _c(x, 0)), _mul(x, _c(x, a)), x),
    Kind.MISH: lambda x, a, b: _mul(x, _tanh(_softplus(x))),
    Kind.RELU: lambda x, a, b: arith.MaximumFOp(x, _c(x, 0)).result,
    Kind.SELU: lambda x, a, b: _mul(_c(x, b), _elu(x, a)),
    Kind.SHRINK: _shrink,
    Kind.SIGMOID: lambda x, a, b: _sigmoid(x),
    Kind.SOFTPLUS: lambda x, a, b: _softplus(x),
    Kind.SOFTSIGN: lambda x, a, b: arith.DivFOp(x, _add(_c(x, 1), math.AbsFOp(x).result)).result,
    Kind.SWISH: lambda x, a, b: _mul(x, _sigmoid(_mul(x, _c(x, a)))),
    Kind.TANH: lambda x, a, b: _tanh(x),
    Kind.THRESHOLDED_RELU: lambda x, a, b: _select(_less(_c(x, a), x), x, _c(x, 0)),
}
