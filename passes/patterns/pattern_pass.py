"""Passes that apply patterns and do nothing else."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.apply import apply_stages
from noema.passes.patterns.pattern import Pattern
from noema.plugins import Plugin


@dataclass(frozen=True)
class Stages:
    """The patterns of a pass.

    Attributes:
        patterns: Lists of them; each runs until nothing matches, the next one sees what it left.
        plugins: Name → origin of those patterns that aren't ours.
    """

    patterns: Sequence[Sequence[Pattern]]
    plugins: Mapping[str, Plugin] = field(default_factory=dict[str, Plugin])


class PatternPass(Pass):
    """A pass that only applies patterns. Several in a row may share one work list."""

    @abstractmethod
    def stages(self) -> Stages:
        """Its patterns.

        Raises:
            NoemaError: One that should be among them can't be loaded.
        """

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        return apply_passes(module, (self,), context)


def apply_passes(
    module: ir.Module, passes: Sequence[PatternPass], context: PassContext
) -> PassResult:
    """Runs passes one after the other, over one work list: what every op is gets read once.

    No name of a pattern occurs twice in them.
    """
    all_stages = [each.stages() for each in passes]
    patterns = [patterns for stages in all_stages for patterns in stages.patterns]
    plugins = {name: plugin for stages in all_stages for name, plugin in stages.plugins.items()}
    tallies = apply_stages(module, patterns, context, plugins)
    found = {name: tally.found for name, tally in tallies.items() if tally.found}
    return PassResult(bool(found), found, tallies)
