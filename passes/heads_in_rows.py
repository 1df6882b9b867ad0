"""Pass `heads-in-rows`."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import semantics_of
from noema.dialects.graph import key_of, ops_named, users
from noema.dialects.provenance import fused_location
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.match import made_by, permutation
from noema.passes.patterns.onnx_rewrite import i64

_SWAP = [0, 2, 1, 3]


@dataclass(frozen=True)
class HeadsInRows(Pass):
    """Attention reads the rows of its projections as they are, without taking heads apart first.

    Where queries, keys and values are projections (B, S, heads · size) that are only reshaped and
    transposed to (B, heads, S, size), and the result goes back the same way, the attention takes
    and gives the rows themselves; it knows how many heads there are.

    ```mlir
    %1 = Reshape(%q) : (tensor<1x5x8xf32>, …) -> tensor<1x5x2x4xf32>
    %2 = Transpose(%1) {perm = [0, 2, 1, 3]} : … -> tensor<1x2x5x4xf32>    // the same for %k, %v
    %3 = "sem.attention"(%2, %4, %6) {q_num_heads = 0, …} : … -> tensor<1x2x5x4xf32>
    %7 = Transpose(%3) {perm = [0, 2, 1, 3]} : … -> tensor<1x5x2x4xf32>
    %8 = Reshape(%7) : … -> tensor<1x5x8xf32>
    ```
    -->
    ```mlir
    %8 = "sem.attention"(%q, %k, %v) {q_num_heads = 2, kv_num_heads = 2, …} : … -> tensor<1x5x8xf32>
    ```
    """

    name = "heads-in-rows"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        with module.context:
            found = sum(_rewrite(op) for op in ops_named(module, "sem.attention"))
        return PassResult(found > 0, {"attention": found} if found else {})


def _rewrite(op: ir.Operation) -> bool:
    given = sem.slots(op)
    if ir.IntegerAttr(op.attributes["q_num_heads"]).value or len(sem.shape_of(op.operands[0])) != 4:
        return False
    rows = [_rows(v) for v in given[:3] if v is not None]
    merged = _merged(op.results[0])
    if merged is None or len(rows) != 3:
        return False
    taken = [row for row in rows if row is not None]
    if len(taken) != 3:
        return False
    q, k = (sem.shape_of(v)[1] for v in (op.operands[0], op.operands[1]))
    if q is None or k is None:
        return False
    operands = [*taken, *(v for v in given[3:] if v is not None)]
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes |= {"q_num_heads": i64(q), "kv_num_heads": i64(k)}
    transpose, reshape = merged
    types = [r.type for r in op.results]
    types[0] = reshape.results[0].type
    with ir.InsertionPoint(op), fused_location([op, transpose, reshape]):
        made = ir.Operation.create(
            "sem.attention", results=types, operands=operands, attributes=attributes
        )
    for name, attribute in semantics_of(op).items():
        made.attributes[name] = attribute
    reshape.results[0].replace_all_uses_with(made.results[0])
    for old, new in list(zip(op.results, made.results, strict=True))[1:]:
        old.replace_all_uses_with(new)
    for dead in (reshape, transpose, op):
        dead.erase()
    return True


def _rows(value: ir.Value) -> ir.Value | None:
    """The (B, S, heads · size) that a (B, heads, S, size) was made of."""
    transpose = made_by(value, "onnx.Transpose")
    if transpose is None or permutation(transpose) != _SWAP:
        return None
    reshape = made_by(transpose.operands[0], "onnx.Reshape")
    if reshape is None:
        return None
    before, after = sem.shape_of(reshape.operands[0]), sem.shape_of(reshape.results[0])
    return reshape.operands[0] if _splits(before, after) else None


def _merged(value: ir.Value) -> tuple[ir.Operation, ir.Operation] | None:
    """The Transpose and the Reshape that alone use a result, and put its heads into rows again."""
    using = users(value)
    if len(using) != 1 or key_of(using[0]) != "onnx.Transpose":
        return None
    transpose = using[0]
    then = users(transpose.results[0])
    if permutation(transpose) != _SWAP or len(then) != 1 or key_of(then[0]) != "onnx.Reshape":
        return None
    before, after = (sem.shape_of(v) for v in (then[0].operands[0], then[0].results[0]))
    return (transpose, then[0]) if _splits(after, before) else None


def _splits(rows: tuple[int | None, ...], heads: tuple[int | None, ...]) -> bool:
    """Whether (B, S, heads · size) is taken apart to (B, S, heads, size), the heads known."""
    if len(rows) != 3 or len(heads) != 4 or heads[2] is None or heads[3] is None:
        return False
    if rows[2] != heads[2] * heads[3]:
        return False
    # One unknown extent of the two may hide behind a -1; two would leave the split unknown.
    return rows[:2] == heads[:2] and rows[:2].count(None) < 2
