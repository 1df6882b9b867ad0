"""What patterns look with: small questions about values and the ops that make them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import integers_in, to_array
from noema.dialects.graph import definer, key_of, name_of
from noema.passes.base import PassContext


def made_by(value: ir.Value, *keys: str) -> ir.Operation | None:
    """The op that makes a value, if its key is one of `keys`."""
    op = definer(value)
    if op is None or op.name not in _names(keys):  # nearly always, and known without an attribute
        return None
    return op if key_of(op) in keys else None


@functools.cache
def _names(keys: tuple[str, ...]) -> frozenset[str]:
    """The names of the ops that these keys may stand for."""
    return frozenset(map(name_of, keys))


def pairs(op: ir.Operation) -> Iterator[tuple[ir.Value, ir.Value]]:
    """The two operands of an op in both orders: for operators that commute."""
    a, b = op.operands
    yield a, b
    yield b, a


_NUMBERS = (ir.FloatAttr, ir.IntegerAttr, ir.BoolAttr)


def number(value: ir.Value) -> float | None:
    """The one number that a constant consists of, whatever its shape; None for other values."""
    op = definer(value)
    if op is None or op.name != "sem.constant":
        return None
    try:
        elements = op.attributes["value"]
    except TypeError:  # of complex numbers, for which the bindings have no class
        return None
    # Not by way of an array, which takes ten times as long.
    if not isinstance(elements, ir.DenseElementsAttr) or not elements.is_splat:
        return None
    value = elements.get_splat_value()
    if isinstance(value, _NUMBERS):
        return float(value.value)
    return None


def is_number(value: ir.Value, expected: float, *, tolerance: float = 1e-3) -> bool:
    """Whether a value is a constant of one number, within a relative tolerance.

    Exporters write √2 or 1/√(2π) with as many digits as they like, and in f16.
    """
    found = number(value)
    return found is not None and math.isclose(found, expected, rel_tol=tolerance, abs_tol=1e-12)


def is_known(value: ir.Value) -> bool:
    """Whether a value is a constant or a weight, whether or not its elements are at hand."""
    op = definer(value)
    return op is not None and op.name in ("sem.constant", "sem.param")


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


def attribute(op: ir.Operation, name: str) -> ir.Attribute | None:
    """An attribute of the ONNX node in a `sem.onnx`."""
    held = ir.DictAttr(op.attributes["attrs"])
    return held[name] if name in held else None


def integer(op: ir.Operation, name: str, default: int) -> int:
    """An INT attribute of the ONNX node in a `sem.onnx`."""
    found = attribute(op, name)
    return default if found is None else ir.IntegerAttr(found).value


def integers(op: ir.Operation, name: str) -> list[int] | None:
    """An INTS attribute of the ONNX node in a `sem.onnx`."""
    found = attribute(op, name)
    return None if found is None else integers_in(ir.DenseI64ArrayAttr(found))


def version(op: ir.Operation) -> int:
    """The opset version of a `sem.onnx`."""
    return ir.IntegerAttr(op.attributes["version"]).value


def axes(op: ir.Operation, context: PassContext) -> list[int] | None:
    """The axes of a Reduce…, Squeeze or Unsqueeze node in rising order, from the front.

    They are an attribute or the second input, by opset. Absent ones are all axes of a reduction,
    and the axes of extent 1 of a Squeeze.

    Returns:
        None if they aren't constant, or not all known.
    """
    x = op.operands[0]
    key = key_of(op)
    found = integers(op, "axes")
    if found is None and len(op.operands) > 1:
        found = constant_ints(op.operands[1], context)
        if found is None:
            return None
    shape = sem.shape_of(x)
    rank = len(shape)
    if key == "onnx.Unsqueeze":
        rank += len(found or ())
    if not found:
        if key == "onnx.Squeeze":
            return None if None in shape else [i for i, d in enumerate(shape) if d == 1]
        if integer(op, "noop_with_empty_axes", 0):
            return []
        return list(range(rank))
    return sorted(a + rank if a < 0 else a for a in found)


def permutation(op: ir.Operation) -> list[int]:
    """The `perm` of a Transpose node; by default it reverses the axes."""
    found = integers(op, "perm")
    return list(range(len(sem.shape_of(op.operands[0]))))[::-1] if found is None else found


def activation_parameters(op: ir.Operation) -> tuple[float, float]:
    """`alpha` and `beta` of a `sem.activation`."""
    alpha, beta = (ir.FloatAttr(op.attributes[name]).value for name in ("alpha", "beta"))
    return alpha, beta
