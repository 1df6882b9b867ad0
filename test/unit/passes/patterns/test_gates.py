"""Activations as exporters spell them: found, and equal to ONNX Runtime; look-alikes are not."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from pattern_batch import PatternBatch

Spelling = Callable[[PatternBatch, str], str]
ROOT = math.sqrt(2.0)
SLOPE = math.sqrt(2 / math.pi)


def _erf(b: PatternBatch, x: str, *, root: float = ROOT, one: float = 1.0) -> str:
    """1 + erf(x / √2)."""
    scaled = b.op("Div", x, b.constant(root))
    return b.op("Add", b.op("Erf", scaled), b.constant(one))


def _tanh(b: PatternBatch, x: str, *, cubic: float = 0.044715, power: float = 3.0) -> str:
    """1 + tanh(√(2/π) (x + 0.044715 x³))."""
    cube = b.op("Mul", b.constant(cubic), b.op("Pow", x, b.constant(power)))
    inner = b.op("Mul", b.op("Add", x, cube), b.constant(SLOPE))
    return b.op("Add", b.op("Tanh", inner), b.constant(1.0))


def _half(b: PatternBatch, x: str, half: float = 0.5) -> str:
    return b.op("Mul", x, b.constant(half))


def _tanh_by_products(b: PatternBatch, x: str) -> str:
    cube = b.op("Mul", b.op("Mul", x, x), x)
    inner = b.op("Add", x, b.op("Mul", cube, b.constant(0.044715)))
    bell = b.op("Add", b.constant(1.0), b.op("Tanh", b.op("Mul", b.constant(SLOPE), inner)))
    return b.op("Mul", b.op("Mul", b.constant(0.5), x), bell)


def _tanh_factored(b: PatternBatch, x: str) -> str:
    square = b.op("Mul", b.op("Mul", x, x), b.constant(0.044715))
    line = b.op("Mul", b.op("Mul", x, b.constant(SLOPE)), b.op("Add", square, b.constant(1.0)))
    bell = b.op("Add", b.op("Tanh", line), b.constant(1.0))
    return b.op("Mul", _half(b, bell), x)


def _clipped(b: PatternBatch, x: str, *, shift: float = 3.0, high: float = 6.0) -> str:
    return b.op("Clip", b.op("Add", x, b.constant(shift)), b.constant(0.0), b.constant(high))


SPELLINGS: Mapping[str, tuple[str, Spelling]] = {
    "x half, bell": ("gelu_erf", lambda b, x: b.op("Mul", _half(b, x), _erf(b, x))),
    "x bell, half": ("gelu_erf", lambda b, x: _half(b, b.op("Mul", x, _erf(b, x)))),
    "bell half, x": ("gelu_erf", lambda b, x: b.op("Mul", _half(b, _erf(b, x)), x)),
    "by two": (
        "gelu_erf",
        lambda b, x: b.op("Div", b.op("Mul", _erf(b, x), x), b.constant(2.0)),
    ),
    "tanh": ("gelu_tanh", lambda b, x: b.op("Mul", _half(b, x), _tanh(b, x))),
    "tanh, half last": ("gelu_tanh", lambda b, x: _half(b, b.op("Mul", x, _tanh(b, x)))),
    "tanh by products": ("gelu_tanh", _tanh_by_products),
    "tanh factored": ("gelu_tanh", _tanh_factored),
    "silu": ("swish", lambda b, x: b.op("Mul", b.op("Sigmoid", x), x)),
    "quick": (
        "swish",
        lambda b, x: b.op("Mul", x, b.op("Sigmoid", b.op("Mul", b.constant(1.702), x))),
    ),
    "silu by tanh": (
        "swish",
        lambda b, x: b.op(
            "Mul", _half(b, x), b.op("Add", b.op("Tanh", _half(b, x)), b.constant(1.0))
        ),
    ),
    "clip": ("hard_swish", lambda b, x: b.op("Mul", x, _sixth(b, _clipped(b, x)))),
    "clip, then by six": ("hard_swish", lambda b, x: _sixth(b, b.op("Mul", x, _clipped(b, x)))),
    "hard sigmoid": (
        "hard_swish",
        lambda b, x: b.op("Mul", x, b.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    ),
    "softplus in tanh": (
        "mish",
        lambda b, x: b.op("Mul", b.op("Tanh", b.op("Softplus", x)), x),
    ),
    "log of one and exp in tanh": (
        "mish",
        lambda b, x: b.op("Mul", b.op("Tanh", _softplus(b, x)), x),
    ),
    "log of one and exp": ("softplus", lambda b, x: _softplus(b, x)),
    "over one and size": (
        "softsign",
        lambda b, x: b.op("Div", x, b.op("Add", b.constant(1.0), b.op("Abs", x))),
    ),
    "one over one and exp": (
        "sigmoid",
        lambda b, x: b.op(
            "Div",
            b.constant(1.0),
            b.op("Add", b.op("Exp", b.op("Neg", x)), b.constant(1.0)),
        ),
    ),
    "clipped line": ("hard_sigmoid", lambda b, x: _sixth(b, _clipped(b, x))),
    "maximum": ("relu", lambda b, x: b.op("Max", b.constant(0.0), x)),
}


def _sixth(b: PatternBatch, x: str) -> str:
    return b.op("Div", x, b.constant(6.0))


def _softplus(b: PatternBatch, x: str) -> str:
    return b.op("Log", b.op("Add", b.op("Exp", x), b.constant(1.0)))


LOOKALIKES: Mapping[str, Spelling] = {
    "half is 0.4": lambda b, x: b.op("Mul", _half(b, x, 0.4), _erf(b, x)),
    "root of two is 2": lambda b, x: b.op("Mul", _half(b, x), _erf(b, x, root=2.0)),
    "one is 0.9": lambda b, x: b.op("Mul", _half(b, x), _erf(b, x, one=0.9)),
    "erf of something else": lambda b, x: b.op("Mul", _half(b, x), _erf(b, b.op("Sin", x))),
    "bell times something else": lambda b, x: b.op("Mul", _half(b, b.op("Cos", x)), _erf(b, x)),
    "cubic term of 0.05": lambda b, x: b.op("Mul", _half(b, x), _tanh(b, x, cubic=0.05)),
    "square for the cube": lambda b, x: b.op("Mul", _half(b, x), _tanh(b, x, power=2.0)),
    "cube alone": lambda b, x: b.op("Pow", x, b.constant(3.0)),
    "gate of another value": lambda b, x: b.op("Mul", x, b.op("Sigmoid", b.op("Sin", x))),
    "sigmoid of a shifted value": lambda b, x: b.op(
        "Mul", x, b.op("Sigmoid", b.op("Add", x, b.constant(1.0)))
    ),
    "one minus the gate": lambda b, x: b.op(
        "Mul", x, b.op("Sub", b.constant(1.0), b.op("Sigmoid", x))
    ),
    "gated residual": lambda b, x: b.op("Add", x, b.op("Mul", b.op("Cos", x), b.op("Sigmoid", x))),
    "tanh of another softplus": lambda b, x: b.op(
        "Mul", x, b.op("Tanh", b.op("Softplus", b.op("Sin", x)))
    ),
    "hard swish of another slope": lambda b, x: b.op(
        "Div", b.op("Mul", x, _clipped(b, x)), b.constant(5.0)
    ),
    "hard swish of another shift": lambda b, x: _sixth(
        b, b.op("Mul", x, _clipped(b, x, shift=2.0, high=5.0))
    ),
    "log of two and exp": lambda b, x: b.op("Log", b.op("Add", b.op("Exp", x), b.constant(2.0))),
    "softsign of another value": lambda b, x: b.op(
        "Div", x, b.op("Add", b.op("Abs", b.op("Sin", x)), b.constant(1.0))
    ),
    "exp of x, not of -x": lambda b, x: b.op(
        "Reciprocal", b.op("Add", b.op("Exp", x), b.constant(1.0))
    ),
}
RECOGNIZED = {"gelu_erf", "gelu_tanh", "swish", "hard_swish", "mish", "softsign", "hard_sigmoid"}


def _batch(spellings: Mapping[str, Spelling]) -> PatternBatch:
    """All spellings, each of an input of its own, of odd extents, the first one symbolic."""
    rng = np.random.default_rng(5)
    batch = PatternBatch()
    for i, spelling in enumerate(spellings.values()):
        x = rng.standard_normal((3, 5, 7)).astype(np.float32) * 3
        batch.output(spelling(batch, batch.input(x, (f"n{i}", 5, 7))))
    return batch


def _found(batch: PatternBatch) -> Counter[str]:
    keys, _ = batch.passes()
    return Counter({k.split(".")[1]: n for k, n in keys.items() if k.startswith("activation.")})


def test_every_spelling_is_found_and_computes_the_same() -> None:
    batch = _batch({name: spelling for name, (_, spelling) in SPELLINGS.items()})
    assert _found(batch) == Counter(kind for kind, _ in SPELLINGS.values())
    batch.check()


def test_lookalikes_are_left_and_compute_the_same() -> None:
    batch = _batch(LOOKALIKES)
    found = _found(batch)
    assert not RECOGNIZED & found.keys(), found
    batch.check()
