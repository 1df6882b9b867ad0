"""The catalog: every network with its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .audio import AudioConfig, audio_inputs, build_audio, frames
from .catalog import Network
from .cells import CellsConfig, build_cells, cells_inputs
from .clip import ClipConfig, build_clip, clip_inputs
from .convnet import (
    EfficientNetConfig,
    MobileNetConfig,
    ResNetConfig,
    build_efficientnet,
    build_mobilenet,
    build_resnet,
    image_inputs,
)
from .encoder import EncoderConfig, build_encoder, encoder_inputs
from .gpt2 import Gpt2Config, build_gpt2, gpt2_inputs
from .llama import LlamaConfig, build_llama, llama_inputs
from .recommender import DlrmConfig, build_dlrm, dlrm_inputs
from .tagger import TaggerConfig, build_tagger, tagger_inputs
from .unet import UnetConfig, build_unet, unet_inputs
from .vit import VitConfig, build_vit, vit_inputs


def _dims(**extents: int) -> Mapping[str, int]:
    return MappingProxyType(extents)


def _total(config: object, dims: Mapping[str, int]) -> Mapping[str, int]:
    """Keys seen by a decoder with a cache."""
    return {"total_sequence": dims["past_sequence"] + dims["sequence"]}


_BATCH = _dims(batch=3)
_IMAGE = _dims(batch=2, height=19, width=25)
_TOKENS = _dims(batch=2, sequence=7)
_CACHED = _dims(batch=2, sequence=3, past_sequence=5)

# Default extents are odd and the batch exceeds one on purpose: nothing may rely on round sizes.
CATALOG: tuple[Network, ...] = (
    Network("bert", "encoder", EncoderConfig(), _TOKENS, build_encoder, encoder_inputs),
    Network("gpt2", "decoder", Gpt2Config(), _TOKENS, build_gpt2, gpt2_inputs),
    Network(
        "gpt2-cache", "decoder", Gpt2Config(cache=True), _CACHED, build_gpt2, gpt2_inputs, _total
    ),
    Network("llama", "decoder", LlamaConfig(), _TOKENS, build_llama, llama_inputs),
    Network(
        "llama-cache",
        "decoder",
        LlamaConfig(cache=True),
        _CACHED,
        build_llama,
        llama_inputs,
        _total,
    ),
    Network("vit", "vision", VitConfig(), _BATCH, build_vit, vit_inputs),
    Network("resnet-basic", "vision", ResNetConfig(), _BATCH, build_resnet, image_inputs),
    Network(
        "resnet-bottleneck",
        "vision",
        ResNetConfig(bottleneck=True, widths=(4, 8)),
        _BATCH,
        build_resnet,
        image_inputs,
    ),
    Network(
        "resnext",
        "vision",
        ResNetConfig(bottleneck=True, widths=(8, 16), inner=2, groups=4),
        _BATCH,
        build_resnet,
        image_inputs,
    ),
    Network(
        "resnet-any-size",
        "vision",
        ResNetConfig(sized=False),
        _IMAGE,
        build_resnet,
        image_inputs,
    ),
    Network(
        "mobilenet-any-size",
        "vision",
        MobileNetConfig(sized=False),
        _IMAGE,
        build_mobilenet,
        image_inputs,
    ),
    Network("mobilenet", "vision", MobileNetConfig(), _BATCH, build_mobilenet, image_inputs),
    Network(
        "efficientnet", "vision", EfficientNetConfig(), _BATCH, build_efficientnet, image_inputs
    ),
    Network("unet", "vision", UnetConfig(), _BATCH, build_unet, unet_inputs),
    Network("dlrm", "recommender", DlrmConfig(), _dims(batch=5), build_dlrm, dlrm_inputs),
    Network("lstm-tagger", "recurrent", TaggerConfig(), _TOKENS, build_tagger, tagger_inputs),
    Network(
        "gru-tagger",
        "recurrent",
        TaggerConfig(cell="GRU", bidirectional=False),
        _TOKENS,
        build_tagger,
        tagger_inputs,
    ),
    Network("lstm-cells", "recurrent", CellsConfig(), _BATCH, build_cells, cells_inputs),
    Network("gru-cells", "recurrent", CellsConfig(cell="GRU"), _BATCH, build_cells, cells_inputs),
    Network(
        "clip",
        "multimodal",
        ClipConfig(),
        _dims(texts=3, sequence=7, images=2),
        build_clip,
        clip_inputs,
    ),
    Network(
        "audio",
        "audio",
        AudioConfig(),
        _dims(batch=2, samples=97),
        build_audio,
        audio_inputs,
        frames,
        {"samples": 45},
    ),
)

_GPT2 = Gpt2Config(layers=12, hidden=768, heads=12, vocab=50257, positions=1024)

REAL: tuple[Network, ...] = (
    Network(
        "bert-base",
        "encoder",
        EncoderConfig(layers=12, hidden=768, heads=12, mlp=3072, vocab=30522, positions=512),
        _dims(batch=1, sequence=128),
        build_encoder,
        encoder_inputs,
        real=True,
    ),
    Network(
        "gpt2-prefill",
        "decoder",
        _GPT2,
        _dims(batch=1, sequence=128),
        build_gpt2,
        gpt2_inputs,
        real=True,
    ),
    Network(
        "gpt2-decode",
        "decoder",
        Gpt2Config(layers=12, hidden=768, heads=12, vocab=50257, positions=1024, cache=True),
        _dims(batch=1, sequence=1, past_sequence=512),
        build_gpt2,
        gpt2_inputs,
        _total,
        real=True,
    ),
    Network(
        "vit-b16",
        "vision",
        VitConfig(12, 768, 12, 3072, 16, 224, 1000),
        _dims(batch=1),
        build_vit,
        vit_inputs,
        real=True,
    ),
    Network(
        "resnet50",
        "vision",
        ResNetConfig((3, 4, 6, 3), (64, 128, 256, 512), True, 1, 1, 64, 1000, 224),
        _dims(batch=1),
        build_resnet,
        image_inputs,
        real=True,
    ),
    Network(
        "resnext50",
        "vision",
        ResNetConfig((3, 4, 6, 3), (64, 128, 256, 512), True, 2, 32, 64, 1000, 224),
        _dims(batch=1),
        build_resnet,
        image_inputs,
        real=True,
    ),
    Network(
        "mobilenetv2",
        "vision",
        MobileNetConfig(
            (
                (1, 16, 1, 1),
                (6, 24, 2, 2),
                (6, 32, 3, 2),
                (6, 64, 4, 2),
                (6, 96, 3, 1),
                (6, 160, 3, 2),
                (6, 320, 1, 1),
            ),
            stem=32,
            last=1280,
            classes=1000,
            image=224,
        ),
        _dims(batch=1),
        build_mobilenet,
        image_inputs,
        real=True,
    ),
)
