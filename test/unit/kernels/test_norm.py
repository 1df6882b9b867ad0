"""Norms against numpy in f64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Unsuitable
from noema.kernels.norm import Norm, NormProblem, candidates

ISA = this_isa()
needs_unit = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")

BOUNDS = {"f32": 4e-6, "bf16": 4e-3}
"""Of values of size 1: f32 sums of a row, and a rounding to bf16, 2⁻⁹ of numbers up to 4."""


def agree(kernel: Norm, count: int, shift: float = 0.0) -> None:
    """Fails unless the kernel gives what numpy does, for `count` rows around `shift`."""
    n, rng = kernel.problem, np.random.default_rng(0)
    arrays: list[NDArray[Any]] = []
    for tensor in kernel.interface.operands:
        shape = [count if isinstance(e, str) else e for e in tensor.extents]
        arrays.append((rng.standard_normal(shape) + shift).astype(DTYPES[tensor.element]))
    left = [a.astype(np.float64) for a in arrays]
    x = left.pop(0)
    if n.residual is not None:
        x = x + left.pop(0)
    centred = x if n.rms else x - x.mean(-1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + n.epsilon)
    y = y * left.pop(0) if n.scale else y
    y = y + left.pop(0) if n.bias else y
    got = KernelProgram(kernel).guarded(*arrays)
    want = [y, *([y] if n.second else []), *([x] if n.total else [])]
    assert len(got) == len(want)
    for tensor, a, b in zip(kernel.interface.results, got, want, strict=True):
        scale = max(1.0, abs(shift)) ** 2
        bound = BOUNDS[tensor.element]
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=bound, atol=bound * scale)


@needs_unit
@pytest.mark.parametrize(
    "problem",
    [
        NormProblem(128, 768, 1e-12),
        NormProblem("M", 768, 1e-5, rms=True, bias=False, element="bf16", result="bf16"),
        NormProblem("M", 100, 1e-5, residual="f32", total="f32", second="bf16"),
        NormProblem(7, 33, 1e-5, residual="bf16", total="bf16", scale=False),
        NormProblem(3, 5, 1e-5, bias=False),
        NormProblem(2, 1, 1e-5, rms=True),
    ],
    ids=str,
)
def test_what_goes_in_and_out(problem: NormProblem) -> None:
    assert ISA is not None
    agree(candidates(problem, ISA)[0], 21)


@needs_unit
def test_a_large_mean_does_not_cancel() -> None:
    assert ISA is not None
    agree(candidates(NormProblem(4, 768, 1e-5, scale=False, bias=False), ISA)[0], 4, shift=50)


@needs_unit
@settings(max_examples=20)
@given(data=st.data())
def test_drawn_problems(data: st.DataObject) -> None:
    draw = data.draw
    element = st.sampled_from(["f32", "bf16"])
    residual = draw(st.none() | element)
    rows = draw(st.integers(1, 40))
    problem = NormProblem(
        draw(st.sampled_from([rows, "M"])),
        draw(st.integers(2, 300)),
        1e-5,
        rms=draw(st.booleans()),
        element=draw(element),
        residual=residual,
        scale=draw(st.booleans()),
        bias=draw(st.booleans()),
        result=draw(element),
        second=draw(st.none() | element),
        total=None if residual is None else draw(st.none() | element),
    )
    assert ISA is not None
    isa = draw(st.sampled_from([ISA, X86_64_V3]))
    agree(draw(st.sampled_from(candidates(problem, isa))), rows)


def test_what_it_declines() -> None:
    with pytest.raises(Unsuitable, match="a norm of f16, f32"):
        NormProblem(1, 8, 1e-5, element="f16")
    with pytest.raises(Unsuitable, match="without a residual"):
        NormProblem(1, 8, 1e-5, total="f32")
    with pytest.raises(Unsuitable, match="1000000 columns"):
        NormProblem(1, 1000000, 1e-5)


def test_whole_rows_need_no_masks() -> None:
    whole = candidates(NormProblem("M", 768, 1e-5), X86_64_V4)[0].print("n")
    assert "mask" not in whole and "alloca" not in whole
    ragged = candidates(NormProblem("M", 769, 1e-5, residual="f32"), X86_64_V4)[0].print("n")
    assert "vector.maskedload" in ragged and "alloca" in ragged
