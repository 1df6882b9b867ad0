"""Images and windows for the tests of kernels that slide over them, and their sums in f64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernel_runs import result_symbols
from noema.kernels.kernel import Kernel, Unsuitable
from noema.kernels.window import Window

F64 = NDArray[np.float64]


@st.composite
def windows(draw: st.DrawFn, channels: int, largest: int = 3, pixels: int = 20) -> Window:
    """Windows over small images: any strides, dilations and pads that leave something to compute.

    Args:
        draw: Given by hypothesis.
        channels: Of the image.
        largest: Extent of the kernel.
        pixels: Largest extent of the image.
    """

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    while True:
        height, width = pair(1, pixels)
        top, left = pair(0, largest - 1)
        bottom, right = pair(0, largest - 1)
        window = Window(
            draw(st.integers(1, 2)),
            height,
            width,
            channels,
            pair(1, largest),
            pair(1, 3),
            pair(1, 2),
            (top, left, bottom, right),
        )
        try:
            window.check()
        except Unsuitable:
            continue
        return window


@st.composite
def of_any_size(draw: st.DrawFn, window: Window, pixels: int = 40) -> tuple[Window, list[Window]]:
    """The same window over images of unknown extents, and over some of known ones.

    Some of those may be too small for a block, a tile or the window less its pads.
    """
    every = ("batch", "height", "width")
    names = draw(st.sampled_from([every, ("height", "width"), ("height",), ("width",)]))
    symbols = replace(window, **{name: {"batch": "n"}.get(name, name[0]) for name in names})
    sizes = [window]
    for _ in range(3):
        drawn = window
        for axis, name in enumerate(("height", "width")):
            least = max(1, window.reach[axis] - window.pads[axis] - window.pads[axis + 2])
            if name in names:
                drawn = replace(drawn, **{name: draw(st.integers(least, pixels))})
        if "batch" in names:
            drawn = replace(drawn, batch=draw(st.integers(1, 2)))
        sizes.append(drawn)
    return symbols, sizes


def out_symbols(kernel: Kernel, window: Window) -> dict[str, int]:
    """Values of the symbols that only a kernel's result has, for a window of known extents."""
    _, height, width = window.assumed_outputs
    return {s: {"oh": height, "ow": width}[s] for s in result_symbols(kernel.interface)}


def taps(window: Window, image: NDArray[Any], outside: float = 0.0) -> F64:
    """What each tap of each window sees: (KH · KW, N, OH, OW, C).

    Args:
        window: Over the image.
        image: (N, H, W, C).
        outside: What stands outside the image.
    """
    top, left, bottom, right = window.pads
    padded = np.pad(
        image.astype(np.float64),
        ((0, 0), (top, bottom), (left, right), (0, 0)),
        constant_values=outside,
    )
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.strides, window.dilations
    _, height, width = window.assumed_outputs
    down, across = (height - 1) * sh + 1, (width - 1) * sw + 1
    return np.stack(
        [
            padded[:, i * dh : i * dh + down : sh, j * dw : j * dw + across : sw]
            for i in range(kh)
            for j in range(kw)
        ]
    )


def convolution(window: Window, image: NDArray[Any], weights: NDArray[Any], groups: int) -> F64:
    """(N, OH, OW, F) of weights (F, C / groups, KH, KW)."""
    seen = taps(window, image)
    filters, channels = weights.shape[0], weights.shape[1]
    cut = seen.reshape(*seen.shape[:-1], groups, channels)
    flat = weights.astype(np.float64).reshape(groups, filters // groups, channels, -1)
    found = np.einsum("tnhwgc,gfct->nhwgf", cut, flat, optimize=True)
    return found.reshape(*found.shape[:3], filters)
