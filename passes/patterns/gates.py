"""Activations that are their operand times a function of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.attrs import ActivationKind as Kind
from noema.passes.base import PassContext
from noema.passes.patterns.algebra import core, polynomial, product, uncast
from noema.passes.patterns.build import as_activation
from noema.passes.patterns.match import activation_parameters, made_by, number
from noema.passes.patterns.onnx_rewrite import element_of
from noema.passes.patterns.pattern import Match, Pattern

_ERF = (0.0, math.sqrt(0.5))
_TANH = (0.0, math.sqrt(2 / math.pi), 0.0, 0.044715 * math.sqrt(2 / math.pi))
"""What GELU and its approximation take the erf and the tanh of, by powers of x."""
_INSIDE = ("elementwise.add", "elementwise.mul", "elementwise.cast", "elementwise.sub")
"""What may stand between the product and the function."""


@dataclass(frozen=True)
class _Gate:
    """A product x · (offset + slope · f(…)).

    Attributes:
        x: The operand.
        function: The op f.
        offset: The number added.
        slope: The number multiplied.
        element: Element type in which the numbers are written.
        ops: All ops but f, the root among them.
    """

    x: ir.Value
    function: ir.Operation
    offset: float
    slope: float
    element: str
    ops: Sequence[ir.Operation]

    def is_near(self, offset: float, slope: float) -> bool:
        tolerance = 1e-4 if self.element in ("f32", "f64") else 4e-3
        return all(
            math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-9)
            for a, b in ((self.offset, offset), (self.slope, slope))
        )

    def argument(self, *coefficients: float) -> list[ir.Operation] | None:
        """All ops, if f is taken of the polynomial of x with these coefficients."""
        read = polynomial(self.function.operands[0], self.x)
        if read is None or not read.is_near(*coefficients, element=self.element):
            return None
        return [*read.ops, self.function, *self.ops]

    def becomes(self, kind: Kind, ops: Sequence[ir.Operation], alpha: float = 0.0) -> Match:
        return as_activation(ops, kind, self.x, alpha=alpha)


def _gates(root: ir.Operation, keys: Collection[str]) -> Iterator[_Gate]:
    """A multiplication, read as gates by functions of these keys."""
    if root.operands[0] == root.operands[1]:  # a square, of which norms have many
        return
    read = product(root)
    if len(read.factors) != 2:
        return
    for x, factor in (read.factors, tuple(reversed(read.factors))):
        function = core(factor)
        if function is None or not made_by(function.results[0], *keys):
            continue
        gate = polynomial(factor, function.results[0])
        if gate is None or any(gate.coefficients[2:]) or x.type != root.results[0].type:
            continue
        offset, slope = (c * read.coefficient for c in gate.coefficients[:2])
        yield _Gate(x, function, offset, slope, element_of(x), [*gate.ops, *read.ops])


class Gelu(Pattern):
    """x/2 · (1 + erf(x/√2)), and its approximation by tanh or sigmoid --> GELU.

    ```mlir
    %0 = "sem.elementwise"(%x, %root_half) {kind = "mul", …}
    %1 = "sem.elementwise"(%0) {kind = "erf", …}
    %2 = "sem.elementwise"(%1, %one) {kind = "add", …}
    %3 = "sem.elementwise"(%x, %2) {kind = "mul", …}
    %4 = "sem.elementwise"(%3, %half) {kind = "mul", …}
    ```
    -->
    ```mlir
    %4 = "sem.activation"(%x) {kind = "gelu_erf", …}
    ```

    In any order and grouping of the factors and terms:

    1. x/2 · (1 + erf(x/√2)): gelu_erf.
    2. x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): gelu_tanh.
    3. x · sigmoid(2 √(2/π) (x + 0.044715 x³)), which is the same: gelu_tanh.
    """

    name = "gelu"
    roots = ("elementwise.mul",)
    reads = (*_INSIDE, "elementwise.erf", "activation.tanh", "activation.sigmoid")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for gate in _gates(root, ("elementwise.erf", "activation.tanh", "activation.sigmoid")):
            if made_by(gate.function.results[0], "activation.sigmoid"):
                if gate.is_near(0.0, 1.0):  # case 3
                    ops = gate.argument(*(2 * c for c in _TANH))
                    if ops:
                        return gate.becomes(Kind.GELU_TANH, ops)
            elif gate.is_near(0.5, 0.5):
                is_erf = made_by(gate.function.results[0], "elementwise.erf")
                ops = gate.argument(*(_ERF if is_erf else _TANH))  # cases 1, 2
                if ops:
                    return gate.becomes(Kind.GELU_ERF if is_erf else Kind.GELU_TANH, ops)
        return None


class Swish(Pattern):
    """x · sigmoid(alpha x) --> swish. Also called SiLU, and with alpha = 1.702 the quick GELU.

    ```mlir
    %s = "sem.activation"(%x) {kind = "sigmoid", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %0 = "sem.elementwise"(%x, %s) {kind = "mul", …}
    ```
    -->
    ```mlir
    %0 = "sem.activation"(%x) {alpha = 1.0 : f32, kind = "swish", …}
    ```

    x/2 · (1 + tanh(alpha x / 2)) is the same.
    """

    name = "swish"
    roots = ("elementwise.mul",)
    reads = (*_INSIDE, "activation.sigmoid", "activation.tanh")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for gate in _gates(root, ("activation.sigmoid", "activation.tanh")):
            is_tanh = made_by(gate.function.results[0], "activation.tanh") is not None
            if not (gate.is_near(0.5, 0.5) if is_tanh else gate.is_near(0.0, 1.0)):
                continue
            read = polynomial(gate.function.operands[0], gate.x)
            if read is None or read.coefficients[0] or any(read.coefficients[2:]):
                continue
            alpha = read.coefficients[1] * (2 if is_tanh else 1)
            return gate.becomes(Kind.SWISH, [*read.ops, gate.function, *gate.ops], alpha)
        return None


class HardSwish(Pattern):
    """x · clip(x + 3, 0, 6) / 6, and x · hard_sigmoid(x) of slope 1/6 --> hard-swish.

    ```mlir
    %0 = "sem.elementwise"(%x, %three) {kind = "add", …}
    %1 = "sem.elementwise"(%0, %zero, %six) {kind = "clip", …}
    %2 = "sem.elementwise"(%x, %1) {kind = "mul", …}
    %3 = "sem.elementwise"(%2, %sixth) {kind = "mul", …}
    ```
    -->
    ```mlir
    %3 = "sem.activation"(%x) {kind = "hard_swish", …}
    ```
    """

    name = "hard-swish"
    roots = ("elementwise.mul",)
    reads = (*_INSIDE, "elementwise.clip", "activation.hard_sigmoid")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for gate in _gates(root, ("elementwise.clip", "activation.hard_sigmoid")):
            function = gate.function
            if gate.offset != 0:
                continue
            if function.name == "sem.activation":
                alpha, beta = activation_parameters(function)
                same = uncast(function.operands[0]) == uncast(gate.x)
                if same and gate.is_near(0.0, 1.0) and _is_sixth(alpha, beta):
                    return gate.becomes(Kind.HARD_SWISH, [function, *gate.ops])
                continue
            low, high = (number(v) for v in list(function.operands)[1:])
            read = polynomial(function.operands[0], gate.x)
            if low != 0 or high is None or read is None or any(read.coefficients[2:]):
                continue
            slope = gate.slope
            if math.isclose(high * slope, 1, rel_tol=1e-3) and _is_sixth(
                read.coefficients[1] * slope, read.coefficients[0] * slope
            ):
                return gate.becomes(Kind.HARD_SWISH, [*read.ops, function, *gate.ops])
        return None


def _is_sixth(alpha: float, beta: float) -> bool:
    return math.isclose(alpha, 1 / 6, rel_tol=1e-3) and math.isclose(beta, 0.5, rel_tol=1e-3)


class Mish(Pattern):
    """x · tanh(softplus(x)) --> mish.

    ```mlir
    %0 = "sem.activation"(%x) {kind = "softplus", …}
    %1 = "sem.activation"(%0) {kind = "tanh", …}
    %2 = "sem.elementwise"(%x, %1) {kind = "mul", …}
    ```
    -->
    ```mlir
    %2 = "sem.activation"(%x) {kind = "mish", …}
    ```
    """

    name = "mish"
    roots = ("elementwise.mul",)
    reads = (*_INSIDE, "activation.tanh")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for gate in _gates(root, ("activation.tanh",)):
            softplus = made_by(gate.function.operands[0], "activation.softplus")
            if softplus is None or not gate.is_near(0.0, 1.0):
                continue
            if uncast(softplus.operands[0]) == uncast(gate.x):
                return gate.becomes(Kind.MISH, [softplus, gate.function, *gate.ops])
        return None
