"""Two towers, CLIP-like: texts and images embedded in one space and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Extent, Graph
from .layers import (
    embedding,
    layer_norm,
    linear,
    merge_heads,
    scaled_attention,
    split_heads,
)
from .vit import class_token, patch_embedding


@dataclass(frozen=True)
class TowerConfig:
    """Sizes of one tower's transformer."""

    layers: int = 2
    hidden: int = 32
    heads: int = 4
    mlp: int = 64


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of a CLIP-like network."""

    text: TowerConfig = TowerConfig()
    vision: TowerConfig = TowerConfig(hidden=24, heads=3, mlp=48)
    joint: int = 16
    vocab: int = 89
    positions: int = 48
    patch: int = 8
    image: int = 16


def build_clip(g: Graph, c: ClipConfig) -> None:
    """Writes the graph.

    Token ids [T, S] and pixel_values [I, 3, size, size] -> logits_per_image [I, T], its transpose
    logits_per_text, and the unit vectors text_embeds [T, joint] and image_embeds [I, joint].
    """
    ids = g.input("input_ids", np.int64, ("texts", "sequence"))
    image = g.input("pixel_values", np.float32, ("images", 3, c.image, c.image))
    with g.scope("text_model"):
        text = _text_tower(g, c, ids)
    with g.scope("vision_model"):
        vision = _vision_tower(g, c, image)
    text = linear(g, "text_projection", text, c.text.hidden, c.joint, bias=False, rank=2)
    vision = linear(g, "visual_projection", vision, c.vision.hidden, c.joint, bias=False, rank=2)
    text, vision = _unit(g, text), _unit(g, vision)
    scale = g.op("Exp", g.stored("logit_scale", np.array(2.5, np.float32)))
    per_text = g.op("Mul", g.op("MatMul", text, g.transpose(vision, 1, 0)), scale)
    g.output(g.transpose(per_text, 1, 0), "logits_per_image", np.float32, ("images", "texts"))
    g.output(per_text, "logits_per_text", np.float32, ("texts", "images"))
    g.output(text, "text_embeds", np.float32, ("texts", c.joint))
    g.output(vision, "image_embeds", np.float32, ("images", c.joint))


def _unit(g: Graph, x: str) -> str:
    return g.op("Div", x, g.reduce("ReduceL2", x, -1))


def _text_tower(g: Graph, c: ClipConfig, ids: str) -> str:
    """The last token's state [T, hidden]; the last token is the one of the largest id."""
    batch, sequence = g.extent(ids, 0, "texts"), g.extent(ids, 1, "sequence")
    with g.scope("embeddings"):
        table = np.arange(c.positions, dtype=np.int64)[None]
        positions = g.slice(g.stored("position_ids", table), 0, sequence, 1)
        places = embedding(g, "position_embedding", positions, c.positions, c.text.hidden, std=0.3)
        tokens = embedding(g, "token_embedding", ids, c.vocab, c.text.hidden)
        x = g.op("Add", tokens, places)
    bias = ""
    if not g.has("Attention"):
        # The framework's buffer of [positions, positions], traced: 0 below the diagonal and -inf
        # above; captured: what may be seen.
        triangle = np.tri(c.positions, dtype=np.bool_)
        if g.traced:
            triangle = np.where(triangle, 0, -np.inf).astype(np.float32)
        window = g.slice(g.literal(triangle), 0, sequence, 0)
        bias = g.slice(window, 0, sequence, 1)
    x = _tower(g, c.text, x, batch, sequence, "texts", "sequence", bias, causal=True)
    x = layer_norm(g, "final_layer_norm", x, c.text.hidden)
    last = g.op("ArgMax", ids, axis=-1, keepdims=0)
    rows = g.op("Range", g.literal(0), g.scalar(batch), g.literal(1))
    where = g.op("Concat", g.unsqueeze(rows, 1), g.unsqueeze(last, 1), axis=-1)
    return g.op("GatherND", x, where)


