"""Comparing a program's outputs with ONNX Runtime's, which knows nothing of noema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from noema.errors import DeviceUnavailable, InvalidModel
from noema.options import Precision

Arrays = Mapping[str, NDArray[np.generic]]
_INF = float("inf")


class Measure(Enum):
    """What of an error is judged. The value names it to people."""

    MAX = "largest error"
    """Relative to the output's largest magnitude: every element counts alone."""
    L2 = "relative L2 error"
    """For coarse roundings, which are noise: single elements vary more than the whole does."""


@dataclass(frozen=True)
class Tolerance:
    """What passes for agreement.

    Attributes:
        limit: Largest error that agrees.
        measure: Which error.
    """

    limit: float
    measure: Measure = Measure.MAX

    def __str__(self) -> str:
        return f"{self.measure.value} ≤ {self.limit:g}"


TOLERANCES: Mapping[Precision, Tolerance] = MappingProxyType(
    {
        # Sums in another order differ by about 1e-6; a wrong mask or axis by far more.
        Precision.F32: Tolerance(1e-4),
        # A rounding to bf16 is off by up to 2⁻⁹ = 2e-3; those of many layers add up as noise does.
        Precision.BF16: Tolerance(1e-2, Measure.L2),
    }
)
"""What suits a precision."""


@dataclass(frozen=True)
class OutputError:
    """How far one output is from the reference.

    Attributes:
        name: The output.
        max_abs: Largest absolute difference; inf where one is finite or NaN and the other isn't.
        max_rel: `max_abs` over the reference's largest finite magnitude.
        l2_rel: Euclidean norm of the differences over that of the reference's finite elements.
        agrees: Whether element type and shape are the same, and the measure is within tolerance.
        note: What is wrong beside numbers, e.g. another shape.
    """

    name: str
    max_abs: float
    max_rel: float
    l2_rel: float
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


def compare(reference: Arrays, outputs: Arrays, tolerance: float | Tolerance) -> list[OutputError]:
    """Compares outputs by name; NaNs and equal infinities agree with themselves.

    Args:
        reference: Output name → reference values.
        outputs: Output name → values to judge.
        tolerance: What agrees; a number is the largest error relative to the reference's largest
            magnitude.
    """
    wanted = Tolerance(tolerance) if isinstance(tolerance, (int, float)) else tolerance
    return [_compare(name, want, outputs[name], wanted) for name, want in reference.items()]


def _compare(
    name: str, want: NDArray[np.generic], got: NDArray[np.generic], tolerance: Tolerance
) -> OutputError:
    if want.shape != got.shape or want.dtype != got.dtype:
        note = f"{got.dtype}{list(got.shape)} where {want.dtype}{list(want.shape)} is right"
        return OutputError(name, _INF, _INF, _INF, False, note)
    wide = np.complex128 if np.iscomplexobj(want) else np.float64
    a, b = want.astype(wide), got.astype(wide)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(a - b))
    differences = np.where(np.isnan(differences), np.inf, differences)
    finite = np.abs(a[np.isfinite(a)])
    max_abs = float(differences.max(initial=0.0))
    max_rel = _relative(max_abs, float(finite.max(initial=0.0)))
    l2_rel = _relative(float(np.linalg.norm(differences)), float(np.linalg.norm(finite)))
    judged = max_rel if tolerance.measure is Measure.MAX else l2_rel
    return OutputError(name, max_abs, max_rel, l2_rel, judged <= tolerance.limit)


def _relative(error: float, scale: float) -> float:
    return 0.0 if error == 0.0 else error / scale if scale else _INF
