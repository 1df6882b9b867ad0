"""Audio networks of one-dimensional convolutions over the raw waveform, wav2vec-like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Graph
from .layers import gelu, group_norm, layer_norm, linear


@dataclass(frozen=True)
class AudioConfig:
    """Sizes of an audio network: strided convolutions of (channels, kernel, stride), then context.

    ``context`` residual blocks of dilated depthwise and pointwise convolutions follow.
    """

    features: tuple[tuple[int, int, int], ...] = ((8, 10, 5), (12, 3, 2))
    hidden: int = 16
    context: int = 2
    kernel: int = 3
    labels: int = 11
    classes: int = 6


def frames(c: AudioConfig, dims: Mapping[str, int]) -> Mapping[str, int]:
    """Frames that are left of the samples after the strided convolutions."""
    length = dims["samples"]
    for _, kernel, stride in c.features:
        length = (length - kernel) // stride + 1
    return {"frames": length}


def build_audio(g: Graph, c: AudioConfig) -> None:
    """Waveform [B, samples] -> logits [B, frames, labels] and scores [B, classes]."""
    x = g.input("waveform", np.float32, ("batch", "samples"))
    x = g.unsqueeze(x, 1)
    channels = 1
    with g.scope("feature_extractor"):
        for index, (width, kernel, stride) in enumerate(c.features):
            with g.scope(f"conv_layers.{index}"):
                x = _conv(g, "conv", x, channels, width, kernel, stride=stride, bias=bool(index))
                if index == 0:
                    # One group per channel: statistics over time alone.
                    x = group_norm(g, "layer_norm", x, width, width, rank=3)
                x = gelu(g, "activation", x)
            channels = width
    with g.scope("feature_projection"):
        x = layer_norm(g, "layer_norm", g.transpose(x, 0, 2, 1), channels)
        x = linear(g, "projection", x, channels, c.hidden)
    x = g.transpose(x, 0, 2, 1)
    for index in range(c.context):
        with g.scope("context", f"context.{index}"):
            y = _conv(
                g,
                "depthwise",
                x,
                c.hidden,
                c.hidden,
                c.kernel,
                groups=c.hidden,
                dilation=2**index,
            )
            y = _conv(g, "pointwise", gelu(g, "activation", y), c.hidden, c.hidden, 1)
            x = g.op("Add", x, y)
    x = g.transpose(x, 0, 2, 1)
    logits = linear(g, "lm_head", x, c.hidden, c.labels)
    g.output(logits, "logits", np.float32, ("batch", "frames", c.labels))
    pooled = g.reduce("ReduceMean", x, 1, keepdims=False)
    scores = linear(g, "classifier", pooled, c.hidden, c.classes, rank=2)
    g.output(scores, "scores", np.float32, ("batch", c.classes))


def _conv(
    g: Graph,
    name: str,
    x: str,
    n_in: int,
    n_out: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
) -> str:
    """Convolution over x [N, n_in, time]; padded to keep the length where it has no stride."""
    pad = dilation * (kernel // 2) if stride == 1 else 0
    with g.scope(name):
        std = 1 / math.sqrt(n_in // groups * kernel)
        weight = g.parameter("weight", (n_out, n_in // groups, kernel), std=std)
        biases = [g.parameter("bias", (n_out,), std=0.1)] if bias else []
        return g.op(
            "Conv",
            x,
            weight,
            *biases,
            kernel_shape=[kernel],
            strides=[stride],
            dilations=[dilation],
            group=groups,
            pads=[pad, pad],
        )


def audio_inputs(
    rng: np.random.Generator, c: AudioConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """A batch of noise."""
    shape = (dims["batch"], dims["samples"])
    return {"waveform": rng.standard_normal(shape, dtype=np.float32)}
