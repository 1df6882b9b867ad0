"""The `sem` dialect: a network on builtin tensors, op by op, with what each op means.

A named op exists where a pass or a lowering treats it specially; everything else is `sem.onnx`,
the ONNX node itself. All ops are pure and have value semantics; weights are named, not held.
The dialect is defined through IRDL, so there is only the generic textual form:

```mlir
%w = "sem.param"() {parameter = "encoder.weight"} : () -> tensor<768x768xf32>
%0 = "sem.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false}
       : (tensor<?x128x768xf32>, tensor<768x768xf32>) -> tensor<?x128x768xf32>
%1 = "sem.activation"(%0) {alpha = 0.0 : f32, beta = 0.0 : f32, kind = "gelu_erf"}
       : (tensor<?x128x768xf32>) -> tensor<?x128x768xf32>
```

Element types are those of `noema.dtypes`: signless integers are signed ones, `ui8` is unsigned.
"""

# No `from __future__ import annotations` here: ext reads the field annotations as objects.

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from torch_mlir import ir
from torch_mlir.dialects import ext
from torch_mlir.dialects.ext import Dialect, Operand, Pure, Result, attribute, result

from noema.dialects import shapes
from noema.dialects.attrs import ActivationKind, ElementwiseKind, NormKind
from noema.dialects.elements import integers_in
from noema.dialects.shapes import broadcast_shapes, compatible, extents_of, same_shape, shape_of
from noema.dialects.slots import segments, slots
from noema.dialects.verify import (
    checked,
    element_of,
    flag,
    integer,
    integers,
    number,
    text,
    unranked,
)

Tensor = ir.RankedTensorType
MAX_INPUTS = 16
"""Operand slots of `sem.onnx`; the importer splits wider variadic nodes."""
MAX_OUTPUTS = 16
"""Result slots of `sem.onnx`."""


def _keep_falsy(self: Any, attr: ir.Attribute | None) -> ir.Attribute | None:
    # Upstream tests `if attr:`, which drops `false`, `{}` and `[]`.
    if attr is not None:
        return attr
    return self.default_factory() if self.default_factory else None


ext.AttributeDef.process_attr = _keep_falsy


class DenseArray(ir.Attribute):
    """Any `array<…>` attribute; the bindings' own classes carry no name for IRDL to check."""

    attr_name = "builtin.dense_array"


Bool = ir.IntegerAttr  # `false` is a builtin.integer of type i1; BoolAttr has no name for IRDL


# By text: members of an enum hash in Python.
_ELEMENTWISE = {kind.value: kind for kind in ElementwiseKind}
_ACTIVATIONS = frozenset(kind.value for kind in ActivationKind)
_NORMS = frozenset(kind.value for kind in NormKind)


class Sem(Dialect, name="sem"):
    """The dialect object; `context.new_context` loads it."""


class ConstantOp(Sem.Operation, name="constant", traits=[Pure]):
    """A small constant held in the IR: `value` is an elements attribute of the result type."""

    res: Result[Tensor]
    value: Any = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        got, want = op.attributes["value"].type, op.results[0].type
        if got != want:
            return f"value has type {got}, result has type {want}"
        return unranked(op)


class ParamOp(Sem.Operation, name="param", traits=[Pure]):
    """A weight, by its name in the parameter store."""

    res: Result[Tensor]
    parameter: ir.StringAttr = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        return unranked(op) if text(op, "parameter") else "has an empty parameter name"


