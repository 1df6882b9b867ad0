"""Operators of ONNX Runtime's optimizer mean, as standard ones, what its kernels compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from contrib_cases import DOMAIN, Array, Case, assert_close, model_of, run_onnxruntime
from noema.errors import InvalidModel, UnsupportedModel
from noema.frontend.contrib.expansion import OPSET
from noema.frontend.onnx import OnnxModel, from_proto

SEEDS = range(3)


class Draw:
    """Random operands."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def floats(self, *shape: int) -> Array:
        return self.rng.standard_normal(shape).astype(np.float32)

    def ints(self, low: int, high: int, *shape: int, dtype: type = np.int32) -> Array:
        return self.rng.integers(low, high, shape).astype(dtype)

    def mask(self, *shape: int) -> Array:
        """Zeros and ones; every row keeps its first key but for some that keep none."""
        mask = self.rng.integers(0, 2, shape).astype(np.int32)
        mask[..., 0] = 1
        mask[-1] = 0
        return mask

    def angles(self, positions: int, half: int) -> list[Array]:
        angle = self.rng.uniform(0, 6, (positions, half))
        return [np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)]


def activations(d: Draw) -> list[Case]:
    x, bias = d.floats(2, 3, 6), d.floats(6)
    return [
        Case("Gelu", [x]),
        Case("BiasGelu", [x, bias]),
        Case("FastGelu", [x]),
        Case("FastGelu", [x, bias]),
        Case("QuickGelu", [x]),
        Case("QuickGelu", [x], {"alpha": 0.7}),
    ]


def products(d: Draw) -> list[Case]:
    cases = [
        Case("FusedMatMul", [d.floats(2, 3, 4), d.floats(2, 4, 5)], {"alpha": 0.25}),
        Case("FusedMatMul", [d.floats(2, 4, 3), d.floats(2, 5, 4)], {"transA": 1, "transB": 1}),
        Case("FusedMatMul", [d.floats(3, 2, 4), d.floats(2, 4, 5)], {"transBatchA": 1}),
        Case(
            "FusedMatMul", [d.floats(4, 2, 3), d.floats(2, 4, 5)], {"transBatchA": 1, "transA": 1}
        ),
        Case(
            "FusedMatMul", [d.floats(2, 3, 4), d.floats(5, 2, 4)], {"transBatchB": 1, "transB": 1}
        ),
        Case("FusedMatMul", [d.floats(4), d.floats(2, 5, 4)], {"transB": 1, "transA": 1}),
        Case("TransposeMatMul", [d.floats(4, 3), d.floats(4, 5)], {"transA": 1}),
    ]
    a, b, c = d.floats(3, 4), d.floats(4, 5), d.floats(5)
    kinds = {
        "Relu": {},
        "Sigmoid": {},
        "Tanh": {},
        "LeakyRelu": {"activation_alpha": 0.3},
        "HardSigmoid": {"activation_alpha": 0.3, "activation_beta": 0.4},
        "Elu": {"activation_alpha": 0.5},
    }
    cases += [
        Case("FusedGemm", [a, b, c], {"activation": kind, "alpha": 1.5, "beta": 0.5, **more})
        for kind, more in kinds.items()
    ]
    x, w = d.floats(2, 3, 7, 7), d.floats(4, 3, 3, 3)
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    cases += [
        Case("FusedConv", [x, w, d.floats(4)], {**conv, "activation": "Relu"}),
        Case("FusedConv", [x, w], {**conv, "activation": "Tanh"}),
        Case(
            "FusedConv",
            [x, w, d.floats(4)],
            {**conv, "activation": "LeakyRelu", "activation_params": [0.2]},
        ),
        Case(
            "FusedConv",
            [x, w, d.floats(4)],
            {**conv, "activation": "Clip", "activation_params": [-0.5, 0.75]},
        ),
        Case(
            "FusedConv",
            [x, w, d.floats(4)],
            {**conv, "activation": "HardSigmoid", "activation_params": [0.3, 0.4]},
        ),
        Case(
            "FusedConv", [x, w, d.floats(4), d.floats(2, 4, 4, 4)], {**conv, "activation": "Relu"}
        ),
    ]
    return cases


