"""Arithmetic with numbers and signs, written in many ways --> in one way."""

from __future__ import annotations

import math

from torch_mlir import ir

from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dialects.graph import key_of
from noema.passes.base import PassContext
from noema.passes.patterns.build import number_like
from noema.passes.patterns.elementwise import COMMUTING
from noema.passes.patterns.match import is_known, made_by, number, pairs
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of, elementwise, scalar
from noema.passes.patterns.pattern import Match, Pattern


class ConstantSecond(Pattern):
    """A constant before the operator, where the order doesn't matter --> behind it.

    ```mlir
    %0 = "sem.elementwise"(%bias, %x) {kind = "add", …}
           : (tensor<8xf32>, tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.elementwise"(%x, %bias) {kind = "add", …}
           : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
    ```
    """

    name = "constant-second"
    roots = tuple(f"elementwise.{kind}" for kind in sorted(COMMUTING))
    reads = ("constant", "param")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        first, second = root.operands
        if not is_known(first) or is_known(second):
            return None
        kind = ir.StringAttr(root.attributes["kind"]).value
        return Match([root], lambda: [elementwise(kind, [second, first], root.results[0].type)])


class DivideByNumber(Pattern):
    """x / c --> x · (1 / c), for floats and a constant of one number.

    ```mlir
    %c = "sem.constant"() {value = dense<8.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %c) {kind = "div", …}
    ```
    -->
    ```mlir
    %c = "sem.constant"() {value = dense<0.125> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %c) {kind = "mul", …}
    ```

    Exact for powers of 2; for others the result may differ by 1 ulp, since 1 / c is rounded too.
    Not where 1 / c would be subnormal or infinite.
    """

    name = "divide-by-number"
    roots = ("elementwise.div",)
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, divisor = root.operands
        c = number(divisor)
        if c is None or c == 0 or not math.isfinite(c) or element_of(x) not in FLOATS:
            return None
        tiny, huge = _RANGE[element_of(x)]
        if not tiny <= abs(1 / c) <= huge:
            return None
        return Match(
            [root],
            lambda: [elementwise(Kind.MUL, [x, number_like(1 / c, divisor)], root.results[0].type)],
        )


_RANGE = {"f16": (2.0**-14, 65504.0), "bf16": (2.0**-126, 3e38), "f32": (2.0**-126, 3e38)} | {
    "f64": (2.0**-1022, 1e308)
}
"""Least and largest normal number, about, of the element types."""


class DivideOne(Pattern):
    """1 / x --> reciprocal of x.

    ```mlir
    %0 = "sem.elementwise"(%one, %x) {kind = "div", …}
    ```
    -->
    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "reciprocal", …}
    ```
    """

    name = "divide-one"
    roots = ("elementwise.div",)
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        one, x = root.operands
        if x.type != root.results[0].type or number(one) != 1 or element_of(x) not in FLOATS:
            return None
        return Match([root], lambda: [elementwise(Kind.RECIPROCAL, [x], x.type)])


class PowerOfNumber(Pattern):
    """x to the power of a constant --> the operator that says so.

    ```mlir
    %two = "sem.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %two) {kind = "pow", …}
    ```
    -->
    ```mlir
    %0 = "sem.elementwise"(%x, %x) {kind = "mul", …}
    ```

    1. Power 1: x.
    2. Power 2: x · x.
    3. Powers 1/2, -1/2 of floats: square root, and its reciprocal. (Of -∞ these are NaN, where the
       power is ∞; and the root of -0 is -0.)
    4. Power -1 of floats: reciprocal.
    """

    name = "power-of-number"
    roots = ("elementwise.pow",)
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, exponent = root.operands
        result = root.results[0].type
        power = number(exponent)
        if power not in (1, 2, 0.5, -0.5, -1) or x.type != result:
            return None
        if power == 1:  # case 1
            return Match([root], lambda: [x])
        if power == 2:  # case 2
            return Match([root], lambda: [elementwise(Kind.MUL, [x, x], result)])
        if element_of(x) not in FLOATS:
            return None
        if power == -1:  # case 4
            return Match([root], lambda: [elementwise(Kind.RECIPROCAL, [x], result)])

        def build() -> list[ir.Value]:  # case 3
            value = elementwise(Kind.SQRT, [x], result)
            return [value if power > 0 else elementwise(Kind.RECIPROCAL, [value], result)]

        return Match([root], build)


