"""The values of weights, for analyses that look at them more than once.

Mapping a file takes a tenth of a millisecond, which is more than looking at a sample does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from noema.dialects.graph import Node
from noema.parameters import ParameterStore


class Weights:
    """Weights by name, each mapped once.

    Attributes:
        store: Where they are.
    """

    def __init__(self, store: ParameterStore) -> None:
        self.store = store
        self._values: dict[str, NDArray[np.generic]] = {}

    def values(self, name: str) -> NDArray[np.generic]:
        """The values of a weight, read-only; not read before they are looked at."""
        found = self._values.get(name)
        if found is None:
            # A plain array over the same memory: slices of a numpy.memmap cost several times more.
            found = self._values[name] = self.store[name].values().view(np.ndarray)
        return found

    def of(self, param: Node) -> NDArray[np.generic]:
        """The values of a `param` node."""
        return self.values(param.parameter)
