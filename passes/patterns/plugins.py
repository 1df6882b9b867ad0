"""Third-party patterns: found, loaded and checked; `recognize` runs them beside its own.

Whatever a plugin does wrong is a `PluginFailed` that names it. What it does to the IR is checked by
`passes/patterns/apply.py`.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from noema.errors import PluginFailed
from noema.passes.patterns.pattern import Pattern
from noema.plugins import PATTERN_GROUP, Plugin, declared

REMEDY = "fix or uninstall the plugin, or take it out of NOEMA_PATTERN_PLUGINS"


@dataclass(frozen=True)
class LoadedPattern:
    """A third-party pattern, ready to run.

    Attributes:
        pattern: An instance of its class.
        plugin: Where it came from.
    """

    pattern: Pattern
    plugin: Plugin


def load_patterns(taken: Collection[str], stages: int) -> tuple[LoadedPattern, ...]:
    """Imports all third-party patterns.

    Args:
        taken: Names of noema's own patterns.
        stages: Number of stages that a pattern may ask for.

    Raises:
        PluginFailed: One can't be imported, isn't a usable `Pattern`, or has another's name.
        InvalidOption: `NOEMA_PATTERN_PLUGINS` is malformed.
    """
    found: dict[str, LoadedPattern] = {}
    for plugin in declared(PATTERN_GROUP):
        pattern = _load(plugin, stages)
        if pattern.name in taken:
            raise PluginFailed(
                f"pattern {plugin} is called {pattern.name!r}, as one of noema's own",
                remedy="give it another name",
            )
        other = found.setdefault(pattern.name, LoadedPattern(pattern, plugin))
        if other.plugin is not plugin:
            raise PluginFailed(
                f"two patterns are called {pattern.name!r}: {other.plugin} and {plugin}",
                remedy="rename or uninstall one of them",
            )
    return tuple(found.values())


def _load(plugin: Plugin, stages: int) -> Pattern:
    module, _, name = plugin.value.partition(":")
    try:
        cls = getattr(importlib.import_module(module), name)
    # Importing runs someone else's code: anything may come out, and the user must hear whose.
    except Exception as error:
        raise PluginFailed(
            f"pattern {plugin} can't be imported: {described(error)}", remedy=REMEDY
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Pattern)):
        raise PluginFailed(f"{plugin} is not a noema Pattern", remedy=REMEDY)
    wrong = _wrong_with(cls, stages)
    if wrong is None and plugin.name not in ("", cls.name):
        wrong = f"calls itself {cls.name!r}; give the class and its entry point one name"
    if wrong is not None:
        raise PluginFailed(f"pattern {plugin} {wrong}", remedy=REMEDY)
    try:
        return cls()
    except Exception as error:  # as above
        raise PluginFailed(
            f"pattern {plugin} can't be made: {described(error)}", remedy=REMEDY
        ) from error


def _wrong_with(cls: type[Pattern], stages: int) -> str | None:
    """What a pattern class lacks, which nobody's type checker may have seen."""
    name: object = getattr(cls, "name", None)
    roots: object = getattr(cls, "roots", None)
    stage: object = cls.stage
    if not isinstance(name, str) or not name:
        return "has no name: write `name = …` in the class"
    if not isinstance(roots, tuple) or not roots or not all(isinstance(r, str) for r in roots):
        return "has no roots: write `roots = (…,)` with at least one key in the class"
    if not isinstance(stage, int) or not 0 <= stage < stages:
        return f"asks for stage {stage!r}; there are 0 to {stages - 1}"
    if inspect.isabstract(cls):
        return "has no method `match`"
    return None


def described(error: BaseException) -> str:
    """An exception of a plugin in one line: where in its code, what kind, what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if "importlib" not in f.filename]
    where = f"{Path(outside[-1].filename).name}:{outside[-1].lineno}: " if outside else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{Path(error.filename).name}:{error.lineno}: "
    text = " ".join(str(error).split())
    return f"{where}{type(error).__name__}: {text}"
