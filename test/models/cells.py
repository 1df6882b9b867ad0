"""Recurrent taggers of a fixed number of steps: cells called one step after the other.

The exporters spell a cell that is called in a loop out, step by step, as they write `LSTMCell` and
`GRUCell` of torch. The ``newest`` style has one operator for each layer, of the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .builder import Array, Graph
from .layers import embedding, linear
from .tagger import Cell

_TORCH: Mapping[Cell, str] = {"LSTM": "ifgo", "GRU": "rzn"}
_ONNX: Mapping[Cell, str] = {"LSTM": "iofg", "GRU": "zrn"}
"""Order of the gates in the rows of the weights; g and n are the candidates."""


@dataclass(frozen=True)
class CellsConfig:
    """Sizes of a tagger of cells."""

    cell: Cell = "LSTM"
    layers: int = 2
    steps: int = 5
    embedding: int = 12
    hidden: int = 16
    vocab: int = 71
    labels: int = 9


def build_cells(g: Graph, c: CellsConfig) -> None:
    """Token ids [B, steps] -> logits [B, steps, labels]."""
    ids = g.input("input_ids", np.int64, ("batch", c.steps))
    x = embedding(g, "embedding", ids, c.vocab, c.embedding)
    width = c.embedding
    for index in range(c.layers):
        with g.scope(f"cells.{index}"):
            weights = _weights(g, c, width)
        if g.style == "newest":
            with g.scope(f"cells.{index}"):
                x = _operator(g, c, x, weights)
        else:
            x = _unrolled(g, c, index, x, weights)
        width = c.hidden
    logits = linear(g, "classifier", x, width, c.labels, gain=2.0)
    g.output(logits, "logits", np.float32, ("batch", c.steps, c.labels))


def _weights(g: Graph, c: CellsConfig, n_in: int) -> Mapping[str, Array]:
    """By torch's names: [gates * hidden, n_in], [gates * hidden, hidden], and two biases."""
    rows = len(_TORCH[c.cell]) * c.hidden
    shapes = {"weight_ih": (rows, n_in), "weight_hh": (rows, c.hidden)}
    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    stds = {"weight_ih": 2 / math.sqrt(n_in), "weight_hh": 1 / math.sqrt(c.hidden)}
    return {k: g.draw(k, shape, std=stds.get(k, 0.1)) for k, shape in shapes.items()}


def _operator(g: Graph, c: CellsConfig, x: str, weights: Mapping[str, Array]) -> str:
    """[B, S, n_in] -> [B, S, hidden] by ONNX's operator."""
    order = [_TORCH[c.cell].index(gate) for gate in _ONNX[c.cell]]

    def reordered(name: str) -> Array:
        return np.concatenate([np.split(weights[name], len(order))[i] for i in order])

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")])
    operands = {"W": reordered("weight_ih"), "R": reordered("weight_hh"), "B": bias}
    stored = [g.stored(name, values[np.newaxis]) for name, values in operands.items()]
    attributes = {"linear_before_reset": 1} if c.cell == "GRU" else {}
    y = g.op(c.cell, g.transpose(x, 1, 0, 2), *stored, hidden_size=c.hidden, **attributes)
    return g.transpose(g.op("Squeeze", y, g.literal([1])), 1, 0, 2)


def _unrolled(g: Graph, c: CellsConfig, index: int, x: str, weights: Mapping[str, Array]) -> str:
    """[B, S, n_in] -> [B, S, hidden], a step at a time."""
    with g.scope(f"cells.{index}"):
        stored = {name: g.stored(name, values) for name, values in weights.items()}
    zero = g.op("Expand", g.literal(0.0), g.shape([g.extent(x, 0, "batch"), c.hidden]))
    states: tuple[str, ...] = (zero, zero)
    outputs: list[str] = []
    for step in range(c.steps):
        now = g.op("Gather", x, g.literal(step), axis=1)
        # Tracing numbers the calls of a module.
        with g.scope(f"cells.{index}" + (f"_{step}" if g.traced and step else "")):
            states = (_lstm if c.cell == "LSTM" else _gru)(g, c.hidden, now, states, stored)
        outputs.append(states[0])
    return g.op("Concat", *(g.unsqueeze(h, 1) for h in outputs), axis=1)


def _product(g: Graph, x: str, stored: Mapping[str, str], which: str) -> str:
    return g.op("Gemm", x, stored[f"weight_{which}"], stored[f"bias_{which}"], transB=1)


def _gates(g: Graph, x: str, count: int, hidden: int) -> Sequence[str]:
    if g.traced:
        return g.ops("Split", count, x, g.literal([hidden] * count), axis=1)
    return g.ops("Split", count, x, axis=1, num_outputs=count)


def _lstm(
    g: Graph, hidden: int, x: str, states: tuple[str, ...], stored: Mapping[str, str]
) -> tuple[str, ...]:
    h, c = states
    total = g.op("Add", _product(g, h, stored, "hh"), _product(g, x, stored, "ih"))
    i, f, candidate, o = _gates(g, total, 4, hidden)
    admit, forget = g.op("Sigmoid", i), g.op("Sigmoid", f)
    new, output = g.op("Tanh", candidate), g.op("Sigmoid", o)
    c = g.op("Add", g.op("Mul", forget, c), g.op("Mul", admit, new))
    return g.op("Mul", output, g.op("Tanh", c)), c


def _gru(
    g: Graph, hidden: int, x: str, states: tuple[str, ...], stored: Mapping[str, str]
) -> tuple[str, ...]:
    h = states[0]
    xs = _gates(g, _product(g, x, stored, "ih"), 3, hidden)
    hs = _gates(g, _product(g, h, stored, "hh"), 3, hidden)
    reset = g.op("Sigmoid", g.op("Add", hs[0], xs[0]))
    update = g.op("Sigmoid", g.op("Add", hs[1], xs[1]))
    new = g.op("Tanh", g.op("Add", xs[2], g.op("Mul", hs[2], reset)))
    return (g.op("Add", g.op("Mul", g.op("Sub", h, new), update), new),)


def cells_inputs(
    rng: np.random.Generator, c: CellsConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Random tokens."""
    return {"input_ids": rng.integers(0, c.vocab, (dims["batch"], c.steps), dtype=np.int64)}
