"""Lowering of ConvTranspose, and of Col2Im, which is its sum without the weights.

Output position o gets x[i] · w[k] wherever o + pad = i · stride + k · dilation. The positions of
one remainder by the stride (one *phase*) see the same part of the kernel, so the filters of all
phases together make one ordinary convolution, whose channels are then interleaved. Nothing is
multiplied by the zeros that a convolution over a spread input would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dtypes import from_name
from noema.lowering import arguments, emit, scalars, slicing
from noema.lowering.conv import check_element, convolve, pad
from noema.lowering.elementwise import apply
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent


@dataclass(frozen=True)
class _Axis:
    """One spatial dimension.

    Attributes:
        size: Extent of the input.
        kernel: Extent of the kernel.
        stride: Distance of two inputs in the output.
        dilation: Distance of two kernel elements in the output.
        before: Positions that are cut off the start of the sum.
        outer: Extent of the output - stride · (size - 1), which is known even where size is not.
    """

    size: Extent
    kernel: int
    stride: int
    dilation: int
    before: int
    outer: int

    @property
    def wanted(self) -> Extent:
        """Extent of the output."""
        inputs = scalars.multiply(scalars.subtract(self.size, 1), self.stride)
        return scalars.add(inputs, self.outer)

    @property
    def spacing(self) -> int:
        """Distance of the elements of a phase's kernel, in inputs."""
        return self.dilation if self.stride == 1 else 1

    @property
    def offsets(self) -> tuple[int, int]:
        """First and last input, counted from q, that output q · stride + phase gets, any phase."""
        reached = [
            phase + self.before - k * self.dilation
            for phase in range(self.stride)
            for k in range(self.kernel)
        ]
        own = [r // self.stride for r in reached if r % self.stride == 0]
        return (min(own), max(own)) if own else (0, 0)

    @property
    def taps(self) -> int:
        """Kernel elements of a phase; for some phases there are zeros among them."""
        first, last = self.offsets
        return (last - first) // self.spacing + 1

    @property
    def padding(self) -> tuple[int, int]:
        """Zeros that the windows of all phases need before and after the input; may be negative."""
        first, last = self.offsets
        return -first, -(-self.outer // self.stride) - 1 + last


def lower_conv_transpose(node: Node) -> ir.Value:
    """The sum of kernels (C, F/g, kernel…), each scaled by an element of x (N, C, spatial…)."""
    x, weight, bias = node.operand(0), node.operand(1), node.optional(2)
    element = node.result_element()
    check_element(element)
    groups = node.int("group", 1)
    axes = _axes(node, x, weight)
    x = _framed(x, axes, element)
    filters = _phase_filters(weight, axes, groups)
    phases = prod(a.stride for a in axes)
    count = emit.extent(filters, 0)
    if bias is not None and phases > 1:
        spread = emit.affine_map(2, emit.dims(2)[:1])
        sizes = [emit.extent(bias, 0), phases]
        bias = emit.parallel([bias], [spread], sizes, element, lambda b: b)
        bias = emit.reshape(bias, [count])
    sum_ = convolve(
        x, filters, bias, groups, [1] * len(axes), [a.spacing for a in axes], emit.element_of(x)
    )
    sum_ = _interleave(sum_, [a.stride for a in axes])
    if all(a.outer % a.stride == 0 for a in axes):
        return sum_
    sizes = [*emit.extents(sum_)[:2], *(a.wanted for a in axes)]
    return slicing.take(sum_, [0] * len(sizes), sizes)


def _axes(node: Node, x: ir.Value, weight: ir.Value) -> list[_Axis]:
    spatial = arguments.rank(x) - 2
    sizes, kernel = emit.extents(x)[2:], emit.shape_of(weight)[2:]
    known = [k for k in kernel if k is not None]
    if len(known) != spatial or None in emit.shape_of(weight):
        raise Declined("a kernel of unknown extent")
    strides = list(node.ints("strides") or [1] * spatial)
    dilations = list(node.ints("dilations") or [1] * spatial)
    extra = list(node.ints("output_padding") or [0] * spatial)
    pads = list(node.ints("pads") or [0] * 2 * spatial)
    shape = node.ints("output_shape")
    # The first entries may stand for batch and channels.
    wanted = None if shape is None else list(shape)[-spatial:]
    automatic = node.text("auto_pad", "NOTSET")
    axes: list[_Axis] = []
    for i, (size, stride) in enumerate(zip(sizes, strides, strict=True)):
        # Of the whole sum: stride · (size - 1) + beyond.
        beyond = extra[i] + (known[i] - 1) * dilations[i] + 1
        before = pads[i]
        if wanted is not None or automatic.startswith("SAME"):
            if wanted is None:
                outer = stride  # the output is stride · size
            elif isinstance(size, int):
                outer = wanted[i] - stride * (size - 1)
            else:
                raise Declined("an output shape for an input of unknown extent")
            total = max(beyond - outer, 0)
            before = total // 2 if automatic == "SAME_UPPER" else total - total // 2
        else:
            outer = beyond - pads[i] - pads[spatial + i]
        axes.append(_Axis(size, known[i], stride, dilations[i], before, outer))
    return axes


def _framed(x: ir.Value, axes: Sequence[_Axis], element: ir.Type) -> ir.Value:
    """X with the zeros that the phases' windows need around it, without what none of them needs."""
    amounts = [a.padding for a in axes]
    if any(min(pair) < 0 for pair in amounts):
        offsets: list[Extent] = [0, 0]
        sizes = emit.extents(x)
        for i, (axis, (low, high)) in enumerate(zip(axes, amounts, strict=True)):
            less = min(low, 0) + min(high, 0)
            if isinstance(axis.size, int) and axis.size + less < 1:
                raise Declined("padding of more than the whole input")
            offsets.append(max(-low, 0))
            sizes[2 + i] = scalars.add(axis.size, less)
        x = slicing.take(x, offsets, sizes)
    low, high = ([0, 0, *(max(pair[i], 0) for pair in amounts)] for i in (0, 1))
    return pad(x, low, high, emit.scalar(0, element))


def _phase_filters(weight: ir.Value, axes: Sequence[_Axis], groups: int) -> ir.Value:
    """The kernels (C, F/g, kernel…) as filters (F · phases, C/g, taps…) of a convolution."""
    spatial, element = len(axes), emit.element_of(weight)
    channels, filters = (d or 0 for d in emit.shape_of(weight)[:2])
    each = channels // groups
    strides, taps = [a.stride for a in axes], [a.taps for a in axes]
    sizes = [groups, filters, *strides, each, *taps]

    def pick() -> ir.Value:
        here = [linalg.IndexOp(i).result for i in range(len(sizes))]
        channel = scalars.add(scalars.multiply(here[0], each), here[2 + spatial])
        at: list[Extent] = [channel, here[1]]
        inside: ir.Value | None = None
        for i, axis in enumerate(axes):
            # In the output: of the first kernel element that the window's first input meets …
            start = axis.before - axis.offsets[0] * axis.stride
            # … and from there towards earlier ones.
            back = scalars.multiply(here[3 + spatial + i], axis.spacing * axis.stride)
            reached = scalars.subtract(scalars.add(here[2 + i], start), back)
            position = scalars.floor_divide(reached, axis.dilation)
            within = scalars.clamp(position, 0, axis.kernel - 1)
            at.append(within)
            if axis.stride > 1:
                fits = scalars.is_equal(scalars.multiply(within, axis.dilation), reached)
                inside = fits if inside is None else _both(inside, fits)
        value = emit.extract(weight, at)
        if inside is None:
            return value
        return arith.SelectOp(inside, value, emit.scalar(0, element)).result

    made = emit.parallel([], [], sizes, element, pick)
    return emit.reshape(made, [groups * filters * prod(strides), each, *taps])


def _both(a: ir.Value, b: ir.Value) -> ir.Value:
    return arith.AndIOp(a, b).result


def _interleave(x: ir.Value, strides: Sequence[int]) -> ir.Value:
    """(N, F · s₀ · s₁ …, Q₀, Q₁ …) as (N, F, Q₀ · s₀, Q₁ · s₁ …)."""
    if prod(strides) == 1:
        return x
    spatial = len(strides)
    filters = emit.shape_of(x)[1]
    assert filters is not None
    # A convolution that writes in this order is slower than one and a transposition.
    x = slicing.split(slicing.apart(x), 1, [filters // prod(strides), *strides])
    order = [0, 1]
    for i in range(spatial):
        order += [2 + spatial + i, 2 + i]
    x = emit.transpose(x, order)
    for i in range(spatial):
        x = slicing.merge(x, 2 + i, 2)
    return x


def lower_col2im(node: Node) -> ir.Value:
    """Columns (N, C · block, windows) added up at their places in images (N, C, image…)."""
    x, dtype = node.operand(0), node.dtype(0)
    image = arguments.indices(node, "image_shape", 1)
    block = arguments.indices(node, "block_shape", 2)
    if image is None or block is None:
        raise Declined("no extents")
    if not (dtype.is_float or dtype.is_integer) or dtype.bits < (16 if dtype.is_float else 8):
        raise Declined(f"sums of {dtype}")
    spatial = len(image)
    strides = list(node.ints("strides") or [1] * spatial)
    dilations = list(node.ints("dilations") or [1] * spatial)
    pads = list(node.ints("pads") or [0] * 2 * spatial)
    declared = node.result_shape()
    image = [scalars.refine(declared, 2 + i, lambda n=n: n) for i, n in enumerate(image)]
    windows: list[Extent] = []
    for i, (size, kernel) in enumerate(zip(image, block, strict=True)):
        padded = scalars.add(size, pads[i] + pads[spatial + i] - 1)
        reach = scalars.multiply(scalars.subtract(kernel, 1), dilations[i])
        steps = scalars.floor_divide(scalars.subtract(padded, reach), strides[i])
        windows.append(scalars.add(steps, 1))
    batch, rows = emit.extents(x)[:2]
    elements = scalars.product(block)
    channels = scalars.refine(declared, 1, lambda: scalars.floor_divide(rows, elements))
    element = emit.element_of(x)
    work = emit.accumulator_of(element)
    zero = emit.scalar(0, work)

    def add(_: ir.Value, total: ir.Value) -> ir.Value:
        here = [linalg.IndexOp(i).result for i in range(2 + 2 * spatial)]
        row: Extent = here[1]
        column: Extent = 0
        inside: ir.Value | None = None
        for i in range(spatial):
            kernel = here[2 + spatial + i]
            row = scalars.add(scalars.multiply(row, block[i]), kernel)
            offset = scalars.add(here[2 + i], pads[i])
            offset = scalars.subtract(offset, scalars.multiply(kernel, dilations[i]))
            window = scalars.floor_divide(offset, strides[i])
            last = scalars.subtract(windows[i], 1)
            within = scalars.clamp(window, 0, last)
            fits = scalars.is_equal(scalars.multiply(within, strides[i]), offset)
            inside = fits if inside is None else _both(inside, fits)
            column = scalars.add(scalars.multiply(column, windows[i]), within)
        value = emit.extract(x, [here[0], row, column])
        if value.type != work:
            value = arith.ExtFOp(work, value).result
        if inside is not None:
            value = arith.SelectOp(inside, value, zero).result
        return apply(Kind.ADD, wide, value, total)

    wide = from_name("float32") if work != element else dtype
    loops = emit.dims(2 + 2 * spatial)
    result = emit.generic(
        [emit.empty(block, work)],  # only tells the extents of the loops over the block
        [emit.affine_map(len(loops), loops[2 + spatial :])],
        emit.full([batch, channels, *image], zero),
        emit.affine_map(len(loops), loops[: 2 + spatial]),
        ["parallel"] * (2 + spatial) + ["reduction"] * spatial,
        add,
    )
    return emit.narrow(result, element)
