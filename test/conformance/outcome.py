"""How a case ended, and files of such results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

FORMAT = 1


class Outcome(Enum):
    """How a case ended, from best to worst."""

    PASS = "pass"
    NEARER = "nearer"
    """Differs from the stored values, but is as near to the result in float64 as they are."""
    UNSUPPORTED = "unsupported"
    """Refused with `UnsupportedModel`: clean."""
    INVALID = "invalid"
    """A valid model refused as invalid: a bug."""
    FAILED = "failed"
    """Another typed error: a bug, since every refusal should be `UnsupportedModel`."""
    WRONG = "wrong"
    """Ran, and its outputs differ."""
    ERROR = "error"
    """An untyped exception."""
    CRASH = "crash"
    """The worker process died."""
    HANG = "hang"
    """The worker process was stopped after the time that a case may take."""

    @property
    def is_clean(self) -> bool:
        return self in (Outcome.PASS, Outcome.NEARER, Outcome.UNSUPPORTED)


@dataclass(frozen=True)
class Result:
    """How one case ended.

    Attributes:
        name: The case.
        op: Operator under test.
        expanded: Whether the operator was replaced by its function body.
        outcome: How it ended.
        detail: Why, for every outcome but `pass`, or both errors for `nearer`: one line.
        seconds: Elapsed time.
    """

    name: str
    op: str
    expanded: bool
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True)
class ResultFile:
    """Results of one run.

    Attributes:
        backend: What ran the cases.
        versions: Package → version.
        total: Number of cases in the suite; more than results where a part was run.
        results: By case, in the suite's order.
    """

    backend: str
    versions: Mapping[str, str]
    total: int
    results: Mapping[str, Result]

    def write(self, path: Path) -> None:
        """Writes the results as JSON."""
        rows = [asdict(r) | {"outcome": r.outcome.value} for r in self.results.values()]
        record = {
            "format": FORMAT,
            "backend": self.backend,
            "versions": dict(self.versions),
            "total": self.total,
            "results": rows,
        }
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def read(path: Path) -> ResultFile:
        """Reads results that `write` wrote.

        Raises:
            ValueError: The file is of another format.
        """
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise ValueError(f"{path} holds no conformance results of format {FORMAT}")
        rows = [Result(**(row | {"outcome": Outcome(row["outcome"])})) for row in record["results"]]
        return ResultFile(
            backend=record["backend"],
            versions=record["versions"],
            total=record["total"],
            results={row.name: row for row in rows},
        )
