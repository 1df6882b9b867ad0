"""The single walk that turns a checked model into typed, folded nodes.

Nodes are taken in topological order. Each one is, in this order: typed; replaced by its value if
that is known; or kept. What replaces a node (a function body, a branch) is put in front of the
queue, so that it goes through the same steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.defs import OpSchema

from noema import dtypes
from noema.errors import Gap, InternalError, InvalidModel, UnsupportedModel
from noema.evaluate import EvaluationFailed, evaluate_node
from noema.frontend.folding import INLINE_BYTES, may_fold
from noema.frontend.shapes import (
    SymbolNames,
    UnsupportedType,
    ValueType,
    from_type_proto,
    infer_outputs,
    to_type_proto,
)
from noema.frontend.validate import (
    ModelLimits,
    Schemas,
    captured_names,
    domain_of,
    op_name,
)
from noema.parameters import ParameterStore
from noema.signature import TensorSpec
from noema.sizes import checked_size


class Resolver:
    """State of the walk; see the module's docstring."""

    def __init__(
        self,
        model: onnx.ModelProto,
        schemas: Schemas,
        functions: Mapping[tuple[str, str], onnx.FunctionProto],
        expand: Callable[[str, str], bool],
        limits: ModelLimits,
        shapes: Mapping[str, tuple[int | None, ...]],
    ) -> None:
        self.model = model
        self.schemas = schemas
        self.functions = functions
        self.expand = expand
        self.limits = limits
        self.shapes = shapes
        self.symbols = SymbolNames()
        self.constants: dict[str, NDArray[Any]] = {}
        self.parameters = ParameterStore()
        self.types: dict[str, ValueType] = {}
        self.sources: dict[str, tuple[str, ...]] = {}
        self.inputs: tuple[TensorSpec, ...] = ()
        self._protos: dict[str, onnx.TypeProto] = {}
        self._kept: list[onnx.NodeProto] = []
        self._gaps: list[Gap] = []
        self._untyped: set[str] = set()

    def run(self) -> None:
        """Walks the graph.

        Raises:
            InvalidModel: A node is malformed.
            UnsupportedModel: Values that noema cannot represent, all of them.
        """
        graph = self.model.graph
        for tensor in graph.initializer:
            self._add_constant(tensor.name, numpy_helper.to_array(tensor))
        specs: list[TensorSpec] = []
        for value in graph.input:
            if value.name in self.types:
                continue
            try:
                kind = self._type(value.type, value.name)
            except UnsupportedType as error:
                self._gaps.append(Gap("graph input", value.name, str(error)))
                self._untyped.add(value.name)
                continue
            self._set_type(value.name, kind)
            specs.append(TensorSpec(value.name, kind.dtype, kind.shape))
        self.inputs = tuple(specs)
        queue = deque(graph.node)
        while queue:
            node = queue.popleft()
            self.sources.setdefault(node.name, (node.name,))
            self._step(node)
        if self._gaps:
            raise UnsupportedModel("the model has values that cannot be compiled", gaps=self._gaps)

    def graph(self) -> onnx.GraphProto:
        """The graph of the nodes that are left."""
        graph = onnx.GraphProto(name=self.model.graph.name)
        graph.node.extend(self._kept)
        for spec in self.inputs:
            graph.input.append(
                onnx.ValueInfoProto(name=spec.name, type=to_type_proto(self.types[spec.name]))
            )
        for spec in self.outputs():
            graph.output.append(
                onnx.ValueInfoProto(name=spec.name, type=to_type_proto(self.types[spec.name]))
            )
        return graph

    def value_types(self) -> dict[str, ValueType]:
        return dict(self.types)

    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs; valid after `run`."""
        specs: list[TensorSpec] = []
        for value in self.model.graph.output:
            kind = self.types[value.name]
            specs.append(TensorSpec(value.name, kind.dtype, kind.shape))
        return tuple(specs)

    def _type(self, proto: onnx.TypeProto, node: str) -> ValueType:
        return from_type_proto(proto, self.symbols, budget=self.limits.value_bytes, node=node)

    def _set_type(self, name: str, kind: ValueType) -> None:
        self.types[name] = kind
        self._protos[name] = to_type_proto(kind)

    def _add_constant(self, name: str, array: NDArray[Any]) -> None:
        dtype = dtypes.from_numpy(array.dtype)
        if dtype is None:
            self._untyped.add(name)
            return
        self._set_type(name, ValueType(dtype, tuple(array.shape)))
        if array.nbytes <= INLINE_BYTES:
            array = np.ascontiguousarray(array).reshape(array.shape)
            array.flags.writeable = False
            self.constants[name] = array
        else:
            self.parameters.add(name, array)

    def _step(self, node: onnx.NodeProto) -> None:
        schema = self.schemas.get(node)
        if schema is None:
            raise InternalError(f"no schema for {node.op_type}")
        if node.op_type == "Constant" and domain_of(node) == "":
            self._fold(node, schema)
            return
        used = {n for n in [*node.input, *captured_names(node)] if n}
        if used & self._untyped:
            self._untyped.update(o for o in node.output if o)
            return
        values = {
            n: numpy_helper.from_array(self.constants[n]) for n in node.input if n in self.constants
        }
        inferred = infer_outputs(
            schema,
            node,
            {n: self._protos[n] for n in used},
            values,
            self.schemas.opsets,
            self.model.ir_version,
        )
        complete = True
        for name in node.output:
            if not name:
                continue
            try:
                kind = self._type(inferred.get(name, onnx.TypeProto()), node.name)
            except UnsupportedType as error:
                self._gaps.append(
                    Gap(op_name(domain_of(node), node.op_type), node.name, str(error))
                )
                self._untyped.add(name)
                complete = False
                continue
            self._set_type(name, kind)
        if complete and not (self._is_constant(used) and self._fold(node, schema)):
            self._kept.append(node)

    def _is_constant(self, names: set[str]) -> bool:
        return all(n in self.constants or n in self.parameters for n in names)

    def _value(self, name: str) -> NDArray[Any] | None:
        if not name:
            return None
        if name in self.constants:
            return self.constants[name]
        return self.parameters[name].values()

    def _fold(self, node: onnx.NodeProto, schema: OpSchema) -> bool:
        if node.op_type != "Constant":
            bytes_in = sum(v.nbytes for n in node.input if (v := self._value(n)) is not None)
            bytes_out: int | None = 0
            for name in node.output:
                if not name:
                    continue
                kind = self.types[name]
                shape = kind.static_shape()
                if shape is None or bytes_out is None:
                    bytes_out = None
                else:
                    bytes_out += checked_size(shape, kind.dtype.numpy.itemsize)
            if not may_fold(schema, bytes_in, bytes_out):
                return False
        try:
            results = evaluate_node(
                node, [self._value(n) for n in node.input], self.schemas.opsets
            )
        except EvaluationFailed as error:
            if node.op_type == "Constant":
                raise InvalidModel(f"malformed constant: {error}", node=node.name) from error
            return False
        for name, result in zip(node.output, results, strict=True):
            if name and result is not None:
                self._add_constant(name, result)
        return True
