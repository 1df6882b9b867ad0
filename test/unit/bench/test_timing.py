from __future__ import annotations

import pytest

from noema.bench.timing import geometric_mean, paired_ratio, summarize


def test_summary_of_known_calls() -> None:
    timing = summarize([[1.0, 2.0], [3.0, 4.0, 5.0]])
    assert (timing.median, timing.lower, timing.upper) == (3.0, 2.0, 4.0)
    assert (timing.mad, timing.minimum, timing.calls) == (1.0, 1.0, 5)


def test_summary_of_one_call() -> None:
    timing = summarize([[2.0]])
    assert (timing.median, timing.lower, timing.upper, timing.mad) == (2.0, 2.0, 2.0, 0.0)


def test_ratio_is_free_of_a_clock_that_changes_between_rounds() -> None:
    # The machine halves its clock after the first round: the contender is 3 times slower always.
    ours = [[1.0, 1.0], [2.0, 2.0], [2.0, 2.0]]
    theirs = [[3.0], [6.0], [6.0]]
    assert paired_ratio(theirs, ours) == 3.0


def test_mean_of_ratios_is_geometric() -> None:
    # Twice as fast on one and half as fast on another is even; exact up to one rounding of log.
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1.0, rel=1e-15)
