"""The single walk that turns a checked model into typed, folded nodes.

Nodes are taken in topological order. Each one is, in this order: replaced by what it always does
(a branch, the steps of a loop); typed; replaced by its value if that is known; replaced by its
function body if the caller wants that; or kept. What replaces a node is put in front of the
queue, so that it goes through the same steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.defs import OpSchema

from noema import dtypes
from noema.assumed import Assume
from noema.errors import Gap, InvalidModel, UnsupportedModel, printable
from noema.evaluate import EvaluationFailed, evaluate_node
from noema.frontend.contrib.expansion import OPSET, Expansion, Unexpandable
from noema.frontend.contrib.operators import ContribOperator
from noema.frontend.contrib.table import CONTRIB
from noema.frontend.extents import ExtentRules
from noema.frontend.folding import may_fold
from noema.frontend.functions import (
    ValueNames,
    call_function,
    inline_branch,
    node_count,
    rename_values,
    schema_function,
    unroll_loop,
)
from noema.frontend.geometry import check_geometry
from noema.frontend.inputs import declared_inputs
from noema.frontend.lifting import lift_tensors
from noema.frontend.propagate import ShapeArithmetic
from noema.frontend.schemas import Schemas, domain_of, op_name
from noema.frontend.shapes import (
    SymbolNames,
    UnsupportedType,
    ValueType,
    check_types,
    complete_type,
    dim_params,
    from_type_proto,
    infer_outputs,
    to_type_proto,
)
from noema.frontend.symbolic import Extents
from noema.frontend.tensors import Stored, TensorReader
from noema.frontend.validate import ModelLimits, captured_names, check_node
from noema.frontend.values import ValueTable
from noema.signature import TensorSpec
from noema.sizes import checked_size

MAX_TRIPS = 64
MAX_UNROLLED_NODES = 10_000


class Resolver:
    """State of the walk; see the module's docstring.

    Attributes:
        values: Types of values, and those that are constants.
        sources: Name of a node, or of a constant made for one → names of the nodes of the file
            that it stands for.
        versions: Node name → version of the default operator set that it is of, where that isn't
            the model's.
        inputs: What a caller passes.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        schemas: Schemas,
        tensors: TensorReader,
        expand: Callable[[str, str], bool],
        limits: ModelLimits,
        names: ValueNames,
        sources: dict[str, tuple[str, ...]],
    ) -> None:
        self.values = ValueTable()
        self.sources = sources
        self.versions: dict[str, int] = {}
        self.inputs: tuple[TensorSpec, ...] = ()
        self._model = model
        self._schemas = schemas
        self._tensors = tensors
        self._expand = expand
        self._limits = limits
        self._names = names
        self._symbols = SymbolNames(dim_params(model.graph))
        self._arithmetic = ShapeArithmetic(
            Extents(self._symbols), self.values.types, self.values.constants
        )
        self._extents = ExtentRules(self._arithmetic, self.values.types, self.values.constants)
        self._aliases: dict[str, str] = {}
        self._kept: list[onnx.NodeProto] = []
        self._gaps: list[Gap] = []
        self._untyped: set[str] = set()
        self._steps = 0
        self._queue: deque[tuple[onnx.NodeProto, int]] = deque()
        graph = model.graph
        self._outputs = {o.name for o in graph.output}
        self._used = _used_names(graph)
        self._declared = {v.name: v.type for v in [*graph.value_info, *graph.output]}

    def run(
        self, shapes: Mapping[str, tuple[int | None, ...]], assume: Assume | None = None
    ) -> None:
        """Walks the graph.

        Args:
            shapes: Input name → extents that replace symbolic ones.
            assume: Gives the other symbolic dimensions of inputs an extent.

        Raises:
            InvalidModel: A node is malformed.
            InvalidOption: `shapes` doesn't fit the inputs.
            UnsupportedModel: Values that noema cannot represent, all of them.
        """
        graph = self._model.graph
        for tensor in graph.initializer:
            self._read_tensor(tensor.name, tensor, "initializer", tensor.name)
        for sparse in graph.sparse_initializer:
            self._gap("initializer", sparse.values.name, "sparse tensors", sparse.values.name)
        self._read_inputs(shapes, assume)
        self._queue.extend((node, 0) for node in graph.node)
        while self._queue:
            node, depth = self._queue.popleft()
            self.sources.setdefault(node.name, (node.name,))
            self._steps += 1
            if self._steps > self._limits.nodes:
                raise InvalidModel(f"the model expands to more than {self._limits.nodes} nodes")
            self._step(node, depth)
        if self._gaps:
            raise UnsupportedModel("the model has values that cannot be compiled", gaps=self._gaps)
        for value in graph.output:
            self._check_declared(value.name, value.name)
        self._name_output_symbols()
        self._drop_dead()

    def graph(self) -> onnx.GraphProto:
        """The graph of the nodes that are left; valid after `run`."""
        graph = onnx.GraphProto(name=self._model.graph.name)
        graph.node.extend(self._kept)
        for specs, values in ((self.inputs, graph.input), (self.outputs(), graph.output)):
            for spec in specs:
                proto = to_type_proto(ValueType(spec.dtype, spec.shape))
                values.append(onnx.ValueInfoProto(name=spec.name, type=proto))
        return graph

    def outputs(self) -> tuple[TensorSpec, ...]:
        """The graph's outputs; valid after `run`."""
        specs: list[TensorSpec] = []
        for value in self._model.graph.output:
            kind = self.values.types[value.name]
            specs.append(TensorSpec(value.name, kind.dtype, kind.shape))
        return tuple(specs)

    # Inputs and constants.

    def _read_inputs(
        self, shapes: Mapping[str, tuple[int | None, ...]], assume: Assume | None
    ) -> None:
        constant = {t.name for t in self._model.graph.initializer} | self._untyped
        values = [v for v in self._model.graph.input if v.name not in constant]
        specs: list[TensorSpec] = []
        for name, proto in declared_inputs(values, shapes, assume).items():
            kind = self._try_type(proto, name, "graph input", name)
            if kind is not None:
                self.values.set_type(name, kind)
                specs.append(TensorSpec(name, kind.dtype, kind.shape))
        self.inputs = tuple(specs)

    def _read_tensor(self, name: str, tensor: onnx.TensorProto, op: str, where: str) -> None:
        try:
            value = self._tensors.read(tensor, where)
        except UnsupportedType as error:
            self._gap(op, where, str(error), name)
            return
        if isinstance(value, Stored):
            self.values.add_stored(name, value)
        else:
            self.values.add_constant(name, value)

    # Types.

    def _gap(self, op: str, node: str, reason: str, *values: str) -> None:
        source = self.sources.get(node, (node,))[0]
        self._gaps.append(Gap(op, source, reason))
        self._untyped.update(v for v in values if v)

    def _try_type(self, proto: onnx.TypeProto, name: str, op: str, node: str) -> ValueType | None:
        """The type, or None after noting a gap."""
        try:
            return from_type_proto(proto, self._symbols, budget=self._limits.value_bytes, node=node)
        except UnsupportedType as error:
            self._gap(op, node, str(error), name)
            return None

    def _set_output_types(
        self, node: onnx.NodeProto, inferred: Mapping[str, onnx.TypeProto]
    ) -> bool:
        """Types of the node's outputs; False if one of them is a gap."""
        extents = self._extents.of(node)
        complete = True
        for index, name in enumerate(node.output):
            if not name:
                continue
            proto = onnx.TypeProto()
            proto.CopyFrom(inferred.get(name, onnx.TypeProto()))
            complete_type(
                proto,
                extents[index] if index < len(extents) else None,
                self._declared.get(name),
                self.values.symbols_in_use,
            )
            op = op_name(domain_of(node), node.op_type)
            kind = self._try_type(proto, name, op, node.name)
            if kind is None:
                complete = False
                continue
            self.values.set_type(name, kind)
            self._check_declared(name, node.name)
        return complete

    def _check_declared(self, name: str, node: str) -> None:
        """A value declared with an element type must have that type."""
        declared = self._declared.get(name)
        if declared is None or name not in self.values.types:
            return
        wanted = declared.tensor_type.elem_type
        if declared.WhichOneof("value") not in (None, "tensor_type") or wanted not in (
            0,
            self.values.types[name].dtype.onnx,
        ):
            raise InvalidModel(
                f"{name!r} is declared as another type than {self.values.types[name].dtype}",
                node=node,
            )

    def _name_output_symbols(self) -> None:
        """Gives extents of outputs that have made-up symbols the names that the file declares."""
        renamed: dict[str, str] = {}
        for value in self._model.graph.output:
            shape = self.values.types[value.name].shape
            declared = value.type.tensor_type.shape.dim
            if len(declared) != len(shape):
                continue
            for dim, named in zip(shape, declared, strict=True):
                if not isinstance(dim, str) or not self._symbols.is_made_up(dim):
                    continue
                is_free = named.dim_param and named.dim_param not in self.values.symbols_in_use
                if is_free and dim not in renamed:
                    self.values.symbols_in_use.add(named.dim_param)
                    renamed[dim] = named.dim_param
        for name, kind in self.values.types.items():
            if any(d in renamed for d in kind.shape):
                shape = tuple(renamed.get(d, d) if isinstance(d, str) else d for d in kind.shape)
                self.values.types[name] = ValueType(kind.dtype, shape)

    # The walk.

    def _step(self, node: onnx.NodeProto, depth: int) -> None:
        rename_values(node, self._aliases, self._names)
        node.domain = domain_of(node)
        op = op_name(domain_of(node), node.op_type)
        schemas = self._schemas_of(node)
        found = schemas.find(domain_of(node), node.op_type)
        if isinstance(found, str):
            self._gap(op, node.name, found, *node.output)
            return
        check_node(node, found)
        used = {n for n in [*node.input, *captured_names(node)] if n}
        if used & self._untyped:
            self._untyped.update(o for o in node.output if o)
            return
        if op == "Constant":
            self._read_constant(node)
            return
        lift_tensors(node, self._read_tensor, self._tensors, self._names)
        self._cast_like_to_cast(node)
        if self._follow_control_flow(node, depth) or self._skip_identity(node):
            return
        used = {n for n in [*node.input, *captured_names(node)] if n}
        undefined = sorted(used - self.values.types.keys())
        if undefined:
            raise InvalidModel(f"input {printable(undefined[0])} is not defined", node=node.name)
        found = schemas.get(node) or found
        check_types(node, found, self.values.types)
        contrib = CONTRIB.get((node.domain, node.op_type))
        if contrib is not None and found is contrib.schema:
            self._become_standard(node, contrib, depth)
            return
        check_geometry(node, self.values.types)
        inferred = infer_outputs(
            found,
            node,
            {n: self.values.proto(n) for n in used},
            {n: self.values.tensor(n) for n in used if self._shows_value(node, n)},
            schemas.opsets,
            self._model.ir_version,
        )
        if not self._set_output_types(node, inferred):
            return
        if self._become_vector(node) or self._fold(node, found):
            return
        self._fix_reshape_target(node)
        if depth < self._limits.depth and self._expand(domain_of(node), node.op_type):
            types = [self.values.proto(n) for n in node.input]
            function = schema_function(node, found, types, schemas)
            if function is not None:
                self._replace(node, call_function(node, function, self._names, found), depth)
                return
        self._kept.append(node)

    def _schemas_of(self, node: onnx.NodeProto) -> Schemas:
        """The operator sets that the node is of."""
        version = self.versions.get(node.name)
        return self._schemas if version is None else self._schemas.at(version)

    def _become_standard(self, node: onnx.NodeProto, operator: ContribOperator, depth: int) -> None:
        """Replaces an operator of ONNX Runtime by those of ONNX that it stands for."""
        for slot in range(1, len(node.output)):
            if node.output[slot] not in self._used:
                node.output[slot] = ""
        expansion = Expansion(node, self.values.types, self.values.constants, self._names.fresh)
        try:
            expansion.finish(operator.expand(expansion))
        except Unexpandable as reason:
            self._gap(op_name(node.domain, node.op_type), node.name, str(reason), *node.output)
            return
        self._replace(node, expansion.nodes, depth, expansion.tensors, OPSET)

    def _replace(
        self,
        node: onnx.NodeProto,
        body: Sequence[onnx.NodeProto],
        depth: int,
        tensors: Iterable[onnx.TensorProto] = (),
        version: int | None = None,
    ) -> None:
        """Puts nodes in place of one.

        Args:
            node: The node.
            body: What it stands for.
            depth: How deep it was nested.
            tensors: Constants of the body.
            version: The default operator set that the body is of; None for the node's.
        """
        version = version or self.versions.get(node.name)
        for tensor in tensors:
            self.sources[tensor.name] = self.sources[node.name]
            self._read_tensor(tensor.name, tensor, "initializer", node.name)
        for made in body:
            self.sources[made.name] = self.sources[node.name]
            if version is not None:
                self.versions[made.name] = version
            self._used.update(made.input)
            self._used |= captured_names(made)
        self._queue.extendleft((made, depth + 1) for made in reversed(body))

    def _shows_value(self, node: onnx.NodeProto, name: str) -> bool:
        """Whether inference may look at a value.

        It refuses a `Range` from `[0]` instead of `0`, which runtimes take and the standard's own
        function bodies produce.
        """
        value = self.values.constants.get(name)
        return value is not None and not (node.op_type == "Range" and value.ndim)

    def _read_constant(self, node: onnx.NodeProto) -> None:
        if len(node.attribute) != 1 or not node.output[0]:
            raise InvalidModel("a Constant has exactly one value", node=node.name)
        attribute = node.attribute[0]
        name = node.output[0]
        if attribute.name == "value":
            self._read_tensor(name, attribute.t, "Constant", node.name)
        elif attribute.name == "value_float":
            self.values.add_constant(name, np.array(attribute.f, np.float32))
        elif attribute.name == "value_floats":
            self.values.add_constant(name, np.array(attribute.floats, np.float32))
        elif attribute.name == "value_int":
            self.values.add_constant(name, np.array(attribute.i, np.int64))
        elif attribute.name == "value_ints":
            self.values.add_constant(name, np.array(attribute.ints, np.int64))
        else:
            reason = "sparse tensors" if attribute.name == "sparse_value" else "strings"
            self._gap("Constant", node.name, reason, name)

    def _follow_control_flow(self, node: onnx.NodeProto, depth: int) -> bool:
        """Replaces an `If` or `Loop` whose course is known; True if it did."""
        if domain_of(node) != "" or depth >= self._limits.depth:
            return False
        if node.op_type == "If":
            condition = self.values.constants.get(node.input[0])
            if condition is None or condition.size != 1:
                return False
            wanted = "then_branch" if condition.reshape(-1)[0] else "else_branch"
            branch = next(a.g for a in node.attribute if a.name == wanted)
            if len(branch.output) != len(node.output):
                raise InvalidModel("a branch doesn't have the outputs of its If", node=node.name)
            body, tensors = inline_branch(node, branch, self._names)
        elif node.op_type == "Loop":
            trips = self._scalar(node, 0)
            condition = self._scalar(node, 1)
            body_graph = next(a.g for a in node.attribute if a.name == "body")
            has_condition = len(node.input) > 1 and node.input[1] != ""
            if trips is None or (has_condition and not condition):
                return False
            trips = max(trips, 0)
            if trips > MAX_TRIPS or trips * node_count(body_graph.node) > MAX_UNROLLED_NODES:
                return False
            unrolled = unroll_loop(node, trips, self._names)
            if unrolled is None:
                return False
            body, tensors = unrolled
        else:
            return False
        self._replace(node, body, depth, tensors)
        return True

    def _scalar(self, node: onnx.NodeProto, index: int) -> int | None:
        name = node.input[index] if index < len(node.input) else ""
        value = self.values.constants.get(name)
        return None if value is None or value.size != 1 else int(value.reshape(-1)[0])

    def _skip_identity(self, node: onnx.NodeProto) -> bool:
        """Drops a node that hands its input on, unless an output of the model needs its name."""
        if domain_of(node) != "" or node.output[0] in self._outputs:
            return False
        if node.op_type == "Dropout":
            training = node.input[2] if len(node.input) > 2 else ""
            off = self.values.constants.get(training)
            if training and (off is None or bool(off.any())):
                return False
            if any(o in self._used for o in node.output[1:] if o):
                return False
        elif node.op_type != "Identity":
            return False
        self._aliases[node.output[0]] = node.input[0]
        return True

    def _become_vector(self, node: onnx.NodeProto) -> bool:
        """Replaces shape arithmetic whose result is known by that result."""
        if any(node.output[1:]):
            self._arithmetic.propagate(node)
            return False
        vector = self._arithmetic.propagate(node)
        if vector is None:
            return False
        numbers = [e.value for e in vector if e is not None and e.value is not None]
        if len(numbers) != len(vector):
            return False
        kind = self.values.types[node.output[0]]
        try:
            array = np.array(numbers, np.int64).astype(kind.dtype.numpy)
        except OverflowError:
            return False
        if array.astype(np.int64).tolist() != numbers:
            return False
        self._add_result(node, node.output[0], array.reshape(kind.static_shape() or ()))
        return True

    def _cast_like_to_cast(self, node: onnx.NodeProto) -> None:
        """`CastLike` to a `Cast` to the type of its second input, whose values don't matter."""
        if (
            node.op_type != "CastLike"
            or domain_of(node) != ""
            or node.input[1] not in self.values.types
        ):
            return
        node.op_type = "Cast"
        node.attribute.append(
            onnx.helper.make_attribute("to", self.values.types[node.input[1]].dtype.onnx)
        )
        del node.input[1]

    def _fix_reshape_target(self, node: onnx.NodeProto) -> None:
        """Writes a computed target as a constant, where 0 (as before) and one -1 can say it.

        That leaves the nodes that computed it without use.
        """
        if (
            node.op_type != "Reshape"
            or domain_of(node) != ""
            or node.input[1] in self.values.constants
        ):
            return
        if any(a.name == "allowzero" and a.i for a in node.attribute):
            return
        target = self._arithmetic.vector(node.input[1])
        source = self.values.types[node.input[0]].shape
        shape = self.values.types[node.output[0]].shape
        if target is None or any(e is None for e in target):
            return
        numbers: list[int] = []
        for index, extent in enumerate(shape):
            if isinstance(extent, int):
                numbers.append(extent)
            else:
                same = index < len(source) and source[index] == extent
                numbers.append(0 if same else -1)
        if numbers.count(-1) > 1 or any(extent == 0 for extent in shape):
            return
        name = self._names.fresh(f"{node.name}/shape")
        self._add_result(node, name, np.array(numbers, np.int64))
        node.input[1] = name

    def _fold(self, node: onnx.NodeProto, schema: OpSchema) -> bool:
        """Replaces a node of constant inputs by its value, if that pays."""
        if not all(self.values.is_constant(n) for n in node.input if n) or not any(node.input):
            return False
        bytes_in = sum(v.nbytes for n in node.input if (v := self.values.value(n)) is not None)
        bytes_out: int | None = 0
        for name in node.output:
            if name and bytes_out is not None:
                kind = self.values.types[name]
                shape = kind.static_shape()
                size = kind.dtype.numpy.itemsize
                bytes_out = None if shape is None else bytes_out + checked_size(shape, size)
        if not may_fold(schema, bytes_in, bytes_out):
            return False
        try:
            results = evaluate_node(
                node, [self.values.value(n) for n in node.input], self._schemas_of(node).opsets
            )
        except EvaluationFailed:
            return False
        for name, result in zip(node.output, results, strict=True):
            if name and (result is None or not _agrees(result, self.values.types[name])):
                return False
        for name, result in zip(node.output, results, strict=True):
            if name and result is not None:
                self._add_result(node, name, result)
        return True

    def _add_result(self, node: onnx.NodeProto, name: str, array: NDArray[Any]) -> None:
        """Makes an output a constant; of a node that the file doesn't have, it keeps the source."""
        self.values.add_constant(name, array)
        if self.sources[node.name] != (node.name,):
            self.sources[name] = self.sources[node.name]

    def _drop_dead(self) -> None:
        """Drops nodes and constants that no output depends on any more."""
        live = set(self._outputs)
        kept: list[onnx.NodeProto] = []
        for node in reversed(self._kept):
            if any(o in live for o in node.output):
                kept.append(node)
                live.update(node.input)
                live |= captured_names(node)
        self._kept = kept[::-1]
        defined = {o for node in self._kept for o in node.output if o}
        defined |= {spec.name for spec in self.inputs}
        self.values.drop_dead(live, defined)
        names = {node.name for node in self._kept}
        self.versions = {n: v for n, v in self.versions.items() if n in names}
        self.sources = {
            n: s
            for n, s in self.sources.items()
            if n in names or (self.values.is_constant(n) and s != (n,))
        }


def _used_names(graph: onnx.GraphProto) -> set[str]:
    used = {o.name for o in graph.output}
    for node in graph.node:
        used.update(node.input)
        used |= captured_names(node)
    return used


def _agrees(array: NDArray[Any], kind: ValueType) -> bool:
    """Whether an evaluated result is what inference promised."""
    if dtypes.from_numpy(array.dtype) != kind.dtype or array.ndim != len(kind.shape):
        return False
    return all(
        isinstance(want, str) or have == want
        for have, want in zip(array.shape, kind.shape, strict=True)
    )
