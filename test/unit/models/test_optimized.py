"""The optimizers of ONNX Runtime find what they should in the networks, and keep their meaning."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from models import KINDS, Style, find, fused_offline, optimized

# Operators that have no implementation on the processor; the models that hold them can't be run.
GPU_ONLY = {"GroupNorm", "NhwcConv"}

SESSION = [
    ("bert", "older", {"LayerNormalization": 5, "Gelu": 2, "FusedMatMul": 2, "FusedGemm": 1}),
    ("bert", "newest", {"LayerNormalization": 5, "BiasGelu": 2, "Attention": 2}),
    ("gpt2-cache", "older", {"FastGelu": 2, "LayerNormalization": 5}),
    ("llama", "older", {"SimplifiedLayerNormalization": 5, "QuickGelu": 2}),
    ("resnet-basic", "newest", {"FusedConv": 3}),
]
OFFLINE = [
    (
        "bert",
        "older",
        {
            "Attention": 2,
            "SkipLayerNormalization": 4,
            "EmbedLayerNormalization": 1,
            "BiasGelu": 2,
        },
    ),
    ("llama", "older", {"SkipSimplifiedLayerNormalization": 4}),
    ("clip", "older", {"Attention": 2, "SkipLayerNormalization": 7, "QuickGelu": 4}),
    ("unet", "older", {"GroupNorm": 14, "NhwcConv": 17}),
]


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, feeds)


CASES = [(*case, False) for case in SESSION] + [(*case, True) for case in OFFLINE]


@pytest.mark.parametrize(
    ("name", "style", "expected", "offline"),
    CASES,
    ids=[
        f"{name}-{style}-{'offline' if offline else 'session'}" for name, style, _, offline in CASES
    ],
)
def test_optimized_network_has_the_fused_operators(
    name: str, style: Style, expected: dict[str, int], offline: bool
) -> None:
    network = find(name)
    model = network.build(style)
    result = fused_offline(model, KINDS[name]) if offline else optimized(model)
    found = operators(result)
    assert {op: found[op] for op in expected} == expected
    if GPU_ONLY & found.keys():
        return
    feeds = network.inputs(np.random.default_rng(0))
    for actual, reference in zip(run(result, feeds), run(model, feeds), strict=True):
        np.testing.assert_allclose(actual, reference, rtol=0, atol=1e-4 * np.abs(reference).max())