def norms(d: Draw) -> list[Case]:
    x, skip, gamma, beta, bias = d.floats(2, 3, 6), d.floats(2, 3, 6), *(d.floats(6) for _ in "abc")
    sum_too = [True, False, False, True]
    return [
        Case("SkipLayerNormalization", [x, skip, gamma, beta]),
        Case("SkipLayerNormalization", [x, skip, gamma], {"epsilon": 0.1}),
        Case("SkipLayerNormalization", [x, skip, gamma, beta, bias], {}, sum_too),
        Case("SkipLayerNormalization", [x, skip, gamma, None, bias], {}, sum_too),
        Case("SkipLayerNormalization", [x, d.floats(3, 6), gamma, beta, bias], {}, sum_too),
        Case("SkipLayerNormalization", [x, d.floats(1, 3, 6), gamma, beta]),
        Case("SkipSimplifiedLayerNormalization", [x, skip, gamma], {"epsilon": 0.1}),
        Case("SkipSimplifiedLayerNormalization", [x, skip, gamma, bias], {}, sum_too),
        Case("SimplifiedLayerNormalization", [x, gamma], domain=""),
        Case("SimplifiedLayerNormalization", [x, gamma], {"axis": -1, "epsilon": 0.2}, domain=""),
        Case("SimplifiedLayerNormalization", [x, d.floats(3, 6)], {"axis": 1}, domain=""),
    ]


def embeddings(d: Draw) -> list[Case]:
    ids, segments = d.ints(0, 9, 2, 5), d.ints(0, 2, 2, 5)
    words, positions, kinds = d.floats(9, 6), d.floats(8, 6), d.floats(2, 6)
    gamma, beta = d.floats(6), d.floats(6)
    mask, where = d.mask(2, 5), d.ints(0, 8, 2, 5)
    every = [ids, segments, words, positions, kinds, gamma, beta]
    return [
        Case("EmbedLayerNormalization", every, {}, [True, True]),
        Case("EmbedLayerNormalization", [*every, mask], {"epsilon": 0.1}, [True, True]),
        Case("EmbedLayerNormalization", [*every, mask], {}, [True, True, True]),
        Case("EmbedLayerNormalization", [*every, None, where], {}, [True, True, True]),
        Case("EmbedLayerNormalization", [*every, None, where[:1]], {}, [True, True]),
        Case(
            "EmbedLayerNormalization",
            [ids, None, words, positions, None, gamma, beta],
            {},
            [True, True],
        ),
    ]


def rotations(d: Draw) -> list[Case]:
    flat, apart = d.floats(2, 5, 24), d.floats(2, 3, 5, 8)
    where = d.ints(0, 11, 2, 5, dtype=np.int64)
    start = np.array([4], np.int64)
    whole, part = d.angles(11, 4), d.angles(11, 2)
    return [
        Case("RotaryEmbedding", [flat, where, *whole]),
        Case("RotaryEmbedding", [flat, where, *whole], {"interleaved": 1}),
        Case("RotaryEmbedding", [flat, start, *whole], {"num_heads": 3}),
        Case("RotaryEmbedding", [apart, where, *whole]),
        Case("RotaryEmbedding", [apart, start, *whole], {"interleaved": 1}),
        Case("RotaryEmbedding", [flat, where, *part], {"num_heads": 3, "rotary_embedding_dim": 4}),
    ]


