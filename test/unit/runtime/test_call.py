"""Calling a program: right values for every type, layout and size, and no shared memory."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from noema import dtypes
from noema.dtypes import DType
from noema.errors import ArtifactError, DeviceUnavailable, InvalidOption, RunFailed
from noema.runtime import load

from .conftest import AFFINE, MakeArtifact, affine_of

THREADS = pytest.mark.parametrize("threads", [1, 2], ids=["one-thread", "two-threads"])
LARGE = 4096  # rows of 64 floats: 1 MiB, far over what is copied to avoid bookkeeping


def aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A 64-byte aligned array, which calls read in place."""
    count = int(np.prod(shape))
    block = np.zeros(count + 16, np.float32)
    start = -block.__array_interface__["data"][0] % 64 // 4
    return block[start : start + count].reshape(shape)


def rows(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).integers(-9, 9, (count, 64)).astype(np.float32)


@THREADS
def test_extents_may_change_with_every_call(affine: Path, threads: int) -> None:
    with load(affine, threads=threads) as program:
        for count in (1, 7, LARGE, 3, 3, 0, LARGE + 1, 1):
            x = rows(count, count)
            outputs = program(x=x)
            assert list(outputs) == ["y", "total"]
            np.testing.assert_array_equal(outputs["y"], affine_of(x))
            np.testing.assert_array_equal(outputs["total"], affine_of(x).sum(0))


@pytest.mark.parametrize("count", [5, LARGE])
def test_layout_and_byte_order_are_free(affine: Path, count: int) -> None:
    program = load(affine, threads=1)
    x = rows(count)
    in_place = aligned(x.shape)
    in_place[:] = x
    frozen = in_place.copy()
    frozen.flags.writeable = False
    layouts = {
        "contiguous": x,
        "aligned": in_place,
        "read-only": frozen,
        "column-major": np.asfortranarray(x),
        "strided": np.repeat(x, 3, 0)[::3],
        "reversed": x[::-1].copy()[::-1],
        "unaligned": np.frombuffer(b"?" + x.tobytes(), np.float32, offset=1).reshape(x.shape),
        "big-endian": x.astype(">f4"),
        "list": list(x),
    }
    for name, values in layouts.items():
        np.testing.assert_array_equal(program(x=values)["y"], affine_of(x), err_msg=name)
    np.testing.assert_array_equal(in_place, x)


@THREADS
def test_outputs_belong_to_the_caller(affine: Path, threads: int) -> None:
    """Later calls, writes to other outputs, closing and collecting don't touch an output."""
    program = load(affine, threads=threads)
    kept = [program(x=rows(LARGE, seed)) for seed in range(4)]
    kept[1]["y"][:] = -1
    assert kept[2]["y"].flags.writeable
    program.close()
    del program
    gc.collect()
    for seed in (0, 2, 3):
        np.testing.assert_array_equal(kept[seed]["y"], affine_of(rows(LARGE, seed)))
    assert (kept[1]["y"] == -1).all()
    views = [outputs["y"][::2, 1:] for outputs in kept]
    del kept
    gc.collect()
    np.testing.assert_array_equal(views[3], affine_of(rows(LARGE, 3))[::2, 1:])


@THREADS
@pytest.mark.parametrize("count", [4, 1 << 16])
def test_outputs_share_no_memory(make_artifact: MakeArtifact, threads: int, count: int) -> None:
    """A program that returns its input, a weight and one value twice returns four arrays."""
    t = f"tensor<{count}xf32>"
    path = make_artifact(
        f"""
util.global private @w = #flow.parameter.named<"model"::"w"> : {t}
func.func @main(%x: {t}) -> ({t}, {t}, {t}, {t}) {{
  %w = util.global.load @w : {t}
  %y = arith.addf %x, %w : {t}
  return %x, %w, %y, %y : {t}, {t}, {t}, {t}
}}""",
        {"x": ("float32", (count,))},
        dict.fromkeys(("same", "weight", "sum", "again"), ("float32", (count,))),
        {"w": np.arange(count, dtype=np.float32)},
    )
    program = load(path, threads=threads)
    for x in (np.ones(count, np.float32), aligned((count,)) + 1, aligned((count,))):
        x[:] = 1
        for _ in range(2):
            outputs = program(x=x)
            expected = [x, np.arange(count), x + np.arange(count, dtype=np.float32)]
            for array, value in zip(outputs.values(), [*expected, expected[2]], strict=True):
                np.testing.assert_array_equal(array, value)
            for number, array in enumerate(outputs.values()):
                array[:] = 100 + number
            assert [array[0] for array in outputs.values()] == [100, 101, 102, 103]
            assert (x == 1).all()


