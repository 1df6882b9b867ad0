"""The one table of ONNX operators: what noema does with each.

A route says who lowers an operator that stays `sem.onnx`; operators that the raise pass turns into
named ops reach their route only in the forms that no named op expresses.
"""

from __future__ import annotations

EXPANDED = frozenset(
    {
        "AffineGrid",
        "BlackmanWindow",
        "CausalConvWithState",
        "CenterCropPad",
        "DynamicQuantizeLinear",
        "HammingWindow",
        "HannWindow",
        "LinearAttention",
        "MeanVarianceNormalization",
        "NegativeLogLikelihoodLoss",
        "SoftmaxCrossEntropyLoss",
        "SwiGLU",
    }
)
"""Operators that the frontend replaces by the body of their ONNX function."""
