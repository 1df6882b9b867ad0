"""Pass `merge-projections`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import Role, semantics_of
from noema.dialects.elements import tensor_type
from noema.dialects.graph import definer, key_of, ops_named, users
from noema.dialects.provenance import fused_location
from noema.dtypes import from_numpy
from noema.errors import InternalError
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.build import constant_of
from noema.passes.patterns.match import constant, is_known
from noema.passes.patterns.onnx_rewrite import i64, with_shape

_ROLES = frozenset({Role.ATTENTION_QUERY, Role.ATTENTION_KEY, Role.ATTENTION_VALUE})
_VERSION = 24
"""Opset version of the Split that the pass makes."""


@dataclass(frozen=True)
class MergeProjections(Pass):
    """The projections of one attention that read the same tensor become one product.

    Queries, keys and values (as the roles say) are products of the same rows with different
    weights, and as a rule a bias each. One product with all weights side by side reads the rows
    once; attention takes its parts from where they lie in the wide rows.

    ```mlir
    %q = "sem.matmul"(%x, %wq) {sem.role = "attention.query", …} : … -> tensor<1x5x8xf32>
    %k = "sem.matmul"(%x, %wk) {sem.role = "attention.key", …} : … -> tensor<1x5x8xf32>
    %v = "sem.matmul"(%x, %wv) {sem.role = "attention.value", …} : … -> tensor<1x5x8xf32>
    %a = "sem.attention"(%q, %k, %v) {q_num_heads = 2, …}
    ```
    -->
    ```mlir
    %w = "sem.param"() {parameter = "wq.merged"} : () -> tensor<8x24xf32>
    %0 = "sem.matmul"(%x, %w) {sem.role = "attention.qkv", …} : … -> tensor<1x5x24xf32>
    %1:3 = Split(%0) {axis = 2} : … -> tensor<1x5x8xf32>, tensor<1x5x8xf32>, tensor<1x5x8xf32>
    %a = "sem.attention"(%1#0, %1#1, %1#2) {q_num_heads = 2, …}
    ```
    """

    name = "merge-projections"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        with module.context:
            found = sum(_merge(op, context) for op in ops_named(module, "sem.attention"))
        return PassResult(found > 0, {"attention": found} if found else {})


@dataclass(frozen=True)
class _Projection:
    """A product, with its bias if it has one: what it reads, and its values as (K, N) and (N)."""

    ops: Sequence[ir.Operation]
    rows: ir.Value
    weight: NDArray[np.generic]
    bias: NDArray[np.generic] | None

    @property
    def result(self) -> ir.Value:
        return self.ops[-1].results[0]


def _merge(op: ir.Operation, context: PassContext) -> bool:
    """Merges those of an attention's three projections that read the same rows."""
    if not ir.IntegerAttr(op.attributes["q_num_heads"]).value:
        return False
    found = [_projection(v, op, context) for v in list(op.operands)[:3]]
    parts = [p for p in found if p is not None]
    parts = [p for p in parts if p.rows == parts[-1].rows]
    if len(parts) < 2 or len({p.result for p in parts}) < len(parts):
        return False
    if len({p.weight.shape[0] for p in parts}) > 1:
        return False
    _replace(parts, context)
    return True


def _projection(value: ir.Value, reader: ir.Operation, context: PassContext) -> _Projection | None:
    """The projection that makes a value, if nothing but the attention reads it."""
    if any(user != reader for user in users(value)):
        return None
    last = definer(value)
    if last is None:
        return None
    ops, bias = [last], None
    if key_of(last) == "elementwise.add":
        known = [v for v in last.operands if is_known(v)]
        others = [v for v in last.operands if not is_known(v)]
        if len(known) != 1 or len(users(others[0])) != 1:
            return None
        bias = constant(known[0], context)
        product = definer(others[0])
        if bias is None or product is None or bias.size != bias.shape[-1]:
            return None
        ops.insert(0, product)
    product = ops[0]
    if product.name != "sem.matmul" or ir.IntegerAttr(product.attributes["transpose_lhs"]).value:
        return None
    role = product.attributes["sem.role"] if "sem.role" in product.attributes else None
    if role is None or ir.StringAttr(role).value not in _ROLES:
        return None
    weight = constant(product.operands[1], context)
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32:
        return None
    if ir.IntegerAttr(product.attributes["transpose_rhs"]).value:
        weight = weight.T
    if bias is not None and bias.size != weight.shape[1]:
        return None
    return _Projection(ops, product.operands[0], weight, bias)


def _replace(parts: Sequence[_Projection], context: PassContext) -> None:
    first = parts[0].ops[0]
    last = max((p.ops[-1] for p in parts), key=_position)
    weight = np.concatenate([p.weight for p in parts], axis=1)
    columns = weight.shape[1]
    shape = [*sem.shape_of(parts[0].result)[:-1], columns]
    ops = [op for p in parts for op in p.ops]
    stem = _stem(first.operands[1])
    with ir.InsertionPoint(last), fused_location(ops):
        made = ir.Operation.create(
            "sem.matmul",
            results=[with_shape(shape, parts[0].result)],
            operands=[parts[0].rows, _parameter(context, f"{stem}.merged", weight)],
            attributes={
                "transpose_lhs": ir.BoolAttr.get(False),
                "transpose_rhs": ir.BoolAttr.get(False),
            },
        )
        new = [made]
        value = made.results[0]
        if any(p.bias is not None for p in parts):
            bias = np.concatenate(
                [
                    np.zeros(p.weight.shape[1], np.float32) if p.bias is None else p.bias.ravel()
                    for p in parts
                ]
            )
            other = _parameter(context, f"{stem}.merged_bias", bias)
            value = sem.build_elementwise("add", [value, other], value.type)
            new += [op for op in (definer(value), definer(other)) if op is not None]
        sizes = constant_of(np.array([p.weight.shape[1] for p in parts], np.int64))
        split = sem.build_onnx(
            "Split",
            [value, sizes],
            [p.result.type for p in parts],
            attrs={"axis": i64(len(shape) - 1)},
            version=_VERSION,
        )
        new.append(split.operation)
    for op in new:
        for name, attribute in semantics_of(first).items():
            op.attributes[name] = attribute
        op.attributes["sem.role"] = ir.StringAttr.get(Role.ATTENTION_QKV)
    for part, result in zip(parts, split.results, strict=True):
        part.result.replace_all_uses_with(result)
    for part in parts:
        for op in reversed(part.ops):
            op.erase()


def _position(op: ir.Operation) -> int:
    block = op.block
    return next(i for i, other in enumerate(block.operations) if other.operation == op)


def _stem(weight: ir.Value) -> str:
    op = definer(weight)
    if op is None or op.name != "sem.param":
        return "projection"
    return str(ir.StringAttr(op.attributes["parameter"]).value)


def _parameter(context: PassContext, stem: str, array: NDArray[np.generic]) -> ir.Value:
    dtype = from_numpy(array.dtype)
    if dtype is None:
        raise InternalError(f"a parameter of {array.dtype}")
    name = context.parameters.unique_name(stem)
    context.parameters.add(name, np.ascontiguousarray(array))
    return sem.build_param(tensor_type(dtype, array.shape), name)
