"""Enumerated attribute values of the `sem` dialect. The value of a member is its spelling in IR.

Everything that a pass may write into an attribute of closed vocabulary is listed here, so that
a verifier can refuse anything else and a reader finds all of it on one screen.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from noema.workload import ComponentKind

if TYPE_CHECKING:
    from torch_mlir import ir


class ActivationKind(StrEnum):
    """Unary activation functions (`sem.activation`); `alpha`, `beta` as in the ONNX operator."""

    CELU = "celu"  # max(0, x) + min(0, alpha (exp(x / alpha) - 1))
    ELU = "elu"  # x < 0 ? alpha (exp(x) - 1) : x
    GELU_ERF = "gelu_erf"  # x / 2 (1 + erf(x / sqrt 2))
    GELU_TANH = "gelu_tanh"  # x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    HARD_SIGMOID = "hard_sigmoid"  # max(0, min(1, alpha x + beta))
    HARD_SWISH = "hard_swish"  # x max(0, min(1, x / 6 + 1/2))
    LEAKY_RELU = "leaky_relu"  # x < 0 ? alpha x : x
    MISH = "mish"  # x tanh(log(1 + exp x))
    RELU = "relu"  # max(0, x)
    SELU = "selu"  # beta (x > 0 ? x : alpha (exp(x) - 1)); beta is ONNX's gamma
    SHRINK = "shrink"  # x < -alpha ? x + beta : x > alpha ? x - beta : 0; alpha is ONNX's lambd
    SIGMOID = "sigmoid"  # 1 / (1 + exp -x)
    SOFTPLUS = "softplus"  # log(1 + exp x)
    SOFTSIGN = "softsign"  # x / (1 + |x|)
    SWISH = "swish"  # x sigmoid(alpha x)
    TANH = "tanh"
    THRESHOLDED_RELU = "thresholded_relu"  # x > alpha ? x : 0


class ElementwiseKind(StrEnum):
    """Pointwise operators with numpy broadcasting (`sem.elementwise`), named as in ONNX."""

    # one operand
    ABS = "abs"
    ACOS = "acos"
    ACOSH = "acosh"
    ASIN = "asin"
    ASINH = "asinh"
    ATAN = "atan"
    ATANH = "atanh"
    BITWISE_NOT = "bitwise_not"
    CAST = "cast"  # to the element type of the result
    CEIL = "ceil"
    COS = "cos"
    COSH = "cosh"
    ERF = "erf"
    EXP = "exp"
    FLOOR = "floor"
    IS_NAN = "is_nan"
    LOG = "log"
    NEG = "neg"
    NOT = "not"
    RECIPROCAL = "reciprocal"
    ROUND = "round"  # half to even
    SIGN = "sign"
    SIN = "sin"
    SINH = "sinh"
    SQRT = "sqrt"
    TAN = "tan"
    # two operands
    ADD = "add"
    AND = "and"
    BITWISE_AND = "bitwise_and"
    BITWISE_OR = "bitwise_or"
    BITWISE_XOR = "bitwise_xor"
    DIV = "div"  # integers truncate toward zero
    EQUAL = "equal"
    FMOD = "fmod"  # sign of the dividend
    GREATER = "greater"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS = "less"
    LESS_OR_EQUAL = "less_or_equal"
    MAX = "max"
    MIN = "min"
    MOD = "mod"  # sign of the divisor
    MUL = "mul"
    OR = "or"
    POW = "pow"
    PRELU = "prelu"  # x < 0 ? slope x : x
    SHIFT_LEFT = "shift_left"
    SHIFT_RIGHT = "shift_right"
    SUB = "sub"
    XOR = "xor"
    # three operands
    CLIP = "clip"  # (x, low, high), both bounds rank 0
    WHERE = "where"  # (condition, x, y)

    @property
    def arity(self) -> int:
        """Number of operands."""
        return _ARITY[self]

    @property
    def is_predicate(self) -> bool:
        """Whether the result is boolean whatever the operands are."""
        return self in _PREDICATES


_ARITY = {
    kind: 1 if i < list(ElementwiseKind).index(ElementwiseKind.ADD) else 2
    for i, kind in enumerate(ElementwiseKind)
} | {ElementwiseKind.CLIP: 3, ElementwiseKind.WHERE: 3}

_PREDICATES = frozenset(
    {
        ElementwiseKind.IS_NAN,
        ElementwiseKind.NOT,
        ElementwiseKind.AND,
        ElementwiseKind.OR,
        ElementwiseKind.XOR,
        ElementwiseKind.EQUAL,
        ElementwiseKind.GREATER,
        ElementwiseKind.GREATER_OR_EQUAL,
        ElementwiseKind.LESS,
        ElementwiseKind.LESS_OR_EQUAL,
    }
)


class NormKind(StrEnum):
    """What a `sem.norm` normalises over. `x` is (N, C, …) except for layer and rms."""

    BATCH = "batch"  # per channel, with given mean and variance
    GROUP = "group"  # per sample, over the channels of a group and all spatial dimensions
    INSTANCE = "instance"  # per sample and channel, over all spatial dimensions
    LAYER = "layer"  # over dimensions axis…rank-1, mean and variance
    RMS = "rms"  # over dimensions axis…rank-1, mean of squares only


class Phase(StrEnum):
    """When a component runs (`sem.phase`)."""

    PREFILL = "prefill"
    DECODE = "decode"
    VISION_BACKBONE = "vision_backbone"
    VISION_HEAD = "vision_head"
    MULTIMODAL_FUSION = "multimodal_fusion"
    EMBEDDING = "embedding"
    UNKNOWN = "unknown"


class Modality(StrEnum):
    """What a component's data is (`sem.modality`)."""

    TEXT = "text"
    VISION = "vision"
    AUDIO = "audio"
    TABULAR = "tabular"
    FUSED = "fused"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What an op, or a component, does in the layer around it (`sem.role`)."""

    ATTENTION = "attention"  # of a component: self-attention
    ATTENTION_CROSS = "attention.cross"  # of a component
    ATTENTION_QKV = "attention.qkv"  # a projection to several of queries, keys, values at once
    ATTENTION_QUERY = "attention.query"
    ATTENTION_KEY = "attention.key"
    ATTENTION_VALUE = "attention.value"
    ATTENTION_ROPE = "attention.rope"
    ATTENTION_CACHE = "attention.cache"
    ATTENTION_SCORES = "attention.scores"  # from queries and keys to the mix of values
    ATTENTION_MASK = "attention.mask"
    ATTENTION_OUTPUT = "attention.output"
    MLP = "mlp"  # of a component
    MLP_GATED = "mlp.gated"  # of a component: GLU, SwiGLU, GeGLU
    MLP_GATE = "mlp.gate"
    MLP_UP = "mlp.up"
    MLP_ACTIVATION = "mlp.activation"
    MLP_DOWN = "mlp.down"
    NORM = "norm"
    NORM_PRE = "norm.pre"
    NORM_POST = "norm.post"
    NORM_FINAL = "norm.final"
    NORM_QUERY_KEY = "norm.query_key"
    EMBEDDING_TOKEN = "embedding.token"
    EMBEDDING_POSITION = "embedding.position"
    EMBEDDING_TYPE = "embedding.type"
    EMBEDDING_PATCH = "embedding.patch"
    EMBEDDING_CLASS = "embedding.class"
    EMBEDDING_BAG = "embedding.bag"
    RESIDUAL = "residual"
    CONV = "conv"
    CONV_STEM = "conv.stem"
    CONV_POINTWISE = "conv.pointwise"
    CONV_DEPTHWISE = "conv.depthwise"
    CONV_TRANSPOSED = "conv.transposed"
    CONV_EXPAND = "conv.expand"
    CONV_PROJECT = "conv.project"
    CONV_SHORTCUT = "conv.shortcut"
    CONV_ACTIVATION = "conv.activation"
    CONV_NORM = "conv.norm"
    SQUEEZE_EXCITE = "squeeze_excite"
    RECURRENT_CELL = "recurrent.cell"  # of a component; what mixes gates and states, or is all
    RECURRENT_INPUT = "recurrent.input"  # a product of the inputs with a weight
    RECURRENT_HIDDEN = "recurrent.hidden"  # of the state before
    RECURRENT_GATES = "recurrent.gates"  # of both at once; what makes gates of products
    RECURRENT_ADMIT = "recurrent.gate.input"
    RECURRENT_FORGET = "recurrent.gate.forget"
    RECURRENT_OUTPUT = "recurrent.gate.output"
    RECURRENT_UPDATE = "recurrent.gate.update"
    RECURRENT_RESET = "recurrent.gate.reset"
    RECURRENT_CANDIDATE = "recurrent.candidate"
    POOL = "pool"
    RESAMPLE = "resample"
    PROJECTION = "projection"  # one product with a weight, by itself
    INTERACTION = "interaction"  # products of embeddings with each other
    HEAD = "head"
    SHAPE = "shape"  # moves or names elements, computes none
    GENERIC = "generic"


SEMANTIC_ATTRIBUTES: dict[str, type[StrEnum] | None] = {
    "sem.component": None,  # hierarchical name, e.g. encoder.3.attention
    "sem.kind": ComponentKind,
    "sem.role": Role,
    "sem.phase": Phase,
    "sem.modality": Modality,
}
"""Discardable attributes that any op may carry: name → vocabulary, None for free text."""

SYMBOLS = "sem.symbols"
"""Attribute of the function: the symbol of each dimension of each argument, "" where static."""


def semantics_of(op: ir.Operation) -> dict[str, ir.Attribute]:
    """The `SEMANTIC_ATTRIBUTES` of an op; an op that replaces it carries them too."""
    return {name: op.attributes[name] for name in SEMANTIC_ATTRIBUTES if name in op.attributes}
