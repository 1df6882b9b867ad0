"""Whose time it was: the events of several equal calls, put down to the program's dispatch sites.

An event names the executable that ran, not the place that dispatched it. A program without
branches runs its sites in the order in which the compiler lists them, so the k-th event of a call
is the k-th site's. Where a program branches or loops, the k-th execution of an executable is put
down to the k-th of its own sites, round and round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from noema.dispatches import IREE, Site
from noema.errors import RunFailed


@dataclass(frozen=True)
class Event:
    """One execution of a dispatch.

    Attributes:
        executable: What ran.
        start: When its first workgroup began, in ns of some clock.
        end: When its last one was done.
        worked: Time that all workers together spent in it, in ns.
    """

    executable: str
    start: int
    end: int
    worked: int


@dataclass(frozen=True)
class SiteTime:
    """What a site took.

    Attributes:
        site: Which one.
        executions: How often it runs in a call.
        seconds: Median over calls, of all its executions in a call: from the first workgroup's
            begin to the last one's end.
        least: The shortest of the calls.
        worked: Median of the time that all workers together spent in it.
    """

    site: Site
    executions: int
    seconds: float
    least: float
    worked: float


@dataclass(frozen=True)
class Timeline:
    """The dispatches of one call, timed.

    Attributes:
        sites: In order of their first execution; those that didn't run are left out.
        calls: How many calls were timed.
        busy: Median time in which at least one dispatch ran, in seconds.
        span: Median time from the first dispatch's begin to the last one's end, in seconds.
    """

    sites: tuple[SiteTime, ...]
    calls: int
    busy: float
    span: float


def attribute(events: Sequence[Event], sites: Sequence[Site], calls: int) -> Timeline:
    """Puts events down to sites.

    Args:
        events: Of loading the program and then of `calls` equal calls, in the order of dispatch.
        sites: Of the program; those that run once first.
        calls: How many calls.

    Raises:
        RunFailed: The calls didn't run the same dispatches.
    """
    once = [site for site in sites if site.once]
    if once and [e.executable for e in events[: len(once)]] == [s.executable for s in once]:
        events = events[len(once) :]
    size, rest = divmod(len(events), calls)
    chunks = [events[i * size : (i + 1) * size] for i in range(calls)]
    order = [event.executable for event in chunks[0]]
    if rest or any([event.executable for event in chunk] != order for chunk in chunks):
        raise RunFailed(
            f"{len(events)} dispatches in {calls} calls: not all calls ran the same ones",
            remedy="profile fewer calls with --repeat",
        )
    places = _places(order, [site for site in sites if not site.once])
    rows = [_timed(site, at, chunks) for site, at in places]
    busy = median(map(_busy, chunks)) if size else 0.0
    span = median(max(e.end for e in c) - min(e.start for e in c) for c in chunks) if size else 0.0
    return Timeline(tuple(rows), calls, busy / 1e9, span / 1e9)


def _places(order: Sequence[str], sites: Sequence[Site]) -> list[tuple[Site, list[int]]]:
    """Each site that runs, and at which places in a call."""
    if order == [site.executable for site in sites]:
        return [(site, [index]) for index, site in enumerate(sites)]
    by_executable: dict[str, list[int]] = {}
    for index, site in enumerate(sites):
        by_executable.setdefault(site.executable, []).append(index)
    seen: dict[str, int] = {}
    unlisted: dict[str, Site] = {}
    found: dict[int | str, tuple[Site, list[int]]] = {}
    for place, executable in enumerate(order):
        own = by_executable.get(executable)
        if own is None:
            site = unlisted.setdefault(executable, Site(executable, IREE, executable, ()))
            found.setdefault(executable, (site, []))[1].append(place)
            continue
        count = seen.get(executable, 0)
        seen[executable] = count + 1
        index = own[count % len(own)]
        found.setdefault(index, (sites[index], []))[1].append(place)
    return list(found.values())


def _timed(site: Site, places: Sequence[int], chunks: Sequence[Sequence[Event]]) -> SiteTime:
    spent = [sum(c[p].end - c[p].start for p in places) / 1e9 for c in chunks]
    worked = [sum(c[p].worked for p in places) / 1e9 for c in chunks]
    return SiteTime(site, len(places), median(spent), min(spent), median(worked))


def _busy(events: Sequence[Event]) -> int:
    """Length of the union of the events' times."""
    total = end = 0
    for event in sorted(events, key=lambda e: e.start):
        total += max(0, event.end - max(end, event.start))
        end = max(end, event.end)
    return total
