"""Lowering of the operators that read images at computed places: GridSample, DeformConv.

The places don't depend on the channel. So the program first makes tables of which elements count,
and how much, for each place, and then reads those elements of every channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dtypes import DType, from_name
from noema.lowering import arguments, emit, real, scalars, slicing
from noema.lowering.elementwise import convert, converted, working_float
from noema.lowering.matmul import multiply_add
from noema.lowering.node import Declined, Node
from noema.lowering.real import Real
from noema.lowering.scalars import Extent

_UNROLLED = 8
"""Up to so many elements are added in a row; more make a loop."""

_MANY_CHANNELS = 8
"""From so many channels on, those of one place are put next to each other first."""

_CUBIC = -0.75
"""The parameter a of GridSample's cubic kernel."""


@dataclass(frozen=True)
class _Tables:
    """Which elements count at which place; places are numbered.

    Attributes:
        taps: How many elements count per place.
        indices: (N, taps, places) of i32: positions in the flat image, -1 for a zero.
        weights: (N, taps, places) of floats; None if the only element counts once.
    """

    taps: int
    indices: ir.Value
    weights: ir.Value | None


def _sampled(x: ir.Value, tables: _Tables) -> ir.Value:
    """Weighted sums (N, C, places) of the elements of flat images (N, C, positions)."""
    channels = emit.shape_of(x)[1]
    last = channels is not None and channels >= _MANY_CHANNELS
    if last:
        x = slicing.apart(emit.transpose(x, [0, 2, 1]))
    places = emit.extent(tables.indices, 2)
    batch, count = emit.extent(x, 0), emit.extent(x, 2 if last else 1)
    sizes = [batch, places, count] if last else [batch, count, places]
    element = emit.element_of(x)
    zero = emit.scalar(0, element)

    def read(index: ir.Value) -> ir.Value:
        first, second = linalg.IndexOp(0).result, linalg.IndexOp(2 if last else 1).result
        position = scalars.to_index(index)
        inside = scalars.maximum(position, 0)
        value = emit.extract(x, [first, inside, second] if last else [first, second, inside])
        return arith.SelectOp(scalars.is_negative(position), zero, value).result

    where = [emit.dims(3)[0], emit.dims(3)[1 if last else 2]]
    if tables.taps <= _UNROLLED:
        parts = [t for t in (tables.indices, tables.weights) if t is not None]
        columns = [slicing.at(table, 1, t) for table in parts for t in range(tables.taps)]

        def add_up(*given: ir.Value) -> ir.Value:
            values = [read(index) for index in given[: tables.taps]]
            if tables.weights is None:
                return values[0]
            terms = [Real(v) * Real(w) for v, w in zip(values, given[tables.taps :], strict=True)]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total.value

        maps = [emit.affine_map(3, where)] * len(columns)
        result = emit.parallel(columns, maps, sizes, element, add_up)
    else:
        assert tables.weights is not None
        table = emit.affine_map(4, [where[0], emit.dims(4)[3], where[1]])
        result = emit.generic(
            [tables.indices, tables.weights],
            [table, table],
            emit.full(sizes, zero),
            emit.affine_map(4, emit.dims(4)[:3]),
            ["parallel"] * 3 + ["reduction"],
            lambda i, w, total: (Real(read(i)) * Real(w) + Real(total)).value,
        )
    return emit.transpose(slicing.apart(result), [0, 2, 1]) if last else result


def _flat(x: ir.Value, kept: int) -> ir.Value:
    """The tensor with all but the first dimensions as one."""
    return slicing.merge(x, kept, arguments.rank(x) - kept)


def _flat_index(positions: Sequence[Extent], sizes: Sequence[Extent]) -> Extent:
    flat: Extent = 0
    for position, size in zip(positions, sizes, strict=True):
        flat = scalars.add(scalars.multiply(flat, size), position)
    return flat


