"""Applying patterns until none matches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from torch_mlir import ir

from noema.dialects.attrs import ActivationKind
from noema.dialects.context import new_context
from noema.dialects.graph import main_of
from noema.dialects.provenance import node_names
from noema.errors import InternalError
from noema.passes.base import PassContext
from noema.passes.patterns.apply import apply, apply_stages
from noema.passes.patterns.build import activation
from noema.passes.patterns.match import made_by
from noema.passes.patterns.pattern import Declined, Match, Pattern

_ACTIVATION = "{alpha = 0.0 : f32, beta = 0.0 : f32, kind = "


def _module(body: Sequence[str]) -> ir.Module:
    """A function of x, a vector of f32; `name = kind(operand)` each, the last one returned."""
    lines: list[str] = []
    for line in body:
        name, kind, operand = line.replace("=", " ").replace("(", " ").replace(")", " ").split()
        lines.append(
            f'%{name} = "sem.activation"(%{operand}) {_ACTIVATION}"{kind}"}}'
            f' : (tensor<4xf32>) -> tensor<4xf32> loc("{name}")'
        )
    last = body[-1].split()[0]
    text = "\n".join(
        [
            "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {",
            *lines,
            f"return %{last} : tensor<4xf32>",
            "}",
        ]
    )
    return ir.Module.parse(text, new_context())


def _ops(module: ir.Module) -> list[tuple[str, tuple[str, ...]]]:
    """Kind and node names of each op."""
    block = main_of(module).regions[0].blocks[0]
    return [
        (ir.StringAttr(op.attributes["kind"]).value, node_names(op))
        for op in block.operations
        if op.operation.name == "sem.activation"
    ]


class _Shorten(Pattern):
    """relu(relu(x)) --> relu(x)."""

    name = "shorten"
    roots = ("activation.relu",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        first = made_by(root.operands[0], "activation.relu")
        if first is None:
            return None
        return Match([first, root], lambda: [activation(ActivationKind.RELU, first.operands[0])])


def test_a_pattern_is_applied_until_it_matches_nowhere() -> None:
    module = _module([f"a{i} = relu({f'a{i - 1}' if i else 'x'})" for i in range(9)])
    tallies = apply(module, [_Shorten()], PassContext())
    assert [kind for kind, _ in _ops(module)] == ["relu"]
    assert tallies["shorten"].found == 8
    assert sorted(_ops(module)[0][1]) == [f"a{i}" for i in range(9)]


def test_ops_with_other_users_stay() -> None:
    module = _module(["a = relu(x)", "b = relu(a)", "c = tanh(b)"])
    block = main_of(module).regions[0].blocks[0]
    first, _, last = list(block.operations)[:3]
    with module.context:
        last.operation.operands[0] = first.operation.results[0]  # b is dead, a is used twice
    apply(module, [_Shorten()], PassContext())
    assert _ops(module) == [("relu", ("a",)), ("relu", ("a", "b")), ("tanh", ("c",))]


def test_what_users_see_changes_while_they_wait() -> None:
    """An op whose operand is replaced before its turn comes is still looked at once, and erased
    once: its identity doesn't depend on its operands."""
    chain = ["a = relu(x)", "b = relu(a)", "c = tanh(b)", "d = relu(c)", "e = relu(d)"]
    module = _module([*chain, "f = relu(e)", "g = sigmoid(f)"])
    tallies = apply(module, [_Shorten()], PassContext())
    assert [kind for kind, _ in _ops(module)] == ["relu", "tanh", "relu", "sigmoid"]
    assert tallies["shorten"].found == 3


def test_a_near_miss_is_remembered_by_its_node() -> None:
    class Choosy(Pattern):
        name = "choosy"
        roots = ("activation.tanh",)

        def match(self, root: ir.Operation, context: PassContext) -> Match | None:
            raise Declined("the moon is waning")

    module = _module(["a = relu(x)", "b = tanh(a)"])
    tallies = apply(module, [Choosy()], PassContext())
    assert tallies["choosy"].declined == {"b": "the moon is waning"}
    assert len(_ops(module)) == 2


def test_the_first_pattern_that_matches_wins() -> None:
    class Tanh(Pattern):
        name = "tanh"
        roots = ("activation.relu",)

        def match(self, root: ir.Operation, context: PassContext) -> Match | None:
            return Match([root], lambda: [activation(ActivationKind.TANH, root.operands[0])])

    module = _module(["a = relu(x)", "b = relu(a)"])
    tallies = apply(module, [_Shorten(), Tanh()], PassContext())
    # In program order: a alone is no chain.
    assert [kind for kind, _ in _ops(module)] == ["tanh", "tanh"]
    assert (tallies["shorten"].found, tallies["tanh"].found) == (0, 2)


def test_a_pattern_is_tried_only_where_the_root_reads_what_it_wants() -> None:
    class Reader(_Shorten):
        reads = ("activation.relu",)

    module = _module(["a = relu(x)", "b = relu(a)", "c = tanh(b)", "d = relu(c)"])
    tallies = apply(module, [Reader()], PassContext())
    # At b, whose place a new op takes; not at a, that new op, or d.
    assert (tallies["shorten"].tried, tallies["shorten"].found) == (1, 1)
    assert [kind for kind, _ in _ops(module)] == ["relu", "tanh", "relu"]


def test_a_stage_sees_what_the_one_before_made() -> None:
    class Tanh(Pattern):
        name = "tanh"
        roots = ("activation.relu",)
        reads = ("activation.relu",)

        def match(self, root: ir.Operation, context: PassContext) -> Match | None:
            return Match([root], lambda: [activation(ActivationKind.TANH, root.operands[0])])

    module = _module(["a = relu(x)", "b = relu(a)", "c = tanh(b)", "d = relu(c)"])
    tallies = apply_stages(module, [[Tanh()], [_Shorten()]], PassContext())
    assert [kind for kind, _ in _ops(module)] == ["relu", "tanh", "tanh", "relu"]
    assert (tallies["tanh"].found, tallies["shorten"].found) == (1, 0)


def test_a_crash_in_a_pattern_names_it_and_the_node() -> None:
    class Broken(Pattern):
        name = "broken"
        roots = ("activation.relu",)

        def match(self, root: ir.Operation, context: PassContext) -> Match | None:
            raise KeyError("x")

    with pytest.raises(KeyError) as caught:
        apply(_module(["a = relu(x)"]), [Broken()], PassContext())
    assert caught.value.__notes__ == ["in pattern broken, at node a"]


def test_a_pattern_must_give_every_result() -> None:
    class Short(Pattern):
        name = "short"
        roots = ("activation.relu",)

        def match(self, root: ir.Operation, context: PassContext) -> Match | None:
            return Match([root], list)

    with pytest.raises(InternalError, match="0 values for 1 results"):
        apply(_module(["a = relu(x)"]), [Short()], PassContext())
