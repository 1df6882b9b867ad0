"""The layered drawing of a component graph: nothing overlaps, everything flows down."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from noema.report.layout import BOX_HEIGHT, BOX_WIDTH, Layout, lay_out
from noema.workload import WorkloadProfile
from profiles import convnet, transformer


def drawn(profile: WorkloadProfile) -> tuple[Layout, list[tuple[str, str]]]:
    edges = [(e.source, e.target) for e in profile.flow.edges]
    return lay_out([c.name for c in profile.components], edges), edges


def check(layout: Layout, names: list[str], edges: list[tuple[str, str]]) -> None:
    assert set(layout.boxes) == set(names)
    for a, b in combinations(layout.boxes.values(), 2):
        apart = abs(a[0] - b[0]) >= BOX_WIDTH or abs(a[1] - b[1]) >= BOX_HEIGHT
        assert apart, "two boxes overlap"
    for x, y in layout.boxes.values():
        assert BOX_WIDTH / 2 <= x <= layout.width - BOX_WIDTH / 2
        assert BOX_HEIGHT / 2 <= y <= layout.height - BOX_HEIGHT / 2
    for (source, target), route in zip(edges, layout.routes, strict=True):
        (x0, y0), (x1, y1) = layout.boxes[source], layout.boxes[target]
        assert route[0] == (x0, y0 + BOX_HEIGHT / 2)
        assert route[-1] == (x1, y1 - BOX_HEIGHT / 2)
        heights = [y for _, y in route]
        assert heights == sorted(heights), "an edge runs up"


@pytest.mark.parametrize("profile", [transformer(1), transformer(12), convnet(10)])
def test_networks(profile: WorkloadProfile) -> None:
    layout, edges = drawn(profile)
    check(layout, [c.name for c in profile.components], edges)


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs(seed: int) -> None:
    rng = random.Random(seed)
    names = [str(i) for i in range(rng.randint(1, 40))]
    pairs = list(combinations(names, 2))
    edges = rng.sample(pairs, min(len(pairs), rng.randint(0, 80)))
    check(lay_out(names, edges), names, edges)


def test_thousands_in_a_row_with_far_edges() -> None:
    names = [str(i) for i in range(3000)]
    edges = [*pairwise(names), *((names[i], names[-1 - i]) for i in range(0, 1000, 3))]
    layout = lay_out(names, edges)
    assert len(layout.boxes) == 3000
    assert all(len(route) >= 2 for route in layout.routes)


def test_a_cycle_and_an_unknown_name_do_no_harm() -> None:
    layout = lay_out(["a", "b", "c"], [("a", "b"), ("b", "a"), ("b", "c"), ("x", "c"), ("c", "c")])
    assert set(layout.boxes) == {"a", "b", "c"}
    assert layout.routes[3] == []


def test_nothing_to_draw() -> None:
    layout = lay_out([], [])
    assert not layout.boxes
    assert layout.width > 0
    assert layout.height > 0


def test_a_chain_is_straight() -> None:
    names = [str(i) for i in range(10)]
    layout = lay_out(names, list(pairwise(names)))
    assert len({x for x, _ in layout.boxes.values()}) == 1
