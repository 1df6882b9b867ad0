"""DFT, STFT and MelWeightMatrix against numpy's transforms in float64, and against the reference.

Tolerance: a sum of n products of numbers of size one, with sines good to 1e-7, is good to n · 1e-7.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from node_batch import NodeBatch
from noema.errors import UnsupportedModel
from single_node import run_both

BOTH = pytest.mark.parametrize("dynamic", [False, True], ids=["static", "dynamic"])


def complex_of(x: np.ndarray) -> np.ndarray:
    """Real or interleaved parts (…, 1 or 2) as complex numbers (…)."""
    wide = x.astype(np.float64)
    return wide[..., 0] + (1j * wide[..., 1] if x.shape[-1] == 2 else 0)


def parts_of(z: np.ndarray) -> np.ndarray:
    """Complex numbers (…) as parts (…, 2)."""
    return np.stack([z.real, z.imag], -1)


def transformed(x: np.ndarray, axis: int, length: int | None, **flags: int) -> np.ndarray:
    """DFT as its specification has it, in float64."""
    z = complex_of(x)
    if flags.get("inverse") and flags.get("onesided"):
        return np.fft.irfft(z, length, axis)[..., None]
    if flags.get("inverse"):
        return parts_of(np.fft.ifft(z, length, axis))
    if flags.get("onesided"):
        return parts_of(np.fft.rfft(z.real, length, axis))
    return parts_of(np.fft.fft(z, length, axis))


@pytest.mark.parametrize(
    ("dtype", "known"),
    [(np.float32, True), (np.float32, False), (np.float64, True), (np.float64, False)],
)
def test_transforms_along_any_axis(dtype: type, known: bool) -> None:
    """Real and complex, whole and halved, there and back; lengths cut, kept and filled up.

    With extents, lengths and axes that are known, and with ones that the program reads.
    """
    rng = np.random.default_rng(1)
    batch = NodeBatch(20)
    for parts, flags in (
        (1, {}),
        (2, {}),
        (1, {"onesided": 1}),
        (2, {"inverse": 1}),
        (2, {"inverse": 1, "onesided": 1}),
    ):
        array = rng.standard_normal((3, 6, 5, parts)).astype(dtype)
        # The extent of the parts decides what is computed; it is always known.
        x = batch.input(array, dynamic=[not known] * 3 + [False])
        give = batch.constant if known else batch.input
        for axis, length in ((-2, None), (0, 4), (1, 9), (-3, 5)):
            places = [x, "" if length is None else give(np.array(length, np.int64))]
            places.append(give(np.array(axis, np.int64)))
            expected = transformed(array, axis % 4, length, **flags).astype(dtype)
            batch.node("DFT", places, expect=[expected], **flags)
    tolerance = 1e-12 if dtype is np.float64 else 3e-6
    batch.check(rtol=tolerance, atol=tolerance)


def test_the_attribute_of_older_operator_sets() -> None:
    rng = np.random.default_rng(3)
    batch = NodeBatch(17)
    array = rng.standard_normal((2, 8, 3, 1)).astype(np.float32)
    x = batch.input(array)
    for axis in (1, 2):
        expected = transformed(array, axis, None).astype(np.float32)
        batch.node("DFT", [x], axis=axis, expect=[expected])
    batch.check(rtol=3e-6, atol=3e-6)


def test_longer_than_a_constant_matrix() -> None:
    """600 samples make a matrix of 600 × 1200 numbers, which the program computes."""
    rng = np.random.default_rng(4)
    array = rng.standard_normal((1, 600, 1)).astype(np.float32)
    batch = NodeBatch(20)
    expected = transformed(array, 1, None).astype(np.float32)
    batch.node("DFT", [batch.input(array)], expect=[expected])
    # Sums of 600 terms of which the largest is of size 70.
    batch.check(rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_short_transforms_are_rounded_once(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    array = (rng.standard_normal((2, 60, 1)) * 9).astype(dtype)
    batch = NodeBatch(20)
    batch.node("DFT", [batch.input(array)], expect=[transformed(array, 1, None).astype(dtype)])
    # Both are the nearest number, or neighbours where a sum lies between two. What cancels leaves
    # the rounding errors of f64.
    batch.check(rtol=float(ml_dtypes.finfo(dtype).eps), atol=1e-12)


def framed(x: np.ndarray, step: int, window: np.ndarray, onesided: int) -> np.ndarray:
    """STFT as its specification has it, in float64."""
    z, length = complex_of(x), len(window)
    starts = range(0, z.shape[1] - length + 1, step)
    frames = np.stack([z[:, s : s + length] * window for s in starts], 1)
    spectrum = np.fft.fft(frames, axis=-1)
    return parts_of(spectrum[..., : length // 2 + 1] if onesided else spectrum)


@BOTH
def test_frames(dynamic: bool) -> None:
    """With a window, with a length only, with neither; lengths odd and even."""
    rng = np.random.default_rng(6)
    batch = NodeBatch(17)
    for parts, onesided in ((1, 1), (2, 0)):
        array = rng.standard_normal((2, 40, parts)).astype(np.float32)
        x = batch.input(array, dynamic=[dynamic, dynamic, False])
        for step, length in ((5, 16), (16, 9), (7, 40)):
            give = batch.input if dynamic else batch.constant
            window = np.hanning(length).astype(np.float32)
            at = give(np.array(step, np.int64))
            count = give(np.array(length, np.int64))
            flat = np.ones(length)
            for inputs, weights in (
                ([x, at, give(window)], window),
                ([x, at, give(window), count], window),
                ([x, at, "", count], flat),
                *([([x, at], flat)] if length == 40 else []),
            ):
                expected = framed(array, step, weights, onesided).astype(np.float32)
                batch.node("STFT", inputs, onesided=onesided, expect=[expected])
    batch.check(rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("bands", "length", "rate", "low", "high"),
    [(8, 16, 8192, 0.0, 4096.0), (20, 256, 16000, 20.0, 7600.0), (12, 31, 8000, 100.0, 3000.0)],
)
@BOTH
def test_mel_filters(
    bands: int, length: int, rate: int, low: float, high: float, dynamic: bool
) -> None:
    """Also where neighbouring bands start at the same frequency of the transform."""
    batch = NodeBatch(17)
    give = batch.input if dynamic else batch.constant
    numbers = [give(np.array(n, np.int64)) for n in (bands, length, rate)]
    edges = [batch.input(np.array(hertz, np.float32)) for hertz in (low, high)]
    batch.node("MelWeightMatrix", [*numbers, *edges])
    batch.check(rtol=1e-6)


@pytest.mark.parametrize(
    ("shape", "length", "reason"),
    [((1, 8, 3), 8, "neither real nor complex"), ((1, 1 << 14, 1), 1 << 14, "16384 samples")],
)
def test_refused(shape: tuple[int, ...], length: int, reason: str) -> None:
    given = np.array(length, np.int64)
    with pytest.raises(UnsupportedModel) as raised:
        run_both("DFT", [np.zeros(shape, np.float32), given], opset=20, constants={1: given})
    assert any(reason in gap.reason for gap in raised.value.gaps)


def test_a_length_that_cannot_be_is_survived() -> None:
    """Read when the program runs, a step of 0 gives nonsense, but doesn't divide by it."""
    signal = np.ones((1, 8, 1), np.float32)
    window = np.ones(4, np.float32)
    batch = NodeBatch(17)
    step = batch.input(np.array(0, np.int64))
    # As with a step of 1.
    expected = framed(signal, 1, window, 1).astype(np.float32)
    batch.node("STFT", [batch.input(signal), step, batch.input(window)], expect=[expected])
    batch.check(atol=1e-6)