def _crossing(dtype: DType) -> str:
    return dtype.signless


@pytest.mark.parametrize(
    "dtype", [row for row in dtypes.TABLE if row.bits >= 8], ids=lambda row: row.name
)
def test_every_element_type_crosses_unchanged(make_artifact: MakeArtifact, dtype: DType) -> None:
    t = f"tensor<?x3x{_crossing(dtype)}>"
    path = make_artifact(
        f"func.func @main(%x: {t}) -> {t} {{ return %x : {t} }}",
        {"x": (dtype.name, ("n", 3))},
        {"y": (dtype.name, ("n", 3))},
    )
    program = load(path, threads=1)
    raw = np.random.default_rng(3).integers(0, 256, (5, 3, dtype.numpy.itemsize), np.uint8)
    if dtype.name == "bool":
        raw &= 1
    x = raw.view(dtype.numpy).reshape(5, 3)
    y = program(x=x)["y"]
    assert y.dtype == dtype.numpy
    assert y.tobytes() == x.tobytes()
    assert program(x=x[:0])["y"].shape == (0, 3)


@pytest.mark.parametrize("name", ["int4", "uint4", "float4_e2m1fn", "int2", "uint2"])
def test_narrow_types_cross_as_bytes(make_artifact: MakeArtifact, name: str) -> None:
    dtype = dtypes.from_name(name)
    path = make_artifact(
        "func.func @main(%x: tensor<4xi8>) -> tensor<4xi8> { return %x : tensor<4xi8> }",
        {"x": (name, (4,))},
        {"y": (name, (4,))},
    )
    x = np.array([0, 1, 1, 0], dtype.numpy)
    y = load(path, threads=1)(x=x)["y"]
    assert y.dtype == dtype.numpy
    assert y.tobytes() == x.tobytes()


def test_any_nonzero_byte_is_true(make_artifact: MakeArtifact) -> None:
    path = make_artifact(
        """func.func @main(%x: tensor<4xi1>) -> tensor<4xi1> {
  %true = arith.constant dense<true> : tensor<4xi1>
  %y = arith.xori %x, %true : tensor<4xi1>
  return %y : tensor<4xi1>
}""",
        {"x": ("bool", (4,))},
        {"y": ("bool", (4,))},
    )
    x = np.array([0, 1, 2, 255], np.uint8).view(bool)
    y = load(path, threads=1)(x=x)["y"]
    assert y.view(np.uint8).tolist() == [1, 0, 0, 0]


@THREADS
def test_scalars_and_no_inputs(make_artifact: MakeArtifact, threads: int) -> None:
    path = make_artifact(
        """func.func @main(%a: tensor<f64>, %b: tensor<0x2xi64>) -> (tensor<f64>, tensor<0x2xi64>) {
  %s = arith.addf %a, %a : tensor<f64>
  return %s, %b : tensor<f64>, tensor<0x2xi64>
}""",
        {"a:0": ("float64", ()), "b": ("int64", (0, 2))},
        {"sum": ("float64", ()), "none": ("int64", (0, 2))},
    )
    program = load(path, threads=threads)
    outputs = program.run({"b": np.zeros((0, 2), np.int64), "a:0": np.float64(1.25)})
    assert outputs["sum"].shape == ()
    assert outputs["sum"] == 2.5
    assert outputs["none"].shape == (0, 2)

    constant = make_artifact(
        """func.func @main() -> tensor<2xi32> {
  %c = arith.constant dense<[3, 4]> : tensor<2xi32>
  return %c : tensor<2xi32>
}""",
        {},
        {"c": ("int32", (2,))},
    )
    program = load(constant, threads=threads)
    program()["c"][:] = 0
    assert program()["c"].tolist() == [3, 4]


