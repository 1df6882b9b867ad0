"""Llama-like decoders: rotary positions, RMS norm, grouped-query attention, SwiGLU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .builder import Array, Extent, Graph
from .gpt2 import cache_inputs, past_inputs, present_outputs
from .layers import (
    additive_mask,
    embedding,
    linear,
    merge_heads,
    rms_norm,
    scaled_attention,
    split_heads,
    swish,
)

_TO_THE_END = 2**63 - 1


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a Llama-like decoder; ``cache`` adds the key/value cache's inputs and outputs."""

    layers: int = 2
    hidden: int = 32
    heads: int = 4
    kv_heads: int = 2
    mlp: int = 80
    vocab: int = 103
    positions: int = 64
    theta: float = 10000.0
    cache: bool = False

    @property
    def width(self) -> int:
        """Width of a head."""
        return self.hidden // self.heads

    @property
    def frequencies(self) -> Array:
        """Rotation of each pair of channels per position, in radians: float32 [width / 2]."""
        exponents = np.arange(0, self.width, 2) / self.width
        return (self.theta**-exponents).astype(np.float32)


def build_llama(g: Graph, c: LlamaConfig) -> None:
    """Writes the graph.

    Token ids [B, S] and attention_mask [B, P + S] -> logits [B, S, vocab]. With a cache of P
    tokens also position_ids [B, S] and past_key_values.N.key and .value [B, kv_heads, P, width],
    and present.N.key and .value [B, kv_heads, P + S, width] come out.
    """
    ids = g.input("input_ids", np.int64, ("batch", "sequence"))
    total = "total_sequence" if c.cache else "sequence"
    mask = g.input("attention_mask", np.int64, ("batch", total))
    past: list[tuple[str, str]] = []
    positions = ""
    if c.cache:
        positions = g.input("position_ids", np.int64, ("batch", "sequence"))
        past = past_inputs(g, c.layers, c.kv_heads, c.width)
    present: list[tuple[str, str]] = []
    with g.scope("model"):
        batch, queries = g.extent(ids, 0, "batch"), g.extent(ids, 1, "sequence")
        before: Extent = g.extent(past[0][0], 2, "past_sequence") if c.cache else 0
        keys = g.add_extents(before, queries) if c.cache else queries
        x = embedding(g, "embed_tokens", ids, c.vocab, c.hidden)
        order = g.op("Range", g.scalar(before), g.scalar(keys), g.literal(1))
        visible = _visible(g, mask, order, keys)
        if not positions:
            positions = g.unsqueeze(order, 0)
            if g.has("RotaryEmbedding"):
                positions = g.op("Expand", positions, g.shape([batch, queries]))
        rotation = _rotation(g, c, positions)
        bias = additive_mask(g, visible) if g.traced else visible
        for index in range(c.layers):
            with g.scope("layers", f"layers.{index}"):
                cached = past[index] if c.cache else ("", "")
                x = _block(g, c, x, bias, rotation, cached, present)
        x = rms_norm(g, "norm", x, c.hidden)
    logits = linear(g, "lm_head", x, c.hidden, c.vocab, bias=False)
    g.output(logits, "logits", np.float32, ("batch", "sequence", c.vocab))
    if c.cache:
        present_outputs(g, present, c.kv_heads, c.width)


def _visible(g: Graph, mask: str, order: str, keys: Extent) -> str:
    """Bool [B, 1, S, T]: keys that are not padding and not in the future of the query.

    Args:
        g: Graph to write to.
        mask: int64 [B, T].
        order: int64 [S], index of each query among the keys.
        keys: T.
    """
    columns = g.unsqueeze(g.op("Range", g.literal(0), g.scalar(keys), g.literal(1)), 0)
    causal = g.op("LessOrEqual", columns, g.unsqueeze(order, 1))
    return g.op("And", causal, g.cast(g.unsqueeze(mask, 1, 2), np.bool_))


def _rotation(g: Graph, c: LlamaConfig, positions: str) -> tuple[str, ...]:
    """What `_rotate` needs: cos and sin [B, 1, S, width], or tables and positions."""
    with g.scope("rotary_emb"):
        if g.has("RotaryEmbedding"):
            angles = np.arange(c.positions, dtype=np.float32)[:, None] * c.frequencies
            cos = g.stored("cos_cached", np.cos(angles))
            return cos, g.stored("sin_cached", np.sin(angles)), positions
        if g.traced:
            rows = g.cast(g.unsqueeze(positions, 1), np.float32)
            angles_t = g.op("MatMul", g.literal(c.frequencies[None, :, None]), rows)
            half = g.transpose(angles_t, 0, 2, 1)
        else:
            # A product with an inner extent of 1 is captured as a product of elements.
            columns = g.cast(g.unsqueeze(positions, 2), np.float32)
            half = g.op("Mul", columns, g.stored("inv_freq", c.frequencies))
        angles_full = g.op("Concat", half, half, axis=-1)
        return tuple(g.unsqueeze(g.op(function, angles_full), 1) for function in ("Cos", "Sin"))


