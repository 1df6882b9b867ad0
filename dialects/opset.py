"""ONNX operators that noema doesn't lower itself: who does, or why nobody.

Together with two other tables this accounts for every operator of the default domain, which a test
checks: what the raise pass turns into named ops (`op_types` of the rewrites in passes/patterns),
and what has a lowering of ours (`ONNX` in compiler/lowering/table.py). An operator that is in one
of those may be in `TORCH` as well, for the forms that the first route declines.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPANDED = frozenset(
    {
        "AffineGrid",
        "BlackmanWindow",
        "CausalConvWithState",
        "CenterCropPad",
        "DynamicQuantizeLinear",
        "HammingWindow",
        "HannWindow",
        "MeanVarianceNormalization",
        "NegativeLogLikelihoodLoss",
        "SoftmaxCrossEntropyLoss",
        "SwiGLU",
    }
)
"""Operators that the frontend replaces by the body of their ONNX function."""

TORCH = frozenset(
    {
        "BatchNormalization",
        "Clip",
        "Conv",
        "Dropout",
        "Gelu",
        "Gemm",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "MatMul",
        "Max",
        "Min",
        "RMSNormalization",
        "RoiAlign",
        "Softmax",
        "Sum",
    }
)
"""Operators (or forms of them) that go to torch-mlir. It crashes on, or gets wrong, others that it
accepts, so only those are listed whose results were checked; see docs/conformance.md."""

_RANDOM = "random numbers, which can't be compared with any reference"
_TEXT = "strings, which tensors of a compiled program can't hold"
_SEQUENCE = "sequences and optional values, which a compiled program can't hold"
_EXTENT = "an output whose extents depend on the values of the inputs"
_CONTROL = "control flow that constants don't decide"
_RARE = "no lowering yet"

GAPS: Mapping[str, str] = {
    "Bernoulli": _RANDOM,
    "ConcatFromSequence": _SEQUENCE,
    "If": _CONTROL,
    "ImageDecoder": "decoding of image files",
    "Loop": _CONTROL,
    "MaxRoiPool": _RARE,
    "Multinomial": _RANDOM,
    "NonMaxSuppression": _EXTENT,
    "Optional": _SEQUENCE,
    "OptionalGetElement": _SEQUENCE,
    "OptionalHasElement": _SEQUENCE,
    "RandomNormal": _RANDOM,
    "RandomNormalLike": _RANDOM,
    "RandomUniform": _RANDOM,
    "RandomUniformLike": _RANDOM,
    "RegexFullMatch": _TEXT,
    "Scan": _CONTROL,
    "SequenceAt": _SEQUENCE,
    "SequenceConstruct": _SEQUENCE,
    "SequenceEmpty": _SEQUENCE,
    "SequenceErase": _SEQUENCE,
    "SequenceInsert": _SEQUENCE,
    "SequenceLength": _SEQUENCE,
    "SequenceMap": _SEQUENCE,
    "SplitToSequence": _SEQUENCE,
    "StringConcat": _TEXT,
    "StringNormalizer": _TEXT,
    "StringSplit": _TEXT,
    "TfIdfVectorizer": _RARE,
}
"""Operators that noema doesn't compile, and why."""
