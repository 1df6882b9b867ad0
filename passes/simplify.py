"""Pass `simplify`."""

from __future__ import annotations

from dataclasses import dataclass

from noema.passes.patterns.arithmetic import (
    Clamp,
    ConstantSecond,
    DivideByNumber,
    DivideOne,
    KnownChoice,
    Neutral,
    PowerOfNumber,
    Signs,
    SubtractNumber,
)
from noema.passes.patterns.cast import DropCast, MergeCasts
from noema.passes.patterns.identity import (
    DropConcat,
    DropExpand,
    DropReshape,
    DropSlice,
    DropTranspose,
)
from noema.passes.patterns.layout import MergeReshapes, MergeTransposes, TransposeIntoMatmul
from noema.passes.patterns.pattern import Pattern
from noema.passes.patterns.pattern_pass import PatternPass, Stages
from noema.passes.patterns.reduction import KeepReduced

PATTERNS: tuple[Pattern, ...] = (
    DropCast(),
    MergeCasts(),
    DropReshape(),
    DropTranspose(),
    DropExpand(),
    DropSlice(),
    DropConcat(),
    MergeReshapes(),
    MergeTransposes(),
    TransposeIntoMatmul(),
    KeepReduced(),
    DivideByNumber(),
    DivideOne(),
    PowerOfNumber(),
    SubtractNumber(),
    Neutral(),
    Signs(),
    ConstantSecond(),
    KnownChoice(),
    Clamp(),
)
"""All simplifications, applied together until none matches."""


@dataclass(frozen=True)
class Simplify(PatternPass):
    """Brings what exporters write in many ways into one way, so that patterns see few forms.

    Chains of reshapes and transposes become one, a division by a constant becomes a product, a
    transpose of a matrix becomes a flag of the product that reads it. The values stay the same to
    the last bit, except where a constant's reciprocal isn't exact.

    ```mlir
    %0 = "sem.onnx"(%w) {op_type = "Transpose", attrs = {perm = array<i64: 1, 0>}, …}
           : (tensor<4x8xf32>) -> tensor<8x4xf32>
    %1 = "sem.matmul"(%x, %0) {…} : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    ```
    -->
    ```mlir
    %1 = "sem.matmul"(%x, %w) {transpose_rhs = true, …}
           : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    ```
    """

    name = "simplify"

    def stages(self) -> Stages:
        return Stages((PATTERNS,))
