"""Operator schemas: the standard's own description of each operator, per operator set.

The stubs of the onnx package lack half of `OpSchema`; the functions at the end give those parts
their types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import onnx
from onnx.defs import OpSchema

from noema.frontend.contrib.table import CONTRIB


def op_name(domain: str, op_type: str) -> str:
    """`OpType` in the default domain, else `domain.OpType`."""
    return f"{domain}.{op_type}" if domain else op_type


def domain_of(node: onnx.NodeProto) -> str:
    """The node's domain; `ai.onnx` is another spelling of the default one."""
    return "" if node.domain == "ai.onnx" else node.domain


class Schemas:
    """Operator schemas for a model's operator sets, looked up once per operator.

    ONNX's, and those of the operators that are read as several of ONNX's (`contrib`); the latter
    need no import, which not every tool writes.
    """

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self.opsets = dict(opsets)
        self._found: dict[tuple[str, str], OpSchema | str] = {}
        self._others: dict[int, Schemas] = {}

    def at(self, version: int) -> Schemas:
        """The same with another version of the default domain."""
        if version not in self._others:
            self._others[version] = Schemas({**self.opsets, "": version})
        return self._others[version]

    def add_import(self, domain: str, version: int) -> None:
        """Imports a domain, unless it is imported already."""
        if domain not in self.opsets:
            self.opsets[domain] = version
            self._found.clear()

    def find(self, domain: str, op_type: str) -> OpSchema | str:
        """The schema, or the reason why there is none."""
        key = (domain, op_type)
        if key not in self._found:
            self._found[key] = self._look_up(domain, op_type)
        return self._found[key]

    def get(self, node: onnx.NodeProto) -> OpSchema | None:
        found = self.find(domain_of(node), node.op_type)
        return None if isinstance(found, str) else found

    def _look_up(self, domain: str, op_type: str) -> OpSchema | str:
        found = self._standard(domain, op_type)
        contrib = CONTRIB.get((domain, op_type))
        return contrib.schema if contrib is not None and isinstance(found, str) else found

    def _standard(self, domain: str, op_type: str) -> OpSchema | str:
        version = self.opsets.get(domain)
        if version is None:
            return "its domain is unknown and not imported"
        newest = _newest_versions().get(domain)
        if newest is None:
            return "its domain is unknown"
        if version > newest:
            return f"operator set {version} of its domain; {newest} is the newest that is known"
        try:
            schema = onnx.defs.get_schema(op_type, version, domain)
        except onnx.defs.SchemaError:
            return f"no such operator in operator set {version}"
        if schema.deprecated:
            return f"deprecated in operator set {version}"
        return schema


def _newest_versions() -> dict[str, int]:
    """Newest known operator set of every known domain."""
    ranges = cast(dict[str, tuple[int, int]], cast(Any, onnx.defs).C.schema_version_map())
    return {domain: newest for domain, (_, newest) in ranges.items()}


def attribute_type(formal: OpSchema.Attribute) -> onnx.AttributeProto.AttributeType:
    """The `AttributeProto` type that an attribute must have."""
    return cast(Any, formal.type).value


def is_random(schema: OpSchema) -> bool:
    """Whether the operator's result isn't determined by its inputs."""
    return (
        cast(Any, schema).node_determinism == cast(Any, OpSchema).NodeDeterminism.NonDeterministic
    )


def function_versions(schema: OpSchema) -> list[tuple[int, bool]]:
    """Operator sets that the operator's function bodies are written for, oldest first.

    The flag says whether the body depends on the node's attributes and types.
    """
    native = cast(Any, schema)
    fixed = [(int(v), False) for v in native.function_opset_versions]
    dependent = [(int(v), True) for v in native.context_dependent_function_opset_versions]
    return sorted(fixed + dependent)


def function_body(
    schema: OpSchema,
    version: int,
    node: onnx.NodeProto | None,
    input_types: Sequence[onnx.TypeProto],
) -> onnx.FunctionProto | None:
    """One of the operator's function bodies; None if it has none for this node.

    Args:
        schema: The operator.
        version: One of `function_versions`.
        node: The node, for a body that depends on it.
        input_types: One type per input of the node, empty for an omitted one.
    """
    native = cast(Any, schema)
    try:
        if node is None:
            raw = native.get_function_with_opset_version(version)
        else:
            types = [t.SerializeToString() for t in input_types]
            raw = native.get_context_dependent_function_with_opset_version(
                version, node.SerializeToString(), types
            )
    # Native builders refuse some nodes (an attribute they don't cover) in several ways.
    except (RuntimeError, ValueError, IndexError, TypeError):
        return None
    if not raw:
        return None
    function = onnx.FunctionProto.FromString(raw)
    return function if function.node else None
