"""Operations of nodes and networks, against counts by hand and figures that are published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import find
from noema.analysis.cost import Costs, is_static
from noema.analysis.flops import flops_of
from onnx_text import model
from raised import raised

F = np.float32


def _flops(tmp_path: Path, inputs: str, outputs: str, body: str, **weights: np.ndarray) -> int:
    found = raised(model(inputs, outputs, body, opset=23, **weights), tmp_path, "raise")
    return sum(Costs(found.graph).flops)


def _w(*shape: int) -> np.ndarray:
    return np.ones(shape, F)


@pytest.mark.parametrize(
    ("inputs", "outputs", "body", "weights", "expected"),
    [
        # 2 M N K, batches multiplied; a square operand is no trap
        ("float[5,7] x", "float[5,11] y", "y = MatMul(x, w)", {"w": _w(7, 11)}, 2 * 5 * 7 * 11),
        ("float[2,3,5,7] x, float[7,5] z", "float[2,3,5,5] y", "y = MatMul(x, z)", {}, 2 * 6 * 175),
        ("float[6,6] x", "float[6,6] y", "y = MatMul(x, x)", {}, 2 * 6**3),
        ("float[7] x, float[7,3] z", "float[3] y", "y = MatMul(x, z)", {}, 2 * 7 * 3),
        # with a bias: one more per result
        (
            "float[7,5] x",
            "float[5,11] y",
            "y = Gemm<transA=1, transB=1>(x, w, b)",
            {"w": _w(11, 7), "b": _w(11)},
            2 * 5 * 7 * 11 + 5 * 11,
        ),
        # 16 filters over 8 channels, 3×3, 9×9 → 7×7; then in 4 groups; then depthwise, same size
        (
            "float[1,8,9,9] x",
            "float[1,16,7,7] y",
            "y = Conv(x, w)",
            {"w": _w(16, 8, 3, 3)},
            2 * 16 * 49 * 8 * 9,
        ),
        (
            "float[1,8,9,9] x",
            "float[1,16,7,7] y",
            "y = Conv<group=4>(x, w, b)",
            {"w": _w(16, 2, 3, 3), "b": _w(16)},
            2 * 16 * 49 * 2 * 9 + 16 * 49,
        ),
        (
            "float[1,8,9,9] x",
            "float[1,8,9,9] y",
            "y = Conv<group=8, pads=[1,1,1,1]>(x, w)",
            {"w": _w(8, 1, 3, 3)},
            2 * 8 * 81 * 9,
        ),
        (
            "float[1,8,5,5] x",
            "float[1,4,11,11] y",
            "y = ConvTranspose<strides=[2,2]>(x, w)",
            {"w": _w(8, 4, 3, 3)},
            2 * 8 * 25 * 4 * 9,
        ),
        # scores and mix of 2·3·4 rows of 5 keys, heads of 6; softmax of the scores
        (
            "float[2,3,4,6] q, float[2,3,5,6] k, float[2,3,5,6] v",
            "float[2,3,4,6] y",
            "y = Attention(q, k, v)",
            {},
            2 * (2 * 24 * 5 * 6) + 12 * 24 * 5,
        ),
        # the same in rank 3, two of the heads sharing the keys of one
        (
            "float[2,4,12] q, float[2,5,6] k, float[2,5,6] v",
            "float[2,4,12] y",
            "y = Attention<q_num_heads=2, kv_num_heads=1>(q, k, v)",
            {},
            2 * (2 * 16 * 5 * 6) + 12 * 16 * 5,
        ),
        ("float[4,6] x", "float[4,6] y", "y = Softmax(x)", {}, 12 * 24),
        (
            "float[4,6] x",
            "float[4,6] y",
            "y = LayerNormalization(x, s, b)",
            {"s": _w(6), "b": _w(6)},
            8 * 24,
        ),
        ("float[4,6] x", "float[4,6] y", "y = Exp(x)", {}, 8 * 24),
        ("float[4,6] x", "float[4,6] y", "y = Relu(x)", {}, 24),
        ("float[4,6] x", "float[4,6] y", "y = Div(x, x)", {}, 4 * 24),
        ("float[4,6] x", "float[4,1] y", "y = ReduceMax(x, a)", {"a": np.array([1])}, 24),
        (
            "float[1,2,8,8] x",
            "float[1,2,4,4] y",
            "y = MaxPool<kernel_shape=[3,3], strides=[2,2], pads=[1,1,0,0]>(x)",
            {},
            32 * 9,
        ),
        ("float[1,2,8,8] x", "float[1,2,1,1] y", "y = GlobalAveragePool(x)", {}, 128),
        # two dimensions doubled by bilinear interpolation
        (
            "float[1,2,4,4] x",
            "float[1,2,8,8] y",
            'y = Resize<mode="linear">(x, , s)',
            {"s": np.array([1, 1, 2, 2], F)},
            128 * 9,
        ),
        (
            "float[3,4] x, float[4,5] z",
            "float[3,5] y",
            'y = Einsum<equation="ij,jk->ik">(x, z)',
            {},
            2 * 3 * 4 * 5,
        ),
        # moves only
        ("float[4,6] x", "float[6,4] y", "y = Transpose<perm=[1,0]>(x)", {}, 0),
        ("float[4,6] x", "float[2,6] y", "y = Gather(x, i)", {"i": np.array([1, 3])}, 0),
    ],
)  # fmt: skip
def test_by_hand(
    tmp_path: Path,
    inputs: str,
    outputs: str,
    body: str,
    weights: dict[str, np.ndarray],
    expected: int,
) -> None:
    assert _flops(tmp_path, inputs, outputs, body, **weights) == expected


def test_keys_of_a_cache_count(tmp_path: Path) -> None:
    """One new position attends to the eight cached ones and itself."""
    flops = _flops(
        tmp_path,
        "float[1,2,1,4] q, float[1,2,1,4] k, float[1,2,1,4] v, "
        "float[1,2,8,4] pk, float[1,2,8,4] pv",
        "float[1,2,1,4] y, float[1,2,9,4] nk, float[1,2,9,4] nv",
        "y, nk, nv = Attention(q, k, v, , pk, pv)",
    )
    assert flops == 2 * (2 * 2 * 9 * 4) + 12 * 2 * 9


def test_recurrent_cells_multiply_inputs_and_states_at_every_step(tmp_path: Path) -> None:
    steps, batch, width, hidden = 5, 3, 7, 4
    flops = _flops(
        tmp_path,
        f"float[{steps},{batch},{width}] x",
        f"float[{steps},2,{batch},{hidden}] y",
        f'y = LSTM<hidden_size={hidden}, direction="bidirectional">(x, w, r)',
        w=_w(2, 4 * hidden, width),
        r=_w(2, 4 * hidden, hidden),
    )
    products = 2 * 2 * steps * batch * 4 * hidden * (width + hidden)
    # three sigmoids of 14, two tanh of 8, three products and a sum, each gate's sum of parts
    gates = 2 * steps * batch * hidden * (3 * 14 + 2 * 8 + 4 + 4)
    assert flops == products + gates


def test_an_unknown_operator_counts_its_results(tmp_path: Path) -> None:
    found = raised(
        model("float[4,6] x", "float[4,6] y", "y = ThresholdedRelu(x)"), tmp_path, "raise"
    )
    (node,) = found.graph.nodes
    node.key = "onnx.NobodyKnows"
    assert flops_of(node) == 24


def test_unknown_extents_are_told(tmp_path: Path) -> None:
    dynamic = raised(model("float[N,6] x", "float[N,6] y", "y = Exp(x)"), tmp_path)
    assert not is_static(dynamic.graph)
    assert sum(Costs(dynamic.graph).flops) == 8 * 6
    static = raised(model("float[4,6] x", "float[4,6] y", "y = Exp(x)"), tmp_path)
    assert is_static(static.graph)


# Networks. Twice the multiply-adds of the literature: products are nearly everything.


@pytest.mark.parametrize("style", ["older", "newest"])
def test_bert_base(tmp_path: Path, style: str) -> None:
    """22.5 Gop at 128 tokens: 12 layers, of which two are built, with a small vocabulary."""

    def flops(layers: int) -> int:
        network = find("bert-base").build(style, static=True, layers=layers, vocab=64)  # type: ignore[arg-type]
        found = raised(network, tmp_path)  # the graph doesn't keep its module alive
        return sum(Costs(found.graph).flops)

    one, two = flops(1), flops(2)
    total = one + 11 * (two - one)
    products = 12 * 2 * 128 * (4 * 768**2 + 2 * 768 * 3072 + 2 * 128 * 768)
    assert products == pytest.approx(22.3e9, rel=0.01)
    assert total == pytest.approx(22.5e9, rel=0.01)
    assert total > products


def test_vit_b16(tmp_path: Path) -> None:
    """17.6 G multiply-adds at 224×224 (A. Dosovitskiy et al., arXiv 2010.11929; timm)."""

    def flops(layers: int) -> int:
        network = find("vit-b16").build("newest", static=True, layers=layers)
        found = raised(network, tmp_path)  # the graph doesn't keep its module alive
        return sum(Costs(found.graph).flops)

    one, two = flops(1), flops(2)
    assert one + 11 * (two - one) == pytest.approx(2 * 17.6e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "multiply_adds", "parameters"),
    # torchvision's table of models
    [("resnet50", 4.09e9, 25.557e6), ("mobilenetv2", 0.301e9, 3.505e6)],
)
def test_convnets(tmp_path: Path, name: str, multiply_adds: float, parameters: float) -> None:
    found = raised(find(name).build("newest", static=True), tmp_path)
    cost = Costs(found.graph).of(found.graph.nodes)
    # Batch norms and activations come on top: 5 % where convolutions are cheap.
    assert 2 * multiply_adds < cost.flops < 2.1 * multiply_adds
    # Our count has the means and variances of batch norms too.
    assert parameters < cost.params < 1.011 * parameters
