"""Float scalars with Python's operators, and the functions that tables of floats have as well.

A formula of coordinates and weights is written once, in these. On numpy arrays it gives tables at
compile time; on `Real` it emits the arithmetic, for what is known only when the program runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.dialects import arith, math

from noema.lowering import circular, emit, scalars
from noema.lowering.scalars import Extent

Table = NDArray[np.float64]
"""Floats that are known at compile time; of any shape."""


@dataclass(frozen=True)
class Real:
    """A float scalar of the program.

    Attributes:
        value: The scalar, of a float type of 32 bits or more. Operators need equal types; a
            Python number takes the type of the other operand.
    """

    value: ir.Value

    def __add__(self, other: Real | float) -> Real:
        return Real(arith.AddFOp(self.value, _operand(self, other)).result)

    def __radd__(self, other: float) -> Real:
        return Real(arith.AddFOp(_operand(self, other), self.value).result)

    def __sub__(self, other: Real | float) -> Real:
        return Real(arith.SubFOp(self.value, _operand(self, other)).result)

    def __rsub__(self, other: float) -> Real:
        return Real(arith.SubFOp(_operand(self, other), self.value).result)

    def __mul__(self, other: Real | float) -> Real:
        return Real(arith.MulFOp(self.value, _operand(self, other)).result)

    def __rmul__(self, other: float) -> Real:
        return Real(arith.MulFOp(_operand(self, other), self.value).result)

    def __truediv__(self, other: Real | float) -> Real:
        return Real(arith.DivFOp(self.value, _operand(self, other)).result)

    def __rtruediv__(self, other: float) -> Real:
        return Real(arith.DivFOp(_operand(self, other), self.value).result)

    def _compare(self, predicate: arith.CmpFPredicate, other: Real | float) -> ir.Value:
        return arith.CmpFOp(predicate, self.value, _operand(self, other)).result

    def __lt__(self, other: Real | float) -> ir.Value:
        return self._compare(arith.CmpFPredicate.OLT, other)

    def __le__(self, other: Real | float) -> ir.Value:
        return self._compare(arith.CmpFPredicate.OLE, other)

    def __gt__(self, other: Real | float) -> ir.Value:
        return self._compare(arith.CmpFPredicate.OGT, other)

    def __ge__(self, other: Real | float) -> ir.Value:
        return self._compare(arith.CmpFPredicate.OGE, other)


Number = TypeVar("Number", Real, Table)
"""A float scalar of the program, or a table of floats."""


def constant(value: float, element: ir.Type) -> Real:
    """A number of a float type."""
    return Real(emit.scalar(value, element))


def widened(value: ir.Value, element: ir.Type) -> Real:
    """A float scalar in its own type or a wider one."""
    return Real(value if value.type == element else arith.ExtFOp(element, value).result)


def of_extent(extent: Extent, element: ir.Type | None = None) -> Real:
    """An extent or index as a float: of type f32 unless another is given."""
    element = ir.F32Type.get() if element is None else element
    if isinstance(extent, int):
        return constant(extent, element)
    i64 = ir.IntegerType.get_signless(64)
    return Real(arith.SIToFPOp(element, arith.IndexCastOp(i64, extent).result).result)


def to_index(x: Real, last: Extent) -> Extent:
    """A float as the nearest index of 0 … last below or at it; NaN gives an index inside too."""
    i64 = ir.IntegerType.get_signless(64)
    # Clamped as a float first: what an integer can't hold converts to nonsense. A float's last
    # index may be rounded up, hence once more as an index.
    inside = minimum(maximum(x, 0.0), of_extent(last, x.value.type))
    index = arith.IndexCastOp(ir.IndexType.get(), arith.FPToSIOp(i64, inside.value).result).result
    return scalars.clamp(index, 0, last)


def floor(x: Number) -> Number:
    """⌊x⌋."""
    if isinstance(x, Real):
        return Real(math.FloorOp(x.value).result)
    return np.floor(x)


def ceil(x: Number) -> Number:
    """⌈x⌉."""
    if isinstance(x, Real):
        return Real(math.CeilOp(x.value).result)
    return np.ceil(x)


def cosine(x: Number) -> Number:
    """The cosine of an angle."""
    if isinstance(x, Real):
        return Real(circular.cosine(x.value))
    return np.cos(x)


def sine(x: Number) -> Number:
    """The sine of an angle."""
    if isinstance(x, Real):
        return Real(circular.sine(x.value))
    return np.sin(x)


def absolute(x: Number) -> Number:
    """|x|."""
    if isinstance(x, Real):
        return Real(math.AbsFOp(x.value).result)
    return np.abs(x)


def round_even(x: Real) -> Real:
    """The nearest integer, the even one of two."""
    return Real(math.RoundEvenOp(x.value).result)


def minimum(a: Number, b: Number | float) -> Number:
    """The smaller one; the other operand where one is NaN (in the program)."""
    if isinstance(a, Real):
        return Real(arith.MinNumFOp(a.value, _operand(a, b)).result)
    return np.minimum(a, np.asarray(b))


def maximum(a: Number, b: Number | float) -> Number:
    """The larger one; the other operand where one is NaN (in the program)."""
    if isinstance(a, Real):
        return Real(arith.MaxNumFOp(a.value, _operand(a, b)).result)
    return np.maximum(a, np.asarray(b))


def where(condition: Any, a: Number, b: Number | float) -> Number:
    """The first where a comparison (of numbers of the same kind) holds, else the second."""
    if isinstance(a, Real):
        return Real(arith.SelectOp(condition, a.value, _operand(a, b)).result)
    return np.where(condition, a, np.asarray(b))


def equal(a: Number, b: Number | float) -> Any:
    """Whether they are equal: a bool scalar of the program, or a table of bools."""
    if isinstance(a, Real):
        return arith.CmpFOp(arith.CmpFPredicate.OEQ, a.value, _operand(a, b)).result
    return np.equal(a, np.asarray(b))


def _operand(like: Real, other: Any) -> ir.Value:
    return other.value if isinstance(other, Real) else emit.scalar(other, like.value.type)


def both(a: Any, b: Any) -> Any:
    """Both of two conditions."""
    return arith.AndIOp(a, b).result if isinstance(a, ir.Value) else np.logical_and(a, b)


def either(a: Any, b: Any) -> Any:
    """One of two conditions, or both."""
    return arith.OrIOp(a, b).result if isinstance(a, ir.Value) else np.logical_or(a, b)
