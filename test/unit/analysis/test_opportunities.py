"""Opportunities: found where they are, not found where they aren't, gains as counted by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from models import find
from noema.analysis.duplicates import duplicate_weights, repeated_nodes
from noema.analysis.hardware import describe
from noema.analysis.opportunities import CHANNELS_LAST_GAIN, opportunities
from noema.analysis.parts import Part
from noema.dialects.attrs import Role
from noema.workload import AttentionShape, ComponentKind, Opportunity, Search
from onnx_text import model
from raised import Raised, raised

HARDWARE = replace(describe(), gflops={"f32": 100.0, "bf16": 200.0, "int8": 400.0}, bandwidth=10.0)
BANDWIDTH = 10e9
F = np.float32


def _of(
    found: Raised, *kinds: str, parts: list[Part] | None = None, weight_bytes: int = 1 << 30
) -> list[Opportunity]:
    result, _ = opportunities(
        found.graph,
        parts or [found.part()],
        HARDWARE,
        found.parameters,
        weight_bytes=weight_bytes,
    )
    assert [o.seconds for o in result] == sorted((o.seconds for o in result), reverse=True)
    assert all(o.seconds >= 0 and o.bytes >= 0 and o.components and o.title for o in result)
    # A prediction is labelled as one; so is what was read in the weights.
    assert all("prediction" in o.basis or "weights" in o.basis for o in result)
    return [o for o in result if o.kind in kinds]


def _random(rng_seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(rng_seed).standard_normal(shape).astype(F)


def _raised(tmp_path: Path, inputs: str, outputs: str, body: str, **weights: np.ndarray) -> Raised:
    text: onnx.ModelProto = model(inputs, outputs, body, opset=23, **weights)
    return raised(text, tmp_path)


# Fusion


def test_an_epilogue_saves_the_tensor_before_it(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[5,8] x",
        "float[5,16] y",
        "u = MatMul(x, w)\ny = Relu(u)",
        w=_random(0, 8, 16),
    )
    (fusion,) = _of(found, "fusion")
    assert fusion.seconds == pytest.approx(2 * 4 * 5 * 16 / BANDWIDTH)
    assert fusion.components == ("all",)


def test_a_tensor_with_two_users_or_an_output_stays(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[5,8] x",
        "float[5,8] y, float[5,8] z, float[5,8] s",
        "y = MatMul(x, w)\nz = Relu(y)\nu = MatMul(x, v)\na = Exp(u)\nb = Tanh(u)\n"
        "t = Transpose(b)\nr = MatMul(a, t)\ns = MatMul(r, x)",
        w=_random(0, 8, 8),
        v=_random(1, 8, 8),
    )
    assert _of(found, "fusion") == []


def test_parts_are_not_fused_with_each_other(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[5,8] x",
        "float[5,16] y",
        "u = MatMul(x, w)\ny = Relu(u)",
        w=_random(0, 8, 16),
    )
    relu = found.node("activation.relu")
    rest = [node for node in found.graph.nodes if node is not relu]
    parts = [found.part(nodes=rest, name="a"), found.part(nodes=[relu], name="b")]
    assert _of(found, "fusion", parts=parts) == []


# Merging


def test_products_of_one_tensor_merge(tmp_path: Path) -> None:
    weights = {name: _random(i, 8, 16) for i, name in enumerate("qkv")}
    found = _raised(
        tmp_path,
        "float[5,8] x",
        "float[5,16] a, float[5,16] b, float[5,16] c",
        "a = MatMul(x, q)\nb = MatMul(x, k)\nc = MatMul(x, v)",
        **weights,
    )
    (merge,) = _of(found, "qkv_merge")
    assert merge.seconds == pytest.approx(2 * 4 * 5 * 8 / BANDWIDTH)
    assert merge.title.startswith("Merge 3 products")


@pytest.mark.parametrize(
    "body",
    [
        "a = MatMul(x, q)\nb = MatMul(z, k)",  # of two tensors
        "a = MatMul(x, q)\nt = MatMul(x, z1)\nb = Identity(t)",  # one of them with no weight
        "a = MatMul(x, q)\nb = Gemm<transB=1>(x, kt)",  # weights that lie differently
    ],
)
def test_other_products_do_not(tmp_path: Path, body: str) -> None:
    found = _raised(
        tmp_path,
        "float[8,8] x, float[8,8] z, float[8,16] z1",
        "float[8,16] a, float[8,16] b",
        body,
        q=_random(0, 8, 16),
        k=_random(1, 8, 16),
        kt=_random(2, 16, 8),
    )
    assert _of(found, "qkv_merge") == []


# Precision and layout


def test_narrow_precisions_are_offered_where_they_gain(tmp_path: Path) -> None:
    rows, width = 512, 256
    found = _raised(
        tmp_path,
        f"float[{rows},{width}] x",
        f"float[{rows},{width}] y",
        "u = MatMul(x, w)\ny = LayerNormalization(u, s)",
        w=_random(0, width, width),
        s=_random(1, width),
    )
    norm = found.node("norm.layer")
    rest = [node for node in found.graph.nodes if node is not norm]
    parts = [found.part(nodes=rest, name="mlp"), found.part(nodes=[norm], name="norm")]
    bf16, int8 = sorted(_of(found, "precision", parts=parts), key=lambda o: o.seconds)
    flops, weights = 2 * rows * width**2, 4 * width**2
    assert "bf16" in bf16.title and "int8" in int8.title
    assert bf16.seconds == pytest.approx(flops / 100e9 - flops / 200e9)
    assert (bf16.bytes, int8.bytes) == (weights // 2, 3 * weights // 4)
    assert bf16.components == int8.components == ("mlp",)


def test_only_convolutions_with_windows_gain_from_channels_last(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[1,16,18,18] x",
        "float[1,16,16,16] y",
        "u = Conv(x, w3)\nv = Conv(u, w1)\ny = Conv<group=16, pads=[1,1,1,1]>(v, wd)",
        w3=_random(0, 16, 16, 3, 3),
        w1=_random(1, 16, 16, 1, 1),
        wd=_random(2, 16, 1, 3, 3),
    )
    (layout,) = _of(found, "layout")
    assert layout.title == "Run 1 convolution with channels last"
    flops = 2 * 16 * 16 * 16 * 16 * 9
    assert layout.seconds == pytest.approx(CHANNELS_LAST_GAIN * flops / 100e9)


# Caches


def test_caches_that_are_copied(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[1,2,7,4] past, float[1,2,1,4] new",
        "float[1,2,8,4] present",
        "present = Concat<axis=2>(past, new)",
    )
    (cache,) = _of(found, "kv_cache")
    size = 4 * 2 * 7 * 4
    assert (cache.bytes, cache.seconds) == (size, pytest.approx(2 * size / BANDWIDTH))


@pytest.mark.parametrize("style", ["older", "newest"])
@pytest.mark.parametrize("name", ["gpt2-cache", "llama-cache"])
def test_caches_of_decoders(tmp_path: Path, name: str, style: str) -> None:
    network = find(name)
    found = raised(network.build(style, static=True), tmp_path)  # type: ignore[arg-type]
    (cache,) = _of(found, "kv_cache")
    assert cache.title == f"Keep {2 * network.config.layers} caches of keys and values in place"


@pytest.mark.parametrize(
    ("inputs", "outputs", "body"),
    [
        # joined, but not given back
        (
            "float[1,2,7,4] a, float[1,2,1,4] b",
            "float[1,2,8,4] y",
            "c = Concat<axis=2>(a, b)\ny = Exp(c)",
        ),
        # no cache: pieces of a batch of rank 2
        ("float[7,4] a, float[1,4] b", "float[8,4] y", "y = Concat<axis=0>(a, b)"),
    ],
)  # fmt: skip
def test_other_joins_are_no_caches(tmp_path: Path, inputs: str, outputs: str, body: str) -> None:
    assert _of(_raised(tmp_path, inputs, outputs, body), "kv_cache") == []


# Redundancy


def test_equal_weights_are_found_by_content(tmp_path: Path) -> None:
    w = _random(0, 64, 32)
    other = w.copy()
    other[30, 7] += 1  # in the middle, where no sample looks
    found = _raised(
        tmp_path,
        "float[5,64] x",
        "float[5,32] a, float[5,32] b, float[5,32] c",
        "a = MatMul(x, w1)\nb = MatMul(x, w2)\nc = MatMul(x, w3)",
        w1=w,
        w2=w.copy(),
        w3=other,
    )
    ((twins,), _) = duplicate_weights(found.graph, found.parameters, 1 << 30)
    assert (set(twins.names), twins.transposed) == ({"w1", "w2"}, False)
    (groups,) = [g for g in repeated_nodes(found.graph, [twins]) if g[0].key == "matmul"]
    assert len(groups) == 2
    memory, work = sorted(_of(found, "redundant"), key=lambda o: o.seconds)
    assert (memory.bytes, memory.seconds) == (w.nbytes, 0.0)
    assert work.seconds == pytest.approx(max(2 * 5 * 64 * 32 / 100e9, 4 * 5 * 32 / BANDWIDTH))
    assert _of(found, "redundant", weight_bytes=0) == []


def test_a_tied_embedding_is_found_transposed(tmp_path: Path) -> None:
    table = _random(0, 96, 32)
    found = _raised(
        tmp_path,
        "int64[5] i",
        "float[5,96] y",
        "u = Gather(table, i)\ny = MatMul(u, head)",
        table=table,
        head=np.ascontiguousarray(table.T),
    )
    ((twins,), _) = duplicate_weights(found.graph, found.parameters, 1 << 30)
    assert twins.transposed and twins.nbytes == table.nbytes
    # Another matrix of that size and the same corners is none.
    changed = np.ascontiguousarray(table.T)
    changed[16, 48] = 0
    apart = _raised(
        tmp_path,
        "int64[5] i",
        "float[5,96] y",
        "u = Gather(table, i)\ny = MatMul(u, head)",
        table=table,
        head=changed,
    )
    found_twins, search = duplicate_weights(apart.graph, apart.parameters, 1 << 30)
    assert found_twins == []
    assert search.examined == search.bytes == 2 * table.nbytes


def test_the_budget_bounds_what_is_read(tmp_path: Path) -> None:
    w = _random(0, 64, 32)
    found = _raised(
        tmp_path,
        "float[5,64] x",
        "float[5,32] a, float[5,32] b",
        "a = MatMul(x, w1)\nb = MatMul(x, w2)",
        w1=w,
        w2=w.copy(),
    )
    few = duplicate_weights(found.graph, found.parameters, w.nbytes)
    assert few == ([], Search("redundant", 2 * w.nbytes, 0, w.nbytes))
    twins, all_of_it = duplicate_weights(found.graph, found.parameters, 2 * w.nbytes)
    assert len(twins) == 1
    assert all_of_it == Search("redundant", 2 * w.nbytes, 2 * w.nbytes, 2 * w.nbytes)


def test_what_samples_tell_apart_counts_as_looked_at(tmp_path: Path) -> None:
    w = _random(0, 64, 32)
    found = _raised(
        tmp_path,
        "float[5,64] x",
        "float[5,32] a, float[5,32] b, float[5,32] c",
        "a = MatMul(x, w1)\nb = MatMul(x, w2)\nc = MatMul(x, w3)",
        w1=w,
        w2=w.copy(),
        w3=_random(1, 64, 32),
    )
    _, search = duplicate_weights(found.graph, found.parameters, w.nbytes)
    assert search == Search("redundant", 3 * w.nbytes, w.nbytes, w.nbytes)


def test_the_report_says_where_pruning_stopped(tmp_path: Path) -> None:
    found = _raised(
        tmp_path,
        "float[5,64] x",
        "float[5,48] y",
        "a = MatMul(x, w1)\ny = MatMul(a, w2)",
        w1=_random(0, 64, 32),
        w2=_random(1, 32, 48),
    )
    sample = 16 * 32 * 4  # of the first: 16 inputs of each of its 32 channels
    sizes = 64 * 32 * 4, 32 * 48 * 4
    for limit, examined in ((0, 0), (sample, sizes[0]), (1 << 20, sum(sizes))):
        _, (_, search) = opportunities(
            found.graph, [found.part()], HARDWARE, found.parameters, weight_bytes=limit
        )
        assert search == Search("pruning", sum(sizes), examined, limit)


def test_nodes_are_equal_by_what_they_compute(tmp_path: Path) -> None:
    body = (
        "a = Softmax<axis=1>(x)\nb = Softmax<axis=1>(x)\nc = Softmax<axis=0>(x)\n"
        "d = Exp(a)\ne = Exp(b)\nf = Exp(c)\nh = Cast<to=10>(x)\ni = Cast<to=11>(x)\n"
        "y = Sum(d, e, f)"
    )
    text = model("float[4,4] x", "float[4,4] y, float16[4,4] h, double[4,4] i", body)
    found = raised(text, tmp_path, "raise")  # later passes would remove them
    groups = [[n.names for n in group] for group in repeated_nodes(found.graph)]
    assert [len(group) for group in groups] == [2, 2]
    # The chain behind an equal node is equal too, and another axis or type isn't.
    keys = sorted(group[0].key for group in repeated_nodes(found.graph))
    assert keys == ["elementwise.exp", "softmax"]


# Pruning


@pytest.mark.parametrize("transposed", [False, True])
def test_dead_channels_of_a_product(tmp_path: Path, transposed: bool) -> None:
    w = _random(0, 64, 64)
    w[:, [3, 17, 40]] *= 1e-5
    body = "y = Gemm<transB=1>(x, w)" if transposed else "y = MatMul(x, w)"
    stored = np.ascontiguousarray(w.T) if transposed else w
    found = _raised(tmp_path, "float[9,64] x", "float[9,64] y", body, w=stored)
    (pruning,) = _of(found, "pruning")
    assert pruning.title == "Remove 3 of 64 channels (all)"
    assert pruning.bytes == 3 * 64 * 4
    assert pruning.seconds > 0
    assert _of(found, "pruning", weight_bytes=0) == []
    assert _of(found, "pruning", weight_bytes=w.nbytes // 4 - 1) == []  # 16 of 64 rows


def test_the_budget_counts_samples(tmp_path: Path) -> None:
    """16 rows of a matrix of 1024 are enough to see what is dead in it."""
    w = _random(0, 1024, 32)
    w[:, 3] = 0
    w[:16, 4] = 0  # dead as far as the sample shows, and alive
    found = _raised(tmp_path, "float[9,1024] x", "float[9,32] y", "y = MatMul(x, w)", w=w)
    (pruning,) = _of(found, "pruning", weight_bytes=w.nbytes // 64)
    assert pruning.title == "Remove 1 of 32 channels (all)"
    assert _of(found, "pruning", weight_bytes=w.nbytes // 64 - 1) == []


def test_dead_filters_of_a_convolution(tmp_path: Path) -> None:
    w = _random(0, 32, 16, 3, 3)
    w[5] = 0
    found = _raised(tmp_path, "float[1,16,9,9] x", "float[1,32,7,7] y", "y = Conv(x, w)", w=w)
    (pruning,) = _of(found, "pruning")
    assert pruning.title == "Remove 1 of 32 channels (all)"


def test_a_small_weight_here_and_there_is_no_dead_channel(tmp_path: Path) -> None:
    w = _random(0, 64, 64)
    w[::2] = 0  # half of the inputs unused, but every channel alive
    w[:, 5] *= 0.01
    found = _raised(tmp_path, "float[9,64] x", "float[9,64] y", "y = MatMul(x, w)", w=w)
    assert _of(found, "pruning") == []


def test_dead_heads_of_an_output_projection(tmp_path: Path) -> None:
    heads, size = 4, 16
    w = _random(0, heads * size, 64)
    w[size : 2 * size] *= 1e-6
    found = _raised(tmp_path, "float[9,64] x", "float[9,64] y", "y = MatMul(x, w)", w=w)
    attention = AttentionShape(
        "self", heads, heads, size, 9, 9, causal=False, mask="none", rotary=False, cache=False
    )
    part = found.part(ComponentKind.ATTENTION, attention=attention)
    assert _of(found, "pruning", parts=[part]) == []  # which product it is, nobody said
    part = replace(part, roles={found.node("matmul"): Role.ATTENTION_OUTPUT})
    (pruning,) = _of(found, "pruning", parts=[part])
    assert pruning.title == "Remove 1 of 4 heads (all)"
    assert pruning.bytes == w.nbytes // 4


@pytest.mark.parametrize("name", ["bert", "vit", "resnet-basic", "unet", "lstm-tagger", "dlrm"])
def test_every_network_has_some(tmp_path: Path, name: str) -> None:
    """And nothing dead: their weights are random."""
    found = raised(find(name).build("newest", static=True), tmp_path)
    kinds = {o.kind for o in _of(found, "fusion", "precision", "pruning")}
    assert kinds == {"fusion", "precision"}


OPPORTUNITY_KINDS = (
    "fusion",
    "redundant",
    "qkv_merge",
    "precision",
    "layout",
    "pruning",
    "kv_cache",
)
