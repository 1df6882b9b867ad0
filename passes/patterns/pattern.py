"""What a pattern is: a rule that finds several ops which are one thing together.

A pattern looks at one op, the root, and walks from it towards the operands. It only looks:
`match` builds nothing and changes nothing, it returns what it found as a `Match`, and
`passes/patterns/apply.py` puts the new op in place, at the joined location of all that it covers.

Whether the covered ops have other users doesn't matter: those that do stay, the others die.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from noema.passes.base import PassContext


@dataclass(frozen=True)
class Match:
    """What a pattern found.

    Attributes:
        covers: The ops that the new ones stand for, the root among them, in program order or not.
        build: Builds the new ops at the current insertion point and location, which is just before
            the root, and returns a value for each result of the root, of the same type; None for
            a result that has no uses.
    """

    covers: Sequence[ir.Operation]
    build: Callable[[], Sequence[ir.Value | None]]


class Declined(Exception):
    """Raised by `match` where a pattern nearly fits and a reader would ask why it didn't.

    `noema explain` shows the reason. A plain mismatch returns None.
    """


class Pattern(ABC):
    """A rule that rewrites several ops into fewer. The docstring holds before --> after in MLIR."""

    name: ClassVar[str]
    """Kebab-case, unique, e.g. `layer-norm`."""
    roots: ClassVar[tuple[str, ...]]
    """Keys (`noema.dialects.graph.key_of`) of the ops that may be the root, which is the last op
    of the group in program order: `elementwise.mul`, `matmul`, `onnx.Reshape`."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Keys of ops. If there are any, the pattern is tried only where the root reads a result of one
    of them: `match` would return None elsewhere, but later."""
    stage: ClassVar[int] = 0
    """Which stage of `recognize` (`noema.passes.recognize.STAGES`) a plugin's pattern joins."""

    @abstractmethod
    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        """What the pattern finds at `root`, whose key is one of `roots`; None if nothing.

        Raises:
            Declined: It nearly fits.
        """
