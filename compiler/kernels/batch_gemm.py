"""Batched GEMM: C = epilogue(A · B) of two tensors that are both computed, in f32 or bf16.

The batch dimensions of A and B are broadcast as in numpy. B is read where it lies, or a workgroup
packs a panel of it into scratch before its row tiles pass by: always if B is transposed, and else
against rows that are far apart, of which each would take a page and a cache set of its own. For
bf16 pairs of rows are interleaved, while a panel is packed or as they are read. A is read where it
lies, by elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from noema.kernels import lanes as across
from noema.kernels.epilogue import NOTHING, Epilogue
from noema.kernels.executable import Extent, Interface, Scope, Tensor, executable
from noema.kernels.gemm import SCRATCH_BYTES
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Buffer, Index, Printer, Value
from noema.kernels.register_tile import Panel, RegisterTiles, Rows, share


@dataclass(frozen=True)
class Batch:
    """A batch dimension of C.

    Attributes:
        extent: Known, or a symbol.
        lhs: Whether A has it; where it doesn't, A is the same all along.
        rhs: Whether B has it.
    """

    extent: Extent
    lhs: bool = True
    rhs: bool = True


@dataclass(frozen=True)
class BatchTile:
    """How a batched GEMM is cut.

    Attributes:
        rows: Of a register tile.
        vectors: Registers of a register tile's width, and of a panel of B.
        products: Of the batch, for a workgroup one after the other.
        row_split: Workgroups that share the row tiles of a product.
        column_split: Workgroups that share its panels.
        pack: Whether panels of B are packed.
        unroll: Steps of k per turn of the innermost loop.
    """

    rows: int
    vectors: int
    products: int = 1
    row_split: int = 1
    column_split: int = 1
    pack: bool = False
    unroll: int = 4


@dataclass(frozen=True)
class BatchGemm:
    """C[…, m, n] = epilogue(A[…, m, k] · B[…, k, n]).

    Operands: A and B, then the epilogue's. Result: C, of the epilogue's element.

    Attributes:
        batch: The dimensions that come first.
        m: Rows of a product.
        n: Columns.
        k: Length of the products.
        isa: What to print for.
        tile: How it is cut.
        element: Of A and B: f32, or bf16 with sums in f32.
        epilogue: What is done to the sums.
        transpose_lhs: Whether A is (…, k, m).
        transpose_rhs: Whether B is (…, n, k).
    """

    batch: tuple[Batch, ...]
    m: Extent
    n: Extent
    k: Extent
    isa: Isa
    tile: BatchTile
    element: str = "f32"
    epilogue: Epilogue = NOTHING
    transpose_lhs: bool = False
    transpose_rhs: bool = False
    kind: str = field(default="batch_gemm", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.element not in ("f32", "bf16"):
            raise Unsuitable(f"products of {self.element}")
        if self.element == "bf16" and not self.isa.bf16:
            raise Unsuitable("the processor doesn't multiply bf16")
        if self.element == "bf16" and self.transpose_lhs:
            raise Unsuitable("a transposed left-hand side of bf16, whose pairs are far apart")
        if 0 in (self.m, self.n, self.k, *(d.extent for d in self.batch)):
            raise Unsuitable("nothing to multiply")
        if self.transpose_rhs and not self.tile.pack:
            raise Unsuitable("a transposed right-hand side is read only while it is packed")
        if self.tile.pack:
            if isinstance(self.k, str):
                raise Unsuitable("a panel of B to pack whose depth isn't known")
            if self.panel_bytes > SCRATCH_BYTES:
                raise Unsuitable(f"a panel of B of depth {self.k} is too much to pack on the stack")

    @property
    def interface(self) -> Interface:
        lhs = tuple(d.extent for d in self.batch if d.lhs)
        rhs = tuple(d.extent for d in self.batch if d.rhs)
        result = (*(d.extent for d in self.batch), self.m, self.n)
        return Interface(
            (
                Tensor(self.element, (*lhs, *_turned((self.m, self.k), self.transpose_lhs))),
                Tensor(self.element, (*rhs, *_turned((self.k, self.n), self.transpose_rhs))),
                *self.epilogue.operands(result),
            ),
            (Tensor(self.epilogue.element, result),),
        )

    @property
    def operations(self) -> int | None:
        extents = [*(d.extent for d in self.batch), self.m, self.n, self.k]
        known = [e for e in extents if isinstance(e, int)]
        return 2 * prod(known) if len(known) == len(extents) else None

    def describe(self) -> str:
        t = self.tile
        batch = "".join(f"{d.extent}·" for d in self.batch)
        sides = ((self.transpose_lhs, "A"), (self.transpose_rhs, "B"))
        turned = "".join(f", {side} transposed" for is_turned, side in sides if is_turned)
        packs = ", packs B" if t.pack else ""
        return (
            f"{batch}{self.m}×{self.k}×{self.n} {self.element}{turned}, "
            f"epilogue {self.epilogue.describe()}, tile {t.rows}×{t.vectors * self.isa.lanes}, "
            f"{t.products} products, {t.row_split}×{t.column_split} workgroups{packs}"
        )

    def print(self, name: str) -> str:
        t = self.tile

        def grid(p: Printer, symbols: Any) -> Sequence[Index]:
            count: Index = 1
            for dim in self.batch:
                extent = dim.extent
                count = p.mul(count, symbols[extent] if isinstance(extent, str) else extent)
            return (t.column_split, t.row_split, p.ceildiv(count, t.products))

        return executable(name, self.interface, grid, lambda scope: _Body(self, scope).print())

    @property
    def panel_bytes(self) -> int:
        """Of a packed panel of B; its depth is known."""
        assert isinstance(self.k, int)
        pairs = -(-self.k // (2 if self.element == "bf16" else 1))
        return 4 * pairs * self.tile.vectors * self.isa.lanes


def _turned(extents: tuple[Extent, Extent], is_turned: bool) -> tuple[Extent, Extent]:
    first, last = extents
    return (last, first) if is_turned else (first, last)


class _Body(RegisterTiles):
    """Prints what one workgroup does."""

    def __init__(self, spec: BatchGemm, scope: Scope) -> None:
        tile = spec.tile
        a, b, *extra = scope.operands
        super().__init__(
            scope,
            isa=spec.isa,
            element=spec.element,
            epilogue=spec.epilogue,
            extra=extra,
            height=tile.rows,
            vectors=tile.vectors,
            unroll=tile.unroll,
            m=scope.extent(spec.m),
            k=scope.extent(spec.k),
        )
        p = self.p
        self.spec, self.scope, self.tile, self.a, self.b = spec, scope, tile, a, b
        self.n = scope.extent(spec.n)
        self.width = tile.vectors * self.lanes
        column, row, self.group = scope.workgroup
        tiles = share(p, p.ceildiv(self.m, tile.rows), row, tile.row_split)
        low, high = (p.mul(t, tile.rows) for t in tiles)
        self.row_range = low, p.min(high, self.m)
        self.panel_range = share(p, p.ceildiv(self.n, self.width), column, tile.column_split)
        self.packed: Buffer | None = None
        if tile.pack and isinstance(spec.k, int):
            steps = -(-spec.k // self.pair)
            self.packed = p.scratch((steps, self.width * self.pair), spec.element)

    def print(self) -> None:
        p, products = self.p, self.tile.products
        extents = [self.scope.extent(d.extent) for d in self.spec.batch]
        count: Index = 1
        for extent in extents:
            count = p.mul(count, extent)
        if count == 1:
            self.product([0] * len(extents))
        elif products == 1:
            self.product(self.places(self.group, extents))
        else:
            low = p.mul(self.group, products)
            with p.loop(low, p.min(p.add(low, products), count)) as loop:
                self.product(self.places(loop.index, extents))

    def places(self, number: Index, extents: Sequence[Index]) -> list[Index]:
        """A product's place along each batch dimension."""
        p, found = self.p, list[Index]()
        for axis, extent in reversed([*enumerate(extents)]):
            found.insert(0, p.rem(number, extent) if axis else number)
            number = p.div(number, extent)
        return found

    def product(self, places: list[Index]) -> None:
        dims = self.spec.batch
        a = [place for place, dim in zip(places, dims, strict=True) if dim.lhs]
        b = [place for place, dim in zip(places, dims, strict=True) if dim.rhs]

        def columns(panel: Panel) -> None:
            if self.packed is not None:
                if self.spec.transpose_rhs:
                    self.pack_transposed(self.packed, b, panel)
                else:
                    self.pack_rows(self.packed, b, panel)
            low, high = self.row_range
            self.each_row_tile(low, high, lambda r: self.multiply(r, panel, a, b, places))

        self.each_panel(columns)

    def each_panel(self, print_panel: Callable[[Panel], None]) -> None:
        """Panels in whole, then what is left: all at once if it is known, else by registers."""
        p, n, width = self.p, self.n, self.width
        low, high = self.panel_range
        whole = p.div(n, width)
        if whole != 0:
            with p.loop(low, p.min(high, whole)) as loop:
                column = p.mul(loop.index, width)
                print_panel(Panel(loop.index, column, self.tile.vectors, None))
        if isinstance(n, int):
            if n % width:
                with p.when(p.less(n // width, high)):
                    left = n % self.lanes
                    mask = p.mask(left, self.lanes) if left else None
                    vectors = -(-(n % width) // self.lanes)
                    print_panel(Panel(whole, n // width * width, vectors, mask))
            return
        with (
            p.when(p.less(whole, high)),
            p.loop(p.mul(whole, width), n, self.lanes) as loop,
        ):
            mask = p.mask(p.sub(n, loop.index), self.lanes)
            print_panel(Panel(whole, loop.index, 1, mask))

    # --- B ---

    def row(self, b: list[Index], panel: Panel, step: Index, j: int, *, half: bool) -> Value:
        """A register of B's row, or of its pair of rows; 0 in place of the second if `half`."""
        p = self.p
        k = p.mul(step, self.pair)
        mask = panel.mask if j == panel.vectors - 1 else None
        zeros = p.splat(0, self.lanes, self.spec.element)
        column = p.add(panel.column, j * self.lanes)

        def elements(row: Index) -> Value:
            at = [*b, row, column]
            if mask is None:
                return p.load(self.b, at, self.lanes)
            return p.load_masked(self.b, at, mask, zeros)

        if self.pair == 1:
            return elements(k)
        order = [i + second * self.lanes for i in range(self.lanes) for second in (0, 1)]
        return across.shuffle(p, elements(k), zeros if half else elements(p.add(k, 1)), order)

    def pack_rows(self, packed: Buffer, b: list[Index], panel: Panel) -> None:
        p, spec = self.p, self.spec
        assert isinstance(spec.k, int)

        def copy(step: Index, *, half: bool) -> None:
            for j in range(panel.vectors):
                value = self.row(b, panel, step, j, half=half)
                p.store(value, packed, [step, j * self.lanes * self.pair])

        pairs = spec.k // self.pair
        if pairs:
            with p.loop(0, pairs) as loop:
                copy(loop.index, half=False)
        if spec.k % self.pair:
            copy(pairs, half=True)

    def pack_transposed(self, packed: Buffer, b: list[Index], panel: Panel) -> None:
        """Packs columns of B that lie along k, a square of registers at a time."""
        p, lanes, k = self.p, self.lanes, self.spec.k
        assert isinstance(k, int)
        width, words = lanes * self.pair, -(-k // self.pair)
        last = p.sub(self.n, 1)

        def turn(j: int, columns: list[Index], step: Index, count: int, mask: Value | None) -> None:
            rows: list[Value] = []
            for column in columns:
                at = [*b, column, p.mul(step, self.pair)]
                if mask is None:
                    value = p.load(self.b, at, width)
                else:
                    zeros = p.splat(0, width, self.spec.element)
                    value = p.load_masked(self.b, at, mask, zeros)
                rows.append(value if self.pair == 1 else p.bitcast(value, f"vector<{lanes}xi32>"))
            for i, value in enumerate(across.transpose(p, rows)[:count]):
                if self.pair == 2:
                    value = p.bitcast(value, f"vector<{width}xbf16>")
                p.store(value, packed, [p.add(step, i), j * width])

        for j in range(panel.vectors):
            columns = [p.sum(panel.column, j * lanes, i) for i in range(lanes)]
            if panel.mask is not None and j == panel.vectors - 1:
                columns = [p.min(column, last) for column in columns]
            whole = k // width * lanes
            if whole:
                with p.loop(0, whole, lanes) as loop:
                    turn(j, columns, loop.index, lanes, None)
            if k % width:
                turn(j, columns, whole, words - whole, p.mask(k % width, width))

    # --- a tile ---

    def multiply(
        self, rows: Rows, panel: Panel, a: list[Index], b: list[Index], places: list[Index]
    ) -> None:
        p, packed, lanes = self.p, self.packed, self.lanes * self.pair
        computed = self.rows_of(rows)

        def step(sums: Sequence[Value], step: Index, *, half: bool) -> list[Value]:
            numbers = range(panel.vectors)
            if packed is not None:
                row = [p.load(packed, [step, j * lanes], lanes) for j in numbers]
            else:
                row = [self.row(b, panel, step, j, half=half) for j in numbers]
            k = p.mul(step, self.pair)
            turned = self.spec.transpose_lhs
            column = (
                self.spread(self.a, [*a, k, r] if turned else [*a, r, k], half=half)
                for r in computed
            )
            return self.multiply_add(sums, column, row)

        sums = self.accumulate(len(computed) * panel.vectors, step, lambda _: None)
        self.finish(sums, rows, panel, places)
