"""LayerNorm and RMSNorm that an exporter spelled out, and the scale and bias that follow one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import NormKind
from noema.dialects.graph import definer, key_of, users
from noema.passes.base import PassContext
from noema.passes.patterns.build import norm as norm_of
from noema.passes.patterns.build import reshaped
from noema.passes.patterns.match import axes, integer, is_number, made_by, number, pairs
from noema.passes.patterns.onnx_rewrite import with_shape
from noema.passes.patterns.pattern import Match, Pattern

_SCALED = ("norm.layer", "norm.rms")
_INVERSES = ("elementwise.sqrt", "elementwise.pow", "elementwise.reciprocal", "elementwise.div")
"""What a deviation is divided by, or multiplied with."""


@dataclass(frozen=True)
class Quotient:
    """numerator / sqrt(square + epsilon), with the ops that say so."""

    numerator: ir.Value
    square: ir.Value
    epsilon: float
    covers: tuple[ir.Operation, ...]


class LayerNorm(Pattern):
    """(x - mean x) / sqrt(mean (x - mean x)² + epsilon) over the last dimensions --> sem.norm.

    The variance may also be mean x² - (mean x)².

    ```mlir
    %m = "sem.onnx"(%x) {op_type = "ReduceMean", attrs = {axes = array<i64: -1>}, …}
    %d = "sem.elementwise"(%x, %m) {kind = "sub", …}
    %q = "sem.elementwise"(%d, %d) {kind = "mul", …}
    %v = "sem.onnx"(%q) {op_type = "ReduceMean", attrs = {axes = array<i64: -1>}, …}
    %e = "sem.elementwise"(%v, %epsilon) {kind = "add", …}
    %s = "sem.elementwise"(%e) {kind = "sqrt", …}
    %0 = "sem.elementwise"(%d, %s) {kind = "div", …}
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x) {kind = "layer", axis = 2 : i64, epsilon = 1.0e-05 : f32, …}
    ```
    """

    name = "layer-norm"
    roots = ("elementwise.div", "elementwise.mul")
    reads = _INVERSES

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for quotient in _quotients(root):
            centred = made_by(quotient.numerator, "elementwise.sub")
            if centred is None:
                continue
            x, mean = centred.operands
            axis = mean_axis(mean, x, context)
            if axis is None:
                continue
            variance = _variance(quotient.square, quotient.numerator, x, mean, axis, context)
            if variance is not None:
                covers = [_op(mean), centred, *variance, *quotient.covers, root]
                return _norm(covers, NormKind.LAYER, x, root, axis, quotient.epsilon)
        return None


class RmsNorm(Pattern):
    """x / sqrt(mean x² + epsilon) over the last dimensions --> sem.norm of kind rms.

    ```mlir
    %q = "sem.elementwise"(%x, %x) {kind = "mul", …}
    %v = "sem.onnx"(%q) {op_type = "ReduceMean", attrs = {axes = array<i64: -1>}, …}
    %e = "sem.elementwise"(%v, %epsilon) {kind = "add", …}
    %s = "sem.elementwise"(%e) {kind = "sqrt", …}
    %r = "sem.elementwise"(%s) {kind = "reciprocal", …}
    %0 = "sem.elementwise"(%x, %r) {kind = "mul", …}
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x) {kind = "rms", axis = 2 : i64, epsilon = 1.0e-06 : f32, …}
    ```
    """

    name = "rms-norm"
    roots = ("elementwise.div", "elementwise.mul")
    reads = _INVERSES

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for quotient in _quotients(root):
            x = quotient.numerator
            squares = _mean_square(quotient.square, x, context)
            if squares is not None:
                axis, covers = squares
                covers = [*covers, *quotient.covers, root]
                return _norm(covers, NormKind.RMS, x, root, axis, quotient.epsilon)
        return None


class NormScale(Pattern):
    """A layer or rms norm without a scale, times one of the normalised shape --> its scale.

    ```mlir
    %n = "sem.norm"(%x) {kind = "rms", axis = 2 : i64, …} : (tensor<?x?x8xf32>) -> …
    %0 = "sem.elementwise"(%n, %w) {kind = "mul", …} : (tensor<?x?x8xf32>, tensor<8xf32>) -> …
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x, %w) {kind = "rms", axis = 2 : i64, …}
    ```
    """

    name = "norm-scale"
    roots = ("elementwise.mul",)
    reads = _SCALED

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for value, scale in pairs(root):
            norm = _own_norm(value, root)
            if norm is not None and len(norm.operands) == 1 and _fits(norm, scale):
                return _with(norm, root, scale=scale)
        return None


class NormBias(Pattern):
    """A layer norm without a bias, plus one of the normalised shape --> its bias.

    ```mlir
    %n = "sem.norm"(%x, %w) {kind = "layer", axis = 2 : i64, …}
    %0 = "sem.elementwise"(%n, %b) {kind = "add", …} : (tensor<?x?x8xf32>, tensor<8xf32>) -> …
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x, %w, %b) {kind = "layer", axis = 2 : i64, …}
    ```
    """

    name = "norm-bias"
    roots = ("elementwise.add",)
    reads = _SCALED

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for value, bias in pairs(root):
            norm = _own_norm(value, root)
            if norm is None:
                continue
            _, scale, given, *_ = [*sem.slots(norm), None, None]
            if given is None and _fits(norm, bias):
                return _with(norm, root, scale=scale, bias=bias)
        return None


def _op(value: ir.Value) -> ir.Operation:
    op = definer(value)
    assert op is not None
    return op


def _quotients(root: ir.Operation) -> list[Quotient]:
    """The ways to read an op as a / sqrt(b + epsilon)."""
    if key_of(root) == "elementwise.div":
        numerator, denominator = root.operands
        return _deviation(numerator, denominator, (), inverse=False)
    return [q for numerator, factor in pairs(root) for q in inverse_deviations(numerator, factor)]


def inverse_deviations(numerator: ir.Value, factor: ir.Value) -> list[Quotient]:
    """The ways to read numerator · factor as numerator / sqrt(b + epsilon)."""
    inverse = definer(factor)
    if inverse is None:
        return []
    key = key_of(inverse)
    if key == "elementwise.reciprocal":
        return _deviation(numerator, inverse.operands[0], (inverse,), inverse=False)
    if key == "elementwise.div" and is_number(inverse.operands[0], 1.0):
        return _deviation(numerator, inverse.operands[1], (inverse,), inverse=False)
    if key in ("elementwise.pow", "elementwise.sqrt"):
        return _deviation(numerator, factor, (), inverse=True)
    return []


def _deviation(
    numerator: ir.Value, root: ir.Value, covers: tuple[ir.Operation, ...], *, inverse: bool
) -> list[Quotient]:
    """The quotient by `root` = sqrt(b + epsilon); if `inverse`, the product with 1 / of it."""
    op = definer(root)
    if op is None:
        return []
    key = key_of(op)
    if key == "elementwise.sqrt":
        inner = op.operands[0]
        if inverse:  # sqrt(1 / (b + epsilon))
            reciprocal = made_by(inner, "elementwise.reciprocal")
            if reciprocal is None:
                return []
            covers, inner = (*covers, reciprocal), reciprocal.operands[0]
    elif key == "elementwise.pow" and is_number(op.operands[1], -0.5 if inverse else 0.5):
        inner = op.operands[0]
    else:
        return []
    total = made_by(inner, "elementwise.add")
    if total is None:
        return []
    for square, term in pairs(total):
        epsilon = number(term)
        if epsilon is not None:
            return [Quotient(numerator, square, epsilon, (total, *covers, op))]
    return []


def mean_axis(value: ir.Value, x: ir.Value, context: PassContext) -> int | None:
    """The axis from which on `value` is the mean of `x`, dimensions kept; None if it isn't."""
    op = made_by(value, "onnx.ReduceMean")
    if op is None or not same(op.operands[0], x) or integer(op, "keepdims", 1) != 1:
        return None
    return _trailing(op, context)


