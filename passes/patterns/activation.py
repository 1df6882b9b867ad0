"""Activation functions → `sem.activation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ActivationKind
from noema.passes.patterns.onnx_rewrite import FLOATS, OnnxNode, OnnxRewrite, f32


@dataclass(frozen=True)
class Parameters:
    """How an ONNX activation maps to `sem.activation`.

    Attributes:
        kind: The kind.
        alpha: ONNX's name of the attribute that becomes `alpha`, and its default; None for 0.
        beta: The same for `beta`.
    """

    kind: ActivationKind
    alpha: tuple[str, float] | None = None
    beta: tuple[str, float] | None = None


ACTIVATIONS: Mapping[str, Parameters] = MappingProxyType(
    {
        "Celu": Parameters(ActivationKind.CELU, ("alpha", 1.0)),
        "Elu": Parameters(ActivationKind.ELU, ("alpha", 1.0)),
        "HardSigmoid": Parameters(ActivationKind.HARD_SIGMOID, ("alpha", 0.2), ("beta", 0.5)),
        "HardSwish": Parameters(ActivationKind.HARD_SWISH),
        "LeakyRelu": Parameters(ActivationKind.LEAKY_RELU, ("alpha", 0.01)),
        "Mish": Parameters(ActivationKind.MISH),
        "Relu": Parameters(ActivationKind.RELU),
        # The defaults are ONNX's f32 constants, 1.67326319… and 1.05070102….
        "Selu": Parameters(
            ActivationKind.SELU,
            ("alpha", 1.67326319217681884765625),
            ("gamma", 1.05070102214813232421875),
        ),
        "Shrink": Parameters(ActivationKind.SHRINK, ("lambd", 0.5), ("bias", 0.0)),
        "Sigmoid": Parameters(ActivationKind.SIGMOID),
        "Softplus": Parameters(ActivationKind.SOFTPLUS),
        "Softsign": Parameters(ActivationKind.SOFTSIGN),
        "Swish": Parameters(ActivationKind.SWISH, ("alpha", 1.0)),
        "Tanh": Parameters(ActivationKind.TANH),
        "ThresholdedRelu": Parameters(ActivationKind.THRESHOLDED_RELU, ("alpha", 1.0)),
    }
)
"""ONNX operator → what it is in `sem`."""


class RaiseActivation(OnnxRewrite):
    """`Relu(x)` and the like on floats --> `sem.activation`."""

    op_types = tuple(ACTIVATIONS)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(1)
        if operands is None or not node.is_of(FLOATS):
            return None
        found = ACTIVATIONS[node.op_type]
        alpha, beta = (
            0.0 if named is None else node.float(*named) for named in (found.alpha, found.beta)
        )
        return _activation(node, operands[0], found.kind, alpha, beta)


class RaiseGelu(OnnxRewrite):
    """`Gelu(x)` --> `sem.activation` of kind gelu_erf, or gelu_tanh if `approximate = tanh`."""

    op_types = ("Gelu",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(1)
        kinds = {"none": ActivationKind.GELU_ERF, "tanh": ActivationKind.GELU_TANH}
        kind = kinds.get(node.text("approximate", "none"))
        if operands is None or kind is None or not node.is_of(FLOATS):
            return None
        return _activation(node, operands[0], kind)


def _activation(
    node: OnnxNode, x: ir.Value, kind: ActivationKind, alpha: float = 0.0, beta: float = 0.0
) -> ir.Value:
    return sem.build(
        sem.ActivationOp,
        [x],
        node.type,
        kind=ir.StringAttr.get(kind),
        alpha=f32(alpha),
        beta=f32(beta),
    )
