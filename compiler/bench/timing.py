"""From measured seconds to figures. Medians throughout: a machine's hiccups only make it slower."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Rounds = Sequence[Sequence[float]]
"""Seconds of each call, by round."""


@dataclass(frozen=True)
class Timing:
    """Seconds per call.

    Attributes:
        median: Of all calls.
        lower: First quartile.
        upper: Third quartile.
        mad: Median absolute deviation from the median.
        minimum: Fastest call.
        calls: Number of calls.
    """

    median: float
    lower: float
    upper: float
    mad: float
    minimum: float
    calls: int


def summarize(rounds: Rounds) -> Timing:
    """Figures over all calls of all rounds; there must be one at least."""
    seconds = [s for calls in rounds for s in calls]
    median = statistics.median(seconds)
    lower, upper = median, median
    if len(seconds) > 1:
        lower, _, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(
        median=median,
        lower=lower,
        upper=upper,
        mad=statistics.median(abs(s - median) for s in seconds),
        minimum=min(seconds),
        calls=len(seconds),
    )


def paired_ratio(numerator: Rounds, denominator: Rounds) -> float:
    """Median over rounds of the ratio of the round's medians.

    The contenders' bursts of one round are moments apart, so the clock and the load that they met
    cancel out; in a ratio of medians over the whole run they don't.
    """
    pairs = zip(numerator, denominator, strict=False)
    return statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)


def geometric_mean(ratios: Sequence[float]) -> float:
    """The average of ratios; there must be one at least."""
    return math.exp(statistics.fmean(math.log(r) for r in ratios))
