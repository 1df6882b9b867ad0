"""What the networks of the catalog hold, worked out from their configurations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from models import Network
from models.exports import Counts


def _encoder(c: Any) -> Counts:
    return Counts(
        attention=c.layers,
        norms={"layer": 2 * c.layers + 1},
        # The pooler's tanh.
        activations={"gelu_erf": c.layers, "tanh": 1},
        embeddings=3,
    )


def _gpt2(c: Any) -> Counts:
    return Counts(
        attention=c.layers,
        norms={"layer": 2 * c.layers + 1},
        activations={"gelu_tanh": c.layers},
        embeddings=2,
    )


def _llama(c: Any) -> Counts:
    return Counts(
        attention=c.layers,
        norms={"rms": 2 * c.layers + 1},
        activations={"swish": c.layers},
        glu=c.layers,
        rope=2 * c.layers,
        embeddings=1,
    )


def _vit(c: Any) -> Counts:
    return Counts(
        attention=c.layers,
        norms={"layer": 2 * c.layers + 1},
        activations={"gelu_erf": c.layers},
    )


def _resnet(c: Any) -> Counts:
    # One activation after the stem, and one after each convolution of a block.
    return Counts(activations={"relu": 1 + (3 if c.bottleneck else 2) * sum(c.blocks)})


def _mobilenet(c: Any) -> Counts:
    # ReLU6 is a clip.
    return Counts()


def _efficientnet(c: Any) -> Counts:
    blocks = sum(count for _, _, count, _, _ in c.stages)
    expanded = sum(count for expansion, _, count, _, _ in c.stages if expansion != 1)
    # Stem and head; in a block: expansion, depthwise, squeeze; and the gate of each block.
    return Counts(activations={"swish": 2 + expanded + 2 * blocks, "sigmoid": blocks})


def _unet(c: Any) -> Counts:
    convolutions = 2 * (2 * len(c.widths) - 1)
    return Counts(norms={"group": convolutions}, activations={"swish": convolutions})


def _dlrm(c: Any) -> Counts:
    # Each MLP between its layers, and the bottom one at its end.
    hidden = (len(c.bottom) + 1) + len(c.top)
    return Counts(activations={"relu": hidden, "sigmoid": 1}, embeddings=len(c.rows))


def _tagger(c: Any) -> Counts:
    directions = 2 if c.bidirectional else 1
    return Counts(embeddings=1, recurrent={c.cell.lower(): directions * c.layers})


def _cells(c: Any) -> Counts:
    return Counts(embeddings=1, recurrent={c.cell.lower(): c.layers})


def _clip(c: Any) -> Counts:
    return Counts(
        attention=c.text.layers + c.vision.layers,
        # The image has one norm before its layers, both have one after.
        norms={"layer": 2 * (c.text.layers + c.vision.layers) + 3},
        activations={"swish": c.text.layers + c.vision.layers},
        embeddings=2,
    )


def _audio(c: Any) -> Counts:
    return Counts(
        norms={"group": 1, "layer": 1},
        activations={"gelu_erf": len(c.features) + c.context},
    )


_BY_CONFIG: Mapping[str, Callable[[Any], Counts]] = MappingProxyType(
    {
        "AudioConfig": _audio,
        "CellsConfig": _cells,
        "ClipConfig": _clip,
        "DlrmConfig": _dlrm,
        "EfficientNetConfig": _efficientnet,
        "EncoderConfig": _encoder,
        "Gpt2Config": _gpt2,
        "LlamaConfig": _llama,
        "MobileNetConfig": _mobilenet,
        "ResNetConfig": _resnet,
        "TaggerConfig": _tagger,
        "UnetConfig": _unet,
        "VitConfig": _vit,
    }
)


def expected_of(network: Network) -> Counts:
    """What is in a network of the catalog.

    Raises:
        KeyError: If nobody has said what networks of its configuration hold.
    """
    return _BY_CONFIG[type(network.config).__name__](network.config)
