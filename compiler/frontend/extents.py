"""Extents of a node's results where onnx's inference leaves them open.

onnx knows numbers and names; these rules know expressions in them: the target of a `Reshape`
computed in the graph, `past + sequence` of a `Concat`, what two extents broadcast to. A rule
applies only where inference gave nothing, and what it doesn't know stays None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from noema.frontend.propagate import ONE, ZERO, ShapeArithmetic, int_attribute
from noema.frontend.schemas import domain_of
from noema.frontend.shapes import ValueType
from noema.frontend.symbolic import Expr
from noema.signature import Dim

Extent = Sequence[Dim | None]
"""Extents of one result; None where unknown."""

INT_MAX = (1 << 31) - 1

_BROADCASTING = (
    "Add",
    "And",
    "BitShift",
    "BitwiseAnd",
    "BitwiseOr",
    "BitwiseXor",
    "Div",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Or",
    "Pow",
    "Sub",
    "Sum",
    "Where",
    "Xor",
)


class ExtentRules:
    """The rules, by operator."""

    def __init__(
        self,
        values: ShapeArithmetic,
        types: Mapping[str, ValueType],
        constants: Mapping[str, NDArray[Any]],
    ) -> None:
        self._values = values
        self._extents = values.extents
        self._types = types
        self._constants = constants
        self._rules: dict[str, Callable[[onnx.NodeProto], Extent | None]] = {
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
            "MatMul": self._matmul_extents,
            "Conv": self._window_extents,
            "MaxPool": self._window_extents,
            "AveragePool": self._window_extents,
            "LpPool": self._window_extents,
            "GroupNormalization": self._same_extents,
            "MeanVarianceNormalization": self._same_extents,
        }
        self._rules |= dict.fromkeys(_BROADCASTING, self._broadcast_extents)

    def of(self, node: onnx.NodeProto) -> list[Extent | None]:
        """One entry per output, or fewer: its extents as far as the rules tell."""
        if domain_of(node) != "":
            return []
        if node.op_type == "Attention":
            return self._attention_extents(node)
        if node.op_type.startswith("Reduce"):
            return [self._reduce_extents(node)]
        rule = self._rules.get(node.op_type)
        return [rule(node)] if rule else []

    def _reshape_extents(self, node: onnx.NodeProto) -> Extent | None:
        source = self._types[node.input[0]].shape
        length = self._types[node.input[1]].static_shape()
        if length is None or len(length) != 1:
            return None
        target = self._values.vector(node.input[1]) or (None,) * length[0]
        keep_zero = bool(int_attribute(node, "allowzero", 0))
        result: list[Dim | None] = []
        for index, element in enumerate(target):
            number = None if element is None else element.value
            if number == 0 and not keep_zero:
                result.append(source[index] if index < len(source) else None)
            elif element is None or (number is not None and number < 0):
                result.append(None)
            else:
                result.append(self._extents.extent(element))
        unknown = [i for i, d in enumerate(result) if d is None]
        # One extent is missing, by -1 or because it isn't known: the others give it.
        if len(unknown) == 1:
            rest = [d for d in result if d is not None]
            element = target[unknown[0]]
            if element is not None and element.value == -1:
                whole = self._extents.remainder_of_shape(source, rest)
                result[unknown[0]] = None if whole is None else self._extents.extent(whole)
        return result

    def _expand_extents(self, node: onnx.NodeProto) -> Extent | None:
        target = self._values.vector(node.input[1])
        if target is None:
            return None
        source = self._types[node.input[0]].shape
        rank = max(len(source), len(target))
        result: list[Dim | None] = []
        for index in range(rank):
            at_source, at_target = index - (rank - len(source)), index - (rank - len(target))
            have: Dim = source[at_source] if at_source >= 0 else 1
            element = target[at_target] if at_target >= 0 else ONE
            want = None if element is None else self._extents.extent(element)
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

    def _constant_of_shape_extents(self, node: onnx.NodeProto) -> Extent | None:
        return self._as_extents(node.input[0])

    def _as_extents(self, name: str) -> list[Dim | None] | None:
        vector = self._values.vector(name)
        if vector is None:
            return None
        return [None if e is None else self._extents.extent(e) for e in vector]

    def _range_extents(self, node: onnx.NodeProto) -> Extent | None:
        ends = [self._values.vector(n) for n in node.input]
        if any(v is None or len(v) != 1 for v in ends):
            return None
        start, limit, step = (v[0] if v else None for v in ends)
        if start is None or limit is None or step is None or step.value != 1:
            return None
        return [self._extents.extent(limit - start)]

    def _slice_extents(self, node: onnx.NodeProto) -> Extent | None:
        given = [*node.input, "", ""]
        source = self._types[node.input[0]].shape
        starts, ends = self._values.vector(given[1]), self._values.vector(given[2])
        if starts is None or ends is None:
            return None
        axes = self._values.numbers(given[3]) if given[3] else list(range(len(starts)))
        steps = self._values.numbers(given[4]) if given[4] else [1] * len(starts)
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

    def _slice_extent(
        self, dim: Dim, start: Expr | None, end: Expr | None, step: int
    ) -> Dim | None:
        """One extent of a slice from `start` to `end`, which are clamped to `dim`."""
        if start is None or end is None or step != 1:
            return None
        if end.value is not None and end.value < 0:
            # Nothing is clamped, where it is certain that something is left.
            left = self._extents.expr(dim) + end
            return self._extents.extent(left) if start.value == 0 else None
        if not (start.is_extent and end.is_extent):
            return None
        whole = self._extents.expr(dim)
        to_end = end == whole or (end.value is not None and end.value >= INT_MAX)
        if start.value == 0 and to_end:
            return dim
        return self._extents.dim(self._extents.clamped(whole, start, whole if to_end else end))

    def _tile_extents(self, node: onnx.NodeProto) -> Extent | None:
        repeats = self._values.vector(node.input[1])
        source = self._types[node.input[0]].shape
        if repeats is None or len(repeats) != len(source):
            return None
        return [
            None if r is None else self._bounded_extent(self._extents.expr(d) * r)
            for d, r in zip(source, repeats, strict=True)
        ]

    def _bounded_extent(self, expr: Expr) -> Dim | None:
        small = self._extents.bounded(expr)
        return None if small is None else self._extents.extent(small)

    def _pad_extents(self, node: onnx.NodeProto) -> Extent | None:
        pads = self._values.vector(node.input[1])
        source = self._types[node.input[0]].shape
        if pads is None:
            return None
        axes: list[int] | None = list(range(len(source)))
        if len(node.input) > 3 and node.input[3]:
            axes = self._values.numbers(node.input[3])
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
                    self._extents.expr(source[axis]) + before + after
                )
        return result

    def _resize_extents(self, node: onnx.NodeProto) -> Extent | None:
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
            elif 0 < scale < INT_MAX and float(scale).is_integer():
                result[axis] = self._bounded_extent(
                    self._extents.expr(dim) * Expr.constant(int(scale))
                )
            else:
                result[axis] = None
        return result

    def _concat_extents(self, node: onnx.NodeProto) -> Extent | None:
        shapes = [self._types[n].shape for n in node.input]
        rank = len(shapes[0])
        axis = int_attribute(node, "axis", 0)
        if any(len(s) != rank for s in shapes) or not -rank <= axis < rank:
            return None
        result: list[Dim | None] = [None] * rank
        total: Expr | None = ZERO
        for shape in shapes:
            total = (
                None
                if total is None
                else self._extents.bounded(total + self._extents.expr(shape[axis]))
            )
        result[axis] = None if total is None else self._extents.dim(total)
        return result

    def _flatten_extents(self, node: onnx.NodeProto) -> Extent | None:
        source = self._types[node.input[0]].shape
        axis = int_attribute(node, "axis", 1)
        if not -len(source) <= axis <= len(source):
            return None
        axis = axis + len(source) if axis < 0 else axis
        return [
            self._extents.dim(self._extents.product(source[:axis])),
            self._extents.dim(self._extents.product(source[axis:])),
        ]

    def _center_crop_pad_extents(self, node: onnx.NodeProto) -> Extent | None:
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

    def _same_extents(self, node: onnx.NodeProto) -> Extent:
        return self._types[node.input[0]].shape

    def _reduce_extents(self, node: onnx.NodeProto) -> Extent | None:
        """Rank of a reduction whose axes are computed; inference knows the others."""
        rank = len(self._types[node.input[0]].shape)
        if int_attribute(node, "keepdims", 1):
            return [None] * rank
        axes = self._types[node.input[1]].static_shape() if any(node.input[1:]) else None
        if axes is None or len(axes) != 1 or not 0 < axes[0] <= rank:
            return None
        return [None] * (rank - axes[0])

    def _broadcast(self, shapes: Sequence[Extent]) -> list[Dim | None]:
        """What shapes broadcast to, assuming that they do."""
        rank = max(len(s) for s in shapes)
        result: list[Dim | None] = []
        for index in range(rank):
            found: Dim | None = 1
            for shape in shapes:
                at = index - (rank - len(shape))
                dim = shape[at] if at >= 0 else 1
                if found is not None:
                    found = None if dim is None else self._extents.broadcast(found, dim)
            result.append(found)
        return result

    def _broadcast_extents(self, node: onnx.NodeProto) -> Extent:
        return self._broadcast([self._types[n].shape for n in node.input])

    def _matmul_extents(self, node: onnx.NodeProto) -> Extent | None:
        a, b = (self._types[n].shape for n in node.input)
        if len(a) < 2 or len(b) < 2:
            return None
        return [*self._broadcast([a[:-2], b[:-2], ()]), a[-2], b[-1]]

    def _window_extents(self, node: onnx.NodeProto) -> Extent | None:
        """Spatial extents after sliding a window: `(in + pads - window) / stride + 1`."""
        source = self._types[node.input[0]].shape
        rank = len(source) - 2
        if rank < 1:
            return None
        ints = {a.name: list(a.ints) for a in node.attribute if a.ints}
        result: list[Dim | None] = [source[0], source[1], *([None] * rank)]
        kernel = ints.get("kernel_shape")
        if node.op_type == "Conv":
            weight = self._types[node.input[1]].shape
            result[1] = weight[0]
            sizes = [d for d in weight[2:] if isinstance(d, int)]
            kernel = kernel or sizes
        strides = ints.get("strides", [1] * rank)
        dilations = ints.get("dilations", [1] * rank)
        pads = ints.get("pads", [0] * 2 * rank)
        padding = next((a.s for a in node.attribute if a.name == "auto_pad"), b"NOTSET")
        if kernel is None or not len(kernel) == len(strides) == len(dilations) == rank:
            return None
        if len(pads) != 2 * rank or int_attribute(node, "ceil_mode", 0) or min(strides) < 1:
            return None
        for axis in range(rank):
            size = self._extents.expr(source[axis + 2])
            window = dilations[axis] * (kernel[axis] - 1) + 1
            stride = Expr.constant(strides[axis])
            if padding in (b"SAME_UPPER", b"SAME_LOWER"):
                room = size + Expr.constant(strides[axis] - 1)
                result[axis + 2] = self._extents.floor_extent(room, stride)
            else:
                around = 0 if padding == b"VALID" else pads[axis] + pads[axis + rank]
                # Adding the stride inside the division is adding one outside.
                room = size + Expr.constant(around - window + strides[axis])
                result[axis + 2] = self._extents.floor_extent(room, stride)
        return result

    def _attention_extents(self, node: onnx.NodeProto) -> list[Extent | None]:
        """Results of `Attention`: output, present key, present value, scores."""
        given = [*node.input, *[""] * 6]
        query, key, value, _, past_key, past_value = (
            self._types[n].shape if n else tuple[Dim, ...]() for n in given[:6]
        )
        if len(query) not in (3, 4) or len(key) != len(query) or len(value) != len(query):
            return []
        batch = query[0]
        if len(query) == 4:
            heads, kv_heads = query[1], key[1]
            rows, columns = query[2], key[2]
            key_size, value_size = key[3], value[3]
        else:
            heads = int_attribute(node, "q_num_heads", 0)
            kv_heads = int_attribute(node, "kv_num_heads", 0)
            rows, columns = query[1], key[1]
            if heads < 1 or kv_heads < 1:
                return []
            key_size = self._share(key[2], kv_heads)
            value_size = self._share(value[2], kv_heads)
        total = columns
        if len(past_key) == 4 and len(past_value) == 4:
            total = self._extents.dim(self._extents.expr(past_key[2]) + self._extents.expr(columns))
        if len(query) == 4:
            output: Extent = [batch, heads, rows, value_size]
        else:
            width = None if value_size is None else self._extents.product([heads, value_size])
            output = [batch, rows, None if width is None else self._extents.dim(width)]
        return [
            output,
            [batch, kv_heads, total, key_size],
            [batch, kv_heads, total, value_size],
            [batch, heads, rows, total],
        ]

    def _share(self, dim: Dim, parts: int) -> Dim | None:
        quotient = self._extents.expr(dim).exact_quotient(Expr.constant(parts))
        return None if quotient is None else self._extents.dim(quotient)
