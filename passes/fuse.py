"""Pass `fuse`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import key_of, users
from noema.dialects.optimized import fuse
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.match import is_known, number
from noema.passes.patterns.onnx_rewrite import element_of

_ELEMENTS = frozenset({"f32", "bf16"})
_JOINS = frozenset({"elementwise.add", "elementwise.mul", "elementwise.sub"})


@dataclass(frozen=True)
class Fuse(Pass):
    """What refines the result of a product goes into one op with it: its epilogue.

    An anchor is a matrix product, or a convolution with a weight, channels last. It
    takes its only user, and that one's, as long as each is an activation, a clipping between
    numbers, a conversion of element type, or an addition or multiplication with a number per
    column (a bias, a scale) or with a tensor of the same shape (a residual, a gate). Of two anchors
    that meet in an addition, the later one takes it.

    ```mlir
    %0 = "sem.matmul"(%x, %w) {…} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
    %1 = "sem.elementwise"(%0, %b) {kind = "add", …} : (tensor<8x32xf32>, tensor<32xf32>) -> …
    %2 = "sem.activation"(%1) {kind = "relu", …} : (tensor<8x32xf32>) -> tensor<8x32xf32>
    ```
    -->
    ```mlir
    %2 = "sem.fused"() ({
      %0 = "sem.matmul"(%x, %w) {…} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
      %1 = "sem.elementwise"(%0, %b) {kind = "add", …} : …
      %2 = "sem.activation"(%1) {kind = "relu", …} : …
      "sem.yield"(%2) : (tensor<8x32xf32>) -> ()
    }) {kind = "matmul"} : () -> tensor<8x32xf32>
    ```
    """

    name = "fuse"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        counts: dict[str, int] = {}
        with module.context:
            for function in module.body.operations:
                for region in function.operation.regions:
                    for block in region:
                        _fuse_block(block, counts)
        return PassResult(bool(counts), counts)


def _fuse_block(block: ir.Block, counts: dict[str, int]) -> None:
    taken: set[ir.Value] = set()  # results of ops that are in a region already
    # The last anchor first: of two that meet in an addition, it finds the other one computed.
    for view in reversed(list(block.operations)):
        anchor = view.operation
        if not _is_anchor(anchor):
            continue
        chain = [anchor]
        while (user := _next(chain[-1])) is not None:
            if user.results[0] in taken:
                break
            chain.append(user)
        if len(chain) == 1:
            continue
        taken.update(op.results[0] for op in chain)
        kind = key_of(anchor)
        fuse(chain, kind)
        counts[kind] = counts.get(kind, 0) + 1


def _is_anchor(op: ir.Operation) -> bool:
    if len(op.results) != 1 or element_of(op.results[0]) not in _ELEMENTS:
        return False
    if op.name == "sem.matmul":
        return True
    if op.name == "sem.conv":
        return "channels_last" in op.attributes and is_known(op.operands[1])
    return False


def _next(op: ir.Operation) -> ir.Operation | None:
    """The op that refines the result of `op` and nothing else, if there is one."""
    value = op.results[0]
    using = users(value)
    if len(using) != 1:
        return None
    user = using[0]
    if len(user.results) != 1 or sem.shape_of(user.results[0]) != sem.shape_of(value):
        return None
    if element_of(user.results[0]) not in _ELEMENTS:
        return None
    if user.name == "sem.activation":
        return user
    key = key_of(user)
    if key == "elementwise.cast":
        return user
    if key == "elementwise.clip":
        return user if all(number(v) is not None for v in list(user.operands)[1:]) else None
    if key not in _JOINS:
        return None
    operands = list(user.operands)
    if key == "elementwise.sub" and operands[0] != value:
        return None
    other = operands[1] if operands[0] == value else operands[0]
    shape, columns = sem.shape_of(other), sem.shape_of(value)[-1]
    if shape == sem.shape_of(value):
        return None if other == value else user
    if math.prod(d or 0 for d in shape) == 1:
        return user if number(other) is not None else None
    is_row = len(shape) <= len(sem.shape_of(value)) and all(d == 1 for d in shape[:-1])
    if is_row and shape[-1] == columns and is_known(other):
        return user
    return None