def _rotate(g: Graph, c: LlamaConfig, x: str, rotation: tuple[str, ...]) -> str:
    """Rotary positions on x [B, H, S, width]; channel i pairs with channel i + width / 2."""
    if g.has("RotaryEmbedding"):
        return g.op("RotaryEmbedding", x, *rotation)
    cos, sin = rotation
    half = c.width // 2
    end = c.width if g.traced else _TO_THE_END
    first, second = g.slice(x, 0, half, 3), g.slice(x, half, end, 3)
    turned = g.op("Concat", g.op("Neg", second), first, axis=-1)
    return g.op("Add", g.op("Mul", x, cos), g.op("Mul", turned, sin))


def _block(
    g: Graph,
    c: LlamaConfig,
    x: str,
    bias: str,
    rotation: tuple[str, ...],
    past: tuple[str, str],
    present: list[tuple[str, str]],
) -> str:
    normal = rms_norm(g, "input_layernorm", x, c.hidden)
    with g.scope("self_attn"):
        batch, sequence = g.extent(normal, 0, "batch"), g.extent(normal, 1, "sequence")
        heads = {"q_proj": c.heads, "k_proj": c.kv_heads, "v_proj": c.kv_heads}
        q, k, v = (
            split_heads(
                g,
                linear(g, name, normal, c.hidden, count * c.width, bias=False),
                count,
                c.width,
                batch,
                sequence,
            )
            for name, count in heads.items()
        )
        q, k = _rotate(g, c, q, rotation), _rotate(g, c, k, rotation)
        if g.has("Attention"):
            outputs = g.ops("Attention", 3 if c.cache else 1, q, k, v, bias, *filter(None, past))
            context = outputs[0]
            if c.cache:
                present.append((outputs[1], outputs[2]))
        else:
            if c.cache:
                k, v = g.op("Concat", past[0], k, axis=2), g.op("Concat", past[1], v, axis=2)
                present.append((k, v))
            k, v = _repeat_heads(g, c, k, batch), _repeat_heads(g, c, v, batch)
            context = scaled_attention(g, q, k, v, c.width, mask=bias)
        context = merge_heads(g, context, c.heads, c.width, batch, sequence)
        x = g.op("Add", x, linear(g, "o_proj", context, c.hidden, c.hidden, bias=False))
    normal = rms_norm(g, "post_attention_layernorm", x, c.hidden)
    with g.scope("mlp"):
        gate = swish(g, "act_fn", linear(g, "gate_proj", normal, c.hidden, c.mlp, bias=False))
        up = linear(g, "up_proj", normal, c.hidden, c.mlp, bias=False)
        inner = g.op("Mul", gate, up)
        return g.op("Add", x, linear(g, "down_proj", inner, c.mlp, c.hidden, bias=False))


def _repeat_heads(g: Graph, c: LlamaConfig, x: str, batch: Extent) -> str:
    """[B, kv_heads, T, width] -> [B, heads, T, width], each head ``heads / kv_heads`` times."""
    keys = g.extent(x, 2, "total_sequence" if c.cache else "sequence")
    repeats = c.heads // c.kv_heads
    shape = g.shape([batch, c.kv_heads, repeats, keys, c.width])
    expanded = g.op("Expand", g.unsqueeze(x, 2), shape)
    return g.reshape(expanded, [batch, c.heads, keys, c.width])


def llama_inputs(
    rng: np.random.Generator, c: LlamaConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random tokens; padded on the right without a cache, on the left within the cache with one."""
    batch, sequence = dims["batch"], dims["sequence"]
    ids = rng.integers(0, c.vocab, (batch, sequence), dtype=np.int64)
    if not c.cache:
        lengths = rng.integers(1, sequence + 1, (batch, 1))
        mask = (np.arange(sequence)[None] < lengths).astype(np.int64)
        return {"input_ids": ids * mask, "attention_mask": mask}
    cache = cache_inputs(rng, dims, c.layers, c.kv_heads, c.width)
    positions = np.cumsum(cache["attention_mask"], axis=1)[:, -sequence:] - 1
    return {"input_ids": ids, "position_ids": positions, **cache}
