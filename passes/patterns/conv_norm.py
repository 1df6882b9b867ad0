"""Convolution and batch norm of known statistics are one convolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import tensor_type
from noema.dialects.graph import users
from noema.dtypes import from_mlir
from noema.passes.base import PassContext
from noema.passes.patterns.match import constant, made_by
from noema.passes.patterns.onnx_rewrite import element_of
from noema.passes.patterns.pattern import Match, Pattern


class ConvBatchNorm(Pattern):
    """A batch norm after a convolution goes into the weight and the bias of it.

    With r = scale / √(variance + ε): weight' = r · weight, bias' = r · (bias − mean) + shift, both
    computed in float64.

    ```mlir
    %0 = "sem.conv"(%x, %w) {…} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> …
    %1 = "sem.norm"(%0, %scale, %shift, %mean, %variance) {kind = "batch", …} : …
    ```
    -->
    ```mlir
    %w1 = "sem.param"() {parameter = "w.normalized"} : () -> tensor<4x3x3x3xf32>
    %b1 = "sem.param"() {parameter = "w.shift"} : () -> tensor<4xf32>
    %1 = "sem.conv"(%x, %w1, %b1) {…} : …
    ```
    """

    name = "conv-batch-norm"
    roots = ("norm.batch",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        conv = made_by(root.operands[0], "conv")
        if conv is None or len(users(conv.results[0])) != 1:
            return None
        if element_of(root.results[0]) != "f32":
            return None
        given = sem.slots(conv)
        weight = constant(conv.operands[1], context)
        bias = constant(given[2], context) if len(given) > 2 and given[2] is not None else None
        x, *rest = sem.slots(root)
        statistics = [None if v is None else constant(v, context) for v in rest]
        if weight is None or x is None or len(statistics) != 4:
            return None
        scale, shift, mean, variance = statistics
        if mean is None or variance is None or (len(given) > 2 and bias is None):
            return None
        if any(v is not None and a is None for v, a in zip(rest, statistics, strict=True)):
            return None
        epsilon = ir.FloatAttr(root.attributes["epsilon"]).value
        ratio = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
        if scale is not None:
            ratio = ratio * scale.astype(np.float64)
        wide = weight.astype(np.float64) * ratio.reshape(-1, *[1] * (weight.ndim - 1))
        start = 0.0 if bias is None else bias.astype(np.float64)
        offset = ratio * (start - mean.astype(np.float64))
        if shift is not None:
            offset = offset + shift.astype(np.float64)
        stem = _stem(conv.operands[1])

        def build() -> list[ir.Value | None]:
            operands = [
                conv.operands[0],
                _parameter(context, f"{stem}.normalized", wide.astype(np.float32)),
                _parameter(context, f"{stem}.shift", offset.astype(np.float32)),
            ]
            attributes = {n: conv.attributes[n] for n in conv.attributes}
            attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([1, 1, 1])
            made = ir.Operation.create(
                "sem.conv",
                results=[root.results[0].type],
                operands=operands,
                attributes=attributes,
            )
            return [made.results[0]]

        return Match([conv, root], build)


def _stem(weight: ir.Value) -> str:
    owner = weight.owner
    if isinstance(owner, ir.Block) or owner.operation.name != "sem.param":
        return "conv"
    return str(ir.StringAttr(owner.operation.attributes["parameter"]).value)


def _parameter(context: PassContext, stem: str, array: NDArray[np.float32]) -> ir.Value:
    name = context.parameters.unique_name(stem)
    context.parameters.add(name, array)
    return sem.build_param(tensor_type(from_mlir("f32"), array.shape), name)