class MatmulOp(Sem.Operation, name="matmul", traits=[Pure]):
    """Numpy matrix product of operands of rank ≥ 2: (…, M, K) × (…, K, N) → (…, M, N).

    `transpose_lhs`, `transpose_rhs` swap the last two dimensions of the operand first.
    """

    lhs: Operand[Tensor]
    rhs: Operand[Tensor]
    res: Result[Tensor]
    transpose_lhs: Bool = attribute(default_factory=lambda: ir.BoolAttr.get(False))
    transpose_rhs: Bool = attribute(default_factory=lambda: ir.BoolAttr.get(False))

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        lhs, rhs = shape_of(op.operands[0]), shape_of(op.operands[1])
        if len(lhs) < 2 or len(rhs) < 2:
            return "takes operands of rank 2 or more"
        if flag(op, "transpose_lhs"):
            lhs = (*lhs[:-2], lhs[-1], lhs[-2])
        if flag(op, "transpose_rhs"):
            rhs = (*rhs[:-2], rhs[-1], rhs[-2])
        if not compatible(lhs[-1], rhs[-2]):
            return f"contraction extents differ: {lhs[-1]} and {rhs[-2]}"
        batch = broadcast_shapes([lhs[:-2], rhs[:-2]])
        if batch is None:
            return f"batch shapes don't broadcast: {lhs[:-2]} and {rhs[:-2]}"
        want, got = (*batch, lhs[-2], rhs[-1]), shape_of(op.results[0])
        return None if same_shape(want, got) else f"result shape is {got}, expected {want}"


class ConvOp(Sem.Operation, name="conv", traits=[Pure]):
    """Convolution, channels first: x (N, C, spatial…), weight (F, C/groups, kernel…), bias (F).

    `pads` holds the begins of all spatial dimensions, then the ends. With the attribute
    `channels_last`, x and the result are (N, spatial…, C); the weight stays as it is.
    """

    x: Operand[Tensor]
    weight: Operand[Tensor]
    bias: Optional[Operand[Tensor]] = None
    res: Result[Tensor] = result(kw_only=True)
    strides: DenseArray = attribute(kw_only=True)
    dilations: DenseArray = attribute(kw_only=True)
    pads: DenseArray = attribute(kw_only=True)
    groups: ir.IntegerAttr = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        x, w, res = shape_of(op.operands[0]), shape_of(op.operands[1]), shape_of(op.results[0])
        spatial = len(x) - 2
        if spatial < 1 or len(w) != len(x) or len(res) != len(x):
            return f"needs x, weight and result of one rank ≥ 3, has {len(x)}, {len(w)}, {len(res)}"
        if "channels_last" in op.attributes:
            x, res = ((s[0], s[-1], *s[1:-1]) for s in (x, res))
        strides, dilations, pads = (integers(op, n) for n in ("strides", "dilations", "pads"))
        groups = integer(op, "groups")
        if (len(strides), len(dilations), len(pads)) != (spatial, spatial, 2 * spatial):
            return f"has {spatial} spatial dimensions; strides, dilations or pads disagree"
        if min(strides, default=1) < 1 or min(dilations, default=1) < 1 or groups < 1:
            return "strides, dilations and groups are at least 1"
        if x[1] is not None and w[1] is not None and x[1] != w[1] * groups:
            return f"has {x[1]} input channels; weight and groups take {w[1] * groups}"
        if w[0] is not None and w[0] % groups:
            return f"has {w[0]} filters, not a multiple of {groups} groups"
        want: list[int | None] = [x[0], w[0]]
        for i in range(spatial):
            size, kernel = x[2 + i], w[2 + i]
            if size is None or kernel is None:
                want.append(None)
            else:
                padded = size + pads[i] + pads[spatial + i]
                want.append((padded - dilations[i] * (kernel - 1) - 1) // strides[i] + 1)
        return None if same_shape(tuple(want), res) else f"result shape is {res}, expected {want}"


class SoftmaxOp(Sem.Operation, name="softmax", traits=[Pure]):
    """Softmax over dimension `axis` (≥ 0), or its logarithm if `log`."""

    x: Operand[Tensor]
    res: Result[Tensor]
    axis: ir.IntegerAttr = attribute(kw_only=True)
    log: Bool = attribute(default_factory=lambda: ir.BoolAttr.get(False))

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        x, res = shape_of(op.operands[0]), shape_of(op.results[0])
        if not 0 <= integer(op, "axis") < len(x):
            return f"axis {integer(op, 'axis')} is outside rank {len(x)}"
        return None if same_shape(x, res) else f"result shape is {res}, expected {x}"


class NormOp(Sem.Operation, name="norm", traits=[Pure]):
    """Normalisation; `kind` (attrs.NormKind) says over what. scale and bias broadcast onto x.

    layer, rms: over dimensions `axis`…rank-1, scale and bias of the shape of these dimensions.
    batch: mean and variance given, all of shape (C). instance, group: scale and bias (C).
    Statistics are computed in f32, or in f64 for f64 operands.
    """

    x: Operand[Tensor]
    scale: Optional[Operand[Tensor]] = None
    bias: Optional[Operand[Tensor]] = None
    mean: Optional[Operand[Tensor]] = None
    variance: Optional[Operand[Tensor]] = None
    res: Result[Tensor] = result(kw_only=True)
    kind: ir.StringAttr = attribute(kw_only=True)
    axis: ir.IntegerAttr = attribute(kw_only=True)
    groups: ir.IntegerAttr = attribute(kw_only=True)
    epsilon: ir.FloatAttr = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        kind, x, res = text(op, "kind"), shape_of(op.operands[0]), shape_of(op.results[0])
        if kind not in _NORMS:
            return f"kind {kind!r} is none of {', '.join(NormKind)}"
        if not same_shape(x, res):
            return f"result shape is {res}, expected {x}"
        if not 0 <= integer(op, "axis") < max(len(x), 1):
            return f"axis {integer(op, 'axis')} is outside rank {len(x)}"
        given = integers_in(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))[3:]
        if (kind == NormKind.BATCH) != (given == [1, 1]):
            return "takes mean and variance if and only if kind is batch"
        groups = integer(op, "groups")
        if groups < 1 or (x[1:2] and x[1] is not None and x[1] % groups):
            return f"has {x[1]} channels, not a multiple of {groups} groups"
        return None


