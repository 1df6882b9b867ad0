"""Applies patterns to a module until none matches any more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
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
    first: ir.Value
    key: str
    gone: bool = False


@dataclass(frozen=True)
class _Candidate:
    """A pattern, with what is asked of every root."""

    pattern: Pattern
    reads: frozenset[str]
    tally: Tally


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
    return apply_stages(module, (patterns,), context, plugins)


def apply_stages(
    module: ir.Module,
    stages: Sequence[Sequence[Pattern]],
    context: PassContext,
    plugins: Mapping[str, Plugin] = MappingProxyType({}),
) -> dict[str, Tally]:
    """Applies one list of patterns after the other, each until none of it matches any more.

    As `apply` for each, but quicker: what every op is gets read once.
    """
    tallies = {p.name: Tally() for patterns in stages for p in patterns}
    with module.context:
        for function in module.body.operations:
            for region in function.operation.regions:
                for block in region:
                    rewriter = _Rewriter(block, tallies, context, plugins)
                    for patterns in stages:
                        rewriter.run(patterns)
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
        block: ir.Block,
        tallies: dict[str, Tally],
        context: PassContext,
        plugins: Mapping[str, Plugin],
    ) -> None:
        self._tallies = tallies
        self._context = context
        self._plugins = plugins
        self._by_root: dict[str, list[_Candidate]] = {}
        self._most = 0
        # What every op of the block is, by each of its results: an op's own hash is one of its
        # contents, and changes with its operands. An erased op leaves, since its address may come
        # back with a new one. Ops without results can be no root and are left out.
        self._keys: dict[ir.Value, str] = {}
        # By its first result, where an op stands: that of the op that it took the place of, and
        # how many were built before it.
        self._places: dict[ir.Value, tuple[int, ...]] = {}
        self._waiting: dict[ir.Value, _Entry] = {}
        self._work: deque[_Entry] = deque()
        for place, view in enumerate(block.operations):
            self._learn(view.operation, (place,))

    def run(self, patterns: Sequence[Pattern]) -> None:
        self._by_root = {}
        for pattern in patterns:
            for root in pattern.roots:
                self._by_root.setdefault(root, []).append(
                    _Candidate(pattern, frozenset(pattern.reads), self._tallies[pattern.name])
                )
        keys, roots = self._keys, self._by_root
        found = [(p, v) for v, p in self._places.items() if keys[v] in roots]
        found.sort(key=itemgetter(0))
        for _, value in found:
            op = definer(value)
            assert op is not None
            self._push(op)
        # A rewrite that makes its own root again would go on for ever.
        self._most = 64 + 16 * len(self._keys)
        while self._work:
            entry = self._work.popleft()
            if not entry.gone:
                del self._waiting[entry.first]
                self._visit(entry.op, entry.key)

    def _learn(self, op: ir.Operation, place: tuple[int, ...]) -> None:
        key, results = key_of(op), list(op.results)
        for result in results:
            self._keys[result] = key
        for first in results[:1]:
            self._places[first] = place

    def _push(self, op: ir.Operation) -> None:
        for first in op.results:
            key = self._keys.get(first, "")
            # Most ops are no root, in most stages.
            if key in self._by_root and first not in self._waiting:
                entry = self._waiting[first] = _Entry(op, first, key)
                self._work.append(entry)
            break

    def _visit(self, op: ir.Operation, key: str) -> None:
        keys = self._keys
        read = {keys.get(operand, "") for operand in op.operands}
        for candidate in self._by_root[key]:
            if candidate.reads and candidate.reads.isdisjoint(read):
                continue
            pattern, tally = candidate.pattern, candidate.tally
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
        location = fused_location([*covers, root]) if covers else root.location
        with location, ir.InsertionPoint(root):
            values = match.build()
        if len(values) != len(root.results):
            raise InternalError(f"{len(values)} values for {len(root.results)} results")
        for result, value in zip(root.results, values, strict=True):
            if value is None and is_used(result):
                raise InternalError("no value for a result that is used")
            if value is not None and value.type != result.type:
                raise InternalError(f"a value of type {value.type} for one of {result.type}")
        made = self._adopt([v for v in values if v is not None], self._places[root.results[0]])
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

    def _adopt(self, values: Iterable[ir.Value], place: tuple[int, ...]) -> list[ir.Operation]:
        """Enters the ops that `values` come from and that aren't known yet, operands first.

        Args:
            values: What was built.
            place: Where: that of the op whose place they take.
        """
        made: list[ir.Operation] = []
        self._enter(values, place, made)
        return made

    def _enter(
        self, values: Iterable[ir.Value], place: tuple[int, ...], made: list[ir.Operation]
    ) -> None:
        for value in values:
            op = None if value in self._keys else definer(value)
            if op is not None:
                self._enter(op.operands, place, made)
                self._learn(op, (*place, len(made)))
                self._push(op)
                made.append(op)

    def _erase(self, root: ir.Operation) -> None:
        """Erases the root, and what is dead without it."""
        stack = [root]
        while stack:
            op = stack.pop()
            operands = dict.fromkeys(op.operands)
            for result in op.results:
                self._keys.pop(result, None)
                self._places.pop(result, None)
                entry = self._waiting.pop(result, None)
                if entry is not None:
                    entry.gone = True
            op.erase()
            dead: dict[ir.Value, ir.Operation] = {}  # by first result: an op may have made several
            for operand in operands:
                maker = None if is_used(operand) else definer(operand)
                if maker is not None and not any(is_used(r) for r in maker.results):
                    dead[maker.results[0]] = maker
            stack += dead.values()
