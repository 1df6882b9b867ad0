"""Lowering of products of two activations to the batched GEMM kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from noema.kernels.batch_gemm import Batch
from noema.kernels.batch_gemm_choice import candidates
from noema.kernels.epilogue import Bias, Epilogue, Scale
from noema.kernels.executable import Extent
from noema.lowering import emit
from noema.lowering.epilogues import Refined, element_of, isa_for
from noema.lowering.kernel_calls import shaped
from noema.lowering.matmul import multiply, unfused
from noema.lowering.node import Declined


@dataclass(frozen=True)
class _Dim:
    """A batch dimension of the result, and which operands have it."""

    extent: emit.Extent
    lhs: bool
    rhs: bool


def batch_gemm(refined: Refined) -> ir.Value:
    """(…, M, K) × (…, K, N), refined; batch dimensions broadcast as in numpy.

    Raises:
        Declined: No kernel has such elements.
        Unsuitable: No cut serves it.
    """
    node, epilogue = refined.anchor, refined.epilogue
    elements = [element_of(v) for v in node.inputs if v is not None]
    if elements[0] != elements[1]:
        raise Declined(f"a product of {elements[0]} and {elements[1]}")
    lhs, rhs = (unfused(node, slot) for slot in (0, 1))
    turned = bool(node.int("transpose_lhs")), bool(node.int("transpose_rhs"))
    dims = _batch(lhs, rhs)
    m, n, k = _product(lhs, rhs, turned)
    sizes = [*(d.extent for d in dims), m, n]
    per_column = any(isinstance(step, Bias | Scale) for step in epilogue.steps)
    if n == 1 and m != 1 and not per_column:
        # A column is a row in memory, and rows of C are what registers hold.
        lhs, rhs, m, n = rhs, lhs, n, m
        turned = not turned[1], not turned[0]
        dims = [_Dim(d.extent, d.rhs, d.lhs) for d in dims]
    if m == 1:
        turned = False, turned[1]  # in memory the same
    dims = _merged(dims)
    if dims and dims[-1].lhs and not dims[-1].rhs and not turned[0]:
        # All these rows meet the same B.
        m = multiply(dims.pop().extent, m)
    symbols: dict[str, emit.Extent] = {}

    def extent(name: str, size: emit.Extent) -> Extent:
        if isinstance(size, int):
            return size
        symbols[name] = size
        return name

    kernel = candidates(
        tuple(Batch(extent(f"b{i}", d.extent), d.lhs, d.rhs) for i, d in enumerate(dims)),
        extent("m", m),
        extent("n", n),
        extent("k", k),
        isa_for(node),
        elements[0],
        Epilogue(epilogue.steps, epilogue.element),
        transpose_lhs=turned[0],
        transpose_rhs=turned[1],
        threads=node.kernels.threads,
    )[0]
    operands = [lhs, rhs, *(node.lowered(v) for v in refined.operands)]
    (made,) = node.kernels.call(kernel, operands, symbols)
    return shaped(made, sizes)


def _product(
    lhs: ir.Value, rhs: ir.Value, turned: tuple[bool, bool]
) -> tuple[emit.Extent, emit.Extent, emit.Extent]:
    """M, N and K; where neither operand knows K, the program checks that they agree."""
    left, right = emit.extents(lhs)[-2:], emit.extents(rhs)[-2:]
    m, k = left[::-1] if turned[0] else left
    other, n = right[::-1] if turned[1] else right
    known = [extent for extent in (k, other) if isinstance(extent, int)]
    return m, n, known[0] if known else emit.broadcast_sizes([[k], [other]])[0]


def _batch(lhs: ir.Value, rhs: ir.Value) -> list[_Dim]:
    """The batch dimensions of the result."""
    extents = emit.broadcast_batch(lhs, rhs)
    shapes = [emit.shape_of(v)[:-2] for v in (lhs, rhs)]
    dims: list[_Dim] = []
    for axis, extent in enumerate(extents):
        own = [axis - len(extents) + len(shape) for shape in shapes]
        has = [i >= 0 and shape[i] != 1 for i, shape in zip(own, shapes, strict=True)]
        dims.append(_Dim(extent, *has))
    return dims


def _merged(dims: Sequence[_Dim]) -> list[_Dim]:
    """The same with as few dimensions as may be."""
    found: list[_Dim] = []
    for dim in dims:
        if not (dim.lhs or dim.rhs):
            continue
        if found and (found[-1].lhs, found[-1].rhs) == (dim.lhs, dim.rhs):
            dim = _Dim(multiply(found.pop().extent, dim.extent), dim.lhs, dim.rhs)
        found.append(dim)
    return found