def projecting_attention(d: Draw) -> list[Case]:
    batch, sequence, hidden, heads, past = 2, 5, 12, 3, 4
    x, w, b = d.floats(batch, sequence, 7), d.floats(7, 3 * hidden), d.floats(3 * hidden)
    cache = d.floats(2, batch, heads, past, hidden // heads)
    lengths = np.array([3, 5], np.int32)
    spans = np.array([4, 5, 1, 0], np.int32)
    n = {"num_heads": heads}
    causal = {**n, "unidirectional": 1}
    both = [True, True]
    return [
        Case("Attention", [x, w, b], n),
        Case("Attention", [x, w, b], {**causal, "scale": 0.3}),
        Case("Attention", [x, w, b, d.mask(batch, sequence)], n),
        Case("Attention", [x, w, b, d.mask(batch, sequence)], causal),
        Case("Attention", [x, w, b, d.mask(batch, sequence)], {**n, "mask_filter_value": -3.0}),
        Case("Attention", [x, w, b, np.array([[0], [1]], np.int32)], n),
        Case("Attention", [x, w, b, lengths], n),
        Case("Attention", [x, w, b, lengths], causal),
        Case("Attention", [x, w, b, spans], n),
        Case("Attention", [x, w, b, d.mask(batch, sequence, sequence)], n),
        Case("Attention", [x, w, b, None, None, d.floats(batch, heads, sequence, sequence)], n),
        Case(
            "Attention",
            [x, w, b, d.mask(batch, sequence), None, d.floats(1, 1, 5, 5)],
            {**n, "mask_filter_value": -7.0},
        ),
        Case("Attention", [x, w, b], n, both),
        Case("Attention", [x, w, b, None, cache], causal, both),
        Case("Attention", [x, w, b, d.mask(batch, past + sequence), cache], causal, both),
        Case("Attention", [x, w, b, np.array([7, 9], np.int32), cache], n, both),
        Case("Attention", [x[:, :1], w, b, None, cache], causal, both),
        Case(
            "Attention",
            [x, d.floats(7, 30), d.floats(30)],
            {**n, "qkv_hidden_sizes": [12, 12, 6]},
        ),
    ]


def multi_head_attention(d: Draw) -> list[Case]:
    batch, queries, keys, heads, size = 2, 3, 5, 2, 4
    hidden = heads * size
    q, k, v = d.floats(batch, queries, hidden), *(d.floats(batch, keys, hidden) for _ in "kv")
    own = [d.floats(batch, queries, hidden) for _ in "kv"]
    bias = d.floats(3 * hidden)
    past = [d.floats(batch, heads, 4, size) for _ in "kv"]
    apart = [d.floats(batch, heads, keys, size) for _ in "kv"]
    n = {"num_heads": heads}
    causal = {**n, "unidirectional": 1}
    three = [True] * 3
    return [
        Case("MultiHeadAttention", [q, k, v], n),
        Case("MultiHeadAttention", [q, k, v, bias], {**n, "scale": 0.2}),
        Case("MultiHeadAttention", [q, k, d.floats(batch, keys, 6), d.floats(22)], n),
        Case("MultiHeadAttention", [q, *own, bias], causal),
        Case("MultiHeadAttention", [q, k, v, None, d.mask(batch, keys)], n),
        Case("MultiHeadAttention", [q, k, v, None, np.array([2, 5], np.int32)], n),
        Case("MultiHeadAttention", [q, k, v, None, d.mask(batch, queries, keys)], n),
        Case("MultiHeadAttention", [q, k, v, None, None, d.floats(1, heads, queries, keys)], n),
        Case(
            "MultiHeadAttention",
            [q, k, v, bias, d.mask(batch, keys), d.floats(batch, 1, queries, keys)],
            {**n, "mask_filter_value": -5.0},
        ),
        Case("MultiHeadAttention", [q, k, v], n, three),
        Case("MultiHeadAttention", [q, *own, bias, None, None, *past], causal, three),
        Case("MultiHeadAttention", [q, *own, None, d.mask(batch, 7), None, *past], n, three),
        Case("MultiHeadAttention", [q, *apart], n),
        Case("MultiHeadAttention", [q, *apart, None, d.mask(batch, keys)], n),
        Case("MultiHeadAttention", [q[:, :1], k, v], causal),
        Case(
            "MultiHeadAttention",
            [q, k, v, None, d.mask(batch, keys)],
            n,
            [True, False, False, True],
        ),
    ]


def grouped_attention(d: Draw) -> list[Case]:
    heads, keys, size, new = 4, 2, 16, 3
    cos, sin = d.angles(16, size // 2)
    n = {"num_heads": heads, "kv_num_heads": keys}
    rotary = {**n, "do_rotary": 1}

    def numbers(*totals: int) -> list[Array]:
        return [np.array(totals, np.int32) - 1, np.array(max(totals), np.int32)]

    def operands(rows: int, length: int) -> list[Array]:
        return [d.floats(rows, length, n * size) for n in (heads, keys, keys)]

    def cache(rows: int, room: int) -> list[Array]:
        return [d.floats(rows, keys, room, size) for _ in "kv"]

    none = [None, None]
    three = [True] * 3
    # Of a row that has fewer tokens than others, what lies behind them means nothing.
    valid = np.arange(new)[None, :, None] < np.array([2, new])[:, None, None]
    prompt = {0: valid, 1: valid[:, None], 2: valid[:, None]}

    def kept(*totals: int, room: int) -> dict[int, Array]:
        there = np.arange(max(room, *totals))[None, None, :, None] < np.reshape(
            totals, (-1, 1, 1, 1)
        )
        return {1: there, 2: there}

    def packed(rows: int, length: int) -> Array:
        return np.concatenate(operands(rows, length), axis=2)

    return [
        Case("GroupQueryAttention", [*operands(2, new), *none, *numbers(3, 3)], n, three),
        Case("GroupQueryAttention", [*operands(2, new), *none, *numbers(2, 3)], n, three, prompt),
        Case(
            "GroupQueryAttention",
            [*operands(2, new), *none, *numbers(3, 3), cos, sin],
            {**rotary, "scale": 0.2, "softcap": 1.5},
            three,
        ),
        Case(
            "GroupQueryAttention",
            [packed(2, new), None, None, *none, *numbers(3, 3), cos, sin],
            {**rotary, "rotary_interleaved": 1},
            three,
        ),
        Case(
            "GroupQueryAttention",
            [*operands(2, 1), *cache(2, 5), *numbers(6, 6), cos, sin],
            rotary,
            three,
        ),
        Case(
            "GroupQueryAttention",
            [*operands(2, 1), *cache(2, 5), *numbers(4, 6), cos, sin],
            rotary,
            three,
            kept(4, 6, room=5),
        ),
        Case(
            "GroupQueryAttention",
            [*operands(2, 1), *cache(2, 9), *numbers(4, 6), cos, sin],
            rotary,
            three,
            kept(4, 6, room=9),
        ),
        Case(
            "GroupQueryAttention",
            [packed(1, new), None, None, *cache(1, 5), *numbers(8), cos, sin],
            rotary,
            three,
        ),
        Case(
            "GroupQueryAttention",
            [*operands(2, 1), *cache(2, 7), *numbers(8, 8)],
            {**n, "local_window_size": 3},
            three,
        ),
        Case(
            "GroupQueryAttention",
            [*operands(2, 6), *none, *numbers(6, 6)],
            {**n, "local_window_size": 2},
            three,
        ),
        Case(
            "GroupQueryAttention",
            [
                *operands(2, 1),
                *cache(2, 5),
                *numbers(6, 6),
                cos,
                sin,
                np.array([[3], [7]], np.int64),
                d.floats(2, 1, 1, 6),
            ],
            rotary,
            three,
        ),
    ]


FAMILIES: Sequence[Callable[[Draw], list[Case]]] = (
    activations,
    products,
    norms,
    embeddings,
    rotations,
    projecting_attention,
    multi_head_attention,
    grouped_attention,
)


def with_all_rows(node: onnx.NodeProto, axis: int) -> list[onnx.NodeProto]:
    """Nodes that give an attention's mask one row for each query, which lie along `axis`."""
    stem = f"{node.name}/rows"
    return [
        helper.make_node("Shape", [node.input[0]], [f"{stem}/0"], start=axis, end=axis + 1),
        helper.make_node("Constant", [], [f"{stem}/1"], value_ints=[1]),
        helper.make_node("Concat", [f"{stem}/0", f"{stem}/1"], [f"{stem}/2"], axis=0),
        helper.make_node("Expand", [node.input[3], f"{stem}/2"], [f"{stem}/3"]),
    ]


def as_standard(model: OnnxModel) -> onnx.ModelProto:
    """The model again, which consists of expansions only and so is of their operator set.

    The reference evaluator takes the rows of a causal attention's mask for its queries: there the
    mask gets a row for each.
    """
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    assert {model.versions[node.name] for node in graph.node} == {OPSET}
    for name, array in model.constants.items():
        graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        causal = any(a.name == "is_causal" and a.i for a in node.attribute)
        if node.op_type == "Attention" and causal and len(node.input) > 3 and node.input[3]:
            axis = len(model.types[node.input[0]].shape) - 2
            nodes += with_all_rows(node, axis)
            node = onnx.NodeProto.FromString(node.SerializeToString())
            node.input[3] = nodes[-1].output[0]
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    imports = [helper.make_opsetid("", OPSET)]
    return onnx.ModelProto(ir_version=10, graph=graph, opset_import=imports)


@pytest.mark.parametrize("symbolic", [False, True], ids=["static", "symbolic"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_expansion_computes_what_the_kernel_computes(
    family: Callable[[Draw], list[Case]], symbolic: bool
) -> None:
    for seed in SEEDS:
        cases = family(Draw(seed))
        model, feeds = model_of(cases, symbolic=symbolic)
        standard = as_standard(from_proto(model))
        assert {n.domain for n in standard.graph.node} == {""}
        names = [o.name for o in standard.graph.output]
        actual = dict(zip(names, ReferenceEvaluator(standard).run(None, feeds), strict=True))
        assert_close(cases, actual, run_onnxruntime(model, feeds))


def one_node(
    op_type: str,
    inputs: Sequence[Array],
    *,
    opset: int = 21,
    domain: str = DOMAIN,
    outputs: int = 1,
    **attributes: object,
) -> onnx.ModelProto:
    case = Case(op_type, inputs, attributes, [True] * outputs, domain=domain)
    return model_of([case], opset=opset)[0]


def test_expansion_names_the_node_that_it_comes_from_and_no_other() -> None:
    cases = [case for family in FAMILIES for case in family(Draw(0))]
    result = from_proto(model_of(cases)[0])
    originals = {f"{case.op_type}_{number}" for number, case in enumerate(cases)}
    assert {s for node in result.graph.node for s in result.sources[node.name]} == originals
    assert all(len(result.sources[node.name]) == 1 for node in result.graph.node)
    # Constants that an expansion brought are its own as well.
    made = {*result.constants, *result.parameters}
    assert made and all(result.sources[name][0] in originals for name in made)


def test_other_nodes_keep_the_operator_set_of_the_model() -> None:
    model = one_node("Gelu", [Draw(0).floats(2, 3)], opset=13)
    model.graph.node.append(helper.make_node("Relu", ["y0_0"], ["z"], name="last"))
    model.graph.output[0].name = "z"
    result = from_proto(model)
    assert [n.op_type for n in result.graph.node] == ["Gelu", "Relu"]
    assert result.versions == {result.graph.node[0].name: OPSET}
    assert result.opset == 13


@pytest.mark.parametrize("opset", [11, 13, 16])
def test_layer_norm_of_an_operator_set_that_lacks_it(opset: int) -> None:
    d = Draw(0)
    inputs = [d.floats(2, 3, 6), d.floats(6), d.floats(6)]
    model = one_node("LayerNormalization", inputs, opset=opset, domain="", axis=-1, epsilon=0.1)
    result = from_proto(model)
    (node,) = result.graph.node
    assert (node.op_type, result.versions[node.name]) == ("LayerNormalization", OPSET)
    assert {a.name for a in node.attribute} == {"axis", "epsilon"}


@pytest.mark.parametrize("opset", [11, 12, 13, 17, 24])
def test_simplified_layer_norm_of_the_default_domain(opset: int) -> None:
    d = Draw(0)
    inputs = [d.floats(2, 3, 6), d.floats(6)]
    model = one_node("SimplifiedLayerNormalization", inputs, opset=opset, domain="")
    assert [n.op_type for n in from_proto(model).graph.node] == ["RMSNormalization"]


def test_standard_layer_norm_is_left_alone() -> None:
    d = Draw(0)
    model = one_node("LayerNormalization", [d.floats(2, 6), d.floats(6)], opset=17, domain="")
    assert from_proto(model).versions == {}


def test_domain_need_not_be_imported() -> None:
    model = one_node("Gelu", [Draw(0).floats(2, 3)])
    del model.opset_import[1]
    assert [n.op_type for n in from_proto(model).graph.node] == ["Gelu"]


def test_statistics_of_a_residual_norm() -> None:
    """ONNX Runtime's kernels leave these outputs out, so they are compared with their formula."""
    d = Draw(0)
    x, skip, gamma, beta = d.floats(2, 3, 6), d.floats(2, 3, 6), d.floats(6), d.floats(6)
    total = (x + skip).astype(np.float64)
    cases = [
        Case("SkipLayerNormalization", [x, skip, gamma, beta], {"epsilon": 0.1}, [True] * 4),
        Case(
            "SkipSimplifiedLayerNormalization",
            [x, skip, gamma],
            {"epsilon": 0.1},
            [True, False, True, True],
        ),
    ]
    model, feeds = model_of(cases)
    standard = as_standard(from_proto(model))
    names = [o.name for o in standard.graph.output]
    results = dict(zip(names, ReferenceEvaluator(standard).run(None, feeds), strict=True))
    mean = total.mean(-1, keepdims=True)
    deviation = 1 / np.sqrt(total.var(-1, keepdims=True) + 0.1)
    inverse = 1 / np.sqrt((total**2).mean(-1, keepdims=True) + 0.1)
    for name, expected in [("y0_1", mean), ("y0_2", deviation), ("y1_2", inverse)]:
        np.testing.assert_allclose(results[name], expected, rtol=1e-5, atol=1e-6)
    for name in ("y0_3", "y1_3"):
        np.testing.assert_allclose(results[name], total, rtol=1e-6)


def test_convolutions_and_norms_with_channels_last() -> None:
    """Those exist for graphics processors only, so they are compared with their formula."""
    d = Draw(0)
    x, w, b = d.floats(2, 5, 7, 4), d.floats(6, 3, 3, 4), d.floats(6)
    gamma, beta, skip = d.floats(4), d.floats(4), d.floats(2, 4)
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [1, 1]}
    cases = [
        Case("NhwcConv", [x, w, b], conv),
        Case("GroupNorm", [x, gamma, beta], {"groups": 2, "activation": 0}),
        Case("GroupNorm", [x, gamma, beta], {"groups": 2, "activation": 1, "epsilon": 0.1}),
        Case("SkipGroupNorm", [x, gamma, beta, skip], {"groups": 2, "activation": 0}, [True] * 2),
        Case("BiasSplitGelu", [x, d.floats(4)]),
        Case("BiasAdd", [x, gamma, x]),
    ]
    model, feeds = model_of(cases)
    standard = as_standard(from_proto(model))
    conv_out, plain, active, skipped, total, _, added = ReferenceEvaluator(standard).run(
        None, feeds
    )
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = np.einsum("nhwcij,oijc->nhwo", patches, w.astype(np.float64)) + b
    np.testing.assert_allclose(conv_out, expected, rtol=1e-4, atol=1e-4)

    def group_norm(values: Array, epsilon: float) -> Array:
        grouped = values.astype(np.float64).reshape(2, 35, 2, 2)
        mean = grouped.mean(axis=(1, 3), keepdims=True)
        variance = grouped.var(axis=(1, 3), keepdims=True)
        normal = (grouped - mean) / np.sqrt(variance + epsilon)
        return normal.reshape(2, 5, 7, 4) * gamma + beta

    np.testing.assert_allclose(plain, group_norm(x, 1e-5), rtol=1e-4, atol=1e-4)
    gate = group_norm(x, 0.1)
    np.testing.assert_allclose(active, gate / (1 + np.exp(-gate)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(total, x + skip[:, None, None, :], rtol=1e-6)
    np.testing.assert_allclose(skipped, group_norm(total, 1e-5), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(added, x + gamma + x, rtol=1e-6)


FORMS_WITHOUT_EXPANSION = [
    ("RotaryEmbedding", {"scale": 2.0}, "scale = 2.0"),
    ("RotaryEmbedding", {"is_packed_batching": 1}, "is_packed_batching = 1"),
]


@pytest.mark.parametrize(("op_type", "attributes", "reason"), FORMS_WITHOUT_EXPANSION)
def test_form_without_expansion_is_a_gap(
    op_type: str, attributes: dict[str, object], reason: str
) -> None:
    case = rotations(Draw(0))[0]
    model = one_node(op_type, [v for v in case.inputs if v is not None], **attributes)
    with pytest.raises(UnsupportedModel, match=reason):
        from_proto(model)


def test_every_gap_is_listed() -> None:
    d = Draw(0)
    model = one_node("PackedAttention", [d.floats(2, 3)])
    model.graph.node.append(
        helper.make_node("MatMulNBits", ["y0_0"], ["z"], name="last", domain=DOMAIN)
    )
    with pytest.raises(UnsupportedModel) as refusal:
        from_proto(model)
    assert [gap.op for gap in refusal.value.gaps] == [
        "com.microsoft.PackedAttention",
        "com.microsoft.MatMulNBits",
    ]


def test_malformed_nodes_are_refused() -> None:
    d = Draw(0)
    x = d.floats(2, 3, 4)
    with pytest.raises(InvalidModel, match="takes 2 inputs"):
        from_proto(one_node("BiasGelu", [x]))
    with pytest.raises(InvalidModel, match="does not exist"):
        from_proto(one_node("Gelu", [x], approximate="tanh"))
    with pytest.raises(InvalidModel, match="needs its attribute"):
        from_proto(one_node("Attention", [x, d.floats(4, 12), d.floats(12)]))
    with pytest.raises(InvalidModel, match="one type"):
        from_proto(one_node("BiasGelu", [x, d.floats(4).astype(np.float64)]))


def test_signatures_are_those_of_onnxruntime() -> None:
    from onnxruntime.capi import _pybind_state

    from noema.frontend.contrib.table import CONTRIB

    theirs = {
        (schema.domain, schema.name): schema
        for schema in _pybind_state.get_all_operator_schema()
        if schema.since_version == 1
    }
    for key, operator in CONTRIB.items():
        schema = theirs.get(key) or theirs["", key[1]]
        ours = operator.schema
        for mine, other in ((ours.inputs, schema.inputs), (ours.outputs, schema.outputs)):
            assert [f.option.name for f in mine] == [
                str(f.option).rpartition(".")[2] for f in other
            ], key
        missing = set(schema.attributes) - set(ours.attributes)
        assert set(ours.attributes) - set(schema.attributes) == set(), key
        assert not missing, f"{key}: {missing}"
