"""What stands beside an architecture in the matrix: numerics, and what ONNX Runtime finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import onnx

from models import fused_offline, optimized
from models.exports import Architecture
from noema.errors import NoemaError

from .counts import fused_by_runtime
from .numerics import largest_difference

SEED = 7
TOLERANCE = 1e-4

_KINDS: Mapping[str, str] = MappingProxyType(
    {"clip": "clip", "t5": "t5", "bart": "bart", "gpt2": "gpt2"}
)
"""Architecture → what ONNX Runtime's optimizer is told that it is; else vit or bert."""


@dataclass(frozen=True)
class Evidence:
    """Of all exports of one architecture.

    Attributes:
        errors: Exporter → largest relative difference from ONNX Runtime, or why there is none.
        runtime: Exporter → what ONNX Runtime's rewrites leave, by kind.
    """

    errors: Mapping[str, float | str]
    runtime: Mapping[str, Mapping[str, int]]

    TITLES: ClassVar[Sequence[str]] = ("error", "ONNX Runtime")

    def columns(self) -> list[str]:
        """The cells of the table."""
        numbers = [e for e in self.errors.values() if isinstance(e, float)]
        texts = [f"{name}: {e}" for name, e in self.errors.items() if isinstance(e, str)]
        error = "; ".join(([f"{max(numbers):.0e}"] if numbers else []) + texts)
        kinds = dict.fromkeys(kind for found in self.runtime.values() for kind in found)
        ranges = []
        for kind in kinds:
            counts = [found[kind] for found in self.runtime.values()]
            if max(counts):
                low, high = min(counts), max(counts)
                ranges.append(f"{kind} {low}" if low == high else f"{kind} {low}…{high}")
        return [error, ", ".join(ranges)]


def draws(architecture: Architecture) -> list[dict[str, np.ndarray]]:
    """Inputs at the extents of the export and at larger, odd ones."""
    rng = np.random.default_rng(SEED)
    larger = {name: extent + 2 for name, extent in architecture.dims.items()}
    return [architecture.feeds(rng, dims) for dims in (architecture.dims, larger)]


def evidence_of(architecture: Architecture, models: Mapping[str, onnx.ModelProto]) -> Evidence:
    """Compiles, runs and compares every export, and lets ONNX Runtime rewrite it."""
    feeds = draws(architecture)
    errors: dict[str, float | str] = {}
    for exporter, model in models.items():
        try:
            errors[exporter] = largest_difference(model, feeds)
        except NoemaError as error:
            errors[exporter] = error.message.splitlines()[0]
    return Evidence(errors, {e: _by_runtime(architecture, model) for e, model in models.items()})


def _by_runtime(architecture: Architecture, model: onnx.ModelProto) -> dict[str, int]:
    kind = _KINDS.get(architecture.name, "vit" if "pixel_values" in architecture.axes else "bert")
    session = fused_by_runtime(optimized(model))
    try:
        offline = fused_by_runtime(fused_offline(model, kind))
    except Exception:  # noqa: BLE001 (the optimizer of ONNX Runtime fails in many ways)
        return session
    return {name: max(n, offline[name]) for name, n in session.items()}
