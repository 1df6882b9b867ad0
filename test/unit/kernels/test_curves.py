"""Every curve against numpy in f64, over the whole range of f32."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue, Multiply, Residual, Scale, Times
from noema.kernels.executable import Interface, Scope, Tensor, executable
from noema.kernels.kernel import name_of

pytestmark = pytest.mark.skipif(this_isa() is None, reason="no vector unit that kernels know")

F64 = NDArray[np.float64]
BLOCK = 1 << 10


@dataclass(frozen=True)
class Pointwise:
    """An epilogue alone, over rows of a tensor.

    `width` columns, the last `width % lanes` of which are masked.
    """

    epilogue: Epilogue
    rows: int
    width: int
    lanes: int
    kind: str = field(default="pointwise", init=False)

    @property
    def interface(self) -> Interface:
        extents = (self.rows, self.width)
        operands = (Tensor("f32", extents), *self.epilogue.operands(extents))
        return Interface(operands, (Tensor(self.epilogue.element, extents),))

    @property
    def operations(self) -> int:
        return 0

    def describe(self) -> str:
        return self.epilogue.describe()

    def print(self, name: str) -> str:
        def body(s: Scope) -> None:
            p, whole = s.printer, self.width // self.lanes * self.lanes
            with p.loop(0, self.rows) as row:
                with p.loop(0, whole, self.lanes) as column:
                    at = [row.index, column.index]
                    value = p.load(s.operands[0], at, self.lanes)
                    self.epilogue.store(p, value, s.results[0], at, s.operands[1:])
                if whole < self.width:
                    at, mask = [row.index, whole], p.mask(self.width - whole, self.lanes)
                    zero = p.splat(0, self.lanes)
                    value = p.load_masked(s.operands[0], at, mask, zero)
                    self.epilogue.store(p, value, s.results[0], at, s.operands[1:], mask)

        return executable(name, self.interface, lambda _p, _s: (1,), body)


def every_magnitude() -> NDArray[np.float32]:
    """f32 of all exponents and signs, denser where curves bend, with the special ones."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 1 << 32, 200_000, dtype=np.uint32).view(np.float32)
    near = rng.uniform(-20, 20, 200_000).astype(np.float32)
    wide = rng.uniform(-110, 110, 100_000).astype(np.float32)
    special = np.array([0, -0.0, np.inf, -np.inf, np.nan, 88.7, 88.8, -87.4, -104], np.float32)
    x = np.concatenate([special, near, wide, bits])
    return np.resize(x, (-(-x.size // BLOCK), BLOCK))


def erf(x: F64) -> F64:
    return np.vectorize(math.erf)(x)


def sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


# Curve, its parameters, what it is in f64, and the allowed error: relative, and absolute.
CURVES: list[tuple[Activate, Callable[[F64], F64], float, float]] = [
    (Activate(Curve.EXP), np.exp, 1.5 * 2**-23, 1.2e-38),
    (Activate(Curve.TANH), np.tanh, 4 * 2**-23, 1.2e-38),
    (Activate(Curve.ERF), erf, 4 * 2**-23, 1.2e-38),
    (Activate(Curve.SIGMOID), sigmoid, 4 * 2**-23, 1.2e-38),
    (Activate(Curve.SWISH, 1.0), lambda x: x * sigmoid(x), 4 * 2**-23, 1e-35),
    (Activate(Curve.SWISH, 1.702), lambda x: x * sigmoid(1.702 * x), 3e-5, 1e-7),
    # 1 + erf cancels, and what is left of it is multiplied by x.
    (Activate(Curve.GELU_ERF), lambda x: x / 2 * (1 + erf(x / math.sqrt(2))), 5e-7, 1e-6),
    (
        Activate(Curve.GELU_TANH),
        lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)),
        5e-7,
        1e-6,
    ),
    (Activate(Curve.RELU), lambda x: np.maximum(x, 0), 0, 1.2e-38),
    (Activate(Curve.CLIP, -1.0, 6.0), lambda x: np.clip(x, -1, 6), 0, 1.2e-38),
    (Activate(Curve.LEAKY_RELU, 0.1), lambda x: np.where(x < 0, 0.1 * x, x), 2e-7, 1.2e-38),
    (Activate(Curve.THRESHOLDED_RELU, 1.0), lambda x: np.where(x <= 1, 0, x), 0, 0),
    (Activate(Curve.HARD_SIGMOID, 0.2, 0.5), lambda x: np.clip(0.2 * x + 0.5, 0, 1), 0, 2e-7),
    (Activate(Curve.HARD_SWISH), lambda x: x * np.clip(x / 6 + 0.5, 0, 1), 3e-7, 5e-7),
    (Activate(Curve.SOFTSIGN), lambda x: x / (1 + np.abs(x)), 3e-7, 1.2e-38),
    (Activate(Curve.ELU, 1.5), lambda x: np.where(x < 0, 1.5 * np.expm1(x), x), 0, 3e-7),
    (Activate(Curve.CELU, 2.0), lambda x: np.where(x < 0, 2 * np.expm1(x / 2), x), 0, 4e-7),
    (
        Activate(Curve.SELU, 1.67, 1.05),
        lambda x: np.where(x < 0, 1.67 * 1.05 * np.expm1(x), 1.05 * x),
        3e-7,
        4e-7,
    ),
    (Activate(Curve.SOFTPLUS), lambda x: np.logaddexp(0, x), 1e-6, 1.2e-38),
    (Activate(Curve.MISH), lambda x: x * np.tanh(np.logaddexp(0, x)), 1e-6, 1e-35),
]


def test_every_curve_is_tested() -> None:
    assert {step.curve for step, *_ in CURVES} == {*Curve}


@pytest.mark.parametrize("lanes", [16, 8])
@pytest.mark.parametrize(("step", "truth", "relative", "absolute"), CURVES)
def test_curves_are_as_exact_as_they_say(
    step: Activate, truth: Callable[[F64], F64], relative: float, absolute: float, lanes: int
) -> None:
    isa = this_isa()
    if isa is None or lanes > isa.lanes:
        pytest.skip("no such vectors here")
    x = every_magnitude()
    kernel = Pointwise(Epilogue((step,)), *x.shape, lanes)
    got = KernelProgram(kernel)(x)[0].astype(np.float64)
    with np.errstate(all="ignore"):
        expected = truth(x.astype(np.float64))
        rounded = expected.astype(np.float32)
    assert np.array_equal(np.isnan(got), np.isnan(rounded))
    infinite = np.isinf(rounded)
    # Next to the largest f32, a rounding decides between it and infinity.
    edge = np.abs(expected) > 3.4e38
    assert np.array_equal(got[infinite & ~edge], rounded[infinite & ~edge])
    finite = ~(infinite | edge | np.isnan(rounded))
    error = np.abs(got[finite] - expected[finite])
    allowed = np.abs(expected[finite]) * relative + absolute + 1.2e-38
    worst = int(np.argmax(error - allowed))
    assert error[worst] <= allowed[worst], (x[finite][worst], expected[finite][worst])


def test_steps_apply_in_their_order_and_read_no_masked_lane() -> None:
    steps = (
        Scale(),
        Bias(),
        Residual("bf16"),
        Activate(Curve.RELU),
        Multiply(),
        Times(0.25),
        Residual(),
    )
    epilogue = Epilogue(steps, "bf16")
    isa = this_isa()
    assert isa is not None
    kernel = Pointwise(epilogue, 3, 37, isa.lanes)
    program = KernelProgram(kernel)
    rng = np.random.default_rng(1)
    arrays = [
        rng.standard_normal(tuple(map(int, t.extents))).astype(DTYPES[t.element])
        for t in kernel.interface.operands
    ]
    x, scale, bias, residual, gate, last = (a.astype(np.float32) for a in arrays)
    expected = np.maximum(x * scale + bias + residual, 0) * gate * 0.25 + last
    got = program(*arrays)[0].astype(np.float32)
    # bf16 keeps 8 bits; the steps themselves round in f32.
    np.testing.assert_allclose(got, expected, rtol=2**-8, atol=1e-6)
    assert np.array_equal(got, got.astype(DTYPES["bf16"]).astype(np.float32))
    assert epilogue.describe().endswith("→ bf16") and name_of(kernel)


def test_bf16_results_round_to_even() -> None:
    isa = this_isa()
    assert isa is not None
    ties = np.arange(0x3F80, 0x3F80 + 32, dtype=np.uint32) << 16 | 0x8000
    x = np.concatenate([ties, ties + 1, ties - 1]).view(np.float32).reshape(1, -1)
    got = KernelProgram(Pointwise(Epilogue((), "bf16"), 1, x.size, isa.lanes))(x)[0]
    assert np.array_equal(got, x.astype(DTYPES["bf16"]))
