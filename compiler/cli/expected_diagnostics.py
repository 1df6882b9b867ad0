"""`// expected-error {{…}}` comments, as in MLIR's own tests.

`expected-error` and `expected-note` may carry `@+N`, `@-N` (lines from the comment), `@above` or
`@below`; without one the diagnostic belongs on the comment's own line. The text between the
braces must occur in the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noema.errors import InvalidIR

if TYPE_CHECKING:
    from torch_mlir import ir

_EXPECTED = re.compile(
    r"expected-(?P<kind>error|note)(?:@(?P<where>[+-]\d+|above|below))?\s*\{\{(?P<text>.*?)\}\}"
)


@dataclass(frozen=True)
class Reported:
    """A diagnostic as it came.

    Attributes:
        kind: `error` or `note`.
        line: Line of the file, from 1; 0 if it has no place there.
        text: The message.
    """

    kind: str
    line: int
    text: str


def reported(error: InvalidIR) -> list[Reported]:
    """The diagnostics behind an error; the error itself if MLIR had no part in it."""
    from torch_mlir import ir

    cause: Any = error.__cause__
    if not isinstance(cause, ir.MLIRError):
        return [Reported("error", 0, error.message)]
    found: list[Reported] = []
    for diagnostic in cause.error_diagnostics:
        found.append(Reported("error", _line(diagnostic.location), diagnostic.message))
        found += [Reported("note", _line(n.location), n.message) for n in diagnostic.notes]
    return found


def compare(text: str, skipped: int, got: Sequence[Reported]) -> list[str]:
    """What is missing and what is unexpected, each as `line: complaint`.

    Args:
        text: A part of a file, with the comments.
        skipped: Lines of the file before that part.
        got: What was reported. Notes need not be expected.
    """
    left = list(got)
    problems: list[str] = []
    for kind, line, wanted in _expected(text, skipped):
        match = next(
            (r for r in left if r.kind == kind and r.line in (line, 0) and wanted in r.text), None
        )
        if match is None:
            problems.append(f"{line}: expected {kind} was not produced: {wanted}")
        else:
            left.remove(match)
    problems += [f"{r.line}: unexpected error: {r.text}" for r in left if r.kind == "error"]
    return problems


def _expected(text: str, skipped: int) -> Iterator[tuple[str, int, str]]:
    for number, content in enumerate(text.split("\n"), start=1 + skipped):
        for match in _EXPECTED.finditer(content):
            where = {"above": "-1", "below": "+1", None: "0"}.get(match["where"], match["where"])
            yield match["kind"], number + int(where), match["text"]


def _line(location: ir.Location) -> int:
    from torch_mlir import ir

    from noema.dialects.provenance import locations

    for part in locations(location):
        if isinstance(part, ir.FileLineColLoc):
            return part.start_line
    return 0
