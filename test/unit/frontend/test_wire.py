"""Weights stay in the file; damaged files are refused."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from noema.errors import InvalidModel, NoemaError
from noema.frontend.onnx import ModelLimits, read_model
from noema.frontend.wire import slim_model
from onnx_text import model

WEIGHTS = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)


def written(proto: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def linear(**initializers: np.ndarray) -> onnx.ModelProto:
    return model("float[N,64] x", "float[N,64] y", "y = MatMul(x, w)", **initializers)


def test_raw_weights_are_mapped_from_the_file(tmp_path: Path) -> None:
    path = written(linear(w=WEIGHTS), tmp_path)
    parameter = read_model(path).parameters["w"]
    assert parameter.path == path
    assert path.read_bytes()[parameter.offset :][: WEIGHTS.nbytes] == WEIGHTS.tobytes()
    np.testing.assert_array_equal(parameter.values(), WEIGHTS)


@pytest.mark.parametrize(("dtype", "code"), [(np.float32, 1), (np.float64, 11)])
def test_packed_typed_weights_are_mapped_too(
    tmp_path: Path, dtype: type[np.floating], code: int
) -> None:
    weights = WEIGHTS.astype(dtype)
    proto = model("float[N,64] x", "float[N,64] y", "c = Cast<to = 1>(w) y = MatMul(x, c)")
    proto.graph.initializer.append(
        helper.make_tensor("w", code, weights.shape, weights.reshape(-1).tolist())
    )
    slim, tickets = slim_model(memoryview(proto.SerializeToString()), budget=1 << 20)
    assert len(slim) < 1000
    assert [r.length for r in tickets.regions] == [weights.nbytes]
    result = read_model(written(proto, tmp_path))
    (name,) = result.parameters
    np.testing.assert_array_equal(result.parameters[name].values(), WEIGHTS)


def test_constant_node_and_function_and_branch_tensors_are_taken_out(tmp_path: Path) -> None:
    value = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(WEIGHTS, "v"))
    product = helper.make_node("MatMul", ["x", "w"], ["t"])
    branch = helper.make_graph(
        [value, product], "b", [], [helper.make_tensor_value_info("t", 1, ["N", 64])]
    )
    proto = model("float[N,64] x, bool c", "float[N,64] y", "y = Neg(x)")
    del proto.graph.node[:]
    proto.graph.node.append(
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    )
    result = read_model(written(proto, tmp_path))
    assert all(result.parameters[n].path is not None for n in result.parameters)
    assert len(result.parameters) == 2
    assert result.graph.ByteSize() < 2000


def test_small_constants_are_inline_and_larger_ones_parameters(tmp_path: Path) -> None:
    proto = model(
        "float[N,256] x",
        "float[N,256] y",
        "t = Add(x, small) y = Add(t, large)",
        small=np.ones(256, np.float32),
        large=np.ones((1, 257), np.float32)[:, :256].repeat(2, 0)[:1].repeat(2, 1)[:, ::2],
    )
    proto.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.ones((2, 1, 256), np.float32), "large")
    )
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    result = read_model(written(proto, tmp_path))
    assert set(result.constants) == {"small"}
    assert list(result.parameters) == ["large"]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (TensorProto.INT4, [-8, 7, -1, 0, 3] * 1001),
        (TensorProto.UINT4, [0, 15, 8] * 1003),
        (TensorProto.FLOAT8E4M3FN, [1.0, -2.0] * 2000),
        (TensorProto.BFLOAT16, [1.0, -2.0] * 2000),
        (TensorProto.FLOAT16, [1.0, -2.0] * 2000),
        (TensorProto.BOOL, [True, False] * 2000),
        (TensorProto.UINT64, [0, 2**64 - 1] * 2000),
        (TensorProto.COMPLEX64, [1 + 2j, -1j] * 1000),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_every_element_type_comes_out_as_written(
    tmp_path: Path, dtype: int, values: list[complex], raw: bool
) -> None:
    tensor = helper.make_tensor("w", dtype, [len(values)], values)
    expected = numpy_helper.to_array(tensor)
    if raw:
        tensor = numpy_helper.from_array(expected, "w")
    proto = onnx.ModelProto(ir_version=11, opset_import=[helper.make_opsetid("", 23)])
    proto.graph.node.append(helper.make_node("Identity", ["w"], ["y"]))
    proto.graph.initializer.append(tensor)
    proto.graph.output.add(name="y")
    result = read_model(written(proto, tmp_path))
    stored = result.parameters["y"] if "y" in result.parameters else result.parameters["w"]
    np.testing.assert_array_equal(stored.values(), expected)
    assert stored.values().dtype == expected.dtype


def test_int4_extremes() -> None:
    assert ml_dtypes.iinfo(ml_dtypes.int4).min == -8


def test_reading_takes_far_less_memory_than_the_weights(tmp_path: Path) -> None:
    weights = np.zeros((4096, 4096), np.float32)
    proto = model("float[N,4096] x", "float[N,4096] y", "y = MatMul(x, w)", w=weights)
    path = written(proto, tmp_path)
    del proto, weights
    tracemalloc.start()
    try:
        read_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20
    assert path.stat().st_size > 64 << 20


def test_ticket_cannot_be_forged(tmp_path: Path) -> None:
    # A ticket of one reading, put into a file, is 32 bytes of data to the next.
    _, tickets = slim_model(memoryview(linear(w=WEIGHTS).SerializeToString()), budget=1 << 20)
    proto = linear(w=WEIGHTS)
    proto.graph.initializer.add(
        name="v", data_type=TensorProto.FLOAT, dims=[64, 64], raw_data=tickets.nonce + b"\0" * 8
    )
    with pytest.raises(InvalidModel, match="32"):
        read_model(written(proto, tmp_path))


def test_every_truncation_is_an_error_of_ours(tmp_path: Path) -> None:
    whole = linear(w=WEIGHTS).SerializeToString()
    path = tmp_path / "cut.onnx"
    rng = np.random.default_rng(0)
    for length in {*range(120), *rng.integers(0, len(whole), 200).tolist()}:
        path.write_bytes(whole[:length])
        with pytest.raises(NoemaError):
            read_model(path)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_escape_the_scanner(content: bytes) -> None:
    try:
        slim, _ = slim_model(memoryview(content), budget=1 << 20)
    except InvalidModel:
        return
    assert slim == content


@pytest.mark.parametrize(
    "content",
    [
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # length 2^64-1
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  # varint too long
        b"\x3b\x01",  # a group
        b"\x02\x00",  # field number zero
        b"\x38",
        b"not a model",
    ],
)
def test_malformed_wire_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidModel):
        read_model(path)


def test_model_that_is_large_without_its_weights_is_refused(tmp_path: Path) -> None:
    proto = model("float[2] x", "float[2] y", "y = Relu(x)")
    proto.doc_string = "long " * 100_000
    with pytest.raises(InvalidModel, match="too large"):
        read_model(written(proto, tmp_path), limits=ModelLimits(proto_bytes=1 << 16))


def test_model_path_must_be_a_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "empty").touch()
    for name in ("missing.onnx", ".", "fifo", "empty", "nul\0"):
        with pytest.raises(InvalidModel):
            read_model(tmp_path / name)


def test_model_may_be_reached_through_a_symlink(tmp_path: Path) -> None:
    path = written(linear(w=WEIGHTS), tmp_path)
    (tmp_path / "link.onnx").symlink_to(path)
    assert "w" in read_model(tmp_path / "link.onnx").parameters
