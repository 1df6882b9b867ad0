"""The same model in float64: what an operator's results are before anything is rounded.

The expectations that the suite stores were computed by the reference evaluator in the model's own
float types, with its own roundings. Widening the model shows how far off they are themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from .cases import Value

# Narrower ones are left as they are: there a cast is a quantization, which is the very result.
_WIDENED = frozenset({TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT})

# Integer attributes that name an element type.
_TYPE_ATTRIBUTES = frozenset(
    {"to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision"}
)


def evaluate(model: onnx.ModelProto, feeds: Mapping[str, Value]) -> list[Value]:
    """The outputs of a model, computed in float64 by the ONNX reference evaluator.

    Args:
        model: In float16, bfloat16 or float32; these all become float64, everywhere in it.
        feeds: Values of its inputs; widened too.

    Raises:
        Exception: Whatever the evaluator raises on an operator that it can't run so.
    """
    from onnx.reference import ReferenceEvaluator

    wide = {name: _value(value) for name, value in feeds.items()}
    outputs = ReferenceEvaluator(widened(model)).run(None, wide)
    assert isinstance(outputs, list)
    return outputs


def widened(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with every type and constant of 16 or 32 bits of float as float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    _graph(wide.graph)
    for function in wide.functions:
        _each(function.node, _node)
        _each(function.attribute_proto, _attribute)
        _each(function.value_info, lambda info: _type(info.type))
    return wide


def is_widened(value: Value) -> bool:
    """Whether the value is a tensor of one of the types that are widened."""
    return isinstance(value, np.ndarray) and value.dtype.name in ("float16", "bfloat16", "float32")


def _value(value: Value) -> Value:
    if isinstance(value, list):
        items: list[Value] = value
        return [_value(item) for item in items]
    return value.astype(np.float64) if is_widened(value) else value


def _each(messages: Any, change: Callable[[Any], None]) -> None:
    for message in messages:
        change(message)


def _graph(graph: onnx.GraphProto) -> None:
    for infos in (graph.input, graph.output, graph.value_info):
        _each(infos, lambda info: _type(info.type))
    _each(graph.initializer, _tensor)
    _each(graph.sparse_initializer, lambda sparse: _tensor(sparse.values))
    _each(graph.node, _node)


def _type(proto: onnx.TypeProto) -> None:
    kind = proto.WhichOneof("value")
    if kind == "sequence_type":
        _type(proto.sequence_type.elem_type)
    elif kind == "optional_type":
        _type(proto.optional_type.elem_type)
    elif kind == "map_type":
        _type(proto.map_type.value_type)
    elif kind == "tensor_type":
        proto.tensor_type.elem_type = _element(proto.tensor_type.elem_type)


def _element(number: int) -> int:
    return TensorProto.DOUBLE if number in _WIDENED else number


def _tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_type in _WIDENED:
        wide = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _node(node: onnx.NodeProto) -> None:
    if node.op_type == "Constant" and not node.domain:
        _each(node.attribute, _number)
    _each(node.attribute, _attribute)


def _number(attribute: onnx.AttributeProto) -> None:
    """Turns the attribute of a Constant that holds numbers into one that holds a tensor."""
    if attribute.name not in ("value_float", "value_floats"):
        return
    single = attribute.name == "value_float"
    # Read in the type that they have in the file.
    values = np.float32(attribute.f) if single else np.array(attribute.floats, np.float32)
    wide = np.asarray(values, np.float64)
    attribute.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(wide)))


def _attribute(attribute: onnx.AttributeProto) -> None:
    if attribute.type == onnx.AttributeProto.INT and attribute.name in _TYPE_ATTRIBUTES:
        attribute.i = _element(attribute.i)
    for single, change in (("t", _tensor), ("g", _graph), ("tp", _type)):
        if attribute.HasField(single):
            change(getattr(attribute, single))
    _each(attribute.tensors, _tensor)
    _each(attribute.graphs, _graph)
    _each(attribute.type_protos, _type)
    if attribute.HasField("sparse_tensor"):
        _tensor(attribute.sparse_tensor.values)
