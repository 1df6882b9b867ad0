from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from noema.bench.model import DEFAULT_EXTENT, BenchModel, make_inputs, prepare
from noema.errors import InvalidInput, InvalidModel, InvalidOption, UnsupportedModel


def _save(path: Path, *, dims: list[str | int] | None = None, external: bool = False) -> Path:
    shape = ["batch", "sequence", 4] if dims is None else dims
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)
    weight = onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    return path


def _prepare(path: Path, folder: Path, **options: object) -> BenchModel:
    folder.mkdir()
    shapes = options.pop("shapes", {})
    extents = options.pop("extents", {})
    return prepare(path, folder, shapes, extents, **options)  # type: ignore[arg-type]


def test_symbols_get_defaults_and_the_copy_is_static(tmp_path: Path) -> None:
    model = _prepare(_save(tmp_path / "m.onnx"), tmp_path / "out")
    assert model.inputs[0].shape == (1, DEFAULT_EXTENT, 4)
    assert model.assumed == {"batch": 1, "sequence": DEFAULT_EXTENT}
    graph = onnx.load(model.path).graph
    for value in (*graph.input, *graph.output):
        extents = [d.dim_value for d in value.type.tensor_type.shape.dim]
        assert extents == [1, DEFAULT_EXTENT, 4]


def test_shape_and_dim_options_decide(tmp_path: Path) -> None:
    model = _prepare(
        _save(tmp_path / "m.onnx"),
        tmp_path / "out",
        shapes={"x": (2, None, None)},
        extents={"sequence": 7},
    )
    assert model.inputs[0].shape == (2, 7, 4)
    assert not model.assumed


def test_static_model_is_used_as_it_is(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.onnx", dims=[2, 4])
    assert _prepare(path, tmp_path / "out").path == path


def test_no_pin_leaves_the_model_and_sizes_the_inputs(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.onnx")
    model = _prepare(path, tmp_path / "out", pin=False, extents={"sequence": 3})
    assert model.path == path
    assert make_inputs(model, {}, 0)["x"].shape == (1, 3, 4)


def test_external_weights_come_along(tmp_path: Path) -> None:
    model = _prepare(_save(tmp_path / "m.onnx", external=True), tmp_path / "out")
    (weight,) = onnx.load(model.path).graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), np.arange(4))


def test_external_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.onnx", external=True)
    proto = onnx.load(path, load_external_data=False)
    proto.graph.initializer[0].external_data[0].value = "../secret"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModel, match="secret"):
        _prepare(path, tmp_path / "out")


def test_unknown_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="tokens"):
        _prepare(_save(tmp_path / "m.onnx"), tmp_path / "out", extents={"tokens": 3})


def test_sequence_input_is_refused(tmp_path: Path) -> None:
    proto = onnx.load(_save(tmp_path / "m.onnx"))
    proto.graph.input[0].type.CopyFrom(
        helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [1]))
    )
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(UnsupportedModel, match="'x'"):
        _prepare(tmp_path / "m.onnx", tmp_path / "out")


def test_garbage_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\xff" * 40)
    with pytest.raises(InvalidModel):
        _prepare(tmp_path / "m.onnx", tmp_path / "out")


def test_inputs_repeat_with_the_seed_and_come_from_files(tmp_path: Path) -> None:
    model = _prepare(_save(tmp_path / "m.onnx", dims=[2, 4]), tmp_path / "out")
    first, again, other = (make_inputs(model, {}, seed)["x"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    np.save(tmp_path / "x.npy", np.full((2, 4), 5, np.float32))
    (read,) = make_inputs(model, {"x": str(tmp_path / "x.npy")}, 0).values()
    np.testing.assert_array_equal(read, 5)
    np.save(tmp_path / "x.npy", np.full((2, 4), 5.0))
    with pytest.raises(InvalidInput, match="float64"):
        make_inputs(model, {"x": str(tmp_path / "x.npy")}, 0)
    with pytest.raises(InvalidInput, match="'z'"):
        make_inputs(model, {"z": "zeros"}, 0)
