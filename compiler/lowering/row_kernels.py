"""Lowering of norms and softmax over the last dimensions to kernels that go row by row."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch_mlir import ir

from noema.dialects.elements import dtype_of
from noema.dialects.graph import key_of, users
from noema.kernels import norm, softmax
from noema.lowering import emit
from noema.lowering.epilogues import isa_for
from noema.lowering.kernel_calls import shaped
from noema.lowering.matmul import multiply
from noema.lowering.node import Declined, Node

_KINDS = {"layer": False, "rms": True}


def lower_norm_kernel(node: Node) -> ir.Value:
    """Layer and RMS norm. Where a user rounds the result to bf16, the kernel gives that as well."""
    kind = node.text("kind")
    if kind not in _KINDS:
        raise Declined(f"a norm of kind {kind}")
    x, result = node.operand(0), node.results[0]
    assert result is not None
    leading, width = _rows_and_width(x, node.int("axis"))
    operands = [shaped(x, [_product(leading), width])]
    for slot in (1, 2):
        if node.has(slot):
            if node.dtype(slot).signless != "f32":
                raise Declined(f"a norm with a scale of {node.dtype(slot)}")
            operands.append(_row(node.operand(slot), width))
    casts = [u for u in users(result) if _narrows(u)]
    rows = _product(leading)
    problem = norm.NormProblem(
        rows if isinstance(rows, int) else "m",
        width,
        node.float("epsilon"),
        rms=_KINDS[kind],
        element=node.dtype(0).signless,
        scale=node.has(1),
        bias=node.has(2),
        result=node.result_dtype().signless,
        second="bf16" if casts else None,
    )
    kernel = norm.candidates(problem, isa_for(node))[0]
    made = node.kernels.call(kernel, operands, {} if isinstance(rows, int) else {"m": rows})
    sizes = emit.extents(x)
    if casts:
        node.kernels.narrowed[result] = shaped(made[1], sizes)
    return shaped(made[0], sizes)


def lower_softmax_kernel(node: Node) -> ir.Value:
    """Softmax over the last dimension."""
    x = node.operand(0)
    sizes = emit.extents(x)
    if node.int("axis") != len(sizes) - 1:
        raise Declined("softmax over another dimension than the last")
    rows, width = _product(sizes[:-1]), sizes[-1]
    problem = softmax.SoftmaxProblem(
        rows if isinstance(rows, int) else "m",
        width if isinstance(width, int) else "n",
        bool(node.int("log")),
        node.dtype(0).signless,
        node.result_dtype().signless,
    )
    kernel = softmax.candidates(problem, isa_for(node))[0]
    symbols = {"m": rows, "n": width}
    used = {s: symbols[s] for s in kernel.interface.symbols}
    (made,) = node.kernels.call(kernel, [shaped(x, [rows, width])], used)
    return shaped(made, sizes)


def lower_narrowed(node: Node) -> ir.Value:
    """A rounding to bf16 that the kernel before it has done already."""
    operand = node.inputs[0]
    result = node.results[0]
    assert operand is not None and result is not None
    if operand not in node.kernels.narrowed or not _narrows(node.op.operation):
        raise Declined
    return node.kernels.narrowed[operand]


def _narrows(op: ir.Operation) -> bool:
    if key_of(op) != "elementwise.cast":
        return False
    return dtype_of(op.results[0].type).signless == "bf16"


def _rows_and_width(x: ir.Value, axis: int) -> tuple[Sequence[emit.Extent], int]:
    """The extents before `axis`, and how many elements the rest has."""
    sizes = emit.extents(x)
    known = [d for d in sizes[axis:] if isinstance(d, int)]
    if len(known) != len(sizes) - axis:
        raise Declined("a norm over an unknown number of elements")
    return sizes[:axis], prod(known)


def _product(sizes: Sequence[emit.Extent]) -> emit.Extent:
    total: emit.Extent = 1
    for size in sizes:
        total = multiply(total, size)
    return total


def _row(value: ir.Value, width: int) -> ir.Value:
    if prod(d or 0 for d in emit.shape_of(value)) != width:
        raise Declined("a scale or bias of another size than the row")
    return shaped(value, [width])
