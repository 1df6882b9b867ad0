"""BERT-like encoders: post-norm transformer over tokens, with a pooled and a per-token output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Graph
from .layers import (
    embedding,
    gelu,
    layer_norm,
    linear,
    merge_heads,
    padding_mask,
    scaled_attention,
    split_heads,
)


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of a BERT-like encoder."""

    layers: int = 2
    hidden: int = 32
    heads: int = 4
    mlp: int = 64
    vocab: int = 97
    positions: int = 64
    token_types: int = 2


def build_encoder(g: Graph, c: EncoderConfig) -> None:
    """Writes the graph.

    Token ids, mask and token types [B, S] -> last_hidden_state [B, S, H], pooler_output [B, H].
    """
    ids = g.input("input_ids", np.int64, ("batch", "sequence"))
    mask = g.input("attention_mask", np.int64, ("batch", "sequence"))
    types = g.input("token_type_ids", np.int64, ("batch", "sequence"))
    with g.scope("embeddings"):
        tokens = embedding(g, "word_embeddings", ids, c.vocab, c.hidden)
        kinds = embedding(g, "token_type_embeddings", types, c.token_types, c.hidden, std=0.3)
        table = np.arange(c.positions, dtype=np.int64)[None]
        positions = g.slice(g.stored("position_ids", table), 0, g.extent(ids, 1, "sequence"), 1)
        places = embedding(g, "position_embeddings", positions, c.positions, c.hidden, std=0.3)
        x = g.op("Add", g.op("Add", tokens, kinds), places)
        x = layer_norm(g, "LayerNorm", x, c.hidden, epsilon=1e-12)
    batch, sequence = g.extent(ids, 0, "batch"), g.extent(ids, 1, "sequence")
    bias = padding_mask(g, mask, batch, sequence, sequence)
    with g.scope("encoder"):
        for index in range(c.layers):
            with g.scope(f"layer.{index}"):
                x = _layer(g, c, x, bias)
    with g.scope("pooler"):
        first = g.op("Gather", x, g.literal(0), axis=1)
        pooled = linear(g, "dense", first, c.hidden, c.hidden, rank=2)
        pooled = g.op("Tanh", pooled)
    g.output(x, "last_hidden_state", np.float32, ("batch", "sequence", c.hidden))
    g.output(pooled, "pooler_output", np.float32, ("batch", c.hidden))


def _layer(g: Graph, c: EncoderConfig, x: str, bias: str) -> str:
    with g.scope("attention"):
        with g.scope("self"):
            context = _attention(g, c, x, bias)
        with g.scope("output"):
            projected = linear(g, "dense", context, c.hidden, c.hidden)
            x = layer_norm(g, "LayerNorm", g.op("Add", projected, x), c.hidden, epsilon=1e-12)
    with g.scope("intermediate"):
        inner = linear(g, "dense", x, c.hidden, c.mlp)
        inner = gelu(g, "intermediate_act_fn", inner)
    with g.scope("output"):
        projected = linear(g, "dense", inner, c.mlp, c.hidden)
        return layer_norm(g, "LayerNorm", g.op("Add", projected, x), c.hidden, epsilon=1e-12)


def _attention(g: Graph, c: EncoderConfig, x: str, bias: str) -> str:
    q, k, v = (linear(g, name, x, c.hidden, c.hidden) for name in ("query", "key", "value"))
    if g.has("Attention"):
        return g.op("Attention", q, k, v, bias, q_num_heads=c.heads, kv_num_heads=c.heads)
    width = c.hidden // c.heads
    q, k, v = (_split(g, c, part) for part in (q, k, v))
    context = scaled_attention(g, q, k, v, width, mask=bias)
    batch, sequence = g.extent(x, 0, "batch"), g.extent(x, 1, "sequence")
    return merge_heads(g, context, c.heads, width, batch, sequence)


def _split(g: Graph, c: EncoderConfig, x: str) -> str:
    batch, sequence = g.extent(x, 0, "batch"), g.extent(x, 1, "sequence")
    return split_heads(g, x, c.heads, c.hidden // c.heads, batch, sequence)


def encoder_inputs(
    rng: np.random.Generator, c: EncoderConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random tokens; each row is padded on the right from a random length on."""
    batch, sequence = dims["batch"], dims["sequence"]
    lengths = rng.integers(1, sequence + 1, (batch, 1))
    mask = (np.arange(sequence)[None] < lengths).astype(np.int64)
    second = rng.integers(0, sequence + 1, (batch, 1))
    types = (np.arange(sequence)[None] >= second).astype(np.int64) * (c.token_types - 1)
    ids = rng.integers(0, c.vocab, (batch, sequence), dtype=np.int64)
    return {"input_ids": ids * mask, "attention_mask": mask, "token_type_ids": types}
