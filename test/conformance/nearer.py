"""Outputs that differ from the stored ones, because those carry more rounding errors.

The suite stores what the reference evaluator computed in the model's own float types. Where its
own roundings exceed the suite's tolerance, a better result looks wrong. The judge is then the same
model in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from . import wide
from .cases import Case, Value


def nearer(case: Case, outputs: Sequence[Value]) -> str | None:
    """Both largest errors in one line if the outputs are at least as good as the stored ones.

    Args:
        case: Whose outputs are deterministic.
        outputs: Of the number, types and shapes that are expected.

    Returns:
        None unless, for every output of type float16, bfloat16 or float32, the largest error
        against float64 is no larger than that of the stored values, and every element lies within
        the tolerance of its type: a unit in the last place in 16 bits, else what the suite allows.
        What isn't finite, and outputs of other types, must be as stored.
    """
    if case.is_random or not all(map(_is_array, [*outputs, *case.outputs])):
        return None
    try:
        exact = wide.evaluate(case.model, case.feeds)
    except Exception:  # noqa: BLE001 - what can't be evaluated so can't be judged so
        return None
    names = [v.name for v in case.model.graph.output]
    found: list[str] = []
    for name, got, stored, reference in zip(names, outputs, case.outputs, exact, strict=True):
        if got.dtype != stored.dtype or got.shape != stored.shape:
            return None
        if not wide.is_widened(got):
            if not np.array_equal(got, stored):
                return None
            continue
        errors = _errors(case, got, stored, reference)
        if errors is None:
            return None
        ours, theirs = errors
        found.append(f"output {name}: largest error {ours:.1e}, of the stored values {theirs:.1e}")
    return "; ".join(found) or None


def _errors(case: Case, got: Value, stored: Value, exact: Value) -> tuple[float, float] | None:
    """Largest errors of both, or None if the first isn't good enough."""
    if not _is_array(exact) or exact.dtype != np.float64 or exact.shape != got.shape:
        return None
    a, b = got.astype(np.float64), stored.astype(np.float64)
    finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(exact)
    same = (a == b) & (a == exact) | np.isnan(a) & np.isnan(b) & np.isnan(exact)
    if not bool(np.all(finite | same)):
        return None
    ours, theirs = np.abs(a - exact)[finite], np.abs(b - exact)[finite]
    within = ours <= _tolerance(case, got.dtype, exact[finite])
    worst, stored_worst = float(ours.max(initial=0.0)), float(theirs.max(initial=0.0))
    return (worst, stored_worst) if bool(within.all()) and worst <= stored_worst else None


def _tolerance(
    case: Case, dtype: np.dtype[np.generic], exact: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The error that each element of a type may have."""
    if dtype.itemsize > 2:
        return case.atol + case.rtol * np.abs(exact)
    kind = ml_dtypes.finfo(dtype)
    # Below the smallest normal number the steps no longer shrink.
    magnitude = np.maximum(np.abs(exact), float(kind.smallest_normal))
    exponents = np.floor(np.log2(magnitude))
    return np.asarray(np.exp2(exponents) * float(kind.eps))


def _is_array(value: Value) -> bool:
    return isinstance(value, np.ndarray)
