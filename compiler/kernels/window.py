"""What slides over an image: the geometry that convolutions and poolings share."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from noema.kernels.executable import Extent
from noema.kernels.kernel import Unsuitable

Pair = tuple[int, int]
"""Along the height, along the width."""

_TYPICAL = 56 * 64
"""Channels times pixels of a side, about, in all layers of networks for images of 224 × 224."""


@dataclass(frozen=True)
class Window:
    """A window over a channels-last image (N, H, W, C). One dimension is H = 1.

    Attributes:
        batch: N; a symbol `n`.
        height: H; a symbol `h`, and then OH is a symbol `oh`.
        width: W; a symbol `w`, and then OW is a symbol `ow`.
        channels: C.
        kernel: The window's extents.
        strides: Between neighbouring windows.
        dilations: Between neighbouring taps of one.
        pads: Positions outside the image that windows may cover: top, left, bottom, right.
    """

    batch: Extent
    height: Extent
    width: Extent
    channels: int
    kernel: Pair
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def reach(self) -> Pair:
        """From a window's first tap to behind its last one."""
        (kh, kw), (dh, dw) = self.kernel, self.dilations
        return (kh - 1) * dh + 1, (kw - 1) * dw + 1

    @property
    def out_height(self) -> Extent:
        """OH."""
        return "oh" if isinstance(self.height, str) else self._count(0, self.height)

    @property
    def out_width(self) -> Extent:
        """OW."""
        return "ow" if isinstance(self.width, str) else self._count(1, self.width)

    def _count(self, axis: int, extent: int) -> int:
        covered = extent + self.pads[axis] + self.pads[axis + 2] - self.reach[axis]
        return covered // self.strides[axis] + 1

    @property
    def image(self) -> tuple[Extent, ...]:
        """N, H, W, C."""
        return self.batch, self.height, self.width, self.channels

    @property
    def assumed(self) -> tuple[int, int, int]:
        """N, H, W, and for symbols what is typical: a tile is chosen by it.

        The fewer channels, the larger the image; one of known height has as many pixels in all.
        """
        side = max(7, min(_TYPICAL // self.channels, 224))
        height = max(side, self.reach[0]) if isinstance(self.height, str) else self.height
        wide = side if isinstance(self.height, str) else side * side // max(1, self.height)
        width = max(wide, 7, self.reach[1]) if isinstance(self.width, str) else self.width
        return 1 if isinstance(self.batch, str) else self.batch, height, width

    @property
    def assumed_outputs(self) -> tuple[int, int, int]:
        """N, OH, OW of an image of the `assumed` extents."""
        batch, height, width = self.assumed
        return batch, self._count(0, height), self._count(1, width)

    @property
    def pixels(self) -> int | None:
        """N · OH · OW; None if one of them is a symbol."""
        extents = (self.batch, self.out_height, self.out_width)
        known = [e for e in extents if isinstance(e, int)]
        return prod(known) if len(known) == len(extents) else None

    @property
    def taps(self) -> int:
        """Positions of one window."""
        return self.kernel[0] * self.kernel[1]

    def check(self) -> None:
        """Raises `Unsuitable` where there is nothing to compute or the numbers mean nothing."""
        if min(*self.kernel, *self.strides, *self.dilations) < 1:
            raise Unsuitable("a kernel, stride or dilation below 1")
        if min(self.pads) < 0:
            raise Unsuitable("negative pads")
        if min(e for e in self.image if isinstance(e, int)) < 1:
            raise Unsuitable("an image without elements")
        if min(self.assumed_outputs) < 1:
            raise Unsuitable("a window larger than the padded image")

    def describe(self) -> str:
        """In a few words."""
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.strides, self.dilations
        text = f"{self.batch}x{self.height}x{self.width}x{self.channels} {kh}x{kw}"
        if (sh, sw) != (1, 1):
            text += f" stride {sh}x{sw}"
        if (dh, dw) != (1, 1):
            text += f" dilation {dh}x{dw}"
        if any(self.pads):
            text += f" pads {'/'.join(map(str, self.pads))}"
        return text
