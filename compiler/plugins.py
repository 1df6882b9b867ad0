"""Which plugins there are, without importing any of them.

A package offers passes and patterns under the entry point groups `noema.passes` and
`noema.patterns`; `NOEMA_PATTERN_PLUGINS` names patterns of modules that needn't be installed.
`noema.passes` loads them, in the compile process; the caller's process only needs to know when
what they are has changed, which is `plugin_stamp`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.machinery
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from noema import environment

PASS_GROUP = "noema.passes"
PATTERN_GROUP = "noema.patterns"


@dataclass(frozen=True)
class Plugin:
    """A plugin as it was declared.

    Attributes:
        group: `PASS_GROUP` or `PATTERN_GROUP`.
        name: Name of the entry point; empty for one that the environment variable names.
        value: Where it is, as `module:Class`.
        package: Distribution and version that offers it; empty for the environment variable.
    """

    group: str
    name: str
    value: str
    package: str = ""

    def __str__(self) -> str:
        """`swish of your-package 1.0 (your_package.swish:Swish)`, for errors."""
        if not self.package:
            return f"{self.value} of {environment.PATTERN_PLUGINS}"
        return f"{self.name!r} of {self.package} ({self.value})"


def declared(group: str) -> tuple[Plugin, ...]:
    """The plugins of a group, sorted, each `module:Class` once.

    Raises:
        InvalidOption: `NOEMA_PATTERN_PLUGINS` is not a list of `module:Pattern`.
    """
    found: dict[str, Plugin] = {}
    for plugin in _installed(_search_path()):
        if plugin.group == group:
            found.setdefault(plugin.value, plugin)
    if group == PATTERN_GROUP:
        for value in environment.pattern_plugins():
            found.setdefault(value, Plugin(group, "", value))
    return tuple(sorted(found.values(), key=lambda p: (p.package, p.name, p.value)))


@functools.lru_cache(maxsize=4)
def _installed(_: tuple[tuple[str, int], ...]) -> tuple[Plugin, ...]:
    """What installed packages offer; reading it anew takes milliseconds.

    Args:
        _: The state of the search path: installing or removing a package changes a folder of it.
    """
    found: list[Plugin] = []
    for group in (PASS_GROUP, PATTERN_GROUP):
        for entry in entry_points(group=group):
            made_by = entry.dist
            package = f"{made_by.name} {made_by.version}" if made_by else "an unknown package"
            found.append(Plugin(group, entry.name, entry.value, package))
    return tuple(found)


def _search_path() -> tuple[tuple[str, int], ...]:
    """The folders that packages are found in, each with the time of its last change."""
    states: list[tuple[str, int]] = []
    for folder in sys.path:
        with contextlib.suppress(OSError):
            states.append((folder, os.stat(folder or ".").st_mtime_ns))
    return tuple(states)


def plugin_stamp() -> str:
    """Names the plugins and the state of their sources, as part of cache keys.

    The sources are all Python files of a plugin's top-level package, by size and modification
    time. What a plugin imports from other packages counts only by this one's version.

    Raises:
        InvalidOption: As `declared`.
    """
    lines: list[str] = []
    for group in (PASS_GROUP, PATTERN_GROUP):
        for plugin in declared(group):
            lines.append(f"{group}:{plugin.name}:{plugin.value}:{plugin.package}")
            top = plugin.value.partition(":")[0].partition(".")[0]
            lines += _states(_source_files(top))
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _source_files(top_level: str) -> Iterator[Path]:
    # The finder of files and folders only: importing a parent package would run its code.
    spec = importlib.machinery.PathFinder.find_spec(top_level)
    if spec is None:
        return
    if spec.submodule_search_locations is None:
        if spec.origin is not None:
            yield Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        yield from sorted(Path(folder).rglob("*.py"))


def _states(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        try:
            state = file.stat()
        except OSError:
            continue  # gone meanwhile: whoever imports it will say so
        yield f"{file}:{state.st_size}:{state.st_mtime_ns}"
