"""What a kernel does to its f32 sums before it stores them: bias, scales, residuals, activations.

All kernels share this. An epilogue is a sequence of steps and the result's element type; a kernel
asks it which operands its steps read, appends those to its own, and applies it vector by vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from noema.kernels import curves
from noema.kernels.executable import Extent, Tensor
from noema.kernels.kernel import Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value


class Curve(StrEnum):
    """Activation functions, named and with parameters as in the dialect, and a few more."""

    CELU = "celu"  # max(0, x) + min(0, alpha (exp(x / alpha) - 1))
    CLIP = "clip"  # between alpha and beta
    ELU = "elu"  # x < 0 ? alpha (exp(x) - 1) : x
    ERF = "erf"
    EXP = "exp"
    GELU_ERF = "gelu_erf"  # x / 2 (1 + erf(x / sqrt 2))
    GELU_TANH = "gelu_tanh"  # x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    HARD_SIGMOID = "hard_sigmoid"  # max(0, min(1, alpha x + beta))
    HARD_SWISH = "hard_swish"  # x max(0, min(1, x / 6 + 1/2))
    LEAKY_RELU = "leaky_relu"  # x < 0 ? alpha x : x
    MISH = "mish"  # x tanh(log(1 + exp x))
    RELU = "relu"  # max(0, x)
    SELU = "selu"  # beta (x > 0 ? x : alpha (exp(x) - 1))
    SIGMOID = "sigmoid"  # 1 / (1 + exp -x)
    SOFTPLUS = "softplus"  # log(1 + exp x)
    SOFTSIGN = "softsign"  # x / (1 + |x|)
    SWISH = "swish"  # x sigmoid(alpha x): SiLU with alpha = 1, the quick GELU with 1.702
    TANH = "tanh"
    THRESHOLDED_RELU = "thresholded_relu"  # x > alpha ? x : 0


@dataclass(frozen=True)
class Bias:
    """Adds a number per column. Operand: f32, as many as the result's last extent."""


@dataclass(frozen=True)
class Scale:
    """Multiplies by a number per column. Operand: f32, as many as the result's last extent."""


@dataclass(frozen=True)
class Residual:
    """Adds a tensor of the result's shape.

    Attributes:
        element: f32 or bf16.
    """

    element: str = "f32"


@dataclass(frozen=True)
class Multiply:
    """Multiplies by a tensor of the result's shape, e.g. a gate.

    Attributes:
        element: f32 or bf16.
    """

    element: str = "f32"


@dataclass(frozen=True)
class Times:
    """Multiplies by one number, e.g. 1/√d. Takes no operand."""

    factor: float


@dataclass(frozen=True)
class Activate:
    """Applies a curve. Takes no operand.

    Attributes:
        curve: Which one.
        alpha: Its first parameter, if it has one.
        beta: Its second.
    """

    curve: Curve
    alpha: float = 0.0
    beta: float = 0.0


Step = Bias | Scale | Residual | Multiply | Times | Activate


@dataclass(frozen=True)
class Epilogue:
    """Steps in the order in which they are applied, then the conversion to the result's element.

    Attributes:
        steps: May be empty.
        element: f32, or bf16 rounded to nearest, ties to even.
    """

    steps: tuple[Step, ...] = ()
    element: str = "f32"

    def operands(self, extents: tuple[Extent, ...]) -> tuple[Tensor, ...]:
        """The tensors that its steps read, in their order.

        Args:
            extents: The result's.
        """
        found: list[Tensor] = []
        for step in self.steps:
            match step:
                case Bias() | Scale():
                    found.append(Tensor("f32", extents[-1:]))
                case Residual(element) | Multiply(element):
                    found.append(Tensor(element, extents))
                case Times() | Activate():
                    pass
        return tuple(found)

    def describe(self) -> str:
        """E.g. `bias, gelu_erf → bf16`; `none` if it does nothing."""
        words = [
            str(step.curve) if isinstance(step, Activate) else type(step).__name__.lower()
            for step in self.steps
        ]
        narrow = " → bf16" if self.element == "bf16" else ""
        return (", ".join(words) + narrow) or "none"

    def apply(
        self,
        p: Printer,
        value: Value,
        at: Sequence[Index],
        operands: Sequence[Buffer],
        mask: Value | None = None,
    ) -> Value:
        """The steps, on one vector of f32; the conversion is `store`'s.

        Args:
            p: Prints it.
            value: Sums, consecutive along the result's last axis.
            at: Where its first lane lies in the result.
            operands: What `operands` named, in order.
            mask: Lanes that lie in the result, if not all do; the others aren't read.
        """
        left = list(operands)
        for step in self.steps:
            match step:
                case Bias():
                    other = _read(p, left.pop(0), at[-1:], value, mask)
                    value = p.arith("arith.addf", value, other)
                case Scale():
                    other = _read(p, left.pop(0), at[-1:], value, mask)
                    value = p.arith("arith.mulf", value, other)
                case Residual():
                    value = p.arith("arith.addf", value, _read(p, left.pop(0), at, value, mask))
                case Multiply():
                    value = p.arith("arith.mulf", value, _read(p, left.pop(0), at, value, mask))
                case Times(factor):
                    value = p.arith("arith.mulf", value, curves.number(p, value, factor))
                case Activate(curve, alpha, beta):
                    value = activate(p, value, curve, alpha, beta)
        return value

    def store(
        self,
        p: Printer,
        value: Value,
        result: Buffer,
        at: Sequence[Index],
        operands: Sequence[Buffer],
        mask: Value | None = None,
        *,
        native: bool = False,
    ) -> None:
        """Applies the steps to one vector and stores it at `at` of `result`, converted.

        `native` is as for `narrow`.
        """
        value = narrow(p, self.apply(p, value, at, operands, mask), self.element, native=native)
        if mask is None:
            p.store(value, result, at)
        else:
            p.store_masked(value, result, at, mask)


