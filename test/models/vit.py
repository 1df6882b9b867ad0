"""Vision transformers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Extent, Graph
from .layers import gelu, layer_norm, linear, merge_heads, scaled_attention


@dataclass(frozen=True)
class VitConfig:
    """Sizes of a vision transformer."""

    layers: int = 2
    hidden: int = 32
    heads: int = 4
    mlp: int = 64
    patch: int = 8
    image: int = 24
    classes: int = 10

    @property
    def patches(self) -> int:
        """Number of patches of an image."""
        return (self.image // self.patch) ** 2


def build_vit(g: Graph, c: VitConfig) -> None:
    """Image [N, 3, size, size] -> logits [N, classes]."""
    image = g.input("image", np.float32, ("batch", 3, c.image, c.image))
    batch = g.extent(image, 0, "batch")
    with g.scope("patch_embed"):
        x = patch_embedding(g, "proj", image, c.patch, c.hidden, batch)
    x = class_token(g, "cls_token", x, c.hidden, batch)
    x = g.op("Add", x, g.parameter("pos_embed", (1, c.patches + 1, c.hidden), std=0.3))
    for index in range(c.layers):
        with g.scope("blocks", f"blocks.{index}"):
            x = _block(g, c, x)
    x = layer_norm(g, "norm", x, c.hidden, epsilon=1e-6)
    first = g.op("Gather", x, g.literal(0), axis=1)
    logits = linear(g, "head", first, c.hidden, c.classes, rank=2)
    g.output(logits, "logits", np.float32, ("batch", c.classes))


def patch_embedding(
    g: Graph, name: str, image: str, patch: int, hidden: int, batch: Extent, *, bias: bool = True
) -> str:
    """Image [N, 3, H, W] -> tokens [N, patches, hidden], by a convolution of stride ``patch``."""
    with g.scope(name):
        std = 1 / math.sqrt(3 * patch * patch)
        weight = g.parameter("weight", (hidden, 3, patch, patch), std=std)
        biases = [g.parameter("bias", (hidden,), std=0.1)] if bias else []
        x = g.op("Conv", image, weight, *biases, kernel_shape=[patch] * 2, strides=[patch] * 2)
    if g.traced:
        # flatten(2) as traced: the leading extents of the shape, then -1.
        leading = g.slice(g.op("Shape", x), 0, 2, 0)
        x = g.op("Reshape", x, g.op("Concat", leading, g.literal([-1]), axis=0))
    else:
        x = g.reshape(x, [batch, hidden, -1])
    return g.transpose(x, 0, 2, 1)


def class_token(g: Graph, name: str, x: str, hidden: int, batch: Extent) -> str:
    """[N, P, hidden] -> [N, 1 + P, hidden] with a learned token in front."""
    token = g.parameter(name, (1, 1, hidden), std=1.0)
    return g.op("Concat", g.op("Expand", token, g.shape([batch, 1, hidden])), x, axis=1)


def _block(g: Graph, c: VitConfig, x: str) -> str:
    normal = layer_norm(g, "norm1", x, c.hidden, epsilon=1e-6)
    with g.scope("attn"):
        batch, tokens, width = g.extent(normal, 0, "batch"), c.patches + 1, c.hidden // c.heads
        qkv = linear(g, "qkv", normal, c.hidden, 3 * c.hidden)
        qkv = g.transpose(g.reshape(qkv, [batch, tokens, 3, c.heads, width]), 2, 0, 3, 1, 4)
        q, k, v = (g.op("Gather", qkv, g.literal(index), axis=0) for index in range(3))
        if g.has("Attention"):
            context = g.op("Attention", q, k, v, scale=1 / math.sqrt(width))
        else:
            context = scaled_attention(g, q, k, v, width)
        context = merge_heads(g, context, c.heads, width, batch, tokens)
        x = g.op("Add", x, linear(g, "proj", context, c.hidden, c.hidden))
    normal = layer_norm(g, "norm2", x, c.hidden, epsilon=1e-6)
    with g.scope("mlp"):
        inner = gelu(g, "act", linear(g, "fc1", normal, c.hidden, c.mlp))
        return g.op("Add", x, linear(g, "fc2", inner, c.mlp, c.hidden))


def vit_inputs(rng: np.random.Generator, c: VitConfig, dims: Mapping[str, int]) -> dict[str, Array]:
    """A batch of standard normal images."""
    shape = (dims["batch"], 3, c.image, c.image)
    return {"image": rng.standard_normal(shape, dtype=np.float32)}
