"""Winograd's convolution against sums in f64.

Its error grows with the transforms' norms: a few 1e-6 of the largest output for depths below 1,000
(measured); 1e-5 of the magnitudes summed is held here.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_cases import convolution, of_any_size, out_symbols
from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.conv_tiles import ConvProblem
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue, Residual
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Unsuitable
from noema.kernels.window import Window
from noema.kernels.winograd import Winograd, WinogradTile, candidates
from noema.kernels.winograd_transform import PAIRS, filter_matrix

ISA = this_isa()
pytestmark = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")
RELU = Epilogue((Bias(), Residual(), Activate(Curve.RELU)))


def check(kernel: Winograd, *windows: Window, tolerance: float = 1e-5) -> None:
    """Compares a kernel with the reference; the error is relative to the magnitudes summed.

    `windows` have known extents, where the kernel's own has symbols; one program serves all.
    """
    program = KernelProgram(kernel)
    for window in windows or (kernel.problem.window,):
        check_one(program, kernel, window, tolerance)


def check_one(program: KernelProgram, kernel: Winograd, window: Window, tolerance: float) -> None:
    problem = kernel.problem
    rng = np.random.default_rng(4)
    dtype = DTYPES[problem.element]
    extents = (*window.assumed, window.channels)
    image = rng.uniform(-1, 1, extents).astype(dtype)
    weights = rng.uniform(-1, 1, (problem.filters, window.channels, 3, 3)).astype(dtype)
    expected = convolution(window, image, weights, 1)
    scale = convolution(window, np.abs(image), np.abs(weights), 1).max()
    operands = [image, kernel.pack(weights)]
    if problem.epilogue.steps:
        bias = rng.uniform(-1, 1, problem.filters).astype(np.float32)
        residual = rng.uniform(-1, 1, expected.shape).astype(np.float32)
        operands += [bias, residual]
        expected = np.maximum(expected + bias + residual, 0)
    (found,) = program.guarded(*operands, **out_symbols(kernel, window))
    assert found.shape == expected.shape
    allowed = tolerance * scale + 1e-6
    if problem.epilogue.element == "bf16":
        allowed += np.abs(expected).max() * 2**-8
    assert np.abs(found.astype(np.float64) - expected).max() <= allowed


@st.composite
def problems(draw: st.DrawFn) -> ConvProblem:
    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.integers(low, high)), draw(st.integers(low, high))

    (top, left), (bottom, right) = pair(0, 2), pair(0, 2)
    (height, width) = pair(3, 14)
    channels = draw(st.sampled_from([1, 5, 16, 33]))
    window = Window(
        draw(st.integers(1, 2)), height, width, channels, (3, 3), pads=(top, left, bottom, right)
    )
    element, result = (draw(st.sampled_from(["f32", "bf16"])) for _ in range(2))
    epilogue = dataclasses.replace(draw(st.sampled_from([Epilogue(), RELU])), element=result)
    return ConvProblem(
        window, draw(st.sampled_from([1, 7, 16, 40])), element=element, epilogue=epilogue
    )


@settings(max_examples=15)
@given(problems(), st.data())
def test_any_problem_with_any_tile(problem: ConvProblem, data: st.DataObject) -> None:
    assert ISA is not None
    listed = data.draw(st.sampled_from(candidates(problem, ISA)))
    drawn = WinogradTile(
        outputs=listed.tile.outputs,
        tiles=data.draw(st.integers(1, listed.all_tiles)),
        rows=data.draw(st.integers(1, 5)),
        vectors=data.draw(st.integers(1, 2)),
        panels=data.draw(st.integers(1, 2)),
        ahead=data.draw(st.sampled_from([0, 8])),
    )
    check(data.draw(st.sampled_from([listed, dataclasses.replace(listed, tile=drawn)])))


@settings(max_examples=4)
@given(problems(), st.sampled_from([0, -1]))
def test_avx2(problem: ConvProblem, which: int) -> None:
    check(candidates(problem, X86_64_V3)[which])


def test_a_symbolic_batch() -> None:
    assert ISA is not None
    window = Window("n", 9, 6, 8, (3, 3), pads=(1, 1, 1, 1))
    kernel = candidates(ConvProblem(window, 24, epilogue=RELU), ISA)[0]
    check(kernel, *(dataclasses.replace(window, batch=n) for n in (3, 1)))


@settings(max_examples=15)
@given(problems(), st.data())
def test_one_program_for_images_of_all_sizes(problem: ConvProblem, data: st.DataObject) -> None:
    """Fewer tiles than a workgroup takes, tiles that reach out of the image, and many of them."""
    assert ISA is not None
    symbols, sizes = data.draw(of_any_size(problem.window))
    isa = data.draw(st.sampled_from([ISA, X86_64_V3]))
    problem = dataclasses.replace(problem, window=symbols)
    check(data.draw(st.sampled_from(candidates(problem, isa))), *sizes)


@pytest.mark.parametrize(("height", "width"), [(8, "w"), ("h", 8), ("h", "w")])
def test_an_image_with_fewer_tiles_than_a_workgroup_takes(
    height: int | str, width: int | str
) -> None:
    """The others lie below the image, whichever of its extents is known: nothing is stored."""
    assert ISA is not None
    window = Window(1, 8, 8, 16, (3, 3), pads=(1, 1, 1, 1))
    problem = ConvProblem(dataclasses.replace(window, height=height, width=width), 16)
    for listed in candidates(problem, ISA):
        check(dataclasses.replace(listed, tile=dataclasses.replace(listed.tile, tiles=40)), window)


@pytest.mark.parametrize("outputs", sorted(PAIRS))
def test_errors_stay_small_over_many_channels(outputs: int) -> None:
    assert ISA is not None
    window = Window(1, 14, 14, 256, (3, 3), pads=(1, 1, 1, 1))
    kernels = candidates(ConvProblem(window, 32), ISA)
    kernel = next(k for k in kernels if k.tile.outputs == outputs)
    check(kernel, tolerance=5e-7)


@pytest.mark.parametrize("outputs", sorted(PAIRS))
def test_a_constant_filter_is_evaluated_at_each_point(outputs: int) -> None:
    """G times the filter 1 + 0 x + 0 x²: 1 over the product of distances to the other points."""
    points = [0.0, *(s * p for p in PAIRS[outputs] for s in (1, -1))]
    column = filter_matrix(outputs)[:-1, 0]
    for value, point in zip(column, points, strict=True):
        assert value == pytest.approx(1 / np.prod([point - q for q in points if q != point]))


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (ConvProblem(Window(1, 9, 9, 4, (5, 5)), 8), "3 x 3"),
        (ConvProblem(Window(1, 9, 9, 4, (3, 3), (2, 2)), 8), "stride 1"),
        (ConvProblem(Window(1, 9, 9, 4, (3, 3)), 8, groups=2), "groups"),
        (ConvProblem(Window(1, 9, 9, 4, (3, 3)), 8, element="i8"), "i8"),
        (ConvProblem(Window(1, 9, 9, 99999, (3, 3)), 8), "scratch"),
    ],
)
def test_says_what_it_cannot_serve(problem: ConvProblem, reason: str) -> None:
    with pytest.raises(Unsuitable, match=reason):
        candidates(problem, X86_64_V4)
