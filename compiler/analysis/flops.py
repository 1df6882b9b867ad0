"""Operations of a node: how many additions, multiplications and so on its definition takes.

Counted from the mathematical definition, not from what code generation makes of it. A multiply-add
is 2. Additions, multiplications, comparisons and conversions are 1, divisions and square roots 4,
exponentials and other elementary functions 8: the normalised counts of the Livermore loops
(F. H. McMahon, "The Livermore Fortran Kernels", UCRL-53745, 1986). Moving elements is 0. Integer
operations count as well. Extents that aren't known count as 1; `cost.is_static` tells.

| node | operations |
|---|---|
| matrix product (M, K) × (K, N) | 2·M·N·K |
| convolution, C channels in g groups, kernel of K taps | 2·results·K·C/g |
| transposed convolution | 2·inputs·K·F/g |
| attention, M queries, N keys, H heads of D | 4·H·M·N·D + 12·H·M·N; causal ones in full |
| softmax | 12 per element: max, sub, exp, sum, scale |
| layer, group, instance norm; rms; batch | 8; 4; 2 per element |
| pooling | taps of the window, per result |
| LSTM, GRU, RNN | 2·steps·batch·(weights of inputs and states) + gates |
| resize by d-linear, by d-cubic interpolation | 3·(2^d − 1), 2·4^d per result |
| reduction, cumulative sum | 1 per element read |
| anything unknown | 1 per result |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from noema.dialects.graph import Node, Tensor
from noema.dialects.sem import shape_of, slots

_FUNCTION = 8  # exp, log, tanh, erf, sin, pow, …
_DIVISION = 4
_SIGMOID = _FUNCTION + _DIVISION + 2
_SOFTMAX = _FUNCTION + 4

_PER_RESULT: Mapping[str, int] = {
    **dict.fromkeys(
        (
            f"elementwise.{kind}"
            for kind in (
                *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp"),
                *("log", "pow", "sin", "sinh", "tan"),
            )
        ),
        _FUNCTION,
    ),
    **dict.fromkeys(
        (f"elementwise.{kind}" for kind in ("div", "fmod", "mod", "reciprocal", "sqrt")), _DIVISION
    ),
    "elementwise.clip": 2,
    "elementwise.prelu": 2,
    "activation.relu": 1,
    "activation.leaky_relu": 2,
    "activation.thresholded_relu": 2,
    "activation.hard_sigmoid": 4,
    "activation.hard_swish": 5,
    "activation.shrink": 4,
    "activation.softsign": _DIVISION + 2,
    "activation.tanh": _FUNCTION,
    "activation.sigmoid": _SIGMOID,
    "activation.swish": _SIGMOID + 1,
    "activation.gelu_erf": _FUNCTION + 4,
    "activation.gelu_tanh": _FUNCTION + 8,
    "activation.softplus": 2 * _FUNCTION + 1,
    "activation.mish": 3 * _FUNCTION + 2,
    "activation.celu": _FUNCTION + 4,
    "activation.elu": _FUNCTION + 3,
    "activation.selu": _FUNCTION + 4,
    "softmax": _SOFTMAX,
    "norm.layer": 8,
    "norm.group": 8,
    "norm.instance": 8,
    "norm.rms": 4,
    "norm.batch": 2,
    "rope": 3,
    # ONNX operators that no pass has named
    "onnx.BatchNormalization": 2,
    "onnx.BiasGelu": _FUNCTION + 5,
    "onnx.DequantizeLinear": 2,
    "onnx.EmbedLayerNormalization": 10,
    "onnx.FastGelu": _FUNCTION + 9,
    "onnx.Gelu": _FUNCTION + 4,
    "onnx.GroupNormalization": 8,
    "onnx.Hardmax": 2,
    "onnx.InstanceNormalization": 8,
    "onnx.LayerNormalization": 8,
    "onnx.LogSoftmax": _SOFTMAX,
    "onnx.LpNormalization": 2 + _DIVISION,
    "onnx.QuantizeLinear": 4,
    "onnx.QuickGelu": _SIGMOID + 1,
    "onnx.RMSNormalization": 4,
    "onnx.RotaryEmbedding": 3,
    "onnx.SimplifiedLayerNormalization": 4,
    "onnx.SkipLayerNormalization": 9,
    "onnx.SkipSimplifiedLayerNormalization": 5,
    "onnx.Softmax": _SOFTMAX,
}
"""Operations per element of the first result."""

_PER_OPERAND: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "onnx.ArgMax",
            "onnx.ArgMin",
            "onnx.CumProd",
            "onnx.CumSum",
            "onnx.GlobalAveragePool",
            "onnx.GlobalMaxPool",
            "onnx.ReduceMax",
            "onnx.ReduceMean",
            "onnx.ReduceMin",
            "onnx.ReduceProd",
            "onnx.ReduceSum",
        ),
        1,
    ),
    "onnx.GlobalLpPool": _FUNCTION + 1,
    "onnx.ReduceL1": 2,
    "onnx.ReduceL2": 2,
    "onnx.ReduceLogSum": 1,
    "onnx.ReduceLogSumExp": _FUNCTION + 2,
    "onnx.ReduceSumSquare": 2,
}
"""Operations per element of the first operand."""

MOVEMENT = frozenset(
    {
        "constant",
        "param",
        "embedding",
        "kv_cache",
        *(
            f"onnx.{name}"
            for name in (
                *("BitCast", "CenterCropPad", "Col2Im", "Compress", "Concat", "ConstantOfShape"),
                *("DepthToSpace", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements"),
                *("GatherND", "Identity", "MaxUnpool", "NonZero", "OneHot", "Pad", "Range"),
                *("Reshape", "ReverseSequence", "Scatter", "ScatterElements", "ScatterND"),
                *("Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "TensorScatter"),
                *("Tile", "Transpose", "Trilu", "Unique", "Unsqueeze"),
            )
        ),
    }
)
"""Keys of nodes that move or name elements and compute none."""

DENSE = frozenset(
    {
        "attention",
        "conv",
        "matmul",
        *(
            f"onnx.{name}"
            for name in (
                *("Attention", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "Einsum"),
                *("FusedConv", "FusedMatMul", "GRU", "Gemm", "GroupQueryAttention", "LSTM"),
                *("LinearAttention", "MatMul", "MatMulInteger", "MatMulNBits"),
                *("MultiHeadAttention", "QLinearConv", "QLinearMatMul", "RNN"),
            )
        ),
    }
)
"""Keys of nodes that are products of matrices at heart: what narrow types make faster."""


def short_key(node: Node) -> str:
    """The node's key, an operator of a further domain as one of the default domain."""
    key = node.key
    return f"onnx.{key.rpartition('.')[2]}" if key.startswith("onnx.com.microsoft.") else key


