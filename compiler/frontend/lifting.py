"""Moves constants out of subgraphs, so that no large tensor is left inside a node."""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import helper, numpy_helper

from noema.frontend.functions import ValueNames, rename_values
from noema.frontend.schemas import domain_of
from noema.frontend.shapes import UnsupportedType
from noema.frontend.tensors import Stored, TensorReader
from noema.frontend.validate import subgraphs
from noema.parameters import Parameter

ReadTensor = Callable[[str, onnx.TensorProto, str, str], None]
"""Makes a tensor a constant: its new name, the tensor, what it is, and the node it is of."""


def lift_tensors(
    node: onnx.NodeProto, read: ReadTensor, tensors: TensorReader, names: ValueNames
) -> None:
    """Takes constants out of the node's subgraphs, in place; they become outer values.

    Tensors in its other attributes are put in place: inference looks at them.

    Args:
        node: Changed in place.
        read: What to do with each constant.
        tensors: Where tensors are read from.
        names: Where new names come from.

    Raises:
        InvalidModel: A malformed tensor.
    """
    for attribute in node.attribute:
        found = [attribute.t] if attribute.HasField("t") else list(attribute.tensors)
        for tensor in found:
            _read_in_place(tensor, node, tensors)
    for graph in subgraphs(node):
        _lift_from(graph, node, read, tensors, names)


def _lift_from(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    read: ReadTensor,
    tensors: TensorReader,
    names: ValueNames,
) -> None:
    lifted: dict[str, str] = {}
    formal = {v.name for v in graph.input}
    for tensor in list(graph.initializer):
        if tensor.name not in formal:
            name = lifted[tensor.name] = names.fresh(f"{node.name}/{tensor.name}")
            read(name, tensor, "initializer", node.name)
            graph.initializer.remove(tensor)
    for inner in list(graph.node):
        is_tensor = any(a.name == "value" for a in inner.attribute)
        if inner.op_type == "Constant" and domain_of(inner) == "" and is_tensor:
            value = inner.output[0]
            name = lifted[value] = names.fresh(f"{node.name}/{value}")
            read(name, inner.attribute[0].t, "Constant", inner.name)
            graph.node.remove(inner)
    for inner in graph.node:
        rename_values(inner, lifted, names)
    outputs = {v.name for v in graph.output}
    for inside, outside in lifted.items():
        if inside in outputs:
            name = names.fresh(f"{node.name}/Identity")
            graph.node.append(helper.make_node("Identity", [outside], [inside], name=name))
    for inner in graph.node:
        lift_tensors(inner, read, tensors, names)


def _read_in_place(tensor: onnx.TensorProto, node: onnx.NodeProto, tensors: TensorReader) -> None:
    try:
        value = tensors.read(tensor, node.name)
    except UnsupportedType:
        return
    if isinstance(value, Stored):
        array = Parameter(value.dtype, value.shape, value.path, value.offset).values()
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
