"""Pass `channels-last`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import semantics_of
from noema.dialects.elements import dtype_of
from noema.dialects.graph import definer, is_used, key_of
from noema.dialects.optimized import build_pool
from noema.dialects.provenance import fused_location
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns import build
from noema.passes.patterns.match import (
    axes,
    constant,
    integer,
    integers,
    is_known,
    permutation,
    version,
)
from noema.passes.patterns.onnx_rewrite import element_of, with_shape

_VERSION = 24
"""Opset version of the nodes that the pass makes."""


@dataclass(frozen=True)
class ChannelsLast(Pass):
    """Convolutions and what surrounds them run channels last: (N, spatial…, C).

    Each convolution and pooling becomes one of channels-last operands, between Transposes; ops that
    work in any layout follow, so that the Transposes move out to where a network's convolutional
    part begins and ends. An op that has operands of both layouts takes the one whose conversion
    moves fewer bytes. Weights aren't touched: code generation packs them as it likes; but a
    ConvTranspose whose windows don't overlap becomes a 1 x 1 convolution with other weights.

    ```mlir
    %0 = "sem.conv"(%x, %w) {…} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
    ```
    -->
    ```mlir
    %0 = "sem.onnx"(%x) {op_type = "Transpose", attrs = {perm = array<i64: 0, 2, 3, 1>}, …}
           : (tensor<1x3x8x8xf32>) -> tensor<1x8x8x3xf32>
    %1 = "sem.conv"(%0, %w) {channels_last, …}
           : (tensor<1x8x8x3xf32>, tensor<4x3x3x3xf32>) -> tensor<1x8x8x4xf32>
    %2 = "sem.activation"(%1) {kind = "relu", …} : (tensor<1x8x8x4xf32>) -> tensor<1x8x8x4xf32>
    %3 = "sem.onnx"(%2) {op_type = "Transpose", attrs = {perm = array<i64: 0, 3, 1, 2>}, …}
           : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
    ```
    """

    name = "channels-last"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        counts: dict[str, int] = {}
        with module.context:
            for function in module.body.operations:
                for region in function.operation.regions:
                    for block in region:
                        _Rewriter(context, counts).run(block)
        return PassResult(bool(counts), counts)


@dataclass
class _Rewriter:
    """The work on one block.

    Attributes:
        context: What the pass may use.
        counts: What it did, by word.
        last: Channels-first value → the same, channels last.
        made: Transposes back to channels first, and other ops that may have become dead.
    """

    context: PassContext
    counts: dict[str, int]
    last: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])
    made: list[ir.Operation] = field(default_factory=list[ir.Operation])

    def run(self, block: ir.Block) -> None:
        for view in list(block.operations):
            op = view.operation
            rewrite = _REWRITES.get(key_of(op)) or (
                _pointwise if op.name in ("sem.elementwise", "sem.activation") else None
            )
            if rewrite is None or (len(op.results) != 1 and rewrite is not _split):
                continue
            with ir.InsertionPoint(op), op.location:
                made = rewrite(self, op)
            if made is None:
                continue
            owner = definer(made)
            if owner is not None:
                for name, attribute in semantics_of(op).items():
                    owner.attributes[name] = attribute
            self.counts[_word(op)] = self.counts.get(_word(op), 0) + 1
            self._replace(op, made)
        for op in reversed(self.made):
            if not is_used(op.results[0]):
                op.erase()

    def _replace(self, op: ir.Operation, made: ir.Value) -> None:
        """Puts `made`, channels last, in the place of an op's result."""
        old = op.results[0]
        if old.type == made.type and len(sem.shape_of(old)) < 3:
            old.replace_all_uses_with(made)  # layout has no meaning here
        else:
            with ir.InsertionPoint(op), op.location:
                first = self.transpose(made, _to_first(len(sem.shape_of(made))), op)
            old.replace_all_uses_with(first)
            self.last[first] = made
        op.erase()

    def transpose(self, x: ir.Value, perm: Sequence[int], like: ir.Operation) -> ir.Value:
        """A Transpose; it goes again if nothing comes to use it."""
        made = build.transposed(x, perm, version=_VERSION)
        owner = definer(made)
        assert owner is not None
        for name, attribute in semantics_of(like).items():
            owner.attributes[name] = attribute
        self.made.append(owner)
        return made

    def parameter(self, source: ir.Value, array: NDArray[np.generic]) -> ir.Value:
        """A weight that is made of another one."""
        owner = definer(source)
        is_param = owner is not None and owner.name == "sem.param"
        stem = ir.StringAttr(owner.attributes["parameter"]).value if owner and is_param else "conv"
        name = self.context.parameters.unique_name(stem)
        self.context.parameters.add(name, np.ascontiguousarray(array))
        return sem.build_param(with_shape(array.shape, source), name)

    def take(self, value: ir.Value, rank: int, op: ir.Operation) -> ir.Value:
        """An operand of `op`, channels last; it broadcasts onto `rank` dimensions."""
        found = self.last.get(value)
        if found is not None:
            return found
        shape = sem.shape_of(value)
        if math.prod(d or 2 for d in shape) == 1:
            return value
        if len(shape) < rank:
            array = constant(value, self.context)
            shape = (*[1] * (rank - len(shape)), *shape)
            if array is not None and array.nbytes <= 1 << 16:
                value = build.constant_of(array.reshape([d or 1 for d in shape]))
            else:
                value = build.reshaped(value, with_shape(shape, value), version=_VERSION)
        array = constant(value, self.context)
        if array is not None and array.nbytes <= 1 << 16:
            return build.constant_of(np.ascontiguousarray(array.transpose(_to_last(rank))))
        return self.transpose(value, _to_last(rank), op)


