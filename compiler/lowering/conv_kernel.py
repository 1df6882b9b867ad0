"""Lowering of convolutions and poolings channels last to their kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema.kernels import convolution, pool
from noema.kernels.conv_tiles import ConvProblem
from noema.kernels.epilogue import Bias, Epilogue
from noema.kernels.kernel import Kernel
from noema.kernels.window import Window
from noema.lowering import emit, scalars
from noema.lowering.epilogues import Refined, alone, element_of, isa_for
from noema.lowering.gemm_kernel import gemm_of
from noema.lowering.kernel_calls import shaped
from noema.lowering.node import Declined, Node


def lower_conv_kernel(node: Node) -> ir.Value:
    """A convolution that nothing refines."""
    return conv(alone(node))


def lower_pool_kernel(node: Node) -> ir.Value:
    """The maximum or the average of windows."""
    x = node.operand(0)
    kernel, strides, dilations, pads = (
        list(node.ints(n) or []) for n in ("kernel", "strides", "dilations", "pads")
    )
    whole, spatial = not kernel, len(emit.shape_of(x)) - 2
    if whole:
        kernel = strides = dilations = [1] * spatial
        pads = [0] * (2 * spatial)
    window, symbols = window_of(x, kernel, strides, dilations, pads)
    value = node.inputs[0]
    assert value is not None
    problem = pool.PoolProblem(
        pool.PoolKind(node.text("kind")),
        window,
        window.pads if node.int("include_pad") else (0, 0, 0, 0),
        element_of(value),
        Epilogue((), node.result_dtype().signless),
        whole,
    )
    found = pool.candidates(problem, isa_for(node), node.kernels.threads)[0]
    (made,) = node.kernels.call(found, [x], symbols)
    return _without_height(made, found, spatial, symbols)


def conv(refined: Refined) -> ir.Value:
    """A convolution channels last: a GEMM over the pixels where it is one, else its own kernel."""
    node = refined.anchor
    x, weight = node.inputs[0], node.inputs[1]
    assert x is not None and weight is not None
    if not node.given("channels_last"):
        raise Declined("a convolution channels first")
    weights = node.known(weight)
    if weights is None:
        raise Declined("a convolution without a weight")
    if node.has(2):
        bias = node.inputs[2]
        assert bias is not None
        steps = (Bias(), *refined.epilogue.steps)
        refined = Refined(
            node,
            Epilogue(steps, refined.epilogue.element),
            (bias, *refined.operands),
            refined.result,
        )
    lowered = node.lowered(x)
    strides, dilations, pads = (list(node.ints(n) or []) for n in ("strides", "dilations", "pads"))
    groups, kernel = node.int("groups"), list(weights.shape[2:])
    if groups == 1 and prod(kernel) == prod(strides) == 1 and not any(pads):
        by_input = weights.reshape(weights.shape[:2]).T
        return gemm_of(
            refined, lowered, emit.extents(lowered)[:-1], weight, by_input, element_of(x)
        )
    window, symbols = window_of(lowered, kernel, strides, dilations, pads)
    filters, isa = weights.shape[0], isa_for(node)
    problem = ConvProblem(window, filters, groups, element_of(x), refined.epilogue)
    found = convolution.candidates(problem, isa, node.kernels.threads)[0]
    stored = found.interface.operands[1]
    form = f"{found.kind}.{'x'.join(map(str, stored.extents))}"
    packed = node.kernels.packed(
        node.source(weight), form, stored, lambda: found.pack(_planar(np.asarray(weights)))
    )
    operands = [lowered, packed, *(node.lowered(v) for v in refined.operands)]
    (made,) = node.kernels.call(found, operands, symbols)
    return _without_height(made, found, len(kernel), symbols)


def _without_height(
    made: ir.Value, kernel: Kernel, spatial: int, symbols: Mapping[str, emit.Extent]
) -> ir.Value:
    """A kernel's result (N, OH, OW, C) with as many spatial dimensions as the op has."""
    (result,) = kernel.interface.results
    batch, *out, channels = (symbols[e] if isinstance(e, str) else e for e in result.extents)
    return shaped(made, [batch, *out[2 - spatial :], channels])


def window_of(
    x: ir.Value,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
) -> tuple[Window, dict[str, emit.Extent]]:
    """The window of a convolution or pooling over x (N, spatial…, C), and its symbols' values.

    Raises:
        Declined: Not 1 or 2 spatial dimensions, or an unknown number of channels.
    """
    spatial, channels = len(kernel), emit.shape_of(x)[-1]
    if spatial not in (1, 2) or channels is None:
        raise Declined("not one or two spatial dimensions of known channels")
    # One spatial dimension is a row of an image of height 1.
    height = [1] * (2 - spatial)

    def pair(values: Sequence[int]) -> tuple[int, int]:
        high, wide = [*height, *values]
        return high, wide

    none = [0] * (2 - spatial)
    before, after = [*none, *pads[:spatial]], [*none, *pads[spatial:]]
    actual = [emit.extent(x, 0), *height, *(emit.extent(x, 1 + i) for i in range(spatial))]
    batch, high, wide = (
        size if isinstance(size, int) else name for name, size in zip("nhw", actual, strict=True)
    )
    window = Window(
        batch,
        high,
        wide,
        channels,
        pair(kernel),
        pair(strides),
        pair(dilations),
        (before[0], before[1], after[0], after[1]),
    )
    symbols = {n: size for n, size in zip("nhw", actual, strict=True) if n in window.image}
    for axis, name in enumerate("hw"):
        if name in symbols:
            padded = scalars.add(symbols[name], window.pads[axis] + window.pads[axis + 2])
            count = emit.window_count(padded, window.reach[axis], window.strides[axis])
            # An image smaller than the window gives none.
            symbols[f"o{name}"] = scalars.maximum(count, 0)
    return window, symbols


def _planar(weights: NDArray[np.generic]) -> NDArray[np.generic]:
    """(F, C, K) as (F, C, 1, K); (F, C, KH, KW) as it is."""
    return weights if weights.ndim == 4 else weights[:, :, None, :]
