from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema import dtypes
from noema.bench.arrays import read_arrays, write_arrays
from noema.errors import UnsupportedModel


@pytest.mark.parametrize("dtype", dtypes.TABLE, ids=str)
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
def test_every_element_type_survives(
    dtype: dtypes.DType, shape: tuple[int, ...], tmp_path: Path
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype.numpy)
    (read,) = read_arrays(tmp_path, write_arrays(tmp_path, {"x": array})).values()
    assert read.dtype == dtype.numpy and read.shape == shape
    assert read.tobytes() == array.tobytes()


def test_read_arrays_can_be_used_in_place(tmp_path: Path) -> None:
    strided = np.arange(12, dtype=np.float32).reshape(3, 4).T
    (read,) = read_arrays(tmp_path, write_arrays(tmp_path, {"x": strided})).values()
    assert read.flags.c_contiguous and read.flags.writeable and read.ctypes.data % 64 == 0
    np.testing.assert_array_equal(read, strided)


def test_names_are_never_paths(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    write_arrays(folder, {"../escape": np.zeros(1)})
    assert [p.name for p in tmp_path.iterdir()] == ["inner"]


def test_strings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="'s'"):
        write_arrays(tmp_path, {"s": np.array(["a"], dtype=object)})
