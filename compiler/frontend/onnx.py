"""Reads an ONNX model into `OnnxModel`: checked, inlined, folded and typed, still ONNX.

`read_model` reads a file, whose weights stay in the file, mapped; `from_proto` takes a model in
memory. Both refuse what is unsafe or malformed (`InvalidModel`) and list what noema cannot
represent (`UnsupportedModel`).

Native code of the onnx package runs on the model's contents here and can crash the process on
hostile ones: call this from the compile process only.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from noema.assumed import Assume
from noema.errors import InvalidModel, printable
from noema.frontend.functions import ValueNames, all_names, inline_calls
from noema.frontend.resolve import Resolver
from noema.frontend.schemas import Schemas, op_name
from noema.frontend.scopes import scope_of
from noema.frontend.shapes import ValueType
from noema.frontend.tensors import TensorReader
from noema.frontend.validate import (
    ModelLimits,
    captured_names,
    check_graph,
    check_text,
    name_nodes,
    read_functions,
)
from noema.frontend.versions import at_known_opset
from noema.frontend.wire import slim_model
from noema.parameters import ParameterStore
from noema.signature import TensorSpec

__all__ = [
    "Expand",
    "FileNode",
    "ModelLimits",
    "OnnxModel",
    "ValueType",
    "from_proto",
    "read_model",
]

Expand = Callable[[str, str], bool] | frozenset[str]
"""Which ops are replaced by their function body: a predicate on (domain, op type), or the set of
their names (`OpType`, or `domain.OpType` outside the default domain)."""


@dataclass(frozen=True)
class FileNode:
    """A node of the main graph as the file has it, before anything is inlined or folded.

    Attributes:
        name: Its name, as locations and messages spell it.
        op_type: Operator, with its domain where that isn't the default one.
        inputs: Names of the values that it and its subgraphs read.
        outputs: Names of the values that it makes.
        scope: Path of the module that it was exported from, e.g. `encoder.layer.0.attention`;
            empty where the exporter left none.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scope: str


@dataclass(frozen=True)
class OnnxModel:
    """A model as the importer takes it.

    Attributes:
        graph: Nodes in topological order, each named, functions inlined, constants folded. It has
            no initializers: a name that no node defines is an input, a constant or a parameter.
        opset: Version of the default operator set.
        opsets: Version of every operator set.
        versions: Node name → version of the default operator set that it is of, where not `opset`.
        types: Type of every value of the main graph, constants and parameters included.
        constants: Constants of at most 1024 bytes: initializers, `Constant` nodes, folded results.
        parameters: All larger constants, mapped from their file where they come from one.
        inputs: What a caller passes, in the model's order.
        outputs: What a caller gets, in the model's order. An output may also be a constant or an
            input.
        symbols: Name of an input or output → per dimension the symbol that the file has there
            ("" for one without a name), None where it has a number. Not those of unknown rank.
        sources: Name of a node, or of a constant made for one → names of the nodes of the file
            that it stands for.
        files: The model file and every file of external data that was read.
        nodes: The nodes of the file, of which `graph` has what folding and inlining left.
    """

    graph: onnx.GraphProto
    opset: int
    opsets: Mapping[str, int]
    versions: Mapping[str, int]
    types: Mapping[str, ValueType]
    constants: Mapping[str, NDArray[Any]]
    parameters: ParameterStore
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    symbols: Mapping[str, tuple[str | None, ...]]
    sources: Mapping[str, tuple[str, ...]]
    files: tuple[Path, ...]
    nodes: tuple[FileNode, ...]

    @property
    def scopes(self) -> Mapping[str, str]:
        """Name of a node of the file → its scope, of those that have one."""
        return {node.name: node.scope for node in self.nodes if node.scope}


