"""Layer norm and RMS norm over the last axis, with the residual addition before them.

Statistics are two passes over a row, which stays in the first cache: the mean, then the mean of
squared differences. A one-pass variance cancels where the mean is large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noema.kernels import rows
from noema.kernels.executable import Extent, Interface, Scope, Tensor, executable
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value


@dataclass(frozen=True)
class NormProblem:
    """y = (x − mean x) / √(variance x + epsilon) · scale + bias, per row of a matrix (rows, width).

    Operands: x, then the residual, the scale and the bias, as there are. Results: y, then y again
    as `second`, then the sum x + residual, as there are.

    Attributes:
        rows: Product of all extents but the last.
        width: The last extent.
        epsilon: Added to the variance.
        rms: No mean: x / √(mean x² + epsilon).
        element: f32 or bf16, of x.
        residual: Element type of what is added to x first; None if nothing is.
        scale: Whether there is a scale (width), f32.
        bias: Whether there is a bias (width), f32.
        result: Element type of y.
        second: Element type in which y is given once more.
        total: Element type in which the sum of x and the residual is given.
    """

    rows: Extent
    width: int
    epsilon: float
    rms: bool = False
    element: str = "f32"
    residual: str | None = None
    scale: bool = True
    bias: bool = True
    result: str = "f32"
    second: str | None = None
    total: str | None = None

    def __post_init__(self) -> None:
        elements = {self.element, self.residual, self.result, self.second, self.total} - {None}
        if elements - {"f32", "bf16"}:
            raise Unsuitable(f"a norm of {', '.join(sorted(map(str, elements)))}")
        if self.total is not None and self.residual is None:
            raise Unsuitable("a norm that gives a sum without a residual")
        if self.width < 1:
            raise Unsuitable("a norm of empty rows")
        if self.width > _WIDEST:
            raise Unsuitable(f"a norm of {self.width} columns")


_WIDEST = 1 << 17
"""Columns that a workgroup keeps on its stack."""


@dataclass(frozen=True)
class Norm:
    """The kernel.

    Attributes:
        problem: What it computes.
        block: Rows of a workgroup.
        isa: For which vector unit.
    """

    problem: NormProblem
    block: int
    isa: Isa

    @property
    def kind(self) -> str:
        return "norm"

    @property
    def interface(self) -> Interface:
        n = self.problem
        matrix, row = (n.rows, n.width), (n.width,)
        operands = [Tensor(n.element, matrix)]
        if n.residual is not None:
            operands.append(Tensor(n.residual, matrix))
        operands += [Tensor("f32", row) for given in (n.scale, n.bias) if given]
        results = [n.result, *(e for e in (n.second, n.total) if e is not None)]
        return Interface(tuple(operands), tuple(Tensor(e, matrix) for e in results))

    @property
    def operations(self) -> int | None:
        n = self.problem
        if isinstance(n.rows, str):
            return None
        each = (2 if n.rms else 4) + 1 + n.scale + n.bias + (n.residual is not None)
        return each * n.rows * n.width

    def describe(self) -> str:
        n = self.problem
        words = [f"{'rms' if n.rms else 'layer'} {n.rows}×{n.width} {n.element}"]
        words += ["residual"] if n.residual else []
        given = [e for e in (n.result, n.second) if e is not None]
        words += [f"→ {' and '.join(given)}"] if given != ["f32"] else []
        words += ["and the sum"] if n.total else []
        return ", ".join([*words, f"blocks of {self.block}"])

    def print(self, name: str) -> str:
        def grid(p: Printer, symbols: Mapping[str, Value]) -> list[Index]:
            count = self.problem.rows
            return [p.ceildiv(symbols[count] if isinstance(count, str) else count, self.block)]

        def body(scope: Scope) -> None:
            # Rows that aren't f32 in memory as they are, are kept so beside it.
            own = self.problem.element == "f32" and self.problem.residual is None
            kept = None if own else scope.printer.scratch((1, self.problem.width), "f32")
            with rows.each_row(scope, self.problem.rows, self.block) as row:
                self._row(scope, row, kept)

        return executable(name, self.interface, grid, body)

    def _row(self, scope: Scope, row: Index, kept: Buffer | None) -> None:
        p, n, lanes = scope.printer, self.problem, self.isa.lanes
        operands, results = list(scope.operands), list(scope.results)
        x = operands.pop(0)
        residual = operands.pop(0) if n.residual is not None else None
        scale = operands.pop(0) if n.scale else None
        bias = operands.pop(0) if n.bias else None
        total = results.pop() if n.total is not None else None
        zero = p.splat(0, lanes)

        def added(a: Value, b: Value) -> Value:
            return p.arith("arith.addf", a, b)

        def first(column: Index, mask: Value | None) -> Value:
            value = rows.read(p, x, [row, column], lanes, mask)
            if residual is not None:
                value = added(value, rows.read(p, residual, [row, column], lanes, mask))
            if total is not None:
                rows.write(p, value, total, [row, column], mask, native=self.isa.bf16)
            if kept is not None:
                rows.write(p, value, kept, [0, column], mask)
            return value

        def again(column: Index, mask: Value | None) -> Value:
            source, at = (x, [row, column]) if kept is None else (kept, [0, column])
            return rows.read(p, source, at, lanes, mask)

        def square(value: Value) -> Value:
            return p.arith("arith.mulf", value, value)

        count = p.splat(1 / n.width, lanes)
        mean = None
        if n.rms:
            squares = rows.reduce_row(p, n.width, zero, added, lambda c, m: square(first(c, m)))
        else:
            mean = p.arith("arith.mulf", rows.reduce_row(p, n.width, zero, added, first), count)

            def difference(column: Index, mask: Value | None) -> Value:
                return p.arith("arith.subf", again(column, mask), mean)

            squares = rows.reduce_row(
                p, n.width, zero, added, lambda c, m: square(difference(c, m))
            )
        variance = p.fma(squares, count, p.splat(n.epsilon, lanes))
        inverse = p.arith("arith.divf", p.splat(1, lanes), p.arith("math.sqrt", variance))

        def last(column: Index, mask: Value | None) -> None:
            value = again(column, mask)
            if mean is not None:
                value = p.arith("arith.subf", value, mean)
            value = p.arith("arith.mulf", value, inverse)
            if scale is not None:
                factor = rows.read(p, scale, [column], lanes, mask)
                value = p.arith("arith.mulf", value, factor)
            if bias is not None:
                value = added(value, rows.read(p, bias, [column], lanes, mask))
            for result in results:
                rows.write(p, value, result, [row, column], mask, native=self.isa.bf16)

        rows.each_vector(p, n.width, lanes, last)


def candidates(problem: NormProblem, isa: Isa) -> list[Norm]:
    """Kernels for a problem, the default first: blocks of about 16 Ki elements."""
    block = rows.block_of(problem.rows, problem.width)
    sizes = [block, *(b for b in (1, 4, 16, 64) if b != block)]
    return [Norm(problem, b, isa) for b in sizes]
