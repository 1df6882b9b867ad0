"""What noema understood of a network: the result of `noema.analyze` and `noema explain --json`.

Plain frozen records, no stage: the compile process fills them, the caller reads them.
`to_json` and `from_json` speak the schema that `docs/explain_schema.md` documents; its name is in
`SCHEMA`, and its number rises when a field changes its meaning or goes away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from noema.progress import JSON
from noema.records import decode, encode

SCHEMA = "noema.workload/1"


class WorkloadType(StrEnum):
    """What kind of network it is as a whole."""

    LLM = "llm"
    TEXT_ENCODER = "text_encoder"
    VISION = "vision"
    MULTIMODAL = "multimodal"
    RECOMMENDER = "recommender"
    AUDIO = "audio"
    OTHER = "other"


class ComponentKind(StrEnum):
    """What a component is, whatever it is made of."""

    ATTENTION = "attention"  # one attention layer, from its projections to its output projection
    MLP = "mlp"
    NORM = "norm"
    EMBEDDING = "embedding"
    CONV_BLOCK = "conv_block"  # a convolution with its norm, activation, residual
    SQUEEZE_EXCITE = "squeeze_excite"
    RECURRENT = "recurrent"
    POOL = "pool"
    HEAD = "head"  # from the features to the answer
    MASK = "mask"  # what makes attention masks
    GENERIC = "generic"


class Bound(StrEnum):
    """Which roof of the machine a component touches first."""

    COMPUTE = "compute"
    MEMORY = "memory"


@dataclass(frozen=True)
class Evidence:
    """One reason for a verdict.

    Attributes:
        text: What was seen, e.g. `12 causal self-attention layers`.
        supports: The workload type that it speaks for.
        weight: How much it counts, > 0.
    """

    text: str
    supports: WorkloadType
    weight: float


@dataclass(frozen=True)
class Workload:
    """The verdict on the whole network.

    Attributes:
        type: The type that most evidence speaks for.
        confidence: 0…1; `noema.analysis.verdict` has the formula.
        evidence: Everything that was weighed, the heaviest first.
    """

    type: WorkloadType
    confidence: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class ModelSummary:
    """The file.

    Attributes:
        name: Name of the file or graph.
        opset: Version of the default operator set.
        nodes: ONNX nodes of the file, those in functions and subgraphs that were inlined not
            counted.
        parameters: Weights, as a number of elements.
        parameter_bytes: The same in bytes.
        inputs: Inputs as `name: float32[batch=1, 64]`: an extent that stands for a symbol of the
            file, assumed or asked for, has the symbol before it (`?` for one without a name).
        outputs: Outputs likewise.
        assumed: Symbolic dimension → the extent that figures were computed with.
    """

    name: str
    opset: int
    nodes: int
    parameters: int
    parameter_bytes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    assumed: Mapping[str, int]


@dataclass(frozen=True)
class AttentionShape:
    """What kind of attention a layer is.

    Attributes:
        purpose: `self` or `cross`.
        heads: Query heads.
        key_heads: Key and value heads; fewer than `heads` means grouped (1: multi-query).
        head_dim: Elements of a query head.
        queries: Query positions; 0 if unknown.
        keys: Key positions, cached ones included; 0 if unknown.
        causal: Whether a position sees only earlier ones.
        mask: `none`, `causal`, `padding`, `bias` (relative position, ALiBi) or `mask` (unknown).
        rotary: Whether queries and keys are rotated.
        cache: Whether keys and values are joined to cached ones.
        sinks: Whether each head has one more score in its softmax, which no key stands for.
    """

    purpose: str
    heads: int
    key_heads: int
    head_dim: int
    queries: int
    keys: int
    causal: bool
    mask: str
    rotary: bool
    cache: bool
    sinks: bool = False


@dataclass(frozen=True)
class RecurrentShape:
    """What kind of cell a recurrent layer is, as an operator or spelled out.

    Attributes:
        cell: `lstm`, `gru`, `mgu` (a minimal gated unit: a GRU of one gate) or `rnn`.
        inputs: Features of an input; 0 if they are multiplied with their weights elsewhere.
        hidden: Features of a state.
        directions: 2 if it also runs backwards.
        steps: Steps of a call; 0 if unknown.
    """

    cell: str
    inputs: int
    hidden: int
    directions: int
    steps: int


@dataclass(frozen=True)
class Component:
    """One functional part of the network; every ONNX node is in exactly one.

    Attributes:
        name: Hierarchical and unique, e.g. `encoder.3.attention`.
        kind: What it is.
        role: Its role in the layer around it (`noema.dialects.attrs.Role`).
        phase: When it runs (`attrs.Phase`).
        modality: What its data is (`attrs.Modality`).
        nodes: Names of its ONNX nodes, in the file's order.
        flops: Floating-point (or integer) operations of a call; a multiply-add is 2.
        bytes: Least traffic of a call: weights, plus what crosses the component's border.
        params: Elements of the weights it reads.
        intensity: flops / bytes.
        bound: Which roof it touches first on this machine.
        seconds: Roofline time, in f32: max(flops / peak, bytes / bandwidth).
        score: How well it suits this machine, 0…1; `noema.analysis.roofline` has the formula.
        precisions: Precisions that suit it on this machine, fastest first.
        kernels: What computes its large ops.
        attention: Its attention, if kind is attention.
        recurrent: Its cell, if kind is recurrent.
    """

    name: str
    kind: ComponentKind
    role: str
    phase: str
    modality: str
    nodes: tuple[str, ...]
    flops: int
    bytes: int
    params: int
    intensity: float
    bound: Bound
    seconds: float
    score: float
    precisions: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    attention: AttentionShape | None = None
    recurrent: RecurrentShape | None = None


@dataclass(frozen=True)
class Edge:
    """Data that flows from one component to another.

    Attributes:
        source: Name of the producing component.
        target: Name of the consuming component.
        bytes: Bytes of the distinct tensors that cross.
        residual: Whether it is a residual stream passing by.
    """

    source: str
    target: str
    bytes: int
    residual: bool


@dataclass(frozen=True)
class ResidualStream:
    """A tensor that layers read and add to.

    Attributes:
        components: The components that add to it, in order.
        bytes: Its size.
    """

    components: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Flow:
    """How components depend on each other.

    Attributes:
        edges: Producer → consumer.
        generations: Components by topological generation: those of one generation don't depend on
            each other.
        width: The largest generation of components that compute (norms, masks and generic ones
            not counted): how many branches could run side by side.
        residual_streams: The residual streams.
        fusion_points: Components where data of several modalities first meet.
    """

    edges: tuple[Edge, ...]
    generations: tuple[tuple[str, ...], ...]
    width: int
    residual_streams: tuple[ResidualStream, ...]
    fusion_points: tuple[str, ...]


@dataclass(frozen=True)
class Cache:
    """A cache of a core.

    Attributes:
        name: Its level, e.g. `L2`.
        bytes: Its size.
    """

    name: str
    bytes: int


@dataclass(frozen=True)
class Accelerator:
    """A device besides the CPU.

    Attributes:
        kind: `vulkan` or `cuda`.
        name: What the driver calls it.
        properties: What the driver says of it.
    """

    kind: str
    name: str
    properties: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Hardware:
    """The machine that figures are for.

    Attributes:
        cpu: Marketing name.
        architecture: e.g. `x86_64`.
        features: Instruction set extensions that matter for speed.
        cores: Physical cores that this process may use.
        caches: Caches of a core.
        gflops: Precision (`f32`, `bf16`, `int8`) → measured 10⁹ operations per second, all cores.
            A precision that the CPU has no instructions for is absent.
        bandwidth: Measured memory bandwidth, 10⁹ bytes per second, all cores.
        accelerators: Vulkan and CUDA devices.
        measured: Whether the figures were measured here; else they are estimates from cores and
            features, which `noema explain` says.
    """

    cpu: str
    architecture: str
    features: tuple[str, ...]
    cores: int
    caches: tuple[Cache, ...]
    gflops: Mapping[str, float]
    bandwidth: float
    accelerators: tuple[Accelerator, ...]
    measured: bool

    def to_json(self) -> dict[str, Any]:
        """The record as in the profile's schema."""
        return encode(self)

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> Hardware:
        """The inverse of `to_json`.

        Raises:
            ValueError: It isn't such a record.
        """
        try:
            return decode(Hardware, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record of hardware: {error}") from error


@dataclass(frozen=True)
class Opportunity:
    """Something that would make the network faster or smaller, and by how much, predicted.

    Attributes:
        kind: `fusion`, `redundant`, `qkv_merge`, `precision`, `layout`, `pruning`, `kv_cache`.
        title: One line.
        detail: What it is about, in a sentence or two.
        components: Where.
        seconds: Predicted saving per call; 0 where only memory is saved.
        bytes: Predicted saving of memory, in bytes.
        basis: What the prediction rests on, e.g. `roofline`.
    """

    kind: str
    title: str
    detail: str
    components: tuple[str, ...]
    seconds: float
    bytes: int
    basis: str


@dataclass(frozen=True)
class Search:
    """How far a search for opportunities went through the weights: reading them all takes long.

    Attributes:
        kind: Of the opportunities that it is after: `redundant` (equal weights) or `pruning`.
        bytes: Size of the weights that it is about.
        examined: Size of those that it came to a result for, by samples where these tell.
        limit: Bytes that it reads at most.
    """

    kind: str
    bytes: int
    examined: int
    limit: int


@dataclass(frozen=True)
class PatternTime:
    """What a pattern did.

    Attributes:
        name: The pattern's name, e.g. `layer-norm`.
        tried: How often it looked at an op that may be its root.
        found: How often it matched.
        seconds: What both took.
    """

    name: str
    tried: int
    found: int
    seconds: float


@dataclass(frozen=True)
class Declined:
    """A near miss that is worth telling.

    Attributes:
        pattern: The pattern's name.
        node: Name of an ONNX node of the op that it looked at.
        reason: Why it was left alone.
    """

    pattern: str
    node: str
    reason: str


@dataclass(frozen=True)
class KernelUse:
    """A call of a generated kernel.

    Attributes:
        component: Name of the component that it is a part of; empty if of none.
        kernel: Its family, e.g. `gemm` (`docs/kernels.md` has them all).
        description: Its extents, epilogue and tile.
        nodes: Names of the ONNX nodes that it computes.
    """

    component: str
    kernel: str
    description: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class WithoutKernel:
    """Nodes of a kind that has kernels, and that IREE's code generation computes all the same.

    Attributes:
        component: Name of the component that they are a part of; empty if of none.
        reason: Why no kernel serves them.
        nodes: Names of the ONNX nodes.
    """

    component: str
    reason: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class KernelPlan:
    """Which generated kernels a program would call on this machine.

    Attributes:
        precision: Number format of products: `f32` or `bf16`.
        threads: Workers that they are cut for.
        uses: The calls, in program order.
        declined: What does without.
        reason: Why there is no plan, if there is none.
    """

    precision: str
    threads: int
    uses: tuple[KernelUse, ...]
    declined: tuple[WithoutKernel, ...]
    reason: str = ""


@dataclass(frozen=True)
class Timing:
    """What the analysis took.

    Attributes:
        total: Seconds in all.
        stages: Stage → seconds, in order.
        patterns: What each pattern did, in the order of the passes.
    """

    total: float
    stages: Mapping[str, float]
    patterns: tuple[PatternTime, ...]


@dataclass(frozen=True)
class WorkloadProfile:
    """What noema understood of a network.

    Attributes:
        model: The file.
        workload: The verdict on the whole network.
        components: Its parts, in program order.
        flow: How the parts depend on each other.
        hardware: The machine that figures are for.
        opportunities: What could be better, the largest predicted gain first.
        searches: How much of the weights was looked at for that.
        timing: What the analysis took.
        declined: Near misses of patterns.
        kernels: Which kernels a program would call here, for the extents assumed; null if that
            wasn't asked for.
        schema: Name and version of this schema.
    """

    model: ModelSummary
    workload: Workload
    components: tuple[Component, ...]
    flow: Flow
    hardware: Hardware
    opportunities: tuple[Opportunity, ...]
    timing: Timing
    declined: tuple[Declined, ...] = ()
    searches: tuple[Search, ...] = ()
    kernels: KernelPlan | None = None
    schema: str = SCHEMA

    def count(self, kind: ComponentKind) -> int:
        """Number of components of a kind."""
        return sum(c.kind is kind for c in self.components)

    def to_json(self) -> dict[str, Any]:
        """The profile in the documented schema."""
        return encode(self)

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> WorkloadProfile:
        """The inverse of `to_json`.

        Raises:
            ValueError: It isn't a profile of this version of the schema.
        """
        if record.get("schema") != SCHEMA:
            raise ValueError(f"not a {SCHEMA} record: {record.get('schema')!r}")
        try:
            return decode(WorkloadProfile, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a well-formed {SCHEMA} record: {error}") from error
