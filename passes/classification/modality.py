"""What each part's data is, and when it runs."""

from __future__ import annotations

from noema.dialects.attrs import Modality, Phase, Role
from noema.dialects.graph import Node, Tensor
from noema.passes.classification.draft import ATTENTION, CONV, MOVES, Draft, Part
from noema.passes.classification.embeddings import Inputs, has_sequence_layers, is_lookup
from noema.workload import ComponentKind

_NAMES = (
    ("pixel", Modality.VISION),
    ("image", Modality.VISION),
    ("input_features", Modality.AUDIO),
    ("audio", Modality.AUDIO),
    ("wave", Modality.AUDIO),
    ("mel", Modality.AUDIO),
    ("spectrogram", Modality.AUDIO),
    ("input_ids", Modality.TEXT),
    ("token", Modality.TEXT),
    ("embeds", Modality.TEXT),
)
"""What input names say, where they say anything."""


def set_modalities(draft: Draft, inputs: Inputs) -> None:
    """Sets the modality of each part: that of the inputs it depends on, `fused` if several."""
    found: dict[Tensor, frozenset[Modality]] = {}
    for tensor in draft.graph.inputs:
        found[tensor] = _of_input(draft, tensor, inputs)
    nothing = frozenset[Modality]()
    for node in draft.graph.nodes:
        here = nothing
        for tensor in node.operands:
            if found[tensor] is not here:  # one set goes from node to node, nearly always
                here = found[tensor] | here
        for tensor in node.results:
            found[tensor] = here
    for part in draft.parts:
        modalities = frozenset[Modality]().union(
            *(found[n.result] for n in part.nodes if n not in draft.static and n.results)
        )
        if len(modalities) == 1:
            (part.modality,) = modalities
        elif modalities:
            part.modality = Modality.FUSED
    known = {p.modality for p in draft.parts} - {Modality.UNKNOWN}
    for part in draft.parts:  # masks, and what depends on no input
        if part.modality is Modality.UNKNOWN:
            part.modality = _neighbour(draft, part, known)


def _neighbour(draft: Draft, part: Part, known: set[Modality]) -> Modality:
    if len(known) == 1:
        return next(iter(known))
    for node in part.nodes:
        for user in node.consumers:
            owner = draft.owner.get(user)
            if owner is not None and owner.modality is not Modality.UNKNOWN:
                return owner.modality
    return Modality.UNKNOWN


def _of_input(draft: Draft, tensor: Tensor, inputs: Inputs) -> frozenset[Modality]:
    """What an input holds, by what is done with it first, and by its name."""
    reader = _first_reader(draft, tensor)
    if reader is None:
        return frozenset()
    name = inputs.of(tensor)
    named = next((m for part, m in _NAMES if part in name), None)
    if reader.key in CONV:
        if named in (Modality.VISION, Modality.AUDIO):
            return frozenset({named})
        return frozenset({_of_convolution(reader)})
    if is_lookup(draft, reader):
        if named is Modality.TEXT or has_sequence_layers(draft):
            return frozenset({Modality.TEXT})
        return frozenset({Modality.TABULAR})
    if named is not None and tensor.element.startswith(("f", "bf")):
        return frozenset({named})
    if draft.is_weighted(reader) and tensor.element.startswith(("f", "bf")):
        sequence = len(tensor.shape) > 2
        return frozenset({Modality.AUDIO if sequence else Modality.TABULAR})
    return frozenset()


def _of_convolution(conv: Node) -> Modality:
    """Images have 1 to 4 channels; a spectrogram is an image with a single one."""
    spatial = len(conv.operands[1].shape) - 2
    return Modality.VISION if spatial >= 2 else Modality.AUDIO


def _first_reader(draft: Draft, tensor: Tensor) -> Node | None:
    """The first look-up, convolution or product that an input goes to, if one does soon."""
    stack, seen = [tensor], set[Tensor]()
    while stack and len(seen) < 64:
        here = stack.pop(0)
        if here in seen:
            continue
        seen.add(here)
        for user in here.users:
            if user.key in CONV or draft.is_weighted(user):
                return user
            if is_lookup(draft, user) and here is user.operands[1]:
                return user
            if user.key in ATTENTION:
                continue
            moves = user.key in MOVES or user.key.startswith(("norm.", "onnx.Reduce"))
            if moves or draft.is_pointwise(user) or user.key in ("onnx.Pad", "onnx.STFT"):
                stack += user.results
    return None


def set_phases(draft: Draft) -> None:
    """Sets when each part runs; needs the modalities."""
    text = _text_phase(draft)
    fusing = set(fusion_points(draft))
    causal_text = text is Phase.DECODE or _is_causal(draft)
    for part in draft.parts:
        if part.kind is ComponentKind.EMBEDDING:
            part.phase = Phase.EMBEDDING
        elif part in fusing or (part.modality is Modality.FUSED and not causal_text):
            part.phase = Phase.MULTIMODAL_FUSION
        elif part.modality is Modality.VISION:
            head = part.kind is ComponentKind.HEAD
            part.phase = Phase.VISION_HEAD if head else Phase.VISION_BACKBONE
        elif part.modality in (Modality.TEXT, Modality.FUSED):
            part.phase = text


def fusion_points(draft: Draft) -> list[Part]:
    """The parts in which data of several modalities first meet."""
    found: list[Part] = []
    for part in draft.parts:
        if part.modality is not Modality.FUSED:
            continue
        makers = {
            draft.owner[t.node]
            for n in part.nodes
            for t in n.operands
            if t.node is not None and t.node not in draft.static
        } - {part}
        if not any(m.modality is Modality.FUSED for m in makers):
            found.append(part)
    return found


def _attentions(draft: Draft) -> list[Part]:
    return [p for p in draft.parts if p.kind is ComponentKind.ATTENTION]


def _is_causal(draft: Draft) -> bool:
    return any(
        p.anchor.key == "attention" and p.anchor.int("is_causal") for p in _attentions(draft)
    )


def has_cache(draft: Draft, part: Part) -> bool:
    """Whether an attention joins its keys to cached ones."""
    if any(role is Role.ATTENTION_CACHE for role in part.nodes.values()):
        return True
    if part.anchor.key not in ATTENTION:
        return False
    later = part.anchor.operands[3:]
    return any(t.node is None and len(t.shape) == 4 and t.element[0] in "fb" for t in later)


def _text_phase(draft: Draft) -> Phase:
    """Decode if keys are cached and a call brings one position, or any number of them."""
    for part in _attentions(draft):
        if part.modality in (Modality.TEXT, Modality.FUSED) and has_cache(draft, part):
            shape = part.anchor.operands[0].shape
            queries = shape[-2] if len(shape) >= 3 else None
            return Phase.PREFILL if queries is not None and queries > 1 else Phase.DECODE
    return Phase.PREFILL