class AttentionOp(Sem.Operation, name="attention", traits=[Pure]):
    """Scaled-dot-product attention: softmax(cap(q kᵀ · scale) + bias) v, per batch and head.

    Operands are (B, heads, S, size), or (B, S, heads · size) with `q_num_heads`, `kv_num_heads`.
    Queries have a multiple of the heads of keys and values; query head h reads key head
    h · kv / q. The meaning is that of ONNX's `Attention` (opset 24), operand by operand:

    - `mask` broadcasts onto the scores (B, heads, M, N): booleans, where false forbids, or floats
      that are added. A last dimension shorter than N forbids the rest.
    - `past_key`, `past_value` (B, heads, P, size) come before k and v; `present_key`,
      `present_value` are the two joined.
    - `nonpad_kv_seqlen` (B): how many keys count.
    - `is_causal`: query i sees keys up to i + P.
    - `softcap` c > 0: cap(s) = c · tanh(s / c).
    - A query that may see no key (its whole bias is -inf) gives zeros, not NaN.
    - `sinks`, which ONNX's operator doesn't have, broadcasts onto (B, heads, M, 1): one more score
      for each query, which takes its share in the softmax and mixes no value.
    - `qk` is the intermediate that `qk_matmul_output_mode` says: 0 scaled scores, 1 after the cap,
      2 after the bias, 3 probabilities.

    `scale` is the factor itself, never a default. Attributes that may be absent:
    `qk_matmul_output_mode` (0), `softmax_precision` (an ONNX element type; f32 or wider is used
    anyhow), `left_window_size`, `right_window_size` (-1: how far before and after its own position
    a query sees).
    """

    q: Operand[Tensor]
    k: Operand[Tensor]
    v: Operand[Tensor]
    mask: Optional[Operand[Tensor]] = None
    past_key: Optional[Operand[Tensor]] = None
    past_value: Optional[Operand[Tensor]] = None
    nonpad_kv_seqlen: Optional[Operand[Tensor]] = None
    sinks: Optional[Operand[Tensor]] = None
    res: Result[Tensor] = result(kw_only=True)
    present_key: Optional[Result[Tensor]] = None
    present_value: Optional[Result[Tensor]] = None
    qk: Optional[Result[Tensor]] = None
    scale: ir.FloatAttr = attribute(kw_only=True)
    is_causal: Bool = attribute(default_factory=lambda: ir.BoolAttr.get(False))
    softcap: ir.FloatAttr = attribute(default_factory=lambda: _f32(0.0))
    q_num_heads: ir.IntegerAttr = attribute(default_factory=lambda: _i64(0))
    kv_num_heads: ir.IntegerAttr = attribute(default_factory=lambda: _i64(0))

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        given = [*slots(op), *[None] * 8][:8]
        operands = [None if v is None else shape_of(v) for v in given]
        heads = (integer(op, "q_num_heads"), integer(op, "kv_num_heads"))
        wanted, complaint = shapes.attention(operands, *heads)
        if complaint:
            return complaint
        for name, value, want in zip(
            ("y", "present_key", "present_value", "qk"), slots(op, "result"), wanted, strict=False
        ):
            if value is not None and not same_shape(shape_of(value), want):
                return f"{name} is {shape_of(value)}, expected {want}"
        first = given[0]
        assert first is not None
        for value in (*given[1:3], *given[4:6], *slots(op, "result")[:3]):
            if value is not None and element_of(value) != element_of(first):
                return f"has q of {element_of(first)} and another operand of {element_of(value)}"
        if not number(op, "scale") or number(op, "softcap") < 0:
            return "has a scale of 0, or a negative softcap"
        return None


