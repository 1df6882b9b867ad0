"""Workload profiles made by hand: what a transformer and a convolutional network look like."""

from __future__ import annotations

from collections.abc import Iterable

from noema.workload import (
    Accelerator,
    AttentionShape,
    Bound,
    Cache,
    Component,
    ComponentKind,
    Declined,
    Edge,
    Evidence,
    Flow,
    Hardware,
    KernelPlan,
    KernelUse,
    ModelSummary,
    Opportunity,
    PatternTime,
    ResidualStream,
    Search,
    Timing,
    WithoutKernel,
    Workload,
    WorkloadProfile,
    WorkloadType,
)

GFLOPS = 120e9
BANDWIDTH = 18e9

HARDWARE = Hardware(
    cpu="Example CPU @ 2.50GHz",
    architecture="x86_64",
    features=("avx2", "fma", "avx512f", "avx512_vnni"),
    cores=2,
    caches=(Cache("L1d", 32 << 10), Cache("L2", 1 << 20), Cache("L3", 32 << 20)),
    gflops={"f32": 120.0, "int8": 410.0},
    bandwidth=18.0,
    accelerators=(Accelerator("vulkan", "llvmpipe", {"api": "1.3"}),),
    measured=True,
)


def component(
    name: str,
    kind: ComponentKind,
    role: str,
    flops: int,
    nbytes: int,
    *,
    nodes: Iterable[str] = (),
    phase: str = "prefill",
    modality: str = "text",
    params: int = 0,
    attention: AttentionShape | None = None,
) -> Component:
    compute, memory = flops / GFLOPS, nbytes / BANDWIDTH
    return Component(
        name=name,
        kind=kind,
        role=role,
        phase=phase,
        modality=modality,
        nodes=tuple(nodes) or (f"/{name.replace('.', '/')}/Op",),
        flops=flops,
        bytes=nbytes,
        params=params,
        intensity=flops / nbytes if nbytes else 0.0,
        bound=Bound.COMPUTE if compute > memory else Bound.MEMORY,
        seconds=max(compute, memory),
        score=min(1.0, flops / nbytes / 10) if nbytes else 0.0,
        precisions=("int8", "f32"),
        kernels=("gemm",) if flops > 10**6 else (),
        attention=attention,
    )


def profile(
    name: str,
    workload: WorkloadType,
    components: list[Component],
    edges: list[tuple[str, str]],
    *,
    residual: Iterable[str] = (),
) -> WorkloadProfile:
    stream = set(residual)
    depth: dict[str, int] = {}
    for c in components:
        depth[c.name] = max((depth[s] + 1 for s, t in edges if t == c.name), default=0)
    generations = [
        tuple(n for n, d in depth.items() if d == level)
        for level in range(max(depth.values(), default=-1) + 1)
    ]
    return WorkloadProfile(
        model=ModelSummary(
            name=name,
            opset=17,
            nodes=sum(len(c.nodes) for c in components),
            parameters=sum(c.params for c in components),
            parameter_bytes=4 * sum(c.params for c in components),
            inputs=("input_ids: i64[batch=1, sequence=128]",),
            outputs=("logits: f32[batch=1, 2]",),
            assumed={"batch": 1, "sequence": 128},
        ),
        workload=Workload(
            workload,
            0.94,
            (
                Evidence("12 bidirectional self-attention layers", workload, 3.0),
                Evidence("a token embedding of 30522 rows", workload, 2.0),
                Evidence("no convolution", WorkloadType.OTHER, 0.3),
            ),
        ),
        components=tuple(components),
        flow=Flow(
            edges=tuple(Edge(s, t, 393216, s in stream and t in stream) for s, t in edges),
            generations=tuple(generations),
            width=1,
            residual_streams=(ResidualStream(tuple(residual), 393216),),
            fusion_points=(),
        ),
        hardware=HARDWARE,
        opportunities=(
            Opportunity(
                "precision",
                "int8 for 24 products",
                "The weights of attention and MLP are read once per call.",
                tuple(c.name for c in components if c.kind is ComponentKind.MLP),
                0.012,
                85_000_000,
                "roofline",
            ),
            Opportunity(
                "qkv_merge", "Merge 12 QKV", "", (components[0].name,), 0.0004, 0, "roofline"
            ),
        ),
        searches=(
            Search("redundant", 400_000_000, 400_000_000, 64 << 20),
            Search("pruning", 300_000_000, 299_999_999, 64 << 20),
        ),
        timing=Timing(
            0.31,
            {"read": 0.05, "import": 0.06, "passes": 0.2},
            (PatternTime("layer-norm", 25, 25, 0.004), PatternTime("attention", 12, 12, 0.011)),
        ),
        declined=(Declined("attention", "/x/MatMul", "the softmax is over the wrong axis"),),
        kernels=KernelPlan(
            "f32",
            2,
            tuple(
                KernelUse(c.name, kernel, f"128×768×{c.flops} f32", c.nodes[:1])
                for c in components
                for kernel in c.kernels
            ),
            tuple(
                WithoutKernel(c.name, "a norm of kind group", c.nodes)
                for c in components
                if c.kind is ComponentKind.NORM
            ),
        ),
    )


