"""Every operator of ONNX Runtime that is read as standard ones.

Those of its own domain, and two that its optimizer writes into the default domain: its
`SimplifiedLayerNormalization`, and ONNX's `LayerNormalization` in models of an operator set that
doesn't have it yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from noema.frontend.contrib import (
    activation,
    attention,
    embedding,
    grouped_attention,
    normalization,
    product,
)
from noema.frontend.contrib.operators import DOMAIN, ContribOperator

_OPERATORS = (
    *activation.OPERATORS,
    *attention.OPERATORS,
    *embedding.OPERATORS,
    *grouped_attention.OPERATORS,
    *normalization.OPERATORS,
    *product.OPERATORS,
)

CONTRIB: Mapping[tuple[str, str], ContribOperator] = MappingProxyType(
    {(DOMAIN, operator.name): operator for operator in _OPERATORS}
    | {
        ("", operator.name): operator
        for operator in (normalization.LAYER_NORM, normalization.SIMPLIFIED_LAYER_NORM)
    }
)
"""Domain and operator type -> the operator. Of the default domain, an entry counts only where the
model's operator set has no such operator."""