def _trailing(mean: ir.Operation, context: PassContext) -> int | None:
    reduced, rank = axes(mean, context), len(sem.shape_of(mean.operands[0]))
    if not reduced or reduced != list(range(reduced[0], rank)):
        return None
    return reduced[0]


def _squared(value: ir.Value) -> tuple[ir.Value, ir.Operation] | None:
    """What `value` is the square of."""
    op = definer(value)
    if op is None:
        return None
    key = key_of(op)
    if key == "elementwise.mul" and same(op.operands[0], op.operands[1]):
        return op.operands[0], op
    if key == "elementwise.pow" and is_number(op.operands[1], 2.0, tolerance=0):
        return op.operands[0], op
    return None


def _mean_square(
    value: ir.Value, x: ir.Value, context: PassContext
) -> tuple[int, list[ir.Operation]] | None:
    """The axis from which on `value` is the mean of x², and the ops."""
    mean = made_by(value, "onnx.ReduceMean")
    if mean is None or integer(mean, "keepdims", 1) != 1:
        return None
    squared = _squared(mean.operands[0])
    if squared is None or not same(squared[0], x):
        return None
    axis = _trailing(mean, context)
    return None if axis is None else (axis, [squared[1], mean])


def _variance(
    value: ir.Value, centred: ir.Value, x: ir.Value, mean: ir.Value, axis: int, context: PassContext
) -> list[ir.Operation] | None:
    """The ops by which `value` is the variance of x from `axis` on; None if it isn't."""
    squares = _mean_square(value, centred, context)
    if squares is not None:
        return squares[1] if squares[0] == axis else None
    difference = made_by(value, "elementwise.sub")
    if difference is None:
        return None
    squares = _mean_square(difference.operands[0], x, context)
    squared = _squared(difference.operands[1])
    if squares is None or squares[0] != axis or squared is None or not same(squared[0], mean):
        return None
    return [*squares[1], squared[1], difference]


