"""Shape arithmetic that onnx's inference doesn't do: symbolic values of small integer vectors.

Two steps per node. `sharpen` gives extents of the outputs that follow from symbolic values of the
inputs (the target of a `Reshape`, the ends of a `Slice`). `propagate` gives symbolic values of the
outputs (a `Shape`, a `Gather` from one, sums and products of extents). What isn't known is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from noema.frontend.shapes import ValueType
from noema.frontend.symbolic import Expr, Extents
from noema.frontend.validate import domain_of
from noema.signature import Dim

Vector = tuple[Expr | None, ...]
"""Elements of an integer or bool tensor of rank 0 or 1; None where unknown."""

MAX_ELEMENTS = 64
INT_MAX = (1 << 31) - 1

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
        self._sharpeners: dict[str, Callable[[onnx.NodeProto], Sequence[Dim | None] | None]] = {
            "Reshape": self._reshape_extents,
            "Expand": self._expand_extents,
            "ConstantOfShape": self._constant_of_shape_extents,
            "Range": self._range_extents,
            "Slice": self._slice_extents,
            "Tile": self._tile_extents,
            "Pad": self._pad_extents,
            "Resize": self._resize_extents,
            "Concat": self._concat_extents,
            "Flatten": self._flatten_extents,
            "CenterCropPad": self._center_crop_pad_extents,
        }

    def sharpen(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        """Extents of the node's first output as far as symbolic values tell; None for nothing."""
        rule = self._sharpeners.get(node.op_type) if domain_of(node) == "" else None
        return rule(node) if rule else None

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
        start, end = _attribute(node, "start", 0), _attribute(node, "end", len(dims))
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

    # Extents of outputs.

    def _reshape_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        source = self._types[node.input[0]].shape
        length = self._types[node.input[1]].static_shape()
        if length is None or len(length) != 1:
            return None
        target = self.vector(node.input[1]) or (None,) * length[0]
        keep_zero = bool(_attribute(node, "allowzero", 0))
        result: list[Dim | None] = []
        for index, element in enumerate(target):
            number = None if element is None else element.value
            if number == 0 and not keep_zero:
                result.append(source[index] if index < len(source) else None)
            elif element is None or (number is not None and number < 0):
                result.append(None)
            else:
                result.append(self.extents.extent(element))
        unknown = [i for i, d in enumerate(result) if d is None]
        # One extent is missing, by -1 or because it isn't known: the others give it.
        if len(unknown) == 1:
            rest = self.extents.product([d for d in result if d is not None])
            element = target[unknown[0]]
            if element is not None and element.value == -1:
                whole = self.extents.quotient(self.extents.product(source), rest)
                result[unknown[0]] = None if whole is None else self.extents.extent(whole)
        return result

    def _expand_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        target = self.vector(node.input[1])
        if target is None:
            return None
        source = self._types[node.input[0]].shape
        rank = max(len(source), len(target))
        result: list[Dim | None] = []
        for index in range(rank):
            at_source, at_target = index - (rank - len(source)), index - (rank - len(target))
            have: Dim = source[at_source] if at_source >= 0 else 1
            element = target[at_target] if at_target >= 0 else ONE
            want = None if element is None else self.extents.extent(element)
            if want == 1 or have == want:
                result.append(have)
            elif have == 1:
                result.append(want)
            elif isinstance(have, int) and have > 1:
                result.append(have)
            elif isinstance(want, int):
                result.append(want)
            else:
                result.append(None)
        return result

    def _constant_of_shape_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        return self._as_extents(node.input[0])

    def _as_extents(self, name: str) -> list[Dim | None] | None:
        vector = self.vector(name)
        if vector is None:
            return None
        return [None if e is None else self.extents.extent(e) for e in vector]

    def _range_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        ends = [self.vector(n) for n in node.input]
        if any(v is None or len(v) != 1 for v in ends):
            return None
        start, limit, step = (v[0] if v else None for v in ends)
        if start is None or limit is None or step is None or step.value != 1:
            return None
        return [self.extents.extent(limit - start)]

    def _slice_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        given = [*node.input, "", ""]
        source = self._types[node.input[0]].shape
        starts, ends = self.vector(given[1]), self.vector(given[2])
        if starts is None or ends is None:
            return None
        axes = self.numbers(given[3]) if given[3] else list(range(len(starts)))
        steps = self.numbers(given[4]) if given[4] else [1] * len(starts)
        result: list[Dim | None] = list(source)
        if axes is None or steps is None:
            return [None] * len(source)
        if not len(starts) == len(ends) == len(axes) == len(steps):
            return None
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            if not -len(source) <= axis < len(source):
                return None
            result[axis] = self._slice_extent(source[axis], start, end, step)
        return result

    def _slice_extent(self, dim: Dim, start: Expr | None, end: Expr | None, step: int) -> Dim | None:
        """One extent of a slice, where no clamping can change it; else None."""
        if start is None or end is None or step != 1 or isinstance(dim, int):
            return None
        whole = self.extents.expr(dim)
        to_end = end == whole or (end.value is not None and end.value >= INT_MAX)
        if start.value == 0 and to_end:
            return dim
        if start.value is not None and start.value > 0 and to_end:
            return self.extents.extent(self.extents.opaque("minus", whole, start))
        return None

    def _tile_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        repeats = self.vector(node.input[1])
        source = self._types[node.input[0]].shape
        if repeats is None or len(repeats) != len(source):
            return None
        return [
            None if r is None else self._bounded_extent(self.extents.expr(d) * r)
            for d, r in zip(source, repeats, strict=True)
        ]

    def _bounded_extent(self, expr: Expr) -> Dim | None:
        small = self.extents.bounded(expr)
        return None if small is None else self.extents.extent(small)

    def _pad_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        pads = self.vector(node.input[1])
        source = self._types[node.input[0]].shape
        if pads is None:
            return None
        axes: list[int] | None = list(range(len(source)))
        if len(node.input) > 3 and node.input[3]:
            axes = self.numbers(node.input[3])
        if axes is None or len(pads) != 2 * len(axes):
            return None
        result: list[Dim | None] = list(source)
        for i, axis in enumerate(axes):
            before, after = pads[i], pads[i + len(axes)]
            if not -len(source) <= axis < len(source):
                return None
            if before is None or after is None:
                result[axis] = None
            else:
                result[axis] = self._bounded_extent(
                    self.extents.expr(source[axis]) + before + after
                )
        return result

    def _resize_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        source = self._types[node.input[0]].shape
        policy = next(
            (a.s for a in node.attribute if a.name == "keep_aspect_ratio_policy"), b"stretch"
        )
        axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), None)
        axes = list(range(len(source))) if axes is None else axes
        if policy != b"stretch" or not all(-len(source) <= a < len(source) for a in axes):
            return None
        result: list[Dim | None] = list(source)
        if len(node.input) > 3 and node.input[3]:
            sizes = self._as_extents(node.input[3])
            if sizes is None or len(sizes) != len(axes):
                return None
            for axis, size in zip(axes, sizes, strict=True):
                result[axis] = size
            return result
        scales = self._constants.get(node.input[2]) if len(node.input) > 2 else None
        if scales is None or scales.size != len(axes):
            return None
        for axis, scale in zip(axes, scales.reshape(-1).tolist(), strict=True):
            dim = source[axis]
            if isinstance(dim, int):
                result[axis] = None
            elif scale == int(scale) and 0 < scale < INT_MAX:
                result[axis] = self._bounded_extent(
                    self.extents.expr(dim) * Expr.constant(int(scale))
                )
            else:
                result[axis] = None
        return result

    def _concat_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        shapes = [self._types[n].shape for n in node.input]
        rank = len(shapes[0])
        axis = _attribute(node, "axis", 0)
        if any(len(s) != rank for s in shapes) or not -rank <= axis < rank:
            return None
        result: list[Dim | None] = [None] * rank
        total: Expr | None = ZERO
        for shape in shapes:
            total = None if total is None else self.extents.bounded(
                total + self.extents.expr(shape[axis])
            )
        result[axis] = None if total is None else self.extents.dim(total)
        return result

    def _flatten_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        source = self._types[node.input[0]].shape
        axis = _attribute(node, "axis", 1)
        if not -len(source) <= axis <= len(source):
            return None
        axis = axis + len(source) if axis < 0 else axis
        return [
            self.extents.dim(self.extents.product(source[:axis])),
            self.extents.dim(self.extents.product(source[axis:])),
        ]

    def _center_crop_pad_extents(self, node: onnx.NodeProto) -> Sequence[Dim | None] | None:
        source = self._types[node.input[0]].shape
        target = self._as_extents(node.input[1])
        axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), None)
        axes = list(range(len(source))) if axes is None else axes
        result: list[Dim | None] = list(source)
        for index, axis in enumerate(axes):
            if not -len(source) <= axis < len(source):
                return None
            known = target is not None and index < len(target)
            result[axis] = target[index] if known and target is not None else None
        return result


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    for attribute in node.attribute:
        if attribute.name == name:
            return int(attribute.i)
    return default
