"""Pass `raise`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.graph import is_used
from noema.errors import InternalError
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.activation import RaiseActivation, RaiseGelu
from noema.passes.patterns.attention import RaiseAttention, RaiseRotaryEmbedding
from noema.passes.patterns.conv import RaiseConv
from noema.passes.patterns.elementwise import (
    DropIdentity,
    RaiseBitShift,
    RaiseCast,
    RaiseClip,
    RaiseMod,
    RaisePointwise,
    RaisePRelu,
    RaiseVariadic,
)
from noema.passes.patterns.embedding import RaiseEmbedding
from noema.passes.patterns.matmul import RaiseEinsum, RaiseGemm, RaiseMatMul
from noema.passes.patterns.norm import (
    RaiseBatchNorm,
    RaiseGroupNorm,
    RaiseInstanceNorm,
    RaiseLayerNorm,
    RaiseSoftmax,
)
from noema.passes.patterns.onnx_rewrite import OnnxNode, OnnxRewrite

REWRITES: tuple[OnnxRewrite, ...] = (
    RaiseMatMul(),
    RaiseGemm(),
    RaiseEinsum(),
    RaiseConv(),
    RaiseAttention(),
    RaiseRotaryEmbedding(),
    RaiseEmbedding(),
    RaiseSoftmax(),
    RaiseLayerNorm(),
    RaiseBatchNorm(),
    RaiseInstanceNorm(),
    RaiseGroupNorm(),
    RaiseActivation(),
    RaiseGelu(),
    RaisePointwise(),
    RaiseVariadic(),
    RaiseMod(),
    RaiseBitShift(),
    RaisePRelu(),
    RaiseCast(),
    RaiseClip(),
    DropIdentity(),
)
"""All rewrites; no operator belongs to two of them."""


@dataclass(frozen=True)
class Raise(Pass):
    """Turns single ONNX nodes into the named ops that say the same.

    What a named op can't express (an exotic element type, an extra output that is used, a form
    from an older opset) stays `sem.onnx`. Several nodes that are one thing together, such as a
    LayerNorm spelled out, are not looked for here.

    ```mlir
    %0 = "sem.onnx"(%x, %w, %b) {op_type = "Gemm", attrs = {transB = 1 : i64}, …}
           : (tensor<?x8xf32>, tensor<4x8xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
    -->
    ```mlir
    %0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = true}
           : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
    %1 = "sem.elementwise"(%0, %b) {kind = "add", …}
           : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
    """

    name = "raise"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        rewrites = _by_operator()
        raised = 0
        left = 0
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    for view in list(block.operations):
                        op = view.operation
                        if op.name != "sem.onnx":
                            continue
                        if _raise(op, rewrites):
                            raised += 1
                        else:
                            left += 1
        return PassResult(raised > 0, {"raised": raised, "left": left})


def _by_operator() -> Mapping[str, OnnxRewrite]:
    table: dict[str, OnnxRewrite] = {}
    for rewrite in REWRITES:
        for op_type in rewrite.op_types:
            if op_type in table:
                raise InternalError(f"two rewrites raise {op_type}")
            table[op_type] = rewrite
    return table


def _raise(op: ir.Operation, rewrites: Mapping[str, OnnxRewrite]) -> bool:
    rewrite = rewrites.get(ir.StringAttr(op.attributes["op_type"]).value)
    node = None if rewrite is None else OnnxNode.of(op)
    if node is None or rewrite is None or not node.outputs or node.outputs[0] is None:
        return False
    others = [v for v in node.outputs[1:] if v is not None]
    if not rewrite.all_outputs and any(map(is_used, others)):
        return False
    with op.location, ir.InsertionPoint(op):
        made = rewrite.rewrite(node)
    if made is None:
        return False
    values = [made] if isinstance(made, ir.Value) else made
    for output, value in zip(node.outputs, values, strict=False):
        if output is not None and value is not None:
            output.replace_all_uses_with(value)
    op.erase()
    return True
