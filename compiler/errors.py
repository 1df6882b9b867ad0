"""Every error that noema raises on purpose.

User errors derive from `NoemaError`: each says what is wrong, where (the ONNX node or IR
location) and what to do about it. `InternalError` is our own bug and derives from something
else, so that `except NoemaError` never hides one. Errors cross the compile process boundary
as JSON (`to_json`, `from_json`).

This module imports no stage.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


class InternalError(Exception):
    """A bug in noema: an invariant of ours does not hold."""


class NoemaError(Exception):
    """A failure that the user can understand and act upon.

    Attributes:
        message: What is wrong, one sentence or a short paragraph.
        node: Name of the ONNX node (or IR location) at fault, if there is one.
        remedy: What the user can do, if we know.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, node: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.node = node
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.message
        if self.node:
            text = f"node {printable(self.node)}: {text}"
        if self.remedy:
            text = f"{text}\n  remedy: {self.remedy}"
        return text

    def details(self) -> dict[str, object]:
        """Extra constructor arguments, JSON-representable; subclasses extend."""
        return {}

    def to_json(self) -> dict[str, object]:
        """The error as a JSON object that `from_json` reads back."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "node": self.node,
            "remedy": self.remedy,
            "details": self.details(),
        }


class InvalidModel(NoemaError):
    """The file is not a well-formed ONNX model, or is unsafe to read."""

    exit_code = 3


@dataclass(frozen=True)
class Gap:
    """One thing in the model that noema cannot compile.

    Attributes:
        op: ONNX operator as `domain.OpType`, or `OpType` for the default domain.
        node: Name of the ONNX node.
        reason: Why it isn't supported.
    """

    op: str
    node: str
    reason: str


class UnsupportedModel(NoemaError):
    """A valid model that uses something noema cannot compile; lists every gap."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        gaps: Sequence[Gap] = (),
        node: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, node=node, remedy=remedy)
        self.gaps = tuple(gaps)

    def __str__(self) -> str:
        lines = [super().__str__()]
        lines += [f"  {g.op} (node {printable(g.node)}): {g.reason}" for g in self.gaps]
        return "\n".join(lines)

    def details(self) -> dict[str, object]:
        return {"gaps": [[g.op, g.node, g.reason] for g in self.gaps]}


class CompileFailed(NoemaError):
    """Code generation refused the program; carries the compiler's diagnostics."""

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        diagnostics: Sequence[str] = (),
        node: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, node=node, remedy=remedy)
        self.diagnostics = tuple(diagnostics)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {d}" for d in self.diagnostics)])

    def details(self) -> dict[str, object]:
        return {"diagnostics": list(self.diagnostics)}


class CompileCrashed(NoemaError):
    """The compile process died (signal, abort, out of memory)."""

    exit_code = 6


class GeneratorCrashed(CompileCrashed):
    """The compile process was killed by a fault of its own in code generation.

    The code generator may survive the same program on a plainer way.
    """


class CompileTimeout(NoemaError):
    """The compile process ran past its CPU or wall-clock limit."""

    exit_code = 7


class ArtifactError(NoemaError):
    """A `.noema` file or cache entry is damaged, truncated or of another format."""

    exit_code = 8


class AccuracyBudgetMissed(NoemaError):
    """No assignment stays within the accuracy budget, or a check failed."""

    exit_code = 9


class DeviceUnavailable(NoemaError):
    """The program needs a device or CPU feature that this machine lacks."""

    exit_code = 10


class InvalidInput(NoemaError):
    """A call was given a wrong input name, dtype or shape."""

    exit_code = 11


class InvalidOption(NoemaError):
    """An option (target, pass pipeline, shape, …) cannot be understood."""

    exit_code = 2


class InvalidIR(NoemaError):
    """An IR file given to `noema opt` doesn't parse or verify, or a pass failed on it."""

    exit_code = 12


class RunFailed(NoemaError):
    """A compiled program stopped with an error while it ran."""

    exit_code = 13


class PluginFailed(NoemaError):
    """A pattern of a plugin can't be loaded, clashes with another, or failed at its work."""

    exit_code = 14


ERRORS: Mapping[str, type[NoemaError]] = {
    cls.__name__: cls
    for cls in (
        NoemaError,
        InvalidModel,
        UnsupportedModel,
        CompileFailed,
        CompileCrashed,
        GeneratorCrashed,
        CompileTimeout,
        ArtifactError,
        AccuracyBudgetMissed,
        DeviceUnavailable,
        InvalidInput,
        InvalidOption,
        InvalidIR,
        RunFailed,
        PluginFailed,
    )
}


def from_json(record: Mapping[str, object]) -> NoemaError:
    """Rebuilds an error written by `NoemaError.to_json`.

    Raises:
        InternalError: The record names no error class of ours.
    """
    cls = ERRORS.get(str(record.get("error")))
    if cls is None:
        raise InternalError(f"not an error record: {record!r}")
    message, node, remedy = (record.get(k) for k in ("message", "node", "remedy"))
    details = record.get("details")
    details = details if isinstance(details, Mapping) else {}
    common = {
        "node": None if node is None else str(node),
        "remedy": None if remedy is None else str(remedy),
    }
    if cls is UnsupportedModel:
        gaps = details.get("gaps")
        rows = gaps if isinstance(gaps, list) else []
        return UnsupportedModel(
            str(message), gaps=[Gap(str(a), str(b), str(c)) for a, b, c in rows], **common
        )
    if cls is CompileFailed:
        lines = details.get("diagnostics")
        lines = lines if isinstance(lines, list) else []
        return CompileFailed(str(message), diagnostics=[str(x) for x in lines], **common)
    return cls(str(message), **common)


def printable(name: str, limit: int = 120) -> str:
    """A name from a model file as safe, single-line, bounded text in quotes."""
    text = name.encode("unicode_escape").decode("ascii")
    return repr(text if len(text) <= limit else text[: limit - 1] + "…").replace("\\\\", "\\")


OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says when a file cannot grow: disk full, quota used up, file-size limit."""


def is_out_of_space(error: BaseException | None) -> bool:
    """Whether an error is, or was raised from, one of `OUT_OF_SPACE`."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OUT_OF_SPACE:
            return True
        error = error.__cause__
    return False
