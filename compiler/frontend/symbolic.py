"""Arithmetic on extents, and the values of small integer vectors made of them.

Exporters compute shapes in the graph (`Shape → Gather → Unsqueeze → Concat → Reshape`). Following
those few integers as polynomials in the symbolic extents gives reshapes their static inner
extents, and makes `[N*S, H]` and back come out as `[N, S, H]` again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noema.frontend.shapes import SymbolNames
from noema.signature import Dim

Monomial = tuple[str, ...]


@dataclass(frozen=True)
class Expr:
    """A polynomial in symbolic extents with integer coefficients.

    Attributes:
        terms: (symbols of the monomial, sorted; coefficient ≠ 0), sorted.
    """

    terms: tuple[tuple[Monomial, int], ...]

    @staticmethod
    def of(terms: dict[Monomial, int]) -> Expr:
        return Expr(tuple(sorted((m, c) for m, c in terms.items() if c)))

    @staticmethod
    def constant(value: int) -> Expr:
        return Expr(((((), value)),)) if value else Expr(())

    @property
    def value(self) -> int | None:
        """The number, if no symbol is involved."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and self.terms[0][0] == ():
            return self.terms[0][1]
        return None

    @property
    def is_extent(self) -> bool:
        """Whether it can't be negative, whatever the extents are."""
        return all(c > 0 for _, c in self.terms)

    def __add__(self, other: Expr) -> Expr:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms:
            terms[monomial] = terms.get(monomial, 0) + coefficient
        return Expr.of(terms)

    def __neg__(self) -> Expr:
        return Expr(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Expr) -> Expr:
        return self + -other

    def __mul__(self, other: Expr) -> Expr:
        terms: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in other.terms:
                key = tuple(sorted(m1 + m2))
                terms[key] = terms.get(key, 0) + c1 * c2
        return Expr.of(terms)

    def exact_quotient(self, other: Expr) -> Expr | None:
        """The quotient by a single-term divisor that divides every term, else None."""
        if len(other.terms) != 1:
            return Expr.constant(1) if self == other and self.terms else None
        divisor, coefficient = other.terms[0]
        terms: dict[Monomial, int] = {}
        for monomial, c in self.terms:
            rest = list(monomial)
            for symbol in divisor:
                if symbol not in rest:
                    return None
                rest.remove(symbol)
            if c % coefficient:
                return None
            terms[tuple(rest)] = c // coefficient
        return Expr.of(terms)


MAX_TERMS = 64
"""Polynomials with more terms than this become one opaque symbol, so that they stay cheap."""