def variance_of(
    value: ir.Value, x: ir.Value, mean: ir.Value, axis: int, context: PassContext
) -> list[ir.Operation] | None:
    """As `_variance`, of whichever difference from the mean is squared, either way round."""
    averaged = made_by(value, "onnx.ReduceMean")
    squared = None if averaged is None else _squared(averaged.operands[0])
    centred = None if squared is None else made_by(squared[0], "elementwise.sub")
    if squared is None or centred is None:
        return _variance(value, x, x, mean, axis, context) if averaged is None else None
    ways = (list(centred.operands), list(centred.operands)[::-1])
    if not any(same(a, x) and same(b, mean) for a, b in ways):
        return None
    found = _variance(value, squared[0], x, mean, axis, context)
    return None if found is None else [centred, *found]


def same(a: ir.Value, b: ir.Value, depth: int = 3) -> bool:
    """Whether two values are one, or are computed in the same way from ones that are."""
    if a == b:
        return True
    first, second = definer(a), definer(b)
    if not depth or first is None or second is None or first.name != second.name:
        return False
    if a.type != b.type or _attributes(first) != _attributes(second):
        return False
    operands = list(zip(first.operands, second.operands, strict=False))
    single = len(first.results) == len(second.results) == 1
    alike = single and len(first.operands) == len(second.operands)
    return alike and all(same(x, y, depth - 1) for x, y in operands)


def _attributes(op: ir.Operation) -> dict[str, ir.Attribute]:
    return {name: op.attributes[name] for name in op.attributes}


def _own_norm(value: ir.Value, root: ir.Operation) -> ir.Operation | None:
    """The layer or rms norm that makes a value which only `root` uses."""
    norm = made_by(value, *_SCALED)
    return norm if norm is not None and users(value) == [root] else None


def _fits(norm: ir.Operation, value: ir.Value) -> bool:
    return fits(norm.operands[0], ir.IntegerAttr(norm.attributes["axis"]).value, value)


def fits(x: ir.Value, axis: int, value: ir.Value) -> bool:
    """Whether a value has the shape of a norm's scale and bias, but for leading ones.

    Args:
        x: What is normalised.
        axis: From which axis on.
        value: The value.
    """
    if ir.RankedTensorType(value.type).element_type != ir.RankedTensorType(x.type).element_type:
        return False
    wanted = sem.shape_of(x)[axis:]
    shape = sem.shape_of(value)
    extra = len(shape) - len(wanted)
    return (
        None not in wanted
        and 0 <= extra <= len(sem.shape_of(x)) - len(wanted)
        and shape[extra:] == wanted
        and all(d == 1 for d in shape[:extra])
    )


def _norm(
    covers: Sequence[ir.Operation],
    kind: NormKind,
    x: ir.Value,
    root: ir.Operation,
    axis: int,
    epsilon: float,
) -> Match | None:
    if x.type != root.results[0].type:
        return None

    def build() -> list[ir.Value | None]:
        return [norm_of(kind, x, axis=axis, epsilon=epsilon)]

    return Match(list(covers), build)


def _with(
    norm: ir.Operation,
    root: ir.Operation,
    *,
    scale: ir.Value | None,
    bias: ir.Value | None = None,
) -> Match:
    """The norm with another scale or bias, in place of `root`."""
    x, attributes = norm.operands[0], norm.attributes
    kind = NormKind(ir.StringAttr(attributes["kind"]).value)
    axis = ir.IntegerAttr(attributes["axis"]).value
    epsilon = ir.FloatAttr(attributes["epsilon"]).value

    def build() -> list[ir.Value | None]:
        first, second = (None if v is None else flat(v, x, axis) for v in (scale, bias))
        return [norm_of(kind, x, axis=axis, epsilon=epsilon, scale=first, bias=second)]

    return Match([norm, root], build)


def flat(value: ir.Value, x: ir.Value, axis: int) -> ir.Value:
    """A scale or bias without its leading ones."""
    shape = sem.shape_of(x)[axis:]
    if sem.shape_of(value) == shape:
        return value
    return reshaped(value, with_shape(shape, value), version=13)
