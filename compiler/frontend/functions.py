"""Bodies put in place of a node: model-local functions, schema functions, branches, loop steps.

All of them are the same operation: copy a list of nodes, give every value defined inside a fresh
name, and tie the formal inputs and outputs to the names at the call. Captured outer values keep
their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.defs import OpSchema

from noema.errors import InvalidModel
from noema.frontend.schemas import Schemas, function_body, function_versions
from noema.frontend.validate import (
    FunctionKey,
    captured_names,
    check_node,
    every_node,
    function_key,
    subgraphs,
)


class ValueNames:
    """Names of all values and nodes so far; hands out new ones."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._numbers: Counter[str] = Counter()

    def fresh(self, stem: str) -> str:
        """`stem`, or `stem.1`, `stem.2`, …, whichever is free first."""
        name = stem
        while name in self._taken:
            self._numbers[stem] += 1
            name = f"{stem}.{self._numbers[stem]}"
        self._taken.add(name)
        return name


def all_names(graph: onnx.GraphProto) -> set[str]:
    """Every value name and node name in the graph and its subgraphs."""
    names = {v.name for v in graph.input} | {v.name for v in graph.output}
    names |= {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    for node in graph.node:
        names.add(node.name)
        names.update(node.input)
        names.update(node.output)
        for inner in subgraphs(node):
            names |= all_names(inner)
    return names


def rename_values(node: onnx.NodeProto, mapping: Mapping[str, str], names: ValueNames) -> None:
    """Renames the node's inputs and what its subgraphs capture, in place.

    A value defined in a subgraph hides an outer one of its name, and moves out of the way where
    it would hide a value that `mapping` brings in.
    """
    for index, name in enumerate(node.input):
        if name in mapping:
            node.input[index] = mapping[name]
    if captured_names(node) & mapping.keys():
        for graph in subgraphs(node):
            _rename_graph(graph, mapping, names)


def _rename_graph(graph: onnx.GraphProto, outer: Mapping[str, str], names: ValueNames) -> None:
    local = [v.name for v in graph.input] + [t.name for t in graph.initializer]
    local += [t.values.name for t in graph.sparse_initializer]
    local += [name for node in graph.node for name in node.output if name]
    hidden = set(local)
    mapping = {k: v for k, v in outer.items() if k not in hidden}
    incoming = set(mapping.values())
    mapping.update({name: names.fresh(name) for name in hidden if name in incoming})
    for value in graph.input:
        value.name = mapping.get(value.name, value.name)
    for tensor in graph.initializer:
        tensor.name = mapping.get(tensor.name, tensor.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = mapping.get(sparse.values.name, sparse.values.name)
    for node in graph.node:
        rename_values(node, mapping, names)
        for index, name in enumerate(node.output):
            if name in mapping:
                node.output[index] = mapping[name]
    for value in graph.output:
        value.name = mapping.get(value.name, value.name)
    del graph.value_info[:]


def instantiate(
    body: Iterable[onnx.NodeProto],
    binding: Mapping[str, str],
    *,
    prefix: str,
    names: ValueNames,
    attributes: Mapping[str, onnx.AttributeProto] | None = None,
) -> list[onnx.NodeProto]:
    """A copy of `body` with its values tied to the place of the call.

    Args:
        body: Nodes in topological order.
        binding: Name inside → name outside, for formal inputs and outputs; an omitted optional
            input maps to the empty name.
        prefix: What the copies' node and value names start with.
        names: Where new names come from.
        attributes: Values for attributes that refer to a function's attribute; None where the
            body isn't a function's, and has no such references.
    """
    mapping = dict(binding)
    result: list[onnx.NodeProto] = []
    for original in body:
        node = onnx.NodeProto()
        node.CopyFrom(original)
        node.name = names.fresh(f"{prefix}/{original.name or original.op_type}")
        if attributes is not None:
            _bind_attributes(node, attributes)
        rename_values(node, mapping, names)
        for index, name in enumerate(node.output):
            if name and name not in mapping:
                mapping[name] = names.fresh(f"{prefix}/{name}")
            node.output[index] = mapping.get(name, "")
        result.append(node)
    return result


def _bind_attributes(node: onnx.NodeProto, attributes: Mapping[str, onnx.AttributeProto]) -> None:
    """Replaces references to the function's attributes by their values; drops unset ones."""
    bound: list[onnx.AttributeProto] = []
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            bound.append(attribute)
        elif attribute.ref_attr_name in attributes:
            value = onnx.AttributeProto()
            value.CopyFrom(attributes[attribute.ref_attr_name])
            value.name = attribute.name
            bound.append(value)
    if any(a.ref_attr_name for a in node.attribute):
        copies = [onnx.AttributeProto.FromString(a.SerializeToString()) for a in bound]
        del node.attribute[:]
        node.attribute.extend(copies)
    for graph in subgraphs(node):
        for inner in graph.node:
            _bind_attributes(inner, attributes)


def call_function(
    call: onnx.NodeProto,
    function: onnx.FunctionProto,
    names: ValueNames,
    schema: OpSchema | None = None,
) -> list[onnx.NodeProto]:
    """The function's body in place of the call.

    Args:
        call: The node.
        function: Its function: one of the model's, or of an operator's schema.
        names: Where new names come from.
        schema: For an operator, the schema, whose attribute defaults the body may refer to.

    Raises:
        InvalidModel: A required attribute of the function is missing.
    """
    attributes = {a.name: a for a in function.attribute_proto}
    if schema is not None:
        attributes |= {
            name: formal.default_value
            for name, formal in schema.attributes.items()
            if formal.default_value.name
        }
    attributes |= {a.name: a for a in call.attribute}
    if schema is None:
        for name in function.attribute:
            if name not in attributes:
                raise InvalidModel(
                    f"the call of {function.name} lacks attribute {name!r}", node=call.name
                )
    binding: dict[str, str] = {}
    for index, name in enumerate(function.input):
        binding[name] = call.input[index] if index < len(call.input) else ""
    nodes: list[onnx.NodeProto] = []
    for index, name in enumerate(function.output):
        actual = call.output[index] if index < len(call.output) else ""
        if actual and name in binding:
            # A formal input handed straight through, or one result under two names.
            nodes.append(_identity(binding[name], actual, f"{call.name}/{name}", names))
        else:
            binding[name] = actual or names.fresh(f"{call.name}/{name}")
    body = instantiate(function.node, binding, prefix=call.name, names=names, attributes=attributes)
    return body + nodes


def _identity(source: str, target: str, stem: str, names: ValueNames) -> onnx.NodeProto:
    return helper.make_node("Identity", [source], [target], name=names.fresh(stem))


def inline_calls(
    graph: onnx.GraphProto | onnx.FunctionProto,
    functions: Mapping[FunctionKey, onnx.FunctionProto],
    names: ValueNames,
    sources: dict[str, tuple[str, ...]],
    *,
    depth: int,
    budget: int,
) -> int:
    """Puts the bodies of model-local functions in place of their calls, subgraphs included.

    Args:
        graph: Changed in place.
        functions: The model's functions.
        names: Where new names come from.
        sources: Node name → original nodes; filled in for the nodes that are made.
        depth: How many calls may nest; a function that calls itself runs into this.
        budget: How many nodes may be made, those in subgraphs included.

    Returns:
        What is left of the budget.

    Raises:
        InvalidModel: Too deep, too many nodes, or a call that lacks an attribute.
    """
    result: list[onnx.NodeProto] = []
    waiting = [(node, 0) for node in reversed(graph.node)]
    changed = False
    while waiting:
        node, level = waiting.pop()
        function = functions.get(function_key(node))
        if function is None:
            for inner in subgraphs(node):
                budget = inline_calls(
                    inner, functions, names, sources, depth=depth - level, budget=budget
                )
            result.append(node)
            continue
        changed = True
        if level >= depth:
            raise InvalidModel(
                f"functions call each other more than {depth} deep", node=sources_of(node, sources)
            )
        body = call_function(node, function, names)
        budget -= node_count(body)
        if budget < 0:
            raise InvalidModel("the model's functions expand to too many nodes", node=node.name)
        for made in body:
            sources[made.name] = sources.get(node.name, (node.name,))
        waiting.extend((made, level + 1) for made in reversed(body))
    if changed:
        kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in result]
        del graph.node[:]
        graph.node.extend(kept)
    return budget


def node_count(nodes: Iterable[onnx.NodeProto]) -> int:
    """How many nodes these are, with those in their subgraphs."""
    return sum(1 for _ in every_node(nodes))


def sources_of(node: onnx.NodeProto, sources: Mapping[str, tuple[str, ...]]) -> str:
    """The name, in the file, of what the node comes from."""
    return sources.get(node.name, (node.name,))[0]


def schema_function(
    node: onnx.NodeProto,
    schema: OpSchema,
    input_types: Sequence[onnx.TypeProto],
    schemas: Schemas,
) -> onnx.FunctionProto | None:
    """The body that the standard gives for an operator, fit for the model's operator sets.

    The newest version not above the model's that is valid there is chosen.

    Args:
        node: The node, whose attributes and types may decide the body.
        schema: Its schema.
        input_types: One type per input, empty for an omitted one.
        schemas: The model's schemas.

    Returns:
        The function, or None if the operator has none that fits.
    """
    for version, is_dependent in reversed(function_versions(schema)):
        if version > schemas.opsets[""]:
            continue
        function = function_body(schema, version, node if is_dependent else None, input_types)
        if function is not None and _fits(function, schemas):
            return function
    return None


def _fits(function: onnx.FunctionProto, schemas: Schemas) -> bool:
    """Whether the body is straight-line, and each node valid in the model's operator sets.

    A body that loops (that of `Range`, say) is no simpler than its operator.
    """
    for node in function.node:
        if node.op_type in ("Loop", "Scan"):
            return False
        schema = schemas.get(node)
        if schema is None:
            return False
        try:
            check_node(node, schema, in_function=True)
        except InvalidModel:
            return False
    return True


def inline_branch(
    call: onnx.NodeProto, branch: onnx.GraphProto, names: ValueNames
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """The nodes of an `If` branch that is always taken, in place of the `If`.

    Returns:
        Nodes, and the branch's initializers under their new names.
    """
    return _inline_graph(branch, {}, list(call.output), call.name, names)


def _inline_graph(
    graph: onnx.GraphProto,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
    prefix: str,
    names: ValueNames,
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    binding = dict(inputs)
    tensors: list[onnx.TensorProto] = []
    for original in graph.initializer:
        if original.name in binding:
            continue
        tensor = onnx.TensorProto()
        tensor.CopyFrom(original)
        tensor.name = names.fresh(f"{prefix}/{original.name}")
        binding[original.name] = tensor.name
        tensors.append(tensor)
    defined = {name for node in graph.node for name in node.output if name}
    late: list[tuple[str, str]] = []
    for value, actual in zip(graph.output, outputs, strict=False):
        if not actual:
            continue
        if value.name in defined and value.name not in binding:
            binding[value.name] = actual
        else:
            late.append((value.name, actual))
    nodes = instantiate(graph.node, binding, prefix=prefix, names=names)
    for inner, actual in late:
        source = binding.get(inner, inner)
        nodes.append(_identity(source, actual, f"{prefix}/{actual}", names))
    return nodes, tensors


def unroll_loop(
    call: onnx.NodeProto, trips: int, names: ValueNames
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]] | None:
    """A `Loop` of known trip count and constant-true condition as straight-line nodes.

    Returns:
        Nodes and constants they use, or None if the body computes its own condition, or a scan
        output would be empty.
    """
    body = next(a.g for a in call.attribute if a.name == "body")
    carried = len(body.input) - 2
    if carried != len(call.input) - 2 or len(body.output) < carried + 1:
        raise InvalidModel("the loop's body doesn't fit its inputs", node=call.name)
    has_condition = len(call.input) > 1 and call.input[1] != ""
    if has_condition and not _stays_true(body):
        return None
    scans = len(body.output) - 1 - carried
    wanted = list(call.output) + [""] * (carried + scans - len(call.output))
    if trips == 0 and any(wanted[carried:]):
        return None
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    true = names.fresh(f"{call.name}/true")
    tensors.append(numpy_helper.from_array(np.array(True), true))
    zero = names.fresh(f"{call.name}/axis0")
    tensors.append(numpy_helper.from_array(np.array([0], np.int64), zero))
    state = list(call.input[2:])
    slices: list[list[str]] = [[] for _ in range(scans)]
    for trip in range(trips):
        prefix = f"{call.name}/{trip}"
        number = names.fresh(f"{prefix}/iteration")
        tensors.append(numpy_helper.from_array(np.array(trip, np.int64), number))
        binding = dict(zip((v.name for v in body.input), (number, true, *state), strict=True))
        results = [names.fresh(f"{prefix}/{v.name}") for v in body.output[1:]]
        step, constants = _inline_graph(body, binding, ["", *results], prefix, names)
        nodes += step
        tensors += constants
        state = results[:carried]
        for index, result in enumerate(results[carried:]):
            if wanted[carried + index]:
                row = names.fresh(f"{prefix}/{result}/row")
                nodes.append(
                    helper.make_node(
                        "Unsqueeze", [result, zero], [row], name=names.fresh(f"{prefix}/Unsqueeze")
                    )
                )
                slices[index].append(row)
    for name, target in zip(state, wanted, strict=False):
        if target:
            nodes.append(_identity(name, target, f"{call.name}/{target}", names))
    for rows, target in zip(slices, wanted[carried:], strict=True):
        if target:
            nodes.append(
                helper.make_node(
                    "Concat", rows, [target], name=names.fresh(f"{call.name}/Concat"), axis=0
                )
            )
    return nodes, tensors


def _stays_true(body: onnx.GraphProto) -> bool:
    """Whether the loop body's condition is its incoming one, or a constant true."""
    name = body.output[0].name
    producers = {o: n for n in body.node for o in n.output}
    while name in producers and producers[name].op_type in ("Identity", "Cast"):
        name = producers[name].input[0]
    if name == body.input[1].name:
        return True
    for tensor in body.initializer:
        if tensor.name == name:
            return bool(numpy_helper.to_array(tensor).all())
    node = producers.get(name)
    if node is not None and node.op_type == "Constant":
        return any(
            a.name == "value" and bool(numpy_helper.to_array(a.t).all()) for a in node.attribute
        )
    return False
