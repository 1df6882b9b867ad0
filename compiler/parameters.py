"""The parameter store: weights by name, outside the IR, read lazily and never changed in place.

A weight is a region of a file (mapped on first use, never loaded whole), an array that a pass made,
or what a function makes of others when it is read: whoever reads no weights waits for none. Every
stage that touches weights shares this one store, so it belongs to none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema import dtypes
from noema.dtypes import DType


@dataclass(frozen=True)
class Parameter:
    """One weight: its type, and where its bytes are.

    Attributes:
        dtype: Element type.
        shape: Extents.
        path: File that holds the bytes, or None if `array` does.
        offset: Byte offset in `path`.
        array: The values, C-contiguous, if they are in memory.
        make: Makes the values, if neither has them; each time they are read.
    """

    dtype: DType
    shape: tuple[int, ...]
    path: Path | None = None
    offset: int = 0
    array: NDArray[np.generic] | None = field(default=None, compare=False)
    make: Callable[[], NDArray[np.generic]] | None = field(default=None, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the numpy array (4-bit types take a byte per element)."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count * self.dtype.numpy.itemsize

    def values(self) -> NDArray[np.generic]:
        """The weight as a read-only array of `shape`; a mapping of the file where possible."""
        if self.array is not None:
            return self.array
        if self.make is not None:
            made = np.ascontiguousarray(self.make()).reshape(self.shape)
            if made.dtype != self.dtype.numpy:
                raise ValueError(f"made {made.dtype}, declared {self.dtype}")
            made.flags.writeable = False
            return made
        if self.nbytes == 0 or self.path is None:
            return np.zeros(self.shape, self.dtype.numpy)
        return np.memmap(self.path, self.dtype.numpy, "r", self.offset, self.shape)


class ParameterStore:
    """Weights by name. Names are the ONNX initializer names, or derived from them by a pass."""

    def __init__(self) -> None:
        self._entries: dict[str, Parameter] = {}
        self._files: dict[Path, NDArray[np.uint8]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Parameter:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def values(self, name: str) -> NDArray[np.generic]:
        """The values of a weight, read-only; nothing is read before they are looked at.

        As `Parameter.values`, but that every file is mapped once, and stays so as long as the
        store is there: mapping takes a tenth of a millisecond, more than looking at a sample does.
        """
        weight = self._entries[name]
        if weight.path is None or weight.array is not None or not weight.nbytes:
            return weight.values()
        whole = self._files.get(weight.path)
        if whole is None:
            # Plain arrays over the mapped memory: slices of a numpy.memmap cost several times more.
            whole = np.memmap(weight.path, np.uint8, "r").view(np.ndarray)
            self._files[weight.path] = whole
        return np.ndarray(weight.shape, weight.dtype.numpy, whole, weight.offset)

    @property
    def nbytes(self) -> int:
        """Bytes of all weights together."""
        return sum(p.nbytes for p in self._entries.values())

    def map(self, name: str, dtype: DType, shape: tuple[int, ...], path: Path, offset: int) -> None:
        """Adds a weight that lies in a file; the caller has checked that it is long enough."""
        self._entries[name] = Parameter(dtype, shape, path, offset)

    def put(self, name: str, parameter: Parameter) -> None:
        """Adds, or replaces, a weight as another store holds it; nothing is read."""
        self._entries[name] = parameter

    def add(self, name: str, array: NDArray[np.generic]) -> None:
        """Adds, or replaces, a weight that is in memory. The array is frozen, not copied."""
        dtype = dtypes.from_numpy(array.dtype)
        if dtype is None:
            raise ValueError(f"parameter {name!r} has no MLIR element type: {array.dtype}")
        array = np.ascontiguousarray(array).reshape(array.shape)
        array.flags.writeable = False
        self._entries[name] = Parameter(dtype, array.shape, array=array)

    def derive(
        self,
        name: str,
        dtype: DType,
        shape: tuple[int, ...],
        make: Callable[[], NDArray[np.generic]],
    ) -> None:
        """Adds, or replaces, a weight that is made when it is read."""
        self._entries[name] = Parameter(dtype, shape, make=make)

    def unique_name(self, stem: str) -> str:
        """A name starting with `stem` that the store doesn't hold yet."""
        if stem not in self._entries:
            return stem
        number = 1
        while f"{stem}.{number}" in self._entries:
            number += 1
        return f"{stem}.{number}"
