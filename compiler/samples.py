"""Inputs made up for a model whose real ones aren't at hand: random or zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from noema.errors import InvalidOption
from noema.signature import TensorSpec
from noema.sizes import checked_size

Arrays = dict[str, NDArray[np.generic]]


def concrete_shape(spec: TensorSpec, extents: Mapping[str, int]) -> tuple[int, ...]:
    """The input's shape with `extents` for its symbols; a symbol without one is 1."""
    return tuple(d if isinstance(d, int) else extents.get(d, 1) for d in spec.shape)


def check_extents(specs: Sequence[TensorSpec], extents: Mapping[str, int]) -> None:
    """Refuses extents for symbols that no input has.

    Raises:
        InvalidOption: Names the symbol and those that there are.
    """
    symbols = sorted({d for s in specs for d in s.shape if isinstance(d, str)})
    for name in extents:
        if name not in symbols:
            known = ", ".join(symbols) or "none: all shapes are static"
            raise InvalidOption(f"no input has a dimension {name!r}", remedy=f"there are {known}")


def random_input(
    spec: TensorSpec, extents: Mapping[str, int], rng: np.random.Generator
) -> NDArray[np.generic]:
    """Standard normal floats; integers and booleans from {0, 1}, which are valid as indices."""
    shape = concrete_shape(spec, extents)
    checked_size(shape, spec.dtype.numpy.itemsize, what=f"input {spec.name!r}")
    if spec.dtype.is_float or spec.dtype.mlir.startswith("complex"):
        return rng.standard_normal(shape).astype(spec.dtype.numpy)
    return rng.integers(0, 2, shape).astype(spec.dtype.numpy)


def zero_input(spec: TensorSpec, extents: Mapping[str, int]) -> NDArray[np.generic]:
    """All zeros."""
    shape = concrete_shape(spec, extents)
    checked_size(shape, spec.dtype.numpy.itemsize, what=f"input {spec.name!r}")
    return np.zeros(shape, spec.dtype.numpy)
