"""Counts the layers of a model: as noema understands it, and as ONNX Runtime's fusions do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import onnx
from torch_mlir import ir

from models.exports import Counts
from noema.analysis.recurrence import recurrence_of
from noema.dialects.attrs import Role
from noema.dialects.context import new_context
from noema.dialects.graph import Graph, Node
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import from_proto
from noema.passes.driver import run_pipeline
from noema.passes.registry import default_pipeline
from noema.pipeline import pass_context
from noema.workload import ComponentKind


def understood(model: onnx.ModelProto) -> ir.Module:
    """The model after the default passes; no code is generated."""
    read = from_proto(model, expand=EXPANDED)
    module = import_model(read, new_context())
    run_pipeline(module, default_pipeline(), pass_context(read))
    return module


def found_in(module: ir.Module) -> Counts:
    """What the ops of a module say.

    Instance normalisation counts as group normalisation with a channel in each group. Batch
    normalisation is left out: most exporters fold it into the convolution before it.
    """
    graph = Graph.of(module)
    cells: dict[str, list[Node]] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        component, kind, _ = _labels(node)
        if kind == ComponentKind.RECURRENT:
            cells.setdefault(component, []).append(node)
        else:
            nodes.append(node)
    shapes = [recurrence_of(c, {n: Role(_labels(n)[2]) for n in c}) for c in cells.values()]
    recurrent = Counter[str]()
    for shape in shapes:
        recurrent[shape.cell] += shape.directions
    keys = Counter(node.key for node in nodes)
    norms, activations = (
        {key.partition(".")[2]: n for key, n in keys.items() if key.startswith(prefix)}
        for prefix in ("norm.", "activation.")
    )
    norms.pop("batch", None)
    instance = norms.pop("instance", 0)
    if instance:
        norms["group"] = norms.get("group", 0) + instance
    return Counts(
        attention=keys["attention"],
        norms=norms,
        activations=activations,
        glu=sum(map(_is_gated, nodes)),
        rope=keys["rope"],
        embeddings=keys["embedding"],
        recurrent=recurrent,
    )


def _labels(node: Node) -> tuple[str, str, str]:
    """Component, kind and role; empty where the op wasn't classified."""
    attributes = node.op.attributes
    names = ("sem.component", "sem.kind", "sem.role")
    a, b, c = (ir.StringAttr(attributes[n]).value if n in attributes else "" for n in names)
    return a, b, c


def attention_components(module: ir.Module) -> int:
    """How many components are attention: each is one layer, whatever it is made of."""
    labels = map(_labels, Graph.of(module).nodes)
    return len({component for component, kind, _ in labels if kind == ComponentKind.ATTENTION})


def _is_gated(node: Node) -> bool:
    """Whether it is the product of an activated tensor with another one of the same shape."""
    if node.key != "elementwise.mul":
        return False
    a, b = node.operands
    if a is b or a.shape != b.shape or len(a.shape) < 2:
        return False
    made = [t.node for t in (a, b)]
    active = [n is not None and n.key.startswith("activation.") for n in made]
    if sum(active) != 1:
        return False
    gate, other = (a, b) if active[0] else (b, a)
    assert gate.node is not None
    return gate.node.operands[0] is not other and not (other.node and other.node.is_constant)


_RUNTIME: Mapping[str, str] = MappingProxyType(
    {
        "Attention": "attention",
        "DecoderMaskedMultiHeadAttention": "attention",
        "GroupQueryAttention": "attention",
        "MultiHeadAttention": "attention",
        "PackedAttention": "attention",
        "EmbedLayerNormalization": "norm",
        "GroupNorm": "norm",
        "GroupNormalization": "norm",
        "InstanceNormalization": "norm",
        "LayerNormalization": "norm",
        "RMSNormalization": "norm",
        "SimplifiedLayerNormalization": "norm",
        "SkipGroupNorm": "norm",
        "SkipLayerNormalization": "norm",
        "SkipSimplifiedLayerNormalization": "norm",
        "BiasGelu": "gelu",
        "FastGelu": "gelu",
        "Gelu": "gelu",
        "QuickGelu": "gelu",
        "Swish": "gelu",
        "RotaryEmbedding": "rope",
    }
)
"""Operators that ONNX Runtime's optimisers write → what they are."""


def fused_by_runtime(model: onnx.ModelProto) -> dict[str, int]:
    """How many attention, norm, gelu and rope operators an optimised graph holds."""
    kinds = Counter(_RUNTIME.get(node.op_type, "") for node in model.graph.node)
    return {kind: kinds[kind] for kind in ("attention", "norm", "gelu", "rope")}
