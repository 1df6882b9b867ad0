"""Activations of `com.microsoft`: the GELUs, and those named by an attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.operators import FLOAT, declare


def _gelu(e: Expansion) -> Sequence[str]:
    """Gelu(X)."""
    return [e.op("Gelu", e.input(0))]


def _bias_gelu(e: Expansion) -> Sequence[str]:
    """Gelu(A + B)."""
    return [e.op("Gelu", e.op("Add", e.input(0), e.input(1)))]


def _fast_gelu(e: Expansion) -> Sequence[str]:
    """Gelu(X + bias), by the hyperbolic tangent."""
    x = e.op("Add", e.input(0), e.input(1)) if e.has(1) else e.input(0)
    return [e.op("Gelu", x, approximate="tanh")]


def _gemm_fast_gelu(e: Expansion) -> Sequence[str]:
    """Gelu(X · W + bias), by the hyperbolic tangent."""
    x = e.op("MatMul", e.input(0), e.input(1))
    if e.has(2):
        x = e.op("Add", x, e.input(2))
    return [e.op("Gelu", x, approximate="tanh")]


def _quick_gelu(e: Expansion) -> Sequence[str]:
    """X · sigmoid(alpha · X)."""
    return [e.op("Swish", e.input(0), alpha=e.float("alpha", 1.702))]


def _bias_split_gelu(e: Expansion) -> Sequence[str]:
    """L · Gelu(R), for the halves L and R of X + bias."""
    x = e.op("Add", e.input(0), e.input(1))
    left, right = e.ops("Split", [x], [True, True], axis=-1, num_outputs=2)
    return [e.op("Mul", left, e.op("Gelu", right))]


PARAMETERS: Mapping[str, Sequence[str]] = {
    "Elu": ("alpha",),
    "HardSigmoid": ("alpha", "beta"),
    "LeakyRelu": ("alpha",),
    "Relu": (),
    "Selu": ("alpha", "gamma"),
    "Sigmoid": (),
    "Softplus": (),
    "Softsign": (),
    "Tanh": (),
    "ThresholdedRelu": ("alpha",),
}
"""Activation that an attribute may name -> the attributes of its operator."""


def activate(e: Expansion, x: str, kind: str, parameters: Mapping[str, float]) -> str:
    """The activation of `x` that is called `kind`; none if that is empty.

    Args:
        e: The expansion.
        x: Its operand.
        kind: Its operator.
        parameters: Its attributes; those that are missing have the operator's defaults.

    Raises:
        Unexpandable: There is no such activation.
    """
    if not kind:
        return x
    if kind not in PARAMETERS:
        raise Unexpandable(f"activation {kind}")
    known = {name: parameters[name] for name in PARAMETERS[kind] if name in parameters}
    return e.op(kind, x, **known)


OPERATORS = (
    declare("Gelu", _gelu, "X:T"),
    declare("BiasGelu", _bias_gelu, "A:T B:T", "C:T"),
    declare("FastGelu", _fast_gelu, "X:T bias:T?"),
    declare("GemmFastGelu", _gemm_fast_gelu, "X:T W:T bias:T?"),
    declare("QuickGelu", _quick_gelu, "X:T", attributes={"alpha": FLOAT}),
    declare("BiasSplitGelu", _bias_split_gelu, "X:T bias:T"),
)
