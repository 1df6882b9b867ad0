"""Reads a model and understands it, without generating code: for tests of the understanding."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from torch_mlir import ir

from noema.analysis.components import labels_of, read_parts
from noema.analysis.parts import Part
from noema.dialects.context import new_context
from noema.dialects.graph import Graph
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import OnnxModel, from_proto
from noema.passes.driver import PassRecord, run_pipeline
from noema.passes.registry import default_pipeline
from noema.pipeline import pass_context


@dataclass(frozen=True)
class Understood:
    """A model after the default pipeline."""

    model: OnnxModel
    module: ir.Module
    graph: Graph
    parts: tuple[Part, ...]
    passes: tuple[PassRecord, ...]

    def counts(self) -> dict[str, int]:
        """How many parts there are of each kind."""
        found: dict[str, int] = {}
        for part in self.parts:
            found[str(part.kind)] = found.get(str(part.kind), 0) + 1
        return found


def understand(
    proto: onnx.ModelProto, *, shapes: dict[str, tuple[int | None, ...]] | None = None
) -> Understood:
    """Runs everything up to the components."""
    model = from_proto(proto, shapes=shapes, expand=EXPANDED)
    module = import_model(model, new_context())
    report = run_pipeline(module, default_pipeline(), pass_context(model))
    graph = Graph.of(module)
    parts = read_parts(graph, labels_of(graph), model.nodes, model.parameters)
    return Understood(model, module, graph, tuple(parts), report.passes)


def anonymous(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model without any name or metadata that tells where a node came from."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    kept = {v.name for v in (*graph.input, *graph.output)}
    renamed: dict[str, str] = {}

    def new(name: str) -> str:
        if not name or name in kept:
            return name
        return renamed.setdefault(name, f"v{len(renamed)}")

    for tensor in graph.initializer:
        tensor.name = new(tensor.name)
    for index, node in enumerate(graph.node):
        node.name = f"n{index}"
        del node.metadata_props[:]
        for names in (node.input, node.output):
            for position, name in enumerate(names):
                names[position] = new(name)
    del graph.value_info[:]
    return copy
