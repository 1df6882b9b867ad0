"""Softmax spelled out --> `sem.softmax`."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.passes.base import PassContext
from noema.passes.patterns.match import axes, integer, made_by
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of, i64
from noema.passes.patterns.pattern import Match, Pattern


class Softmax(Pattern):
    """exp(x - max) / sum of exp(x - max), along one axis --> softmax.

    ```mlir
    %m = "sem.onnx"(%x, %last) {op_type = "ReduceMax", …} : … -> tensor<?x1xf32>
    %d = "sem.elementwise"(%x, %m) {kind = "sub", …}
    %e = "sem.elementwise"(%d) {kind = "exp", …}
    %s = "sem.onnx"(%e, %last) {op_type = "ReduceSum", …} : … -> tensor<?x1xf32>
    %0 = "sem.elementwise"(%e, %s) {kind = "div", …}
    ```
    -->
    ```mlir
    %0 = "sem.softmax"(%x) {axis = 1, log = false}
    ```

    Without the maximum too: softmax doesn't overflow where exp(x) does, and is the same elsewhere.
    """

    name = "softmax"
    roots = ("elementwise.div",)
    reads = ("elementwise.exp",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        above, below = root.operands
        exp, total = made_by(above, "elementwise.exp"), made_by(below, "onnx.ReduceSum")
        if exp is None or total is None or total.operands[0] != above:
            return None
        axis = _kept_axis(total, context)
        x = exp.operands[0]
        if axis is None or x.type != root.results[0].type or element_of(x) not in FLOATS:
            return None
        covers = [exp, total, root]
        shifted = made_by(x, "elementwise.sub")
        if shifted is not None:
            most = made_by(shifted.operands[1], "onnx.ReduceMax")
            is_own = most is not None and most.operands[0] == shifted.operands[0]
            if most is not None and is_own and _kept_axis(most, context) == axis:
                x = shifted.operands[0]
                covers = [most, shifted, *covers]
        return Match(covers, lambda: [_softmax(x, axis, log=False)])


class LogSoftmax(Pattern):
    """The logarithm of a softmax --> the softmax that gives it, without rounding to 0 first.

    ```mlir
    %0 = "sem.softmax"(%x) {axis = 1, log = false}
    %1 = "sem.elementwise"(%0) {kind = "log", …}
    ```
    -->
    ```mlir
    %1 = "sem.softmax"(%x) {axis = 1, log = true}
    ```
    """

    name = "log-softmax"
    roots = ("elementwise.log",)
    reads = ("softmax",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        soft = made_by(root.operands[0], "softmax")
        if soft is None or ir.IntegerAttr(soft.attributes["log"]).value:
            return None
        axis = ir.IntegerAttr(soft.attributes["axis"]).value
        return Match([soft, root], lambda: [_softmax(soft.operands[0], axis, log=True)])


def _kept_axis(op: ir.Operation, context: PassContext) -> int | None:
    """The axis of a reduction over one, which stays with extent 1."""
    over = axes(op, context)
    return over[0] if over and len(over) == 1 and integer(op, "keepdims", 1) else None


def _softmax(x: ir.Value, axis: int, *, log: bool) -> ir.Value:
    return sem.build(sem.SoftmaxOp, [x], x.type, axis=i64(axis), log=ir.BoolAttr.get(log))
