"""ResNets with basic or bottleneck blocks, MobileNetV2 and an EfficientNet-like network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Graph
from .layers import linear, swish


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of a ResNet: ``blocks`` residual blocks of ``widths`` channels in each stage.

    Bottlenecks of a ResNeXt convolve ``inner`` times as many channels in ``groups``.
    Where ``sized`` is false, height and width of the image are symbolic dimensions.
    """

    blocks: tuple[int, ...] = (1, 1)
    widths: tuple[int, ...] = (8, 16)
    bottleneck: bool = False
    inner: int = 1
    groups: int = 1
    stem: int = 8
    classes: int = 10
    image: int = 32
    sized: bool = True


@dataclass(frozen=True)
class MobileNetConfig:
    """Sizes of a MobileNetV2: stages of (expansion, channels, blocks, stride).

    Where ``sized`` is false, height and width of the image are symbolic dimensions.
    """

    stages: tuple[tuple[int, int, int, int], ...] = ((1, 8, 1, 1), (6, 12, 2, 2), (6, 16, 2, 2))
    stem: int = 8
    last: int = 32
    classes: int = 10
    image: int = 32
    sized: bool = True


@dataclass(frozen=True)
class EfficientNetConfig:
    """Sizes of an EfficientNet: stages of (expansion, channels, blocks, stride, kernel)."""

    stages: tuple[tuple[int, int, int, int, int], ...] = ((1, 8, 1, 1, 3), (4, 12, 2, 2, 5))
    stem: int = 8
    last: int = 32
    classes: int = 10
    image: int = 32
    squeeze: int = 4


