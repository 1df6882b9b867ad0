"""Applies patterns to a module until none matches any more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from torch_mlir import ir

from noema.dialects.graph import definer, is_used, key_of
from noema.dialects.provenance import EXEMPT_OPS, fused_location, has_provenance, node_names
from noema.errors import InternalError, PluginFailed
from noema.passes.base import PassContext, Tally
from noema.passes.patterns.pattern import Declined, Match, Pattern
from noema.passes.patterns.plugins import REMEDY, described
from noema.plugins import Plugin


@dataclass(eq=False)
class _Entry:
    """An op on the work list, by its first result; `gone` once it has been erased."""

    op: ir.Operation
    key: ir.Value
    gone: bool = False


def apply(
    module: ir.Module,
    patterns: Sequence[Pattern],
    context: PassContext,
    plugins: Mapping[str, Plugin] = MappingProxyType({}),
) -> dict[str, Tally]:
    """Rewrites all functions of a module, in place.

    Ops are looked at in program order; the new ops of a match, and the users of its results, are
    looked at again. Of the patterns for a root, the first that matches wins.

    Args:
        module: The module.
        patterns: All patterns, the first ones first.
        context: What they may use.
        plugins: Name → origin of those patterns that aren't ours. What these build is verified.

    Returns:
        Pattern name → what became of it.

    Raises:
        PluginFailed: One of `plugins` raised an exception, or left IR that isn't valid.
    """
    tallies = {p.name: Tally() for p in patterns}
    with module.context:
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    _Rewriter(patterns, tallies, context, plugins).run(block)
        at_work = [str(plugin) for name, plugin in plugins.items() if tallies[name].found]
        if at_work:
            _check_module(module, " or ".join(at_work))
    return tallies


def _check_module(module: ir.Module, suspects: str) -> None:
    try:
        module.operation.verify()
    except ir.MLIRError as error:
        raise PluginFailed(
            f"pattern {suspects} left IR that doesn't verify: {_first_diagnostic(error)}",
            remedy=REMEDY,
        ) from error


def _first_diagnostic(error: ir.MLIRError) -> str:
    messages = [d.message.strip().partition("\n")[0] for d in error.error_diagnostics]
    return messages[0] if messages else str(error)


def _check_ops(made: Iterable[ir.Operation]) -> None:
    for op in made:
        try:
            op.verify()
        except ir.MLIRError as error:
            raise ValueError(f"{op.name} does not verify: {_first_diagnostic(error)}") from error
        if op.name not in EXEMPT_OPS and not has_provenance(op.location):
            raise ValueError(f"{op.name} was built at a location without an ONNX node")


class _Rewriter:
    """The work list over one block."""

    def __init__(
        self,
        patterns: Sequence[Pattern],
        tallies: dict[str, Tally],
        context: PassContext,
        plugins: Mapping[str, Plugin],
    ) -> None:
        self._by_root: dict[str, list[Pattern]] = {}
        for pattern in patterns:
            for root in pattern.roots:
                self._by_root.setdefault(root, []).append(pattern)
        self._tallies = tallies
        self._context = context
        self._plugins = plugins
        self._most = 0
        # Every op of the block, by its first result: an op's own hash is one of its contents, and
        # changes with its operands. An erased op leaves, since its address may come back with a
        # new one. Ops without results can be no root and are left out.
        self._known: set[ir.Value] = set()
        self._waiting: dict[ir.Value, _Entry] = {}
        self._work: deque[_Entry] = deque()

    def run(self, block: ir.Block) -> None:
        for view in block.operations:
            self._known.update(view.operation.results[:1])
            self._push(view.operation)
        # A rewrite that makes its own root again would go on for ever.
        self._most = 64 + 16 * len(self._known)
        while self._work:
            entry = self._work.popleft()
            if not entry.gone:
                del self._waiting[entry.key]
                self._visit(entry.op)

    def _push(self, op: ir.Operation) -> None:
        if key_of(op) not in self._by_root:  # most ops, in most stages
            return
        for key in op.results[:1]:
            if key not in self._waiting:
                entry = _Entry(op, key)
                self._waiting[key] = entry
                self._work.append(entry)

    def _visit(self, op: ir.Operation) -> None:
        for pattern in self._by_root[key_of(op)]:
            tally = self._tallies[pattern.name]
            start = time.perf_counter()
            tally.tried += 1
            try:
                match = pattern.match(op, self._context)
                if match is not None:
                    tally.found += 1
                    if tally.found > self._most:
                        raise InternalError(f"found {tally.found} times, without an end")
                    self._replace(op, match, is_ours=pattern.name not in self._plugins)
                    return
            except Declined as reason:
                tally.declined[next(iter(node_names(op)), "")] = str(reason)
            except Exception as error:
                names = ", ".join(node_names(op))
                if pattern.name in self._plugins:
                    raise PluginFailed(
                        f"pattern {self._plugins[pattern.name]} failed: {described(error)}",
                        node=names or None,
                        remedy=REMEDY,
                    ) from error
                error.add_note(f"in pattern {pattern.name}, at node {names}")
                raise
            finally:
                tally.seconds += time.perf_counter() - start

    def _replace(self, root: ir.Operation, match: Match, *, is_ours: bool) -> None:
        covers = [op for op in match.covers if op != root]
        with fused_location([*covers, root]), ir.InsertionPoint(root):
            values = match.build()
        if len(values) != len(root.results):
            raise InternalError(f"{len(values)} values for {len(root.results)} results")
        for result, value in zip(root.results, values, strict=True):
            if value is None and is_used(result):
                raise InternalError("no value for a result that is used")
            if value is not None and value.type != result.type:
                raise InternalError(f"a value of type {value.type} for one of {result.type}")
        made = self._adopt([v for v in values if v is not None])
        if not is_ours:
            _check_ops(made)
        users: list[ir.Operation] = []
        for result, value in zip(root.results, values, strict=True):
            if value is not None:
                users += [use.owner.operation for use in result.uses]
                result.replace_all_uses_with(value)
        for user in users:
            self._push(user)
        self._erase(root)

    def _adopt(self, values: Iterable[ir.Value]) -> list[ir.Operation]:
        """Enters the ops that `values` come from and that aren't known yet, operands first."""
        made: list[ir.Operation] = []
        for value in values:
            op = definer(value)
            if op is not None and op.results[0] not in self._known:
                self._known.add(op.results[0])
                made += self._adopt(op.operands)
                self._push(op)
                made.append(op)
        return made

    def _erase(self, root: ir.Operation) -> None:
        """Erases the root, and what is dead without it."""
        stack = [root]
        while stack:
            op = stack.pop()
            definers = {d for d in map(definer, op.operands) if d is not None}
            for key in op.results[:1]:
                self._known.discard(key)
                entry = self._waiting.pop(key, None)
                if entry is not None:
                    entry.gone = True
            op.erase()
            stack += [d for d in definers if not any(is_used(r) for r in d.results)]