def extent(tensor: Tensor, axis: int) -> int:
    """One extent of a tensor; 1 if unknown or if there is no such dimension."""
    return (tensor.shape[axis] or 0) if -len(tensor.shape) <= axis < len(tensor.shape) else 1


def flops_of(node: Node) -> int:
    """Operations of one node, by the table in the module's docstring."""
    key = short_key(node)
    if key in MOVEMENT or not node.results:
        return 0
    per_result = _PER_RESULT.get(key)
    if per_result is not None:
        return per_result * node.result.count
    per_operand = _PER_OPERAND.get(key)
    if per_operand is not None:
        return per_operand * node.operands[0].count
    rule = _RULES.get(key)
    return node.result.count if rule is None else rule(node)


def contraction(node: Node) -> int:
    """K of a matrix product, from its shapes: the extent of the left operand that isn't M."""
    lhs, rows = node.operands[0], extent(node.result, -2)
    return extent(lhs, -1) if extent(lhs, -2) == rows else extent(lhs, -2)


def _matmul(node: Node) -> int:
    return 2 * node.result.count * contraction(node)


def _vector_matmul(node: Node) -> int:  # numpy's matmul, where operands may have rank 1
    return 2 * node.result.count * extent(node.operands[0], -1)


def _gemm(node: Node) -> int:
    return _matmul(node) + (2 * node.result.count if len(node.operands) > 2 else 0)


def _fused_matmul(node: Node) -> int:
    axis = -2 if node.int("transA") else -1
    return 2 * node.result.count * extent(node.operands[0], axis)


def _matmul_bits(node: Node) -> int:
    return 2 * node.result.count * node.int("K", extent(node.operands[0], -1))


def _conv(weight: int, bias: int) -> Callable[[Node], int]:
    def flops(node: Node) -> int:
        results = node.result.count
        taps = prod(d or 1 for d in node.operands[weight].shape[1:])
        return 2 * results * taps + (results if len(node.operands) > bias else 0)

    return flops


def _conv_transpose(node: Node) -> int:
    return 2 * node.operands[0].count * prod(d or 1 for d in node.operands[1].shape[1:])


def _attention(node: Node) -> int:
    if len(node.operands) < 3:
        return node.result.count
    query, key, value = node.operands[:3]
    keys = _keys(node, key)
    rows = query.count
    if len(query.shape) == 4:
        scores = rows // max(1, extent(query, -1)) * keys
    else:
        heads = node.int("q_num_heads") or node.int("num_heads") or node.int("heads", 1)
        scores = extent(query, 0) * heads * extent(query, 1) * keys
    # Rows of values: those of queries, unless a value head has another size (rank 4 shows it).
    mixed = scores * extent(value, -1) if len(query.shape) == len(value.shape) == 4 else rows * keys
    return 2 * rows * keys + 2 * mixed + _SOFTMAX * scores


