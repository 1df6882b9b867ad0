"""Comparing a program's outputs with ONNX Runtime's, which knows nothing of noema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema.errors import DeviceUnavailable, InvalidModel

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class OutputError:
    """How far one output is from the reference.

    Attributes:
        name: The output.
        max_abs: Largest absolute difference; inf where one is finite or NaN and the other isn't.
        max_rel: `max_abs` over the reference's largest finite magnitude.
        agrees: Whether element type and shape are the same, and `max_rel` is within tolerance.
        note: What is wrong beside numbers, e.g. another shape.
    """

    name: str
    max_abs: float
    max_rel: float
    agrees: bool
    note: str = ""


def reference_outputs(
    path: Path, inputs: Arrays, names: list[str]
) -> dict[str, NDArray[np.generic]]:
    """Runs the model in ONNX Runtime on the CPU, with graph optimisations off.

    Raises:
        DeviceUnavailable: onnxruntime isn't installed.
        InvalidModel: ONNX Runtime refuses the model.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise DeviceUnavailable(
            "checking needs ONNX Runtime, which isn't installed",
            remedy="pip install 'noema[bench]'",
        ) from error
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        values = session.run(names, dict(inputs))
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise InvalidModel(f"ONNX Runtime cannot run the model: {error}") from error
    return dict(zip(names, map(np.asarray, values), strict=True))


def compare(reference: Arrays, outputs: Arrays, tolerance: float) -> list[OutputError]:
    """Compares outputs by name; NaNs and equal infinities agree with themselves.

    Args:
        reference: Output name → reference values.
        outputs: Output name → values to judge.
        tolerance: Largest error that agrees, relative to the reference's largest magnitude.
    """
    return [_compare(name, want, outputs[name], tolerance) for name, want in reference.items()]


def _compare(
    name: str, want: NDArray[np.generic], got: NDArray[np.generic], tolerance: float
) -> OutputError:
    if want.shape != got.shape or want.dtype != got.dtype:
        note = f"{got.dtype}{list(got.shape)} where {want.dtype}{list(want.shape)} is right"
        return OutputError(name, float("inf"), float("inf"), False, note)
    wide = np.complex128 if np.iscomplexobj(want) else np.float64
    a, b = want.astype(wide), got.astype(wide)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(a - b))
    differences = np.where(np.isnan(differences), np.inf, differences)
    max_abs = float(differences.max(initial=0.0))
    scale = float(np.abs(a[np.isfinite(a)]).max(initial=0.0))
    max_rel = 0.0 if max_abs == 0.0 else max_abs / scale if scale else float("inf")
    return OutputError(name, max_abs, max_rel, max_rel <= tolerance)
