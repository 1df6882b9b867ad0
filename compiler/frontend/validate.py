"""Structural checks of a model: names, order, nesting, operators, attributes.

`onnx.checker` lets negative extents, 2^62-element tensors and operator set 999 pass, so what is
acceptable is decided here. Everything that this module accepts has unique value names, nodes in
topological order, a schema for every node that isn't a call of a model-local function, and
attributes of the types that the schema says.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from onnx.defs import OpSchema

from noema.errors import Gap, InvalidModel, UnsupportedModel, printable
from noema.frontend.schemas import Schemas, attribute_type, domain_of, op_name
from noema.sizes import DEFAULT_BUDGET


@dataclass(frozen=True)
class ModelLimits:
    """What a model file may ask for; past any of these it is refused.

    Attributes:
        value_bytes: Size of one tensor: weight, constant or statically shaped result.
        nodes: Nodes after inlining, subgraphs included.
        depth: Nesting of subgraphs and of function calls.
        proto_bytes: Size of the model without its large weights.
    """

    value_bytes: int = DEFAULT_BUDGET
    nodes: int = 500_000
    depth: int = 32
    proto_bytes: int = 1 << 30


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs among the node's attributes."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def every_node(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """These nodes and those in their subgraphs."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from every_node(graph.node)


def captured_names(node: onnx.NodeProto) -> set[str]:
    """Outer values that the node's subgraphs use."""
    free: set[str] = set()
    for graph in subgraphs(node):
        free |= free_names(graph)
    return free


def free_names(graph: onnx.GraphProto) -> set[str]:
    """Names that the graph uses and doesn't define."""
    defined = {i.name for i in graph.input} | {t.name for t in graph.initializer}
    defined |= {t.values.name for t in graph.sparse_initializer}
    used: set[str] = {o.name for o in graph.output}
    for node in graph.node:
        defined.update(node.output)
        used.update(node.input)
        used |= captured_names(node)
    return used - defined - {""}


def check_text(model: onnx.ModelProto) -> None:
    """Checks that every name is text.

    protobuf hands strings that aren't UTF-8 over as bytes, which would surface anywhere.

    Raises:
        InvalidModel: Otherwise.
    """
    waiting: list[Message] = [model]
    while waiting:
        for field, value in waiting.pop().ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                waiting.extend(value if field.is_repeated else [value])
            elif field.type == FieldDescriptor.TYPE_STRING:
                for text in value if field.is_repeated else [value]:
                    if not isinstance(text, str):
                        raise InvalidModel(f"a {field.name} in the model is not valid UTF-8")


