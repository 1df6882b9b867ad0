"""Normalisations of `com.microsoft`, most of them with the residual sum before them."""

from __future__ import annotations

from collections.abc import Sequence

from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.operators import FLOAT, INT, declare

SKIP_EPSILON = 1e-12
"""Default epsilon of the norms with a residual; the others have ONNX's."""
EPSILON = 1e-5


def _layer_norm(e: Expansion) -> Sequence[str]:
    """LayerNormalization of ONNX, which came with operator set 17."""
    _same_type(e, 1)
    outputs = [e.wants(slot) or slot == 0 for slot in range(3)]
    inputs = [e.input(slot) for slot in range(3)]
    given = e.given("axis", "epsilon", "stash_type")
    return e.ops("LayerNormalization", inputs, outputs, **given)


def _simplified_layer_norm(e: Expansion) -> Sequence[str | None]:
    """RMSNormalization. Results: Y, 1 / root mean square."""
    _same_type(e, 1)
    axis, epsilon = e.int("axis", -1), e.float("epsilon", EPSILON)
    normalized = e.op(
        "RMSNormalization", e.input(0), e.input(1), **e.given("axis", "epsilon", "stash_type")
    )
    inverse = _inverse_rms(e, e.input(0), axis, len(e.shape(0)), epsilon) if e.wants(1) else None
    return [normalized, inverse]


def _skip_layer_norm(e: Expansion) -> Sequence[str | None]:
    """LayerNormalization(input + skip + bias). Results: Y, mean, 1 / deviation, the sum."""
    total = _residual_sum(e, bias=4)
    results = e.ops(
        "LayerNormalization",
        [total, e.input(2), e.input(3)],
        [True, e.wants(1), e.wants(2)],
        axis=-1,
        epsilon=e.float("epsilon", SKIP_EPSILON),
    )
    return [*(name or None for name in results), total]


def _skip_simplified_layer_norm(e: Expansion) -> Sequence[str | None]:
    """RMSNormalization(input + skip + bias). Results: Y, none, 1 / root mean square, the sum."""
    total = _residual_sum(e, bias=3)
    epsilon = e.float("epsilon", SKIP_EPSILON)
    normalized = e.op("RMSNormalization", total, e.input(2), axis=-1, epsilon=epsilon)
    inverse = _inverse_rms(e, total, -1, len(e.shape(0)), epsilon) if e.wants(2) else None
    return [normalized, None, inverse, total]


def _residual_sum(e: Expansion, *, bias: int) -> str:
    total = e.op("Add", e.input(0), e.input(1))
    return e.op("Add", total, e.input(bias)) if e.has(bias) else total


def _inverse_rms(e: Expansion, x: str, axis: int, rank: int, epsilon: float) -> str:
    """1 / sqrt(mean(x²) + epsilon) over the axes from `axis` on."""
    axes = e.constant(list(range(axis % rank, rank)))
    mean = e.op("ReduceMean", e.op("Mul", x, x), axes, keepdims=1)
    root = e.op("Sqrt", e.op("Add", mean, e.constant(epsilon, e.dtype(0))))
    return e.op("Reciprocal", root)


def _group_norm(e: Expansion) -> Sequence[str]:
    """Y = activation(GroupNormalization(X)), channels last unless said otherwise."""
    return [_group_normalized(e, e.input(0))]


def _skip_group_norm(e: Expansion) -> Sequence[str]:
    """Y = activation(GroupNormalization(S)) for S = X + skip + bias. Results: Y, S."""
    if not _channels_last(e):
        # The skip is then per channel in the last axis while the channels are in the second.
        raise Unexpandable("channels_last = 0")
    skip = e.input(3)
    if len(e.shape(3)) == 2:
        skip = e.op("Unsqueeze", skip, e.constant([1, 2]))
    total = e.op("Add", e.input(0), skip)
    if e.has(4):
        total = e.op("Add", total, e.input(4))
    return [_group_normalized(e, total), total]


def _group_normalized(e: Expansion, x: str) -> str:
    _same_type(e, 1)
    last = _channels_last(e)
    if last:
        x = e.op("Transpose", x, perm=[0, 3, 1, 2])
    x = e.op(
        "GroupNormalization",
        x,
        e.input(1),
        e.input(2),
        num_groups=e.int("groups"),
        epsilon=e.float("epsilon", EPSILON),
    )
    activation = e.int("activation")
    if activation not in (0, 1):
        raise Unexpandable(f"activation = {activation}")
    if activation:
        x = e.op("Swish", x)
    return e.op("Transpose", x, perm=[0, 2, 3, 1]) if last else x


def _same_type(e: Expansion, slot: int) -> None:
    if e.dtype(slot) != e.dtype(0):
        raise Unexpandable(f"scale of {e.dtype(slot)} for an operand of {e.dtype(0)}")


def _channels_last(e: Expansion) -> bool:
    return bool(e.int("channels_last", 1))


_NORM = {"axis": INT, "epsilon": FLOAT, "stash_type": INT}
_GROUP = {"groups": INT, "activation": INT, "channels_last": INT, "epsilon": FLOAT}
_RESIDUAL_OUTPUTS = "output:T mean:U? inv_std_var:U? input_skip_bias_sum:T?"

LAYER_NORM = declare(
    "LayerNormalization", _layer_norm, "X:T Scale:V B:V?", "Y:V Mean:U? InvStdDev:U?", _NORM
)
SIMPLIFIED_LAYER_NORM = declare(
    "SimplifiedLayerNormalization",
    _simplified_layer_norm,
    "X:T scale:V",
    "Y:V inv_std_var:U?",
    _NORM,
)
OPERATORS = (
    SIMPLIFIED_LAYER_NORM,
    declare(
        "SkipLayerNormalization",
        _skip_layer_norm,
        "input:T skip:T gamma:T beta:T? bias:T?",
        _RESIDUAL_OUTPUTS,
        {"epsilon": FLOAT},
    ),
    declare(
        "SkipSimplifiedLayerNormalization",
        _skip_simplified_layer_norm,
        "input:T skip:T gamma:T bias:T?",
        _RESIDUAL_OUTPUTS,
        {"epsilon": FLOAT},
    ),
    declare(
        "GroupNorm",
        _group_norm,
        "X:T gamma:V beta:V",
        attributes=_GROUP,
        required=("groups", "activation"),
    ),
    declare(
        "SkipGroupNorm",
        _skip_group_norm,
        "X:T gamma:V beta:V skip:T bias:T?",
        "Y:T S:T?",
        _GROUP,
        ("groups", "activation"),
    ),
)
