"""Whether outputs are what a case expects, by the rule of the ONNX suite's own runner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .cases import Case, Value

# Two units in the last place of bfloat16; the suite's own runner allows the same.
_BFLOAT16_RTOL = 2.0**-6


def mismatch(case: Case, outputs: Sequence[Value]) -> str | None:
    """What is wrong with the outputs of a case, or None.

    Number, shape and element type must be equal; values within the case's tolerances, with NaN
    equal to NaN, infinities equal to themselves; strings equal. Random outputs are compared by
    shape and element type only.
    """
    if len(outputs) != len(case.outputs):
        return f"{len(outputs)} outputs for {len(case.outputs)}"
    names = [v.name for v in case.model.graph.output]
    for name, got, expected in zip(names, outputs, case.outputs, strict=True):
        problem = _mismatch(got, expected, case.rtol, case.atol, values=not case.is_random)
        if problem is not None:
            return f"output {name}: {problem}"
    return None


def _mismatch(got: Value, expected: Value, rtol: float, atol: float, values: bool) -> str | None:
    if expected is None or got is None:
        return None if got is expected else f"{_kind(got)} for {_kind(expected)}"
    if isinstance(expected, list):
        items: list[Any] = expected
        if not isinstance(got, list | tuple):
            return f"{_kind(got)} for a sequence"
        if len(got) != len(items):
            return f"{len(got)} elements for {len(items)}"
        problems = (_mismatch(g, e, rtol, atol, values) for g, e in zip(got, items, strict=True))
        return next((p for p in problems if p is not None), None)
    got = np.asarray(got)
    if got.shape != expected.shape:
        return f"shape {list(got.shape)} for {list(expected.shape)}"
    if expected.dtype == object or expected.dtype.kind in "US":
        return None if bool(np.all(got == expected)) else "strings differ"
    if got.dtype != expected.dtype:
        return f"dtype {got.dtype} for {expected.dtype}"
    if not values:
        return None
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, _BFLOAT16_RTOL)
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    if expected.dtype.kind in "iu" and expected.dtype.itemsize == 8:
        # float64 holds no 64-bit integer exactly; the difference must be taken as integers.
        wide = np.longdouble
    a, b = got.astype(wide), expected.astype(wide)
    close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if bool(close.all()):
        return None
    where = tuple(int(i) for i in np.argwhere(~close)[0])
    count = int((~close).sum())
    return f"{count} of {close.size} values differ, at {list(where)} {a[where]} for {b[where]}"


def _kind(value: Value) -> str:
    if value is None:
        return "nothing"
    return "a sequence" if isinstance(value, list | tuple) else "a tensor"
