"""What slides over an image: the geometry that convolutions and poolings share."""

from __future__ import annotations

from dataclasses import dataclass

from noema.kernels.executable import Extent
from noema.kernels.kernel import Unsuitable

Pair = tuple[int, int]
"""Along the height, along the width."""


@dataclass(frozen=True)
class Window:
    """A window over a channels-last image (N, H, W, C). One dimension is H = 1.

    Attributes:
        batch: N.
        height: H.
        width: W.
        channels: C.
        kernel: The window's extents.
        strides: Between neighbouring windows.
        dilations: Between neighbouring taps of one.
        pads: Positions outside the image that windows may cover: top, left, bottom, right.
    """

    batch: Extent
    height: int
    width: int
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
    def out_height(self) -> int:
        """OH."""
        covered = self.height + self.pads[0] + self.pads[2] - self.reach[0]
        return covered // self.strides[0] + 1

    @property
    def out_width(self) -> int:
        """OW."""
        covered = self.width + self.pads[1] + self.pads[3] - self.reach[1]
        return covered // self.strides[1] + 1

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
        empty = isinstance(self.batch, int) and self.batch < 1
        if empty or min(self.height, self.width, self.channels) < 1:
            raise Unsuitable("an image without elements")
        if self.out_height < 1 or self.out_width < 1:
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
