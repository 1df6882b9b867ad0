"""What an attention kernel is to compute, and how the work is cut."""

from __future__ import annotations

from dataclasses import dataclass

from noema.kernels.executable import Extent
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Index, Printer

_STACK = 768 << 10
"""Bytes of scratch that a workgroup may use."""


@dataclass(frozen=True)
class Heads:
    """Where the heads of an operand or result lie.

    Attributes:
        width: Its last extent, in elements.
        first: Whether heads come before positions: (B, H, S, width); otherwise it's (B, S, width),
            and a row holds all heads.
        offset: Column at which head 0 begins.
        pitch: Columns from one head to the next; only where a row holds several.
    """

    width: int
    first: bool = False
    offset: int = 0
    pitch: int = 0

    def extents(self, batch: Extent, heads: int, positions: Extent) -> tuple[Extent, ...]:
        """Of the whole tensor."""
        if self.first:
            return (batch, heads, positions, self.width)
        return (batch, positions, self.width)

    def at(
        self, p: Printer, batch: Index, head: Index, position: Index, column: Index
    ) -> list[Index]:
        """Where an element of a head lies."""
        if self.first:
            return [batch, head, position, p.add(column, self.offset)]
        return [batch, position, p.sum(p.mul(head, self.pitch), column, self.offset)]

    def check(self, heads: int, size: int) -> None:
        """Raises `Unsuitable` if the heads don't fit in a row."""
        end = self.offset + size + (0 if self.first else (heads - 1) * self.pitch)
        if self.offset < 0 or end > self.width or not (self.first or self.pitch >= size):
            raise Unsuitable(f"{heads} heads of {size} don't fit in rows of {self.width}")


@dataclass(frozen=True)
class Mask:
    """What is added to the scores, or which of them count: (B | 1, H | 1, M | 1, keys).

    Attributes:
        element: f32 or bf16, which is added; or i1, where false forbids.
        by_batch: Whether the first extent is the batch, not 1.
        by_head: Whether the second is the query heads.
        by_query: Whether the third is the queries.
        keys: The last extent: all keys, those of the cache included.
    """

    element: str
    by_batch: bool
    by_head: bool
    by_query: bool
    keys: Extent


@dataclass(frozen=True)
class AttentionProblem:
    """What is to be computed. Operands: q, k, v, mask, past_key, past_value, as there are.

    Attributes:
        batch: B.
        queries: M.
        keys: N: the positions of k and v, without those of the cache.
        query_heads: A multiple of `key_heads`; heads h · key_heads // query_heads belong together.
        key_heads: Heads of k, v and the cache.
        size: Elements of a head of q and k.
        value_size: Elements of a head of v and the result.
        q, k, v, out: Where their heads lie.
        scale: Factor of the scores.
        element: Of q, k, v and the cache: f32 or bf16.
        result: Element type of the result.
        causal: Whether query i sees keys up to i + past only.
        softcap: c > 0 makes scores s into c · tanh(s / c).
        mask: What further acts on them.
        past: Positions of the cache (B, key heads, past, size), which come before k and v.
        present: Whether cache and new positions, joined, are results too: (B, key heads, `present`,
            size), of which `present` is the third extent; None if not.
    """

    batch: Extent
    queries: Extent
    keys: Extent
    query_heads: int
    key_heads: int
    size: int
    value_size: int
    q: Heads
    k: Heads
    v: Heads
    out: Heads
    scale: float
    element: str = "f32"
    result: str = "f32"
    causal: bool = False
    softcap: float = 0.0
    mask: Mask | None = None
    past: Extent | None = None
    present: Extent | None = None

    def __post_init__(self) -> None:
        if {self.element, self.result} - {"f32", "bf16"}:
            raise Unsuitable(f"attention of {self.element} giving {self.result}")
        if 0 in (self.batch, self.queries, self.keys, self.size, self.value_size):
            raise Unsuitable("attention of an empty tensor")
        if not self.key_heads or self.query_heads % self.key_heads:
            raise Unsuitable(f"{self.query_heads} query heads, {self.key_heads} key heads")
        if self.mask is not None and self.mask.element not in ("f32", "bf16", "i1"):
            raise Unsuitable(f"attention mask of {self.mask.element}")
        total = plus(self.keys, self.past or 0)
        for given in (self.present, self.mask and self.mask.keys):
            if isinstance(given, int) and isinstance(total, int) and given != total:
                raise Unsuitable(f"{given} positions in a mask or present cache of {total} keys")
        self.q.check(self.query_heads, self.size)
        self.k.check(self.key_heads, self.size)
        self.v.check(self.key_heads, self.value_size)
        self.out.check(self.query_heads, self.value_size)

    @property
    def group(self) -> int:
        """Query heads that share a key head."""
        return self.query_heads // self.key_heads

    @property
    def packed(self) -> int | None:
        """Packed rows of a key head; None if that depends on a symbol."""
        return self.queries * self.group if isinstance(self.queries, int) else None


@dataclass(frozen=True)
class AttentionTile:
    """How the work is cut.

    Attributes:
        rows: Packed rows of a register tile.
        vectors: Vectors of keys, or of columns of v, of a register tile.
        query_block: Packed rows of a workgroup, a multiple of `rows`.
        key_block: Keys that are packed at a time, a multiple of the lanes.
        direct: Keys and values are read where they are, for few rows: `query_block` = `rows`.
    """

    rows: int
    vectors: int
    query_block: int
    key_block: int
    direct: bool = False


@dataclass(frozen=True)
class AttentionPlan:
    """A problem and how it is cut.

    Attributes:
        problem: What it computes.
        tile: How.
        isa: For which vector unit.
    """

    problem: AttentionProblem
    tile: AttentionTile
    isa: Isa

    def __post_init__(self) -> None:
        tile = self.tile
        if tile.query_block % tile.rows or tile.key_block % self.isa.lanes:
            raise Unsuitable("attention blocks that aren't whole tiles")
        if tile.rows > self.isa.lanes:
            raise Unsuitable("attention tiles of more rows than a vector has lanes")
        if tile.direct and (self.problem.packed is None or self.problem.packed > tile.rows):
            raise Unsuitable("direct attention of more rows than a tile has")
        if self.stack > _STACK:
            raise Unsuitable(f"attention blocks of {self.stack >> 10} KiB")

    @property
    def narrow(self) -> bool:
        """Whether products are of pairs of bf16."""
        return self.problem.element == "bf16" and self.isa.bf16

    @property
    def depth(self) -> int:
        """Words of a head of q or k: f32 elements or pairs of bf16."""
        return -(-self.problem.size // 2) if self.narrow else self.problem.size

    @property
    def columns(self) -> int:
        """Columns of v, in whole vectors."""
        return whole(self.problem.value_size, self.isa.lanes)

    @property
    def stack(self) -> int:
        """Bytes of scratch of a workgroup."""
        tile, lanes = self.tile, self.isa.lanes
        rows = tile.query_block * (whole(self.depth, lanes) + self.columns + tile.key_block)
        if self.narrow:
            rows += tile.query_block * tile.key_block // 2
        keys = tile.key_block * (self.depth + self.columns // (2 if self.narrow else 1))
        return 4 * (rows + (0 if tile.direct else keys))


def whole(count: int, of: int) -> int:
    """The next multiple of `of`."""
    return -(-count // of) * of


def plus(a: Extent, b: Extent) -> int | None:
    """The sum of two extents, if both are known."""
    return a + b if isinstance(a, int) and isinstance(b, int) else None
