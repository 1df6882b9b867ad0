"""`sem.attention` with operands that it doesn't need --> one that says the same by attributes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dialects.shapes import broadcast_shapes
from noema.passes.base import PassContext
from noema.passes.patterns.causal import adds_only_past, keeps_only_past, parts_of
from noema.passes.patterns.match import made_by, number
from noema.passes.patterns.onnx_rewrite import element_of, elementwise, with_shape
from noema.passes.patterns.operands import Rows, without_repeats
from noema.passes.patterns.pattern import Match, Pattern

_K, _V, _MASK, _PAST_KEY, _PAST_VALUE, _VALID = 1, 2, 3, 4, 5, 6


def _with(
    op: ir.Operation, operands: Mapping[int, ir.Value | None], *, is_causal: bool | None = None
) -> list[ir.Value | None]:
    """The results of the same attention with some operands replaced."""
    slots = _operands(op)
    slots = [operands.get(i, v) for i, v in enumerate(slots)]
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(
        [int(v is not None) for v in slots]
    )
    if is_causal is not None:
        attributes["is_causal"] = ir.BoolAttr.get(is_causal)
    made = ir.Operation.create(
        "sem.attention",
        results=[r.type for r in op.results],
        operands=[v for v in slots if v is not None],
        attributes=attributes,
    )
    return list(made.results)


def _operands(op: ir.Operation) -> list[ir.Value | None]:
    return [*sem.slots(op), *[None] * 8][:8]


def _given(op: ir.Operation, slot: int) -> bool:
    return _operands(op)[slot] is not None


class GroupedHeads(Pattern):
    """Attention to keys and values repeated for groups of queries --> attention to fewer heads.

    ```mlir
    %0 = "sem.onnx"(%k, %two) {op_type = "Unsqueeze", …} : … -> tensor<?x2x1x?x8xf32>
    %1 = "sem.onnx"(%0, %wide) {op_type = "Expand", …} : … -> tensor<?x2x2x?x8xf32>
    %2 = "sem.onnx"(%1, %shape) {op_type = "Reshape", …} : … -> tensor<?x4x?x8xf32>
    %3 = "sem.attention"(%q, %2, %2) {…}
           : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
    ```
    -->
    ```mlir
    %3 = "sem.attention"(%q, %k, %k) {…}
           : (tensor<?x4x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32>
    ```

    Not where the op has a cache: its caches have the repeated heads.
    """

    name = "grouped-heads"
    roots = ("attention",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        k, v = root.operands[_K], root.operands[_V]
        if (
            len(sem.shape_of(k)) != 4
            or _given(root, _PAST_KEY)
            or len(sem.slots(root, "result")) > 1
        ):
            return None
        fewer = [without_repeats(Rows(x), context) for x in (k, v)]
        if fewer[0].value == k or fewer[1].value == v:
            return None
        heads = [rows.shape[1] for rows in fewer]
        batches = [rows.shape[0] for rows in fewer]
        if heads[0] != heads[1] or batches != [sem.shape_of(k)[0], sem.shape_of(v)[0]]:
            return None
        covers = [*fewer[0].covers, *fewer[1].covers, root]
        return Match(
            list(dict.fromkeys(covers)),
            lambda: _with(root, {_K: fewer[0].value, _V: fewer[1].value}),
        )


class CausalMask(Pattern):
    """A mask that forbids the future, and nothing else --> `is_causal`.

    ```mlir
    %mask = "sem.constant"() {value = dense<[[true, false], [true, true]]> : tensor<2x2xi1>}
              : () -> tensor<2x2xi1>
    %0 = "sem.attention"(%q, %k, %v, %mask) {is_causal = false, …} : … -> tensor<?x4x2x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.attention"(%q, %k, %v) {is_causal = true, …} : … -> tensor<?x4x2x8xf32>
    ```

    1. The whole mask is causal: every query sees the first key, so that it doesn't matter what
       number forbids the others.
    2. A boolean mask joins a causal one with others: those stay. A choice between 0 and -inf is a
       boolean mask too.

    Not with a cache, from which positions would count.
    """

    name = "causal-mask"
    roots = ("attention",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        if not _given(root, _MASK) or _given(root, _PAST_KEY) or _given(root, _VALID):
            return None
        if bool(ir.IntegerAttr(root.attributes["is_causal"]).value):
            return None
        if "left_window_size" in root.attributes or "right_window_size" in root.attributes:
            return None
        mask = root.operands[_MASK]
        if not _is_full(mask, root):
            return None
        if element_of(mask) != "i1":
            if adds_only_past(mask, context):  # case 1
                return Match([root], lambda: _with(root, {_MASK: None}, is_causal=True))
            chosen = _condition(mask)
            if chosen is None or not _is_full(chosen, root):
                return None
            mask = chosen
        if keeps_only_past(mask, context):
            return Match([root], lambda: _with(root, {_MASK: None}, is_causal=True))
        parts = parts_of(mask)  # case 2
        causal = [_is_full(p, root) and keeps_only_past(p, context) for p in parts]
        rest = [p for p, known in zip(parts, causal, strict=True) if not known]
        rest = [p for p in rest if number(p) != 1]
        if not any(causal) or not _still_a_mask(rest, root):
            return None

        def build() -> list[ir.Value | None]:
            joined: ir.Value | None = None
            for part in rest:
                if joined is None:
                    joined = part
                    continue
                extents = broadcast_shapes([sem.shape_of(joined), sem.shape_of(part)])
                assert extents is not None
                joined = elementwise(Kind.AND, [joined, part], with_shape(extents, part))
            return _with(root, {_MASK: joined}, is_causal=True)

        return Match([root], build)


def _is_full(mask: ir.Value, root: ir.Operation) -> bool:
    """Whether a mask says something for each pair of query and key, and repeats neither."""
    shape = sem.shape_of(mask)
    if len(shape) < 2:
        return False
    q, k = (sem.shape_of(root.operands[i]) for i in (0, _K))
    wanted = (q[-2], k[-2])
    return all(d != 1 or w == 1 for d, w in zip(shape[-2:], wanted, strict=True))


def _condition(mask: ir.Value) -> ir.Value | None:
    """The condition where a mask is 0 if it holds, and -inf if it doesn't."""
    choice = made_by(mask, "elementwise.where")
    if choice is None:
        return None
    condition, zero, never = choice.operands
    return condition if number(zero) == 0 and number(never) == -np.inf else None


