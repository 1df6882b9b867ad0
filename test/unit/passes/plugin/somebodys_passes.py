"""A package with passes, as somebody else might install one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from noema.passes.base import Pass, PassContext


@dataclass(frozen=True)
class ThirdParty(Pass):
    """Does nothing."""

    name = "third-party"
    limit: int = 3

    def run(self, module: Any, context: PassContext) -> bool:
        return False


@dataclass(frozen=True)
class Misnamed(Pass):
    """Has another name than its entry point."""

    name = "other"

    def run(self, module: Any, context: PassContext) -> bool:
        return False


class NotAPass:
    """Isn't one."""