class RopeOp(Sem.Operation, name="rope", traits=[Pure]):
    """Rotary position embedding: x · cos + rotate(x) · sin on the first features of each head.

    rotate takes the pairs (a, b) to (-b, a): the features i and i + half, or neighbours if
    `interleaved`. The first `rotary_embedding_dim` features (0: all) are rotated, the rest kept.
    `cos` and `sin` end in a factor per rotated feature, or per pair.

    1. Without `positions`: cos and sin broadcast onto x (…, head size). If `num_heads` isn't 0, x
       is (B, S, heads · head size) and they broadcast onto (B, S, heads, head size).
    2. With `positions` (B, S): cos and sin are tables, of a row per position. x is (B, heads, S,
       head size), or (B, S, heads · head size) with `num_heads`. This is ONNX's `RotaryEmbedding`.
    """

    x: Operand[Tensor]
    cos: Operand[Tensor]
    sin: Operand[Tensor]
    positions: Optional[Operand[Tensor]] = None
    res: Result[Tensor] = result(kw_only=True)
    interleaved: Bool = attribute(default_factory=lambda: ir.BoolAttr.get(False))
    num_heads: ir.IntegerAttr = attribute(default_factory=lambda: _i64(0))
    rotary_embedding_dim: ir.IntegerAttr = attribute(default_factory=lambda: _i64(0))

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        operands = [shape_of(v) for v in op.operands]
        complaint = shapes.rope(
            (*operands, *[None] * (4 - len(operands))),
            integer(op, "rotary_embedding_dim"),
            integer(op, "num_heads"),
        )
        if complaint:
            return complaint
        x, cos, sin = list(op.operands)[:3]
        if len({element_of(v) for v in (x, cos, sin, op.results[0])}) != 1:
            return "has x, cos, sin and result of different element types"
        res = shape_of(op.results[0])
        return (
            None
            if same_shape(operands[0], res)
            else f"result shape is {res}, expected {shape_of(x)}"
        )


