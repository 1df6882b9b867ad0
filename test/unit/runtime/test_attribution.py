"""Events of several calls, put down to dispatch sites."""

from __future__ import annotations

import pytest

from noema.dispatches import Site
from noema.errors import RunFailed
from noema.runtime.attribution import Event, Timeline, attribute


def _site(executable: str, node: str, *, once: bool = False) -> Site:
    return Site(executable, "gemm", executable, (node,), once=once)


def _calls(*orders: str, took: int = 10, gap: int = 5) -> list[Event]:
    """Calls that each run these executables, one after the other."""
    events: list[Event] = []
    now = 1000
    for number, order in enumerate(orders):
        for executable in order:
            end = now + took * (number + 1)
            events.append(Event(executable, now, end, 2 * (end - now)))
            now = end + gap
        now += 100
    return events


def _rows(timeline: Timeline) -> list[tuple[str, int, float]]:
    return [(r.site.nodes[0], r.executions, round(r.seconds * 1e9)) for r in timeline.sites]


def test_one_executable_at_several_sites_is_told_apart_by_order() -> None:
    sites = [_site("a", "first"), _site("b", "second"), _site("a", "third")]
    found = attribute(_calls("aba", "aba", "aba"), sites, 3)
    assert _rows(found) == [("first", 1, 20), ("second", 1, 20), ("third", 1, 20)]
    assert [r.least for r in found.sites] == pytest.approx([10e-9] * 3)
    assert found.sites[0].worked == pytest.approx(40e-9)


def test_each_site_gets_its_own_time() -> None:
    events = [
        *(Event("a", 0, 7, 7), Event("b", 7, 8, 1), Event("a", 8, 11, 3)),
        *(Event("a", 20, 27, 7), Event("b", 27, 28, 1), Event("a", 28, 31, 3)),
    ]
    sites = [_site("a", "first"), _site("b", "second"), _site("a", "third")]
    assert [s for _, _, s in _rows(attribute(events, sites, 2))] == [7, 1, 3]


def test_what_runs_while_loading_is_left_out() -> None:
    sites = [_site("a", "pack", once=True), _site("a", "first"), _site("b", "second")]
    found = attribute([*_calls("a"), *_calls("ab", "ab")], sites, 2)
    assert [n for n, _, _ in _rows(found)] == ["first", "second"]
    again = attribute(_calls("ab", "ab"), [_site("z", "pack", once=True), *sites[1:]], 2)
    assert _rows(again) == _rows(found), "the recording may begin after loading"


def test_a_loop_runs_its_sites_again_and_again() -> None:
    sites = [_site("a", "before"), _site("b", "body 1"), _site("b", "body 2"), _site("c", "after")]
    found = attribute(_calls("abbbbbbc", "abbbbbbc", took=10), sites, 2)
    assert _rows(found) == [
        *(("before", 1, 15), ("body 1", 3, 45), ("body 2", 3, 45), ("after", 1, 15)),
    ]


def test_branches_that_were_not_taken_are_left_out() -> None:
    sites = [_site("a", "condition"), _site("b", "then"), _site("c", "else")]
    assert [n for n, _, _ in _rows(attribute(_calls("ac"), sites, 1))] == ["condition", "else"]


def test_what_the_compiler_did_not_list_has_its_name_alone() -> None:
    found = attribute(_calls("axa"), [_site("a", "first"), _site("a", "second")], 1)
    assert [(r.site.executable, r.site.nodes) for r in found.sites] == [
        *(("a", ("first",)), ("x", ()), ("a", ("second",))),
    ]


def test_busy_counts_what_overlaps_once() -> None:
    events = [Event("a", 0, 10, 10), Event("b", 4, 8, 4), Event("c", 20, 30, 10)]
    found = attribute(events, [], 1)
    assert (found.busy, found.span) == (pytest.approx(20e-9), pytest.approx(30e-9))


def test_a_program_without_dispatches() -> None:
    found = attribute([], [], 3)
    assert (found.sites, found.busy, found.span) == ((), 0.0, 0.0)


@pytest.mark.parametrize("orders", [("ab", "a"), ("ab", "ba")])
def test_calls_that_differ_are_refused(orders: tuple[str, ...]) -> None:
    with pytest.raises(RunFailed, match="not all calls ran the same"):
        attribute(_calls(*orders), [], len(orders))