# --- GridSample ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Grid:
    """How GridSample finds and weighs elements.

    Attributes:
        mode: "nearest", "linear" or "cubic".
        padding: "zeros", "border" or "reflection".
        corners: Whether -1 and 1 are the centres of the outermost elements, not their edges.
    """

    mode: str
    padding: str
    corners: bool

    @property
    def reach(self) -> tuple[int, int]:
        """First and last element that counts, from the one at or before the place."""
        return {"nearest": (0, 0), "linear": (0, 1), "cubic": (-1, 2)}[self.mode]

    @property
    def width(self) -> int:
        """How many elements count along a dimension."""
        return self.reach[1] - self.reach[0] + 1

    def place(self, normalized: Real, size: Extent) -> Real:
        """A coordinate in -1 … 1 as one in elements, brought inside as the padding has it."""
        kind = normalized.value.type
        length = real.of_extent(size, kind)
        if self.corners:
            x = (normalized + 1.0) / 2.0 * (length - 1.0)
        else:
            x = ((normalized + 1.0) * length - 1.0) / 2.0
        if self.mode == "nearest":
            x = real.round_even(x)
        low, high = self._border(length)
        outside = real.either(x < low, x > high)
        if self.padding == "border" and self.mode != "cubic":
            # Not for the cubic kernel: PyTorch and ONNX Runtime only bring its elements inside,
            # and results depend on it within two elements of the border.
            return real.where(outside, real.minimum(real.maximum(x, 0.0), length - 1.0), x)
        if self.padding == "reflection":
            return self._reflect(x, low, high)
        return x

    def _border(self, length: Real) -> tuple[Real, Real]:
        kind = length.value.type
        if self.corners:
            return real.constant(0.0, kind), length - 1.0
        return real.constant(-0.5, kind), length - 0.5

    def _reflect(self, x: Real, low: Real, high: Real) -> Real:
        """There and back again between the borders."""
        span = high - low
        span = real.where(span > 0.0, span, real.constant(1.0, x.value.type))
        below = x < low
        beyond = real.where(below, low - x, x - high)
        times = real.floor(beyond / span)
        rest = beyond - times * span
        odd = (times - real.floor(times / 2.0) * 2.0) > 0.5
        from_low = arith.XOrIOp(below, odd).result
        mirrored = real.where(from_low, low + rest, high - rest)
        return real.where(real.either(below, x > high), mirrored, x)

    def element(self, x: Real, tap: Real, size: Extent) -> tuple[Extent, ir.Value | None]:
        """The tap's index along a dimension, and whether it lies beyond where zeros are."""
        length = real.of_extent(size, x.value.type)
        at = real.floor(x) + tap
        beyond = None
        if self.padding == "zeros":
            # The negation of inside, so that a coordinate that is no number is beyond.
            inside = real.both(at >= 0.0, at < length)
            true = emit.scalar(1, ir.IntegerType.get_signless(1))
            beyond = arith.XOrIOp(inside, true).result
        elif self.padding == "reflection":
            at = self._reflect(at, *self._border(length))
        return real.to_index(at, scalars.subtract(size, 1)), beyond

    def weight(self, x: Real, tap: Real) -> Real:
        """How much the tap counts along a dimension."""
        t = real.absolute(tap - (x - real.floor(x)))
        if self.mode == "linear":
            return 1.0 - t
        near = ((_CUBIC + 2.0) * t - (_CUBIC + 3.0)) * t * t + 1.0
        far = ((_CUBIC * t - 5.0 * _CUBIC) * t + 8.0 * _CUBIC) * t - 4.0 * _CUBIC
        return real.where(t <= 1.0, near, far)


