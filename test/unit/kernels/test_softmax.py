"""Softmax against numpy in f64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Unsuitable
from noema.kernels.softmax import Softmax, SoftmaxProblem, candidates

ISA = this_isa()
needs_unit = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")


def agree(kernel: Softmax, *shapes: tuple[int, int]) -> None:
    """Fails unless the kernel gives what numpy does, for matrices of `shapes`.

    f32: 2e-6 of the result, f32 sums of a few hundred terms; so near 0 its log is off by as much.
    bf16: 2⁻⁸, its rounding.
    """
    s, program = kernel.problem, KernelProgram(kernel)
    bound = 2**-8 if s.result == "bf16" else 2e-6
    absolute = 2e-6 if s.log else 1e-12
    for shape in shapes:
        x = np.random.default_rng(0).standard_normal(shape) * 4
        given_ = x.astype(DTYPES[s.element])
        x = given_.astype(np.float64)
        want = np.exp(x - x.max(-1, keepdims=True))
        want /= want.sum(-1, keepdims=True)
        want = np.log(want) if s.log else want
        (got,) = program.guarded(given_)
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=bound, atol=absolute)


@needs_unit
@pytest.mark.parametrize("result", ["f32", "bf16"])
@pytest.mark.parametrize("log", [False, True])
def test_any_extents(log: bool, result: str) -> None:
    assert ISA is not None
    kernel = candidates(SoftmaxProblem("M", "N", log, result=result), ISA)[0]
    agree(kernel, (1, 1), (5, 3), (40, 16), (3, 64), (200, 197))


@needs_unit
@settings(max_examples=15)
@given(data=st.data())
def test_drawn_problems(data: st.DataObject) -> None:
    draw = data.draw
    element = st.sampled_from(["f32", "bf16"])
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 300)))
    problem = SoftmaxProblem(*shape, draw(st.booleans()), draw(element), draw(element))
    assert ISA is not None
    isa = draw(st.sampled_from([ISA, X86_64_V3]))
    agree(draw(st.sampled_from(candidates(problem, isa))), shape)


@needs_unit
def test_infinities() -> None:
    assert ISA is not None
    x = np.array([[0, -np.inf, 0, -np.inf], [-np.inf] * 4, [np.nan, 0, 0, 0]], np.float32)
    (got,) = KernelProgram(candidates(SoftmaxProblem(3, 4), ISA)[0])(x)
    np.testing.assert_array_equal(got[0], [0.5, 0, 0.5, 0])
    assert np.isnan(got[1:]).all()


def test_what_it_declines() -> None:
    with pytest.raises(Unsuitable, match="softmax of f64"):
        SoftmaxProblem(1, 8, element="f64")


def test_whole_rows_need_no_masks() -> None:
    assert "create_mask" not in candidates(SoftmaxProblem("M", 64), X86_64_V4)[0].print("s")
    assert "vector.maskedload" in candidates(SoftmaxProblem("M", 65), X86_64_V4)[0].print("s")
