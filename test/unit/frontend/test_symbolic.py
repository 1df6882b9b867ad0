"""Arithmetic on extents."""

from __future__ import annotations

import itertools
import math

import pytest

from noema.frontend.shapes import SymbolNames
from noema.frontend.symbolic import Expr, Extents

S = Expr(((("S",), 1),))


def number(n: int) -> Expr:
    return Expr.constant(n)


def extents() -> Extents:
    return Extents(SymbolNames(["S"]))


@pytest.mark.parametrize(
    ("inner", "outer"),
    list(itertools.product([(10, 5), (3, 2), (1, 4)], [(3, 2), (2, 2), (5, 3), (1, 1)])),
)
def test_windows_on_windows_are_one_quotient(
    inner: tuple[int, int], outer: tuple[int, int]
) -> None:
    known = extents()
    (window, stride), (second, further) = inner, outer
    length = known.floor_extent(S + number(stride - window), number(stride))
    length = known.floor_extent(known.expr(length) + number(further - second), number(further))

    # On paper: one division by both strides, at the smallest numerator that is right.
    def exact(s: int) -> int:
        return ((s - window) // stride + 1 - second) // further + 1

    whole = stride * further
    for shift in range(-40, 40):
        if all((s + shift) // whole == exact(s) for s in range(400)):
            dividend = S + number(shift % whole)
            quotient = known.quotient(dividend, number(whole))
            assert quotient is not None
            assert known.expr(length) == quotient + number(shift // whole)
            return
    pytest.fail("no quotient equals it")


def test_different_quotients_stay_apart() -> None:
    known = extents()
    seen = {known.quotient(S + number(n), number(d)) for d in (2, 3, 6) for n in range(d)}
    assert len(seen) == 2 + 3 + 6


def test_quotients_by_symbols_stay_what_they_are() -> None:
    known = extents()
    by_symbol = known.quotient(S + number(3), S)
    assert by_symbol is not None
    assert by_symbol != known.quotient(S, S)


@pytest.mark.parametrize("s", [7, 12, 31])
def test_multiples_leave_the_quotient(s: int) -> None:
    quotient = extents().quotient(number(6) * S + number(11), number(3))
    assert quotient is not None
    assert quotient == number(2) * S + number(3)
    assert 2 * s + 3 == math.floor((6 * s + 11) / 3)


def test_what_a_value_has_is_an_extent() -> None:
    known = extents()
    less = S - number(2)
    assert known.extent(less) is None
    name = known.floor_extent(less, number(1))
    assert known.extent(less) == name


def test_extents_on_both_sides_of_a_reshape_cancel() -> None:
    known = extents()
    long = known.floor_extent(S - number(2), number(1))  # two terms: no polynomial divides by it
    assert known.remainder_of_shape(["N", long, 32], ["N", long, 8]) == number(4)
    assert known.remainder_of_shape(["N", 32], ["N", "N", 8]) != number(4)
