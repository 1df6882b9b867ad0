"""Applies patterns to a module until none matches any more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.graph import definer, is_used, key_of
from noema.dialects.provenance import fused_location, node_names
from noema.errors import InternalError
from noema.passes.base import PassContext, Tally
from noema.passes.patterns.pattern import Declined, Match, Pattern


@dataclass(eq=False)
class _Entry:
    """An op on the work list; `gone` once it has been erased."""

    op: ir.Operation
    gone: bool = False


def apply(module: ir.Module, patterns: Sequence[Pattern], context: PassContext) -> dict[str, Tally]:
    """Rewrites all functions of a module, in place.

    Ops are looked at in program order; the new ops of a match, and the users of its results, are
    looked at again. Of the patterns for a root, the first that matches wins.

    Returns:
        Pattern name → what became of it.
    """
    tallies = {p.name: Tally() for p in patterns}
    with module.context:
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    _Rewriter(patterns, tallies, context).run(block)
    return tallies


class _Rewriter:
    """The work list over one block."""

    def __init__(
        self, patterns: Sequence[Pattern], tallies: dict[str, Tally], context: PassContext
    ) -> None:
        self._by_root: dict[str, list[Pattern]] = {}
        for pattern in patterns:
            for root in pattern.roots:
                self._by_root.setdefault(root, []).append(pattern)
        self._tallies = tallies
        self._context = context
        # Every op of the block. An erased op leaves: its address may come back with a new one.
        self._known: set[ir.Operation] = set()
        self._waiting: dict[ir.Operation, _Entry] = {}
        self._work: deque[_Entry] = deque()

    def run(self, block: ir.Block) -> None:
        for view in block.operations:
            self._known.add(view.operation)
            self._push(view.operation)
        while self._work:
            entry = self._work.popleft()
            if not entry.gone:
                del self._waiting[entry.op]
                self._visit(entry.op)

    def _push(self, op: ir.Operation) -> None:
        if op not in self._waiting:
            entry = _Entry(op)
            self._waiting[op] = entry
            self._work.append(entry)

    def _visit(self, op: ir.Operation) -> None:
        for pattern in self._by_root.get(key_of(op), ()):
            tally = self._tallies[pattern.name]
            start = time.perf_counter()
            tally.tried += 1
            try:
                match = pattern.match(op, self._context)
                if match is not None:
                    tally.found += 1
                    self._replace(op, match)
                    return
            except Declined as reason:
                tally.declined[next(iter(node_names(op)), "")] = str(reason)
            except Exception as error:
                error.add_note(f"in pattern {pattern.name}, at node {', '.join(node_names(op))}")
                raise
            finally:
                tally.seconds += time.perf_counter() - start

    def _replace(self, root: ir.Operation, match: Match) -> None:
        covers = [op for op in match.covers if op != root]
        with fused_location([*covers, root]), ir.InsertionPoint(root):
            values = match.build()
        if len(values) != len(root.results):
            raise InternalError(f"{len(values)} values for {len(root.results)} results")
        users: list[ir.Operation] = []
        for result, value in zip(root.results, values, strict=True):
            if value is not None:
                users += [use.owner.operation for use in result.uses]
                result.replace_all_uses_with(value)
        self._adopt([v for v in values if v is not None])
        for user in users:
            self._push(user)
        self._erase(root)

    def _adopt(self, values: Iterable[ir.Value]) -> None:
        """Enters the ops that `values` come from and that aren't known yet, operands first."""
        for value in values:
            op = definer(value)
            if op is not None and op not in self._known:
                self._known.add(op)
                self._adopt(op.operands)
                self._push(op)

    def _erase(self, root: ir.Operation) -> None:
        """Erases the root, and what is dead without it."""
        stack = [root]
        while stack:
            op = stack.pop()
            definers = {d for d in map(definer, op.operands) if d is not None}
            self._known.discard(op)
            entry = self._waiting.pop(op, None)
            if entry is not None:
                entry.gone = True
            op.erase()
            stack += [d for d in definers if not any(is_used(r) for r in d.results)]