class EmbeddingOp(Sem.Operation, name="embedding", traits=[Pure]):
    """Rows of a table: (rows, width) by integer ids (…) → (…, width). Negative ids count back."""

    table: Operand[Tensor]
    ids: Operand[Tensor]
    res: Result[Tensor]

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        table, ids = shape_of(op.operands[0]), shape_of(op.operands[1])
        if len(table) != 2:
            return f"takes a table of rank 2, not {table}"
        if element_of(op.operands[1]) not in ("i32", "i64"):
            return f"takes ids of i32 or i64, not {element_of(op.operands[1])}"
        if element_of(op.operands[0]) != element_of(op.results[0]):
            return "has a table and a result of different element types"
        want, got = (*ids, table[1]), shape_of(op.results[0])
        return None if same_shape(want, got) else f"result shape is {got}, expected {want}"


class ActivationOp(Sem.Operation, name="activation", traits=[Pure]):
    """A pointwise activation function of one operand; `kind` is an attrs.ActivationKind."""

    x: Operand[Tensor]
    res: Result[Tensor]
    kind: ir.StringAttr = attribute(kw_only=True)
    alpha: ir.FloatAttr = attribute(default_factory=lambda: _f32(0.0))
    beta: ir.FloatAttr = attribute(default_factory=lambda: _f32(0.0))

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        kind = text(op, "kind")
        if kind not in _ACTIVATIONS:
            return f"kind {kind!r} is none of {', '.join(ActivationKind)}"
        x, res = shape_of(op.operands[0]), shape_of(op.results[0])
        return None if same_shape(x, res) else f"result shape is {res}, expected {x}"


class ElementwiseOp(Sem.Operation, name="elementwise", traits=[Pure]):
    """A pointwise operator with numpy broadcasting; `kind` is an attrs.ElementwiseKind."""

    in0: Operand[Tensor]
    in1: Optional[Operand[Tensor]] = None
    in2: Optional[Operand[Tensor]] = None
    res: Result[Tensor] = result(kw_only=True)
    kind: ir.StringAttr = attribute(kw_only=True)

    @staticmethod
    @checked
    def verify_invariants(op: Any) -> str | None:
        kind = _ELEMENTWISE.get(named := text(op, "kind"))
        if kind is None:
            return f"kind {named!r} is none of {', '.join(ElementwiseKind)}"
        result, operands = op.results[0].type, [v.type for v in op.operands]
        if len(operands) != kind.arity:
            return f"{kind} takes {kind.arity} operands, has {len(operands)}"
        if not kind.is_predicate and operands.count(result) == len(operands):
            return None  # nearly always, and known without reading shapes
        want = broadcast_shapes([extents_of(t) for t in operands])
        if want is None:
            return "operand shapes don't broadcast"
        res = extents_of(result)
        if not same_shape(want, res):
            return f"result shape is {res}, expected {want}"
        element = result.element_type
        if kind.is_predicate:
            return None if str(element) == "i1" else f"{kind} gives i1, not {element}"
        if kind is ElementwiseKind.CAST:
            return None
        first = 1 if kind is ElementwiseKind.WHERE else 0
        # ONNX allows an exponent, and a shift, of another type than the base.
        for operand in operands[first : 1 if kind is ElementwiseKind.POW else None]:
            if operand.element_type != element:
                return f"operand of {operand.element_type}, result of {element}"
        return None


def _f32(value: float) -> ir.FloatAttr:
    return ir.FloatAttr.get(ir.F32Type.get(), value)


def _i64(value: int) -> ir.IntegerAttr:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def _onnx_fields() -> dict[str, Any]:
    # IRDL makes one type constraint of a whole variadic group, so operands of mixed types need a
    # slot each. That suits ONNX: slot i is input i, and an omitted optional input is an empty slot.
    annotations: dict[str, Any] = {}
    fields: dict[str, Any] = {"__annotations__": annotations}
    for name, kind in (
        ("op_type", ir.StringAttr),
        ("domain", ir.StringAttr),
        ("version", ir.IntegerAttr),
        ("attrs", ir.DictAttr),
    ):
        annotations[name] = kind
        fields[name] = attribute(kw_only=True)
    for i in range(MAX_INPUTS):
        annotations[f"in{i}"] = Optional[Operand[Any]]
        fields[f"in{i}"] = None
    for i in range(MAX_OUTPUTS):
        annotations[f"out{i}"] = Optional[Result[Any]]
        fields[f"out{i}"] = None
    return fields