def conv_bn(
    g: Graph,
    conv: str,
    norm: str,
    x: str,
    n_in: int,
    n_out: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    gain: float = 1.0,
    epsilon: float = 1e-5,
) -> str:
    """Convolution without bias and batch normalization; x [N, n_in, H, W].

    The exporters fold the normalization into the convolution; the newest style keeps it.

    Args:
        gain: Scale of the output: small at the end of a residual branch keeps deep nets bounded.
    """
    shape = (n_out, n_in // groups, kernel, kernel)
    fan_in = shape[1] * kernel * kernel
    with g.scope(conv):
        weight = g.draw("weight", shape, std=math.sqrt(2 / fan_in))
    with g.scope(norm):
        scale = g.draw("weight", (n_out,), std=0.1 * gain, mean=gain)
        shift = g.draw("bias", (n_out,), std=0.1)
        mean = g.draw("running_mean", (n_out,), std=0.1)
        variance = np.exp(g.draw("running_var", (n_out,), std=0.2))
    attributes = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [kernel // 2] * 4,
        "dilations": [1, 1],
        "group": groups,
    }
    if g.folds:
        factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
        folded = (weight * factor[:, None, None, None]).astype(np.float32)
        bias = (shift - mean * factor).astype(np.float32)
        with g.scope(conv):
            return g.op("Conv", x, g.folded("Conv", folded), g.folded("Conv", bias), **attributes)
    with g.scope(conv):
        x = g.op("Conv", x, g.stored("weight", weight), **attributes)
    with g.scope(norm):
        names = ("weight", "bias", "running_mean", "running_var")
        values = (scale, shift, mean, variance)
        stored = [g.stored(name, value) for name, value in zip(names, values, strict=True)]
        return g.op("BatchNormalization", x, *stored, epsilon=epsilon)


def _image(g: Graph, size: int, sized: bool = True) -> str:
    side = (size, size) if sized else ("height", "width")
    return g.input("image", np.float32, ("batch", 3, *side))


def _relu(g: Graph, name: str, x: str) -> str:
    with g.scope(name):
        return g.op("Relu", x)


def _relu6(g: Graph, x: str) -> str:
    return g.op("Clip", x, g.literal(0.0), g.literal(6.0))


def _global_average(g: Graph, x: str) -> str:
    """[N, C, H, W] -> [N, C]: a pooling (traced) or a mean over axes (captured)."""
    if g.traced:
        with g.scope("avgpool"):
            x = g.op("GlobalAveragePool", x)
        return g.op("Flatten", x, axis=1)
    return g.reduce("ReduceMean", x, -1, -2, keepdims=False)


def build_resnet(g: Graph, c: ResNetConfig) -> None:
    """Image [N, 3, size, size] -> logits [N, classes]."""
    x = _image(g, c.image, c.sized)
    x = conv_bn(g, "conv1", "bn1", x, 3, c.stem, kernel=7, stride=2)
    x = _relu(g, "relu", x)
    with g.scope("maxpool"):
        x = g.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = c.stem
    for stage, (count, width) in enumerate(zip(c.blocks, c.widths, strict=True)):
        for index in range(count):
            stride = 2 if stage and not index else 1
            with g.scope(f"layer{stage + 1}", f"layer{stage + 1}.{index}"):
                if c.bottleneck:
                    x = _bottleneck(g, x, channels, width, stride, c.inner, c.groups)
                else:
                    x = _basic_block(g, x, channels, width, stride)
            channels = 4 * width if c.bottleneck else width
    logits = linear(g, "fc", _global_average(g, x), channels, c.classes, rank=2)
    g.output(logits, "logits", np.float32, ("batch", c.classes))


def _basic_block(g: Graph, x: str, n_in: int, width: int, stride: int) -> str:
    y = conv_bn(g, "conv1", "bn1", x, n_in, width, kernel=3, stride=stride)
    y = _relu(g, "relu", y)
    y = conv_bn(g, "conv2", "bn2", y, width, width, kernel=3, gain=0.5)
    return _join(g, x, y, n_in, width, stride)


def _bottleneck(
    g: Graph, x: str, n_in: int, width: int, stride: int, inner: int, groups: int
) -> str:
    wide = inner * width
    y = _relu(g, "relu", conv_bn(g, "conv1", "bn1", x, n_in, wide))
    y = conv_bn(g, "conv2", "bn2", y, wide, wide, kernel=3, stride=stride, groups=groups)
    y = _relu(g, "relu", y)
    y = conv_bn(g, "conv3", "bn3", y, wide, 4 * width, gain=0.3)
    return _join(g, x, y, n_in, 4 * width, stride)


def _join(g: Graph, x: str, y: str, n_in: int, n_out: int, stride: int) -> str:
    if stride != 1 or n_in != n_out:
        with g.scope("downsample"):
            x = conv_bn(g, "downsample.0", "downsample.1", x, n_in, n_out, stride=stride, gain=0.7)
    return _relu(g, "relu", g.op("Add", y, x))


def build_mobilenet(g: Graph, c: MobileNetConfig) -> None:
    """Image [N, 3, size, size] -> logits [N, classes]."""
    x = _image(g, c.image, c.sized)
    with g.scope("features", "features.0"):
        x = _relu6(g, conv_bn(g, "0", "1", x, 3, c.stem, kernel=3, stride=2))
    channels, number = c.stem, 1
    for expansion, width, count, first_stride in c.stages:
        for index in range(count):
            stride = first_stride if index == 0 else 1
            with g.scope("features", f"features.{number}", "conv"):
                y = _inverted_residual(g, x, channels, width, expansion, stride)
            with g.scope("features", f"features.{number}"):
                x = g.op("Add", x, y) if stride == 1 and channels == width else y
            channels, number = width, number + 1
    with g.scope("features", f"features.{number}"):
        x = _relu6(g, conv_bn(g, "0", "1", x, channels, c.last))
    with g.scope("classifier"):
        logits = linear(
            g, "classifier.1", _global_average(g, x), c.last, c.classes, rank=2, gain=2.0
        )
    g.output(logits, "logits", np.float32, ("batch", c.classes))


def _inverted_residual(g: Graph, x: str, n_in: int, n_out: int, expansion: int, stride: int) -> str:
    inner = n_in * expansion
    if expansion != 1:
        x = _relu6(g, conv_bn(g, "conv.0.0", "conv.0.1", x, n_in, inner))
    x = conv_bn(g, "conv.1.0", "conv.1.1", x, inner, inner, kernel=3, stride=stride, groups=inner)
    return conv_bn(g, "conv.2", "conv.3", _relu6(g, x), inner, n_out, gain=0.7)


def build_efficientnet(g: Graph, c: EfficientNetConfig) -> None:
    """Image [N, 3, size, size] -> logits [N, classes]; squeeze-and-excite, swish."""
    x = _image(g, c.image)
    x = swish(g, "act", conv_bn(g, "conv_stem", "bn1", x, 3, c.stem, kernel=3, stride=2))
    channels = c.stem
    for stage, (expansion, width, count, first_stride, kernel) in enumerate(c.stages):
        for index in range(count):
            stride = first_stride if index == 0 else 1
            with g.scope(f"blocks.{stage}", f"blocks.{stage}.{index}"):
                y = _mbconv(g, c, x, channels, width, expansion, stride, kernel)
                x = g.op("Add", y, x) if stride == 1 and channels == width else y
            channels = width
    x = swish(g, "act2", conv_bn(g, "conv_head", "bn2", x, channels, c.last))
    logits = linear(g, "classifier", _global_average(g, x), c.last, c.classes, rank=2, gain=2.0)
    g.output(logits, "logits", np.float32, ("batch", c.classes))


def _mbconv(
    g: Graph,
    c: EfficientNetConfig,
    x: str,
    n_in: int,
    n_out: int,
    expansion: int,
    stride: int,
    kernel: int,
) -> str:
    inner = n_in * expansion
    if expansion != 1:
        x = swish(g, "act1", conv_bn(g, "conv_pw", "bn1", x, n_in, inner))
    x = conv_bn(g, "conv_dw", "bn2", x, inner, inner, kernel=kernel, stride=stride, groups=inner)
    x = swish(g, "act2", x)
    with g.scope("se"):
        pooled = g.reduce("ReduceMean", x, 2, 3)
        reduced = max(1, n_in // c.squeeze)
        pooled = swish(g, "act1", conv1x1(g, "conv_reduce", pooled, inner, reduced))
        gate = g.op("Sigmoid", conv1x1(g, "conv_expand", pooled, reduced, inner))
        x = g.op("Mul", x, gate)
    return conv_bn(g, "conv_pwl", "bn3", x, inner, n_out, gain=1.2)


def conv1x1(g: Graph, name: str, x: str, n_in: int, n_out: int) -> str:
    """Pointwise convolution with bias."""
    with g.scope(name):
        weight = g.parameter("weight", (n_out, n_in, 1, 1), std=1 / math.sqrt(n_in))
        bias = g.parameter("bias", (n_out,), std=0.1)
        return g.op("Conv", x, weight, bias, kernel_shape=[1, 1])


def image_inputs(
    rng: np.random.Generator,
    c: ResNetConfig | MobileNetConfig | EfficientNetConfig,
    dims: Mapping[str, int],
) -> dict[str, Array]:
    """A batch of standard normal images."""
    shape = (dims["batch"], 3, dims.get("height", c.image), dims.get("width", c.image))
    return {"image": rng.standard_normal(shape, dtype=np.float32)}
