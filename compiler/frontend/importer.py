"""ONNX graph → `sem` module, node by node: nothing is recognised or changed here.

Every node becomes one `sem.onnx` whose location is the name of the node (or of the nodes that it
stands for). Two exceptions keep the op's fixed number of operand slots: an associative node with
more inputs than slots becomes a tree of such nodes, and a Split with more outputs than slots a
list of Slices; all of them carry the location of the one node.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from torch_mlir import ir
from torch_mlir.dialects import func

from noema.dialects import sem
from noema.dialects.attrs import SYMBOLS
from noema.dialects.elements import tensor_type, to_attribute
from noema.errors import Gap, InternalError, UnsupportedModel
from noema.frontend.onnx import OnnxModel
from noema.signature import Dim, TensorSpec

ASSOCIATIVE = frozenset({"Concat", "Max", "Min", "Sum"})
"""Variadic operators that a tree of themselves computes just as well."""


def import_model(model: OnnxModel, context: ir.Context) -> ir.Module:
    """Builds the module: one function `main` from the model's inputs to its outputs.

    Args:
        model: As `read_model` gives it.
        context: From `new_context`; the module lives in it.

    Raises:
        UnsupportedModel: A node holds a subgraph or an attribute that `sem.onnx` can't hold.
    """
    with context, ir.Location.name("model"):
        module = ir.Module.create()
        arguments = [tensor_type(s.dtype, s.shape) for s in model.inputs]
        results = [tensor_type(s.dtype, s.shape) for s in model.outputs]
        with ir.InsertionPoint(module.body):
            main = func.FuncOp("main", (arguments, results))
            main.attributes[SYMBOLS] = _symbols(model.inputs)
        with ir.InsertionPoint(main.add_entry_block()):
            _Importer(model, list(main.arguments)).run()
        return module


def _symbols(specs: Sequence[TensorSpec]) -> ir.ArrayAttr:
    """The symbol of each dimension of each argument, empty where the extent is static."""
    return ir.ArrayAttr.get(
        [
            ir.ArrayAttr.get([ir.StringAttr.get("" if isinstance(d, int) else d) for d in s.shape])
            for s in specs
        ]
    )


class _Importer:
    """Walks the graph in order, keeping the IR value of each ONNX value name."""

    def __init__(self, model: OnnxModel, arguments: Sequence[ir.Value]) -> None:
        self.model = model
        self.types: dict[tuple[str, tuple[Dim, ...]], ir.Type] = {}
        self.values = {
            spec.name: value for spec, value in zip(model.inputs, arguments, strict=True)
        }

    def run(self) -> None:
        gaps = [gap for node in self.model.graph.node for gap in _gaps(node)]
        if gaps:
            raise UnsupportedModel("the model has nodes that noema cannot represent", gaps=gaps)
        for node in self.model.graph.node:
            with self._location(node):
                self._node(node)
        with ir.Location.name("outputs"):
            func.ReturnOp([self._value(spec.name) for spec in self.model.outputs])

    def _location(self, node: onnx.NodeProto) -> ir.Location:
        names = self.model.sources.get(node.name, (node.name,)) or (node.name,)
        locations = [ir.Location.name(name) for name in names]
        return locations[0] if len(locations) == 1 else ir.Location.fused(locations)

    def _node(self, node: onnx.NodeProto) -> None:
        inputs = [self._value(name) if name else None for name in node.input]
        names = list(node.output)
        while names and not names[-1]:
            names.pop()
        if len(inputs) > sem.MAX_INPUTS:
            self.values[names[0]] = self._tree(node, [v for v in inputs if v is not None])
        elif len(names) > sem.MAX_OUTPUTS:
            self._slices(node, inputs[0], names)
        else:
            types = [self._type(name) if name else None for name in names]
            op = self._build(node, node.op_type, inputs, types, _attributes(node))
            present = [name for name in names if name]
            self.values.update(zip(present, op.results, strict=True))

    def _build(
        self,
        node: onnx.NodeProto,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        types: Sequence[ir.Type | None],
        attrs: dict[str, ir.Attribute],
    ) -> ir.OpView:
        """An op of the node's operator set."""
        version = self.model.versions.get(node.name)
        if version is None:
            version = self.model.opsets.get(node.domain, self.model.opset)
        return sem.build_onnx(
            op_type, inputs, types, attrs=attrs, version=version, domain=node.domain
        )

    def _type(self, name: str) -> ir.Type:
        known = self.model.types[name]
        key = known.dtype.mlir, known.shape
        if key not in self.types:
            self.types[key] = tensor_type(known.dtype, known.shape)
        return self.types[key]

    def _value(self, name: str) -> ir.Value:
        if name not in self.values:
            self.values[name] = self._constant(name)
        return self.values[name]

    def _constant(self, name: str) -> ir.Value:
        source = self.model.sources.get(name) or (name,)
        with ir.Location.name(source[0]):
            if name in self.model.constants:
                return sem.build_constant(to_attribute(self.model.constants[name]))
            if name in self.model.parameters:
                entry = self.model.parameters[name]
                type_ = tensor_type(entry.dtype, entry.shape)
                return sem.build_param(type_, name)
        raise InternalError(f"no value named {name!r} in the validated graph")

    def _tree(self, node: onnx.NodeProto, inputs: Sequence[ir.Value]) -> ir.Value:
        attrs, result = _attributes(node), self._type(node.output[0])
        level = list(inputs)
        while len(level) > 1:
            groups = [level[i : i + sem.MAX_INPUTS] for i in range(0, len(level), sem.MAX_INPUTS)]
            last = len(groups) == 1
            level = [
                group[0]
                if len(group) == 1
                else self._build(
                    node,
                    node.op_type,
                    group,
                    [result if last else _partial_type(node, group)],
                    attrs,
                ).results[0]
                for group in groups
            ]
        return level[0]

    def _slices(self, node: onnx.NodeProto, x: ir.Value | None, names: Sequence[str]) -> None:
        assert x is not None
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        start = 0
        for name in names:
            extent = self.model.types[name].shape[axis] if name else None
            if not isinstance(extent, int):
                gap = Gap("Split", node.name, "more outputs than slots, of unknown extents")
                raise UnsupportedModel("the model has a node that noema cannot split", gaps=[gap])
            bounds = [np.array([n], np.int64) for n in (start, start + extent, axis)]
            operands = [x, *(_inline(b) for b in bounds)]
            slice_ = self._build(node, "Slice", operands, [self._type(name)], {})
            self.values[name] = slice_.results[0]
            start += extent


