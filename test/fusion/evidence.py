"""What stands beside an architecture in the matrix: numerics, and what ONNX Runtime finds."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx

from models import fused_offline, optimized
from models.exports import Architecture
from noema.errors import NoemaError

from .counts import fused_by_runtime
from .numerics import largest_difference

SEED = 7

_KINDS: Mapping[str, str] = MappingProxyType(
    {"clip": "clip", "t5": "t5", "bart": "bart", "gpt2": "gpt2"}
)
"""Architecture → what ONNX Runtime's optimizer is told that it is; else vit or bert."""


@dataclass(frozen=True)
class Evidence:
    """Of one export.

    Attributes:
        error: Largest relative difference from ONNX Runtime, or why there is none.
        runtime: What ONNX Runtime's rewrites leave: kind → number of operators.
        state: Sources that it was measured with, as `state_of_sources` names them.
    """

    error: float | str
    runtime: Mapping[str, int]
    state: str


TITLES: Sequence[str] = ("error", "ONNX Runtime")


def columns(found: Sequence[Evidence]) -> list[str]:
    """The cells of the table for all exports of an architecture."""
    numbers = [e.error for e in found if isinstance(e.error, float)]
    texts = list(dict.fromkeys(e.error for e in found if isinstance(e.error, str)))
    error = "; ".join(([f"{max(numbers):.0e}"] if numbers else []) + texts)
    ranges: list[str] = []
    for kind in dict.fromkeys(kind for e in found for kind in e.runtime):
        counts = [e.runtime[kind] for e in found]
        low, high = min(counts), max(counts)
        if high:
            ranges.append(f"{kind} {low}" if low == high else f"{kind} {low}…{high}")
    return [error, ", ".join(ranges)]


def draws(architecture: Architecture) -> list[dict[str, np.ndarray]]:
    """Inputs at the extents of the export, at larger, odd ones, and at ones of more than one tile.

    What may be attended to is a prefix of each sequence, and for the last any of its tokens.
    """
    rng = np.random.default_rng(SEED)
    larger = {name: extent + 2 for name, extent in architecture.dims.items()}
    tiled = {name: 4 * extent + 1 for name, extent in architecture.dims.items()}
    drawn = [architecture.feeds(rng, dims) for dims in (architecture.dims, larger, tiled)]
    mask = drawn[-1].get("attention_mask")
    if mask is not None:
        seen = rng.integers(0, 2, mask.shape).astype(mask.dtype)
        seen[:, 0] = 1  # or a causal query would see nothing, whose result is anyone's
        drawn[-1]["attention_mask"] = seen
    return drawn


def evidence_of(architecture: Architecture, model: onnx.ModelProto, state: str) -> Evidence:
    """Compiles, runs and compares an export, and lets ONNX Runtime rewrite it."""
    try:
        error: float | str = largest_difference(model, draws(architecture))
    except NoemaError as reason:
        error = reason.message.splitlines()[0]
    return Evidence(error, _by_runtime(architecture, model), state)


_SOURCES = ("compiler", "dialects", "passes", "runtime", "test/fusion", "test/models")
"""Folders on which a measurement depends."""


def state_of_sources() -> str:
    """The newest commit that changed what is measured or how; changes not committed are named too.

    Raises:
        CalledProcessError: This is no checkout of the repository.
    """
    root = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments, "--", *_SOURCES]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    commit, changes = git("log", "-1", "--format=%h").strip(), git("diff", "HEAD")
    if not changes:
        return commit
    return f"{commit} and changes {hashlib.sha256(changes.encode()).hexdigest()[:7]}"


class Notebook:
    """Evidence kept in a file, export by export, so that a long measurement can be resumed.

    Only what was measured with one state of the sources counts; the rest is measured again.

    Args:
        path: The file; it needn't exist.
        state: The state that counts.
    """

    def __init__(self, path: Path, state: str) -> None:
        self._path = path
        self._entries: dict[str, Evidence] = {}
        if path.exists():
            read = json.loads(path.read_text())
            self._entries = {
                key: Evidence(**entry) for key, entry in read.items() if entry.get("state") == state
            }

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, evidence: Evidence) -> None:
        """Adds an entry and writes the file."""
        self._entries[key] = evidence
        self._path.write_text(json.dumps({k: asdict(e) for k, e in self._entries.items()}))

    def of(self, architecture: str) -> list[Evidence]:
        """The entries of an architecture; their keys are `NAME EXPORTER`."""
        return [e for key, e in self._entries.items() if key.split(" ")[0] == architecture]


def _by_runtime(architecture: Architecture, model: onnx.ModelProto) -> dict[str, int]:
    kind = _KINDS.get(architecture.name, "vit" if "pixel_values" in architecture.axes else "bert")
    session = fused_by_runtime(optimized(model))
    try:
        offline = fused_by_runtime(fused_offline(model, kind))
    except Exception:  # noqa: BLE001 (the optimizer of ONNX Runtime fails in many ways)
        return session
    return {name: max(n, offline[name]) for name, n in session.items()}
