"""The values of weights, for analyses that look at them more than once.

Mapping a file takes a tenth of a millisecond, which is more than looking at a sample does: every
file is mapped once.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema.dialects.graph import Node
from noema.parameters import Parameter, ParameterStore


class Weights:
    """Weights by name.

    Attributes:
        store: Where they are.
    """

    def __init__(self, store: ParameterStore) -> None:
        self.store = store
        self._values: dict[str, NDArray[np.generic]] = {}
        self._files: dict[Path, NDArray[np.uint8]] = {}

    def values(self, name: str) -> NDArray[np.generic]:
        """The values of a weight, read-only; not read before they are looked at."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = self._map(self.store[name])
        return found

    def _map(self, weight: Parameter) -> NDArray[np.generic]:
        # Plain arrays over the mapped memory: slices of a numpy.memmap cost several times more.
        if weight.array is not None or weight.path is None or not weight.nbytes:
            return weight.values().view(np.ndarray)
        whole = self._files.get(weight.path)
        if whole is None:
            whole = np.memmap(weight.path, np.uint8, "r").view(np.ndarray)
            self._files[weight.path] = whole
        return np.ndarray(weight.shape, weight.dtype.numpy, whole, weight.offset)

    def of(self, param: Node) -> NDArray[np.generic]:
        """The values of a `param` node."""
        return self.values(param.parameter)
