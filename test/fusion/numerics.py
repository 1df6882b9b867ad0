"""Compares noema with ONNX Runtime on a model, at several extents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

import noema

Array = NDArray[np.generic]


def reference(model: onnx.ModelProto) -> ort.InferenceSession:
    """ONNX Runtime, its own rewrites switched off."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def difference(actual: Array, expected: Array) -> float:
    """Largest difference, relative to the largest magnitude expected; inf where shapes differ.

    Infinities and NaN must be the same in both.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return float("inf")
    if not expected.size:
        return 0.0
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return float("inf")
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    scale = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(a[finite] - b[finite]).max(initial=0.0)) / scale


def largest_difference(model: onnx.ModelProto, draws: Sequence[Mapping[str, Array]]) -> float:
    """The largest `difference` over all outputs and all sets of inputs.

    Compiled once, in a process of its own: a model may crash the code generator.

    Raises:
        NoemaError: What the compiler says to the model.
    """
    session = reference(model)
    read = {i.name for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    worst = 0.0
    with noema.compile(model, cache=False, threads=1) as program:
        for feeds in draws:
            given = {name: array for name, array in feeds.items() if name in read}
            expected = session.run(names, given)
            actual = program.run(given)
            worst = max(
                worst, *(difference(actual[n], e) for n, e in zip(names, expected, strict=True))
            )
    return worst
