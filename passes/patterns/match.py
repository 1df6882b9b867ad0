"""What patterns look with: small questions about values and the ops that make them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects.elements import to_array
from noema.dialects.graph import definer, key_of
from noema.passes.base import PassContext


def made_by(value: ir.Value, *keys: str) -> ir.Operation | None:
    """The op that makes a value, if its key is one of `keys`."""
    op = definer(value)
    return op if op is not None and key_of(op) in keys else None


def pairs(op: ir.Operation) -> Iterator[tuple[ir.Value, ir.Value]]:
    """The two operands of an op in both orders: for operators that commute."""
    a, b = op.operands
    yield a, b
    yield b, a


def number(value: ir.Value) -> float | None:
    """The one number that a constant consists of, whatever its shape; None for other values."""
    op = definer(value)
    if op is None or op.name != "sem.constant":
        return None
    elements = op.attributes["value"]
    if isinstance(elements, ir.DenseElementsAttr) and not elements.is_splat:
        return None
    array = to_array(elements)
    if array.size == 0 or array.dtype.kind == "c":
        return None
    return float(array.reshape(-1)[0])


def is_number(value: ir.Value, expected: float, *, tolerance: float = 1e-3) -> bool:
    """Whether a value is a constant of one number, within a relative tolerance.

    Exporters write √2 or 1/√(2π) with as many digits as they like, and in f16.
    """
    found = number(value)
    return found is not None and math.isclose(found, expected, rel_tol=tolerance, abs_tol=1e-12)


def constant(value: ir.Value, context: PassContext) -> NDArray[np.generic] | None:
    """The array that a `sem.constant` or `sem.param` holds (mapped, not copied), else None."""
    op = definer(value)
    if op is None:
        return None
    if op.name == "sem.constant":
        return to_array(op.attributes["value"])
    if op.name == "sem.param":
        name = ir.StringAttr(op.attributes["parameter"]).value
        return context.parameters[name].values() if name in context.parameters else None
    return None


def constant_ints(value: ir.Value, context: PassContext) -> list[int] | None:
    """The elements of a small constant vector of integers, such as a shape or axes."""
    array = constant(value, context)
    if array is None or array.ndim > 1 or array.size > 64 or array.dtype.kind not in "iu":
        return None
    return [int(v) for v in array.reshape(-1)]