def test_awkward_names_and_empty_weights(make_artifact: MakeArtifact) -> None:
    path = make_artifact(
        """
util.global private @w = #flow.parameter.named<"model"::"../a b:0"> : tensor<2xf32>
util.global private @e = #flow.parameter.named<"model"::"empty"> : tensor<0xf32>
func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<0xf32>) {
  %w = util.global.load @w : tensor<2xf32>
  %e = util.global.load @e : tensor<0xf32>
  %y = arith.addf %x, %w : tensor<2xf32>
  return %y, %e : tensor<2xf32>, tensor<0xf32>
}""",
        {"self": ("float32", (2,))},
        {"y/../": ("float32", (2,)), "e": ("float32", (0,))},
        {
            "../a b:0": np.ones(2, np.float32),
            "empty": np.zeros(0, np.float32),
            "unused": np.zeros((), np.float32),
        },
    )
    outputs = load(path, threads=1)(self=np.ones(2, np.float32))
    assert outputs["y/../"].tolist() == [2, 2]
    assert outputs["e"].shape == (0,)


def test_closed_program_says_so(affine: Path) -> None:
    with load(affine, threads=1) as program:
        program(x=rows(1))
    with pytest.raises(RunFailed, match="closed"):
        program(x=rows(1))
    program.close()


def test_saved_copy_is_the_same_program(affine: Path, tmp_path: Path) -> None:
    load(affine, threads=1).save(tmp_path / "copy.noema")
    assert (tmp_path / "copy.noema").read_bytes() == affine.read_bytes()
    x = rows(2)
    np.testing.assert_array_equal(load(tmp_path / "copy.noema")(x=x)["y"], affine_of(x))


def test_error_inside_the_program(make_artifact: MakeArtifact) -> None:
    """The program's own failure is an error of the call; the program stays usable."""
    path = make_artifact(
        """func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %ok = arith.cmpi eq, %n, %c2 : index
  cf.assert %ok, "two, please"
  %y = arith.addf %x, %x : tensor<?xf32>
  return %y : tensor<?xf32>
}""",
        {"x": ("float32", ("n",))},
        {"y": ("float32", ("n",))},
    )
    program = load(path, threads=1)
    with pytest.raises(RunFailed, match="two, please"):
        program(x=np.ones(3, np.float32))
    assert program(x=np.ones(2, np.float32))["y"].tolist() == [2, 2]


def test_program_that_iree_cannot_load(make_artifact: MakeArtifact, tmp_path: Path) -> None:
    from noema import artifact
    from noema.options import Target
    from noema.signature import Signature

    for number, program in enumerate((b"not a module", b"")):
        path = tmp_path / f"{number}.noema"
        artifact.write(
            path, program=program, signature=Signature((), ()), target=Target("cpu", "host")
        )
        with pytest.raises(ArtifactError, match="cannot load the program"):
            load(path)
    missing = make_artifact(AFFINE, {"x": ("float32", ("n", 64))}, {"y": ("float32", ("n", 64))})
    with pytest.raises(ArtifactError, match="cannot load the program"):
        load(missing, threads=1)


def test_device_must_fit_the_artifact(affine: Path) -> None:
    with pytest.raises(DeviceUnavailable, match="compiled for cpu"):
        load(affine, device="vulkan")
    with pytest.raises(InvalidOption, match="threads"):
        load(affine, threads=0)
    with pytest.raises(InvalidOption, match="unknown device"):
        load(affine, device="cpu:1")
