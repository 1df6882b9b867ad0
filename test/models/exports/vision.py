"""Networks on images, on images and text, and on sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..builder import Array
from .architecture import Architecture, Counts, Feeds
from .feeds import IMAGES, image_axes, images, tokens

_LAYERS = 2
_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
_PATCHED = {**_SIZES, "image_size": 24, "patch_size": 8}
_PRE_NORM = Counts(
    attention=_LAYERS, norms={"layer": 2 * _LAYERS + 1}, activations={"gelu_erf": _LAYERS}
)
_VIT = Architecture("vit", "ViTModel", _PATCHED, image_axes(24), IMAGES, images(24), _PRE_NORM)

_DEPTHS = (2, 2)
"""Blocks of each stage, of networks that have stages."""

_VOCABULARY = 97
_TOWER = {**_SIZES, "projection_dim": 16}


def _clip(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
    text = tokens(_VOCABULARY)(rng, {"batch": dims["texts"], "sequence": dims["sequence"]})
    return {**text, **images(24)(rng, {"batch": dims["images"]})}


def _features(rows: int, columns: int) -> Feeds:
    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        shape = (dims["batch"], rows, columns)
        return {"input_features": rng.standard_normal(shape, dtype=np.float32)}

    return draw


def _wave(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
    shape = (dims["batch"], dims["samples"])
    return {"input_values": rng.standard_normal(shape, dtype=np.float32)}


VISION: tuple[Architecture, ...] = (
    _VIT,
    Architecture(
        "swin",
        "SwinModel",
        {
            "image_size": 32,
            "patch_size": 4,
            "embed_dim": 16,
            "depths": list(_DEPTHS),
            "num_heads": [2, 4],
            "window_size": 4,
        },
        image_axes(32),
        IMAGES,
        images(32),
        Counts(
            attention=sum(_DEPTHS),
            # Two in a block; after the patches, between stages, at the end.
            norms={"layer": 2 * sum(_DEPTHS) + 1 + (len(_DEPTHS) - 1) + 1},
            activations={"gelu_erf": sum(_DEPTHS)},
        ),
    ),
    Architecture(
        "convnext",
        "ConvNextModel",
        {"hidden_sizes": [8, 16], "depths": list(_DEPTHS), "num_stages": 2, "image_size": 32},
        image_axes(32),
        IMAGES,
        images(32),
        Counts(
            # One in a block; after the stem and between stages.
            norms={"layer": sum(_DEPTHS) + 1 + (len(_DEPTHS) - 1)},
            activations={"gelu_erf": sum(_DEPTHS)},
        ),
    ),
    Architecture(
        "resnet",
        "ResNetModel",
        {
            "embedding_size": 8,
            "hidden_sizes": [8, 16],
            "depths": list(_DEPTHS),
            "layer_type": "basic",
        },
        image_axes(32),
        IMAGES,
        images(32),
        # Two convolutions in a block, the stem, and the shortcut of the second stage.
        Counts(
            norms={"batch": 2 * sum(_DEPTHS) + 1 + 1},
            activations={"relu": 2 * sum(_DEPTHS) + 1},
        ),
    ),
    Architecture(
        "clip",
        "CLIPModel",
        {
            "text_config": {
                **_TOWER,
                "vocab_size": _VOCABULARY,
                "max_position_embeddings": 64,
                "eos_token_id": 2,
            },
            "vision_config": {**_TOWER, "image_size": 24, "patch_size": 8},
            "projection_dim": 16,
        },
        {
            "input_ids": ("texts", "sequence"),
            "attention_mask": ("texts", "sequence"),
            "pixel_values": ("images", 3, 24, 24),
        },
        {"texts": 3, "sequence": 9, "images": 2},
        _clip,
        Counts(
            attention=2 * _LAYERS,
            norms={"layer": (2 * _LAYERS + 1) + (2 * _LAYERS + 2)},
            # "Quick GELU": x sigmoid(1.702 x).
            activations={"swish": 2 * _LAYERS},
            # Tokens and positions of the text; the image's positions are as many as its table.
            embeddings=2,
        ),
        output="logits_per_text",
    ),
    Architecture(
        "whisper-encoder",
        "WhisperModel",
        {
            "vocab_size": _VOCABULARY,
            "d_model": 32,
            "encoder_layers": _LAYERS,
            "decoder_layers": 1,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "num_mel_bins": 8,
            "max_source_positions": 15,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        {"input_features": ("batch", 8, 30)},
        {"batch": 2},
        _features(8, 30),
        # The two convolutions of the stem are activated too.
        replace(_PRE_NORM, activations={"gelu_erf": _LAYERS + 2}),
        part="encoder",
    ),
    replace(
        _VIT,
        name="dinov2",
        model="Dinov2Model",
        config={k: v for k, v in _PATCHED.items() if k != "intermediate_size"},
        held_out=True,
    ),
    replace(
        _VIT,
        name="siglip-vision",
        model="SiglipVisionModel",
        counts=Counts(
            # The pooling head is an attention, a norm and an MLP of its own.
            attention=_LAYERS + 1,
            norms={"layer": 2 * _LAYERS + 2},
            activations={"gelu_tanh": _LAYERS + 1},
        ),
        output="pooler_output",
        held_out=True,
    ),
    Architecture(
        "segformer",
        "SegformerModel",
        {
            "num_encoder_blocks": 2,
            "depths": list(_DEPTHS),
            "sr_ratios": [2, 1],
            "hidden_sizes": [8, 16],
            "patch_sizes": [7, 3],
            "strides": [4, 2],
            "num_attention_heads": [1, 2],
            "mlp_ratios": [2, 2],
        },
        image_axes(32),
        IMAGES,
        images(32),
        Counts(
            attention=sum(_DEPTHS),
            # Two in a block, one more where keys are reduced; each stage's patches and its end.
            norms={"layer": 2 * sum(_DEPTHS) + _DEPTHS[0] + 2 * len(_DEPTHS)},
            activations={"gelu_erf": sum(_DEPTHS)},
        ),
        held_out=True,
    ),
    Architecture(
        "wav2vec2",
        "Wav2Vec2Model",
        {
            **_SIZES,
            "conv_dim": [16, 16],
            "conv_stride": [5, 2],
            "conv_kernel": [10, 3],
            "num_conv_pos_embeddings": 4,
            "num_conv_pos_embedding_groups": 2,
        },
        {"input_values": ("batch", "samples")},
        {"batch": 2, "samples": 231},
        _wave,
        Counts(
            attention=_LAYERS,
            # A group per channel after the first convolution; features, sum, two in a layer.
            norms={"instance": 1, "layer": 2 * _LAYERS + 2},
            # Two convolutions, the positional one, one in a layer.
            activations={"gelu_erf": 2 + 1 + _LAYERS},
        ),
        held_out=True,
    ),
)
"""Networks on images, on images and text, and on sound."""
