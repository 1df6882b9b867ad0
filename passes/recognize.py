"""Pass `recognize`."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.apply import apply
from noema.passes.patterns.pattern import Pattern

STAGES: tuple[tuple[Pattern, ...], ...] = (
    (),  # activations, norms
    (),  # rotary embedding, token embedding
    (),  # attention
)
"""All patterns. A stage runs until nothing matches; the next one sees only what it left."""


@dataclass(frozen=True)
class Recognize(Pass):
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

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        tallies = {}
        for stage in STAGES:
            tallies |= apply(module, stage, context)
        found = {name: tally.found for name, tally in tallies.items() if tally.found}
        return PassResult(bool(found), found, tallies)
