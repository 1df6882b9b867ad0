"""Weights by name: mapped from files, in memory, and made when they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema.dtypes import from_mlir
from noema.parameters import ParameterStore

F32 = from_mlir("f32")


def test_values_are_those_of_the_file(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).standard_normal(35).astype(np.float32)
    path = tmp_path / "weights"
    path.write_bytes(b"head" + numbers.tobytes())
    store = ParameterStore()
    store.map("a", F32, (5, 3), path, 4)
    store.map("b", F32, (20,), path, 4 + 15 * 4)
    store.map("none", F32, (0, 7), path, 4)
    np.testing.assert_array_equal(store.values("a"), numbers[:15].reshape(5, 3))
    np.testing.assert_array_equal(store.values("b"), numbers[15:])
    assert store.values("none").shape == (0, 7)
    for name in store:
        np.testing.assert_array_equal(store.values(name), store[name].values())


def test_values_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(16))
    store = ParameterStore()
    store.map("mapped", F32, (4,), path, 0)
    store.add("held", np.ones(4, np.float32))
    for name in store:
        with pytest.raises(ValueError, match="read-only"):
            store.values(name)[0] = 2


def test_values_follow_a_weight_that_a_pass_replaces(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(16))
    store = ParameterStore()
    store.map("a", F32, (4,), path, 0)
    assert not store.values("a").any()
    store.add("a", np.full(2, 3, np.float32))
    np.testing.assert_array_equal(store.values("a"), [3, 3])


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