NOTHING = Epilogue()
"""Stores f32 sums as they are."""


def _read(
    p: Printer, buffer: Buffer, at: Sequence[Index], like: Value, mask: Value | None
) -> Value:
    lanes = curves.lanes_of(like)
    if mask is None:
        value = p.load(buffer, at, lanes)
    else:
        value = p.load_masked(buffer, at, mask, p.splat(0, lanes, buffer.element))
    return widen(p, value)


def widen(p: Printer, value: Value) -> Value:
    """A vector of f32 from one of f32 or bf16."""
    if "bf16" not in value.type:
        return value
    return p.convert("arith.extf", value, value.type.replace("bf16", "f32"))


def narrow(p: Printer, value: Value, element: str, *, native: bool = False) -> Value:
    """A vector of f32 or bf16 from one of f32, rounded to nearest, ties to even.

    Args:
        p: Prints it.
        value: Of f32.
        element: f32 or bf16.
        native: Whether the processor converts (`vcvtneps2bf16`, which makes denormals 0). IREE
            never uses that for `arith.truncf`, but half a dozen integer operations.
    """
    if element == "f32":
        return value
    if element != "bf16":
        raise Unsuitable(f"results of {element}")
    type_ = value.type.replace("f32", "bf16")
    bits = 32 * curves.lanes_of(value)
    if native and bits in (256, 512):
        return p.call_intrinsic(f"llvm.x86.avx512bf16.cvtneps2bf16.{bits}", [value], type_)
    return p.convert("arith.truncf", value, type_)


def activate(p: Printer, x: Value, curve: Curve, alpha: float = 0.0, beta: float = 0.0) -> Value:
    """A curve of a vector of f32; NaN where x is. Errors are those of `curves`."""

    def number(value: float) -> Value:
        return curves.number(p, x, value)

    def times(a: Value, b: Value) -> Value:
        return p.arith("arith.mulf", a, b)

    def plus(a: Value, b: Value) -> Value:
        return p.arith("arith.addf", a, b)

    def below(bound: float, low: Value, high: Value) -> Value:
        # x < bound ? low : high
        return p.select(p.compare_floats("olt", x, number(bound)), low, high)

    def exp_less_one(y: Value) -> Value:
        # Off by 1e-7 at most, which is not little of a y near 0.
        return plus(curves.exp(p, y), number(-1.0))

    match curve:
        case Curve.RELU:
            return curves.clamp(p, x, 0.0, math.inf)
        case Curve.CLIP:
            return curves.clamp(p, x, alpha, beta)
        case Curve.LEAKY_RELU:
            return below(0.0, times(x, number(alpha)), x)
        case Curve.THRESHOLDED_RELU:
            return p.select(p.compare_floats("ole", x, number(alpha)), number(0.0), x)
        case Curve.HARD_SIGMOID:
            return curves.clamp(p, p.fma(x, number(alpha), number(beta)), 0.0, 1.0)
        case Curve.HARD_SWISH:
            return times(x, curves.clamp(p, p.fma(x, number(1 / 6), number(0.5)), 0.0, 1.0))
        case Curve.SOFTSIGN:
            return p.arith("arith.divf", x, plus(p.arith("math.absf", x), number(1.0)))
        case Curve.EXP:
            return curves.exp(p, x)
        case Curve.ERF:
            return curves.erf(p, x)
        case Curve.TANH:
            return curves.tanh(p, x)
        case Curve.SIGMOID:
            return curves.sigmoid(p, x)
        case Curve.SWISH:
            return curves.over_one_plus_exp(p, x, times(x, number(-alpha)))
        case Curve.GELU_ERF:
            half = times(x, number(0.5))
            return p.fma(half, curves.erf(p, times(x, number(math.sqrt(0.5)))), half)
        case Curve.GELU_TANH:
            # (1 + tanh u) / 2 = sigmoid 2u
            slope = p.fma(times(x, x), number(-2 * _GELU * 0.044715), number(-2 * _GELU))
            return curves.over_one_plus_exp(p, x, times(x, slope))
        case Curve.ELU:
            return below(0.0, times(exp_less_one(x), number(alpha)), x)
        case Curve.CELU:
            return below(0.0, times(exp_less_one(times(x, number(1 / alpha))), number(alpha)), x)
        case Curve.SELU:
            negative = times(exp_less_one(x), number(alpha * beta))
            return below(0.0, negative, times(x, number(beta)))
        case Curve.SOFTPLUS:
            # log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)
            tail = curves.exp(p, p.arith("arith.negf", p.arith("math.absf", x)))
            return plus(curves.clamp(p, x, 0.0, math.inf), p.arith("math.log1p", tail))
        case Curve.MISH:
            # tanh log(1 + e) = (e² + 2e) / (e² + 2e + 2), which is 1 from x = 20 on
            e = curves.exp(p, curves.clamp(p, x, -math.inf, 20.0))
            t = times(e, plus(e, number(2.0)))
            return times(x, p.arith("arith.divf", t, plus(t, number(2.0))))


_GELU = math.sqrt(2 / math.pi)
