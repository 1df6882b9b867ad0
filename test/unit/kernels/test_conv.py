"""The convolution kernel against sums in f64.

f32: an error of at most 2⁻²⁴ per product and addition, so 1e-5 of the sum of magnitudes is ample
for depths below 1,000. bf16: its operands are exact, so the same holds.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from image_cases import convolution, of_any_size, out_symbols, windows
from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.conv import Conv, candidates
from noema.kernels.conv_tiles import SCRATCH, ConvProblem, ConvTile
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue, Residual
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa, Unsuitable
from noema.kernels.window import Window

ISA = this_isa()
pytestmark = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")


def check(kernel: Conv, *windows: Window) -> None:
    """Runs a kernel on random arrays and compares it with the reference.

    Args:
        kernel: Which one.
        windows: With known extents, where its own window has symbols; one program serves all.
    """
    program = KernelProgram(kernel)
    for window in windows or (kernel.problem.window,):
        check_one(program, kernel, window)


def check_one(program: KernelProgram, kernel: Conv, window: Window) -> None:
    problem = kernel.problem
    rng = np.random.default_rng(3)
    dtype = DTYPES[problem.element]
    image = rng.uniform(-1, 1, (*window.assumed, window.channels)).astype(dtype)
    shape = (problem.filters, problem.group_channels, *window.kernel)
    weights = rng.uniform(-1, 1, shape).astype(dtype)
    expected = convolution(window, image, weights, problem.groups)
    scale = convolution(window, np.abs(image), np.abs(weights), problem.groups).max()
    bias = rng.uniform(-1, 1, problem.filters).astype(np.float32)
    operands = [image, kernel.pack(weights)]
    if problem.epilogue.steps:
        residual = rng.uniform(-1, 1, expected.shape).astype(np.float32)
        operands += [bias, residual]
        expected = np.maximum(expected + bias + residual, 0)
    (found,) = program.guarded(*operands, **out_symbols(kernel, window))
    assert found.shape == expected.shape
    tolerance = 1e-5 * scale + 1e-6
    if problem.epilogue.element == "bf16":
        tolerance += np.abs(expected).max() * 2**-8
    assert np.abs(found.astype(np.float64) - expected).max() <= tolerance


RELU = Epilogue((Bias(), Residual(), Activate(Curve.RELU)))


@st.composite
def problems(draw: st.DrawFn) -> ConvProblem:
    if draw(st.integers(0, 2)):
        groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
        channels = draw(st.sampled_from([1, 2, 3, 5, 16, 33]))
        filters = draw(st.sampled_from([1, 7, 16, 40, 65]))
    else:  # filters of several groups to a vector
        groups = draw(st.sampled_from([2, 7, 8, 16, 19]))
        channels = draw(st.sampled_from([1, 2, 3, 4, 8]))
        filters = draw(st.sampled_from([1, 2, 4, 8]))
    window = draw(windows(channels * groups))
    assert ISA is not None
    element = draw(st.sampled_from(["f32", "bf16"])) if ISA.bf16 else "f32"
    result = draw(st.sampled_from(["f32", "bf16"]))
    epilogue = dataclasses.replace(draw(st.sampled_from([Epilogue(), RELU])), element=result)
    return ConvProblem(window, filters * groups, groups, element, epilogue)


@st.composite
def tiles(draw: st.DrawFn, problem: ConvProblem, isa: Isa) -> ConvTile:
    """Any legal tile, however slow."""
    window = problem.window
    _, height, width = window.assumed_outputs

    def upto(most: int) -> int:
        return draw(st.integers(1, most))

    pixels = upto(14 if isa.registers == 32 else 5)
    tile = ConvTile(
        pixels=pixels,
        vectors=upto(2),
        rows=upto(min(height, 20)),
        columns=upto(min(width, 20)),
        panels=upto(3),
        taps=upto(window.kernel[0]),
        fetch=draw(st.booleans()),
    )
    if isinstance(window.height, str):
        tile = dataclasses.replace(tile, parts=upto(4))
    if isinstance(window.width, str):
        across = upto(pixels)
        tile = dataclasses.replace(tile, across=across, columns=across * upto(4))
    return tile


@settings(max_examples=25)
@given(problems(), st.data())
def test_any_problem_with_any_of_its_candidates(problem: ConvProblem, data: st.DataObject) -> None:
    assert ISA is not None
    check(data.draw(st.sampled_from(candidates(problem, ISA))))


@settings(max_examples=12)
@given(problems(), st.data())
def test_any_tile_is_right(problem: ConvProblem, data: st.DataObject) -> None:
    """Blocks that don't divide the image, sums in parts, weights fetched ahead."""
    assert ISA is not None
    kernel = Conv(problem, data.draw(tiles(problem, ISA)), ISA)
    assume(kernel.scratch <= SCRATCH)
    check(kernel)


