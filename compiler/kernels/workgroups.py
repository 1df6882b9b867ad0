"""How long the workgroups of a dispatch take."""

from __future__ import annotations

_RUN = 8
"""Workgroups that a worker takes at once where there are that many for each (`docs/threads.md`)."""

_LATE = 50_000.0
"""Cycles that a worker may begin later than the others: 15 µs. Small workgroups even them out."""


def elapsed(workgroups: int, threads: int, one: float) -> float:
    """Cycles from the first one's begin to the last one's end.

    Args:
        workgroups: How many.
        threads: That share them.
        one: Cycles that each takes.
    """
    if threads == 1:
        return workgroups * one
    late = min(_LATE, one / 4)
    if workgroups < _RUN * threads:
        return -(-workgroups // threads) * one + late
    runs = -(-workgroups // _RUN)
    return -(-runs // threads) * _RUN * one + late
