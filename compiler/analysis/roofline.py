"""What each part of a network takes at least on a machine, and how well it suits it.

The time of a part is that of the roof it touches first (S. Williams, A. Waterman, D. Patterson,
"Roofline", CACM 52(4), 2009):

    seconds   = max(flops / peak, bytes / bandwidth)
    intensity = flops / bytes
    ridge     = peak / bandwidth
    score     = coverage · min(1, intensity / ridge)

with the f32 peak. The score is the share of the machine's arithmetic that the part can use at most:
1 for a large matrix product, a few percent for a norm, 0 for a copy. `coverage` is the share of its
operations in code that is vectorised; what runs element by element counts for nothing.

In a narrower precision, products of matrices run at that precision's peak and read weights of its
size; everything else stays f32. A precision suits a part if that makes it faster by a tenth or
more. Whether it is accurate enough is another question, which only measuring answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from noema.analysis.cost import Cost, Costs, bytes_of
from noema.analysis.flops import DENSE, extent, short_key
from noema.analysis.parts import Part
from noema.dialects.graph import Node, Tensor
from noema.workload import Bound, Component, Hardware

WORTHWHILE = 0.9
"""Share of the f32 time that a narrower precision must get below to suit a part."""

_MIN_SHARE = 0.05
"""Share of a part's operations from which an op's kernel is named."""

_WIDTH: Mapping[str, int] = {"f32": 4, "bf16": 2, "int8": 1}

_ATTENTION = frozenset(
    {
        "attention",
        *(
            f"onnx.{name}"
            for name in (
                *("Attention", "GroupQueryAttention", "LinearAttention", "MultiHeadAttention"),
            )
        ),
    }
)
_RECURRENT = frozenset({"onnx.GRU", "onnx.LSTM", "onnx.RNN"})
_INT8 = DENSE - _ATTENTION - _RECURRENT
"""What int8 serves: products with weights. Scores and probabilities, and states that are fed back,
need more bits."""

_SCALAR = frozenset(
    {
        f"onnx.{name}"
        for name in (
            *("CumProd", "CumSum", "DeformConv", "GridSample", "NonMaxSuppression", "RoiAlign"),
            *("TopK", "Unique"),
        )
    }
)
"""What is computed element by element: gathers with computed indices, sorts, scans."""

_KERNELS: Mapping[str, str] = {
    **dict.fromkeys(("onnx.Gemm", "onnx.MatMul"), "torch-mlir's lowering, IREE"),
    **dict.fromkeys(_ATTENTION, "IREE batched contractions around a softmax"),
    **dict.fromkeys(_RECURRENT, "IREE contraction per step"),
    "onnx.ConvTranspose": "IREE linalg.conv on a spread input",
    "onnx.Einsum": "IREE generic contraction",
    "onnx.MatMulInteger": "IREE generic contraction in i32",
    "onnx.QLinearConv": "IREE generic contraction in i32",
    "onnx.QLinearMatMul": "IREE generic contraction in i32",
    "onnx.ConvInteger": "IREE generic contraction in i32",
    "softmax": "IREE linalg.softmax",
}


@dataclass(frozen=True)
class Roofline:
    """The roofs of a machine, in plain units.

    Attributes:
        peak: Precision → operations per second; at least `f32`.
        bandwidth: Bytes per second.
    """

    peak: Mapping[str, float]
    bandwidth: float

    @staticmethod
    def of(hardware: Hardware) -> Roofline:
        """The roofs of a profile."""
        peak = {name: speed * 1e9 for name, speed in hardware.gflops.items()}
        return Roofline(peak, hardware.bandwidth * 1e9)

    @property
    def ridge(self) -> float:
        """Operations per byte from which f32 arithmetic is the lower roof."""
        return self.peak["f32"] / self.bandwidth

    def seconds(self, flops: float, traffic: float) -> float:
        """Least time, in f32."""
        return max(flops / self.peak["f32"], traffic / self.bandwidth)


@dataclass(frozen=True)
class Assessment:
    """A part's cost and its time on the machine.

    Attributes:
        part: The part.
        cost: What it costs anywhere.
        seconds: Precision → least time; `f32`, and those that the machine has instructions for.
        coverage: Share of its operations in vectorised code.
        weight_bytes: Precision → bytes of its weights.
    """

    part: Part
    cost: Cost
    seconds: Mapping[str, float]
    coverage: float
    weight_bytes: Mapping[str, int]

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that suit it, fastest first; always with `f32`."""
        limit = WORTHWHILE * self.seconds["f32"]
        suited = [p for p, seconds in self.seconds.items() if p == "f32" or seconds < limit]
        return tuple(sorted(suited, key=lambda p: self.seconds[p]))