def transformer(layers: int = 2) -> WorkloadProfile:
    """A text encoder like BERT."""
    K = ComponentKind
    shape = AttentionShape("self", 12, 12, 64, 128, 128, False, "padding", False, False)
    parts = [
        component("embeddings", K.EMBEDDING, "embedding.token", 393216, 2 << 20, params=23_440_896),
        component("mask", K.MASK, "attention.mask", 256, 1024),
    ]
    edges: list[tuple[str, str]] = []
    last, residual = "embeddings", ["embeddings"]
    for i in range(layers):
        base = f"encoder.{i}"
        nodes = [f"/encoder/layer.{i}/attention/{n}" for n in ("query", "key", "value", "Softmax")]
        parts += [
            component(
                f"{base}.attention",
                K.ATTENTION,
                "attention",
                604_000_000 + 50_000_000,
                12 << 20,
                nodes=nodes,
                params=2_362_368,
                attention=shape,
            ),
            component(f"{base}.attention.norm", K.NORM, "norm.post", 786432, 800_000, params=1536),
            component(f"{base}.mlp", K.MLP, "mlp", 1_208_000_000, 21 << 20, params=4_722_432),
            component(f"{base}.mlp.norm", K.NORM, "norm.post", 786432, 800_000, params=1536),
        ]
        attention, norm1, mlp, norm2 = (c.name for c in parts[-4:])
        edges += [(last, attention), ("mask", attention), (last, norm1), (attention, norm1)]
        edges += [(norm1, mlp), (norm1, norm2), (mlp, norm2)]
        residual += [norm1, norm2]
        last = norm2
    parts.append(component("head", K.HEAD, "head", 1_000_000, 2_400_000, params=592_130))
    edges.append((last, "head"))
    return profile("bert.onnx", WorkloadType.TEXT_ENCODER, parts, edges, residual=residual)


def convnet(blocks: int = 4) -> WorkloadProfile:
    """An image classifier with residual blocks."""
    K = ComponentKind
    args = {"phase": "vision_backbone", "modality": "vision"}
    parts = [
        component("stem", K.CONV_BLOCK, "conv.stem", 236_000_000, 4 << 20, params=9408, **args)
    ]
    edges: list[tuple[str, str]] = []
    for i in range(blocks):
        for j in (1, 2):
            name = f"layer.{i}.conv{j}"
            parts.append(
                component(name, K.CONV_BLOCK, "conv", 231_000_000, 2 << 20, params=36864, **args)
            )
            edges.append((parts[-2].name, name))
        edges.append((parts[-3].name, parts[-1].name))
    parts.append(component("pool", K.POOL, "pool", 25088, 102400, **args))
    parts.append(component("head", K.HEAD, "head", 1_024_000, 2_054_000, params=513_000, **args))
    edges += [(parts[-3].name, "pool"), ("pool", "head")]
    return profile("resnet.onnx", WorkloadType.VISION, parts, edges)
