"""GPT-2-like decoders: learned positions, pre-norm, one projection for Q, K and V, tanh-GELU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Extent, Graph
from .layers import (
    additive_mask,
    embedding,
    gelu_tanh,
    layer_norm,
    merge_heads,
    scaled_attention,
    split_heads,
)


@dataclass(frozen=True)
class Gpt2Config:
    """Sizes of a GPT-2-like decoder; ``cache`` adds the key/value cache's inputs and outputs."""

    layers: int = 2
    hidden: int = 32
    heads: int = 4
    vocab: int = 101
    positions: int = 64
    cache: bool = False


def build_gpt2(g: Graph, c: Gpt2Config) -> None:
    """Token ids [B, S] -> logits [B, S, vocab].

    With a cache of P tokens it also takes attention_mask [B, P + S] and past_key_values.N.key and
    .value [B, H, P, D], and returns present.N.key and .value [B, H, P + S, D].
    """
    ids = g.input("input_ids", np.int64, ("batch", "sequence"))
    mask, past = "", []
    # Small embeddings, so that the logits, their products with normalized tokens, stay O(1).
    std = 1 / math.sqrt(c.hidden)
    if c.cache:
        mask = g.input("attention_mask", np.int64, ("batch", "total_sequence"))
        past = past_inputs(g, c.layers, c.heads, c.hidden // c.heads)
    with g.scope("transformer"):
        queries = g.extent(ids, 1, "sequence")
        before: Extent = g.extent(past[0][0], 2, "past_sequence") if c.cache else 0
        keys = g.add_extents(before, queries) if c.cache else queries
        positions = g.op("Range", g.scalar(before), g.scalar(keys), g.literal(1))
        places = embedding(
            g, "wpe", g.unsqueeze(positions, 0), c.positions, c.hidden, std=0.3 * std
        )
        x = g.op("Add", embedding(g, "wte", ids, c.vocab, c.hidden, std=std), places)
        visible = _visible(g, c, mask, before, keys)
        present: list[tuple[str, str]] = []
        for index in range(c.layers):
            with g.scope(f"h.{index}"):
                cached = past[index] if c.cache else ("", "")
                x = _block(g, c, x, visible, cached, present)
        x = layer_norm(g, "ln_f", x, c.hidden)
    # The output embedding is the input embedding; folded, it is stored a second time.
    with g.scope("transformer", "wte"):
        if g.folds:
            head = g.folded("MatMul", g.draw("weight", (c.vocab, c.hidden), std=std).T)
        else:
            head = g.transpose(g.parameter("weight", (c.vocab, c.hidden), std=std), 1, 0)
    with g.scope("lm_head"):
        logits = g.op("MatMul", x, head)
    g.output(logits, "logits", np.float32, ("batch", "sequence", c.vocab))
    if c.cache:
        present_outputs(g, present, c.heads, c.hidden // c.heads)


def past_inputs(g: Graph, layers: int, heads: int, width: int) -> list[tuple[str, str]]:
    """Declares the cached keys and values of every layer, [B, heads, P, width] each."""
    shape = ("batch", heads, "past_sequence", width)
    return [
        (
            g.input(f"past_key_values.{index}.key", np.float32, shape),
            g.input(f"past_key_values.{index}.value", np.float32, shape),
        )
        for index in range(layers)
    ]


def present_outputs(g: Graph, present: list[tuple[str, str]], heads: int, width: int) -> None:
    """Declares the extended keys and values of every layer, [B, heads, P + S, width] each."""
    shape = ("batch", heads, "total_sequence", width)
    for index, (key, value) in enumerate(present):
        g.output(key, f"present.{index}.key", np.float32, shape)
        g.output(value, f"present.{index}.value", np.float32, shape)


def _visible(g: Graph, c: Gpt2Config, mask: str, before: Extent, keys: Extent) -> str:
    """Bool mask of what each token may look at, or '' where the Attention op's flag says it.

    [1, 1, S, T] without a cache, [B, 1, S, T] with one.
    """
    if g.has("Attention") and not c.cache:
        return ""
    # The framework's buffer of [positions, positions], of which one window is cut.
    triangle = g.stored("bias", np.tri(c.positions, dtype=np.bool_)[None, None])
    window = g.slice(g.slice(triangle, before, keys, 2), 0, keys, 3)
    if not c.cache:
        return window
    return g.op("And", window, g.cast(g.unsqueeze(mask, 1, 2), np.bool_))


def _block(
    g: Graph,
    c: Gpt2Config,
    x: str,
    visible: str,
    past: tuple[str, str],
    present: list[tuple[str, str]],
) -> str:
    normal = layer_norm(g, "ln_1", x, c.hidden)
    with g.scope("attn"):
        batch, sequence = g.extent(normal, 0, "batch"), g.extent(normal, 1, "sequence")
        qkv = _projection(g, "c_attn", normal, c.hidden, 3 * c.hidden)
        split = g.literal([c.hidden] * 3)
        width = c.hidden // c.heads
        q, k, v = (
            split_heads(g, part, c.heads, width, batch, sequence)
            for part in g.ops("Split", 3, qkv, split, axis=2)
        )
        if not g.has("Attention"):
            context = _spelled_out_attention(g, c, (q, k, v), visible, past, present)
        elif c.cache:
            context, key, value = g.ops("Attention", 3, q, k, v, visible, *past)
            present.append((key, value))
        else:
            context = g.op("Attention", q, k, v, is_causal=1)
        context = merge_heads(g, context, c.heads, width, batch, sequence)
        x = g.op("Add", _projection(g, "c_proj", context, c.hidden, c.hidden), x)
    normal = layer_norm(g, "ln_2", x, c.hidden)
    with g.scope("mlp"):
        inner = gelu_tanh(g, "act", _projection(g, "c_fc", normal, c.hidden, 4 * c.hidden))
        inner = _projection(g, "c_proj", inner, 4 * c.hidden, c.hidden)
    return g.op("Add", x, inner)


def _spelled_out_attention(
    g: Graph,
    c: Gpt2Config,
    qkv: tuple[str, str, str],
    visible: str,
    past: tuple[str, str],
    present: list[tuple[str, str]],
) -> str:
    q, k, v = qkv
    if c.cache:
        k, v = (g.op("Concat", old, new, axis=2) for old, new in zip(past, (k, v), strict=True))
        present.append((k, v))
    if not g.traced:
        return scaled_attention(g, q, k, v, c.hidden // c.heads, mask=visible)
    scores = g.op("MatMul", q, g.transpose(k, 0, 1, 3, 2))
    scores = g.op("Div", scores, g.literal(math.sqrt(c.hidden // c.heads)))
    if c.cache:
        scores = g.op("Add", scores, additive_mask(g, visible))
    else:
        scores = g.op("Where", visible, scores, g.literal(np.finfo(np.float32).min))
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), v)


def _projection(g: Graph, name: str, x: str, n_in: int, n_out: int) -> str:
    """GPT-2's "Conv1D": a Gemm on the flattened tokens, with its weight [n_in, n_out]."""
    with g.scope(name):
        batch, sequence = g.extent(x, 0, "batch"), g.extent(x, 1, "sequence")
        weight = g.parameter("weight", (n_in, n_out), std=1 / math.sqrt(n_in))
        bias = g.parameter("bias", (n_out,), std=0.1)
        flat = g.op("Gemm", g.reshape(x, [-1, n_in]), weight, bias)
        return g.reshape(flat, [batch, sequence, n_out])


def gpt2_inputs(
    rng: np.random.Generator, c: Gpt2Config, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random tokens and cache; the mask hides some cached tokens, never the newest ones."""
    batch, sequence = dims["batch"], dims["sequence"]
    ids = rng.integers(0, c.vocab, (batch, sequence), dtype=np.int64)
    if not c.cache:
        return {"input_ids": ids}
    cache = cache_inputs(rng, dims, c.layers, c.heads, c.hidden // c.heads)
    return {"input_ids": ids, **cache}


def cache_inputs(
    rng: np.random.Generator, dims: Mapping[str, int], layers: int, heads: int, width: int
) -> dict[str, Array]:
    """Random past_key_values.N.key and .value, and attention_mask [B, P + S].

    The mask pads on the left, within the cache.
    """
    batch, sequence, past = dims["batch"], dims["sequence"], dims["past_sequence"]
    padding = rng.integers(0, past // 2 + 1, (batch, 1))
    mask = (np.arange(past + sequence)[None] >= padding).astype(np.int64)
    feeds: dict[str, Array] = {"attention_mask": mask}
    for index in range(layers):
        for kind in ("key", "value"):
            values = rng.standard_normal((batch, heads, past, width), dtype=np.float32)
            feeds[f"past_key_values.{index}.{kind}"] = values
    return feeds
