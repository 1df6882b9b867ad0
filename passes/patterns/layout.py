"""Reshapes and transposes: chains --> one, and transposes of matrices --> flags of the product."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import key_of, users
from noema.passes.base import PassContext
from noema.passes.patterns.build import matmul, reshaped, transposed, unsqueezed
from noema.passes.patterns.match import (
    axes,
    constant_ints,
    integer,
    made_by,
    permutation,
    version,
)
from noema.passes.patterns.pattern import Match, Pattern

_RESHAPES = ("onnx.Reshape", "onnx.Flatten", "onnx.Squeeze", "onnx.Unsqueeze")
_AXES_ARE_INPUTS = 13
"""Opset version from which Squeeze and Unsqueeze take their axes as an input."""


class MergeReshapes(Pattern):
    """Two reshapes, one after the other --> one.

    ```mlir
    %0 = "sem.onnx"(%x, %four) {op_type = "Reshape", …}
           : (tensor<2x8x6xf32>, tensor<4xi64>) -> tensor<2x8x2x3xf32>
    %1 = "sem.onnx"(%0, %two) {op_type = "Reshape", …}
           : (tensor<2x8x2x3xf32>, tensor<2xi64>) -> tensor<16x6xf32>
    ```
    -->
    ```mlir
    %1 = "sem.onnx"(%x, %two) {op_type = "Reshape", …}
           : (tensor<2x8x6xf32>, tensor<2xi64>) -> tensor<16x6xf32>
    ```

    Reshape, Flatten, Squeeze and Unsqueeze alike, in these cases:

    1. The result has the type of x, and what the second one does undoes the first: x itself.
    2. Two Unsqueeze: one, of all axes.
    3. At most one extent of the result is dynamic (and none is 0), so that it is what is left.
    4. The second is a Reshape that copies only extents that the first one copied.
    """

    name = "merge-reshapes"
    roots = _RESHAPES
    reads = _RESHAPES

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        first = made_by(root.operands[0], *_RESHAPES)
        if first is None:
            return None
        x, result = first.operands[0], root.results[0]
        kinds = (key_of(first), key_of(root))
        if x.type == result.type and self._undoes(first, root, kinds, context):  # case 1
            return Match([first, root], lambda: [x])
        if kinds == ("onnx.Unsqueeze", "onnx.Unsqueeze"):  # case 2
            inner, outer = axes(first, context), axes(root, context)
            if inner is None or outer is None or version(root) < _AXES_ARE_INPUTS:
                return None
            old = [i for i in range(len(sem.shape_of(result))) if i not in outer]
            both = sorted([*outer, *(old[i] for i in inner)])
            return Match(
                [first, root], lambda: [unsqueezed(x, both, result.type, version=version(root))]
            )
        shape = sem.shape_of(result)
        if shape.count(None) <= 1 and 0 not in shape:  # case 3
            return Match([first, root], lambda: [reshaped(x, result.type, version=version(root))])
        if kinds == ("onnx.Reshape", "onnx.Reshape") and self._copies_alike(first, root, context):
            return Match([first, root], lambda: [_again(root, x)])  # case 4
        return None

    def _undoes(
        self,
        first: ir.Operation,
        second: ir.Operation,
        kinds: tuple[str, str],
        context: PassContext,
    ) -> bool:
        if kinds not in (
            ("onnx.Unsqueeze", "onnx.Squeeze"),
            ("onnx.Squeeze", "onnx.Unsqueeze"),
        ):
            return False
        added = axes(first, context)
        return added is not None and added == axes(second, context)

    def _copies_alike(
        self, first: ir.Operation, second: ir.Operation, context: PassContext
    ) -> bool:
        if integer(second, "allowzero", 0):  # it copies nothing
            return True
        before = constant_ints(first.operands[1], context)
        after = constant_ints(second.operands[1], context)
        if before is None or after is None or integer(first, "allowzero", 0):
            return False
        return all(
            i < len(before) and before[i] == 0 for i, extent in enumerate(after) if extent == 0
        )


def _again(reshape: ir.Operation, x: ir.Value) -> ir.Value:
    """The same reshape of another value."""
    return sem.build_onnx(
        "Reshape",
        [x, reshape.operands[1]],
        [reshape.results[0].type],
        attrs={named.name: named.attr for named in ir.DictAttr(reshape.attributes["attrs"])},
        version=version(reshape),
    ).results[0]


class MergeTransposes(Pattern):
    """Two transposes, one after the other --> one, or none if they cancel.

    ```mlir
    %0 = "sem.onnx"(%x) {op_type = "Transpose", attrs = {perm = array<i64: 0, 2, 1>}, …}
    %1 = "sem.onnx"(%0) {op_type = "Transpose", attrs = {perm = array<i64: 1, 0, 2>}, …}
    ```
    -->
    ```mlir
    %1 = "sem.onnx"(%x) {op_type = "Transpose", attrs = {perm = array<i64: 2, 0, 1>}, …}
    ```
    """

    name = "merge-transposes"
    roots = ("onnx.Transpose",)
    reads = ("onnx.Transpose",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        first = made_by(root.operands[0], "onnx.Transpose")
        if first is None:
            return None
        x = first.operands[0]
        inner = permutation(first)
        perm = [inner[i] for i in permutation(root)]
        if perm == sorted(perm) and x.type == root.results[0].type:
            return Match([first, root], lambda: [x])
        return Match([first, root], lambda: [transposed(x, perm, version=version(root))])


class TransposeIntoMatmul(Pattern):
    """A matrix product of a transposed matrix --> a product that reads it as it lies.

    ```mlir
    %0 = "sem.onnx"(%k) {op_type = "Transpose", attrs = {perm = array<i64: 0, 2, 3, 1>}, …}
           : (tensor<?x8x2x4xf32>) -> tensor<?x2x4x8xf32>
    %1 = "sem.matmul"(%q, %0) {transpose_lhs = false, transpose_rhs = false}
           : (tensor<?x2x8x4xf32>, tensor<?x2x4x8xf32>) -> tensor<?x2x8x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.onnx"(%k) {op_type = "Transpose", attrs = {perm = array<i64: 0, 2, 1, 3>}, …}
           : (tensor<?x8x2x4xf32>) -> tensor<?x2x8x4xf32>
    %1 = "sem.matmul"(%q, %0) {transpose_lhs = false, transpose_rhs = true}
           : (tensor<?x2x8x4xf32>, tensor<?x2x8x4xf32>) -> tensor<?x2x8x8xf32>
    ```

    So the two dimensions of a matrix never change their order by a transpose; where nothing else
    does, it is gone. One that has other users than products stays whole, unless it goes.
    """

    name = "transpose-into-matmul"
    roots = ("matmul",)
    reads = ("onnx.Transpose",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        transposes = [made_by(v, "onnx.Transpose") for v in root.operands]
        if all(t is None for t in transposes):
            return None
        perms = [None if t is None else _untangled(t) for t in transposes]
        if perms == [None, None]:
            return None

        def build() -> list[ir.Value]:
            operands: list[ir.Value] = []
            flags: list[bool] = []
            for i, name in enumerate(("transpose_lhs", "transpose_rhs")):
                transpose, perm, value = transposes[i], perms[i], root.operands[i]
                flag = bool(ir.IntegerAttr(root.attributes[name]).value)
                if transpose is not None and perm is not None:
                    value, flag = transpose.operands[0], not flag
                    if perm != sorted(perm):
                        value = transposed(value, perm, version=version(transpose))
                operands.append(value)
                flags.append(flag)
            result = root.results[0].type
            return [
                matmul(
                    operands[0], operands[1], result, transpose_lhs=flags[0], transpose_rhs=flags[1]
                )
            ]

        covers = [t for t, p in zip(transposes, perms, strict=True) if t is not None and p]
        return Match([*covers, root], build)


def _untangled(transpose: ir.Operation) -> list[int] | None:
    """What a transpose does besides swapping the matrix dimensions; None if it doesn't do that."""
    perm = permutation(transpose)
    if perm[-2] < perm[-1]:
        return None
    rest = [*perm[:-2], perm[-1], perm[-2]]
    if rest != sorted(rest) and any(u.name != "sem.matmul" for u in users(transpose.results[0])):
        return None
    return rest
