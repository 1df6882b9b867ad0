"""Types of values: the ONNX spelling, ours, and inference node by node.

Inference runs one node at a time, in graph order, through onnx's own type and shape inference
functions. That keeps errors attached to the node, and lets constant folding and symbolic shape
arithmetic (`symbolic`) feed each other in a single walk instead of a fixpoint over the graph.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import helper
from onnx.shape_inference import infer_node_outputs

from noema import dtypes
from noema.dtypes import DType
from noema.errors import InvalidModel, printable
from noema.signature import Dim
from noema.sizes import checked_size


@dataclass(frozen=True)
class ValueType:
    """Element type and extents of a tensor value; equal symbols mean equal extents."""

    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def is_static(self) -> bool:
        return all(isinstance(d, int) for d in self.shape)

    def static_shape(self) -> tuple[int, ...] | None:
        """The shape if no extent is symbolic, else None."""
        extents = tuple(d for d in self.shape if isinstance(d, int))
        return extents if len(extents) == len(self.shape) else None

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class SymbolNames:
    """Fresh names for unknown extents: `?0`, `?1`, …, avoiding those that the model uses."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._made: set[str] = set()
        self._next = 0

    def fresh(self) -> str:
        while (name := f"?{self._next}") in self._taken:
            self._next += 1
        self._taken.add(name)
        self._made.add(name)
        return name

    def is_made_up(self, name: str) -> bool:
        """Whether `fresh` gave the name, and not the model."""
        return name in self._made


class UnsupportedType(Exception):
    """A value that isn't a tensor of a type we know, or whose rank is unknown."""


def from_type_proto(
    proto: onnx.TypeProto, symbols: SymbolNames, *, budget: int, node: str
) -> ValueType:
    """Our spelling of an ONNX type; unknown extents get fresh symbols.

    Raises:
        UnsupportedType: Not a tensor, no such element type here, or unknown rank.
        InvalidModel: Negative or absurd extents.
    """
    kind = proto.WhichOneof("value")
    if kind != "tensor_type":
        raise UnsupportedType(f"{(kind or 'untyped').removesuffix('_type')} values")
    tensor = proto.tensor_type
    dtype = dtypes.from_onnx(tensor.elem_type)
    if dtype is None:
        raise UnsupportedType(f"tensors of {element_name(tensor.elem_type)}")
    if not tensor.HasField("shape"):
        raise UnsupportedType("its rank can't be inferred")
    shape: list[Dim] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            shape.append(dim.dim_value)
        else:
            shape.append(dim.dim_param or symbols.fresh())
    # A symbolic extent counts as one here: the static part alone may already be absurd.
    checked_size(
        (d if isinstance(d, int) else 1 for d in shape),
        dtype.numpy.itemsize,
        budget,
        what="a value",
        node=node,
    )
    return ValueType(dtype, tuple(shape))


def dim_params(graph: onnx.GraphProto) -> set[str]:
    """Names of symbolic extents that the graph's declarations use."""
    return {
        dim.dim_param
        for value in [*graph.input, *graph.value_info, *graph.output]
        for dim in value.type.tensor_type.shape.dim
        if dim.dim_param
    }


def complete_type(
    proto: onnx.TypeProto,
    extents: Sequence[Dim | None] | None,
    declared: onnx.TypeProto | None,
    known_symbols: Container[str],
) -> None:
    """Fills in what inference left open, in place.

    Computed extents are trusted. A declaration in the file is not: it gives the rank where
    nothing else does, and a *name* to an extent that has none, unless that name already stands
    for another extent.

    Args:
        proto: As inferred.
        extents: As computed by shape arithmetic; None where unknown.
        declared: From the file's `value_info` or graph output.
        known_symbols: Symbols that other values have.
    """
    if proto.WhichOneof("value") not in (None, "tensor_type"):
        return
    tensor = proto.tensor_type
    hint = declared.tensor_type if declared is not None else None
    if tensor.elem_type == 0 and hint is not None:
        tensor.elem_type = hint.elem_type
    if not tensor.HasField("shape"):
        if extents is not None:
            rank = len(extents)
        elif hint is not None and hint.HasField("shape"):
            rank = len(hint.shape.dim)
        else:
            return
        tensor.shape.SetInParent()
        for _ in range(rank):
            tensor.shape.dim.add()
    dims = tensor.shape.dim
    if extents is not None and len(extents) == len(dims):
        for dim, extent in zip(dims, extents, strict=True):
            if extent is not None and not dim.HasField("dim_value"):
                if isinstance(extent, int):
                    dim.dim_value = extent
                elif not dim.dim_param:
                    dim.dim_param = extent
    if hint is not None and hint.HasField("shape") and len(hint.shape.dim) == len(dims):
        for dim, named in zip(dims, hint.shape.dim, strict=True):
            is_open = not dim.HasField("dim_value") and not dim.dim_param
            if is_open and named.dim_param and named.dim_param not in known_symbols:
                dim.dim_param = named.dim_param


