"""Weights by name: mapped from files, or in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema import dtypes
from noema.parameters import ParameterStore

F32 = dtypes.from_numpy(np.dtype(np.float32))


def test_values_are_those_of_the_file(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).standard_normal(35).astype(np.float32)
    path = tmp_path / "weights"
    path.write_bytes(b"head" + numbers.tobytes())
    store = ParameterStore()
    assert F32 is not None
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
    assert F32 is not None
    store.map("mapped", F32, (4,), path, 0)
    store.add("held", np.ones(4, np.float32))
    for name in store:
        with pytest.raises(ValueError, match="read-only"):
            store.values(name)[0] = 2


def test_values_follow_a_weight_that_a_pass_replaces(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(bytes(16))
    store = ParameterStore()
    assert F32 is not None
    store.map("a", F32, (4,), path, 0)
    assert not store.values("a").any()
    store.add("a", np.full(2, 3, np.float32))
    np.testing.assert_array_equal(store.values("a"), [3, 3])
