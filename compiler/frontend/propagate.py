"""Symbolic values of small integer vectors, as shape computations in a graph make them.

A `Shape`, a `Gather` from one, sums and products of extents: `ShapeArithmetic.propagate` follows
them node by node. What isn't known is None. `extents` uses these values for the shapes of others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx
from numpy.typing import NDArray

from noema.frontend.schemas import domain_of
from noema.frontend.shapes import ValueType
from noema.frontend.symbolic import Expr, Extents

Vector = tuple[Expr | None, ...]
"""Elements of an integer or bool tensor of rank 0 or 1; None where unknown."""

MAX_ELEMENTS = 64

ZERO = Expr.constant(0)
ONE = Expr.constant(1)


class ShapeArithmetic:
    """Symbolic values of the integer vectors seen so far."""

    def __init__(
        self,
        extents: Extents,
        types: Mapping[str, ValueType],
        constants: Mapping[str, NDArray[Any]],
    ) -> None:
        self.extents = extents
        self._types = types
        self._constants = constants
        self._vectors: dict[str, Vector] = {}
        self._propagators: dict[str, Callable[[onnx.NodeProto], Vector | None]] = {
            "Shape": self._shape,
            "Size": self._size,
            "Gather": self._gather,
            "Slice": self._slice,
            "Concat": self._concat,
            "Unsqueeze": self._same,
            "Squeeze": self._same,
            "Reshape": self._same,
            "Flatten": self._same,
            "Identity": self._same,
            "Cast": self._cast,
            "Add": self._add,
            "Sub": self._subtract,
            "Mul": self._multiply,
            "Div": self._divide,
            "Neg": self._negate,
            "Min": self._minimum,
            "Max": self._maximum,
            "Equal": self._equal,
            "Where": self._where,
            "Expand": self._expand,
            "ConstantOfShape": self._constant_of_shape,
            "ReduceProd": self._reduce_product,
        }

    def propagate(self, node: onnx.NodeProto) -> Vector | None:
        """Symbolic value of the node's first output, remembered; None if nothing is known."""
        if domain_of(node) != "" or not node.output or not node.output[0]:
            return None
        kind = self._types[node.output[0]]
        shape = kind.static_shape()
        if shape is None or len(shape) > 1 or kind.dtype.name not in ("int64", "int32", "bool"):
            return None
        if node.op_type == "Split":
            self._split(node)
            return None
        rule = self._propagators.get(node.op_type)
        if rule is None or (shape and shape[0] > MAX_ELEMENTS):
            return None
        vector = rule(node)
        count = shape[0] if shape else 1
        if vector is None or len(vector) != count or all(e is None for e in vector):
            return None
        vector = tuple(None if e is None else self.extents.bounded(e) for e in vector)
        self._vectors[node.output[0]] = vector
        return vector

    def vector(self, name: str) -> Vector | None:
        """The value of a small integer tensor, as far as it is known."""
        if name in self._vectors:
            return self._vectors[name]
        array = self._constants.get(name)
        if array is None or array.ndim > 1 or array.size > MAX_ELEMENTS:
            return None
        if array.dtype.kind not in "ib":
            return None
        return tuple(Expr.constant(int(v)) for v in array.reshape(-1))

    def numbers(self, name: str) -> list[int] | None:
        """The value of a small integer tensor that is known entirely."""
        vector = self.vector(name)
        if vector is None:
            return None
        values = [None if e is None else e.value for e in vector]
        known = [v for v in values if v is not None]
        return known if len(known) == len(values) else None

    # Values of outputs.

    def _shape(self, node: onnx.NodeProto) -> Vector:
        dims = self._types[node.input[0]].shape
        start, end = int_attribute(node, "start", 0), int_attribute(node, "end", len(dims))
        return tuple(self.extents.expr(d) for d in dims[start:end])

    def _size(self, node: onnx.NodeProto) -> Vector:
        return (self.extents.product(self._types[node.input[0]].shape),)

    def _gather(self, node: onnx.NodeProto) -> Vector | None:
        source, indices = self.vector(node.input[0]), self.numbers(node.input[1])
        if source is None or indices is None or len(self._types[node.input[0]].shape) != 1:
            return None
        if not all(-len(source) <= i < len(source) for i in indices):
            return None
        return tuple(source[i] for i in indices)

    def _slice(self, node: onnx.NodeProto) -> Vector | None:
        source = self.vector(node.input[0])
        bounds = [self.numbers(n) if n else None for n in node.input[1:]]
        if source is None or len(bounds) < 2 or bounds[0] is None or bounds[1] is None:
            return None
        given = [*node.input, "", ""]
        steps = self.numbers(given[4]) if given[4] else [1]
        if steps is None or not len(bounds[0]) == len(bounds[1]) == len(steps) == 1:
            return None
        start, end, step = bounds[0][0], bounds[1][0], steps[0]
        if step == 0:
            return None
        if step < 0 and end < -len(source):
            return source[start::step]
        return source[start:end:step]

    def _split(self, node: onnx.NodeProto) -> None:
        source = self.vector(node.input[0])
        at = 0
        for name in node.output:
            shape = self._types[name].static_shape() if name in self._types else None
            if source is None or shape is None or len(shape) != 1:
                return
            self._vectors[name] = source[at : at + shape[0]]
            at += shape[0]

    def _concat(self, node: onnx.NodeProto) -> Vector | None:
        result: list[Expr | None] = []
        for name in node.input:
            vector = self.vector(name)
            shape = self._types[name].static_shape()
            if shape is None or len(shape) != 1 or sum(shape) > MAX_ELEMENTS:
                return None
            result += vector if vector is not None else [None] * shape[0]
        return tuple(result)

    def _same(self, node: onnx.NodeProto) -> Vector | None:
        return self.vector(node.input[0])

    def _cast(self, node: onnx.NodeProto) -> Vector | None:
        if self._types[node.output[0]].dtype.name == "bool":
            return None
        return self.vector(node.input[0])

    def _elementwise(
        self, node: onnx.NodeProto, function: Callable[[Expr, Expr], Expr | None]
    ) -> Vector | None:
        a, b = (self.vector(n) for n in node.input)
        if a is None or b is None or not a or not b:
            return None
        length = max(len(a), len(b))
        if len(a) not in (1, length) or len(b) not in (1, length):
            return None
        pairs = zip(
            a * length if len(a) == 1 else a, b * length if len(b) == 1 else b, strict=False
        )
        return tuple(None if x is None or y is None else function(x, y) for x, y in pairs)

    def _add(self, node: onnx.NodeProto) -> Vector | None:
        return self._elementwise(node, lambda x, y: x + y)

    def _subtract(self, node: onnx.NodeProto) -> Vector | None:
        return self._elementwise(node, lambda x, y: x - y)

    def _multiply(self, node: onnx.NodeProto) -> Vector | None:
        return self._elementwise(node, lambda x, y: x * y)

    def _divide(self, node: onnx.NodeProto) -> Vector | None:
        return self._elementwise(node, self.extents.quotient)

    def _negate(self, node: onnx.NodeProto) -> Vector | None:
        source = self.vector(node.input[0])
        return None if source is None else tuple(None if e is None else -e for e in source)

    def _minimum(self, node: onnx.NodeProto) -> Vector | None:
        return self._extremum(node, "min", min)

    def _maximum(self, node: onnx.NodeProto) -> Vector | None:
        return self._extremum(node, "max", max)

    def _extremum(
        self, node: onnx.NodeProto, name: str, choose: Callable[[int, int], int]
    ) -> Vector | None:
        if len(node.input) == 1:
            return self._same(node)
        if len(node.input) != 2:
            return None

        def combine(x: Expr, y: Expr) -> Expr | None:
            if x == y:
                return x
            if x.value is not None and y.value is not None:
                return Expr.constant(choose(x.value, y.value))
            if x.is_extent and y.is_extent:
                return self.extents.opaque(name, *sorted((x, y), key=lambda e: e.terms))
            return None

        return self._elementwise(node, combine)

    def _equal(self, node: onnx.NodeProto) -> Vector | None:
        def compare(x: Expr, y: Expr) -> Expr | None:
            difference = x - y
            if difference.value is not None:
                return ONE if difference.value == 0 else ZERO
            for side in (difference, -difference):
                # A sum of extents plus a positive number isn't zero.
                constant = dict(side.terms).get((), 0)
                if constant > 0 and side.is_extent:
                    return ZERO
            return None

        return self._elementwise(node, compare)

    def _where(self, node: onnx.NodeProto) -> Vector | None:
        condition, x, y = (self.vector(n) for n in node.input)
        if condition is None or x is None or y is None:
            return None
        length = max(len(condition), len(x), len(y))
        if any(len(v) not in (1, length) for v in (condition, x, y)):
            return None
        result: list[Expr | None] = []
        for i in range(length):
            c, a, b = (v[i if len(v) > 1 else 0] for v in (condition, x, y))
            if c is None or c.value is None:
                result.append(a if a == b else None)
            else:
                result.append(a if c.value else b)
        return tuple(result)

    def _expand(self, node: onnx.NodeProto) -> Vector | None:
        source = self.vector(node.input[0])
        shape = self._types[node.output[0]].static_shape()
        if source is None or not shape:
            return source
        return source * shape[0] if len(source) == 1 else source

    def _constant_of_shape(self, node: onnx.NodeProto) -> Vector | None:
        shape = self._types[node.output[0]].static_shape()
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if value is None or not shape:
            return None
        array = onnx.numpy_helper.to_array(value)
        if array.size != 1:
            return None
        return (Expr.constant(int(array.reshape(-1)[0])),) * shape[0]

    def _reduce_product(self, node: onnx.NodeProto) -> Vector | None:
        source = self.vector(node.input[0])
        if source is None or len(self._types[node.output[0]].shape) > 1:
            return None
        result: Expr | None = ONE
        for element in source:
            if element is None or result is None:
                return None
            result = self.extents.bounded(result * element)
        return (result,)


def int_attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """The node's integer attribute `name`, or `default` if it isn't given."""
    for attribute in node.attribute:
        if attribute.name == name:
            return int(attribute.i)
    return default