@settings(max_examples=8)
@given(problems())
def test_avx2(problem: ConvProblem) -> None:
    problem = dataclasses.replace(problem, element="f32")
    check(candidates(problem, X86_64_V3)[0])


def test_a_symbolic_batch() -> None:
    assert ISA is not None
    window = Window("n", 5, 6, 8, (3, 3), pads=(1, 1, 1, 1))
    kernel = candidates(ConvProblem(window, 24, epilogue=RELU), ISA)[0]
    check(kernel, *(dataclasses.replace(window, batch=n) for n in (3, 1)))


@settings(max_examples=25)
@given(problems(), st.data())
def test_one_program_for_images_of_all_sizes(problem: ConvProblem, data: st.DataObject) -> None:
    """Smaller than a block, than a register tile, than the window; and larger than the assumed."""
    assert ISA is not None
    symbols, sizes = data.draw(of_any_size(problem.window))
    problem = dataclasses.replace(problem, window=symbols)
    isa = data.draw(st.sampled_from([ISA, X86_64_V3])) if problem.element == "f32" else ISA
    kernel = data.draw(st.sampled_from(candidates(problem, isa)))
    if data.draw(st.booleans()):
        kernel = dataclasses.replace(kernel, tile=data.draw(tiles(problem, isa)))
    assume(kernel.scratch <= SCRATCH)
    check(kernel, *sizes)


def test_one_dimension_longer_than_scratch() -> None:
    assert ISA is not None
    window = Window(1, 1, 9001, 40, (1, 3), pads=(0, 1, 0, 1))
    kernel = candidates(ConvProblem(window, 16), ISA)[0]
    assert kernel.tile.columns < 9000
    check(kernel)


@pytest.mark.parametrize(("groups", "filters", "together"), [
    (32, 4, 4), (32, 8, 2), (32, 16, 1), (32, 3, 1), (1, 4, 1), (64, 2, 8),
])  # fmt: skip
def test_groups_of_few_filters_share_a_vector(groups: int, filters: int, together: int) -> None:
    """No lane of a product is idle where groups have a divisor of its lanes of filters."""
    window = Window(1, 14, 14, groups * 4, (3, 3), pads=(1, 1, 1, 1))
    kernel = candidates(ConvProblem(window, groups * filters, groups), X86_64_V4)[0]
    assert kernel.together == together
    packed = kernel.interface.operands[1].extents
    assert packed[0] == groups // together


@pytest.mark.parametrize("groups", [1, 16])
def test_inner_loop_is_products(groups: int) -> None:
    """Nothing but addresses, loads and products between the innermost loop's braces."""
    window = Window(1, 14, 14, 64, (3, 3), pads=(1, 1, 1, 1))
    for element, product, isa in (
        ("f32", "vector.fma", X86_64_V4),
        ("f32", "vector.fma", X86_64_V3),
        ("bf16", "dpbf16ps", dataclasses.replace(X86_64_V4, bf16=True)),
    ):
        kernel = candidates(ConvProblem(window, 64, groups, element), isa)[0]
        text = kernel.print("k")
        loops = [b for b in re.findall(r"scf\.for[^{]*\{([^{}]*)\}", text) if product in b]
        assert loops
        for body in loops:
            operations = set(re.findall(r"(?:= |^)([a-z_]+\.[a-z_]+)", body, re.MULTILINE))
            assert operations <= {
                "arith.addi", "arith.muli", "memref.load", "vector.load", "vector.broadcast",
                "vector.fma", "vector.bitcast", "vector.extract", "llvm.call_intrinsic",
                "scf.yield",
            }  # fmt: skip


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (ConvProblem(Window(1, 2, 2, 4, (3, 3)), 8), "larger than the padded image"),
        (ConvProblem(Window(1, 4, 4, 4, (3, 3)), 8, groups=3), "unequal"),
        (ConvProblem(Window(1, 4, 4, 4, (3, 3)), 8, element="i8"), "i8"),
        (ConvProblem(Window(1, 4, 4, 4, (3, 3)), 8, element="bf16"), "bf16"),
        (ConvProblem(Window(1, 64, 64, 9000, (9, 9)), 8), "scratch"),
        (ConvProblem(Window(1, 4, 4, 4, (0, 3)), 8), "below 1"),
    ],
)
def test_says_what_it_cannot_serve(problem: ConvProblem, reason: str) -> None:
    with pytest.raises(Unsuitable, match=reason):
        candidates(problem, X86_64_V4)
