"""Sigmoid, swish and their piecewise linear relatives, spelled out."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects.attrs import ActivationKind
from noema.passes.base import PassContext
from noema.passes.patterns.build import as_activation
from noema.passes.patterns.match import made_by, number, pairs
from noema.passes.patterns.pattern import Match, Pattern


class Swish(Pattern):
    """x · sigmoid(alpha x) --> swish. Also called SiLU, and with alpha = 1.702 the quick GELU.

    ```mlir
    %s = "sem.activation"(%x) {kind = "sigmoid", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %0 = "sem.elementwise"(%x, %s) {kind = "mul", …}
    ```
    -->
    ```mlir
    %0 = "sem.activation"(%x) {alpha = 1.0 : f32, kind = "swish", …}
    ```
    """

    name = "swish"
    roots = ("elementwise.mul",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for x, gate in pairs(root):
            sigmoid = made_by(gate, "activation.sigmoid")
            if sigmoid is None or x.type != root.results[0].type:
                continue
            inner = sigmoid.operands[0]
            if inner == x:
                return as_activation([sigmoid, root], ActivationKind.SWISH, x, alpha=1.0)
            scaled = made_by(inner, "elementwise.mul")
            if scaled is None:
                continue
            for scaled_x, factor in pairs(scaled):
                alpha = number(factor)
                if scaled_x == x and alpha is not None:
                    covers = [scaled, sigmoid, root]
                    return as_activation(covers, ActivationKind.SWISH, x, alpha=alpha)
        return None
