"""Models as the analyses see them: read, raised, and taken as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch_mlir import ir

from noema.analysis.parts import Part
from noema.dialects.attrs import Modality, Phase, Role
from noema.dialects.context import new_context
from noema.dialects.graph import Graph, Node
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import read_model
from noema.parameters import ParameterStore
from noema.passes.base import PassContext
from noema.passes.driver import run_pipeline
from noema.passes.registry import default_pipeline
from noema.workload import AttentionShape, ComponentKind


@dataclass(frozen=True)
class Raised:
    """A model after the default passes."""

    module: ir.Module
    graph: Graph
    parameters: ParameterStore

    def node(self, key: str) -> Node:
        """The only node of a key."""
        (found,) = [node for node in self.graph.nodes if node.key == key]
        return found

    def part(
        self,
        kind: ComponentKind = ComponentKind.GENERIC,
        nodes: Sequence[Node] | None = None,
        *,
        name: str = "all",
        role: Role = Role.GENERIC,
        attention: AttentionShape | None = None,
    ) -> Part:
        """Some nodes, or all of them, as a part."""
        chosen = tuple(self.graph.nodes if nodes is None else nodes)
        names = tuple(name for node in chosen for name in node.names)
        return Part(name, kind, role, Phase.UNKNOWN, Modality.UNKNOWN, chosen, names, attention)


def raised(model: onnx.ModelProto, folder: Path, pipeline: str | None = None) -> Raised:
    """Reads a model (from a file in `folder`, which must outlive the result) and raises it."""
    path = folder / "model.onnx"
    onnx.save(model, path)
    read = read_model(path, expand=EXPANDED)
    module = import_model(read, new_context())
    passes = default_pipeline() if pipeline is None else pipeline
    run_pipeline(module, passes, PassContext(parameters=read.parameters))
    return Raised(module, Graph.of(module), read.parameters)
