"""Softmax over the last axis, or its logarithm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from noema.kernels import curves, rows
from noema.kernels.executable import Extent, Interface, Scope, Tensor, executable
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value


@dataclass(frozen=True)
class SoftmaxProblem:
    """e^(x − max x) / Σ e^(x − max x) per row of a matrix (rows, width).

    Attributes:
        rows: Product of all extents but the last.
        width: The last extent.
        log: x − max x − log Σ e^(x − max x) instead.
        element: f32 or bf16, of x; what is between is f32.
        result: Element type of the result.
    """

    rows: Extent
    width: Extent
    log: bool = False
    element: str = "f32"
    result: str = "f32"

    def __post_init__(self) -> None:
        if {self.element, self.result} - {"f32", "bf16"}:
            raise Unsuitable(f"softmax of {self.element} giving {self.result}")


_WIDEST = 1 << 15
"""Columns of which a workgroup keeps the powers on its stack."""


@dataclass(frozen=True)
class Softmax:
    """The kernel.

    Attributes:
        problem: What it computes.
        block: Rows of a workgroup.
        isa: For which vector unit.
    """

    problem: SoftmaxProblem
    block: int
    isa: Isa

    @property
    def kind(self) -> str:
        return "softmax"

    @property
    def interface(self) -> Interface:
        s = self.problem
        extents = (s.rows, s.width)
        return Interface((Tensor(s.element, extents),), (Tensor(s.result, extents),))

    @property
    def operations(self) -> int | None:
        s = self.problem
        if isinstance(s.rows, str) or isinstance(s.width, str):
            return None
        return 4 * s.rows * s.width

    def describe(self) -> str:
        s = self.problem
        narrow = "" if s.result == s.element else f" → {s.result}"
        log = "log " if s.log else ""
        return f"{log}{s.rows}×{s.width} {s.element}{narrow}, blocks of {self.block}"

    def print(self, name: str) -> str:
        def grid(p: Printer, symbols: Mapping[str, Value]) -> list[Index]:
            count = self.problem.rows
            return [p.ceildiv(symbols[count] if isinstance(count, str) else count, self.block)]

        def body(scope: Scope) -> None:
            width, kept = self.problem.width, None
            if self.problem.result != "f32" and isinstance(width, int) and width <= _WIDEST:
                kept = scope.printer.scratch((1, width), "f32")
            with rows.each_row(scope, self.problem.rows, self.block) as row:
                self._row(scope, row, kept)

        return executable(name, self.interface, grid, body)

    def _row(self, scope: Scope, row: Index, kept: Buffer | None) -> None:
        p, s, n = scope.printer, self.problem, self.isa.lanes
        x, y = scope.operands[0], scope.results[0]
        width = scope.extent(s.width)

        def given(column: Index, mask: Value | None) -> Value:
            return rows.read(p, x, [row, column], n, mask)

        def greater(a: Value, b: Value) -> Value:
            return curves.at_least(p, a, b)

        def added(a: Value, b: Value) -> Value:
            return p.arith("arith.addf", a, b)

        top = rows.reduce_row(p, width, p.splat(-math.inf, n), greater, given)
        # The powers wait for their sum in a result of f32, or in scratch; else they're taken twice.
        powers, place = (y, row) if s.result == "f32" else (kept, 0)

        def shifted(column: Index, mask: Value | None) -> Value:
            return p.arith("arith.subf", given(column, mask), top)

        def power(column: Index, mask: Value | None) -> Value:
            value = curves.exp(p, shifted(column, mask))
            if powers is not None and not s.log:
                rows.write(p, value, powers, [place, column], mask)
            return value

        total = rows.reduce_row(p, width, p.splat(0, n), added, power)
        if s.log:
            one = p.op(f"vector.extract {total}[0] : f32 from {total.type}", "f32")
            over = p.broadcast(p.op(f"math.log {one} : f32", "f32"), n)
        else:
            over = p.arith("arith.divf", p.splat(1, n), total)

        def last(column: Index, mask: Value | None) -> None:
            if s.log:
                value = p.arith("arith.subf", shifted(column, mask), over)
            else:
                if powers is None:
                    value = power(column, mask)
                else:
                    value = rows.read(p, powers, [place, column], n, mask)
                value = p.arith("arith.mulf", value, over)
            rows.write(p, value, y, [row, column], mask, native=self.isa.bf16)

        rows.each_vector(p, width, n, last)


def candidates(problem: SoftmaxProblem, isa: Isa) -> list[Softmax]:
    """Kernels for a problem, the default first: blocks of about 16 Ki elements.

    Rows of an unknown width are taken for 128 columns.
    """
    width = problem.width if isinstance(problem.width, int) else 128
    block = rows.block_of(problem.rows, width)
    sizes = [block, *(b for b in (1, 4, 16, 64) if b != block)]
    return [Softmax(problem, b, isa) for b in sizes]
