"""Applies patterns to a module until none matches any more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

from torch_mlir import ir

from noema.dialects.graph import definer, is_used, key_of
from noema.dialects.provenance import EXEMPT_OPS, fused_location, has_provenance, node_names
from noema.errors import InternalError, PluginFailed
from noema.passes.base import PassContext, Tally
from noema.passes.patterns.pattern import Declined, Match, Pattern
from noema.passes.patterns.plugins import REMEDY, described
from noema.plugins import Plugin


@dataclass(eq=False, slots=True)
class _Known:
    """An op of the block that has results.

    Attributes:
        op: The op.
        first: Its first result.
        key: What it is (`noema.dialects.graph.key_of`).
        place: Where it stands: the place of the op that it was built for, and how many were built
            for that one before it.
        reads: Keys of the ops that make its operands, "" for an argument; None until it is asked.
        waits: Whether it is on the work list.
        gone: Whether it has been erased.
    """

    op: ir.Operation
    first: ir.Value
    key: str
    place: tuple[int, ...]
    reads: tuple[str, ...] | None = None
    waits: bool = False
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
        self._by_form: dict[tuple[str, tuple[str, ...]], Sequence[_Candidate]] = {}
        self._most = 0
        # By each of its results: an op's own hash is one of its contents, and changes with its
        # operands. An erased op leaves, since its address may come back with a new one. Ops
        # without results can be no root and are left out.
        self._known: dict[ir.Value, _Known] = {}
        self._work: deque[_Known] = deque()
        for place, view in enumerate(block.operations):
            self._learn(view.operation, (place,))

    def run(self, patterns: Sequence[Pattern]) -> None:
        self._by_root = {}
        self._by_form = {}
        for pattern in patterns:
            for root in pattern.roots:
                self._by_root.setdefault(root, []).append(
                    _Candidate(pattern, frozenset(pattern.reads), self._tallies[pattern.name])
                )
        roots = self._by_root
        found = [known for known in self._known.values() if known.key in roots]
        found.sort(key=attrgetter("place"))
        for known in found:
            self._push(known)
        # A rewrite that makes its own root again would go on for ever.
        self._most = 64 + 16 * len(self._known)
        while self._work:
            known = self._work.popleft()
            if not known.gone:
                known.waits = False
                self._visit(known)

    def _learn(self, op: ir.Operation, place: tuple[int, ...]) -> _Known | None:
        results = list(op.results)
        if not results:
            return None
        known = _Known(op, results[0], key_of(op), place)
        for result in results:
            self._known[result] = known
        return known

    def _push(self, known: _Known) -> None:
        # Most ops are no root, in most stages.
        if not known.waits and known.key in self._by_root:
            known.waits = True
            self._work.append(known)

    def _candidates(self, root: _Known) -> Sequence[_Candidate]:
        """The patterns that may match at an op, by what it is and what it reads."""
        reads = root.reads
        if reads is None:
            makers = map(self._known.get, root.op.operands)
            reads = root.reads = tuple(["" if m is None else m.key for m in makers])
        form = (root.key, reads)
        found = self._by_form.get(form)
        if found is None:  # a network has few forms, and many ops of each
            found = self._by_form[form] = [
                candidate
                for candidate in self._by_root[root.key]
                if not candidate.reads or not candidate.reads.isdisjoint(reads)
            ]
        return found

    def _visit(self, root: _Known) -> None:
        op = root.op
        for candidate in self._candidates(root):
            pattern, tally = candidate.pattern, candidate.tally
            start = time.perf_counter()
            tally.tried += 1
            try:
                match = pattern.match(op, self._context)
                if match is not None:
                    tally.found += 1
                    if tally.found > self._most:
                        raise InternalError(f"found {tally.found} times, without an end")
                    self._replace(root, match, is_ours=pattern.name not in self._plugins)
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

    def _replace(self, known: _Known, match: Match, *, is_ours: bool) -> None:
        root = known.op
        covers = [op for op in match.covers if op != root]
        location = fused_location([*covers, root]) if covers else root.location
        with location, ir.InsertionPoint(root):
            values = match.build()
        results = list(root.results)
        if len(values) != len(results):
            raise InternalError(f"{len(values)} values for {len(results)} results")
        for result, value in zip(results, values, strict=True):
            if value is None and is_used(result):
                raise InternalError("no value for a result that is used")
            if value is not None and value.type != result.type:
                raise InternalError(f"a value of type {value.type} for one of {result.type}")
        made: list[ir.Operation] = []
        self._enter((v for v in values if v is not None), known.place, made)
        if not is_ours:
            _check_ops(made)
        users: list[ir.Operation] = []
        for result, value in zip(results, values, strict=True):
            if value is not None:
                users += [use.owner.operation for use in result.uses]
                result.replace_all_uses_with(value)
        for user in users:
            for first in user.results:
                if first in self._known:  # else it is in a region of an op of the block
                    self._known[first].reads = None
                    self._push(self._known[first])
                break
        self._erase(root)

    def _enter(
        self, values: Iterable[ir.Value], place: tuple[int, ...], made: list[ir.Operation]
    ) -> None:
        """Enters the ops that `values` come from and that aren't known yet, operands first.

        Args:
            values: What was built.
            place: That of the op whose place they take.
            made: Gets the ops.
        """
        for value in values:
            op = None if value in self._known else definer(value)
            if op is not None:
                self._enter(op.operands, place, made)
                known = self._learn(op, (*place, len(made)))
                assert known is not None  # `value` is a result of it
                self._push(known)
                made.append(op)

    def _erase(self, root: ir.Operation) -> None:
        """Erases the root, and what is dead without it."""
        stack = [root]
        while stack:
            op = stack.pop()
            operands = dict.fromkeys(op.operands)
            for result in op.results:
                self._known.pop(result).gone = True
            op.erase()
            dead: dict[ir.Value, ir.Operation] = {}  # by first result: an op may have made several
            for operand in operands:
                maker = None if is_used(operand) else self._known.get(operand)
                if maker is not None and not any(map(is_used, maker.op.results)):
                    dead[maker.first] = maker.op
            stack += dead.values()
