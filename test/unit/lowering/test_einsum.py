"""Einsum against numpy's.

Tolerance: f32 sums of a few dozen products of size one, in another order; integers are exact.
"""

from __future__ import annotations

import numpy as np
import pytest

from execution import compile_proto, execute
from noema.lowering.einsum import parse
from noema.lowering.node import Declined
from single_node import feeds_of, model_of

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 1, "i": 3, "j": 4, "k": 5, "Z": 2}
CASES = [
    "ij,jk->ik",
    "bij,bjk->bik",
    "ij->ji",
    "ii->i",
    "iij->j",
    "ij->",
    "i,i->",
    "i,j->ij",
    "ij,ij->ij",
    "abc,cd->abd",
    "bcij,bdkj->bcdik",
    "...ij,...jk->...ik",
    "...ii->...i",
    "ij,jk",
    "Zi,iZ",
    "ab,bc,cd->ad",
    "a,ab,abc->abc",
    "abi,aci,c->bi",
    "ab,cd->",
    "ei,ij->ej",
    " b i j , b j k -> b k i ",
]


def operands(equation: str, seed: int) -> list[np.ndarray]:
    r = np.random.default_rng(seed)
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    shapes = []
    for term in terms:
        before, _, after = term.partition("...")
        hidden = (2, 3) if "..." in term else ()
        shapes.append((*(SIZES[c] for c in before), *hidden, *(SIZES[c] for c in after)))
    return [r.standard_normal(s).astype(np.float32) for s in shapes]


@pytest.mark.parametrize("equation", CASES)
def test_like_numpy(equation: str) -> None:
    inputs = operands(equation, len(equation))
    dynamic = len(equation) % 2 == 0
    model = model_of("Einsum", inputs, ["float32"], opset=12, dynamic=dynamic, equation=equation)
    (got,) = execute(compile_proto(model), feeds_of(inputs))
    np.testing.assert_allclose(got, np.einsum(equation, *inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float16", "float64"])
def test_types(dtype: str) -> None:
    """Integers wrap around; f16 is summed in f32."""
    r = np.random.default_rng(0)
    inputs = [r.integers(0, 5, s).astype(dtype) for s in [(3, 7), (7, 4)]]
    model = model_of("Einsum", inputs, [dtype], opset=12, equation="ij,jk->ki")
    (got,) = execute(compile_proto(model), feeds_of(inputs))
    np.testing.assert_array_equal(got, np.einsum("ij,jk->ki", *inputs))


def test_ellipsis_broadcasts() -> None:
    r = np.random.default_rng(0)
    inputs = [r.standard_normal(s).astype(np.float32) for s in [(1, 3, 4), (5, 4, 6)]]
    equation = "...ij,...jk->...ik"
    model = model_of("Einsum", inputs, ["float32"], opset=12, equation=equation)
    (got,) = execute(compile_proto(model), feeds_of(inputs))
    np.testing.assert_allclose(got, np.einsum(equation, *inputs), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "ranks"),
    [("ij,jk->ik", [2]), ("ij->ij", [3]), ("i->j", [1]), ("i->ii", [1]), ("i1->i", [2])],
)
def test_equations_that_do_not_fit(equation: str, ranks: list[int]) -> None:
    with pytest.raises(Declined):
        parse(equation, ranks)
