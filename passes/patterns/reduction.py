"""Reductions written in two steps --> in one."""

from __future__ import annotations

import math

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import key_of, users
from noema.passes.base import PassContext
from noema.passes.patterns.match import axes, integer, made_by, number, pairs, version
from noema.passes.patterns.onnx_rewrite import i64
from noema.passes.patterns.pattern import Match, Pattern

_REDUCTIONS = tuple(
    f"onnx.Reduce{kind}"
    for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum")
)
_VERSION = 13
"""Opset version of the means that are built: axes are an attribute."""


class KeepReduced(Pattern):
    """A reduction that drops its axes, which are put back --> one that keeps them.

    ```mlir
    %0 = "sem.onnx"(%x) {op_type = "ReduceMean", attrs = {axes = array<i64: 2>, keepdims = 0 : i64}}
           : (tensor<2x?x8xf32>) -> tensor<2x?xf32>
    %1 = "sem.onnx"(%0, %two) {op_type = "Unsqueeze", …}
           : (tensor<2x?xf32>, tensor<1xi64>) -> tensor<2x?x1xf32>
    ```
    -->
    ```mlir
    %1 = "sem.onnx"(%x) {op_type = "ReduceMean", attrs = {axes = array<i64: 2>, keepdims = 1 : i64}}
           : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
    ```

    Not where something else reads what was reduced: it would be computed twice.
    """

    name = "keep-reduced"
    roots = ("onnx.Unsqueeze",)
    reads = _REDUCTIONS

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        reduction = made_by(root.operands[0], *_REDUCTIONS)
        if reduction is None or integer(reduction, "keepdims", 1):
            return None
        dropped = axes(reduction, context)
        if not dropped or dropped != axes(root, context):
            return None
        if any(user != root for user in users(root.operands[0])):
            return None
        attrs = {named.name: named.attr for named in ir.DictAttr(reduction.attributes["attrs"])}
        attrs["keepdims"] = i64(1)
        op_type = key_of(reduction).removeprefix("onnx.")

        def build() -> list[ir.Value | None]:
            made = sem.build_onnx(
                op_type,
                list(reduction.operands),
                [root.results[0].type],
                attrs=attrs,
                version=version(reduction),
            )
            return [made.results[0]]

        return Match([reduction, root], build)


class MeanOfSum(Pattern):
    """A sum of n elements, times 1 / n --> their mean.

    ```mlir
    %0 = "sem.onnx"(%x, %last) {op_type = "ReduceSum", …} : (tensor<2x?x8xf32>, …)
           -> tensor<2x?x1xf32>
    %1 = "sem.elementwise"(%0, %eighth) {kind = "mul", …}
    ```
    -->
    ```mlir
    %1 = "sem.onnx"(%x) {op_type = "ReduceMean", attrs = {axes = array<i64: 2>, …}, …}
           : (tensor<2x?x8xf32>) -> tensor<2x?x1xf32>
    ```
    """

    name = "mean-of-sum"
    roots = ("elementwise.mul",)
    reads = ("onnx.ReduceSum",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for value, factor in pairs(root):
            total = made_by(value, "onnx.ReduceSum")
            by = None if total is None else number(factor)
            if total is None or by is None or value.type != root.results[0].type:
                continue
            x, over = total.operands[0], axes(total, context)
            if not over:
                continue
            shape = sem.shape_of(x)
            count = math.prod(shape[axis] or 0 for axis in over)  # 0: not known, or of nothing
            if not count or not math.isclose(by * count, 1, rel_tol=1e-6):
                continue
            attrs = {
                "axes": ir.DenseI64ArrayAttr.get(over),
                "keepdims": i64(integer(total, "keepdims", 1)),
            }
            type_ = root.results[0].type

            def build(
                x: ir.Value = x,
                attrs: dict[str, ir.Attribute] = attrs,
                type_: ir.Type = type_,
            ) -> list[ir.Value | None]:
                made = sem.build_onnx("ReduceMean", [x], [type_], attrs=attrs, version=_VERSION)
                return [made.results[0]]

            return Match([total, root], build)
        return None
