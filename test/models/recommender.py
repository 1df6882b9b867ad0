"""DLRM-like recommenders: dense and categorical features, pairwise interactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .builder import Array, Graph
from .layers import embedding, linear


@dataclass(frozen=True)
class DlrmConfig:
    """Sizes of a DLRM: one table of ``rows`` each, ``hot`` categories per feature and example."""

    dense: int = 13
    rows: tuple[int, ...] = (50, 17, 200, 9)
    hot: int = 3
    width: int = 16
    bottom: tuple[int, ...] = (32,)
    top: tuple[int, ...] = (32, 16)


def build_dlrm(g: Graph, c: DlrmConfig) -> None:
    """Dense [N, dense] and sparse.K [N, hot] (int64) -> click probability [N, 1]."""
    x = g.input("dense", np.float32, ("batch", c.dense))
    sparse = [
        g.input(f"sparse.{index}", np.int64, ("batch", c.hot)) for index in range(len(c.rows))
    ]
    with g.scope("bottom"):
        dense = _mlp(g, x, (c.dense, *c.bottom, c.width))
        dense = g.op("Relu", dense)
    features = [dense]
    for index, (ids, rows) in enumerate(zip(sparse, c.rows, strict=True)):
        # A bag: the sum of the rows of all categories that the example belongs to.
        bag = embedding(g, f"tables.{index}", ids, rows, c.width, std=c.hot**-0.5)
        features.append(g.reduce("ReduceSum", bag, 1, keepdims=False))
    pairs = _interactions(g, features)
    count = len(features) * (len(features) - 1) // 2
    with g.scope("top"):
        logit = _mlp(g, g.op("Concat", dense, pairs, axis=1), (c.width + count, *c.top, 1))
        g.output(g.op("Sigmoid", logit), "click", np.float32, ("batch", 1))


def _mlp(g: Graph, x: str, widths: tuple[int, ...]) -> str:
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        if index:
            x = g.op("Relu", x)
        x = linear(g, str(index), x, n_in, n_out, rank=2, gain=1.5)
    return x


def _interactions(g: Graph, features: list[str]) -> str:
    """Dot products of all pairs of F features [N, width]: [N, F (F - 1) / 2], scaled to O(1)."""
    with g.scope("interaction"):
        stack = g.op("Concat", *(g.unsqueeze(feature, 1) for feature in features), axis=1)
        if g.traced:
            products = g.op("MatMul", stack, g.transpose(stack, 0, 2, 1))
        else:
            products = g.op("Einsum", stack, stack, equation="bik,bjk->bij")
        products = g.op("Mul", products, g.literal(0.25))
        row, column = np.tril_indices(len(features), -1)
        if g.traced:
            # z[:, row, column] as traced: indexed axes first, gathered, and back.
            where = g.literal(np.stack([row, column], axis=1).astype(np.int64))
            gathered = g.op("GatherND", g.transpose(products, 1, 2, 0), where)
            return g.transpose(gathered, 1, 0)
        flat = g.op("Flatten", products, axis=1)
        return g.op("Gather", flat, g.literal(row * len(features) + column), axis=1)


def dlrm_inputs(
    rng: np.random.Generator, c: DlrmConfig, dims: Mapping[str, int]
) -> dict[str, Array]:
    """Normal dense features and random categories."""
    batch = dims["batch"]
    feeds: dict[str, Array] = {"dense": rng.standard_normal((batch, c.dense), dtype=np.float32)}
    for index, rows in enumerate(c.rows):
        feeds[f"sparse.{index}"] = rng.integers(0, rows, (batch, c.hot), dtype=np.int64)
    return feeds
