"""Pass `classify`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch_mlir import ir

from noema.dialects.graph import Graph
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.classification import (
    embeddings,
    modality,
    naming,
    recurrent,
    remainder,
    transformer,
    vision,
)
from noema.passes.classification.draft import Draft
from noema.passes.classification.embeddings import Inputs


@dataclass(frozen=True)
class Classify(Pass):
    """Says of every op which component it belongs to, and what it is there for.

    A component is what a person would point at: one attention layer from its projections to its
    output projection, an MLP, a convolution with its norm and activation. Every op gets
    `sem.component` (a hierarchical name, from the exporter's module paths or else from the
    structure that repeats), `sem.kind` (`workload.ComponentKind`), `sem.role`, `sem.phase` and
    `sem.modality` (`attrs`).

    ```mlir
    %1 = "sem.matmul"(%x, %w) {…} : (tensor<1x4x8xf32>, tensor<8x16xf32>) -> tensor<1x4x16xf32>
    %2 = "sem.activation"(%1) {kind = "gelu_erf", …} : …
    %3 = "sem.matmul"(%2, %v) {…} : …
    ```
    -->
    ```mlir
    %1 = "sem.matmul"(%x, %w) {sem.component = "mlp", sem.kind = "mlp", sem.role = "mlp.up", …}
    %2 = "sem.activation"(%1) {sem.component = "mlp", sem.role = "mlp.activation", …}
    %3 = "sem.matmul"(%2, %v) {sem.component = "mlp", sem.role = "mlp.down", …}
    ```
    """

    name = "classify"

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        draft = classify(Graph.of(module), context)
        with module.context:
            texts: dict[str, ir.StringAttr] = {}

            def text(value: str) -> ir.StringAttr:
                if value not in texts:
                    texts[value] = ir.StringAttr.get(value)
                return texts[value]

            for part in draft.parts:
                common = (
                    ("sem.component", text(part.name)),
                    ("sem.kind", text(part.kind)),
                    ("sem.phase", text(part.phase)),
                    ("sem.modality", text(part.modality)),
                )
                for node, role in part.nodes.items():
                    attributes = node.op.attributes
                    for key, value in common:
                        attributes[key] = value
                    attributes["sem.role"] = text(role)
        counts = Counter(str(part.kind) for part in draft.parts)
        return PassResult(bool(draft.parts), dict(counts))


def classify(graph: Graph, context: PassContext) -> Draft:
    """Finds the parts of a network; reads the graph and changes nothing in it."""
    draft = Draft(graph)
    inputs = Inputs(context.inputs)
    # From what is recognised most surely to what is only left over.
    recurrent.find_recurrent(draft)
    transformer.find_attention(draft)
    vision.find_patches(draft)
    embeddings.find_embeddings(draft, inputs)
    transformer.find_masks(draft)
    vision.find_squeeze_excite(draft)
    vision.find_convs(draft)
    vision.find_pools(draft)
    transformer.find_mlps(draft)
    transformer.find_norms(draft)
    transformer.take_residuals(draft)
    remainder.find_heads(draft)
    remainder.find_interactions(draft)
    remainder.assign_rest(draft)
    remainder.assign_static(draft)
    transformer.name_norm_roles(draft)
    modality.set_modalities(draft, inputs)
    modality.set_phases(draft)
    naming.name_parts(draft, context.scopes)
    return draft
