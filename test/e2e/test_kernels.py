"""Generated kernels serve the networks that they are made for, and compute what they should.

Which kernels a program calls is decided before code generation, so it is seen here without any:
for two processors that kernels know, in both precisions, with known extents and without.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from execution import compile_proto, execute
from models import find
from noema.check import TOLERANCES, Tolerance, compare
from noema.dialects.context import new_context
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import from_proto
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa
from noema.lowering.lower import Lowered, lower
from noema.options import CompileOptions, Precision, Target
from noema.passes.driver import run_pipeline
from noema.passes.registry import compile_pipeline
from noema.pipeline import CompiledModel, pass_context
from noema.runtime.cpu import X86_LEVELS, this_cpu
from onnx_text import model

AVX2, AVX512 = X86_64_V3, replace(X86_64_V4, bf16=True)

TRANSFORMER = frozenset({"attention", "gemm", "norm"})
CONVOLUTIONS = frozenset({"conv", "winograd"})

KINDS: Mapping[str, frozenset[str]] = {
    "bert": TRANSFORMER,
    "gpt2": TRANSFORMER,
    "gpt2-cache": TRANSFORMER,
    "llama": TRANSFORMER,
    "llama-cache": TRANSFORMER,
    "vit": TRANSFORMER | {"conv"},
    "resnet-basic": frozenset({"conv", "gemm", "pool", "winograd"}),
    "resnet-bottleneck": frozenset({"conv", "gemm", "pool"}),
    "mobilenet": frozenset({"conv", "depthwise", "gemm", "pool"}),
    "resnext": frozenset({"conv", "gemm", "pool"}),
    "resnet-any-size": frozenset({"conv", "gemm", "pool", "winograd"}),
    "mobilenet-any-size": frozenset({"conv", "depthwise", "gemm", "pool"}),
    "efficientnet": frozenset({"conv", "depthwise", "gemm", "pool"}),
    "unet": frozenset({"conv", "gemm", "pool", "winograd"}),
    "dlrm": frozenset({"batch_gemm", "gemm"}),  # pairs of embeddings
    "clip": TRANSFORMER | {"batch_gemm", "conv"},  # images × texts
}
"""What each network should be served by; of the two kernels for 3×3 convolutions either will do."""

_OUTER = "an outer product, which IREE makes together with what reads it"
EXPECTED = {
    "llama": {_OUTER},  # positions × frequencies
    "llama-cache": {_OUTER},
    "unet": {"a norm of kind group"},
}
"""Reasons to do without a kernel; in a network that isn't named here none does."""


@cache
def lowered(name: str, precision: str, isa: Isa, *, static: bool) -> Lowered:
    model = from_proto(find(name).build("older", seed=3, static=static), expand=EXPANDED)
    module = import_model(model, new_context())
    run_pipeline(module, compile_pipeline("cpu", precision), pass_context(model))
    return lower(module, model.parameters, isa)


def kinds(program: Lowered) -> set[str]:
    return {kernel.kind for kernel in program.kernels.values()}


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("name", KINDS)
def test_fast_kernels_are_chosen(name: str, precision: str) -> None:
    """Unknown extents of batch and sequence keep them; only a convolution's kind may change."""
    for static in (True, False):
        program = lowered(name, precision, AVX512, static=static)
        assert kinds(program) | CONVOLUTIONS == KINDS[name] | CONVOLUTIONS
        assert bool(kinds(program) & CONVOLUTIONS) == bool(KINDS[name] & CONVOLUTIONS)
        assert set(program.declined.values()) <= EXPECTED.get(name, set())


@pytest.mark.parametrize("name", KINDS)
def test_avx2_has_the_same_kernels(name: str) -> None:
    wide, narrow = (lowered(name, "f32", isa, static=True) for isa in (AVX512, AVX2))
    assert kinds(wide) | CONVOLUTIONS == kinds(narrow) | CONVOLUTIONS
    assert wide.declined == narrow.declined


@pytest.mark.parametrize("name", ["bert", "llama-cache", "resnet-basic", "mobilenet"])
def test_bf16_products_take_bf16_operands(name: str) -> None:
    """Every product's kernel multiplies bf16: none but depthwise ones is left behind in f32."""
    program = lowered(name, "bf16", AVX512, static=True)
    kernels = list(program.kernels.values())
    assert any(k.kind in ("gemm", "conv") for k in kernels)
    for kernel in kernels:
        if kernel.kind in ("gemm", "conv", "depthwise"):
            elements = {t.element for t in kernel.interface.operands[:2]}
            assert ("bf16" in elements) == (kernel.kind != "depthwise"), kernel.describe()


IMAGES: Sequence[Mapping[str, int]] = [
    {"batch": 2, "height": 1, "width": 3},
    {"batch": 1, "height": 33, "width": 97},
    {"batch": 1, "height": 160, "width": 31},
]
"""Smaller than any window, and larger than what tiles are chosen for."""

