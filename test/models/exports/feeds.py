"""Inputs of exported networks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..builder import Array
from .architecture import Axes, Feeds

TOKEN_AXES: Axes = {
    "input_ids": ("batch", "sequence"),
    "attention_mask": ("batch", "sequence"),
}
TOKENS = {"batch": 2, "sequence": 9}
IMAGES = {"batch": 2}


def tokens(vocabulary: int) -> Feeds:
    """`input_ids` and `attention_mask`, padded on the right from a random length on."""

    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        shape = (dims["batch"], dims["sequence"])
        lengths = rng.integers(min(3, shape[1]), shape[1] + 1, (shape[0], 1))
        mask = (np.arange(shape[1])[None] < lengths).astype(np.int64)
        ids = rng.integers(3, vocabulary, shape, dtype=np.int64)
        return {"input_ids": ids, "attention_mask": mask}

    return draw


def typed_tokens(vocabulary: int) -> Feeds:
    """`tokens` and `token_type_ids`: zeros, then ones."""

    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        shape = (dims["batch"], dims["sequence"])
        second = rng.integers(1, shape[1] + 1, (shape[0], 1))
        types = (np.arange(shape[1])[None] >= second).astype(np.int64)
        return {**tokens(vocabulary)(rng, dims), "token_type_ids": types}

    return draw


def images(size: int, name: str = "pixel_values") -> Feeds:
    """A batch of standard normal images [batch, 3, size, size]."""

    def draw(rng: np.random.Generator, dims: Mapping[str, int]) -> dict[str, Array]:
        return {name: rng.standard_normal((dims["batch"], 3, size, size), dtype=np.float32)}

    return draw


def image_axes(size: int) -> Axes:
    """The one input of a vision network."""
    return {"pixel_values": ("batch", 3, size, size)}