def _verify_onnx(op: Any) -> str | None:
    if not text(op, "op_type"):
        return "has an empty op_type"
    version = integer(op, "version")
    if version < 1:
        return f"opset version {version} is not positive"
    return unranked(op)  # its slots take anything, as far as IRDL knows


OnnxOp = type(
    "OnnxOp",
    (Sem.Operation,),
    {
        **_onnx_fields(),
        "__doc__": """An ONNX node as the model has it: `op_type` of `domain`, opset `version`.

    Operand slot i is ONNX input i (`operandSegmentSizes` shows which are present), result slot i
    is ONNX output i; `attrs` holds the node's attributes by name.
    """,
        "verify_invariants": staticmethod(checked(_verify_onnx)),
    },
    name="onnx",
    traits=[Pure],
)


def build_onnx(
    op_type: str,
    inputs: Sequence[ir.Value | None],
    results: Sequence[ir.Type | None],
    *,
    attrs: Mapping[str, ir.Attribute],
    version: int,
    domain: str = "",
    loc: ir.Location | None = None,
) -> ir.OpView:
    """Builds a `sem.onnx`; None leaves the slot of an omitted input or output empty."""
    # As `OnnxOp(in0=…, …)` would, without binding 40 arguments by name: the importer builds every
    # node of a model here.
    held: dict[str, ir.Attribute] = {
        "op_type": ir.StringAttr.get(op_type),
        "domain": ir.StringAttr.get(domain),
        "version": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), version),
        "attrs": ir.DictAttr.get(dict(attrs)),
        "operandSegmentSizes": segments(inputs, MAX_INPUTS),
        "resultSegmentSizes": segments(results, MAX_OUTPUTS),
    }
    return ir.Operation.create(
        "sem.onnx",
        results=[t for t in results if t is not None],
        operands=[v for v in inputs if v is not None],
        attributes=held,
        loc=loc,
    ).opview


def create(
    op: type[ir.OpView],
    operands: Sequence[ir.Value | None],
    results: Sequence[ir.Type | None],
    **attributes: ir.Attribute,
) -> ir.Operation:
    """An op, as its class would build it, but ten times quicker.

    Args:
        op: The class.
        operands: By slot; None leaves an optional one empty, and trailing ones may be left out.
        results: Their types, likewise.
        attributes: All of them, those with a default too.
    """
    operand_slots, result_slots = op._ODS_OPERAND_SEGMENTS, op._ODS_RESULT_SEGMENTS
    if operand_slots is not None:
        attributes["operandSegmentSizes"] = segments(operands, len(operand_slots))
    if result_slots is not None:
        attributes["resultSegmentSizes"] = segments(results, len(result_slots))
    return ir.Operation.create(
        op.OPERATION_NAME,
        results=[t for t in results if t is not None],
        operands=[v for v in operands if v is not None],
        attributes=attributes,
    )


def build(
    op: type[ir.OpView],
    operands: Sequence[ir.Value | None],
    result: ir.Type,
    **attributes: ir.Attribute,
) -> ir.Value:
    """The result of an op that has one; as `create`."""
    return create(op, operands, [result], **attributes).results[0]


def build_constant(value: ir.Attribute) -> ir.Value:
    """A `sem.constant` of an elements attribute; as `ConstantOp`, but quicker."""
    return build(ConstantOp, [], value.type, value=value)


def build_param(type_: ir.Type, parameter: str) -> ir.Value:
    """A `sem.param`; as `ParamOp`, but quicker."""
    return build(ParamOp, [], type_, parameter=ir.StringAttr.get(parameter))


def build_elementwise(kind: str, operands: Sequence[ir.Value], result: ir.Type) -> ir.Value:
    """A `sem.elementwise`; as `ElementwiseOp`, but quicker."""
    return build(ElementwiseOp, operands, result, kind=ir.StringAttr.get(kind))
