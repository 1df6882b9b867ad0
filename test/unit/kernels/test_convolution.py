"""Which kernel a convolution gets."""

from __future__ import annotations

import dataclasses

import pytest

from noema.kernels.conv import Conv
from noema.kernels.conv_tiles import ConvProblem
from noema.kernels.convolution import candidates
from noema.kernels.depthwise import Depthwise
from noema.kernels.kernel import X86_64_V4, Unsuitable
from noema.kernels.window import Window
from noema.kernels.winograd import Winograd

ISA = dataclasses.replace(X86_64_V4, bf16=True, l2=1 << 20)


def window(size: int, channels: int, taps: int, stride: int = 1) -> Window:
    pad = taps // 2
    return Window(
        1, size, size, channels, (taps, taps), (stride, stride), pads=(pad, pad, pad, pad)
    )


@pytest.mark.parametrize(
    ("problem", "family"),
    [
        (ConvProblem(window(56, 64, 3), 64), Winograd),
        (ConvProblem(window(56, 64, 3, stride=2), 64), Conv),
        (ConvProblem(window(224, 3, 7, stride=2), 64), Conv),
        (ConvProblem(window(56, 64, 3), 64, groups=64), Depthwise),
        (ConvProblem(window(56, 64, 3), 128, groups=64), Conv),
        (ConvProblem(window(224, 3, 3), 8), Conv),
    ],
)
def test_the_first_candidate(problem: ConvProblem, family: type) -> None:
    assert isinstance(candidates(problem, ISA)[0], family)


def test_both_ways_are_candidates() -> None:
    kinds = {k.kind for k in candidates(ConvProblem(window(14, 256, 3), 256), ISA)}
    assert kinds == {"conv", "winograd"}


def test_says_what_no_kernel_can_serve() -> None:
    with pytest.raises(Unsuitable, match="unequal"):
        candidates(ConvProblem(window(14, 7, 3), 8, groups=2), ISA)