def check_types(
    node: onnx.NodeProto, schema: onnx.defs.OpSchema, types: Mapping[str, ValueType]
) -> None:
    """Checks the element types of the node's inputs against its schema.

    Raises:
        InvalidModel: A type that the operator doesn't take, or two where it wants one.
    """
    bound: dict[str, tuple[str, DType]] = {}
    variadic = onnx.defs.OpSchema.FormalParameterOption.Variadic
    for index, name in enumerate(node.input):
        if not name:
            continue
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        dtype = types[name].dtype
        if f"tensor({element_name(dtype.onnx)})" not in formal.types:
            raise InvalidModel(
                f"{node.op_type} does not take {dtype} as its input {formal.name}", node=node.name
            )
        if formal.option == variadic and not formal.is_homogeneous:
            continue
        other, expected = bound.setdefault(formal.type_str, (name, dtype))
        if dtype != expected:
            raise InvalidModel(
                f"{node.op_type} needs inputs of one type, but {printable(other)} is {expected} "
                f"and {printable(name)} is {dtype}",
                node=node.name,
            )


def to_type_proto(value: ValueType) -> onnx.TypeProto:
    """The ONNX spelling of our type."""
    return helper.make_tensor_type_proto(value.dtype.onnx, value.shape)


def element_name(elem_type: int) -> str:
    """Spelling of an ONNX element type, in the way that onnx's type constraints write it."""
    try:
        return onnx.TensorProto.DataType.Name(elem_type).lower()
    except ValueError:
        return f"unknown element type {elem_type}"


_AS_FIRST_INPUT = frozenset({"GroupNormalization", "MeanVarianceNormalization"})
"""Ops without an inference function whose result has the type of their first input."""


def infer_outputs(
    schema: onnx.defs.OpSchema,
    node: onnx.NodeProto,
    input_types: Mapping[str, onnx.TypeProto],
    input_values: Mapping[str, onnx.TensorProto],
    opsets: Mapping[str, int],
    ir_version: int,
) -> dict[str, onnx.TypeProto]:
    """Types of the node's outputs as onnx infers them; outputs it can't tell are absent.

    Args:
        schema: The op's schema for the model's opset.
        node: The node.
        input_types: Types of its inputs and of every outer value its subgraphs use.
        input_values: Values of those inputs that are (small) constants.
        opsets: Operator set version by domain.
        ir_version: The model's IR version.

    Raises:
        InvalidModel: Inference refuses the node.
    """
    if schema.name in _AS_FIRST_INPUT and schema.domain == "":
        return {node.output[0]: input_types[node.input[0]]}
    if _counts_outside_windows(schema, node):
        schema = onnx.defs.get_schema(schema.name, _POOLS_RIGHT)
        opsets = {**opsets, "": _POOLS_RIGHT}
    if not schema.has_type_and_shape_inference_function:
        return _infer_through_model(node, input_types, input_values, opsets, ir_version)
    try:
        return infer_node_outputs(
            schema,
            node,
            dict(input_types),
            dict(input_values),
            opset_imports=[helper.make_opsetid(d, v) for d, v in opsets.items()],
            ir_version=ir_version,
        )
    # Native code on outside input: its exceptions have many types and no common base.
    except Exception as error:
        raise _refused(error, node) from error


_POOLS_RIGHT = 22
"""First operator set whose inference leaves out windows that start beyond the operand."""


def _counts_outside_windows(schema: onnx.defs.OpSchema, node: onnx.NodeProto) -> bool:
    if schema.domain or schema.name not in ("AveragePool", "LpPool", "MaxPool"):
        return False
    ceil = any(a.name == "ceil_mode" and a.i for a in node.attribute)
    return ceil and schema.since_version < _POOLS_RIGHT


def _infer_through_model(
    node: onnx.NodeProto,
    input_types: Mapping[str, onnx.TypeProto],
    input_values: Mapping[str, onnx.TensorProto],
    opsets: Mapping[str, int],
    ir_version: int,
) -> dict[str, onnx.TypeProto]:
    """As `infer_outputs`, for ops whose types follow only from their function body."""
    graph = onnx.GraphProto(name="infer")
    graph.node.append(node)
    for name, proto in input_types.items():
        graph.input.append(onnx.ValueInfoProto(name=name, type=proto))
    for name, tensor in input_values.items():
        named = onnx.TensorProto()
        named.CopyFrom(tensor)
        named.name = name
        graph.initializer.append(named)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    model = onnx.ModelProto(
        ir_version=ir_version,
        graph=graph,
        opset_import=[helper.make_opsetid(d, v) for d, v in opsets.items()],
    )
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        raise _refused(error, node) from error
    return {o.name: o.type for o in inferred.graph.output if o.type.WhichOneof("value")}


def _refused(error: Exception, node: onnx.NodeProto) -> InvalidModel:
    reason = " ".join(str(error).split())[:300]
    return InvalidModel(f"shape inference refuses {node.op_type}: {reason}", node=node.name)