def _inline(array: NDArray[np.generic]) -> ir.Value:
    attribute = to_attribute(array)
    return sem.build_constant(attribute)


def _partial_type(node: onnx.NodeProto, group: Sequence[ir.Value]) -> ir.Type:
    shapes = [sem.shape_of(v) for v in group]
    if node.op_type == "Concat":
        axis = next(a.i for a in node.attribute if a.name == "axis") % len(shapes[0])
        extents = list(shapes[0])
        along = [s[axis] for s in shapes]
        extents[axis] = None if None in along else sum(d for d in along if d is not None)
    else:
        broadcast = sem.broadcast_shapes(shapes)
        if broadcast is None:
            raise InternalError(f"operands of {node.name!r} don't broadcast: {shapes}")
        extents = list(broadcast)
    element = ir.RankedTensorType(group[0].type).element_type
    dynamic = ir.ShapedType.get_dynamic_size()
    return ir.RankedTensorType.get([dynamic if d is None else d for d in extents], element)


def _gaps(node: onnx.NodeProto) -> list[Gap]:
    op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    gaps: list[Gap] = []
    kinds = {a.type for a in node.attribute}
    if kinds & {onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS}:
        gaps.append(Gap(op, node.name, "control flow that isn't decided by constants"))
    elif kinds - _ATTRIBUTE_KINDS:
        gaps.append(Gap(op, node.name, "an attribute that is neither number, text nor tensor"))
    if len(node.input) > sem.MAX_INPUTS and (
        node.op_type not in ASSOCIATIVE or node.domain or "" in node.input
    ):
        gaps.append(Gap(op, node.name, f"more than {sem.MAX_INPUTS} inputs"))
    if len(node.output) > sem.MAX_OUTPUTS and (node.op_type != "Split" or node.domain):
        gaps.append(Gap(op, node.name, f"more than {sem.MAX_OUTPUTS} outputs"))
    return gaps


_ATTRIBUTE_KINDS = {
    onnx.AttributeProto.INT,
    onnx.AttributeProto.FLOAT,
    onnx.AttributeProto.STRING,
    onnx.AttributeProto.TENSOR,
    onnx.AttributeProto.INTS,
    onnx.AttributeProto.FLOATS,
    onnx.AttributeProto.STRINGS,
}


def _attributes(node: onnx.NodeProto) -> dict[str, ir.Attribute]:
    return {a.name: _attribute(a) for a in node.attribute}


def _attribute(a: onnx.AttributeProto) -> ir.Attribute:
    match a.type:
        case onnx.AttributeProto.INT:
            return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), a.i)
        case onnx.AttributeProto.FLOAT:
            return ir.FloatAttr.get(ir.F32Type.get(), a.f)
        case onnx.AttributeProto.STRING:
            return ir.StringAttr.get(a.s.decode("utf-8", "replace"))
        case onnx.AttributeProto.TENSOR:
            return to_attribute(numpy_helper.to_array(a.t))
        case onnx.AttributeProto.INTS:
            return ir.DenseI64ArrayAttr.get(list(a.ints))
        case onnx.AttributeProto.FLOATS:
            return ir.DenseF32ArrayAttr.get(list(a.floats))
        case onnx.AttributeProto.STRINGS:
            texts = [ir.StringAttr.get(s.decode("utf-8", "replace")) for s in a.strings]
            return ir.ArrayAttr.get(texts)
        case _:
            raise InternalError(f"attribute {a.name!r} of kind {a.type}, which _gaps lets through")