_CACHED = frozenset({"attention", "onnx.Attention"})
"""Operators with cached keys in operand slot 4."""


def _keys(node: Node, key: Tensor) -> int:
    """Key positions, cached ones included."""
    if len(node.results) >= 3:  # gives the joined keys and values
        return extent(node.results[1], 2)
    given = slots(node.op)
    past = given[4] if short_key(node) in _CACHED and len(given) > 4 else None
    return extent(key, -2) + (0 if past is None else shape_of(past)[2] or 0)


def _pool(node: Node) -> int:
    return node.result.count * prod(node.ints("kernel_shape"))


def _recurrent(gates: int, functions: int) -> Callable[[Node], int]:
    def flops(node: Node) -> int:
        x, inputs, states = node.operands[:3]
        rows = x.count // max(1, extent(x, -1))  # steps × batch
        hidden = extent(states, -1) * extent(states, 0)
        return rows * (2 * (inputs.count + states.count) + hidden * (functions + gates))

    return flops


def _resize(node: Node) -> int:
    mode = node.text("mode", "nearest")
    pairs = zip(node.operands[0].shape, node.result.shape, strict=True)
    resized = sum(before != after for before, after in pairs)
    if mode == "nearest":
        return 0
    per_result = 2 * 4**resized if mode == "cubic" else 3 * (2**resized - 1)
    return per_result * node.result.count


def _grid_sample(node: Node) -> int:
    spatial = len(node.operands[0].shape) - 2
    return 0 if node.text("mode") == "nearest" else 3 * (2**spatial - 1) * node.result.count


def _einsum(node: Node) -> int:
    terms, _, _ = node.text("equation").replace(" ", "").partition("->")
    extents: dict[str, int] = {}
    for labels, operand in zip(terms.split(","), node.operands, strict=False):
        if "." in labels:
            rank = len(operand.shape) - len(labels.replace("...", ""))
            labels = labels.replace("...", "".join(map(chr, range(0x100, 0x100 + rank))))
        for label, size in zip(labels, operand.shape, strict=False):
            extents[label] = max(extents.get(label, 1), size or 1)
    return len(node.operands) * prod(extents.values())


def _top_k(node: Node) -> int:  # a heap of the k largest
    kept = extent(node.result, node.int("axis", -1))
    return node.operands[0].count * max(1, kept.bit_length())


def _lrn(node: Node) -> int:
    return node.result.count * (2 * node.int("size", 1) + _FUNCTION + 2)


def _variadic(node: Node) -> int:
    return node.result.count * max(1, len(node.operands) - 1)


def _fourier(node: Node) -> int:  # 5 N log₂ N of a complex transform (Cooley and Tukey)
    transformed = node.result.count // 2
    length = max(2, max((d or 1 for d in node.result.shape[:-1]), default=2))
    return 5 * transformed * (length - 1).bit_length()


_RULES: Mapping[str, Callable[[Node], int]] = {
    "attention": _attention,
    "conv": _conv(1, 2),
    "matmul": _matmul,
    "onnx.Attention": _attention,
    "onnx.AveragePool": _pool,
    "onnx.Conv": _conv(1, 2),
    "onnx.ConvInteger": _conv(1, 9),
    "onnx.ConvTranspose": _conv_transpose,
    "onnx.DFT": _fourier,
    "onnx.DeformConv": _conv(1, 3),
    "onnx.Einsum": _einsum,
    "onnx.FusedConv": _conv(1, 2),
    "onnx.FusedMatMul": _fused_matmul,
    "onnx.GRU": _recurrent(3, 2 * _SIGMOID + _FUNCTION + 5),
    "onnx.Gemm": _gemm,
    "onnx.GridSample": _grid_sample,
    "onnx.GroupQueryAttention": _attention,
    "onnx.LRN": _lrn,
    "onnx.LSTM": _recurrent(4, 3 * _SIGMOID + 2 * _FUNCTION + 4),
    "onnx.LinearAttention": _attention,
    "onnx.LpPool": _pool,
    "onnx.MatMul": _vector_matmul,
    "onnx.MatMulInteger": _vector_matmul,
    "onnx.MatMulNBits": _matmul_bits,
    "onnx.Max": _variadic,
    "onnx.MaxPool": _pool,
    "onnx.Mean": _variadic,
    "onnx.Min": _variadic,
    "onnx.MultiHeadAttention": _attention,
    "onnx.QLinearConv": _conv(3, 8),
    "onnx.QLinearMatMul": _vector_matmul,
    "onnx.RNN": _recurrent(1, _FUNCTION),
    "onnx.Resize": _resize,
    "onnx.STFT": _fourier,
    "onnx.Sum": _variadic,
    "onnx.TopK": _top_k,
    "onnx.Upsample": _resize,
}
