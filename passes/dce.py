"""Pass `dce`."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.graph import is_used
from noema.passes.base import Pass, PassContext, PassResult


@dataclass(frozen=True)
class DeadCodeElimination(Pass):
    """Removes `sem` ops whose results nothing uses.

    All `sem` ops are pure, so an unused one computes nothing that anyone sees.

    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %0 = "sem.param"() {parameter = "scale"} : () -> tensor<4xf32>
      %1 = "sem.elementwise"(%x, %0) {kind = "mul", …} : (tensor<4xf32>, tensor<4xf32>) -> …
      return %x : tensor<4xf32>
    }
    ```
    -->
    ```mlir
    func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      return %x : tensor<4xf32>
    }
    ```
    """

    name = "dce"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        removed = 0
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    # Last first: a removed op frees those that made its operands.
                    for view in reversed(list(block.operations)):
                        op = view.operation
                        if op.name.startswith("sem.") and not any(map(is_used, op.results)):
                            op.erase()
                            removed += 1
        return PassResult(removed > 0, {"removed": removed})
