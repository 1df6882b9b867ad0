"""Pass `recognize`."""

from __future__ import annotations

from dataclasses import dataclass

from noema.passes.patterns.attention_forms import CausalMask, DropMask, GroupedHeads
from noema.passes.patterns.channel_norm import (
    ChannelBias,
    ChannelScale,
    GroupNorm,
    InstanceNorm,
    NormOfCast,
)
from noema.passes.patterns.curves import HardSigmoid, Relu, Sigmoid, Softplus, Softsign
from noema.passes.patterns.gates import Gelu, HardSwish, Mish, Swish
from noema.passes.patterns.pattern import Pattern
from noema.passes.patterns.pattern_pass import PatternPass, Stages
from noema.passes.patterns.places import BiasOverPlaces
from noema.passes.patterns.plugins import load_patterns
from noema.passes.patterns.reduction import MeanOfSum
from noema.passes.patterns.rope import RotateHalf, RotatePairs
from noema.passes.patterns.sdpa import ScaledDotProductAttention
from noema.passes.patterns.shifted_norm import ShiftedLayerNorm
from noema.passes.patterns.spelled_norm import LayerNorm, NormBias, NormScale, RmsNorm
from noema.passes.patterns.spelled_softmax import LogSoftmax, Softmax
from noema.passes.simplify import PATTERNS

STAGES: tuple[tuple[Pattern, ...], ...] = (
    (  # activations, norms
        Relu(),
        Sigmoid(),
        Softplus(),
        Softsign(),
        HardSigmoid(),
        Gelu(),
        Swish(),
        HardSwish(),
        Mish(),
        Softmax(),
        LogSoftmax(),
        MeanOfSum(),
        LayerNorm(),
        ShiftedLayerNorm(),
        RmsNorm(),
        InstanceNorm(),
        GroupNorm(),
        NormScale(),
        NormBias(),
        ChannelScale(),
        ChannelBias(),
        NormOfCast(),
    ),
    (RotateHalf(), RotatePairs()),  # rotary embedding, token embedding
    (  # attention
        BiasOverPlaces(),
        ScaledDotProductAttention(),
        GroupedHeads(),
        DropMask(),
        CausalMask(),
    ),
)
"""All patterns. A stage runs until nothing matches; the next one sees only what it left. Those of
plugins join the stage that they name."""


@dataclass(frozen=True)
class Recognize(PatternPass):
    """Finds several ops that are one thing together, and puts the op there that says so.

    A LayerNorm or GELU spelled out, a rotary embedding, scaled-dot-product attention: however the
    exporter wrote it. Expects single nodes raised, and forms simplified.

    ```mlir
    %s = "sem.activation"(%x) {kind = "sigmoid", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %0 = "sem.elementwise"(%x, %s) {kind = "mul", …}
           : (tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.activation"(%x) {alpha = 1.0 : f32, kind = "swish", …}
           : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    """

    name = "recognize"

    def stages(self) -> Stages:
        own = {pattern.name for stage in (*STAGES, PATTERNS) for pattern in stage}
        joined = load_patterns(own, len(STAGES))
        stages = [
            # Before our own: who installs a pattern wants it.
            [*(p.pattern for p in joined if p.pattern.stage == number), *stage]
            for number, stage in enumerate(STAGES)
        ]
        return Stages(stages, {p.pattern.name: p.plugin for p in joined})