def _vision_tower(g: Graph, c: ClipConfig, image: str) -> str:
    """The class token's state [I, hidden]."""
    batch, tokens = g.extent(image, 0, "images"), (c.image // c.patch) ** 2 + 1
    hidden = c.vision.hidden
    with g.scope("embeddings"):
        x = patch_embedding(g, "patch_embedding", image, c.patch, hidden, batch, bias=False)
        x = class_token(g, "class_embedding", x, hidden, batch)
        x = g.op("Add", x, g.parameter("position_embedding", (1, tokens, hidden), std=0.3))
    x = layer_norm(g, "pre_layrnorm", x, hidden)
    x = _tower(g, c.vision, x, batch, tokens, "images", "", "", causal=False)
    first = g.op("Gather", x, g.literal(0), axis=1)
    return layer_norm(g, "post_layernorm", first, hidden)


def _tower(
    g: Graph,
    c: TowerConfig,
    x: str,
    batch: Extent,
    tokens: Extent,
    batch_dim: str,
    token_dim: str,
    bias: str,
    *,
    causal: bool,
) -> str:
    """A pre-norm transformer on x [B, S, hidden]; ``token_dim`` is '' where S is a number."""
    for index in range(c.layers):
        with g.scope("encoder", f"layers.{index}"):
            normal = layer_norm(g, "layer_norm1", x, c.hidden)
            with g.scope("self_attn"):
                if g.traced:
                    batch = g.extent(normal, 0, batch_dim)
                    tokens = g.extent(normal, 1, token_dim) if token_dim else tokens
                context = _attention(g, c, normal, batch, tokens, bias, causal)
                x = g.op("Add", x, linear(g, "out_proj", context, c.hidden, c.hidden))
            normal = layer_norm(g, "layer_norm2", x, c.hidden)
            with g.scope("mlp"):
                inner = _quick_gelu(g, linear(g, "fc1", normal, c.hidden, c.mlp))
                x = g.op("Add", x, linear(g, "fc2", inner, c.mlp, c.hidden))
    return x


def _attention(
    g: Graph, c: TowerConfig, x: str, batch: Extent, tokens: Extent, bias: str, causal: bool
) -> str:
    width = c.hidden // c.heads
    q, k, v = (linear(g, f"{kind}_proj", x, c.hidden, c.hidden) for kind in "qkv")
    if g.has("Attention"):
        return g.op(
            "Attention",
            q,
            k,
            v,
            q_num_heads=c.heads,
            kv_num_heads=c.heads,
            is_causal=int(causal),
        )
    if not g.traced:
        q, k, v = (split_heads(g, part, c.heads, width, batch, tokens) for part in (q, k, v))
        context = scaled_attention(g, q, k, v, width, mask=bias)
        return merge_heads(g, context, c.heads, width, batch, tokens)
    # As the first releases wrote it: the query scaled beforehand, batch and heads in one axis.
    q = g.op("Mul", q, g.literal(1 / math.sqrt(width)))
    q, k, v = (
        g.reshape(split_heads(g, part, c.heads, width, batch, tokens), [-1, tokens, width])
        for part in (q, k, v)
    )
    scores = g.op("MatMul", q, g.transpose(k, 0, 2, 1))
    if bias:
        scores = g.reshape(scores, [batch, c.heads, tokens, tokens])
        scores = g.reshape(g.op("Add", scores, bias), [-1, tokens, tokens])
    context = g.op("MatMul", g.op("Softmax", scores, axis=-1), v)
    context = g.reshape(context, [batch, c.heads, tokens, width])
    return merge_heads(g, context, c.heads, width, batch, tokens)


def _quick_gelu(g: Graph, x: str) -> str:
    """``x sigmoid(1.702 x)``."""
    with g.scope("activation_fn"):
        if g.has("Swish"):
            return g.op("Swish", x, alpha=1.702)
        return g.op("Mul", x, g.op("Sigmoid", g.op("Mul", x, g.literal(1.702))))


def clip_inputs(
    rng: np.random.Generator, c: ClipConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random texts, each ended by the largest id and then zeros, and normal images."""
    texts, sequence = dims["texts"], dims["sequence"]
    ends = rng.integers(0, sequence, (texts, 1))
    columns = np.arange(sequence)[None]
    ids = rng.integers(1, c.vocab - 1, (texts, sequence), dtype=np.int64)
    ids = np.where(columns < ends, ids, np.where(columns == ends, c.vocab - 1, 0))
    shape = (dims["images"], 3, c.image, c.image)
    return {"input_ids": ids, "pixel_values": rng.standard_normal(shape, dtype=np.float32)}
