"""Activations that are functions of one variable, spelled out in arithmetic."""

from __future__ import annotations

import math

from torch_mlir import ir

from noema.dialects.attrs import ActivationKind as Kind
from noema.dialects.graph import key_of
from noema.passes.base import PassContext
from noema.passes.patterns.algebra import polynomial, product
from noema.passes.patterns.build import as_activation
from noema.passes.patterns.match import made_by, number, pairs
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of
from noema.passes.patterns.pattern import Match, Pattern


class Relu(Pattern):
    """max(x, 0) of floats --> relu.

    ```mlir
    %0 = "sem.elementwise"(%x, %zero) {kind = "max", …}
    ```
    -->
    ```mlir
    %0 = "sem.activation"(%x) {kind = "relu", …}
    ```
    """

    name = "relu"
    roots = ("elementwise.max",)
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for x, bound in pairs(root):
            if x.type == root.results[0].type and number(bound) == 0 and element_of(x) in FLOATS:
                return as_activation([root], Kind.RELU, x)
        return None


class Sigmoid(Pattern):
    """1 / (1 + exp(-x)) --> sigmoid.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "neg", …}
    %1 = "sem.elementwise"(%0) {kind = "exp", …}
    %2 = "sem.elementwise"(%1, %one) {kind = "add", …}
    %3 = "sem.elementwise"(%2) {kind = "reciprocal", …}
    ```
    -->
    ```mlir
    %3 = "sem.activation"(%x) {kind = "sigmoid", …}
    ```
    """

    name = "sigmoid"
    roots = ("elementwise.reciprocal",)
    reads = ("elementwise.add",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        found = _one_more_than(root.operands[0], "elementwise.exp")
        if found is None:
            return None
        total, exp = found
        negated = made_by(exp.operands[0], "elementwise.neg")
        if negated is None or negated.operands[0].type != root.results[0].type:
            return None
        return as_activation([negated, exp, total, root], Kind.SIGMOID, negated.operands[0])


class Softplus(Pattern):
    """log(1 + exp(x)) --> softplus, which doesn't overflow where exp(x) does.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "exp", …}
    %1 = "sem.elementwise"(%0, %one) {kind = "add", …}
    %2 = "sem.elementwise"(%1) {kind = "log", …}
    ```
    -->
    ```mlir
    %2 = "sem.activation"(%x) {kind = "softplus", …}
    ```
    """

    name = "softplus"
    roots = ("elementwise.log",)
    reads = ("elementwise.add",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        found = _one_more_than(root.operands[0], "elementwise.exp")
        if found is None or found[1].operands[0].type != root.results[0].type:
            return None
        total, exp = found
        return as_activation([exp, total, root], Kind.SOFTPLUS, exp.operands[0])


class Softsign(Pattern):
    """x / (1 + |x|) --> softsign.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "abs", …}
    %1 = "sem.elementwise"(%0, %one) {kind = "add", …}
    %2 = "sem.elementwise"(%x, %1) {kind = "div", …}
    ```
    -->
    ```mlir
    %2 = "sem.activation"(%x) {kind = "softsign", …}
    ```
    """

    name = "softsign"
    roots = ("elementwise.div",)
    reads = ("elementwise.add",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, below = root.operands
        found = _one_more_than(below, "elementwise.abs")
        if found is None or found[1].operands[0] != x or element_of(x) not in FLOATS:
            return None
        return as_activation([found[1], found[0], root], Kind.SOFTSIGN, x)


class HardSigmoid(Pattern):
    """clip(alpha x + beta, 0, 1), or a multiple of what makes that --> hard-sigmoid.

    ```mlir
    %0 = "sem.elementwise"(%x, %three) {kind = "add", …}
    %1 = "sem.elementwise"(%0, %zero, %six) {kind = "clip", …}
    %2 = "sem.elementwise"(%1, %sixth) {kind = "mul", …}
    ```
    -->
    ```mlir
    %2 = "sem.activation"(%x) {alpha = 0.166666667 : f32, beta = 0.5 : f32, kind = "hard_sigmoid"}
    ```

    A clip of x itself stays one.
    """

    name = "hard-sigmoid"
    roots = ("elementwise.clip", "elementwise.mul")
    reads = ("elementwise.clip", "constant")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        slope, covers, clip = 1.0, [root], root
        if key_of(root) == "elementwise.mul":
            if not any(made_by(v, "elementwise.clip") for v in root.operands):
                return None
            read = product(root)
            made = made_by(read.factors[0], "elementwise.clip") if len(read.factors) == 1 else None
            if made is None:
                return None
            clip, slope = made, read.coefficient
            covers = [clip, *read.ops]
        x, low, high = clip.operands
        least, most = number(low), number(high)
        if least != 0 or most is None or not math.isclose(most * slope, 1, rel_tol=1e-5):
            return None
        if x.type != root.results[0].type or element_of(x) not in FLOATS:
            return None
        inner = _before_numbers(x)
        line = None if inner is None or inner == x else polynomial(x, inner)
        if line is None or inner is None or any(line.coefficients[2:]) or not line.coefficients[1]:
            return None
        if inner.type != x.type:
            return None
        beta, alpha = (c * slope for c in line.coefficients[:2])
        return as_activation([*line.ops, *covers], Kind.HARD_SIGMOID, inner, alpha=alpha, beta=beta)


def _before_numbers(value: ir.Value) -> ir.Value | None:
    """What numbers were added to and multiplied with to get a value."""
    op = made_by(value, "elementwise.add", "elementwise.mul")
    if op is None:
        return value
    others = [v for v in op.operands if number(v) is None]
    return _before_numbers(others[0]) if len(others) == 1 else value


def _one_more_than(value: ir.Value, key: str) -> tuple[ir.Operation, ir.Operation] | None:
    """The addition, and the op of that key, if a value is 1 + its result."""
    total = made_by(value, "elementwise.add")
    if total is None:
        return None
    for inner, one in pairs(total):
        op = made_by(inner, key)
        if op is not None and number(one) == 1:
            return total, op
    return None
