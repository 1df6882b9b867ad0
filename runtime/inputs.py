"""Checking the arguments of a call against a program's signature."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from noema import dtypes
from noema.errors import InvalidInput, printable
from noema.signature import Dim, TensorSpec

Array = NDArray[np.generic]


def check_inputs(specs: tuple[TensorSpec, ...], values: Mapping[str, object]) -> list[Array]:
    """Returns the inputs in the signature's order, as arrays of exactly the declared type.

    Byte order and memory layout are free; nothing else is converted.

    Raises:
        InvalidInput: A name is missing or unknown, or an element type, a rank, a static extent
            or the agreement of symbolic extents is not as declared. All wrong names are listed;
            of the rest, the first problem.
    """
    if len(values) != len(specs) or any(spec.name not in values for spec in specs):
        raise _wrong_names(specs, values)
    extents: dict[str, tuple[int, str]] = {}
    arrays: list[Array] = []
    for spec in specs:
        value = values[spec.name]
        array = value if type(value) is np.ndarray else _as_array(spec, value)
        if (
            array.dtype is not spec.dtype.numpy
            and array.dtype.newbyteorder("=") != spec.dtype.numpy
        ):
            found = dtypes.from_numpy(array.dtype.newbyteorder("="))
            raise InvalidInput(
                f"input {printable(spec.name)} has element type {found or array.dtype}, "
                f"expected {_expected(spec)}",
                remedy=f"convert it: array.astype({spec.dtype.name!r})"
                if found and spec.dtype.name in np.sctypeDict
                else None,
            )
        shape = array.shape
        if shape != spec.shape:
            _check_shape(spec, shape, extents)
        arrays.append(array)
    return arrays


def _as_array(spec: TensorSpec, value: object) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidInput(f"input {printable(spec.name)} is a masked array; fill it first")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"input {printable(spec.name)} is not an array ({error}), expected {_expected(spec)}"
        ) from None


def _check_shape(
    spec: TensorSpec, shape: tuple[int, ...], extents: dict[str, tuple[int, str]]
) -> None:
    if len(shape) != len(spec.shape):
        raise InvalidInput(
            f"input {printable(spec.name)} has rank {len(shape)} (shape {_shape(shape)}), "
            f"expected {_expected(spec)}"
        )
    for axis, (extent, declared) in enumerate(zip(shape, spec.shape, strict=True)):
        if isinstance(declared, int):
            if extent != declared:
                raise InvalidInput(
                    f"input {printable(spec.name)} has extent {extent} in dimension {axis} "
                    f"(shape {_shape(shape)}), expected {_expected(spec)}"
                )
            continue
        known, owner = extents.setdefault(declared, (extent, spec.name))
        if extent != known:
            raise InvalidInput(
                f"input {printable(spec.name)} has extent {extent} in dimension {axis}, but "
                f"{printable(declared)} is {known} in input {printable(owner)}; both must agree",
            )


def _wrong_names(specs: tuple[TensorSpec, ...], values: Mapping[str, object]) -> InvalidInput:
    names = [spec.name for spec in specs]
    missing = [name for name in names if name not in values]
    unknown = [name for name in values if name not in names]
    problems: list[str] = []
    for name in unknown:
        close = difflib.get_close_matches(str(name), missing or names, 1)
        hint = f" (did you mean {printable(close[0])}?)" if close else ""
        problems.append(f"no input is called {printable(str(name))}{hint}")
    if missing:
        problems.append(
            "missing: " + ", ".join(_expected(s, True) for s in specs if s.name in missing)
        )
    expected = ", ".join(_expected(spec, True) for spec in specs) or "none"
    return InvalidInput("; ".join(problems), remedy=f"the inputs are {expected}")


def _expected(spec: TensorSpec, named: bool = False) -> str:
    text = f"{spec.dtype.name}{_shape(spec.shape)}"
    return f"{printable(spec.name)}: {text}" if named else text


def _shape(shape: tuple[Dim, ...]) -> str:
    # Symbols come from the model file: escaped and bounded like every name.
    return f"[{', '.join(printable(d)[1:-1] if isinstance(d, str) else str(d) for d in shape)}]"
