"""The coordinator's end of a contender's process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Self

from noema.bench.lines import LineProcess, NoAnswer, ProcessEnded
from noema.progress import JSON


class ContenderFailed(Exception):
    """The contender raised, died or hung; the message says which, and what it said last."""


class ContenderUnavailable(Exception):
    """The contender can't run here; the message says why."""


class ContenderProcess:
    """One contender in its own process and session. Close it, or use it as a context manager."""

    def __init__(self, name: str, command: Sequence[str] | None = None) -> None:
        """Starts the process.

        Args:
            name: Row of the table of contenders.
            command: What to start instead of `noema.bench.child`, with the same protocol.
        """
        self.name = name
        self._process = LineProcess(command or [sys.executable, "-m", "noema.bench.child", name])

    @property
    def identifier(self) -> int:
        """Process id, which is also its session's and group's."""
        return self._process.identifier

    def request(self, command: Mapping[str, JSON], limit_seconds: float) -> dict[str, JSON]:
        """Has one command done; see `noema.bench.child`.

        Raises:
            ContenderUnavailable: It can't run here.
            ContenderFailed: It raised, died or took longer than the limit.
        """
        try:
            answer = self._process.ask(command, limit_seconds)
        except (ProcessEnded, NoAnswer) as error:
            raise ContenderFailed(str(error)) from None
        if "unavailable" in answer:
            raise ContenderUnavailable(answer["unavailable"])
        if "failed" in answer:
            raise ContenderFailed(answer["failed"])
        return answer

    def close(self) -> None:
        """Ends the process and all that it started."""
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
