"""Named arrays in files, for the way between coordinator and contender. Nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema import dtypes
from noema.errors import UnsupportedModel
from noema.progress import JSON

Arrays = dict[str, NDArray[np.generic]]

_ALIGNMENT = 64
"""Bytes; what runtimes ask for in order to use an array in place."""


def write_arrays(folder: Path, arrays: Mapping[str, NDArray[np.generic]]) -> list[JSON]:
    """Writes each array as raw bytes in a `.npy` file; the records let `read_arrays` find them.

    Raises:
        UnsupportedModel: An array is of no element type that a program can have.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records: list[JSON] = []
    for index, (name, array) in enumerate(arrays.items()):
        dtype = dtypes.from_numpy(array.dtype)
        if dtype is None:
            raise UnsupportedModel(f"{name!r} is a tensor of {array.dtype}")
        # numpy's own file header does not know the element types of ml_dtypes: bytes do.
        np.save(folder / f"{index}.npy", _bytes(np.ascontiguousarray(array)), allow_pickle=False)
        records.append(
            {
                "name": name,
                "dtype": dtype.name,
                "shape": [int(d) for d in array.shape],
                "file": f"{index}.npy",
            }
        )
    return records


def read_arrays(folder: Path, records: Sequence[JSON]) -> Arrays:
    """Reads what `write_arrays` wrote: writable, contiguous and 64-byte aligned."""
    arrays: Arrays = {}
    for record in records:
        assert isinstance(record, dict)
        shape = record["shape"]
        assert isinstance(shape, list)
        stored = np.load(folder / Path(str(record["file"])).name, allow_pickle=False)
        array = _aligned(tuple(int(str(d)) for d in shape), str(record["dtype"]))
        _bytes(array)[...] = stored
        arrays[str(record["name"])] = array
    return arrays


def _aligned(shape: tuple[int, ...], dtype: str) -> NDArray[np.generic]:
    element = dtypes.from_name(dtype).numpy
    size = int(np.prod(shape, dtype=np.int64)) * element.itemsize
    room = np.empty(size + _ALIGNMENT, np.uint8)
    skip = -room.ctypes.data % _ALIGNMENT
    return room[skip : skip + size].view(element).reshape(shape)


def _bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)
