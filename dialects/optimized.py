"""The `sem` ops that only optimising passes make: no importer and no recognizer builds them.

```mlir
%0 = "sem.fused"() ({
  %1 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false}
         : (tensor<1x128x768xf32>, tensor<768x3072xf32>) -> tensor<1x128x3072xf32>
  %2 = "sem.elementwise"(%1, %b) {kind = "add", …}
         : (tensor<1x128x3072xf32>, tensor<3072xf32>) -> tensor<1x128x3072xf32>
  "sem.yield"(%2) : (tensor<1x128x3072xf32>) -> ()
}) {kind = "matmul"} : () -> tensor<1x128x3072xf32>
```
"""

# No `from __future__ import annotations` here: ext reads the field annotations as objects.

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects.ext import Operand, Pure, Region, Result, attribute

from noema.dialects.attrs import semantics_of
from noema.dialects.provenance import fused_location
from noema.dialects.sem import Bool, DenseArray, Sem, Tensor
from noema.dialects.shapes import same_shape, shape_of
from noema.dialects.verify import checked, fail, integers, text

POOL_KINDS = ("average", "max")
"""What a `sem.pool` makes of a window."""


class YieldOp(Sem.Operation, name="yield", traits=[Pure, ir.IsTerminatorTrait]):
    """Ends the region of a `sem.fused` with its result."""

    value: Operand[Tensor]


class FusedOp(Sem.Operation, name="fused", traits=[Pure]):
    """Ops that become one kernel, or one dispatch; they read what they like from outside.

    The region is one block that ends in `sem.yield`. `kind` is the key of its first op, whose
    result the others refine: the anchor. Whoever can't serve it as a whole may lower op by op.
    """

    body: Region
    res: Result[Tensor]
    kind: ir.StringAttr = attribute(kw_only=True)

    @staticmethod
    def verify_invariants(op: Any) -> bool:
        blocks = list(op.regions[0].blocks)
        last = list(blocks[0].operations)[-1] if len(blocks) == 1 else None
        if last is None or last.operation.name != "sem.yield":
            return fail(op, "needs one block that ends in sem.yield")
        if last.operands[0].type != op.results[0].type:
            return fail(op, "yields another type than its result's")
        return True


class PoolOp(Sem.Operation, name="pool", traits=[Pure]):
    """Pooling, channels last: x (N, spatial…, C) → (N, spatial…, C) by windows.

    `kind` is one of POOL_KINDS. `pads` holds the begins of all spatial dimensions, then the ends;
    the padding never wins a maximum, and counts in an average only if `include_pad`. Where all four
    arrays are empty, the one window is the whole image.
    """

    x: Operand[Tensor]
    res: Result[Tensor]
    kind: ir.StringAttr = attribute(kw_only=True)
    kernel: DenseArray = attribute(kw_only=True)
    strides: DenseArray = attribute(kw_only=True)
    dilations: DenseArray = attribute(kw_only=True)
    pads: DenseArray = attribute(kw_only=True)
    include_pad: Bool = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        if text(op, "kind") not in POOL_KINDS:
            return f"kind {text(op, 'kind')!r} is none of {', '.join(POOL_KINDS)}"
        x, res = shape_of(op.operands[0]), shape_of(op.results[0])
        spatial = len(x) - 2
        kernel, strides, dilations, pads = (
            integers(op, n) for n in ("kernel", "strides", "dilations", "pads")
        )
        if not (kernel or strides or dilations or pads):
            want: list[int | None] = [x[0], *[1] * spatial, x[-1]]
            return None if same_shape(tuple(want), res) else f"result shape is {res}, not {want}"
        lengths = (len(kernel), len(strides), len(dilations), len(pads))
        if spatial < 1 or lengths != (spatial, spatial, spatial, 2 * spatial):
            return f"has {spatial} spatial dimensions; kernel, strides, dilations or pads disagree"
        if min(*kernel, *strides, *dilations) < 1:
            return "kernel, strides and dilations are at least 1"
        want = [x[0]]
        for i in range(spatial):
            size = x[1 + i]
            reach = dilations[i] * (kernel[i] - 1) + 1
            padded = None if size is None else size + pads[i] + pads[spatial + i]
            want.append(None if padded is None else (padded - reach) // strides[i] + 1)
        want.append(x[-1])
        return None if same_shape(tuple(want), res) else f"result shape is {res}, expected {want}"


def build_pool(
    x: ir.Value,
    result: ir.Type,
    kind: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    *,
    include_pad: bool,
) -> ir.Value:
    """A `sem.pool`."""
    array = ir.DenseI64ArrayAttr.get
    return ir.Operation.create(
        "sem.pool",
        results=[result],
        operands=[x],
        attributes={
            "kind": ir.StringAttr.get(kind),
            "kernel": array(list(kernel)),
            "strides": array(list(strides)),
            "dilations": array(list(dilations)),
            "pads": array(list(pads)),
            "include_pad": ir.BoolAttr.get(include_pad),
        },
    ).results[0]


def fuse(ops: Sequence[ir.Operation], kind: str) -> ir.Value:
    """Moves ops into a `sem.fused` at the place of the last one, and gives its result.

    Args:
        ops: In program order; the last one's result is the only one that is used outside.
        kind: Key of the anchor.
    """
    last = ops[-1]
    with ir.InsertionPoint(last), fused_location(ops):
        made = ir.Operation.create(
            "sem.fused",
            results=[last.results[0].type],
            operands=[],
            attributes={"kind": ir.StringAttr.get(kind), **semantics_of(ops[0])},
            regions=1,
        )
    last.results[0].replace_all_uses_with(made.results[0])
    block = ir.Block.create_at_start(made.regions[0], [])
    for op in ops:
        op.detach_from_parent()
        ir.InsertionPoint(block).insert(op)
    with ir.InsertionPoint(block), last.location:
        ir.Operation.create("sem.yield", results=[], operands=[last.results[0]])
    return made.results[0]
