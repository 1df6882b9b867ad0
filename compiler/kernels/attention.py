"""Attention as one kernel: softmax(cap(q kᵀ · scale) + mask) v, and the caches of a decoder.

A workgroup serves one batch, one key head and a block of *packed rows*: the query rows of all the
heads that share the key head, query by query. It goes over the keys in blocks, with the online
softmax of Milakov and Gimelshein (arXiv:1805.02867) where there are several. Heads are read from
where the projections left them, and written to where the next one reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from noema.kernels.attention_body import print_body
from noema.kernels.attention_problem import (
    AttentionPlan,
    AttentionProblem,
    AttentionTile,
    plus,
    whole,
)
from noema.kernels.executable import Extent, Interface, Tensor, executable
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.printer import Index, Printer, Value


@dataclass(frozen=True)
class Attention(AttentionPlan):
    """The kernel."""

    @property
    def kind(self) -> str:
        return "attention"

    @property
    def interface(self) -> Interface:
        a = self.problem
        operands = [
            Tensor(a.element, a.q.extents(a.batch, a.query_heads, a.queries)),
            Tensor(a.element, a.k.extents(a.batch, a.key_heads, a.keys)),
            Tensor(a.element, a.v.extents(a.batch, a.key_heads, a.keys)),
        ]
        if a.mask is not None:
            m = a.mask
            extents = (
                a.batch if m.by_batch else 1,
                a.query_heads if m.by_head else 1,
                a.queries if m.by_query else 1,
                m.keys,
            )
            operands.append(Tensor(m.element, extents))
        if a.past is not None:
            operands.append(Tensor(a.element, (a.batch, a.key_heads, a.past, a.size)))
            operands.append(Tensor(a.element, (a.batch, a.key_heads, a.past, a.value_size)))
        results = [Tensor(a.result, a.out.extents(a.batch, a.query_heads, a.queries))]
        if a.present is not None:
            results.append(Tensor(a.element, (a.batch, a.key_heads, a.present, a.size)))
            results.append(Tensor(a.element, (a.batch, a.key_heads, a.present, a.value_size)))
        return Interface(tuple(operands), tuple(results))

    @property
    def operations(self) -> int | None:
        a = self.problem
        keys = plus(a.keys, a.past or 0)
        if isinstance(a.batch, str) or isinstance(a.queries, str) or keys is None:
            return None
        return 2 * a.batch * a.query_heads * a.queries * keys * (a.size + a.value_size)

    def describe(self) -> str:
        a, t = self.problem, self.tile
        heads = f"{a.query_heads}" if a.group == 1 else f"{a.query_heads}/{a.key_heads}"
        past = "" if a.past is None else f"{a.past}+"
        words = [f"{a.batch}×{heads}×{a.queries}×{past}{a.keys}×{a.size} {a.element}"]
        words += ["causal"] if a.causal else []
        words += [f"softcap {a.softcap:g}"] if a.softcap else []
        words += [f"mask {a.mask.element}"] if a.mask else []
        way = "direct" if t.direct else f"tile {t.rows}×{t.vectors}"
        return ", ".join([*words, f"{way}, blocks {t.query_block}×{t.key_block}"])

    def print(self, name: str) -> str:
        a = self.problem

        def counts(p: Printer, symbols: Mapping[str, Value]) -> list[Index]:
            def known(extent: Extent) -> Index:
                return symbols[extent] if isinstance(extent, str) else extent

            rows = p.mul(known(a.queries), a.group)
            return [p.ceildiv(rows, self.tile.query_block), a.key_heads, known(a.batch)]

        return executable(name, self.interface, counts, lambda scope: print_body(self, scope))


def candidates(problem: AttentionProblem, isa: Isa) -> list[Attention]:
    """Kernels for a problem, the default first.

    The default reads keys in place for up to 4 packed rows (decoding one token: memory decides) and
    packs them otherwise. Its register tile leaves room for a vector per key column and a factor;
    its blocks fill half of the second cache; it cuts queries finer if there would be fewer than 8
    workgroups.

    Raises:
        Unsuitable: Nothing fits.
    """
    packed, lanes = problem.packed, isa.lanes
    tiles: list[AttentionTile] = []
    keys = problem.keys if problem.past is None else None
    blocks = [512, 256, 128, 64, 32, 16]
    if isinstance(keys, int):
        # One block if it may be, else blocks of about the same size.
        blocks = [whole(-(-keys // -(-keys // b)), lanes) for b in blocks if keys > 0]
        blocks = [*dict.fromkeys(blocks)]
    direct: list[AttentionTile] = []
    if packed is not None and packed <= 8:
        direct = [AttentionTile(packed, 1, packed, b, direct=True) for b in (512, 256, 128)]
    shapes = ((4, 4), (8, 2), (6, 4), (8, 3)) if isa.registers >= 32 else ((6, 2), (4, 2))
    if problem.causal:
        # Narrow panels follow the diagonal closer.
        shapes = sorted(shapes, key=lambda shape: shape[1])
    if packed is not None:
        # Rows that a tile has too many are worked on for nothing; a sixteenth of them may be.
        shapes = sorted(shapes, key=lambda shape: 16 * whole(packed, shape[0]) // packed)
    heads = problem.key_heads * (problem.batch if isinstance(problem.batch, int) else 1)
    for rows, vectors in shapes:
        for queries in (256, 128, 64, 32, 16, 8, 4):
            block = whole(queries, rows)
            if packed is not None:
                # Blocks of about the same size.
                block = whole(-(-packed // -(-packed // block)), rows)
                enough = heads * -(-packed // block) >= 8
            else:
                enough = heads >= 8 or queries <= 32
            if not enough and queries > 16:
                continue
            tiles += [AttentionTile(rows, vectors, block, b) for b in blocks]
    tiles = [*direct, *tiles] if packed is not None and packed <= 4 else [*tiles, *direct]
    found: list[Attention] = []
    for tile in dict.fromkeys(tiles):
        try:
            made = Attention(problem, tile, isa)
        except Unsuitable:
            continue
        if made.stack <= max(isa.l2 * 5 // 8, 96 << 10):
            found.append(made)
    if not found:
        raise Unsuitable(f"attention of heads of {problem.size}: no blocks fit in the cache")
    return found