def assess(part: Part, costs: Costs, roofline: Roofline) -> Assessment:
    """Costs and times of a part."""
    cost = costs.of(part.nodes)
    dense = [node for node in part.nodes if not node.is_constant and short_key(node) in DENSE]
    seconds = {"f32": roofline.seconds(cost.flops, cost.bytes)}
    weight_bytes = {"f32": cost.weight_bytes}
    for precision, served in (("bf16", DENSE), ("int8", _INT8)):
        if precision not in roofline.peak:
            continue
        flops, weights = _narrowed([n for n in dense if short_key(n) in served], costs)
        saved = weights - weights * _WIDTH[precision] // 4
        arithmetic = flops / roofline.peak[precision]
        arithmetic += (cost.flops - flops) / roofline.peak["f32"]
        seconds[precision] = max(arithmetic, (cost.bytes - saved) / roofline.bandwidth)
        weight_bytes[precision] = cost.weight_bytes - saved
    return Assessment(part, cost, seconds, _coverage(part, costs), weight_bytes)


def component_of(found: Assessment, costs: Costs, roofline: Roofline) -> Component:
    """The record of a part for the profile."""
    part, cost = found.part, found.cost
    intensity = cost.flops / cost.bytes if cost.bytes else 0.0
    compute_bound = intensity >= roofline.ridge
    return Component(
        name=part.name,
        kind=part.kind,
        role=part.role,
        phase=part.phase,
        modality=part.modality,
        nodes=part.names,
        flops=cost.flops,
        bytes=cost.bytes,
        params=cost.params,
        intensity=intensity,
        bound=Bound.COMPUTE if compute_bound else Bound.MEMORY,
        seconds=found.seconds["f32"],
        score=found.coverage * min(1.0, intensity / roofline.ridge),
        precisions=found.precisions,
        kernels=kernels_of(part, costs),
        attention=part.attention,
        recurrent=part.recurrent,
    )


def kernels_of(part: Part, costs: Costs) -> tuple[str, ...]:
    """What computes the large ops of a part by default, the largest share first."""
    work: dict[str, int] = {}
    for node in part.nodes:
        flops = costs.flops[node.index]
        if flops:
            label = kernel_of(node)
            work[label] = work.get(label, 0) + flops
    least = _MIN_SHARE * sum(work.values())
    return tuple(k for k, flops in sorted(work.items(), key=lambda i: -i[1]) if flops >= least)


def kernel_of(node: Node) -> str:
    """What the default lowering makes of a node, for people."""
    key = short_key(node)
    if key == "matmul":
        batched = len(node.operands[1].shape) > 2
        return "IREE batched contraction" if batched else "IREE contraction, data-tiled"
    if key == "conv":
        return _convolution(node)
    label = _KERNELS.get(key)
    if label is not None:
        return label
    return "scalar code" if key in _SCALAR else "IREE generic loops"


def _convolution(node: Node) -> str:
    weight = node.operands[1]
    spatial = len(weight.shape) - 2
    channels = extent(node.operands[0], 1)
    if channels == extent(weight, 1):
        return f"IREE linalg.conv_{spatial}d, channels first"
    if extent(weight, 1) == 1 and spatial == 2 and extent(weight, 0) == channels:
        return "IREE linalg.depthwise_conv_2d, channels first"
    return "IREE generic contraction"


def _narrowed(served: Sequence[Node], costs: Costs) -> tuple[int, int]:
    """Operations of the nodes that a precision serves, and the f32 bytes of their weights."""
    flops = weights = 0
    seen: set[Tensor] = set()
    for node in served:
        flops += costs.flops[node.index]
        for tensor in node.operands:
            maker = tensor.node
            if maker is None or not maker.is_constant or len(tensor.shape) < 2:
                continue
            if tensor.element == "f32" and tensor not in seen:
                seen.add(tensor)
                weights += bytes_of(tensor)
    return flops, weights


def _coverage(part: Part, costs: Costs) -> float:
    total = scalar = 0
    for node in part.nodes:
        flops = costs.flops[node.index]
        total += flops
        if flops and short_key(node) in _SCALAR:
            scalar += flops
    return 1 - scalar / total if total else 1.0
