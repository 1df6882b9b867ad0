"""Which kernel a convolution gets: depthwise, by Winograd's algorithm, or the sum over taps."""

from __future__ import annotations

from noema.kernels import conv, depthwise, winograd
from noema.kernels.conv import Conv
from noema.kernels.conv_tiles import ConvProblem
from noema.kernels.depthwise import Depthwise, DepthwiseProblem
from noema.kernels.kernel import Isa, Unsuitable
from noema.kernels.winograd import Winograd

Convolution = Conv | Winograd | Depthwise
"""Each takes x, the weights that its `pack` made from (F, C / groups, KH, KW), and what the
epilogue reads."""


def candidates(problem: ConvProblem, isa: Isa, threads: int = 2) -> tuple[Convolution, ...]:
    """Kernels for a problem, the one that is estimated to be fastest first.

    Args:
        problem: What to convolve.
        isa: For what.
        threads: That will share the work.

    Raises:
        Unsuitable: No kernel can serve it.
    """
    if problem.groups == problem.window.channels == problem.filters > 1:
        own = DepthwiseProblem(problem.window, problem.element, problem.epilogue)
        return depthwise.candidates(own, isa, threads)
    found: list[tuple[float, Convolution]] = []
    reasons: list[Unsuitable] = []
    for estimates in (conv.estimates, winograd.estimates):
        try:
            found += estimates(problem, isa, threads)
        except Unsuitable as e:
            reasons.append(e)
    if not found:
        raise reasons[0]
    # The sort is stable: where estimates agree, the sum over taps comes first.
    return tuple(kernel for _, kernel in sorted(found, key=lambda pair: pair[0]))
