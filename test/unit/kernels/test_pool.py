"""The pooling kernel against numpy in f64; a maximum is exact, an average within 1e-6 of 1."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_cases import F64, of_any_size, out_symbols, taps, windows
from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.epilogue import Activate, Curve, Epilogue
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa, Unsuitable
from noema.kernels.pool import Pool, PoolKind, PoolProblem, SpanTile, candidates
from noema.kernels.window import Window

ISA = this_isa()
pytestmark = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")


def counts(problem: PoolProblem, window: Window) -> F64:
    """Elements that each output is the average of: (OH, OW, 1)."""
    top, left, bottom, right = problem.counted
    _, height, width = window.assumed
    outer = np.zeros(
        (
            1,
            height + window.pads[0] + window.pads[2],
            width + window.pads[1] + window.pads[3],
            1,
        )
    )
    outer[
        :,
        window.pads[0] - top : window.pads[0] + height + bottom,
        window.pads[1] - left : window.pads[1] + width + right,
    ] = 1
    inner = dataclasses.replace(
        window, height=outer.shape[1], width=outer.shape[2], channels=1, pads=(0, 0, 0, 0)
    )
    return taps(inner, outer).sum(axis=0)[0]


def check(kernel: Pool, *windows: Window) -> None:
    """`windows` have known extents, where the kernel's own has symbols; one program serves all."""
    program = KernelProgram(kernel)
    for window in windows or (kernel.problem.window,):
        check_one(program, kernel, window)


def check_one(program: KernelProgram, kernel: Pool, window: Window) -> None:
    problem = kernel.problem
    rng = np.random.default_rng(6)
    extents = (*window.assumed, window.channels)
    image = rng.uniform(-1, 1, extents).astype(DTYPES[problem.element])
    (found,) = program.guarded(image, **out_symbols(kernel, window))
    if problem.whole:
        window = dataclasses.replace(window, kernel=window.assumed[1:])
    if problem.kind is PoolKind.MAX:
        expected = taps(window, image, -np.inf).max(axis=0)
    else:
        with np.errstate(invalid="ignore"):
            expected = taps(window, image).sum(axis=0) / counts(problem, window)
    if problem.epilogue.steps:
        expected = np.maximum(expected, 0)
    assert found.shape == expected.shape
    wrong = 2e-6 if problem.kind is PoolKind.AVERAGE else 0.0
    wrong += 2**-8 if problem.epilogue.element == "bf16" else 0.0
    same = found.astype(np.float64)
    # Windows that see only pads: −∞, or 0 / 0 as the formula says.
    finite = np.isfinite(expected)
    assert np.array_equal(np.isfinite(same), finite)
    assert np.abs(same[finite] - expected[finite]).max(initial=0) <= wrong


@st.composite
def problems(draw: st.DrawFn) -> PoolProblem:
    channels = draw(st.sampled_from([1, 5, 16, 33, 64]))
    window = draw(windows(channels, largest=draw(st.sampled_from([3, 4])), pixels=30))
    kind = draw(st.sampled_from(list(PoolKind)))
    counted = draw(st.sampled_from([window.pads, (0, 0, 0, 0)]))
    element, result = (draw(st.sampled_from(["f32", "bf16"])) for _ in range(2))
    return PoolProblem(kind, window, counted, element, Epilogue((), result))


@settings(max_examples=20)
@given(problems(), st.data())
def test_any_problem_with_any_tile(problem: PoolProblem, data: st.DataObject) -> None:
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
def test_one_program_for_images_of_all_sizes(problem: PoolProblem, data: st.DataObject) -> None:
    """All pixels at edges, fewer inside than any tile takes, and more than the assumed."""
    assert ISA is not None
    symbols, sizes = data.draw(of_any_size(problem.window, pixels=50))
    isa = data.draw(st.sampled_from([ISA, X86_64_V3]))
    kernel = candidates(dataclasses.replace(problem, window=symbols), isa)[0]
    if data.draw(st.booleans()):
        drawn = SpanTile(*(data.draw(st.integers(1, most)) for most in (8, 20, 3)))
        kernel = dataclasses.replace(kernel, tile=drawn)
    check(kernel, *sizes)


@settings(max_examples=6)
@given(problems())
def test_avx2(problem: PoolProblem) -> None:
    check(candidates(problem, X86_64_V3)[0])


@pytest.mark.parametrize("isa", [X86_64_V4, X86_64_V3])
@pytest.mark.parametrize("kind", list(PoolKind))
@pytest.mark.parametrize(("height", "width", "channels"), [(7, 7, 200), (1, 1, 3), (13, 70, 72)])
def test_the_whole_image(isa: Isa, kind: PoolKind, height: int, width: int, channels: int) -> None:
    assert ISA is not None
    isa = isa if isa.lanes <= ISA.lanes else ISA
    window = Window("n", height, width, channels, (height, width))
    epilogue = Epilogue((Activate(Curve.RELU),))
    (kernel,) = candidates(PoolProblem(kind, window, epilogue=epilogue), isa)
    assert kernel.problem.is_global
    check(kernel, dataclasses.replace(window, batch=2))


@pytest.mark.parametrize("kind", list(PoolKind))
@pytest.mark.parametrize("element", ["f32", "bf16"])
def test_the_whole_of_an_image_of_any_size(kind: PoolKind, element: str) -> None:
    assert ISA is not None
    window = Window("n", "h", "w", 40, (1, 1))
    (kernel,) = candidates(PoolProblem(kind, window, element=element, whole=True), ISA)
    sizes = ((1, 1, 1), (2, 7, 7), (1, 31, 2), (3, 5, 64))
    check(kernel, *(dataclasses.replace(window, batch=n, height=h, width=w) for n, h, w in sizes))


@pytest.mark.parametrize("isa", [X86_64_V4, X86_64_V3])
def test_nan_goes_into_every_window_that_sees_it(isa: Isa) -> None:
    """Wherever in the window it lies: a network that overflowed must show it."""
    if ISA is None or isa.lanes > ISA.lanes:
        pytest.skip("this processor has no such registers")
    window = Window(1, 7, 9, 5, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1))
    problem = PoolProblem(PoolKind.MAX, window, (0, 0, 0, 0), "f32", Epilogue((), "f32"))
    image = np.random.default_rng(7).uniform(-1, 1, (1, 7, 9, 5)).astype(np.float32)
    image[0, [0, 2, 3, 6], [1, 4, 4, 8], [0, 2, 2, 4]] = np.nan
    expected = taps(window, image, -np.inf).max(axis=0)
    assert 0 < np.isnan(expected).sum() < expected.size
    (found,) = KernelProgram(candidates(problem, isa)[0]).guarded(image)
    assert np.array_equal(found, expected, equal_nan=True)


def test_says_what_it_cannot_serve() -> None:
    window = Window(1, 4, 99, 4, (1, 90))
    with pytest.raises(Unsuitable, match="90 columns"):
        candidates(PoolProblem(PoolKind.MAX, window), X86_64_V4)
    with pytest.raises(Unsuitable, match="i8"):
        candidates(
            PoolProblem(PoolKind.MAX, dataclasses.replace(window, kernel=(1, 3)), element="i8"),
            X86_64_V4,
        )