_Rewrite = Callable[[_Rewriter, ir.Operation], "ir.Value | None"]


def _to_last(rank: int) -> list[int]:
    return [0, *range(2, rank), 1]


def _to_first(rank: int) -> list[int]:
    return [0, rank - 1, *range(1, rank - 1)]


def _word(op: ir.Operation) -> str:
    return key_of(op).partition(".")[0] if op.name != "sem.onnx" else key_of(op)[5:]


def _moved(shape: Sequence[int | None]) -> list[int | None]:
    return [shape[i] for i in _to_last(len(shape))]


def _conv(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    operands = sem.slots(op)
    x = operands[0]
    assert x is not None
    shape = sem.shape_of(op.results[0])
    if "channels_last" in op.attributes or len(shape) > 4:
        return None
    taken = at.take(x, len(shape), op)
    attributes = {name: op.attributes[name] for name in op.attributes}
    attributes["channels_last"] = ir.UnitAttr.get()
    return ir.Operation.create(
        "sem.conv",
        results=[with_shape(_moved(shape), op.results[0])],
        operands=[taken, *(v for v in operands[1:] if v is not None)],
        attributes=attributes,
    ).results[0]


def _pool(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    x, result = op.operands[0], op.results[0]
    shape, out = sem.shape_of(x), sem.shape_of(result)
    spatial = len(shape) - 2
    kernel = integers(op, "kernel_shape")
    if spatial not in (1, 2) or kernel is None or element_of(x) not in ("f32", "bf16", "f16"):
        return None
    strides = integers(op, "strides") or [1] * spatial
    dilations = integers(op, "dilations") or [1] * spatial
    pads = _pads(op, shape[2:], kernel, strides, dilations)
    kind = "max" if key_of(op) == "onnx.MaxPool" else "average"
    include = bool(integer(op, "count_include_pad", 0))
    is_known = None not in shape[2:] and None not in out[2:]
    rounds_up = bool(integer(op, "ceil_mode", 0))
    if pads is None or (rounds_up and (kind == "average" or not is_known)):
        return None
    for i, (extent, count) in enumerate(zip(shape[2:], out[2:], strict=True)):
        if extent is not None and count is not None:  # ceil_mode shows in the extents only
            needed = (count - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - extent
            pads[spatial + i] = max(pads[spatial + i], needed - pads[i])
    taken = at.take(x, len(shape), op)
    return build_pool(
        taken,
        with_shape(_moved(out), result),
        kind,
        kernel,
        strides,
        dilations,
        pads,
        include_pad=include,
    )


def _pads(
    op: ir.Operation,
    extents: Sequence[int | None],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int] | None:
    """The pads that a node says, or follow from what it says; None if from unknown extents."""
    auto = (
        ir.StringAttr(ir.DictAttr(op.attributes["attrs"])["auto_pad"]).value
        if ("auto_pad" in ir.DictAttr(op.attributes["attrs"]))
        else "NOTSET"
    )
    spatial = len(kernel)
    if auto == "NOTSET":
        return list(integers(op, "pads") or [0] * (2 * spatial))
    if auto == "VALID":
        return [0] * (2 * spatial)
    begins: list[int] = []
    ends: list[int] = []
    for extent, size, stride, dilation in zip(extents, kernel, strides, dilations, strict=True):
        reach = dilation * (size - 1) + 1
        if extent is not None:
            total = max(0, (-(-extent // stride) - 1) * stride + reach - extent)
        elif stride == 1:
            total = reach - 1
        else:
            return None
        small, large = total // 2, total - total // 2
        begins.append(small if auto == "SAME_UPPER" else large)
        ends.append(large if auto == "SAME_UPPER" else small)
    return [*begins, *ends]


def _global_pool(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    """GlobalAveragePool, GlobalMaxPool, and a mean over all spatial dimensions."""
    x, result = op.operands[0], op.results[0]
    shape = sem.shape_of(x)
    spatial = len(shape) - 2
    if spatial not in (1, 2) or x not in at.last or element_of(x) not in ("f32", "bf16", "f16"):
        return None
    if key_of(op) == "onnx.ReduceMean" and axes(op, at.context) != list(range(2, len(shape))):
        return None
    pooled = build_pool(
        at.last[x],
        with_shape([shape[0], *[1] * spatial, shape[1]], result),
        "max" if key_of(op) == "onnx.GlobalMaxPool" else "average",
        *([], [], [], []),
        include_pad=False,
    )
    if len(sem.shape_of(result)) == len(shape):
        return pooled
    owner = definer(pooled)
    assert owner is not None
    for name, attribute in semantics_of(op).items():
        owner.attributes[name] = attribute
    if None in sem.shape_of(result)[1:]:
        return None
    return build.reshaped(pooled, result.type, version=_VERSION)


def _pointwise(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    result = op.results[0]
    shape = sem.shape_of(result)
    rank = len(shape)
    if rank < 3 or not any(v in at.last for v in op.operands):
        return None

    def size(values: Sequence[ir.Value]) -> int:
        return sum(
            math.prod(d or 1 for d in sem.shape_of(v)) * dtype_of(v.type).numpy.itemsize
            for v in values
        )

    following = [v for v in op.operands if v in at.last]
    others = [v for v in op.operands if v not in at.last and not is_known(v)]
    if any(len(sem.shape_of(v)) != rank for v in following) or size(others) > size(following):
        return None
    return ir.Operation.create(
        op.name,
        results=[with_shape(_moved(shape), result)],
        operands=[at.take(v, rank, op) for v in op.operands],
        attributes={name: op.attributes[name] for name in op.attributes},
    ).results[0]


def _concat(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    shape = sem.shape_of(op.results[0])
    rank = len(shape)
    if not all(v in at.last for v in op.operands):
        return None
    axis = integer(op, "axis", 0) % rank
    moved = _to_last(rank).index(axis)
    return sem.build_onnx(
        "Concat",
        [at.last[v] for v in op.operands],
        [with_shape(_moved(shape), op.results[0])],
        attrs={"axis": build.i64(moved)},
        version=_VERSION,
    ).results[0]


def _split(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    x = at.last.get(op.operands[0])
    if x is None:
        return None
    shapes = [sem.shape_of(r) for r in op.results]
    rank = len(shapes[0])
    attrs = {a.name: a.attr for a in ir.DictAttr(op.attributes["attrs"])}
    attrs["axis"] = build.i64(_to_last(rank).index(integer(op, "axis", 0) % rank))
    parts = sem.build_onnx(
        "Split",
        [x, *list(op.operands)[1:]],
        [with_shape(_moved(s), r) for s, r in zip(shapes, op.results, strict=True)],
        attrs=attrs,
        version=version(op),
    )
    for name, attribute in semantics_of(op).items():
        parts.operation.attributes[name] = attribute
    for old, part in zip(op.results, parts.results, strict=True):
        first = at.transpose(part, _to_first(rank), op)
        old.replace_all_uses_with(first)
        at.last[first] = part
    at.counts["Split"] = at.counts.get("Split", 0) + 1
    at.made.append(op)
    return None


def _conv_transpose(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    """One whose windows don't overlap: each pixel's products, which are then put side by side."""
    x, weight, *rest = op.operands
    array = constant(weight, at.context)
    bias = constant(rest[0], at.context) if rest else None
    shape, out = sem.shape_of(x), sem.shape_of(op.results[0])
    if array is None or array.ndim != 4 or (rest and bias is None) or element_of(x) != "f32":
        return None
    channels, filters, *kernel = array.shape
    enlarged = [(d or 0) * k for d, k in zip(shape[2:], kernel, strict=True)]
    is_plain = (
        (integers(op, "strides") or [1, 1]) == kernel
        and list(out[2:]) == enlarged
        and integer(op, "group", 1) == 1
        and not any(integers(op, "pads") or ())
        and (integers(op, "dilations") or [1, 1]) == [1, 1]
    )
    if not is_plain or 0 in enlarged:
        return None
    taps = kernel[0] * kernel[1]
    by_tap = array.transpose(2, 3, 1, 0).reshape(taps * filters, channels, 1, 1)
    operands = [at.take(x, 4, op), at.parameter(weight, by_tap)]
    if bias is not None:
        operands.append(build.constant_of(np.tile(bias, taps)))
    (batch, high, wide), ones = _moved(shape)[:3], ir.DenseI64ArrayAttr.get([1, 1])
    products = ir.Operation.create(
        "sem.conv",
        results=[with_shape([batch, high, wide, taps * filters], x)],
        operands=operands,
        attributes={
            "channels_last": ir.UnitAttr.get(),
            "strides": ones,
            "dilations": ones,
            "pads": ir.DenseI64ArrayAttr.get([0] * 4),
            "groups": build.i64(1),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 1, int(bool(rest))]),
            **semantics_of(op),
        },
    ).results[0]
    apart = with_shape([batch, high, wide, *kernel, filters], x)
    taken_apart = build.reshaped(products, apart, version=_VERSION)
    rows = build.transposed(taken_apart, [0, 1, 3, 2, 4, 5], version=_VERSION)
    return build.reshaped(rows, with_shape(_moved(out), op.results[0]), version=_VERSION)


def _shuffle(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    """(N, g · c, H, W) as (N, g, c, H, W), (N, c, g, H, W), (N, c · g, H, W): a channel shuffle."""
    moved = definer(op.operands[0])
    if moved is None or key_of(moved) != "onnx.Transpose" or permutation(moved) != [0, 2, 1, 3, 4]:
        return None
    apart = definer(moved.operands[0])
    x = None if apart is None else at.last.get(apart.operands[0])
    if apart is None or x is None or key_of(apart) != "onnx.Reshape":
        return None
    before, groups = sem.shape_of(apart.operands[0]), sem.shape_of(apart.results[0])
    after = sem.shape_of(op.results[0])
    if len(before) != 4 or before != after or None in before[1:] or groups[3:] != before[2:]:
        return None
    with fused_location([apart, moved, op]):
        split = with_shape([before[0], *before[2:], *groups[1:3]], x)
        made = build.reshaped(x, split, version=_VERSION)
        made = build.transposed(made, [0, 1, 2, 4, 3], version=_VERSION)
        made = build.reshaped(made, x.type, version=_VERSION)
    at.made += [apart, moved]
    return made


def _reshape(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    """(N, C, H, W) → (N, C, H·W), (N, C, 1, 1) → (N, C), and the end of a channel shuffle."""
    shuffled = _shuffle(at, op)
    if shuffled is not None:
        return shuffled
    x = at.last.get(op.operands[0])
    before, after = sem.shape_of(op.operands[0]), sem.shape_of(op.results[0])
    if x is None or None in after[1:] or len(before) < 3 or before[:2] != after[:2]:
        return None
    if len(after) == 2:
        return build.reshaped(x, op.results[0].type, version=_VERSION)
    if len(after) != 3:
        return None
    return build.reshaped(x, with_shape(_moved(after), op.results[0]), version=_VERSION)


def _transpose(at: _Rewriter, op: ir.Operation) -> ir.Value | None:
    """A Transpose of a value that is channels last anyway: of the other one, or none at all."""
    x = at.last.get(op.operands[0])
    if x is None:
        return None
    rank = len(sem.shape_of(x))
    to_first = _to_first(rank)
    # What the op gives as dimension i is dimension perm[i] of the channels-first value, and that
    # is dimension to_first[perm[i]] of x. The result is wanted channels last in its turn, unless
    # it is x itself, or nothing but one more Transpose.
    perm = [to_first[i] for i in permutation(op)]
    made = x if perm == list(range(rank)) else at._transpose(x, perm, op)
    op.results[0].replace_all_uses_with(made)
    at.made.append(op)
    return None


_REWRITES: Mapping[str, _Rewrite] = {
    "conv": _conv,
    "onnx.AveragePool": _pool,
    "onnx.Concat": _concat,
    "onnx.ConvTranspose": _conv_transpose,
    "onnx.Flatten": _reshape,
    "onnx.GlobalAveragePool": _global_pool,
    "onnx.GlobalMaxPool": _global_pool,
    "onnx.MaxPool": _pool,
    "onnx.ReduceMean": _global_pool,
    "onnx.Reshape": _reshape,
    "onnx.Split": _split,
    "onnx.Transpose": _transpose,
}
