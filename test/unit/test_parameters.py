"""Weights by name: those in memory, in a file, and made when they are read."""

from __future__ import annotations

import numpy as np
import pytest

from noema.dtypes import from_mlir
from noema.parameters import ParameterStore


def test_a_derived_weight_is_made_when_it_is_read() -> None:
    store, made = ParameterStore(), list[int]()
    base = np.arange(6, dtype=np.float32).reshape(2, 3)

    def make() -> np.ndarray:
        made.append(1)
        return base.T

    store.derive("w", from_mlir("f32"), (3, 2), make)
    assert "w" in store and store["w"].nbytes == store.nbytes == 24 and not made
    values = store["w"].values()
    assert made and values.flags.c_contiguous and not values.flags.writeable
    np.testing.assert_array_equal(values, base.T)


def test_a_derived_weight_that_is_not_what_was_declared_is_an_error() -> None:
    store = ParameterStore()
    store.derive("type", from_mlir("f32"), (2,), lambda: np.zeros(2))
    store.derive("size", from_mlir("f32"), (3,), lambda: np.zeros(2, np.float32))
    for name in store:
        with pytest.raises(ValueError, match=r"made float64|reshape"):
            store[name].values()
