"""What a contender is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from noema.options import Goal
from noema.progress import JSON

Arrays = Mapping[str, NDArray[np.generic]]


class Unavailable(Exception):
    """The contender can't run here; the message says why.

    A missing package is an ImportError, to which the process adds what the table has as remedy.
    """


@dataclass(frozen=True)
class Setup:
    """What a contender is to load.

    Attributes:
        model: The `.onnx` file.
        outputs: Names of its outputs, in order.
        threads: Threads it may compute with.
        goal: Whether calls come one after the other, each to be done soon; or side by side, as
            many as can be done in all.
        precision: Number format for noema; the others have contenders of their own.
        emulate: Whether noema may emulate it.
        folder: An empty folder for its files.
    """

    model: Path
    outputs: tuple[str, ...]
    threads: int
    goal: Goal
    precision: str
    emulate: bool
    folder: Path

    def to_json(self) -> dict[str, JSON]:
        return {
            "model": str(self.model),
            "outputs": list(self.outputs),
            "threads": self.threads,
            "goal": self.goal.value,
            "precision": self.precision,
            "emulate": self.emulate,
            "folder": str(self.folder),
        }

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> Setup:
        outputs, threads = record["outputs"], record["threads"]
        assert isinstance(outputs, list) and isinstance(threads, int)
        return Setup(
            model=Path(str(record["model"])),
            outputs=tuple(map(str, outputs)),
            threads=threads,
            goal=Goal(record["goal"]),
            precision=str(record["precision"]),
            emulate=bool(record["emulate"]),
            folder=Path(str(record["folder"])),
        )


class Contender(Protocol):
    """A runtime under test. Constructed with the variant that its row of the table names.

    Attributes:
        requests: How many calls, from as many threads, keep it busy; known once it has loaded.
    """

    requests: int

    def load(self, setup: Setup) -> dict[str, str]:
        """Makes the model ready to be called; the result says how it is configured.

        Raises:
            ImportError: A package is missing.
            Unavailable: The processor lacks a feature.
        """
        ...

    def call(self, inputs: Arrays) -> Arrays:
        """Runs the model once, from numpy arrays to numpy arrays; this is what is timed.

        The outputs may be views that the next call overwrites, where the runtime offers that.
        """
        ...
