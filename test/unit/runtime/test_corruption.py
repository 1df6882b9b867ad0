"""A damaged artifact of a real program is never loaded: not one byte of it reaches IREE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema.errors import ArtifactError
from noema.runtime import load

CASES = 1000
SEED = 20261121


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """One random fault: flipped bits, a block overwritten, moved or removed, a cut, an addition."""
    size = len(data)
    start, length = int(rng.integers(size)), int(rng.integers(1, 300))
    end = min(size, start + length)
    noise = rng.integers(0, 256, end - start, np.uint8).tobytes()
    match int(rng.integers(7)):
        case 0 | 1:
            damaged = bytearray(data)
            damaged[start] ^= 1 << int(rng.integers(8))
            return bytes(damaged)
        case 2:
            return data[:start] + noise + data[end:]
        case 3:
            return data[:start] + data[end:]
        case 4:
            return data[:start]
        case 5:
            return data[:start] + noise + data[start:]
        case _:
            block = data[start:end]
            rest = data[:start] + data[end:]
            where = int(rng.integers(len(rest) + 1))
            return rest[:where] + block + rest[where:]


def test_no_damaged_artifact_loads(affine: Path, tmp_path: Path) -> None:
    data = affine.read_bytes()
    rng = np.random.default_rng(SEED)
    path = tmp_path / "damaged.noema"
    for case in range(CASES):
        damaged = damage(data, rng)
        while damaged == data:  # noise may repeat what was there, or a block move to its place
            damaged = damage(data, rng)
        path.write_bytes(damaged)
        try:
            load(path, threads=1)
        except ArtifactError:
            continue
        pytest.fail(f"case {case} of seed {SEED} was loaded")
    path.write_bytes(data)
    assert load(path, threads=1)(x=np.ones((1, 64), np.float32))["y"].shape == (1, 64)