class SubtractNumber(Pattern):
    """x - c --> x + (-c), for a constant of one number.

    ```mlir
    %c = "sem.constant"() {value = dense<3.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %c) {kind = "sub", …}
    ```
    -->
    ```mlir
    %c = "sem.constant"() {value = dense<-3.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %c) {kind = "add", …}
    ```
    """

    name = "subtract-number"
    roots = ("elementwise.sub",)
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x, subtrahend = root.operands
        c = number(subtrahend)
        if c is None or element_of(x) not in FLOATS:
            return None
        return Match(
            [root],
            lambda: [elementwise(Kind.ADD, [x, number_like(-c, subtrahend)], root.results[0].type)],
        )


class Signs(Pattern):
    """Signs that cancel or say another operator.

    ```mlir
    %0 = "sem.elementwise"(%y) {kind = "neg", …} : (tensor<?xf32>) -> tensor<?xf32>
    %1 = "sem.elementwise"(%x, %0) {kind = "sub", …}
    ```
    -->
    ```mlir
    %1 = "sem.elementwise"(%x, %y) {kind = "add", …}
    ```

    1. -(-x): x.
    2. x - (-y): x + y.
    3. x + (-y), (-y) + x: x - y.
    4. x · (-1): -x.
    5. 0 - x: -x. (Of 0 this is -0.)
    """

    name = "signs"
    roots = ("elementwise.neg", "elementwise.sub", "elementwise.add", "elementwise.mul")
    reads = ("constant", "elementwise.neg")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        result = root.results[0].type
        key = key_of(root)
        if key == "elementwise.neg":  # case 1
            inner = made_by(root.operands[0], "elementwise.neg")
            return None if inner is None else Match([inner, root], lambda: [inner.operands[0]])
        x, y = root.operands
        if key == "elementwise.sub":
            if number(x) == 0 and y.type == result:  # case 5
                return _negated(root, y)
            return self._opposite(root, x, y, Kind.ADD)  # case 2
        if key == "elementwise.add":  # case 3
            found = self._opposite(root, x, y, Kind.SUB)
            return self._opposite(root, y, x, Kind.SUB) if found is None else found
        for value, factor in pairs(root):  # case 4
            if number(factor) == -1 and value.type == result:
                return _negated(root, value)
        return None

    def _opposite(self, root: ir.Operation, x: ir.Value, y: ir.Value, kind: Kind) -> Match | None:
        negated = made_by(y, "elementwise.neg")
        if negated is None:
            return None
        return Match(
            [negated, root],
            lambda: [elementwise(kind, [x, negated.operands[0]], root.results[0].type)],
        )


def _negated(root: ir.Operation, x: ir.Value) -> Match:
    return Match([root], lambda: [elementwise(Kind.NEG, [x], x.type)])


