"""Loops over tensors, and their last form before code generation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch_mlir import ir
from torch_mlir.dialects import scf
from torch_mlir.passmanager import PassManager

from noema.errors import Gap, UnsupportedModel
from noema.lowering import emit
from noema.lowering.emit import Extent

Step = Callable[[ir.Value, list[ir.Value]], Sequence[ir.Value]]
"""Maps the iteration's number and the carried values to the next carried values."""


def repeat(count: Extent, carried: Sequence[ir.Value], step: Step) -> list[ir.Value]:
    """`count` iterations; gives what the last one left (the initial values if there is none).

    IREE 3.13 writes a slice of a carried tensor by copying the whole tensor, each time.
    """
    loop = scf.ForOp(emit.index(0), emit.as_index(count), emit.index(1), list(carried))
    with ir.InsertionPoint(loop.body):
        scf.YieldOp(list(step(loop.induction_variable, list(loop.inner_iter_args))))
    return list(loop.results)


def to_branches(module: ir.Module) -> None:
    """Turns the structured control flow of the module's functions into branches.

    IREE 3.13 gives wrong results for `scf.for` that carries tensors: where the initial values of
    two share an allocation, an offset into it gets lost. Branches are right.

    Raises:
        UnsupportedModel: Control flow inside a kernel, beside control flow over tensors.
    """
    outside, inside = _structured(module)
    if not outside:
        return
    if inside:
        raise UnsupportedModel(
            "the model uses operators that noema cannot compile together yet",
            gaps=[Gap("Loop", "?", "control flow inside a kernel, and over tensors")],
        )
    PassManager.parse("builtin.module(func.func(convert-scf-to-cf))").run(module.operation)


def _structured(module: ir.Module) -> tuple[int, int]:
    """How many scf ops carry tensors, and how many stand inside a linalg op."""
    outside, inside = 0, 0

    def visit(op: ir.Operation) -> ir.WalkResult:
        nonlocal outside, inside
        if op.operation.name not in ("scf.for", "scf.if", "scf.while"):
            return ir.WalkResult.ADVANCE
        parent = op.operation.parent
        kernels = ("linalg.", "tm_tensor.")
        while parent is not None and not parent.operation.name.startswith(kernels):
            parent = parent.operation.parent
        if parent is not None:
            inside += 1
        elif any(isinstance(r.type, ir.RankedTensorType) for r in op.operation.results):
            outside += 1
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return outside, inside