def lower_grid_sample(node: Node) -> ir.Value:
    """X (N, C, spatial…) at the places of a grid (N, out…, dimensions), last dimension first."""
    x, grid = node.operand(0), node.operand(1)
    dtype, kind = node.dtype(0), node.dtype(1)
    sizes, out = emit.extents(x), emit.extents(grid)[1:-1]
    spatial = len(sizes) - 2
    mode = node.text("mode", "linear")
    mode = mode.removeprefix("bi")  # as operator set 16 has it
    how = _Grid(mode, node.text("padding_mode", "zeros"), bool(node.int("align_corners", 0)))
    if mode not in ("nearest", "linear", "cubic"):
        raise Declined(f"sampling mode {mode}")
    if how.padding not in ("zeros", "border", "reflection"):
        raise Declined(f"padding mode {how.padding}")
    work = dtype if mode == "nearest" else working_float(dtype, "interpolation")
    coordinates = from_name("float64" if kind.bits > 32 else "float32")
    grid = converted(grid, kind, coordinates)
    grid = emit.reshape(grid, [sizes[0], scalars.product(out), spatial])

    def locate(n: ir.Value, place: ir.Value) -> list[Real]:
        # A grid names the last dimension first.
        named = [Real(emit.extract(grid, [n, place, spatial - 1 - d])) for d in range(spatial)]
        return [how.place(v, size) for v, size in zip(named, sizes[2:], strict=True)]

    tables = _tables(how, emit.extents(grid)[:2], sizes[2:], locate, work)
    result = _sampled(converted(_flat(x, 2), dtype, work), tables)
    return converted(emit.reshape(result, [*sizes[:2], *out]), work, dtype)


def _tables(
    how: _Grid,
    shape: Sequence[Extent],
    sizes: Sequence[Extent],
    locate: Callable[[ir.Value, ir.Value], list[Real]],
    work: DType,
    factor: Callable[[ir.Value, ir.Value], Real] | None = None,
) -> _Tables:
    """Tables for places in images.

    Args:
        how: How elements are found.
        shape: Number of images and of places in each.
        sizes: Extents of the images.
        locate: Coordinates, in elements, of an image's place.
        work: Type of the weights.
        factor: What the weights of an image's place are multiplied by.
    """
    spatial = len(sizes)
    taps = how.width**spatial
    i32, element = ir.IntegerType.get_signless(32), ir.Type.parse(work.mlir)

    def coordinates() -> list[tuple[Real, Real]]:
        """Per dimension, the place and the tap's distance from it."""
        n, t, p = (linalg.IndexOp(i).result for i in range(3))
        found: list[tuple[Real, Real]] = []
        for d, x in enumerate(locate(n, p)):
            rest = scalars.floor_divide(t, how.width ** (spatial - 1 - d))
            turns = scalars.multiply(scalars.floor_divide(rest, how.width), how.width)
            step = real.of_extent(scalars.subtract(rest, turns), x.value.type)
            found.append((x, step + float(how.reach[0])))
        return found

    def index() -> ir.Value:
        at: list[Extent] = []
        beyond: ir.Value | None = None
        for (x, tap), size in zip(coordinates(), sizes, strict=True):
            position, outside = how.element(x, tap, size)
            at.append(position)
            if outside is not None:
                beyond = outside if beyond is None else real.either(beyond, outside)
        flat = scalars.to_integer(_flat_index(at, sizes), i32)
        if beyond is None:
            return flat
        return arith.SelectOp(beyond, emit.scalar(-1, i32), flat).result

    def weight() -> ir.Value:
        weights = [how.weight(x, tap) for x, tap in coordinates()]
        if factor is not None:
            weights.append(factor(linalg.IndexOp(0).result, linalg.IndexOp(2).result))
        total = weights[0]
        for other in weights[1:]:
            total = total * other
        if total.value.type == element:
            return total.value
        narrows = isinstance(element, ir.F32Type)
        return (arith.TruncFOp if narrows else arith.ExtFOp)(element, total.value).result

    extents = [shape[0], taps, shape[1]]
    indices = slicing.apart(emit.parallel([], [], extents, i32, index))
    if how.mode == "nearest":
        return _Tables(1, indices, None)
    return _Tables(taps, indices, slicing.apart(emit.parallel([], [], extents, element, weight)))


# --- DeformConv ---------------------------------------------------------------------------------


