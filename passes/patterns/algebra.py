"""Reads arithmetic: what a value is as a product, or as a polynomial of another value.

So that a pattern states a formula once, however the exporter ordered and grouped it. Casts are
looked through: they round, but change no formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.graph import definer, key_of
from noema.passes.patterns.match import number
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of

_DEPTH = 8
"""How far an expression is followed; the formulas that are looked for are less deep."""
_DEGREE = 3

_BINARY = frozenset({"elementwise.add", "elementwise.sub", "elementwise.mul", "elementwise.div"})


@dataclass(frozen=True)
class Read:
    """What was read of a value.

    Attributes:
        coefficients: Of the polynomial, by power, from 0 on.
        ops: The ops that compute it.
    """

    coefficients: Sequence[float]
    ops: Sequence[ir.Operation]

    def is_near(self, *expected: float, element: str = "f32") -> bool:
        """Whether it is the polynomial of these coefficients, as nearly as constants get written.

        Args:
            expected: Coefficients by power; those that follow are 0.
            element: Element type that the constants are written in.
        """
        tolerance = 1e-4 if element in ("f32", "f64") else 4e-3
        wanted = [*expected, *[0.0] * (_DEGREE + 1 - len(expected))]
        return all(
            math.isclose(c, w, rel_tol=tolerance, abs_tol=1e-9)
            for c, w in zip(self.coefficients, wanted, strict=True)
        )


def polynomial(value: ir.Value, x: ir.Value) -> Read | None:
    """`value` as a polynomial of x of degree 3 at most; None if it isn't one."""
    ops: list[ir.Operation] = []
    coefficients = _polynomial(value, uncast(x), ops, _DEPTH)
    return None if coefficients is None else Read(coefficients, ops)


def _polynomial(
    value: ir.Value, x: ir.Value, ops: list[ir.Operation], depth: int
) -> list[float] | None:
    if value == x:
        return [0.0, 1.0, 0.0, 0.0]
    op = definer(value)
    if op is None or depth == 0:
        return None
    key = key_of(op)
    if key == "constant":
        found = number(value)
        return None if found is None else [found, 0.0, 0.0, 0.0]
    if key == "elementwise.cast":
        source = op.operands[0]
        found = _polynomial(source, x, ops, depth - 1) if _is_float(source) else None
    elif key == "elementwise.neg":
        inner = _polynomial(op.operands[0], x, ops, depth - 1)
        found = None if inner is None else [-c for c in inner]
    elif key == "elementwise.pow":
        base = _polynomial(op.operands[0], x, ops, depth - 1)
        power = number(op.operands[1])
        if base is None or power not in (2, 3):
            return None
        found = base
        for _ in range(int(power) - 1):
            found = None if found is None else _times(found, base)
    elif key in _BINARY:
        a, b = (_polynomial(v, x, ops, depth - 1) for v in op.operands)
        if a is None or b is None:
            return None
        if key == "elementwise.add":
            found = [p + q for p, q in zip(a, b, strict=True)]
        elif key == "elementwise.sub":
            found = [p - q for p, q in zip(a, b, strict=True)]
        elif key == "elementwise.mul":
            found = _times(a, b)
        else:
            found = [p / b[0] for p in a] if b[0] and not any(b[1:]) else None
    else:
        return None
    if found is not None:
        ops.append(op)
    return found


def _times(a: Sequence[float], b: Sequence[float]) -> list[float] | None:
    product = [0.0] * (2 * _DEGREE + 1)
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            product[i + j] += p * q
    return None if any(product[_DEGREE + 1 :]) else product[: _DEGREE + 1]


@dataclass(frozen=True)
class Product:
    """A product of numbers and other values.

    Attributes:
        coefficient: The numbers, multiplied.
        factors: The other values.
        ops: The multiplications.
    """

    coefficient: float
    factors: Sequence[ir.Value]
    ops: Sequence[ir.Operation]


def product(root: ir.Operation) -> Product:
    """What a multiplication multiplies, through those among its operands that have a number."""
    coefficient = 1.0
    factors = list(root.operands)
    ops = [root]
    while len(ops) < _DEPTH:
        numbers = [number(v) for v in factors]
        coefficient *= math.prod(n for n in numbers if n is not None)
        factors = [v for v, n in zip(factors, numbers, strict=True) if n is None]
        inner = next((op for op in map(_multiplication, factors) if _opens(op, factors)), None)
        if inner is None:
            break
        factors = [v for v in factors if v != inner.results[0]] + list(inner.operands)
        ops.append(inner)
    return Product(coefficient, factors, ops)


def _multiplication(value: ir.Value) -> ir.Operation | None:
    op = definer(value)
    return op if op is not None and key_of(op) == "elementwise.mul" else None


def _opens(op: ir.Operation | None, factors: Sequence[ir.Value]) -> bool:
    """Whether to go on into a multiplication: it has a number, or is all there is."""
    if op is None or op.operands[0] == op.operands[1]:
        return False
    return len(factors) == 1 or any(number(v) is not None for v in op.operands)


def core(value: ir.Value) -> ir.Operation | None:
    """The op whose result `value` is, but for numbers that are added or multiplied, and casts."""
    for _ in range(_DEPTH):
        op = definer(value)
        if op is None:
            return None
        key = key_of(op)
        if key in ("elementwise.cast", "elementwise.neg"):
            if not _is_float(op.operands[0]):
                return None
            value = op.operands[0]
        elif key in _BINARY:
            others = [v for v in op.operands if number(v) is None]
            if len(others) != 1:
                return op
            value = others[0]
        else:
            return op
    return None


def uncast(value: ir.Value) -> ir.Value:
    """The value before casts between floats."""
    while True:
        op = definer(value)
        if op is None or key_of(op) != "elementwise.cast":
            return value
        source = op.operands[0]
        if not _is_float(source):
            return value
        value = source


def _is_float(value: ir.Value) -> bool:
    return element_of(value) in FLOATS
