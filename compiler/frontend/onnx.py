"""Reads an ONNX model into `OnnxModel`: checked, inlined, folded and typed, still ONNX.

`read_model` reads a file, whose weights stay in the file, mapped; `from_proto` takes a model in
memory. Both refuse what is unsafe or malformed (`InvalidModel`) and list what noema cannot
represent (`UnsupportedModel`).

Native code of the onnx package runs on the model's contents here and can crash the process on
hostile ones: call this from the compile process only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from noema.errors import InvalidModel, UnsupportedModel
from noema.frontend.resolve import Resolver
from noema.frontend.shapes import ValueType
from noema.frontend.validate import (
    OLDEST_OPSET,
    ModelLimits,
    Schemas,
    check_graph,
    check_versions,
    domain_of,
    name_nodes,
)
from noema.parameters import ParameterStore
from noema.signature import TensorSpec

__all__ = ["Expand", "ModelLimits", "OnnxModel", "ValueType", "from_proto", "read_model"]

Expand = Callable[[str, str], bool] | frozenset[str]
"""Which ops are replaced by their function body: a predicate on (domain, op type), or the set of
their names (`OpType`, or `domain.OpType` outside the default domain)."""


@dataclass(frozen=True)
class OnnxModel:
    """A model as the importer takes it.

    Attributes:
        graph: Nodes in topological order, each named, functions inlined, constants folded. It has
            no initializers: a name that no node defines is an input, a constant or a parameter.
        opset: Version of the default operator set.
        opsets: Version of every operator set.
        types: Type of every value of the main graph, constants and parameters included.
        constants: Constants of at most 1024 bytes: initializers, `Constant` nodes, folded results.
        parameters: All larger constants, mapped from their file where they come from one.
        inputs: What a caller passes, in the model's order.
        outputs: What a caller gets, in the model's order. An output may also be a constant or an
            input.
        sources: Node name → names of the nodes of the file that it stands for.
        files: The model file and every file of external data that was read.
    """

    graph: onnx.GraphProto
    opset: int
    opsets: Mapping[str, int]
    types: Mapping[str, ValueType]
    constants: Mapping[str, NDArray[Any]]
    parameters: ParameterStore
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sources: Mapping[str, tuple[str, ...]]
    files: tuple[Path, ...]


def read_model(
    path: str | Path,
    *,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    expand: Expand = frozenset(),
    limits: ModelLimits | None = None,
) -> OnnxModel:
    """Reads a model file.

    Args:
        path: The `.onnx` file. External data must lie in its folder.
        shapes: Input name → extents that replace symbolic ones; None keeps one as it is.
        expand: Ops to replace by their function body.
        limits: What the model may ask for.

    Raises:
        InvalidModel: The file is malformed or unsafe to read.
        UnsupportedModel: The model uses something noema has no representation for.
        InvalidOption: `shapes` doesn't fit the model's inputs.
    """
    path = Path(path)
    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        raise InvalidModel(f"{path.name} is not a well-formed ONNX file") from error
    return _resolve(model, shapes or {}, expand, limits or ModelLimits(), (path,))


def from_proto(
    model: onnx.ModelProto,
    *,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    expand: Expand = frozenset(),
    limits: ModelLimits | None = None,
) -> OnnxModel:
    """As `read_model`, for a model in memory, which isn't changed. Raises the same."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return _resolve(copy, shapes or {}, expand, limits or ModelLimits(), ())


def _resolve(
    model: onnx.ModelProto,
    shapes: Mapping[str, tuple[int | None, ...]],
    expand: Expand,
    limits: ModelLimits,
    files: tuple[Path, ...],
) -> OnnxModel:
    opsets = check_versions(model)
    if opsets[""] < OLDEST_OPSET:
        raise UnsupportedModel(f"operator set {opsets['']}; at least {OLDEST_OPSET} is needed")
    schemas = Schemas(opsets)
    functions = {(domain_of_function(f), f.name): f for f in model.functions}
    renamed = name_nodes(model)
    check_graph(model, schemas, functions, limits)
    wanted = (
        expand
        if callable(expand)
        else lambda domain, op: (f"{domain}.{op}" if domain else op) in expand
    )
    resolver = Resolver(model, schemas, functions, wanted, limits, shapes)
    resolver.run()
    return OnnxModel(
        graph=resolver.graph(),
        opset=opsets[""],
        opsets=opsets,
        types=resolver.value_types(),
        constants=resolver.constants,
        parameters=resolver.parameters,
        inputs=resolver.inputs,
        outputs=resolver.outputs(),
        sources={
            name: tuple(renamed.get(s, s) for s in sources)
            for name, sources in resolver.sources.items()
        },
        files=files,
    )


def domain_of_function(function: onnx.FunctionProto) -> str:
    return "" if function.domain == "ai.onnx" else function.domain
