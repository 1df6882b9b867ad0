"""Slice, Pad, Gather, Scatter and the like against ONNX's reference evaluator, exactly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from node_batch import NodeBatch

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])
DTYPES = pytest.mark.parametrize(
    "dtype",
    [np.float64, np.float16, ml_dtypes.bfloat16, np.int8, np.uint8, np.int32, np.uint64, np.bool_],
    ids=lambda d: np.dtype(d).name,
)


def values(
    rng: np.random.Generator, shape: tuple[int, ...], dtype: type = np.float32
) -> np.ndarray:
    return rng.integers(0, 2 if dtype is np.bool_ else 100, shape).astype(dtype)


BOUNDS = [
    # starts, ends, axes, steps of a (5, 6, 4) tensor
    ([1], [4], [0], [1]),
    ([0, 1], [5, -1], [0, 1], [2, 1]),
    ([-3, -1], [99, -99], [-1, 1], [1, -2]),
    ([4], [0], [0], [-1]),
    ([10], [-10], [1], [-1]),
    ([3], [2], [1], [1]),
    ([2**31 - 1], [-(2**31)], [0], [-2]),
    ([-99, 1, 0], [2, 2**63 - 1, 3], [2, 1, 0], [1, 3, 2]),
]


@BOTH
@pytest.mark.parametrize("known", ["constant", "input"])
def test_slice(dynamic: bool, known: str) -> None:
    rng = np.random.default_rng(1)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (5, 6, 4)))
    for bounds in BOUNDS:
        if known == "constant":
            rest = [batch.constant(b) for b in bounds]
        else:
            rest = [batch.input(np.array(b), dynamic=False) for b in bounds]
        batch.node("Slice", [x, *rest])
    batch.check()


def test_slice_without_axes_and_steps() -> None:
    rng = np.random.default_rng(2)
    batch = NodeBatch(dynamic=True)
    x = batch.input(values(rng, (5, 6)))
    batch.node("Slice", [x, batch.constant([1, -3]), batch.constant([9, -1])])
    batch.check()


@BOTH
def test_slice_up_to_an_extent_of_another_tensor(dynamic: bool) -> None:
    """A mask cut to the sequence, as decoders write it."""
    rng = np.random.default_rng(3)
    batch = NodeBatch(dynamic=dynamic)
    mask = batch.input(values(rng, (9, 9)), dynamic=False)
    x = batch.input(values(rng, (2, 4)))
    (end,) = batch.node("Shape", [x], start=1)
    batch.node("Slice", [mask, batch.constant([0]), end, batch.constant([1])])
    (start,) = batch.node("Sub", [batch.constant([9]), end])
    batch.node("Slice", [mask, start, batch.constant([9]), batch.constant([0])])
    batch.check()


@BOTH
@pytest.mark.parametrize("known", ["constant", "input"])
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pad(mode: str, known: str, dynamic: bool) -> None:
    rng = np.random.default_rng(4)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (4, 5)))

    def given(numbers: list[int]) -> str:
        if known == "constant":
            return batch.constant(numbers)
        return batch.input(np.array(numbers), dynamic=False)

    for pads in ([1, 2, 3, 0], [0, 0, 0, 0], [0, 3, 2, 1]):
        batch.node("Pad", [x, given(pads)], mode=mode)
    batch.node("Pad", [x, given([2, 1]), "", given([-1])], mode=mode)
    if mode == "constant":
        batch.node("Pad", [x, given([-1, 2, 0, -2])], expect=[_cropped(batch, x)])
        seven = np.array(7, np.float32)
        batch.node("Pad", [x, given([1, 1, 1, 1]), batch.constant(seven)])
        batch.node("Pad", [x, given([1, 1, 1, 1]), batch.input(seven)])
    batch.check()


def _cropped(batch: NodeBatch, x: str) -> np.ndarray:
    # The reference evaluator has no negative padding.
    return np.pad(batch.value(x)[1:, :-2], ((0, 0), (2, 0)))


@DTYPES
def test_indexing_of_every_element_type(dtype: type) -> None:
    rng = np.random.default_rng(5)
    batch = NodeBatch(dynamic=True)
    x = batch.input(values(rng, (4, 6), dtype))
    batch.node(
        "Slice",
        [x, batch.constant([3]), batch.constant([0]), batch.constant([0]), batch.constant([-1])],
    )
    batch.node("Pad", [x, batch.constant([1, 0, 0, 2])])
    batch.node("Gather", [x, batch.constant([3, -1, 0])], axis=1)
    indices = batch.input(np.array([[0, -1, 2], [1, 1, -4]]))
    expected = _gathered(batch.value(x), batch.value(indices), 0)
    batch.node("GatherElements", [x, indices], axis=0, expect=[expected])
    updates = batch.input(values(rng, (2, 3), dtype))
    batch.node("ScatterElements", [x, indices, updates], axis=0)
    rows = batch.input(np.array([[2], [0]]), dynamic=False)
    batch.node("ScatterND", [x, rows, batch.input(values(rng, (2, 6), dtype))])
    if dtype is not ml_dtypes.bfloat16:
        batch.node("Trilu", [x], upper=0)
    batch.check()


@BOTH
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_gather(dynamic: bool, index: type) -> None:
    rng = np.random.default_rng(6)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (4, 5, 3)))
    for axis in (0, 1, -1):
        extent = (4, 5, 3)[axis]
        for shape in ((), (7,), (2, 3), (1, 1)):
            indices = rng.integers(-extent, extent, shape).astype(index)
            batch.node("Gather", [x, batch.input(indices)], axis=axis)
            batch.node("Gather", [x, batch.constant(np.array(indices))], axis=axis)
        along = rng.integers(-extent, extent, (2, 3, 2)).astype(index)
        expected = _gathered(batch.value(x), along, axis)
        batch.node("GatherElements", [x, batch.input(along)], axis=axis, expect=[expected])
    batch.check()


def _gathered(data: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    # The reference evaluator wants the other extents to be equal; ONNX lets indices have fewer.
    axis %= data.ndim
    window = tuple(slice(None if i == axis else n) for i, n in enumerate(indices.shape))
    return np.take_along_axis(data[window], indices % data.shape[axis], axis)


def test_gather_outside_stays_inside() -> None:
    """ONNX says nothing about such indices; a program must not read beyond its buffers."""
    batch = NodeBatch()
    x = np.arange(6, dtype=np.float32)
    indices = batch.input(np.array([10**12, -(10**12), 2]))
    batch.node("Gather", [batch.input(x), indices], expect=[x[[5, 0, 2]]])
    batch.check()


@BOTH
def test_gather_nd(dynamic: bool) -> None:
    rng = np.random.default_rng(7)
    batch = NodeBatch(dynamic=dynamic)
    x = batch.input(values(rng, (2, 3, 4)))

    def vectors(shape: tuple[int, ...], extents: tuple[int, ...]) -> str:
        columns = [rng.integers(-n, n, shape) for n in extents]
        name = batch.input(np.stack(columns, -1), dynamic=False)
        return name

    batch.node("GatherND", [x, vectors((5,), (2,))])
    batch.node("GatherND", [x, vectors((5, 2), (2, 3, 4))])
    batch.node("GatherND", [x, vectors((2,), (3,))], batch_dims=1)
    batch.node("GatherND", [x, vectors((2, 3), (4,))], batch_dims=2)
    batch.check()


@BOTH
@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter(reduction: str, dynamic: bool) -> None:
    """With duplicate indices, which combine, or of which the last wins."""
    rng = np.random.default_rng(8)
    for dtype in (np.float32, np.int64, np.uint8):
        batch = NodeBatch(dynamic=dynamic)
        data = batch.input(values(rng, (4, 5, 3), dtype))
        for axis in (0, 1, -1):
            extent = (4, 5, 3)[axis]
            indices = batch.input(rng.integers(-extent, extent, (3, 4, 2)))
            updates = batch.input(values(rng, (3, 4, 2), dtype))
            batch.node("ScatterElements", [data, indices, updates], axis=axis, reduction=reduction)
        for depth in (1, 2, 3):
            extents = (4, 5, 3)[:depth]
            vectors = np.stack([rng.integers(-n, n, (6,)) for n in extents], -1)
            updates = batch.input(values(rng, (6, *(4, 5, 3)[depth:]), dtype))
            indices = batch.input(vectors, dynamic=False)
            batch.node("ScatterND", [data, indices, updates], reduction=reduction)
        batch.check()


def test_scatter_of_nothing() -> None:
    rng = np.random.default_rng(9)
    batch = NodeBatch()
    x = batch.input(values(rng, (2, 3)))
    indices, updates = np.zeros((0, 3), np.int64), np.zeros((0, 3), np.float32)
    batch.node("ScatterElements", [x, batch.input(indices), batch.input(updates)])
    batch.check()


@BOTH
def test_one_hot(dynamic: bool) -> None:
    rng = np.random.default_rng(10)
    batch = NodeBatch(dynamic=dynamic)
    on_off = batch.input(np.array([2, 5], np.int32), dynamic=False)
    for dtype in (np.int64, np.int32, np.float32, np.uint8):
        low = 0 if dtype is np.uint8 else -6
        indices = batch.input(rng.integers(low, 9, (2, 3)).astype(dtype))
        for axis in (-1, 0, 1):
            expected = _one_hot(batch.value(indices), 6, axis)
            for depth in (
                batch.constant([6]),
                batch.input(np.array([6.0], np.float32), dynamic=False),
            ):
                batch.node("OneHot", [indices, depth, on_off], axis=axis, expect=[expected])
    batch.check()


def _one_hot(indices: np.ndarray, depth: int, axis: int) -> np.ndarray:
    # An index outside is nowhere hot; the reference evaluator wraps it around.
    wrapped = np.where(indices.astype(np.int64) < 0, indices + depth, indices)
    hot = np.expand_dims(wrapped, axis) == np.arange(depth).reshape(
        [depth if i == axis % 3 else 1 for i in range(3)]
    )
    return np.where(hot, 5, 2).astype(np.int32)


@BOTH
def test_rearrangements(dynamic: bool) -> None:
    rng = np.random.default_rng(11)
    batch = NodeBatch(opset=20, dynamic=dynamic)
    deep = batch.input(values(rng, (2, 12, 2, 3)))
    batch.node("DepthToSpace", [deep], blocksize=2, mode="DCR")
    batch.node("DepthToSpace", [deep], blocksize=2, mode="CRD")
    wide = batch.input(values(rng, (2, 3, 4, 6)))
    batch.node("SpaceToDepth", [wide], blocksize=2)
    square = batch.input(values(rng, (2, 4, 5)))
    for upper in (0, 1):
        for k in (-7, -1, 0, 2, 9):
            batch.node("Trilu", [square, batch.constant(np.array(k))], upper=upper)
        batch.node("Trilu", [square, batch.input(np.array(1))], upper=upper)
    lengths = batch.input(np.array([1, 4, 3, 2]))
    times = batch.input(values(rng, (4, 4, 2)))
    batch.node("ReverseSequence", [times, lengths], batch_axis=0, time_axis=1)
    batch.node("ReverseSequence", [times, lengths], batch_axis=1, time_axis=0)
    batch.check()


def test_cache_written_in_place() -> None:
    rng = np.random.default_rng(12)
    batch = NodeBatch(opset=24, dynamic=True)
    cache, update = batch.input(values(rng, (3, 2, 6, 4))), batch.input(values(rng, (3, 2, 2, 4)))
    starts = batch.input(np.array([0, 4, 2]))
    batch.node("TensorScatter", [cache, update, starts])
    batch.node("TensorScatter", [cache, update])
    around = batch.input(np.array([5, 4, 7]))
    batch.node("TensorScatter", [cache, update, around], mode="circular")
    batch.check()