SIZES: Mapping[str, Sequence[Mapping[str, int]]] = {
    "bert": [{"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 17}],
    "gpt2-cache": [
        {"batch": 1, "sequence": 1, "past_sequence": 33},
        {"batch": 2, "sequence": 5, "past_sequence": 1},
    ],
    "resnet-bottleneck": [{"batch": 1}, {"batch": 5}],
    "mobilenet": [{"batch": 1}, {"batch": 3}],
    "resnext": [{"batch": 3}],
    "resnet-any-size": IMAGES,
    "mobilenet-any-size": IMAGES,
}
"""Extents to run the programs of unknown ones on: odd ones, and single ones."""

FEW_CHANNELS = 2.0
"""How much more a network of 4 to 16 channels may be off in bf16: it averages few roundings."""


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("name", SIZES)
def test_agrees_with_onnx_runtime(name: str, precision: Precision) -> None:
    """Within what suits the precision (`TOLERANCES`), on other weights than the other tests.

    In f32 every element: 1e-4 of the largest. In bf16 the whole: 1e-2 in the L2 norm; one rounding
    is off by up to 2⁻⁹, and the networks are a few layers deep. Where this processor has no bf16
    it's emulated, to the same tolerance.
    """
    network, allowed = find(name), TOLERANCES[precision]
    if precision is Precision.BF16 and network.family == "vision":
        allowed = replace(allowed, limit=FEW_CHANNELS * allowed.limit)
    model = network.build("newest", seed=7)
    program = compile_proto(model, CompileOptions(precision=precision, emulate=True))
    session = ort.InferenceSession(model.SerializeToString())
    for seed, dims in enumerate(SIZES[name]):
        assert_agrees(
            program, session, network.inputs(np.random.default_rng(seed), **dims), allowed
        )


def assert_agrees(
    program: CompiledModel,
    session: ort.InferenceSession,
    feeds: Mapping[str, NDArray[np.generic]],
    allowed: Tolerance,
) -> None:
    names = [spec.name for spec in program.signature.outputs]
    wanted = dict(zip(names, map(np.asarray, session.run(names, dict(feeds))), strict=True))
    got = dict(zip(names, execute(program, feeds), strict=True))
    wrong = [e for e in compare(wanted, got, allowed) if not e.agrees]
    assert not wrong, wrong


@pytest.mark.parametrize("name", ["llama", "resnet-basic", "mobilenet"])
@pytest.mark.parametrize("level", ["x86-64-v2", "x86-64-v3"])
def test_portable_programs_agree(name: str, level: str) -> None:
    """AVX2 has kernels, SSE has none and is served op by op; 1e-4 for either."""
    if level not in levels_here():
        pytest.skip(f"this processor is no {level}")
    network = find(name)
    model = network.build("older", seed=8)
    program = compile_proto(model, CompileOptions(Target("cpu", level)))
    assert bool(program.kernels) == (level == "x86-64-v3")
    session = ort.InferenceSession(model.SerializeToString())
    feeds = network.inputs(np.random.default_rng(9))
    assert_agrees(program, session, feeds, TOLERANCES[Precision.F32])


def levels_here() -> set[str]:
    features = this_cpu().features
    return {name for name, needed in X86_LEVELS.items() if needed <= features}


@pytest.mark.parametrize("name", ["bert", "audio"])
def test_emulated_bf16_rounds_as_the_real_one(name: str) -> None:
    """Without kernels: products of operands rounded to bf16, with sums in f32."""
    if "x86-64-v3" not in levels_here():
        pytest.skip("this processor is no x86-64-v3")
    network = find(name)
    model = network.build("older", seed=10)
    session = ort.InferenceSession(model.SerializeToString())
    feeds = network.inputs(np.random.default_rng(11))
    target = Target("cpu", "x86-64-v3")
    program = compile_proto(model, CompileOptions(target, Precision.BF16, emulate=True))
    assert_agrees(program, session, feeds, TOLERANCES[Precision.BF16])
    with pytest.raises(AssertionError):  # it did round: f32 is far nearer
        assert_agrees(program, session, feeds, TOLERANCES[Precision.F32])


MOVES = """
    [first] a = Conv<pads = [1, 1, 1, 1]> (x, w)
    [split] left, right = Split<axis = 1, num_outputs = 2> (a)
    [depthwise] moved = Conv<pads = [1, 1, 1, 1], group = 3> (right, d)
    [join] joined = Concat<axis = 1> (left, moved)
    [apart] apart = Reshape (joined, groups)
    [turn] turned = Transpose<perm = [0, 2, 1, 3, 4]> (apart)
    [whole] whole = Reshape (turned, all)
    [enlarge] larger = ConvTranspose<strides = [2, 3]> (whole, t, b)
    [skip] skip = Concat<axis = 1> (larger, z)
    y = Conv (skip, v)
"""


@pytest.mark.parametrize("precision", list(Precision))
def test_channels_are_split_shuffled_joined_and_enlarged(precision: Precision) -> None:
    """As between convolutions of ShuffleNets and U-Nets; all products are kernels' then."""
    rng = np.random.default_rng(12)

    def weights(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    network = model(
        "float[2,5,7,4] x, float[2,2,14,12] z",
        "float[2,3,14,12] y",
        MOVES,
        w=weights(6, 5, 3, 3),
        d=weights(3, 1, 3, 3),
        groups=np.array([2, 2, 3, 7, 4]),
        all=np.array([2, 6, 7, 4]),
        t=weights(6, 4, 2, 3),
        b=weights(4),
        v=weights(3, 6, 1, 1),
    )
    program = compile_proto(network, CompileOptions(precision=precision, emulate=True))
    if "x86-64-v3" in levels_here() and precision is Precision.F32:
        counts = Counter(kernel.kind for kernel in program.kernels.values())
        assert counts["gemm"] == 2 and counts["depthwise"] == 1 and counts.total() == 4
    session = ort.InferenceSession(network.SerializeToString())
    feeds = {"x": weights(2, 5, 7, 4), "z": weights(2, 2, 14, 12)}
    assert_agrees(program, session, feeds, TOLERANCES[precision])
