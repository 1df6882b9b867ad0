"""U-Nets: group norm, swish, skip connections, every usual way to enlarge an image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Graph
from .layers import group_norm, swish


@dataclass(frozen=True)
class UnetConfig:
    """Sizes of a U-Net; the image must divide by ``2 ** (len(widths) - 1)``."""

    widths: tuple[int, ...] = (8, 12, 16, 20)
    groups: int = 4
    channels: int = 3
    classes: int = 5
    image: int = 24


def build_unet(g: Graph, c: UnetConfig) -> None:
    """Image [N, channels, size, size] -> logits [N, classes, size, size].

    The levels up take turns at transposed convolution, nearest and bilinear resize.
    """
    x = g.input("image", np.float32, ("batch", c.channels, c.image, c.image))
    channels = c.channels
    skips: list[tuple[str, int]] = []
    for level, width in enumerate(c.widths):
        with g.scope(f"down.{level}"):
            if level:
                x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
            x = _double_conv(g, c, x, channels, width)
        channels = width
        skips.append((x, width))
    skips.pop()
    for level, (skip, width) in reversed(list(enumerate(skips))):
        with g.scope(f"up.{level}"):
            x = _enlarge(g, level, x, channels, width)
            x = _double_conv(g, c, g.op("Concat", skip, x, axis=1), 2 * width, width)
        channels = width
    logits = _conv(g, "head", x, channels, c.classes, kernel=1)
    g.output(logits, "logits", np.float32, ("batch", c.classes, c.image, c.image))


def _double_conv(g: Graph, c: UnetConfig, x: str, n_in: int, n_out: int) -> str:
    for index in range(2):
        x = _conv(g, f"conv{index + 1}", x, n_in if index == 0 else n_out, n_out)
        x = group_norm(g, f"norm{index + 1}", x, n_out, c.groups)
        x = swish(g, "act", x)
    return x


def _conv(g: Graph, name: str, x: str, n_in: int, n_out: int, *, kernel: int = 3) -> str:
    with g.scope(name):
        std = 1 / math.sqrt(n_in * kernel * kernel)
        weight = g.parameter("weight", (n_out, n_in, kernel, kernel), std=std)
        bias = g.parameter("bias", (n_out,), std=0.1)
        pads = [kernel // 2] * 4
        return g.op("Conv", x, weight, bias, kernel_shape=[kernel] * 2, pads=pads)


def _enlarge(g: Graph, level: int, x: str, n_in: int, n_out: int) -> str:
    """Doubles height and width: [N, n_in, H, W] -> [N, n_out, 2 H, 2 W]."""
    with g.scope("upsample"):
        if level % 3 == 0:
            weight = g.parameter("weight", (n_in, n_out, 2, 2), std=1 / math.sqrt(n_in))
            bias = g.parameter("bias", (n_out,), std=0.1)
            return g.op("ConvTranspose", x, weight, bias, kernel_shape=[2, 2], strides=[2, 2])
        scales = g.literal(np.array([1, 1, 2, 2], np.float32))
        if level % 3 == 1:
            attributes = {
                "mode": "nearest",
                "nearest_mode": "floor",
                "coordinate_transformation_mode": "asymmetric",
            }
        else:
            transform = "pytorch_half_pixel" if g.traced else "half_pixel"
            attributes = {"mode": "linear", "coordinate_transformation_mode": transform}
        x = g.op("Resize", x, "", scales, **attributes)
    return _conv(g, "conv", x, n_in, n_out)


def unet_inputs(
    rng: np.random.Generator, c: UnetConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """A batch of standard normal images."""
    shape = (dims["batch"], c.channels, c.image, c.image)
    return {"image": rng.standard_normal(shape, dtype=np.float32)}
