"""Rotary position embedding as exporters spell it out: found, and the same as before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pattern_batch import Array, PatternBatch

B, H, S, D = 2, 3, 5, 8
RNG = np.random.default_rng(6)
END = 2**63 - 1


def normal(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def heads(p: PatternBatch, size: int = D) -> str:
    return p.input(normal(B, H, S, size), ("B", H, "S", size))


def factors(p: PatternBatch, width: int) -> tuple[str, str]:
    """cos and sin (B, 1, S, width): any numbers do."""
    return tuple(p.input(normal(B, 1, S, width), ("B", 1, "S", width)) for _ in range(2))


def cut(p: PatternBatch, x: str, start: int, end: int, step: int = 1) -> str:
    bounds = [p.constant([v]) for v in (start, end, -1, step)]
    return p.op("Slice", x, *bounds)


def straight(p: PatternBatch, x: str, rotated: str, cos: str, sin: str) -> str:
    """x · cos + rotated · sin."""
    return p.op("Add", p.op("Mul", x, cos), p.op("Mul", rotated, sin))


def crossed(p: PatternBatch, a: str, b: str, cos: str, sin: str) -> tuple[str, str]:
    """a · cos - b · sin and b · cos + a · sin."""
    return (
        p.op("Sub", p.op("Mul", a, cos), p.op("Mul", b, sin)),
        p.op("Add", p.op("Mul", b, cos), p.op("Mul", sin, a)),
    )


def stacked(p: PatternBatch, a: str, b: str) -> str:
    """a and b alternating along the last axis, of D features."""
    last = p.constant([-1])
    pair = p.op("Concat", p.op("Unsqueeze", a, last), p.op("Unsqueeze", b, last), axis=-1)
    return p.op("Reshape", pair, p.constant([0, 0, -1, D]))


def found(p: PatternBatch, **counts: int) -> None:
    """Each pattern matched as often, and the model gives the same."""
    keys, patterns = p.passes()
    for name, count in counts.items():
        assert patterns[name.replace("_", "-")].found == count, name
    assert keys["rope"] == sum(counts.values())
    p.check()


def test_halves() -> None:
    p = PatternBatch()
    cos, sin = factors(p, D)
    x = heads(p)
    half = p.op("Concat", p.op("Neg", cut(p, x, D // 2, END)), cut(p, x, 0, D // 2), axis=-1)
    p.output(straight(p, x, half, cos, sin))
    x = heads(p)
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    half = p.op("Concat", p.op("Neg", b), a, axis=3)
    p.output(p.op("Add", p.op("Mul", sin, half), p.op("Mul", cos, x)))
    # Tokens before heads, factors that broadcast over both.
    x = p.input(normal(B, S, H, D), ("B", "S", H, D))
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    flat = [p.input(normal(S, 1, D), ("S", 1, D)) for _ in range(2)]
    p.output(straight(p, x, p.op("Concat", p.op("Neg", b), a, axis=-1), *flat))
    found(p, rotate_half=3)


def test_alternating_features() -> None:
    p = PatternBatch()
    cos, sin = factors(p, D)
    x = heads(p)
    even, odd = cut(p, x, 0, END, 2), cut(p, x, 1, END, 2)
    p.output(straight(p, x, stacked(p, p.op("Neg", odd), even), cos, sin))
    cos, sin = factors(p, D // 2)
    x = heads(p)
    p.output(stacked(p, *crossed(p, cut(p, x, 0, END, 2), cut(p, x, 1, END, 2), cos, sin)))
    x = heads(p)
    paired = p.op("Reshape", x, p.constant([0, 0, -1, D // 2, 2]))
    columns = [p.op("Gather", paired, p.constant(np.array(i)), axis=-1) for i in range(2)]
    p.output(stacked(p, *crossed(p, *columns, cos, sin)))
    x = heads(p)
    paired = p.op("Reshape", x, p.constant([0, 0, -1, D // 2, 2]))
    columns = [
        p.op("Squeeze", part, p.constant([-1]))
        for part in p.op("Split", paired, outputs=2, axis=-1, num_outputs=2)
    ]
    p.output(stacked(p, *crossed(p, *columns, cos, sin)))
    # Columns from the start, as a projection reshaped at once has them.
    paired = p.input(normal(B, H, S, D // 2, 2), ("B", H, "S", D // 2, 2))
    columns = [p.op("Gather", paired, p.constant(np.array(i)), axis=4) for i in range(2)]
    p.output(stacked(p, *crossed(p, *columns, cos, sin)))
    found(p, rotate_half=1, rotate_pairs=4)


def test_pairs_of_halves() -> None:
    p = PatternBatch()
    cos, sin = factors(p, D // 2)
    x = heads(p)
    a, b = cut(p, x, 0, D // 2), cut(p, x, D // 2, END)
    p.output(p.op("Concat", *crossed(p, a, b, cos, sin), axis=-1))
    found(p, rotate_pairs=1)


def test_part_of_a_head() -> None:
    p = PatternBatch()
    rotated, size = 6, 10
    cos, sin = factors(p, rotated)
    x = heads(p, size)
    part, rest = cut(p, x, 0, rotated), cut(p, x, rotated, END)
    half = p.op("Concat", p.op("Neg", cut(p, part, 3, END)), cut(p, part, 0, 3), axis=-1)
    p.output(p.op("Concat", straight(p, part, half, cos, sin), rest, axis=-1))
    # Slices of the whole head instead of slices of the part.
    x = heads(p, size)
    part = cut(p, x, 0, rotated)
    half = p.op("Concat", p.op("Neg", cut(p, x, 3, 6)), cut(p, x, 0, 3), axis=-1)
    p.output(straight(p, part, half, cos, sin))
    cos, sin = factors(p, rotated // 2)
    x = heads(p, size)
    turned = crossed(p, cut(p, x, 0, 3), cut(p, x, 3, 6), cos, sin)
    p.output(p.op("Concat", *turned, cut(p, x, 6, END), axis=-1))
    x = heads(p, size)
    turned = crossed(p, cut(p, x, 4, 7), cut(p, x, 7, END), cos, sin)
    p.output(p.op("Concat", *turned, axis=-1))
    found(p, rotate_half=2, rotate_pairs=2)


def wrong_sign(p: PatternBatch) -> None:
    x = heads(p)
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    p.output(straight(p, x, p.op("Concat", b, p.op("Neg", a), axis=-1), *factors(p, D)))


def unequal_halves(p: PatternBatch) -> None:
    x = heads(p)
    half = p.op("Concat", p.op("Neg", cut(p, x, 3, END)), cut(p, x, 0, 3), axis=-1)
    p.output(straight(p, x, half, *factors(p, D)))


def other_operand(p: PatternBatch) -> None:
    x, y = heads(p), heads(p)
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    p.output(straight(p, y, p.op("Concat", p.op("Neg", b), a, axis=-1), *factors(p, D)))


def along_tokens(p: PatternBatch) -> None:
    x = p.input(normal(B, H, 6, D))
    a, b = p.op("Split", x, outputs=2, axis=2, num_outputs=2)
    half = p.op("Concat", p.op("Neg", b), a, axis=2)
    p.output(straight(p, x, half, *(p.input(normal(B, 1, 6, D)) for _ in range(2))))


def mixed_factors(p: PatternBatch) -> None:
    """The second half has factors of its own."""
    x = heads(p)
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    first, _ = crossed(p, a, b, *factors(p, D // 2))
    _, second = crossed(p, a, b, *factors(p, D // 2))
    p.output(p.op("Concat", first, second, axis=-1))


def sum_and_difference(p: PatternBatch) -> None:
    x = heads(p)
    a, b = p.op("Split", x, outputs=2, axis=-1, num_outputs=2)
    first, second = crossed(p, a, b, *factors(p, D // 2))
    p.output(p.op("Concat", second, first, axis=-1))


LOOKALIKES: list[Callable[[PatternBatch], None]] = [
    wrong_sign, unequal_halves, other_operand, along_tokens, mixed_factors, sum_and_difference,
]  # fmt: skip


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=lambda f: f.__name__)
def test_other_things_are_not_mistaken(lookalike: Callable[[PatternBatch], None]) -> None:
    p = PatternBatch()
    lookalike(p)
    keys, _ = p.passes()
    assert keys["rope"] == 0


def test_raised_nodes_agree() -> None:
    """RotaryEmbedding with tables and positions, and with factors, through the same op."""
    p = PatternBatch(opset=23)
    x = heads(p)
    tables = [p.input(normal(11, D // 2)) for _ in range(2)]
    positions = p.input(RNG.integers(0, 11, (B, S)), ("B", "S"))
    p.output(p.op("RotaryEmbedding", x, *tables, positions, interleaved=1))
    held = [p.input(normal(B, S, 3), ("B", "S", 3)) for _ in range(2)]
    p.output(p.op("RotaryEmbedding", x, *held, rotary_embedding_dim=6))
    keys, _ = p.passes()
    assert keys["rope"] == 2
    p.check()
