"""What an exported network is: how it is made, and what is in it by its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..builder import Array

Feeds = Callable[[np.random.Generator, Mapping[str, int]], dict[str, Array]]
"""Draws inputs of the given extents; masks leave every token something to attend to."""

Axes = Mapping[str, tuple[int | str, ...]]
"""Input name → its extents: a number where fixed, the name of a dimension where dynamic."""


@dataclass(frozen=True)
class Counts:
    """How often a network holds each kind of layer.

    Attributes:
        attention: Attention layers (self- and cross-attention each count).
        norms: Normalisations by kind (`layer`, `rms`, `group`, `instance`, `batch`).
        activations: Activation functions by kind.
        glu: Gated linear units: an activated projection times another.
        rope: Tensors that are rotated: two, query and key, in a layer.
        embeddings: Look-ups of table rows by ids that depend on the inputs or their extents.
        recurrent: Recurrent cells by kind (`lstm`, `gru`, …): one in a layer, two in a layer that
            runs both ways. What is inside them isn't counted further.
    """

    attention: int = 0
    norms: Mapping[str, int] = field(default_factory=dict[str, int])
    activations: Mapping[str, int] = field(default_factory=dict[str, int])
    glu: int = 0
    rope: int = 0
    embeddings: int = 0
    recurrent: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True)
class Architecture:
    """A network of the `transformers` library with a small configuration and random weights.

    Attributes:
        name: Name in the matrix.
        model: Class of the model in `transformers`; its configuration class is found by it.
        config: What the configuration gets; all sizes that `counts` needs are in it.
        axes: The inputs, in order.
        dims: Extents to export and to test with.
        feeds: Draws inputs.
        counts: What is in it, worked out from the configuration.
        output: Field of the model's result that is compared.
        part: Attribute of the model that is exported in its place, e.g. `encoder`.
        call: Further arguments of the call.
        cached: Layers of the key/value cache, whose tensors are then inputs and outputs; 0: none.
        held_out: Whether no pattern was tuned on it.
    """

    name: str
    model: str
    config: Mapping[str, Any]
    axes: Axes
    dims: Mapping[str, int]
    feeds: Feeds
    counts: Counts
    output: str = "last_hidden_state"
    part: str = ""
    call: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cached: int = 0
    held_out: bool = False
