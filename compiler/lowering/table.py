"""Which function lowers what: the one table of this stage.

`KERNELS` serves ops with generated kernels, `SEM` the named ops of the dialect, `ONNX` those
operators of the default domain that stay `sem.onnx` and that we lower ourselves; everything else
goes to torch-mlir (longtail.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch_mlir import ir

from noema.lowering.activation import lower_activation
from noema.lowering.attention import lower_attention
from noema.lowering.attention_kernel import lower_attention_kernel
from noema.lowering.cast import lower_bit_cast, lower_cast
from noema.lowering.channels_last import lower_conv_last, lower_pool
from noema.lowering.conv import lower_conv
from noema.lowering.conv_kernel import conv, lower_conv_kernel, lower_pool_kernel
from noema.lowering.conv_transpose import lower_col2im, lower_conv_transpose
from noema.lowering.einsum import lower_einsum
from noema.lowering.elementwise import lower_elementwise
from noema.lowering.epilogues import Refined, read_fused
from noema.lowering.gather import (
    lower_gather,
    lower_gather_elements,
    lower_gather_nd,
)
from noema.lowering.gemm_kernel import lower_matmul_kernel, matmul
from noema.lowering.indexing import (
    lower_depth_to_space,
    lower_one_hot,
    lower_pad,
    lower_reverse_sequence,
    lower_slice,
    lower_space_to_depth,
    lower_trilu,
)
from noema.lowering.linear_attention import lower_linear_attention
from noema.lowering.matmul import lower_matmul
from noema.lowering.node import Declined, Lowering, Node
from noema.lowering.normalization import lower_norm, lower_softmax
from noema.lowering.numeric import lower_det, lower_is_inf, lower_mean
from noema.lowering.pooling import (
    lower_average_pool,
    lower_global_average_pool,
    lower_global_lp_pool,
    lower_global_max_pool,
    lower_lp_pool,
    lower_lrn,
    lower_max_pool,
    lower_max_unpool,
)
from noema.lowering.quantization import (
    lower_conv_integer,
    lower_dequantize_linear,
    lower_mat_mul_integer,
    lower_q_linear_conv,
    lower_q_linear_mat_mul,
    lower_quantize_linear,
)
from noema.lowering.ranking import lower_arg_extreme, lower_hardmax, lower_top_k
from noema.lowering.recurrent import lower_gru, lower_lstm, lower_rnn
from noema.lowering.reduction import (
    lower_cumulative,
    lower_lp_normalization,
    lower_reduce,
)
from noema.lowering.resize import lower_resize
from noema.lowering.rope import lower_rope
from noema.lowering.row_kernels import (
    lower_narrowed,
    lower_norm_kernel,
    lower_softmax_kernel,
)
from noema.lowering.sampling import lower_deform_conv, lower_grid_sample
from noema.lowering.scatter import (
    lower_scatter_elements,
    lower_scatter_nd,
    lower_tensor_scatter,
)
from noema.lowering.selection import lower_compress, lower_non_zero, lower_unique
from noema.lowering.shape import (
    lower_concat,
    lower_constant_of_shape,
    lower_expand,
    lower_eye_like,
    lower_flatten,
    lower_identity,
    lower_range,
    lower_reshape,
    lower_shape,
    lower_size,
    lower_split,
    lower_squeeze,
    lower_tile,
    lower_transpose,
    lower_unsqueeze,
)
from noema.lowering.spectrum import lower_dft, lower_mel_weight_matrix, lower_stft


def _lower_conv(node: Node) -> ir.Value:
    return lower_conv_last(node) if node.given("channels_last") else lower_conv(node)


ANCHORS: Mapping[str, Callable[[Refined], ir.Value]] = {"sem.conv": conv, "sem.matmul": matmul}
"""What serves a `sem.fused`, by its first op."""


def _lower_fused(node: Node) -> ir.Value:
    refined = read_fused(node)
    name = str(refined.anchor.op.name)
    if name not in ANCHORS:
        raise Declined(f"no kernel for {name} and what follows it")
    return ANCHORS[name](refined)


SEM: Mapping[str, Lowering] = {
    "sem.activation": lower_activation,
    "sem.attention": lower_attention,
    "sem.conv": _lower_conv,
    "sem.elementwise": lower_elementwise,
    "sem.embedding": lower_gather,
    "sem.matmul": lower_matmul,
    "sem.norm": lower_norm,
    "sem.pool": lower_pool,
    "sem.rope": lower_rope,
    "sem.softmax": lower_softmax,
}

KERNELS: Mapping[str, Lowering] = {
    "sem.attention": lower_attention_kernel,
    "sem.conv": lower_conv_kernel,
    "sem.elementwise": lower_narrowed,
    "sem.fused": _lower_fused,
    "sem.matmul": lower_matmul_kernel,
    "sem.norm": lower_norm_kernel,
    "sem.pool": lower_pool_kernel,
    "sem.softmax": lower_softmax_kernel,
}
"""Ops that a generated kernel may serve: tried first, where the target has kernels."""

ONNX: Mapping[str, Lowering] = {
    "ArgMax": lower_arg_extreme,
    "ArgMin": lower_arg_extreme,
    "Attention": lower_attention,
    "AveragePool": lower_average_pool,
    "BitCast": lower_bit_cast,
    "Cast": lower_cast,
    "CastLike": lower_cast,
    "Col2Im": lower_col2im,
    "Compress": lower_compress,
    "Concat": lower_concat,
    "ConstantOfShape": lower_constant_of_shape,
    "ConvInteger": lower_conv_integer,
    "ConvTranspose": lower_conv_transpose,
    "CumProd": lower_cumulative,
    "CumSum": lower_cumulative,
    "DFT": lower_dft,
    "DeformConv": lower_deform_conv,
    "DepthToSpace": lower_depth_to_space,
    "Det": lower_det,
    "DequantizeLinear": lower_dequantize_linear,
    "Einsum": lower_einsum,
    "Expand": lower_expand,
    "EyeLike": lower_eye_like,
    "Flatten": lower_flatten,
    "GRU": lower_gru,
    "Gather": lower_gather,
    "GatherElements": lower_gather_elements,
    "GatherND": lower_gather_nd,
    "GlobalAveragePool": lower_global_average_pool,
    "GlobalLpPool": lower_global_lp_pool,
    "GlobalMaxPool": lower_global_max_pool,
    "GridSample": lower_grid_sample,
    "Hardmax": lower_hardmax,
    "Identity": lower_identity,
    "IsInf": lower_is_inf,
    "LRN": lower_lrn,
    "LSTM": lower_lstm,
    "LinearAttention": lower_linear_attention,
    "LpNormalization": lower_lp_normalization,
    "LpPool": lower_lp_pool,
    "MatMulInteger": lower_mat_mul_integer,
    "MaxPool": lower_max_pool,
    "MaxUnpool": lower_max_unpool,
    "Mean": lower_mean,
    "MelWeightMatrix": lower_mel_weight_matrix,
    "NonZero": lower_non_zero,
    "OneHot": lower_one_hot,
    "Pad": lower_pad,
    "QLinearConv": lower_q_linear_conv,
    "QLinearMatMul": lower_q_linear_mat_mul,
    "QuantizeLinear": lower_quantize_linear,
    "RNN": lower_rnn,
    "Range": lower_range,
    "ReduceL1": lower_reduce,
    "ReduceL2": lower_reduce,
    "ReduceLogSum": lower_reduce,
    "ReduceLogSumExp": lower_reduce,
    "ReduceMax": lower_reduce,
    "ReduceMean": lower_reduce,
    "ReduceMin": lower_reduce,
    "ReduceProd": lower_reduce,
    "ReduceSum": lower_reduce,
    "ReduceSumSquare": lower_reduce,
    "Reshape": lower_reshape,
    "Resize": lower_resize,
    "ReverseSequence": lower_reverse_sequence,
    "STFT": lower_stft,
    "Scatter": lower_scatter_elements,
    "ScatterElements": lower_scatter_elements,
    "ScatterND": lower_scatter_nd,
    "Shape": lower_shape,
    "Size": lower_size,
    "Slice": lower_slice,
    "SpaceToDepth": lower_space_to_depth,
    "Split": lower_split,
    "Squeeze": lower_squeeze,
    "TensorScatter": lower_tensor_scatter,
    "Tile": lower_tile,
    "TopK": lower_top_k,
    "Transpose": lower_transpose,
    "Trilu": lower_trilu,
    "Unique": lower_unique,
    "Unsqueeze": lower_unsqueeze,
    "Upsample": lower_resize,
}

CARRIED = frozenset(
    {
        "BitCast", "Cast", "CastLike", "Compress", "Concat", "ConstantOfShape", "DepthToSpace",
        "DequantizeLinear", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
        "Identity", "Pad", "QuantizeLinear", "Reshape", "ReverseSequence", "Shape", "Size",
        "Slice", "SpaceToDepth", "Split", "Squeeze", "TensorScatter", "Tile", "Transpose",
        "Unsqueeze",
    }
)  # fmt: skip
"""Operators that serve element types which programs hold as bytes: those that move elements."""

CONVERTS_OR_MOVES = frozenset(
    {
        "BitCast", "Cast", "CastLike", "Compress", "Concat", "DepthToSpace", "DequantizeLinear",
        "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "OneHot", "Pad",
        "QuantizeLinear", "Reshape", "ReverseSequence", "Shape", "Size", "Slice", "SpaceToDepth",
        "Split", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
    }
)  # fmt: skip
"""Operators that don't compute with elements, or know what they are: only these take the element
types that programs hold as bytes (`DType.is_carried`)."""
