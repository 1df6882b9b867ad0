"""What a compile process tells its parent while it works, and the JSON values they exchange.

Imports no stage and nothing heavy: both sides of the process boundary import it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""A value as `json.loads` returns it."""


@dataclass(frozen=True)
class Progress:
    """One step of a job.

    Attributes:
        stage: Name of the stage that is now running, e.g. `import`, `lower`, `codegen`. A crash
            is reported against the last one seen.
        fraction: Share of the whole job that is done, 0 to 1, or `None` where nobody knows.
        detail: One line for a person, e.g. the pass that is running.
    """

    stage: str
    fraction: float | None = None
    detail: str = ""


ProgressCallback: TypeAlias = Callable[[Progress], None]


def no_progress(_: Progress) -> None:
    """The callback for callers that don't care."""