def read_opsets(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Operator set version by domain.

    Raises:
        InvalidModel: A domain twice with different versions, or a version below 1.
    """
    opsets: dict[str, int] = {}
    for entry in imports:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        if entry.version < 1:
            raise InvalidModel(f"operator set version {entry.version} of {printable(domain)}")
        if opsets.setdefault(domain, entry.version) != entry.version:
            raise InvalidModel(f"two operator set versions of domain {printable(domain)}")
    return opsets


def name_nodes(model: onnx.ModelProto) -> dict[str, str]:
    """Gives every node, subgraphs included, a name of its own, in place.

    Returns:
        New name → name in the file, for nodes whose name was taken already.
    """
    taken: set[str] = set()
    renamed: dict[str, str] = {}
    waiting: list[onnx.GraphProto | onnx.FunctionProto] = [model.graph, *model.functions]
    unnamed: list[onnx.NodeProto] = []
    counts: Counter[str] = Counter()
    while waiting:
        for node in waiting.pop().node:
            waiting.extend(subgraphs(node))
            if not node.name:
                unnamed.append(node)
            elif node.name in taken:
                original = node.name
                node.name = _numbered(original, taken, counts)
                renamed[node.name] = original
            taken.add(node.name)
    for node in unnamed:
        node.name = _numbered(node.op_type, taken, counts)
        taken.add(node.name)
    return renamed


def _numbered(stem: str, taken: set[str], counts: Counter[str]) -> str:
    while (name := f"{stem}_{counts[stem]}") in taken:
        counts[stem] += 1
    counts[stem] += 1
    return name


FunctionKey = tuple[str, str, str]
"""Domain, name and overload of a model-local function."""


def function_key(call: onnx.NodeProto) -> FunctionKey:
    """What the node would call, were it a call of a model-local function."""
    return domain_of(call), call.op_type, call.overload


def read_functions(model: onnx.ModelProto) -> dict[FunctionKey, onnx.FunctionProto]:
    """The model-local functions.

    Raises:
        InvalidModel: Two of the same name.
    """
    functions: dict[FunctionKey, onnx.FunctionProto] = {}
    for function in model.functions:
        domain = "" if function.domain == "ai.onnx" else function.domain
        key = (domain, function.name, function.overload)
        if key in functions:
            raise InvalidModel(f"two functions are called {printable(function.name)}")
        functions[key] = function
    return functions


def check_graph(
    model: onnx.ModelProto,
    schemas: Schemas,
    functions: Mapping[FunctionKey, onnx.FunctionProto],
    limits: ModelLimits,
) -> None:
    """Checks main graph, subgraphs and functions; sorts nodes in place where they aren't.

    Operator sets that only functions import are added to those of `schemas`.

    Raises:
        InvalidModel: At the first thing that is malformed, naming the node.
        UnsupportedModel: Unknown operators, all of them.
    """
    _GraphChecker(schemas, functions, limits).check(model)


class _GraphChecker:
    def __init__(
        self,
        schemas: Schemas,
        functions: Mapping[FunctionKey, onnx.FunctionProto],
        limits: ModelLimits,
    ) -> None:
        self.schemas = schemas
        self.functions = functions
        self.limits = limits
        self.gaps: list[Gap] = []
        self.nodes = 0
        self.in_function = False

    def check(self, model: onnx.ModelProto) -> None:
        if not model.graph.output:
            raise InvalidModel("the model has no outputs")
        self._graph(model.graph, (), 0)
        self.in_function = True
        for key, function in self.functions.items():
            self._function(op_name(key[0], key[1]), function)
        if self.gaps:
            ops = sorted({printable(g.op, 60) for g in self.gaps})
            raise UnsupportedModel(
                f"the model uses operators that are not known: {', '.join(ops)}",
                gaps=self.gaps,
                remedy="export with the standard operators, or for an older operator set",
            )

    def _function(self, name: str, function: onnx.FunctionProto) -> None:
        imports = read_opsets(function.opset_import)
        for domain, version in imports.items():
            self.schemas.add_import(domain, version)
        body = onnx.GraphProto(name=name)
        body.input.extend(onnx.ValueInfoProto(name=n) for n in function.input)
        body.output.extend(onnx.ValueInfoProto(name=n) for n in function.output)
        body.node.extend(function.node)
        self._graph(body, (), 0)
        del function.node[:]
        function.node.extend(body.node)
        if imports != {d: self.schemas.opsets[d] for d in imports}:
            self._check_function_versions(name, function, Schemas(imports))

    def _check_function_versions(
        self, name: str, function: onnx.FunctionProto, own: Schemas
    ) -> None:
        """A body written for another operator set is fine while its operators are the same."""
        for node in every_node(function.node):
            here, there = own.get(node), self.schemas.get(node)
            if here and there and here.since_version != there.since_version:
                reason = (
                    f"function {name} uses it as of operator set {here.since_version}, "
                    f"the model as of {there.since_version}"
                )
                self.gaps.append(Gap(op_name(domain_of(node), node.op_type), node.name, reason))

    def _graph(self, graph: onnx.GraphProto, outer: tuple[set[str], ...], depth: int) -> None:
        """Checks a graph; `outer` holds the names visible in it, one set per enclosing graph."""
        if depth > self.limits.depth:
            raise InvalidModel(f"subgraphs are nested more than {self.limits.depth} deep")
        self.nodes += len(graph.node)
        if self.nodes > self.limits.nodes:
            raise InvalidModel(f"the model has more than {self.limits.nodes} nodes")
        local: set[str] = set()
        for value in graph.input:
            if not value.name:
                raise InvalidModel("a graph input has no name")
            if value.name in local:
                raise InvalidModel(f"two inputs are called {printable(value.name)}")
            local.add(value.name)
        initializers = [t.name for t in graph.initializer]
        initializers += [t.values.name for t in graph.sparse_initializer]
        for name, count in Counter(initializers).items():
            if not name:
                raise InvalidModel("an initializer has no name")
            if count > 1:
                raise InvalidModel(f"two initializers are called {printable(name)}")
        local.update(initializers)
        for node in graph.node:
            for name in node.output:
                if name and name in local:
                    raise InvalidModel(
                        f"the value {printable(name)} is defined twice", node=node.name
                    )
                local.add(name)
        local.discard("")
        visible = (*outer, local)
        for node in graph.node:
            self._node(node)
            for name in node.input:
                if name and not any(name in names for names in visible):
                    raise InvalidModel(
                        f"input {printable(name)} is not defined anywhere", node=node.name
                    )
            for inner in subgraphs(node):
                self._graph(inner, visible, depth + 1)
        outputs: set[str] = set()
        for value in graph.output:
            if not any(value.name in names for names in visible):
                raise InvalidModel(f"graph output {printable(value.name)} is not defined")
            if depth == 0 and value.name in outputs:
                raise InvalidModel(f"two graph outputs are called {printable(value.name)}")
            outputs.add(value.name)
        order = topological_order(graph.node)
        if order is not None:
            nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in graph.node]
            del graph.node[:]
            graph.node.extend(nodes[i] for i in order)

    def _node(self, node: onnx.NodeProto) -> None:
        domain = domain_of(node)
        function = self.functions.get(function_key(node))
        if function is not None:
            if len(node.input) > len(function.input) or len(node.output) > len(function.output):
                raise InvalidModel("the call doesn't fit the function's signature", node=node.name)
            return
        found = self.schemas.find(domain, node.op_type)
        if isinstance(found, str):
            self.gaps.append(Gap(op_name(domain, node.op_type), node.name, found))
            return
        check_node(node, found, in_function=self.in_function)


def check_node(node: onnx.NodeProto, schema: OpSchema, *, in_function: bool = False) -> None:
    """Checks arity and attributes of one node against its schema.

    Raises:
        InvalidModel: Wrong number of inputs or outputs, or a wrong or missing attribute.
    """
    if not schema.min_input <= len(node.input) <= schema.max_input:
        raise InvalidModel(
            f"{node.op_type} takes {_between(schema.min_input, schema.max_input)} inputs, "
            f"not {len(node.input)}",
            node=node.name,
        )
    if not schema.min_output <= len(node.output) <= schema.max_output:
        raise InvalidModel(
            f"{node.op_type} has {_between(schema.min_output, schema.max_output)} outputs, "
            f"not {len(node.output)}",
            node=node.name,
        )
    for index, name in enumerate(node.input):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        if not name and formal.option == OpSchema.FormalParameterOption.Single:
            raise InvalidModel(
                f"{node.op_type} needs its input {printable(formal.name)}", node=node.name
            )
    _check_attributes(node, schema, in_function=in_function)


def _between(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least} or more" if most > 1 << 30 else f"{least} to {most}"


_FIELD = {
    onnx.AttributeProto.FLOAT: "f",
    onnx.AttributeProto.INT: "i",
    onnx.AttributeProto.STRING: "s",
    onnx.AttributeProto.TENSOR: "t",
    onnx.AttributeProto.GRAPH: "g",
    onnx.AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    onnx.AttributeProto.TYPE_PROTO: "tp",
}


def _check_attributes(node: onnx.NodeProto, schema: OpSchema, *, in_function: bool) -> None:
    seen: set[str] = set()
    for attribute in node.attribute:
        label = f"attribute {printable(attribute.name)} of {node.op_type}"
        if attribute.name in seen:
            raise InvalidModel(f"{label} is given twice", node=node.name)
        seen.add(attribute.name)
        formal = schema.attributes.get(attribute.name)
        if formal is None:
            raise InvalidModel(f"{label} does not exist", node=node.name)
        if attribute.type != attribute_type(formal):
            wanted = onnx.AttributeProto.AttributeType.Name(attribute_type(formal))
            raise InvalidModel(f"{label} must be of type {wanted}", node=node.name)
        if attribute.ref_attr_name:
            if not in_function:
                raise InvalidModel(f"{label} refers to a function's attribute", node=node.name)
            continue
        field = _FIELD.get(attribute.type)
        if field is not None and not attribute.HasField(field):
            raise InvalidModel(f"{label} has no value", node=node.name)
    for name, formal in schema.attributes.items():
        if formal.required and name not in seen:
            raise InvalidModel(
                f"{node.op_type} needs its attribute {printable(name)}", node=node.name
            )


def topological_order(nodes: Sequence[onnx.NodeProto]) -> list[int] | None:
    """An order in which every value is defined before its use; stable where it can be.

    Returns:
        Indices into `nodes`, or None if they are in such an order already.

    Raises:
        InvalidModel: There is a cycle; names a node on it.
    """
    producer = {name: i for i, node in enumerate(nodes) for name in node.output if name}
    needs: list[set[int]] = []
    for node in nodes:
        used = [*node.input, *captured_names(node)]
        needs.append({producer[name] for name in used if name in producer})
    if all(all(p < i for p in before) for i, before in enumerate(needs)):
        return None
    users: list[list[int]] = [[] for _ in nodes]
    for index, before in enumerate(needs):
        for p in before:
            users[p].append(index)
    missing = [len(before) for before in needs]
    ready = [i for i, count in enumerate(missing) if count == 0]
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for user in users[index]:
            missing[user] -= 1
            if missing[user] == 0:
                heapq.heappush(ready, user)
    if len(order) < len(nodes):
        done = set(order)
        # Following unmet needs backwards from any node left must come round to a cycle.
        at = next(i for i in range(len(nodes)) if i not in done)
        visited: set[int] = set()
        while at not in visited:
            visited.add(at)
            at = min(p for p in needs[at] if p not in done)
        raise InvalidModel("the graph has a cycle through this node", node=nodes[at].name)
    return order