def _still_a_mask(parts: list[ir.Value], root: ir.Operation) -> bool:
    """Whether each part has an extent per key, as a mask must: one for all would be filled up."""
    keys = sem.shape_of(root.operands[_K])[-2]
    return all(len(sem.shape_of(p)) >= 2 and (sem.shape_of(p)[-1] != 1 or keys == 1) for p in parts)


class DropMask(Pattern):
    """A constant mask that forbids nothing --> no mask.

    ```mlir
    %mask = "sem.constant"() {value = dense<0.0> : tensor<1x1x5x5xf32>} : () -> tensor<1x1x5x5xf32>
    %0 = "sem.attention"(%q, %k, %v, %mask) {…} : … -> tensor<?x4x5x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.attention"(%q, %k, %v) {…} : … -> tensor<?x4x5x8xf32>
    ```
    """

    name = "drop-mask"
    roots = ("attention",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        if not _given(root, _MASK) or _given(root, _PAST_KEY):
            return None
        mask, keys = root.operands[_MASK], sem.shape_of(root.operands[_K])[-2]
        harmless = 1 if element_of(mask) == "i1" else 0
        if number(_spread(mask)) != harmless or keys is None or sem.shape_of(mask)[-1:] != (keys,):
            return None
        return Match([root], lambda: _with(root, {_MASK: None}))


def _spread(mask: ir.Value) -> ir.Value:
    """What a mask repeats."""
    expand = made_by(mask, "onnx.Expand")
    return mask if expand is None else expand.operands[0]
