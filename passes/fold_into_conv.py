"""Pass `fold-into-conv`."""

from __future__ import annotations

from dataclasses import dataclass

from noema.passes.patterns.conv_norm import ConvBatchNorm
from noema.passes.patterns.conv_pad import PadIntoConv
from noema.passes.patterns.pattern_pass import PatternPass, Stages


@dataclass(frozen=True)
class FoldIntoConv(PatternPass):
    """A batch norm after a convolution goes into its weights, zeros before it into its padding.

    The formula stands beside the pattern, in `passes/patterns/conv_norm.py`.

    ```mlir
    %0 = "sem.conv"(%x, %w) {…} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> …
    %1 = "sem.norm"(%0, %scale, %shift, %mean, %variance) {kind = "batch", …} : …
    ```
    -->
    ```mlir
    %1 = "sem.conv"(%x, %w1, %b1) {…} : …
    ```
    """

    name = "fold-into-conv"

    def stages(self) -> Stages:
        return Stages(((ConvBatchNorm(), PadIntoConv()),))
