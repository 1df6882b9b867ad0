"""What kind of workload a network is, and on what evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from noema.analysis.parts import Part
from noema.dialects.attrs import Modality, Phase, Role
from noema.dialects.graph import Graph
from noema.workload import ComponentKind, Evidence, Workload, WorkloadType

_VOCABULARY = 2048
"""Answers per position from which on a head names words, not classes."""


def verdict(graph: Graph, parts: Sequence[Part]) -> Workload:
    """The type that most evidence speaks for.

    Each observation speaks for one type with a weight. The confidence is the winner's share of all
    weight, times 1 - 2^-w for a winner of weight w: one weak hint that nothing contradicts isn't a
    certainty. A network that gives no evidence is `other`, with confidence 0.
    """
    found = sorted(_evidence(graph, parts), key=lambda e: -e.weight)
    if not found:
        return Workload(WorkloadType.OTHER, 0.0, ())
    weights: dict[WorkloadType, float] = {}
    for evidence in found:
        weights[evidence.supports] = weights.get(evidence.supports, 0.0) + evidence.weight
    winner, weight = max(weights.items(), key=lambda item: item[1])
    confidence = weight / sum(weights.values()) * (1 - 2.0**-weight)
    return Workload(winner, round(confidence, 3), tuple(found))


def _evidence(graph: Graph, parts: Sequence[Part]) -> Iterator[Evidence]:
    modalities = {p.modality for p in parts} - {Modality.UNKNOWN}
    kinds = Counter(p.kind for p in parts)
    attentions = [p for p in parts if p.kind is ComponentKind.ATTENTION]
    several = len(modalities - {Modality.FUSED}) > 1 or (
        Modality.FUSED in modalities and Modality.TABULAR not in modalities
    )
    if several:
        listed = ", ".join(sorted(str(m) for m in modalities - {Modality.FUSED}))
        yield Evidence(f"inputs of several modalities: {listed}", WorkloadType.MULTIMODAL, 6.0)
    yield from _of_text(graph, parts, attentions, several)
    vision = sum(p.modality == Modality.VISION for p in parts)
    if vision:
        support = WorkloadType.MULTIMODAL if several else WorkloadType.VISION
        yield Evidence(f"{vision} components work on images", support, 3.0)
        if kinds[ComponentKind.CONV_BLOCK] and not several:
            count = kinds[ComponentKind.CONV_BLOCK]
            yield Evidence(f"{count} convolution blocks", WorkloadType.VISION, 2.0)
        patches = sum(p.role == Role.EMBEDDING_PATCH for p in parts)
        if patches:
            text = "an image is cut into patches"
            yield Evidence(text, support, 1.0)
    audio = sum(p.modality == Modality.AUDIO for p in parts)
    if audio and not several:
        yield Evidence(f"{audio} components work on sound", WorkloadType.AUDIO, 4.0)
    yield from _of_tables(parts, kinds)


def _of_text(
    graph: Graph, parts: Sequence[Part], attentions: Sequence[Part], several: bool
) -> Iterator[Evidence]:
    of_text = (Modality.TEXT, Modality.FUSED)
    text = [p for p in parts if p.modality in of_text]
    if not text:
        return
    encoder = WorkloadType.MULTIMODAL if several else WorkloadType.TEXT_ENCODER
    decoder = WorkloadType.MULTIMODAL if several else WorkloadType.LLM
    words = [p for p in parts if p.role == Role.EMBEDDING_TOKEN]
    if words:
        yield Evidence("token ids are looked up in a table", encoder, 0.5)
    shapes = [p.attention for p in attentions if p.attention is not None and p.modality in of_text]
    causal = sum(a.causal for a in shapes)
    full = sum(not a.causal and a.purpose == "self" for a in shapes)
    cached = sum(a.cache for a in shapes)
    if causal:
        yield Evidence(f"{causal} causal self-attention layers", decoder, 4.0)
    crossed = sum(a.purpose == "cross" for a in shapes)
    if crossed:
        yield Evidence(f"{crossed} layers attend from one text to another", decoder, 2.0)
    if cached:
        yield Evidence(f"{cached} layers join their keys to cached ones", decoder, 3.0)
    if full and not cached:
        yield Evidence(f"{full} attention layers that see the whole text", encoder, 4.0)
    cells = sum(p.kind is ComponentKind.RECURRENT for p in text)
    if cells:
        yield Evidence(f"{cells} recurrent layers over text", encoder, 3.0)
    widest = max((t.shape[-1] or 0 for t in graph.outputs if len(t.shape) == 3), default=0)
    rows = {p.nodes[0].operands[0].shape[0] for p in words if p.nodes[0].operands}
    if widest >= _VOCABULARY or (widest and widest in rows):
        yield Evidence(f"scores for each of {widest} words", decoder, 1.5)
    if any(p.phase == Phase.DECODE for p in text):
        yield Evidence("made to run a position at a time", decoder, 1.0)


def _of_tables(parts: Sequence[Part], kinds: Counter[ComponentKind]) -> Iterator[Evidence]:
    tables = sum(
        p.kind is ComponentKind.EMBEDDING and p.modality == Modality.TABULAR for p in parts
    )
    if tables:
        yield Evidence(f"{tables} tables of categories", WorkloadType.RECOMMENDER, 3.0)
        if any(p.role == Role.INTERACTION for p in parts):
            text = "features are multiplied with each other"
            yield Evidence(text, WorkloadType.RECOMMENDER, 2.0)
        if any(p.role == Role.EMBEDDING_BAG for p in parts):
            yield Evidence("rows of a table are pooled", WorkloadType.RECOMMENDER, 1.0)
    dense = sum(p.modality == Modality.TABULAR for p in parts)
    if dense and not kinds[ComponentKind.EMBEDDING]:
        yield Evidence(f"{dense} components work on rows of numbers", WorkloadType.OTHER, 1.0)