def read_model(
    path: str | Path,
    *,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    assume: Assume | None = None,
    expand: Expand = frozenset(),
    limits: ModelLimits | None = None,
) -> OnnxModel:
    """Reads a model file.

    Args:
        path: The `.onnx` file. External data must lie in its folder.
        shapes: Input name → extents that replace symbolic ones; None keeps one as it is.
        assume: Gives all other symbolic dimensions of inputs an extent; None leaves them open.
        expand: Ops to replace by their function body.
        limits: What the model may ask for.

    Raises:
        InvalidModel: The file is malformed or unsafe to read.
        UnsupportedModel: The model uses something noema has no representation for.
        InvalidOption: `shapes` doesn't fit the model's inputs.
    """
    limits = limits or ModelLimits()
    path = Path(path)
    with _mapped(path) as data:
        slim, tickets = slim_model(data, budget=limits.proto_bytes)
    try:
        model = onnx.ModelProto.FromString(slim)
    except DecodeError as error:
        raise InvalidModel(
            f"{printable(path.name)} is not a well-formed ONNX file",
            remedy="it is damaged, or its subgraphs are nested too deeply: export it again",
        ) from error
    tensors = TensorReader(limits.value_bytes, path, tickets)
    return _resolve(model, tensors, shapes or {}, expand, limits, (path,), assume)


def from_proto(
    model: onnx.ModelProto,
    *,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    expand: Expand = frozenset(),
    limits: ModelLimits | None = None,
) -> OnnxModel:
    """As `read_model`, for a model in memory, which isn't changed. Raises the same."""
    limits = limits or ModelLimits()
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return _resolve(copy, TensorReader(limits.value_bytes), shapes or {}, expand, limits, ())


@contextmanager
def _mapped(path: Path) -> Generator[memoryview]:
    """The file's bytes, mapped.

    Raises:
        InvalidModel: There is no such plain file, it is empty, or it can't be read.
    """
    try:
        # A FIFO would block the open without O_NONBLOCK; for plain files it means nothing.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise InvalidModel(f"cannot open {printable(str(path))}: {reason}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidModel(f"{printable(str(path))} is not a plain file")
        if status.st_size == 0:
            raise InvalidModel(f"{printable(str(path))} is empty")
        with (
            mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapping,
            memoryview(mapping) as data,
        ):
            yield data
    finally:
        os.close(descriptor)


def _resolve(
    model: onnx.ModelProto,
    tensors: TensorReader,
    shapes: Mapping[str, tuple[int | None, ...]],
    expand: Expand,
    limits: ModelLimits,
    files: tuple[Path, ...],
    assume: Assume | None = None,
) -> OnnxModel:
    check_text(model)
    model, opsets = at_known_opset(model)
    schemas = Schemas(opsets)
    functions = read_functions(model)
    renamed = name_nodes(model)
    check_graph(model, schemas, functions, limits)
    nodes = tuple(_file_node(node, renamed) for node in model.graph.node)
    names = ValueNames(all_names(model.graph))
    sources: dict[str, tuple[str, ...]] = {}
    inline_calls(model.graph, functions, names, sources, depth=limits.depth, budget=limits.nodes)
    wanted = expand if callable(expand) else lambda domain, op: op_name(domain, op) in expand
    resolver = Resolver(model, schemas, tensors, wanted, limits, names, sources)
    resolver.run(shapes, assume)
    return OnnxModel(
        graph=resolver.graph(),
        opset=schemas.opsets[""],
        opsets=dict(schemas.opsets),
        versions=resolver.versions,
        types=resolver.values.types,
        constants=resolver.values.constants,
        parameters=resolver.values.parameters,
        inputs=resolver.inputs,
        outputs=resolver.outputs(),
        symbols={v.name: _symbols(v) for v in (*model.graph.input, *model.graph.output)},
        sources={
            name: tuple(renamed.get(s, s) for s in origin)
            for name, origin in resolver.sources.items()
        },
        files=(*files, *tensors.external.opened),
        nodes=nodes,
    )


def _symbols(value: onnx.ValueInfoProto) -> tuple[str | None, ...]:
    dims = value.type.tensor_type.shape.dim
    return tuple(None if d.HasField("dim_value") else d.dim_param for d in dims)


def _file_node(node: onnx.NodeProto, renamed: Mapping[str, str]) -> FileNode:
    return FileNode(
        name=renamed.get(node.name, node.name),
        op_type=op_name(node.domain, node.op_type),
        inputs=tuple(sorted(captured_names(node) | {name for name in node.input if name})),
        outputs=tuple(name for name in node.output if name),
        scope=scope_of(node),
    )