def lower_deform_conv(node: Node) -> ir.Value:
    """A convolution of x (N, C, H, W) whose kernel elements are each moved by an offset.

    The elements that each output needs are gathered, weighted by the mask, into columns; the rest
    is one product of matrices.
    """
    x, weight, offset = (node.operand(i) for i in range(3))
    bias, mask = node.optional(3), node.optional(4)
    dtype, work = node.dtype(0), working_float(node.dtype(0), "DeformConv")
    element, wide = node.result_element(), ir.Type.parse(work.mlir)
    if arguments.rank(x) != 4:
        raise Declined("a deformed convolution of other than two dimensions")
    groups, parts = node.int("group", 1), node.int("offset_group", 1)
    batch, channels, *sizes = emit.extents(x)
    filters, _, *kernel = emit.shape_of(weight)
    height, width = kernel
    if not isinstance(channels, int) or filters is None or height is None or width is None:
        raise Declined("channels or a kernel of unknown extent")
    steps = [list(node.ints(name) or [1, 1]) for name in ("strides", "dilations")]
    pads = list(node.ints("pads") or [0] * 4)
    out = emit.extents(offset)[2:]
    elements, places = height * width, scalars.product(out)
    images = scalars.multiply(batch, parts)

    def widened(value: ir.Value) -> ir.Value:
        return emit.pointwise([value], wide, lambda v: convert(v, dtype, work))

    moves = emit.reshape(widened(offset), [images, 2 * elements, places])
    factors = (
        None
        if mask is None
        else emit.reshape(widened(mask), [images, scalars.multiply(elements, places)])
    )

    def locate(n: ir.Value, place: ir.Value) -> list[Real]:
        k = scalars.floor_divide(place, places)
        p = scalars.subtract(place, scalars.multiply(k, places))
        row, line = scalars.floor_divide(k, width), scalars.floor_divide(p, out[1])
        kernel_at = row, scalars.subtract(k, scalars.multiply(row, width))
        at = line, scalars.subtract(p, scalars.multiply(line, out[1]))
        found: list[Real] = []
        for d in range(2):
            fixed = scalars.add(
                scalars.multiply(at[d], steps[0][d]), scalars.multiply(kernel_at[d], steps[1][d])
            )
            fixed = scalars.subtract(fixed, pads[d])
            moved = emit.extract(moves, [n, scalars.add(scalars.multiply(k, 2), d), p])
            found.append(real.of_extent(fixed, wide) + Real(moved))
        return found

    tables = _tables(
        _Grid("linear", "zeros", False),
        [images, scalars.multiply(elements, places)],
        sizes,
        locate,
        work,
        None if factors is None else lambda n, place: Real(emit.extract(factors, [n, place])),
    )
    flat = emit.reshape(widened(x), [images, channels // parts, scalars.product(sizes)])
    columns = emit.reshape(
        _sampled(flat, tables), [batch, groups, channels // groups * elements, places]
    )
    kernels = emit.reshape(
        widened(weight), [groups, filters // groups, channels // groups * elements]
    )
    n, g, f, p, r = emit.dims(5)
    sums = emit.generic(
        [kernels, columns],
        [emit.affine_map(5, [g, f, r]), emit.affine_map(5, [n, g, r, p])],
        emit.full([batch, groups, filters // groups, places], emit.scalar(0, wide)),
        emit.affine_map(5, [n, g, f, p]),
        ["parallel"] * 4 + ["reduction"],
        multiply_add(wide),
    )
    result = emit.reshape(sums, [batch, filters, *out])
    if bias is None:
        return emit.pointwise([result], element, lambda v: convert(v, work, dtype))
    every = emit.dims(4)
    return emit.parallel(
        [result, bias],
        [emit.affine_map(4, every), emit.affine_map(4, every[1:2])],
        emit.extents(result),
        element,
        lambda v, b: convert((Real(v) + Real(convert(b, dtype, work))).value, work, dtype),
    )
