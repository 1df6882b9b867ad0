"""Text encoders and encoder-decoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..builder import Array
from .architecture import Architecture, Axes, Counts, Feeds
from .feeds import TOKEN_AXES, TOKENS, tokens, typed_tokens

_LAYERS = 2
_VOCABULARY = 97
_SIZES = {
    "vocab_size": _VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
_TYPED_AXES: Axes = {**TOKEN_AXES, "token_type_ids": ("batch", "sequence")}

_POST_NORM = Counts(
    attention=_LAYERS,
    norms={"layer": 2 * _LAYERS + 1},
    activations={"gelu_erf": _LAYERS},
    embeddings=3,
)
"""BERT and its kin: two norms in a layer, one after the sum of three embeddings."""

_PAIR_AXES: Axes = {**TOKEN_AXES, "decoder_input_ids": ("batch", "target")}
_PAIR = {**TOKENS, "target": 5}


def _pairs(vocabulary: int) -> Feeds:
    """A padded source and an unpadded target."""

    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        shape = (dims["batch"], dims["target"])
        target = rng.integers(3, vocabulary, shape, dtype=np.int64)
        return {**tokens(vocabulary)(rng, dims), "decoder_input_ids": target}

    return draw


_BERT = Architecture(
    "bert", "BertModel", _SIZES, _TYPED_AXES, TOKENS, typed_tokens(_VOCABULARY), _POST_NORM
)

TEXT: tuple[Architecture, ...] = (
    _BERT,
    replace(_BERT, name="roberta", model="RobertaModel"),
    replace(
        _BERT,
        name="electra",
        model="ElectraModel",
        config={**_SIZES, "embedding_size": 16},
    ),
    Architecture(
        "distilbert",
        "DistilBertModel",
        {
            "vocab_size": _VOCABULARY,
            "dim": 32,
            "n_layers": _LAYERS,
            "n_heads": 4,
            "hidden_dim": 64,
            "max_position_embeddings": 64,
        },
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        replace(_POST_NORM, embeddings=2),
    ),
    Architecture(
        "t5",
        "T5Model",
        {
            "vocab_size": _VOCABULARY,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 64,
            "num_layers": _LAYERS,
            "num_heads": 4,
            "feed_forward_proj": "gated-gelu",
        },
        _PAIR_AXES,
        _PAIR,
        _pairs(_VOCABULARY),
        Counts(
            attention=3 * _LAYERS,
            norms={"rms": 5 * _LAYERS + 2},
            activations={"gelu_tanh": 2 * _LAYERS},
            glu=2 * _LAYERS,
            # Source and target tokens, and each stack's relative positions.
            embeddings=4,
        ),
        call={"use_cache": False},
    ),
    replace(
        _BERT,
        name="albert",
        model="AlbertModel",
        config={**_SIZES, "embedding_size": 16, "hidden_act": "gelu_new"},
        counts=replace(_POST_NORM, activations={"gelu_tanh": _LAYERS}),
        held_out=True,
    ),
    Architecture(
        "deberta-v2",
        "DebertaV2Model",
        {
            **_SIZES,
            "relative_attention": True,
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
        TOKEN_AXES,
        TOKENS,
        tokens(_VOCABULARY),
        # The table of relative positions is normalised too, but that follows from weights alone.
        replace(_POST_NORM, embeddings=1),
        held_out=True,
    ),
    Architecture(
        "bart",
        "BartModel",
        {
            "vocab_size": _VOCABULARY,
            "d_model": 32,
            "encoder_layers": _LAYERS,
            "decoder_layers": _LAYERS,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "max_position_embeddings": 64,
        },
        _PAIR_AXES,
        _PAIR,
        _pairs(_VOCABULARY),
        Counts(
            attention=3 * _LAYERS,
            norms={"layer": 5 * _LAYERS + 2},
            activations={"gelu_erf": 2 * _LAYERS},
            # Tokens and positions, of source and target.
            embeddings=4,
        ),
        call={"use_cache": False},
        held_out=True,
    ),
)
"""Text encoders and encoder-decoders."""
