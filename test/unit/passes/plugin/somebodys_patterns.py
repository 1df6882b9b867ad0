"""Patterns as somebody else might write them: one that works, and what can be wrong."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from noema.dialects import sem
from noema.passes.base import PassContext
from noema.passes.patterns.pattern import Match, Pattern


def relu(x: ir.Value, type_: ir.Type) -> ir.Value:
    zero = ir.FloatAttr.get(ir.F32Type.get(), 0.0)
    kind = ir.StringAttr.get("relu")
    return sem.ActivationOp(x, type_, kind=kind, alpha=zero, beta=zero).results[0]


class NegAsRelu(Pattern):
    """Puts a ReLU where there is a negation: wrong, but easily seen."""

    name = "neg-as-relu"
    roots = ("elementwise.neg",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        return Match([root], lambda: [self.build(root)])

    def build(self, root: ir.Operation) -> ir.Value | None:
        return relu(root.operands[0], root.results[0].type)


class Late(NegAsRelu):
    name = "late"
    stage = 2


class TooLate(NegAsRelu):
    name = "too-late"
    stage = 77


class Twin(NegAsRelu):
    """Has the name of another."""


class Rootless(NegAsRelu):
    name = "rootless"
    roots = ()


class Nameless(Pattern):
    roots = ("elementwise.neg",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        return None


class Abstract(Pattern):
    name = "abstract"
    roots = ("elementwise.neg",)


class NeedsArguments(NegAsRelu):
    name = "needs-arguments"

    def __init__(self, size: int) -> None:
        self.size = size


class CrashesInMatch(NegAsRelu):
    name = "crashes-in-match"

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        raise KeyError("no such weight")


class CrashesInBuild(NegAsRelu):
    name = "crashes-in-build"

    def build(self, root: ir.Operation) -> ir.Value | None:
        return [][0]


class BuildsNothing(NegAsRelu):
    name = "builds-nothing"

    def build(self, root: ir.Operation) -> ir.Value | None:
        return None


class BuildsAnotherType(NegAsRelu):
    name = "builds-another-type"

    def build(self, root: ir.Operation) -> ir.Value | None:
        return relu(root.operands[0], ir.RankedTensorType.get([7], ir.F32Type.get()))


class BuildsInvalid(NegAsRelu):
    name = "builds-invalid"

    def build(self, root: ir.Operation) -> ir.Value | None:
        attributes: Any = {"kind": ir.StringAttr.get("no such kind")}
        return ir.Operation.create(
            "sem.activation",
            results=[root.results[0].type],
            operands=list(root.operands),
            attributes=attributes,
        ).results[0]


class BuildsTooLate(NegAsRelu):
    """Its value is made after it is used."""

    name = "builds-too-late"

    def build(self, root: ir.Operation) -> ir.Value | None:
        with ir.InsertionPoint.at_block_terminator(root.block):
            return relu(root.operands[0], root.results[0].type)


class LosesTheNode(NegAsRelu):
    name = "loses-the-node"

    def build(self, root: ir.Operation) -> ir.Value | None:
        with ir.Location.unknown():
            return super().build(root)


class GoesOnForever(NegAsRelu):
    name = "goes-on-forever"

    def build(self, root: ir.Operation) -> ir.Value | None:
        return root.clone().results[0]


class NotAPattern:
    """Isn't one."""
