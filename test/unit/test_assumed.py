"""Extents that are assumed for symbolic dimensions."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from noema.analysis.hardware import describe
from noema.assumed import Assumptions, Dimension, is_cache
from noema.frontend.onnx import read_model
from noema.understanding import analyze_model, read_assuming


def _extent(symbol: str, index: int = 1, rank: int = 2, *, is_float: bool = False) -> int:
    return Assumptions()(Dimension("x", index, rank, symbol, is_float), {})


@pytest.mark.parametrize(
    ("symbol", "extent"),
    [
        ("batch", 1),
        ("batch_size", 1),
        ("batchSize", 1),
        ("N", 1),
        ("sequence", 128),
        ("seq_len", 128),
        ("encoder_sequence_length", 128),
        ("num_tokens", 128),
        ("past_sequence_length", 512),
        ("cache_len", 512),
        ("total_sequence_length", 640),
        ("past_sequence_length + sequence_length", 640),
        ("past_sequence+1", 513),
        ("height", 224),
        ("W", 224),
        ("num_channels", 3),
        ("audio_samples", 16000),
    ],
)
def test_the_name_decides(symbol: str, extent: int) -> None:
    assert _extent(symbol, 3, 4) == extent


@pytest.mark.parametrize(
    ("rank", "is_float", "extents"),
    [
        (1, False, [1]),
        (2, False, [1, 128]),
        (2, True, [1, 1]),
        (3, True, [1, 128, 1]),
        (4, True, [1, 3, 224, 224]),
        (4, False, [1, 1, 1, 1]),
        (5, True, [1, 1, 1, 1, 1]),
    ],
)
@pytest.mark.parametrize("symbol", ["", "dim_0", "unk__7", "s0"])
def test_the_place_decides_where_the_name_says_nothing(
    symbol: str, rank: int, is_float: bool, extents: list[int]
) -> None:
    assert [_extent(symbol, i, rank, is_float=is_float) for i in range(rank)] == extents


def test_a_sum_takes_what_is_known_of_its_parts() -> None:
    dimension = Dimension("mask", 1, 2, "past + sequence", False)
    assert Assumptions()(dimension, {"past": 7, "sequence": 3}) == 10


def test_a_smaller_world_for_a_model_that_refuses_the_usual_one() -> None:
    small = Assumptions(16)
    assert small(Dimension("x", 1, 2, "sequence", False), {}) == 8
    assert small(Dimension("x", 0, 2, "batch", False), {}) == 1
    assert small.made == {"sequence": 8, "batch": 1}


def test_a_model_is_read_with_what_is_pinned_and_assumed(tmp_path: Path) -> None:
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"])
    mask = helper.make_tensor_value_info("mask", TensorProto.INT64, ["batch", "past + sequence"])
    past = helper.make_tensor_value_info("past", TensorProto.FLOAT, ["batch", None, "past", 4])
    outputs = [helper.make_empty_tensor_value_info(name) for name in ("a", "b", "c")]
    nodes = [
        helper.make_node("Identity", [i], [o])
        for i, o in zip(("ids", "mask", "past"), "abc", strict=True)
    ]
    graph = helper.make_graph(nodes, "g", [mask, ids, past], outputs)
    file = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)
    assume = Assumptions()
    model = read_model(file, shapes={"ids": (2, None)}, assume=assume)
    assert {spec.name: spec.shape for spec in model.inputs} == {
        "ids": (2, 1),
        "mask": (2, 513),
        "past": (2, 3, 512, 4),
    }
    assert assume.made == {"sequence": 1, "past": 512, "past + sequence": 513, "past[1]": 3}


def test_the_profile_shows_symbols_with_what_stands_for_them(tmp_path: Path) -> None:
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "sequence"]),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 6, 4]),
    ]
    outputs = [
        helper.make_tensor_value_info("a", TensorProto.INT64, ["sequence", "batch"]),
        helper.make_tensor_value_info("b", TensorProto.FLOAT, [None, 24]),
        helper.make_empty_tensor_value_info("c"),
    ]
    nodes = [
        helper.make_node("Transpose", ["ids"], ["a"]),
        helper.make_node("Flatten", ["x"], ["b"]),
        helper.make_node("Neg", ["x"], ["c"]),
    ]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    file = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), file)
    model, assumed = read_assuming(file, {"ids": (3, None)})
    found = analyze_model(model, describe(), assumed=assumed).model
    assert found.inputs == ("ids: int64[batch=3, sequence=128]", "x: float32[?=1, 6, 4]")
    assert found.outputs == (
        "a: int64[sequence=128, batch=3]",
        "b: float32[1, 24]",
        "c: float32[1, 6, 4]",
    )
    assert found.assumed == {"sequence": 128, "x[0]": 1}


@pytest.mark.parametrize(
    ("symbol", "extent"),
    [("sequence", 1), ("past_sequence_length", 512), ("total_sequence_length", 513), ("batch", 1)],
)
def test_a_model_with_a_cache_decodes(symbol: str, extent: int) -> None:
    dimension = Dimension("x", 1, 2, symbol, is_float=False, decodes=True)
    assert Assumptions()(dimension, {}) == extent


def test_a_cache_is_known_by_name_or_symbol() -> None:
    assert is_cache("past_key_values.0.key", ["batch", "", "n", ""])
    assert is_cache("k0", ["batch", "pastLength"])
    assert not is_cache("input_ids", ["batch", "sequence"])
