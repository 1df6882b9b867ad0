"""Rotary position embedding spelled out --> `sem.rope`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch_mlir import ir

from noema.dialects import sem, shapes
from noema.dialects.graph import definer, key_of
from noema.passes.base import PassContext
from noema.passes.patterns.build import constant_of
from noema.passes.patterns.match import integer, made_by, pairs
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of, i64, with_shape
from noema.passes.patterns.operands import VERSION
from noema.passes.patterns.parts import Part, axis_of, part_of
from noema.passes.patterns.pattern import Match, Pattern


@dataclass(frozen=True)
class _Pair:
    """The two parts of x that are rotated together: the halves, or every second feature."""

    first: Part
    second: Part
    interleaved: bool

    @staticmethod
    def of(a: ir.Value, b: ir.Value, context: PassContext) -> _Pair | None:
        """The pair that two values are."""
        first, second = part_of(a, context), part_of(b, context)
        if first is None or second is None or first.base != second.base:
            return None
        if first.count != second.count or first.step != second.step:
            return None
        if first.step == 1 and second.start == first.start + first.count:
            return _Pair(first, second, False)
        if first.step == 2 and second.start == first.start + 1:
            return _Pair(first, second, True)
        return None

    @property
    def whole(self) -> Part:
        """Both parts together."""
        first = self.first
        return Part(first.base, first.start, 1, 2 * first.count, first.is_paired)


def _rope(x: ir.Value, cos: ir.Value, sin: ir.Value, interleaved: bool, rotated: int) -> ir.Value:
    return sem.RopeOp(
        x,
        cos,
        sin,
        res=x.type,
        interleaved=ir.BoolAttr.get(interleaved),
        num_heads=i64(0),
        rotary_embedding_dim=i64(rotated),
    ).results[0]


def _fits(x: shapes.Shape, like: ir.Value, cos: ir.Value, sin: ir.Value, rotated: int) -> bool:
    """Whether `sem.rope` takes these: x of a shape and of the element type of `like`."""
    if len({element_of(v) for v in (like, cos, sin)}) != 1 or element_of(like) not in FLOATS:
        return False
    factors = [sem.shape_of(v) for v in (cos, sin)]
    return all(factors) and not shapes.rope([x, *factors, None], rotated, 0)


class RotateHalf(Pattern):
    """x · cos + rotate(x) · sin --> `sem.rope`.

    ```mlir
    %0 = "sem.elementwise"(%x, %cos) {kind = "mul", …}
           : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
    %1 = "sem.onnx"(%x, %zero, %four, %last) {op_type = "Slice", …} : … -> tensor<?x4x?x4xf32>
    %2 = "sem.onnx"(%x, %four, %end, %last) {op_type = "Slice", …} : … -> tensor<?x4x?x4xf32>
    %3 = "sem.elementwise"(%2) {kind = "neg", …} : (tensor<?x4x?x4xf32>) -> tensor<?x4x?x4xf32>
    %4 = "sem.onnx"(%3, %1) {op_type = "Concat", attrs = {axis = -1 : i64}, …}
           : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
    %5 = "sem.elementwise"(%4, %sin) {kind = "mul", …}
           : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
    %6 = "sem.elementwise"(%0, %5) {kind = "add", …}
           : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
    ```
    -->
    ```mlir
    %6 = "sem.rope"(%x, %cos, %sin) {interleaved = false, num_heads = 0 : i64, …}
           : (tensor<?x4x?x8xf32>, tensor<?x1x?x8xf32>, tensor<?x1x?x8xf32>) -> tensor<?x4x?x8xf32>
    ```

    1. rotate joins the negated second half and the first.
    2. rotate stacks the negated odd features and the even ones: `interleaved`.
    """

    name = "rotate-half"
    roots = ("elementwise.add",)
    reads = ("elementwise.mul",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        for straight, crossed in pairs(root):
            b = made_by(crossed, "elementwise.mul")
            if b is None:
                continue
            for rotated, sin in pairs(b):
                found = _rotated(rotated, context)
                a = None if found is None else made_by(straight, "elementwise.mul")
                if found is None or a is None:
                    continue
                pair, covers = found
                for x, cos in pairs(a):
                    if part_of(x, context) != pair.whole or x.type != root.results[0].type:
                        continue
                    if not _fits(sem.shape_of(x), x, cos, sin, 0):
                        continue
                    return Match(
                        [a, b, *covers, root],
                        lambda: [_rope(x, cos, sin, pair.interleaved, 0)],  # noqa: B023
                    )
        return None


def _rotated(value: ir.Value, context: PassContext) -> tuple[_Pair, list[ir.Operation]] | None:
    """The pair (a, b) where a value is (-b, a)."""
    for first, second, covers in _joined(value, context):
        negated = made_by(first, "elementwise.neg")
        if negated is None:
            continue
        pair = _Pair.of(second, negated.operands[0], context)
        if pair is not None and pair.interleaved == (len(covers) > 1):
            ops = [o for o in (definer(second), definer(negated.operands[0])) if o is not None]
            return pair, [*covers, negated, *ops]
    return None


def _joined(
    value: ir.Value, context: PassContext
) -> Iterator[tuple[ir.Value, ir.Value, list[ir.Operation]]]:
    """The two halves that a value joins, or the two that it stacks and flattens."""
    concat = made_by(value, "onnx.Concat")
    if concat is not None:
        if len(concat.operands) == 2 and _is_last(concat, "axis"):
            yield concat.operands[0], concat.operands[1], [concat]
        return
    flat = made_by(value, "onnx.Reshape", "onnx.Flatten")
    stack = None if flat is None else made_by(flat.operands[0], "onnx.Concat")
    if flat is None or stack is None or len(stack.operands) != 2 or not _is_last(stack, "axis"):
        return
    before, after = sem.shape_of(flat.operands[0]), sem.shape_of(value)
    if before[-1] != 2 or before[-2] is None or after != (*before[:-2], 2 * before[-2]):
        return
    columns = [_without_last(v, context) for v in stack.operands]
    if columns[0] is not None and columns[1] is not None:
        (a, one), (b, two) = columns[0], columns[1]
        yield a, b, [flat, stack, one, two]


def _without_last(value: ir.Value, context: PassContext) -> tuple[ir.Value, ir.Operation] | None:
    """x where a value is x with an axis of extent 1 put in at the end."""
    op = made_by(value, "onnx.Unsqueeze", "onnx.Reshape")
    if op is None or sem.shape_of(value) != (*sem.shape_of(op.operands[0]), 1):
        return None
    return op.operands[0], op


def _is_last(op: ir.Operation, name: str) -> bool:
    rank = len(sem.shape_of(op.results[0]))
    return integer(op, name, 0) in (-1, rank - 1)


class RotatePairs(Pattern):
    """(a · cos - b · sin, b · cos + a · sin) of the two halves a, b of x --> `sem.rope`.

    ```mlir
    %0:2 = "sem.onnx"(%x) {op_type = "Split", attrs = {axis = -1 : i64, num_outputs = 2 : i64}, …}
             : (tensor<?x4x?x8xf32>) -> (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>)
    %1 = "sem.elementwise"(%0#0, %cos) {kind = "mul", …}
    %2 = "sem.elementwise"(%0#1, %sin) {kind = "mul", …}
    %3 = "sem.elementwise"(%1, %2) {kind = "sub", …}
    %4 = "sem.elementwise"(%0#1, %cos) {kind = "mul", …}
    %5 = "sem.elementwise"(%0#0, %sin) {kind = "mul", …}
    %6 = "sem.elementwise"(%4, %5) {kind = "add", …}
    %7 = "sem.onnx"(%3, %6) {op_type = "Concat", attrs = {axis = -1 : i64}, …}
           : (tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32>) -> tensor<?x4x?x8xf32>
    ```
    -->
    ```mlir
    %7 = "sem.rope"(%x, %cos, %sin) {interleaved = false, num_heads = 0 : i64, …}
           : (tensor<?x4x?x8xf32>, tensor<?x1x?x4xf32>, tensor<?x1x?x4xf32>) -> tensor<?x4x?x8xf32>
    ```

    1. The halves joined, and perhaps the rest of x that isn't rotated after them.
    2. Even and odd features stacked and flattened: `interleaved`.
    """

    name = "rotate-pairs"
    roots = ("onnx.Concat", "onnx.Reshape", "onnx.Flatten")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        result = root.results[0]
        rest: Part | None = None
        if key_of(root) == "onnx.Concat" and len(root.operands) == 3 and _is_last(root, "axis"):
            rest = part_of(root.operands[2], context)
            if rest is None:
                return None
            joined = [(root.operands[0], root.operands[1], [root])]
        else:
            joined = list(_joined(result, context))
        for real, imaginary, covers in joined:
            found = _turned(real, imaginary, context)
            if found is None:
                continue
            pair, cos, sin, ops = found
            if pair.interleaved != (len(covers) > 1):
                continue
            whole = pair.whole
            base = sem.shape_of(whole.base)
            rotated = 0
            if rest is not None:
                end = whole.start + whole.count
                if rest != Part(whole.base, end, 1, (base[-1] or 0) - end) or whole.start:
                    return None
                rotated, whole = whole.count, Part(whole.base, 0, 1, base[-1] or 0)
            shape = whole.shape
            if shape != sem.shape_of(result) or not _fits(shape, result, cos, sin, rotated):
                continue
            return Match(
                [*covers, *ops],
                lambda: [_rope(_taken(whole), cos, sin, pair.interleaved, rotated)],  # noqa: B023
            )
        return None


def _turned(
    real: ir.Value, imaginary: ir.Value, context: PassContext
) -> tuple[_Pair, ir.Value, ir.Value, list[ir.Operation]] | None:
    """The pair, cos and sin where two values are a · cos - b · sin and b · cos + a · sin."""
    difference = made_by(real, "elementwise.sub")
    total = made_by(imaginary, "elementwise.add")
    if difference is None or total is None:
        return None
    products = [made_by(v, "elementwise.mul") for v in (*difference.operands, *total.operands)]
    ac, bs, p, q = products
    if ac is None or bs is None or p is None or q is None:
        return None
    for a, cos in pairs(ac):
        for b, sin in pairs(bs):
            pair = _Pair.of(a, b, context)
            if pair is None:
                continue
            for bc, as_ in ((p, q), (q, p)):
                if _is_product(bc, pair.second, cos, context) and _is_product(
                    as_, pair.first, sin, context
                ):
                    ops = [difference, total, ac, bs, p, q]
                    ops += [o for o in (definer(a), definer(b)) if o is not None]
                    return pair, cos, sin, ops
    return None


def _is_product(op: ir.Operation, part: Part, factor: ir.Value, context: PassContext) -> bool:
    return any(part_of(x, context) == part and _same(y, factor) for x, y in pairs(op))


def _same(a: ir.Value, b: ir.Value, depth: int = 4) -> bool:
    """Whether two values are computed alike: equal ones are only merged later."""
    if a == b:
        return True
    one, two = definer(a), definer(b)
    if depth == 0 or one is None or two is None or one.name != two.name:
        return False
    if len(one.operands) != len(two.operands) or len(one.results) != 1 or a.type != b.type:
        return False
    names = set(one.attributes)
    if names != set(two.attributes):
        return False
    if any(one.attributes[n] != two.attributes[n] for n in names):
        return False
    return all(_same(x, y, depth - 1) for x, y in zip(one.operands, two.operands, strict=True))


def _taken(part: Part) -> ir.Value:
    """A part as a value."""
    base = part.base
    if part.is_paired:
        target = constant_of(np.array([*[0] * (len(part.shape) - 1), part.count], np.int64))
        base = sem.build_onnx(
            "Reshape", [base, target], [with_shape(part.shape, base)], attrs={}, version=VERSION
        ).results[0]
        return base
    if part.is_all:
        return base
    bounds = [part.start, part.start + part.count, axis_of(base)]
    inputs = [base, *(constant_of(np.array([v], np.int64)) for v in bounds)]
    return sem.build_onnx(
        "Slice", inputs, [with_shape(part.shape, base)], attrs={}, version=VERSION
    ).results[0]
