"""Norms of the channels of (N, C, …), and norms between casts, spelled out --> `sem.norm`.

As for layer norms, what is normalised is recognized first, and takes in scale and bias after.
"""

from __future__ import annotations

import math

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import NormKind
from noema.dialects.elements import to_array
from noema.dialects.graph import definer, key_of, users
from noema.passes.base import PassContext
from noema.passes.patterns.build import constant_of, norm, reshaped
from noema.passes.patterns.match import constant_ints, integer, made_by, number, pairs, version
from noema.passes.patterns.onnx_rewrite import FLOATS, element_of, with_shape
from noema.passes.patterns.pattern import Match, Pattern

_CHANNELLED = ("norm.instance", "norm.group", "norm.layer")
_CHANNEL = 1
_SPACE = 2
_RESHAPE_VERSION = 13


class InstanceNorm(Pattern):
    """A layer norm over all spatial dimensions, of two or more --> norm of kind instance.

    ```mlir
    %0 = "sem.norm"(%x) {axis = 2, kind = "layer", …} : (tensor<?x8x4x4xf32>) -> …
    ```
    -->
    ```mlir
    %0 = "sem.norm"(%x) {axis = 1, kind = "instance", …} : (tensor<?x8x4x4xf32>) -> …
    ```

    One that has a scale or a bias, or is followed by one of the shape of these dimensions, is a
    layer norm indeed. Of a single spatial dimension, (N, C, L) can't be told from (batch, sequence,
    features); `ChannelScale` does, where there is one.
    """

    name = "instance-norm"
    roots = ("norm.layer",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x = root.operands[0]
        shape = sem.shape_of(x)
        if len(root.operands) != 1 or len(shape) < 4 or shape[_CHANNEL] is None:
            return None
        if ir.IntegerAttr(root.attributes["axis"]).value != _SPACE:
            return None
        for user in users(root.results[0]):
            if user.name == "sem.elementwise" and any(
                sem.shape_of(v)[-len(shape) + _SPACE :] == shape[_SPACE:] and _is_weight(v)
                for v in user.operands
            ):
                return None
        epsilon = ir.FloatAttr(root.attributes["epsilon"]).value
        return Match([root], lambda: [norm(NormKind.INSTANCE, x, axis=_CHANNEL, epsilon=epsilon)])


class GroupNorm(Pattern):
    """A norm of (N, groups, …), reshaped from (N, C, …) and back --> norm of kind group.

    ```mlir
    %0 = "sem.onnx"(%x, %grouped) {op_type = "Reshape", …}
           : (tensor<?x8x4x4xf32>, …) -> tensor<?x2x64xf32>
    %1 = "sem.norm"(%0, %ones, %zeros) {kind = "instance", …}
    %2 = "sem.onnx"(%1, %whole) {op_type = "Reshape", …}
           : (tensor<?x2x64xf32>, …) -> tensor<?x8x4x4xf32>
    ```
    -->
    ```mlir
    %2 = "sem.norm"(%x) {groups = 2, kind = "group", …}
    ```

    1. The norm is an instance norm that doesn't scale, or a layer norm from dimension 2 on.
    2. It may be reshaped to something else than x: then that reshape stays.
    """

    name = "group-norm"
    roots = ("onnx.Reshape",)
    reads = ("norm.instance", "norm.layer")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        inner = made_by(root.operands[0], "norm.instance", "norm.layer")
        if inner is None or not _is_plain(inner):
            return None
        grouped = made_by(inner.operands[0], "onnx.Reshape")
        if grouped is None:
            return None
        attributes = inner.attributes
        kind, axis = key_of(inner), ir.IntegerAttr(attributes["axis"]).value
        if kind == "norm.layer" and axis != _CHANNEL + 1:
            return None
        x = grouped.operands[0]
        shape, parts = sem.shape_of(x), sem.shape_of(inner.operands[0])
        if len(shape) < 3 or len(parts) < 3:
            return None
        channels, groups = shape[_CHANNEL], parts[_CHANNEL]
        if channels is None or groups is None or groups < 1 or channels % groups:
            return None
        if not _keeps_batch(grouped, shape, parts, context):
            return None
        epsilon = ir.FloatAttr(attributes["epsilon"]).value
        result = root.results[0]

        def build() -> list[ir.Value]:
            value = norm(NormKind.GROUP, x, axis=_CHANNEL, groups=groups, epsilon=epsilon)
            if _is_back(root, x):
                return [value]
            return [
                sem.build_onnx(
                    "Reshape",
                    [value, root.operands[1]],
                    [result.type],
                    attrs={n.name: n.attr for n in ir.DictAttr(root.attributes["attrs"])},
                    version=version(root),
                ).results[0]
            ]

        return Match([grouped, inner, root], build)


def _is_back(reshape: ir.Operation, x: ir.Value) -> bool:
    """Whether a reshape gives the shape of x for certain."""
    if reshape.results[0].type != x.type:
        return False
    shape = sem.shape_of(x)
    target = made_by(reshape.operands[1], "onnx.Shape")
    return (
        None not in shape
        or (shape.count(None) == 1 and 0 not in shape)
        or (
            (target is not None and target.operands[0] == x and len(sem.slots(target)) == 1)
            and not integer(target, "start", 0)
        )
    )


def _keeps_batch(
    grouped: ir.Operation,
    shape: tuple[int | None, ...],
    parts: tuple[int | None, ...],
    context: PassContext,
) -> bool:
    """Whether the first extent stays, so that groups are made of channels of one image."""
    if shape[0] is not None or parts[0] is not None:
        return shape[0] == parts[0]
    target = constant_ints(grouped.operands[1], context)
    if target is not None and target[0] == 0:
        return not integer(grouped, "allowzero", 0)
    known = (*shape[1:], *parts[1:])
    if None in known:
        return False
    sizes = (math.prod(d for d in part[1:] if d is not None) for part in (shape, parts))
    return len(set(sizes)) == 1


def _is_plain(op: ir.Operation) -> bool:
    """Whether a norm has neither scale nor bias, or ones and zeros."""
    slots = sem.slots(op)
    scale, bias = (slots[i] if i < len(slots) else None for i in (1, 2))
    return (scale is None or number(scale) == 1) and (bias is None or number(bias) == 0)


class ChannelScale(Pattern):
    """An instance or group norm without scale and bias, times (C, 1, …) --> its scale.

    ```mlir
    %0 = "sem.norm"(%x) {groups = 2, kind = "group", …} : (tensor<?x8x4x4xf32>) -> …
    %1 = "sem.elementwise"(%0, %w) {kind = "mul", …} : (…, tensor<8x1x1xf32>) -> …
    ```
    -->
    ```mlir
    %f = "sem.onnx"(%w, %eight) {op_type = "Reshape", …} : (…) -> tensor<8xf32>
    %1 = "sem.norm"(%x, %f) {groups = 2, kind = "group", …}
    ```

    1. A layer norm of (N, C, L) over L that is scaled by channel is an instance norm.
    2. A scale of ones and a bias of zeros are none.
    """

    name = "channel-scale"
    roots = ("elementwise.mul",)
    reads = _CHANNELLED

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        return _taken_in(root, "scale")


class ChannelBias(Pattern):
    """An instance or group norm without bias, plus (C, 1, …) --> its bias.

    ```mlir
    %0 = "sem.norm"(%x, %w) {groups = 2, kind = "group", …} : (…) -> tensor<?x8x4x4xf32>
    %1 = "sem.elementwise"(%0, %b) {kind = "add", …} : (…, tensor<8x1x1xf32>) -> …
    ```
    -->
    ```mlir
    %f = "sem.onnx"(%b, %eight) {op_type = "Reshape", …} : (…) -> tensor<8xf32>
    %1 = "sem.norm"(%x, %w, %f) {groups = 2, kind = "group", …}
    ```
    """

    name = "channel-bias"
    roots = ("elementwise.add",)
    reads = _CHANNELLED

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        return _taken_in(root, "bias")


def _taken_in(root: ir.Operation, which: str) -> Match | None:
    for value, weight in pairs(root):
        op = made_by(value, *_CHANNELLED)
        if op is None or value.type != root.results[0].type or not _is_weight(weight):
            continue
        if len(users(value)) != 1:  # the norm would be computed twice
            return None
        x = op.operands[0]
        _, scale, bias = [*sem.slots(op), None, None][:3]
        kind = NormKind(key_of(op).removeprefix("norm."))
        if kind is NormKind.LAYER:  # case 1
            if len(op.operands) > 1 or ir.IntegerAttr(op.attributes["axis"]).value != _SPACE:
                return None
            kind = NormKind.INSTANCE
        if _is_plain(op):  # case 2
            scale = bias = None
        if bias is not None or (which == "scale" and scale is not None):
            return None
        channels = _channels(weight, x)
        return None if channels is None else _weighted(op, root, kind, scale, weight, which)
    return None


def _weighted(
    op: ir.Operation,
    root: ir.Operation,
    kind: NormKind,
    scale: ir.Value | None,
    weight: ir.Value,
    which: str,
) -> Match:
    x = op.operands[0]
    epsilon = ir.FloatAttr(op.attributes["epsilon"]).value
    groups = ir.IntegerAttr(op.attributes["groups"]).value

    def build() -> list[ir.Value]:
        flat = _flat(weight)
        return [
            norm(
                kind,
                x,
                scale=flat if which == "scale" else scale,
                bias=flat if which == "bias" else None,
                axis=_CHANNEL,
                groups=groups,
                epsilon=epsilon,
            )
        ]

    return Match([op, root], build)


def _flat(weight: ir.Value) -> ir.Value:
    """(C, 1, …) as (C)."""
    op = definer(weight)
    if op is not None and op.name == "sem.constant":
        return constant_of(to_array(op.attributes["value"]).reshape(-1))
    count = math.prod(d for d in sem.shape_of(weight) if d is not None)
    return reshaped(weight, with_shape([count], weight), version=_RESHAPE_VERSION)


def _channels(weight: ir.Value, x: ir.Value) -> int | None:
    """How many channels x has, if the weight has one number for each."""
    shape, wanted = sem.shape_of(weight), sem.shape_of(x)
    spatial = len(wanted) - _SPACE
    channels = wanted[_CHANNEL]
    if channels is None or spatial < 1 or element_of(weight) != element_of(x):
        return None
    leading = shape[: -spatial - 1]
    fits = shape[-spatial - 1 :] == (channels, *[1] * spatial) and leading in ((), (1,))
    return channels if fits else None


def _is_weight(value: ir.Value, depth: int = 3) -> bool:
    """Whether a value is a parameter or a constant, or made of such by pointwise ops."""
    op = definer(value)
    if op is None:
        return False
    if op.name in ("sem.param", "sem.constant"):
        return True
    if op.name != "sem.elementwise" or depth == 0:
        return False
    return all(_is_weight(v, depth - 1) for v in op.operands)


class NormOfCast(Pattern):
    """A norm in f32 between a cast from a narrower float and back --> the norm of that float.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "cast", …} : (tensor<?x8xf16>) -> tensor<?x8xf32>
    %1 = "sem.norm"(%0) {kind = "rms", …} : (tensor<?x8xf32>) -> tensor<?x8xf32>
    %2 = "sem.elementwise"(%1) {kind = "cast", …} : (tensor<?x8xf32>) -> tensor<?x8xf16>
    ```
    -->
    ```mlir
    %2 = "sem.norm"(%x) {kind = "rms", …} : (tensor<?x8xf16>) -> tensor<?x8xf16>
    ```

    The norm computes in f32 anyway. Scale and bias must have been cast from the narrow float too.
    """

    name = "norm-of-cast"
    roots = ("elementwise.cast",)
    reads = ("norm.layer", "norm.rms", "norm.instance", "norm.group")

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        op = made_by(root.operands[0], "norm.layer", "norm.rms", "norm.instance", "norm.group")
        if op is None or element_of(op.operands[0]) != "f32":
            return None
        narrow = element_of(root.results[0])
        if narrow not in FLOATS - {"f32", "f64"} or len(users(op.results[0])) != 1:
            return None
        sources: list[ir.Value | None] = []
        covers: list[ir.Operation] = []
        for value in sem.slots(op):
            cast = None if value is None else made_by(value, "elementwise.cast")
            if value is not None and (cast is None or element_of(cast.operands[0]) != narrow):
                return None
            sources.append(None if cast is None else cast.operands[0])
            covers += [] if cast is None else [cast]
        x, scale, bias = [*sources, None, None][:3]
        if x is None:
            return None
        attributes = op.attributes
        kind = NormKind(key_of(op).removeprefix("norm."))
        axis, groups = (ir.IntegerAttr(attributes[n]).value for n in ("axis", "groups"))
        epsilon = ir.FloatAttr(attributes["epsilon"]).value
        return Match(
            [*covers, op, root],
            lambda: [
                norm(kind, x, scale=scale, bias=bias, axis=axis, groups=groups, epsilon=epsilon)
            ],
        )