class Extents:
    """Expressions ↔ extents: an expression that is no single symbol gets one that stands for it."""

    def __init__(self, symbols: SymbolNames) -> None:
        self._symbols = symbols
        self._meaning: dict[str, Expr] = {}
        self._name: dict[object, str] = {}
        self._unclamped: dict[str, Expr] = {}
        self._floors: dict[str, tuple[Expr, int]] = {}

    def expr(self, dim: Dim) -> Expr:
        if isinstance(dim, int):
            return Expr.constant(dim)
        return self._meaning.get(dim) or Expr((((dim,), 1),))

    def dim(self, expr: Expr) -> Dim:
        """An int, a symbol, or the symbol that stands for this expression; the same each time."""
        if expr.value is not None:
            return expr.value
        if len(expr.terms) == 1:
            monomial, coefficient = expr.terms[0]
            if coefficient == 1 and len(monomial) == 1:
                return monomial[0]
        name = self._name.get(expr)
        if name is None:
            name = self._symbols.fresh()
            self._name[expr] = name
            if len(expr.terms) <= MAX_TERMS and all(len(m) <= MAX_TERMS for m, _ in expr.terms):
                self._meaning[name] = expr
        return name

    def extent(self, expr: Expr) -> Dim | None:
        """As `dim`, if the expression can be an extent at all: it may not be negative."""
        return self.dim(expr) if self._is_extent(expr) else None

    def _is_extent(self, expr: Expr) -> bool:
        """Whether it can't be negative; nor can what a value has as an extent."""
        return expr.is_extent or expr in self._name

    def opaque(self, function: str, *arguments: Expr) -> Expr:
        """The extent that a function we don't expand gives; equal for equal arguments."""
        key = (function, arguments)
        if key not in self._name:
            self._name[key] = self._symbols.fresh()
        return Expr((((self._name[key],), 1),))

    def bounded(self, expr: Expr) -> Expr | None:
        """The expression if it is small enough to work with; an opaque extent or None if not."""
        if any(abs(c) >= 1 << 62 for _, c in expr.terms):
            return None
        if len(expr.terms) <= MAX_TERMS and all(len(m) <= MAX_TERMS for m, _ in expr.terms):
            return expr
        return self.opaque("long", expr) if expr.is_extent else None

    def product(self, dims: Sequence[Dim]) -> Expr:
        result = Expr.constant(1)
        for dim in dims:
            factor = result * self.expr(dim)
            result = self.bounded(factor) or self.opaque("product", factor)
        return result

    def quotient(self, dividend: Expr, divisor: Expr) -> Expr | None:
        """Floor of the quotient of two extents; None for division by zero or by unknown signs."""
        if divisor.value == 0 or not divisor.terms:
            return None
        exact = dividend.exact_quotient(divisor)
        if exact is not None:
            return exact
        if dividend.value is not None and divisor.value is not None:
            # ONNX truncates towards zero.
            size = abs(dividend.value) // abs(divisor.value)
            return Expr.constant(size if dividend.value * divisor.value >= 0 else -size)
        if self._is_extent(dividend) and self._is_extent(divisor):
            return self._floor(dividend, divisor)
        return None

    def remainder_of_shape(self, source: Sequence[Dim], others: Sequence[Dim]) -> Expr | None:
        """What is left of the product of `source` for one extent beside `others`."""
        rest = list(source)
        divisors: list[Dim] = []
        for dim in others:
            if dim in rest and dim != 0:
                rest.remove(dim)
            else:
                divisors.append(dim)
        return self.quotient(self.product(rest), self.product(divisors))

    def floor_extent(self, dividend: Expr, divisor: Expr) -> Dim:
        """Floor of a quotient that is known to be an extent (the model is invalid otherwise)."""
        exact = dividend.exact_quotient(divisor)
        return self.dim(self._floor(dividend, divisor) if exact is None else exact)

    def _floor(self, dividend: Expr, divisor: Expr) -> Expr:
        """Floor of a quotient, equal for equal quotients as far as two rules tell.

        1. floor((A + d B) / d) = floor(A / d) + B.
        2. floor((floor(A / a) + b) / d) = floor((A + a b) / (a d)).

        So the length after several strided convolutions is one quotient of the length before,
        which is how exporters that count on paper write it.
        """
        by = divisor.value
        if by is None or by < 1:
            return self.opaque("quotient", dividend, divisor)
        whole = Expr.of({m: c // by for m, c in dividend.terms if not m or c % by == 0})
        rest = dividend - whole * divisor  # case 1; its constant is 0 … by - 1
        inner = [(m, c) for m, c in rest.terms if m]
        if not inner:
            return whole
        if len(inner) == 1 and inner[0][1] == 1 and len(inner[0][0]) == 1:  # case 2
            found = self._floors.get(inner[0][0][0])
            if found is not None:
                below, a = found
                added = rest - Expr.of(dict(inner))
                merged = below + added * Expr.constant(a)
                return whole + self._floor(merged, Expr.constant(a * by))
        result = self.opaque("quotient", rest, divisor)
        self._floors[result.terms[0][0][0]] = (rest, by)
        return whole + result

    def clamped(self, whole: Expr, start: Expr, end: Expr) -> Expr:
        """Length of the slice `start:end` of an extent `whole`; all three are extents.

        The result stands for itself, since the ends are clamped to `whole`, but `broadcast`
        knows that it is `end - start` wherever it meets that.
        """
        if whole.value is not None and start.value is not None and end.value is not None:
            last = min(end.value, whole.value)
            return Expr.constant(max(last - min(start.value, whole.value), 0))
        result = self.opaque("slice", whole, start, end)
        name = self.dim(result)
        if isinstance(name, str):
            self._unclamped[name] = end - start
        return result

    def broadcast(self, a: Dim, b: Dim) -> Dim:
        """What two extents broadcast to, assuming that they do.

        A clamped slice that meets its own unclamped length was not clamped: `[1, min(S, 512)]`
        position embeddings plus `[N, S]` token embeddings have `S` columns, or are invalid.
        """
        if a == b or b == 1:
            return a
        if a == 1:
            return b
        for number, other in ((a, b), (b, a)):
            if isinstance(number, int):
                # An extent that isn't 1 wins; against 0 or an unknown it is still what remains.
                return other if number == 1 else number
        assert isinstance(a, str) and isinstance(b, str)
        for clamped, other in ((a, b), (b, a)):
            if clamped in self._unclamped and self._unclamped[clamped] == self.expr(other):
                return other
        pair = sorted((self.expr(a), self.expr(b)), key=lambda e: e.terms)
        return self.dim(self.opaque("broadcast", *pair))
