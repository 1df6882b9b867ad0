"""Decoder-only language models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..builder import Array
from .architecture import Architecture, Axes, Counts, Feeds
from .feeds import TOKEN_AXES, TOKENS, tokens

_LAYERS = 2
_VOCABULARY = 97
_SIZES = {
    "vocab_size": _VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2, "intermediate_size": 80, "head_dim": 8}
_NO_CACHE = {"use_cache": False}

_SWIGLU = Counts(
    attention=_LAYERS,
    norms={"rms": 2 * _LAYERS + 1},
    activations={"swish": _LAYERS},
    glu=_LAYERS,
    rope=2 * _LAYERS,
    embeddings=1,
)
"""Llama and its kin."""

_KEY_VALUE_HEADS = 2
_HEAD = 8
_CACHED_AXES: Axes = {
    "input_ids": ("batch", "sequence"),
    "attention_mask": ("batch", "total_sequence"),
    "position_ids": ("batch", "sequence"),
    **{
        f"past_key_values.{i}.{kind}": ("batch", _KEY_VALUE_HEADS, "past_sequence", _HEAD)
        for i in range(_LAYERS)
        for kind in ("key", "value")
    },
}


def _cached(vocabulary: int) -> Feeds:
    """New tokens after a cache whose head is padding."""

    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        batch, queries, past = dims["batch"], dims["sequence"], dims["past_sequence"]
        padding = rng.integers(0, past // 2 + 1, (batch, 1))
        mask = (np.arange(past + queries)[None] >= padding).astype(np.int64)
        feeds: dict[str, Array] = {
            "input_ids": rng.integers(3, vocabulary, (batch, queries), dtype=np.int64),
            "attention_mask": mask,
            "position_ids": np.cumsum(mask, axis=1)[:, -queries:] - 1,
        }
        for i in range(_LAYERS):
            for kind in ("key", "value"):
                shape = (batch, _KEY_VALUE_HEADS, past, _HEAD)
                feeds[f"past_key_values.{i}.{kind}"] = rng.standard_normal(shape, np.float32)
        return feeds

    return draw


_LLAMA = Architecture(
    "llama",
    "LlamaModel",
    _GROUPED,
    TOKEN_AXES,
    TOKENS,
    tokens(_VOCABULARY),
    _SWIGLU,
    call=_NO_CACHE,
)

DECODERS: tuple[Architecture, ...] = (
    Architecture(
        "gpt2",
        "GPT2Model",
        {
            "vocab_size": _VOCABULARY,
            "n_embd": 32,
            "n_layer": _LAYERS,
            "n_head": 4,
            "n_positions": 64,
        },
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            norms={"layer": 2 * _LAYERS + 1},
            activations={"gelu_tanh": _LAYERS},
            embeddings=2,
        ),
        call=_NO_CACHE,
    ),
    _LLAMA,
    replace(
        _LLAMA,
        name="llama-decode",
        axes=_CACHED_AXES,
        dims={"batch": 2, "sequence": 3, "past_sequence": 5},
        feeds=_cached(_VOCABULARY),
        call={"use_cache": True},
        cached=_LAYERS,
    ),
    replace(_LLAMA, name="mistral", model="MistralModel", config={**_GROUPED, "sliding_window": 6}),
    replace(
        _LLAMA,
        name="qwen3",
        model="Qwen3Model",
        # Queries and keys are normalised too.
        counts=replace(_SWIGLU, norms={"rms": 4 * _LAYERS + 1}),
    ),
    replace(
        _LLAMA,
        name="gemma2",
        model="Gemma2Model",
        config={**_GROUPED, "query_pre_attn_scalar": 8, "sliding_window": 6},
        counts=replace(
            _SWIGLU,
            norms={"rms": 4 * _LAYERS + 1},
            activations={"gelu_tanh": _LAYERS},
        ),
    ),
    Architecture(
        "gpt-neox",
        "GPTNeoXModel",
        {**_SIZES, "intermediate_size": 64, "rotary_pct": 0.5},
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            norms={"layer": 2 * _LAYERS + 1},
            activations={"gelu_erf": _LAYERS},
            rope=2 * _LAYERS,
            embeddings=1,
        ),
        call=_NO_CACHE,
    ),
    Architecture(
        "bloom",
        "BloomModel",
        {"vocab_size": _VOCABULARY, "hidden_size": 32, "n_layer": _LAYERS, "n_head": 4},
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            # The last norm, and one after the embedding.
            norms={"layer": 2 * _LAYERS + 2},
            activations={"gelu_tanh": _LAYERS},
            embeddings=1,
        ),
        call=_NO_CACHE,
    ),
    replace(
        _LLAMA,
        name="olmo2",
        model="Olmo2Model",
        config={k: v for k, v in _GROUPED.items() if k != "head_dim"},
        counts=replace(_SWIGLU, norms={"rms": 4 * _LAYERS + 1}),
        held_out=True,
    ),
    Architecture(
        "opt",
        "OPTModel",
        {**_SIZES, "ffn_dim": 64, "word_embed_proj_dim": 32},
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            norms={"layer": 2 * _LAYERS + 1},
            activations={"relu": _LAYERS},
            embeddings=2,
        ),
        call=_NO_CACHE,
        held_out=True,
    ),
    Architecture(
        "phi",
        "PhiModel",
        {**_SIZES, "intermediate_size": 64, "partial_rotary_factor": 0.5},
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            # Attention and MLP share one norm.
            norms={"layer": _LAYERS + 1},
            activations={"gelu_tanh": _LAYERS},
            rope=2 * _LAYERS,
            embeddings=1,
        ),
        call=_NO_CACHE,
        held_out=True,
    ),
    Architecture(
        "falcon",
        "FalconModel",
        {
            **_SIZES,
            "multi_query": True,
            "parallel_attn": True,
            "new_decoder_architecture": False,
            "alibi": False,
            "bias": False,
        },
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        Counts(
            attention=_LAYERS,
            norms={"layer": _LAYERS + 1},
            activations={"gelu_erf": _LAYERS},
            rope=2 * _LAYERS,
            embeddings=1,
        ),
        call=_NO_CACHE,
        held_out=True,
    ),
)
"""Decoder-only language models."""
