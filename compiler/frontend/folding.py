"""Which nodes become constants at import.

A node folds if all its inputs are constants, its result is fixed by them, and storing the result
doesn't cost much more than storing the inputs: a `ConstantOfShape` of a gigabyte stays a node.
"""

from __future__ import annotations

from onnx.defs import OpSchema

from noema.frontend.schemas import is_random

INLINE_BYTES = 1024
"""Constants up to this many bytes are kept inline; larger ones go to the parameter store."""

ALWAYS_BYTES = 1 << 20
"""Results up to this many bytes may fold whatever their inputs' size."""

MAX_INFLATION = 4.0
"""Larger results may be this many times their inputs: dequantised int8 weights still fold."""

_DATA_DEPENDENT_SHAPE = frozenset({"NonZero", "Unique", "Compress", "NonMaxSuppression", "Slice"})
"""Results of unknown extents that their inputs' size bounds nevertheless."""

_SLOW = frozenset(
    {
        "AffineGrid",
        "Attention",
        "AveragePool",
        "CausalConvWithState",
        "Col2Im",
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "DFT",
        "DeformConv",
        "Einsum",
        "FlexAttention",
        "GRU",
        "GlobalLpPool",
        "GridSample",
        "LRN",
        "LSTM",
        "LinearAttention",
        "LpPool",
        "MaxPool",
        "MaxRoiPool",
        "MaxUnpool",
        "NonMaxSuppression",
        "QLinearConv",
        "RNN",
        "Resize",
        "RoiAlign",
        "STFT",
    }
)
"""Ops that the reference evaluator runs as Python loops; folded only where tiny."""

_SLOW_BYTES = 1 << 14


def may_fold(schema: OpSchema, input_bytes: int, output_bytes: int | None) -> bool:
    """Whether a node with constant inputs should be replaced by its value.

    Args:
        schema: The op's schema.
        input_bytes: Size of all its inputs.
        output_bytes: Size of all its outputs; None if an extent is unknown.
    """
    if is_random(schema) or any(
        a.type in (OpSchema.AttrType.GRAPH, OpSchema.AttrType.GRAPHS)
        for a in schema.attributes.values()
    ):
        return False
    if schema.domain == "" and schema.name in _SLOW:
        return output_bytes is not None and max(input_bytes, output_bytes) <= _SLOW_BYTES
    if output_bytes is None:
        return schema.name in _DATA_DEPENDENT_SHAPE and input_bytes <= ALWAYS_BYTES
    return output_bytes <= max(ALWAYS_BYTES, MAX_INFLATION * input_bytes)
