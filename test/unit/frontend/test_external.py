"""External data: only plain files inside the model's folder, and only bytes that are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from noema.errors import InvalidModel
from noema.frontend.onnx import OnnxModel, from_proto, read_model
from onnx_text import model

WEIGHTS = np.arange(1024, dtype=np.float32)
NBYTES = WEIGHTS.nbytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for the model, with a good data file in it and a secret beside it."""
    inside = tmp_path / "model"
    (inside / "sub").mkdir(parents=True)
    (inside / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (inside / "sub" / "weights.bin").write_bytes(b"12345678" + WEIGHTS.tobytes())
    (tmp_path / "secret.bin").write_bytes(WEIGHTS.tobytes())
    return inside


def read(folder: Path, **entries: str) -> OnnxModel:
    """Reads a model whose weight `w` has these external data entries."""
    proto = model("float[1024] x", "float[1024] y", "y = Add(x, w)")
    tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1024])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return read_model(path)


def refused(folder: Path, **entries: str) -> str:
    with pytest.raises(InvalidModel) as caught:
        read(folder, **entries)
    assert caught.value.node == "w"
    return str(caught.value)


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "weights.bin"},
        {"location": "./weights.bin", "offset": "0", "length": str(NBYTES)},
        {"location": "sub/weights.bin", "offset": "8", "length": str(NBYTES)},
        {"location": "sub/weights.bin", "offset": "8", "checksum": "not looked at"},
    ],
)
def test_plain_files_in_the_folder_are_mapped(folder: Path, entries: dict[str, str]) -> None:
    result = read(folder, **entries)
    parameter = result.parameters["w"]
    assert isinstance(parameter.values(), np.memmap)
    np.testing.assert_array_equal(parameter.values(), WEIGHTS)
    assert [p.name for p in result.files] == ["model.onnx", "weights.bin"]


def test_files_are_listed_once(folder: Path) -> None:
    proto = model("float[1024] x", "float[1024] y", "t = Add(x, v) y = Add(t, w)")
    for name in "vw":
        tensor = proto.graph.initializer.add(name=name, data_type=TensorProto.FLOAT, dims=[1024])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    assert read_model(path).files == (path, folder / "weights.bin")


@pytest.mark.parametrize(
    "location",
    [
        "",
        ".",
        "missing.bin",
        "missing/weights.bin",
        "../secret.bin",
        "sub/../../secret.bin",
        "sub/../weights.bin",
        "/etc/passwd",
        "//etc/passwd",
        "sub//weights.bin",
        "sub",
        "weights.bin/",
        "weights.bin/x",
        "..\\secret.bin",
        "C:secret.bin",
        "weights.bin\0.txt",
        "~/secret.bin",
        "w" * 5000,
    ],
)
def test_other_locations_are_refused(folder: Path, location: str) -> None:
    refused(folder, location=location)


def test_absolute_path_of_a_good_file_is_refused(folder: Path) -> None:
    assert "absolute" in refused(folder, location=str(folder / "weights.bin"))


def symlink(folder: Path) -> None:
    (folder / "odd").symlink_to(folder.parent / "secret.bin")


def symlink_inside(folder: Path) -> None:
    (folder / "odd").symlink_to("weights.bin")


def dangling_symlink(folder: Path) -> None:
    (folder / "odd").symlink_to("nowhere")


def hard_link(folder: Path) -> None:
    os.link(folder.parent / "secret.bin", folder / "odd")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "odd")


def directory(folder: Path) -> None:
    (folder / "odd").mkdir()


def no_permission(folder: Path) -> None:
    (folder / "odd").write_bytes(WEIGHTS.tobytes())
    (folder / "odd").chmod(0)
    if os.access(folder / "odd", os.R_OK):
        pytest.skip("this user may read everything")


@pytest.mark.parametrize(
    "make",
    [symlink, symlink_inside, dangling_symlink, hard_link, fifo, directory, no_permission],
)
def test_anything_but_a_plain_file_is_refused(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder)
    assert "odd" in refused(folder, location="odd")


def test_symlinked_folder_is_refused(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "weights.bin").write_bytes(WEIGHTS.tobytes())
    (folder / "link").symlink_to(outside)
    refused(folder, location="link/weights.bin")


def test_device_is_refused(folder: Path) -> None:
    device = folder / "odd"
    try:
        os.mknod(device, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user may not make devices")
    assert "plain file" in refused(folder, location="odd")


@pytest.mark.parametrize(
    "entries",
    [
        {"offset": "-1"},
        {"offset": "-9223372036854775808"},
        {"offset": "4"},
        {"offset": str(NBYTES)},
        {"offset": "9223372036854775807"},
        {"offset": "18446744073709551615"},
        {"offset": "99999999999999999999999999"},
        {"offset": "0x10"},
        {"offset": "1e3"},
        {"offset": "٣"},
        {"offset": " 0"},
        {"length": "-1"},
        {"length": str(NBYTES - 1)},
        {"length": str(NBYTES + 1)},
        {"length": "9223372036854775807"},
        {"length": "nan"},
    ],
)
def test_bytes_that_are_not_there_are_refused(folder: Path, entries: dict[str, str]) -> None:
    refused(folder, location="weights.bin", **entries)


def test_repeated_key_is_refused(folder: Path) -> None:
    proto = model("float[1024] x", "float[1024] y", "y = Add(x, w)")
    tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1024])
    tensor.data_location = TensorProto.EXTERNAL
    for location in ("weights.bin", "../secret.bin"):
        tensor.external_data.add(key="location", value=location)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModel, match="twice"):
        read_model(path)


def test_data_both_inside_and_outside_is_refused(folder: Path) -> None:
    proto = model("float[1024] x", "float[1024] y", "y = Add(x, w)", w=WEIGHTS)
    tensor = proto.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(InvalidModel, match="inside and outside"):
        read_model(path)


def test_external_data_of_a_model_in_memory_is_refused() -> None:
    proto = model("float[1024] x", "float[1024] y", "y = Add(x, w)")
    tensor = proto.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[1024])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(InvalidModel, match="read the model from its file"):
        from_proto(proto)


def test_small_and_sub_byte_tensors_may_be_external(folder: Path) -> None:
    (folder / "small.bin").write_bytes(b"\x21\x43\x65" + np.float32(0.5).tobytes())
    proto = model("float[6] x", "float[6] y", "w = DequantizeLinear(q, s) y = Add(x, w)")
    entries: list[tuple[str, onnx.TensorProto.DataType, list[int], str]] = [
        ("q", TensorProto.UINT4, [6], "0"),
        ("s", TensorProto.FLOAT, [], "3"),
    ]
    for name, dtype, dims, offset in entries:
        tensor = proto.graph.initializer.add(name=name, data_type=dtype, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="small.bin")
        tensor.external_data.add(key="offset", value=offset)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    constants = read_model(path).constants
    assert constants["w"].tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


def test_external_tensor_of_a_constant_node(folder: Path) -> None:
    proto = model(
        "float[1024] x", "float[1024] y", "w = Constant<value = float[1] {0}>() y = Add(x, w)"
    )
    tensor = proto.graph.node[0].attribute[0].t
    tensor.CopyFrom(onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1024]))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    np.testing.assert_array_equal(read_model(path).parameters["w"].values(), WEIGHTS)
