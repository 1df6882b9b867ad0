"""What patterns put in place: builders at the current insertion point and location."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ActivationKind, NormKind
from noema.dialects.elements import dtype_of, to_attribute
from noema.passes.patterns.onnx_rewrite import f32, i64, with_shape
from noema.passes.patterns.pattern import Match


def constant_of(array: NDArray[np.generic]) -> ir.Value:
    """A `sem.constant` that holds an array."""
    attribute = to_attribute(array)
    return sem.build_constant(attribute)


def number_like(value: float, like: ir.Value) -> ir.Value:
    """A `sem.constant` of one number, of the type of another constant."""
    dtype = dtype_of(like.type).numpy
    shape = ir.RankedTensorType(like.type).shape
    return constant_of(np.full(shape, np.array(value).astype(dtype), dtype))


def reshaped(x: ir.Value, type_: ir.Type, *, version: int) -> ir.Value:
    """A Reshape node to a type of at most one dynamic extent, and none of 0 beside it."""
    dynamic = ir.ShapedType.get_dynamic_size()
    extents = [-1 if d == dynamic else d for d in ir.RankedTensorType(type_).shape]
    shape = constant_of(np.array(extents, np.int64))
    return sem.build_onnx("Reshape", [x, shape], [type_], attrs={}, version=version).results[0]


def transposed(x: ir.Value, perm: Sequence[int], *, version: int) -> ir.Value:
    """A Transpose node."""
    shape = sem.shape_of(x)
    type_ = with_shape([shape[i] for i in perm], x)
    attrs = {"perm": ir.DenseI64ArrayAttr.get(list(perm))}
    return sem.build_onnx("Transpose", [x], [type_], attrs=attrs, version=version).results[0]


def unsqueezed(x: ir.Value, axes: Sequence[int], type_: ir.Type, *, version: int) -> ir.Value:
    """An Unsqueeze node of opset 13 or later."""
    vector = constant_of(np.array(axes, np.int64))
    return sem.build_onnx("Unsqueeze", [x, vector], [type_], attrs={}, version=version).results[0]


def activation(
    kind: ActivationKind, x: ir.Value, *, alpha: float = 0.0, beta: float = 0.0
) -> ir.Value:
    """A `sem.activation`."""
    return sem.build(
        sem.ActivationOp,
        [x],
        x.type,
        kind=ir.StringAttr.get(kind),
        alpha=f32(alpha),
        beta=f32(beta),
    )


def matmul(
    lhs: ir.Value,
    rhs: ir.Value,
    result: ir.Type,
    *,
    transpose_lhs: bool = False,
    transpose_rhs: bool = False,
) -> ir.Value:
    """A `sem.matmul`."""
    return sem.build(
        sem.MatmulOp,
        [lhs, rhs],
        result,
        transpose_lhs=ir.BoolAttr.get(transpose_lhs),
        transpose_rhs=ir.BoolAttr.get(transpose_rhs),
    )


def as_activation(
    covers: Sequence[ir.Operation],
    kind: ActivationKind,
    x: ir.Value,
    *,
    alpha: float = 0.0,
    beta: float = 0.0,
) -> Match:
    """The match that puts one `sem.activation` in place of `covers`."""
    return Match(covers, lambda: [activation(kind, x, alpha=alpha, beta=beta)])


def norm(
    kind: NormKind,
    x: ir.Value,
    *,
    axis: int,
    epsilon: float,
    scale: ir.Value | None = None,
    bias: ir.Value | None = None,
    groups: int = 1,
) -> ir.Value:
    """A `sem.norm` of a kind that computes its own statistics."""
    return sem.build(
        sem.NormOp,
        [x, scale, bias],
        x.type,
        kind=ir.StringAttr.get(kind),
        axis=i64(axis),
        groups=i64(groups),
        epsilon=f32(epsilon),
    )
