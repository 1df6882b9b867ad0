"""Bytes and weights of parts: what crosses the border, each tensor once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noema.analysis.cost import Cost, Costs, bytes_of
from onnx_text import model
from raised import Raised, raised

MLP = """
u = MatMul(x, w1)
a = Relu(u)
v = MatMul(a, w2)
y = Add(v, x)
"""


def _mlp(tmp_path: Path) -> Raised:
    weights = {"w1": np.ones((8, 32), np.float32), "w2": np.ones((32, 8), np.float32)}
    return raised(model("float[5,8] x", "float[5,8] y", MLP, **weights), tmp_path)


def test_a_part_reads_its_inputs_and_weights_once_and_writes_its_outputs(tmp_path: Path) -> None:
    found = _mlp(tmp_path)
    cost = Costs(found.graph).of(found.graph.nodes)
    weights = 2 * 8 * 32
    assert cost == Cost(
        flops=2 * 2 * 5 * 8 * 32 + 5 * 32 + 5 * 8,
        bytes=4 * (weights + 2 * 5 * 8),  # x though read twice, y; nothing of what is inside
        weight_bytes=4 * weights,
        params=weights,
    )


def test_parts_that_are_apart_move_what_lies_between_them(tmp_path: Path) -> None:
    found = _mlp(tmp_path)
    costs = Costs(found.graph)
    nodes = [node for node in found.graph.nodes if not node.is_constant]
    whole = costs.of(nodes)
    first, second = costs.of(nodes[:2]), costs.of(nodes[2:])
    assert first.flops + second.flops == whole.flops
    assert first.params + second.params == whole.params
    hidden, x = 4 * 5 * 32, 4 * 5 * 8
    assert first.bytes + second.bytes == whole.bytes + 2 * hidden + x


def test_a_part_without_its_constants_costs_the_same(tmp_path: Path) -> None:
    """It doesn't matter which part the node of a weight was put into."""
    found = _mlp(tmp_path)
    costs = Costs(found.graph)
    nodes = found.graph.nodes
    assert costs.of(nodes) == costs.of([node for node in nodes if not node.is_constant])


def test_a_lookup_moves_the_rows_that_it_finds(tmp_path: Path) -> None:
    table = np.ones((1000, 16), np.float32)
    found = raised(
        model("int64[3] i", "float[3,16] y", "y = Gather(table, i)", table=table), tmp_path
    )
    cost = Costs(found.graph).of(found.graph.nodes)
    rows, indices = 4 * 3 * 16, 8 * 3
    assert cost == Cost(flops=0, bytes=2 * rows + indices, weight_bytes=rows, params=16_000)


def test_a_weight_that_is_read_twice_counts_once(tmp_path: Path) -> None:
    w = np.ones((8, 8), np.float32)
    body = "a = MatMul(x, w)\ny = MatMul(a, w)"
    found = raised(model("float[5,8] x", "float[5,8] y", body, w=w), tmp_path)
    cost = Costs(found.graph).of(found.graph.nodes)
    assert (cost.params, cost.weight_bytes) == (64, 256)


def test_a_shape_and_a_number_are_no_weights(tmp_path: Path) -> None:
    body = "a = Mul(x, two)\ny = Transpose<perm=[1, 0]>(a)"
    two = np.array(2.0, np.float32)
    found = raised(model("float[5,8] x", "float[8,5] y", body, two=two), tmp_path)
    cost = Costs(found.graph).of(found.graph.nodes)
    assert (cost.params, cost.weight_bytes) == (0, 0)


def test_bytes_follow_the_element_type(tmp_path: Path) -> None:
    body = "h = Cast<to=10>(x)\ni = Cast<to=7>(x)\nb = Cast<to=9>(x)"
    found = raised(model("float[5] x", "float16[5] h, int64[5] i, bool[5] b", body), tmp_path)
    assert [bytes_of(t) for t in found.graph.outputs] == [10, 40, 5]
    assert bytes_of(found.graph.inputs[0]) == 20
