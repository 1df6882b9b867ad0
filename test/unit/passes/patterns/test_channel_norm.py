"""Group and instance norms, and softmax, as exporters spell them, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from pattern_batch import Array, PatternBatch

N, C, H, W, G = 3, 6, 5, 7, 2
Spelling = Callable[[PatternBatch, str], str]
_RNG = np.random.default_rng(8)
SCALE = _RNG.standard_normal(C).astype(np.float32)
BIAS = _RNG.standard_normal(C).astype(np.float32)


def _mean(b: PatternBatch, x: str, *axes: int) -> str:
    return b.op("ReduceMean", x, b.constant(list(axes)))


def _standardized(b: PatternBatch, x: str, *axes: int) -> str:
    centred = b.op("Sub", x, _mean(b, x, *axes))
    variance = _mean(b, b.op("Mul", centred, centred), *axes)
    return b.op("Div", centred, b.op("Sqrt", b.op("Add", variance, b.constant(1e-5))))


def _weighted(b: PatternBatch, x: str, *shape: int) -> str:
    scaled = b.op("Mul", x, b.constant(SCALE.reshape(shape)))
    return b.op("Add", b.constant(BIAS.reshape(shape)), scaled)


def _grouped(b: PatternBatch, x: str, norm: Callable[[str], str], *shape: int) -> str:
    parts = b.op("Reshape", x, b.constant(list(shape)))
    return _weighted(b, b.op("Reshape", norm(parts), b.op("Shape", x)), C, 1, 1)


def _group_by_instance(b: PatternBatch, x: str) -> str:
    ones, zeros = b.constant(np.ones(G, np.float32)), b.constant(np.zeros(G, np.float32))
    return _grouped(
        b, x, lambda v: b.op("InstanceNormalization", v, ones, zeros, epsilon=1e-5), 0, G, -1
    )


def _softmax(b: PatternBatch, x: str, axis: int) -> str:
    axes = b.constant([axis])
    e = b.op("Exp", b.op("Sub", x, b.op("ReduceMax", x, axes)))
    return b.op("Div", e, b.op("ReduceSum", e, axes))


SPELLINGS: Mapping[str, tuple[str, Spelling]] = {
    "group norm by instance norm": ("norm.group", _group_by_instance),
    "group norm by means": (
        "norm.group",
        lambda b, x: _grouped(b, x, lambda v: _standardized(b, v, 2), 0, G, -1),
    ),
    "group norm by means over three axes": (
        "norm.group",
        lambda b, x: _grouped(b, x, lambda v: _standardized(b, v, 2, 3, 4), 0, G, C // G, H, W),
    ),
    "instance norm": (
        "norm.instance",
        lambda b, x: _weighted(b, _standardized(b, x, 2, 3), 1, C, 1, 1),
    ),
    "instance norm without weights": ("norm.instance", lambda b, x: _standardized(b, x, -2, -1)),
    "softmax": ("softmax", lambda b, x: _softmax(b, x, -1)),
    "softmax over channels": ("softmax", lambda b, x: _softmax(b, x, 1)),
    "softmax without maximum": ("softmax", lambda b, x: _softmax_of_exp(b, x)),
    "logarithm of softmax": ("softmax", lambda b, x: b.op("Log", b.op("Softmax", x, axis=2))),
}


def _softmax_of_exp(b: PatternBatch, x: str) -> str:
    e = b.op("Exp", x)
    return b.op("Div", e, b.op("ReduceSum", e, b.constant([3])))


LOOKALIKES: Mapping[str, Spelling] = {
    "groups of images": lambda b, x: b.op(
        "Reshape",
        _standardized(b, b.op("Reshape", x, b.constant([1, G, -1])), 2),
        b.op("Shape", x),
    ),
    "over channels and space": lambda b, x: _standardized(b, x, 0, 2, 3),
    "over channels alone": lambda b, x: _standardized(b, x, 1),
    "sum of another exponential": lambda b, x: b.op(
        "Div", b.op("Exp", x), b.op("ReduceSum", b.op("Exp", b.op("Sin", x)), b.constant([3]))
    ),
    "sum over two axes": lambda b, x: _over_sum(b, b.op("Exp", x), 2, 3),
    "sum of no exponential": lambda b, x: _over_sum(b, b.op("Abs", x), 3),
}


def _over_sum(b: PatternBatch, x: str, *axes: int) -> str:
    return b.op("Div", x, b.op("ReduceSum", x, b.constant(list(axes))))


def _batch(spellings: Mapping[str, Spelling]) -> PatternBatch:
    """Each spelling of an image of its own, whose batch and height are symbolic."""
    batch = PatternBatch()
    for i, spelling in enumerate(spellings.values()):
        image: Array = _RNG.standard_normal((N, C, H, W)).astype(np.float32) * 2 + 1
        batch.output(spelling(batch, batch.input(image, (f"n{i}", C, H, W))))
    return batch


def test_every_spelling_is_found_and_computes_the_same() -> None:
    batch = _batch({name: spelling for name, (_, spelling) in SPELLINGS.items()})
    keys, _ = batch.passes()
    for key in {key for key, _ in SPELLINGS.values()}:
        assert keys[key] == sum(k == key for k, _ in SPELLINGS.values()), keys
    assert not {"elementwise.exp", "elementwise.sqrt", "onnx.ReduceMean"} & keys.keys()
    batch.check()


def test_lookalikes_are_left_and_compute_the_same() -> None:
    batch = _batch(LOOKALIKES)
    keys, _ = batch.passes()
    assert not {"norm.group", "norm.instance", "softmax"} & keys.keys(), keys
    batch.check()
