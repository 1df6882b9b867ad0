"""Inputs made up for a model whose real ones aren't at hand: random or zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from noema.errors import InvalidInput, InvalidOption
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


def make_inputs(
    specs: Sequence[TensorSpec],
    sources: Mapping[str, str],
    extents: Mapping[str, int],
    seed: int,
    read: Callable[[str, TensorSpec], NDArray[np.generic]],
) -> Arrays:
    """An array per input: random unless its source says otherwise, the same for the same seed.

    Args:
        specs: The inputs.
        sources: Input name → `random`, `zeros`, or what `read` takes, such as a file's path.
        extents: For their symbols; a symbol without one is 1.
        seed: Of the random ones.
        read: Gives the array of a source for an input.

    Raises:
        InvalidInput: There is no such input, or `read` refuses its source.
    """
    names = [spec.name for spec in specs]
    for name in sources:
        if name not in names:
            raise InvalidInput(
                f"there is no input {name!r}", remedy=f"the inputs are {', '.join(names)}"
            )
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for spec in specs:
        drawn = random_input(spec, extents, rng)  # always drawn: each input's values are its own
        source = sources.get(spec.name, "random")
        if source == "random":
            arrays[spec.name] = drawn
        elif source == "zeros":
            arrays[spec.name] = zero_input(spec, extents)
        else:
            arrays[spec.name] = read(source, spec)
    return arrays


def parse_extent(text: str) -> tuple[str, int]:
    """`sequence=128` as a symbol and its extent.

    Raises:
        InvalidOption: It isn't of that form.
    """
    name, _, extent = text.rpartition("=")
    if not name or not extent.isdecimal():
        raise InvalidOption(f"cannot read dimension {text!r}", remedy="write it as --dim batch=2")
    return name, int(extent)


def parse_source(text: str) -> tuple[str, str]:
    """`x=x.npy` as an input's name and where its values come from.

    Raises:
        InvalidOption: It isn't of that form.
    """
    name, _, source = text.partition("=")
    if not name or not source:
        raise InvalidOption(
            f"cannot read input {text!r}", remedy="write it as --input x=x.npy, x=random or x=zeros"
        )
    return name, source
