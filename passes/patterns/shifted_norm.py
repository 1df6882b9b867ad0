"""LayerNorm as a scale and a shift of the input, the way that batch normalisation is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import NormKind
from noema.dialects.graph import definer, key_of
from noema.passes.base import PassContext
from noema.passes.patterns.build import norm as norm_of
from noema.passes.patterns.match import made_by, pairs
from noema.passes.patterns.pattern import Match, Pattern
from noema.passes.patterns.spelled_norm import (
    fits,
    flat,
    inverse_deviations,
    mean_axis,
    same,
    variance_of,
)


@dataclass(frozen=True)
class _Shifted:
    """x · inverse + (bias − mean · inverse), with the ops that say so but for the root."""

    x: ir.Value
    mean: ir.Value
    inverse: ir.Value
    bias: ir.Value | None
    covers: tuple[ir.Operation, ...]


class ShiftedLayerNorm(Pattern):
    """x · (γ / σ) + (β − μ · (γ / σ)) over the last dimensions --> sem.norm.

    TensorFlow computes a LayerNorm so, with μ the mean and σ = sqrt(variance + epsilon).

    ```mlir
    %s = "sem.elementwise"(%e) {kind = "sqrt", …}
    %r = "sem.elementwise"(%s) {kind = "reciprocal", …}
    %i = "sem.elementwise"(%r, %gamma) {kind = "mul", …}
    %a = "sem.elementwise"(%x, %i) {kind = "mul", …}
    %b = "sem.elementwise"(%mean, %i) {kind = "mul", …}
    %c = "sem.elementwise"(%beta, %b) {kind = "sub", …}
    %0 = "sem.elementwise"(%a, %c) {kind = "add", …}
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x, %gamma, %beta) {kind = "layer", axis = 2 : i64, epsilon = 0.001 : f32, …}
    ```

    1. Without γ, the inverse deviation alone stands in its place.
    2. Without β, x · (γ / σ) − μ · (γ / σ).
    """

    name = "shifted-layer-norm"
    roots = ("elementwise.add", "elementwise.sub")
    reads = ("elementwise.mul",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for found in _shifted(root):
            for inverse, scale, scaling in _scaled(found.inverse):
                for quotient in inverse_deviations(found.x, inverse):
                    axis = mean_axis(found.mean, found.x, context)
                    if axis is None:
                        continue
                    variance = variance_of(quotient.square, found.x, found.mean, axis, context)
                    given = [v for v in (scale, found.bias) if v is not None]
                    if variance is None or not all(fits(found.x, axis, v) for v in given):
                        continue
                    if found.x.type != root.results[0].type:
                        continue
                    covers = [*variance, *quotient.covers, *scaling, *found.covers, root]
                    mean = definer(found.mean)
                    assert mean is not None
                    return _match([mean, *covers], found, scale, axis, quotient.epsilon)
        return None


def _match(
    covers: list[ir.Operation],
    found: _Shifted,
    scale: ir.Value | None,
    axis: int,
    epsilon: float,
) -> Match:
    def build() -> list[ir.Value | None]:
        given = [None if v is None else flat(v, found.x, axis) for v in (scale, found.bias)]
        made = norm_of(
            NormKind.LAYER, found.x, axis=axis, epsilon=epsilon, scale=given[0], bias=given[1]
        )
        return [made]

    return Match(list(dict.fromkeys(covers)), build)


def _shifted(root: ir.Operation) -> Iterator[_Shifted]:
    """The ways to read an op as x · i + (b − μ · i), or x · i − μ · i."""
    if key_of(root) == "elementwise.sub":  # case 2
        scaled, taken = (made_by(v, "elementwise.mul") for v in root.operands)
        if scaled is not None and taken is not None:
            yield from _products(scaled, taken, None, (scaled, taken))
        return
    for value, rest in pairs(root):
        scaled, shift = made_by(value, "elementwise.mul"), made_by(rest, "elementwise.sub")
        taken = None if shift is None else made_by(shift.operands[1], "elementwise.mul")
        if scaled is not None and shift is not None and taken is not None:
            yield from _products(scaled, taken, shift.operands[0], (scaled, taken, shift))


def _products(
    scaled: ir.Operation,
    taken: ir.Operation,
    bias: ir.Value | None,
    covers: tuple[ir.Operation, ...],
) -> Iterator[_Shifted]:
    for x, inverse in pairs(scaled):
        for mean, again in pairs(taken):
            # Only the mean's axes are reduced: a cheap look before the deep one.
            if sem.shape_of(mean)[-1:] == (1,) and same(inverse, again):
                yield _Shifted(x, mean, inverse, bias, covers)


def _scaled(
    inverse: ir.Value,
) -> Iterator[tuple[ir.Value, ir.Value | None, tuple[ir.Operation, ...]]]:
    """The ways to read a value as an inverse deviation times a scale, or alone."""
    product = made_by(inverse, "elementwise.mul")
    if product is None:
        yield inverse, None, ()  # case 1
        return
    for value, scale in pairs(product):
        yield value, scale, (product,)