class Neutral(Pattern):
    """x · 1, x + 0, x and true, x or false --> x.

    ```mlir
    %one = "sem.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
    %0 = "sem.elementwise"(%x, %one) {kind = "mul", …}
    %1 = "sem.activation"(%0) {kind = "relu", …}
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …}
    ```

    A -0 may stay that + 0 would have made 0.
    """

    name = "neutral"
    roots = ("elementwise.mul", "elementwise.add", "elementwise.and", "elementwise.or")
    reads = ("constant",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        neutral = 1.0 if key_of(root) in ("elementwise.mul", "elementwise.and") else 0.0
        for x, other in pairs(root):
            if x.type == root.results[0].type and number(other) == neutral:
                return _itself(root, x)
        return None


def _itself(root: ir.Operation, x: ir.Value) -> Match:
    return Match([root], lambda: [x])


class KnownChoice(Pattern):
    """A Where that is decided, or asks the opposite --> what it gives.

    ```mlir
    %0 = "sem.elementwise"(%c) {kind = "not", …} : (tensor<?xi1>) -> tensor<?xi1>
    %1 = "sem.elementwise"(%0, %x, %y) {kind = "where", …}
    ```
    -->
    ```mlir
    %1 = "sem.elementwise"(%c, %y, %x) {kind = "where", …}
    ```

    1. A constant condition: that operand, if it has the type of the result.
    2. A negated condition: the operands change places.
    """

    name = "known-choice"
    roots = ("elementwise.where",)
    reads = ("constant", "elementwise.not")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        condition, x, y = root.operands
        result = root.results[0].type
        known = number(condition)
        if known is not None:  # case 1
            chosen = x if known else y
            return _itself(root, chosen) if chosen.type == result else None
        negated = made_by(condition, "elementwise.not")
        if negated is None:
            return None
        return Match(  # case 2
            [negated, root],
            lambda: [elementwise(Kind.WHERE, [negated.operands[0], y, x], result)],
        )


class Clamp(Pattern):
    """min(max(x, low), high), either first, with low ≤ high --> clip.

    ```mlir
    %0 = "sem.elementwise"(%x, %zero) {kind = "max", …}
    %1 = "sem.elementwise"(%0, %six) {kind = "min", …}
    ```
    -->
    ```mlir
    %1 = "sem.elementwise"(%x, %zero, %six) {kind = "clip", …}
           : (tensor<?xf32>, tensor<f32>, tensor<f32>) -> tensor<?xf32>
    ```

    A relu stands for the maximum with 0, also inside a clip whose lower bound isn't above 0.
    """

    name = "clamp"
    roots = ("elementwise.min", "elementwise.max", "elementwise.clip")
    reads = ("constant", "activation.relu")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        key = key_of(root)
        if key == "elementwise.clip":
            return self._clip_of_relu(root)
        for inner, bound in pairs(root):
            outer_bound = number(bound)
            if outer_bound is None:
                continue
            found = _bounded_by(inner, "max" if key == "elementwise.min" else "min")
            if found is None:
                continue
            op, x, inner_bound = found
            low, high = inner_bound, outer_bound
            if key == "elementwise.max":
                low, high = high, low
            if low > high or x.type != root.results[0].type:
                return None
            return _clip([op, root], x, low, high)
        return None

    def _clip_of_relu(self, root: ir.Operation) -> Match | None:
        relu = made_by(root.operands[0], "activation.relu")
        if relu is None:
            return None
        low, high = (number(v) for v in list(root.operands)[1:])
        if low is None or high is None or not low <= 0 <= high:
            return None
        return _clip([relu, root], relu.operands[0], 0.0, high)


def _bounded_by(value: ir.Value, kind: str) -> tuple[ir.Operation, ir.Value, float] | None:
    """The op, the value and the bound, of a value that is max (or min) of another and a number."""
    op = made_by(value, f"elementwise.{kind}")
    if op is not None:
        for x, bound in pairs(op):
            found = number(bound)
            if found is not None:
                return op, x, found
        return None
    relu = made_by(value, "activation.relu") if kind == "max" else None
    return None if relu is None else (relu, relu.operands[0], 0.0)


def _clip(covers: list[ir.Operation], x: ir.Value, low: float, high: float) -> Match:
    def build() -> list[ir.Value]:
        bounds = [scalar(low, x), scalar(high, x)]
        return [elementwise(Kind.CLIP, [x, *bounds], x.type)]

    return Match(covers, build)
