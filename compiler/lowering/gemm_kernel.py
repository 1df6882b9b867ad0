"""Lowering of products to the GEMM kernels; weights are packed now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.kernels.gemm_choice import candidates
from noema.lowering import emit
from noema.lowering.batch_gemm_kernel import batch_gemm
from noema.lowering.epilogues import Refined, alone, element_of, isa_for
from noema.lowering.kernel_calls import shaped
from noema.lowering.matmul import multiply
from noema.lowering.node import Node


def lower_matmul_kernel(node: Node) -> ir.Value:
    """A product that nothing refines."""
    return matmul(alone(node))


def matmul(refined: Refined) -> ir.Value:
    """(…, K) × weight (K, N), refined: one GEMM over all rows; or a product of activations."""
    node = refined.anchor
    lhs, rhs = node.inputs[0], node.inputs[1]
    assert lhs is not None and rhs is not None
    weight = node.known(rhs)
    if weight is None or weight.ndim != 2 or node.int("transpose_lhs"):
        return batch_gemm(refined)
    transposed = bool(node.int("transpose_rhs"))
    x = node.lowered(lhs)
    by_input = weight.T if transposed else weight
    return gemm_of(refined, x, emit.extents(x)[:-1], rhs, by_input, element_of(lhs))


def gemm_of(
    refined: Refined,
    x: ir.Value,
    leading: Sequence[emit.Extent],
    weight: ir.Value,
    by_input: NDArray[np.generic],
    lhs: str,
) -> ir.Value:
    """x (leading…, K) · weights (K, N), refined: (leading…, N).

    Args:
        refined: What it is, and what follows.
        x: The lowered left-hand side.
        leading: Its extents without the last.
        weight: The `sem` value of the weight.
        by_input: Its values as (K, N).
        lhs: Element type of x.
    """
    node = refined.anchor
    k, n = by_input.shape
    rows: emit.Extent = 1
    for extent in leading:
        rows = multiply(rows, extent)
    m = rows if isinstance(rows, int) else "m"
    kernel = candidates(
        m,
        n,
        k,
        isa_for(node),
        element_of(weight),
        refined.epilogue,
        threads=node.kernels.threads,
        lhs=lhs,
    )[0]
    panels = kernel.packed_shape
    form = f"gemm.{panels[0]}x{panels[1]}x{panels[2]}.{n}x{k}"
    packed = node.kernels.packed(
        node.source(weight),
        form,
        kernel.interface.operands[1],
        lambda: kernel.packed(np.asarray(by_input)),
    )
    symbols = {} if isinstance(rows, int) else {"m": rows}
    operands = [x, packed, *(node.lowered(v) for v in refined.operands)]
    (made,) = node.kernels.call(kernel, operands, symbols)
    return shaped(made, [*leading, n])
