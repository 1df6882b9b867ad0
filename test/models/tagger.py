"""Recurrent taggers: an LSTM or a GRU over tokens, one label each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .builder import Array, Graph
from .layers import embedding, linear

Cell = Literal["LSTM", "GRU"]
_GATES: Mapping[Cell, int] = {"LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class TaggerConfig:
    """Sizes of a recurrent tagger."""

    cell: Cell = "LSTM"
    layers: int = 2
    bidirectional: bool = True
    embedding: int = 12
    hidden: int = 16
    vocab: int = 71
    labels: int = 9


def build_tagger(g: Graph, c: TaggerConfig) -> None:
    """Token ids [B, S] -> logits [B, S, labels]."""
    ids = g.input("input_ids", np.int64, ("batch", "sequence"))
    x = embedding(g, "embedding", ids, c.vocab, c.embedding)
    batch, sequence = g.extent(ids, 0, "batch"), g.extent(ids, 1, "sequence")
    directions = 2 if c.bidirectional else 1
    width = c.embedding
    with g.scope("rnn"):
        x = g.transpose(x, 1, 0, 2)
        for index in range(c.layers):
            initial: list[str] = []
            if g.traced:
                # The tracing exporter always writes the zero state out.
                state = g.shape([directions, g.extent(x, 1, "batch"), c.hidden])
                zero = g.op("Expand", g.literal(0.0), state)
                initial = ["", zero] if c.cell == "GRU" else ["", zero, zero]
            attributes = {
                "hidden_size": c.hidden,
                "direction": "bidirectional" if c.bidirectional else "forward",
            }
            if c.cell == "GRU":
                attributes["linear_before_reset"] = 1
            # [S, directions, B, hidden]
            x = g.op(c.cell, x, *_weights(g, c, index, width), *initial, **attributes)
            width = directions * c.hidden
            if directions == 1:
                x = g.op("Squeeze", x, g.literal([1]))
            elif g.traced:
                x = g.op("Reshape", g.transpose(x, 0, 2, 1, 3), g.literal([0, 0, -1]))
            else:
                x = g.reshape(g.transpose(x, 0, 2, 1, 3), [sequence, batch, width])
        x = g.transpose(x, 1, 0, 2)
    logits = linear(g, "classifier", x, width, c.labels, gain=2.0)
    g.output(logits, "logits", np.float32, ("batch", "sequence", c.labels))


def _weights(g: Graph, c: TaggerConfig, layer: int, n_in: int) -> tuple[str, ...]:
    """W [directions, gates * hidden, n_in], R [.., hidden] and B [directions, 2 * .. hidden]."""
    directions, rows = 2 if c.bidirectional else 1, _GATES[c.cell] * c.hidden
    shapes = {"W": (rows, n_in), "R": (rows, c.hidden), "B": (2 * rows,)}
    stds = {"W": 2 / math.sqrt(n_in), "R": 1 / math.sqrt(c.hidden), "B": 0.1}
    return tuple(
        g.stored(
            f"l{layer}.{kind}",
            g.draw(f"l{layer}.{kind}", (directions, *shape), std=stds[kind]),
        )
        for kind, shape in shapes.items()
    )


def tagger_inputs(
    rng: np.random.Generator, c: TaggerConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random tokens."""
    shape = (dims["batch"], dims["sequence"])
    return {"input_ids": rng.integers(0, c.vocab, shape, dtype=np.int64)}
