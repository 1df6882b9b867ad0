"""The depthwise kernel against sums in f64; 1e-5 of the magnitudes summed, as for `test_conv`."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_cases import convolution, of_any_size, out_symbols, windows
from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.depthwise import Depthwise, DepthwiseProblem, SpanTile, candidates
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Unsuitable
from noema.kernels.window import Window

ISA = this_isa()
pytestmark = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")


def check(kernel: Depthwise, *windows: Window) -> None:
    """`windows` have known extents, where the kernel's own has symbols; one program serves all."""
    program = KernelProgram(kernel)
    for window in windows or (kernel.problem.window,):
        check_one(program, kernel, window)


def check_one(program: KernelProgram, kernel: Depthwise, window: Window) -> None:
    problem = kernel.problem
    rng = np.random.default_rng(5)
    extents = (*window.assumed, window.channels)
    image = rng.uniform(-1, 1, extents).astype(DTYPES[problem.element])
    weights = rng.uniform(-1, 1, (window.channels, 1, *window.kernel)).astype(np.float32)
    bias = rng.uniform(-1, 1, window.channels).astype(np.float32)
    operands = [image, kernel.pack(weights)]
    expected = convolution(window, image, weights, window.channels)
    if problem.epilogue.steps:
        operands.append(bias)
        expected = np.clip(expected + bias, 0, 6)
    (found,) = program.guarded(*operands, **out_symbols(kernel, window))
    assert found.shape == expected.shape
    tolerance = 1e-5 * window.taps + (np.abs(expected).max() * 2**-8) * (
        problem.epilogue.element == "bf16"
    )
    assert np.abs(found.astype(np.float64) - expected).max() <= tolerance


RELU6 = Epilogue((Bias(), Activate(Curve.CLIP, 0.0, 6.0)))


@st.composite
def problems(draw: st.DrawFn) -> DepthwiseProblem:
    channels = draw(st.sampled_from([1, 5, 8, 16, 33, 48]))
    window = draw(windows(channels, largest=draw(st.sampled_from([3, 5, 7])), pixels=30))
    element, result = (draw(st.sampled_from(["f32", "bf16"])) for _ in range(2))
    epilogue = dataclasses.replace(draw(st.sampled_from([Epilogue(), RELU6])), element=result)
    return DepthwiseProblem(window, element, epilogue)


@settings(max_examples=20)
@given(problems(), st.data())
def test_any_problem_with_any_tile(problem: DepthwiseProblem, data: st.DataObject) -> None:
    assert ISA is not None
    listed = data.draw(st.sampled_from(candidates(problem, ISA)))
    drawn = SpanTile(
        data.draw(st.integers(1, 8)),
        data.draw(st.integers(1, problem.window.assumed_outputs[1])),
        data.draw(st.integers(1, 3)),
    )
    check(data.draw(st.sampled_from([listed, dataclasses.replace(listed, tile=drawn)])))


@settings(max_examples=20)
@given(problems(), st.data())
def test_one_program_for_images_of_all_sizes(
    problem: DepthwiseProblem, data: st.DataObject
) -> None:
    """All pixels at edges, fewer inside than any tile takes, and more than the assumed."""
    assert ISA is not None
    symbols, sizes = data.draw(of_any_size(problem.window, pixels=50))
    isa = data.draw(st.sampled_from([ISA, X86_64_V3]))
    kernel = candidates(dataclasses.replace(problem, window=symbols), isa)[0]
    if data.draw(st.booleans()):
        drawn = SpanTile(*(data.draw(st.integers(1, most)) for most in (8, 20, 3)))
        kernel = dataclasses.replace(kernel, tile=drawn)
    check(kernel, *sizes)


@settings(max_examples=8)
@given(problems())
def test_avx2(problem: DepthwiseProblem) -> None:
    check(candidates(problem, X86_64_V3)[0])


def test_a_symbolic_batch() -> None:
    assert ISA is not None
    window = Window("n", 6, 5, 20, (3, 3), (2, 2), pads=(1, 1, 1, 1))
    kernel = candidates(DepthwiseProblem(window, epilogue=RELU6), ISA)[0]
    check(kernel, *(dataclasses.replace(window, batch=n) for n in (2, 1)))


def test_threads_get_equal_shares() -> None:
    """7 rows don't divide by two, channels do."""
    window = Window(1, 7, 7, 960, (3, 3), pads=(1, 1, 1, 1))
    tile = candidates(DepthwiseProblem(window), X86_64_V4, threads=2)[0].tile
    workgroups = -(-7 // tile.rows) * -(-60 // tile.vectors)
    assert workgroups % 2 == 0 and 60 % tile.vectors == 0 and 7 % tile.rows == 0


@pytest.mark.parametrize(
    ("window", "element", "reason"),
    [
        (Window(1, 2, 2, 4, (3, 3)), "f32", "larger than the padded image"),
        (Window(1, 4, 4, 4, (3, 3)), "i8", "i8"),
        (Window(1, 4, 99, 4, (1, 99)), "f32", "99 taps"),
    ],
)
def test_says_what_it_cannot_serve(window: Window, element: str, reason: str) -> None:
    with pytest.raises(Unsuitable, match=reason):
        candidates(DepthwiseProblem(window, element), X86_64_V4)
