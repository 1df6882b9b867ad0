"""Ops that give back their operand as it is --> the operand."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.passes.base import PassContext
from noema.passes.patterns.match import (
    constant_ints,
    integer,
    integers,
    made_by,
    permutation,
)
from noema.passes.patterns.pattern import Match, Pattern

_TO_THE_END = 2**31 - 1
"""Slice ends from here on mean the end of the axis, whatever its extent: exporters write INT_MAX
of 32 or 64 bits."""


def _is_reshape_to_itself(x: ir.Value, result: ir.Value) -> bool:
    """Whether a reshape of x to the type of `result` leaves every extent where it was.

    If one extent at most is dynamic, the others say what it is; unless one of them is 0.
    """
    if x.type != result.type:
        return False
    shape = sem.shape_of(x)
    return None not in shape or (shape.count(None) == 1 and 0 not in shape)


def _is_shape_of(value: ir.Value, x: ir.Value) -> bool:
    """Whether a value is `Shape(x)`, all of it."""
    shape = made_by(value, "onnx.Shape")
    return (
        shape is not None
        and shape.operands[0] == x
        and integer(shape, "start", 0) == 0
        and integers(shape, "end") is None
    )


class DropReshape(Pattern):
    """A reshape to the extents that were there --> nothing.

    ```mlir
    %0 = "sem.onnx"(%x, %shape) {op_type = "Reshape", …}
           : (tensor<?x8xf32>, tensor<2xi64>) -> tensor<?x8xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```

    1. At most one extent is dynamic, and the types agree.
    2. The shape is copied: it is `Shape(x)`, or 0 (or -1, once) wherever the extent is dynamic.
    """

    name = "drop-reshape"
    roots = ("onnx.Reshape", "onnx.Flatten", "onnx.Squeeze", "onnx.Unsqueeze")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, result = root.operands[0], root.results[0]
        if x.type != result.type:
            return None
        if _is_reshape_to_itself(x, result) or self._copies(root, x, context):
            return Match([root], lambda: [x])
        return None

    def _copies(self, root: ir.Operation, x: ir.Value, context: PassContext) -> bool:
        if len(root.operands) < 2 or ir.StringAttr(root.attributes["op_type"]).value != "Reshape":
            return False
        if _is_shape_of(root.operands[1], x):
            return True
        target = constant_ints(root.operands[1], context)
        if target is None or integer(root, "allowzero", 0):
            return False
        shape = sem.shape_of(x)
        unsure = [t for t, d in zip(target, shape, strict=True) if d is None and t != 0]
        return unsure in ([], [-1]) and 0 not in shape


class DropTranspose(Pattern):
    """A transpose by the identity permutation --> nothing.

    ```mlir
    %0 = "sem.onnx"(%x) {op_type = "Transpose", attrs = {perm = array<i64: 0, 1>}, …}
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    """

    name = "drop-transpose"
    roots = ("onnx.Transpose",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x = root.operands[0]
        if x.type != root.results[0].type:
            return None
        perm = permutation(root)
        return Match([root], lambda: [x]) if perm == sorted(perm) else None


class DropExpand(Pattern):
    """An Expand to the extents that were there --> nothing.

    ```mlir
    %0 = "sem.onnx"(%x, %shape) {op_type = "Expand", …}
           : (tensor<2x8xf32>, tensor<2xi64>) -> tensor<2x8xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<2x8xf32>) -> tensor<2x8xf32>
    ```

    A dynamic extent may be 1 and be expanded, so that the shape must be `Shape(x)`, or 1 wherever
    the extent is dynamic.
    """

    name = "drop-expand"
    roots = ("onnx.Expand",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, target = root.operands
        if x.type != root.results[0].type:
            return None
        shape = sem.shape_of(x)
        if None in shape and not _is_shape_of(target, x):
            extents = constant_ints(target, context)
            if extents is None:
                return None
            extents = [1] * (len(shape) - len(extents)) + extents
            if any(d is None and t != 1 for t, d in zip(extents, shape, strict=True)):
                return None
        return Match([root], lambda: [x])


class DropSlice(Pattern):
    """A Slice that keeps everything --> nothing.

    ```mlir
    %0 = "sem.onnx"(%x, %starts, %ends, %axes) {op_type = "Slice", …}
           : (tensor<?x8xf32>, …) -> tensor<?x8xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```

    The steps are 1, and every sliced axis either has a static extent that stays, or goes from 0 to
    INT_MAX.
    """

    name = "drop-slice"
    roots = ("onnx.Slice",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x = root.operands[0]
        if x.type != root.results[0].type:
            return None
        slots = sem.slots(root)
        if len(slots) < 3:  # attributes, before opset 10
            return None
        starts, ends, axes, steps = (
            None if i >= len(slots) or (v := slots[i]) is None else constant_ints(v, context)
            for i in range(1, 5)
        )
        if steps is None and len(slots) > 4 and slots[4] is not None:
            return None
        if steps is not None and any(step != 1 for step in steps):
            return None
        shape = sem.shape_of(x)
        if None not in shape:
            return Match([root], lambda: [x])
        if starts is None or ends is None:
            return None
        if axes is None:
            if len(slots) > 3 and slots[3] is not None:
                return None
            axes = list(range(len(starts)))
        for start, end, axis in zip(starts, ends, axes, strict=True):
            if shape[axis] is None and (start != 0 or end < _TO_THE_END):
                return None
        return Match([root], lambda: [x])


class DropConcat(Pattern):
    """A Concat of one tensor --> nothing.

    ```mlir
    %0 = "sem.onnx"(%x) {op_type = "Concat", attrs = {axis = 1 : i64}, …}
           : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    """

    name = "drop-concat"
    roots = ("onnx.Concat", "onnx.Identity")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x = root.operands[0]
        if len(root.operands) != 1 or x.type != root.results[0].type:
            return None
        return Match([root], lambda: [x])
