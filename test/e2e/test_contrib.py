"""Models that ONNX Runtime's optimizers wrote compile, and compute what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import pytest

from contrib_cases import Case, model_of, run_onnxruntime
from execution import run_model
from models import KINDS, Style, find, fused_offline, optimized

# Of each network the forms with operators of ONNX Runtime that no other network here has.
NETWORKS: list[tuple[str, Style, bool]] = [
    ("bert", "older", True),
    ("bert", "newest", False),
    ("gpt2-cache", "older", False),
    ("llama", "older", True),
    ("clip", "older", True),
    ("efficientnet", "older", False),
    ("dlrm", "older", False),
    ("unet", "older", True),
]
TOLERANCE = 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "style", "offline"),
    NETWORKS,
    ids=[f"{n}-{s}-{'offline' if offline else 'session'}" for n, s, offline in NETWORKS],
)
def test_optimized_network(name: str, style: Style, offline: bool) -> None:
    network = find(name)
    original = network.build(style)
    model = fused_offline(original, KINDS[name]) if offline else optimized(original)
    assert {node.domain for node in model.graph.node} & {"com.microsoft"}
    rng = np.random.default_rng(0)
    feeds = network.inputs(rng, **network.random_dims(rng))
    expected = run_onnxruntime(original, feeds)
    for actual, reference in zip(run_model(model, feeds), expected.values(), strict=True):
        scale = float(np.abs(reference).max())
        np.testing.assert_allclose(actual, reference, rtol=0, atol=TOLERANCE * scale)


def test_masked_causal_attention_and_a_cache() -> None:
    """The forms whose meaning the lowering of attention decides: rows without a key, caches."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    x, w, b = floats(2, 5, 7), floats(7, 36), floats(36)
    padding = np.array([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0]], np.int32)
    cache = [floats(2, 2, 9, 16), floats(2, 2, 9, 16)]
    angles = rng.uniform(0, 6, (16, 8))
    cos, sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)
    lengths, total = np.array([3, 5], np.int32), np.array(6, np.int32)
    new = [floats(2, 1, 64), floats(2, 1, 32), floats(2, 1, 32)]
    causal = {"num_heads": 3, "unidirectional": 1}
    cases = [
        Case("Attention", [x, w, b, padding], causal),
        Case("Attention", [x, w, b, np.array([2, 5], np.int32)], causal),
        Case(
            "GroupQueryAttention",
            [*new, *cache, lengths, total, cos, sin],
            {"num_heads": 4, "kv_num_heads": 2, "do_rotary": 1, "local_window_size": 4},
            [True, True, True],
        ),
    ]
    model, feeds = model_of(cases)
    expected = run_onnxruntime(model, feeds)
    results = dict(zip(expected, run_model(model, feeds), strict=True))
    for name in ("y0_0", "y1_0", "y2_0"):
        scale = float(np.abs(expected[name]).max())
        np.testing.assert_allclose(results[name], expected[name], rtol=0, atol=1e-5 * scale)
    for name in ("y2_1", "y2_2"):  # rows of the cache that hold no token mean nothing
        for row, length in enumerate(lengths + 1):
            np.testing.assert_array_almost_equal(
                results[name][row, :, :length], expected[name][row, :, :length], decimal=5
            )
