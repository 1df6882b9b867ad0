"""Resampling of tensors: the nearest elements, linear or cubic interpolation, axis by axis.

What is along an axis at output position y is a weighted sum of input elements around the
coordinate x(y). Where extents and scale are known, indices and weights are tables that are made
here; else the program makes the same tables when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from noema.dtypes import DType, from_name
from noema.lowering import emit, real, scalars, slicing
from noema.lowering.elementwise import convert
from noema.lowering.node import Declined
from noema.lowering.real import Number, Real, Table
from noema.lowering.scalars import Extent

_UNROLLED = 4
"""Up to so many elements are added in a row; more make a loop."""

Quantity = float | Callable[[ir.Type], Real]
"""A float that is known, or one that is made, of the given type, inside the body of an op."""


@dataclass(frozen=True)
class Axis:
    """One dimension to resample.

    Attributes:
        number: Which dimension.
        size: Extent of the input.
        wanted: Extent of the output.
        scale: Ratio of output to input, by which coordinates are computed.
        start: First input coordinate of `tf_crop_and_resize`, as a share of the input.
        end: Last one.
    """

    number: int
    size: Extent
    wanted: Extent
    scale: Quantity
    start: Quantity = 0.0
    end: Quantity = 1.0

    @property
    def region(self) -> tuple[Quantity, Quantity]:
        """Start and end."""
        return self.start, self.end

    @property
    def known(self) -> bool:
        """Whether the tables can be made at compile time."""
        extents = isinstance(self.size, int) and isinstance(self.wanted, int)
        return extents and all(isinstance(q, float) for q in (self.scale, self.start, self.end))


@dataclass(frozen=True)
class Method:
    """How a coordinate is found, and which elements around it count how much.

    Attributes:
        coordinates: Coordinate transformation mode.
        mode: "nearest", "linear" or "cubic".
        nearest: Which neighbour is the nearest; "simple" is that of the oldest opsets.
        cubic: The cubic kernel's parameter a.
        antialias: Whether the kernel is stretched where the output is smaller.
        inside: Whether elements beyond the border get no weight.
        fill: What is beyond the input, where coordinates may lie there.
    """

    coordinates: str
    mode: str
    nearest: str
    cubic: float
    antialias: bool
    inside: bool
    fill: float

    @property
    def crops(self) -> bool:
        """Whether coordinates are those of a region, and may lie beyond the input."""
        return self.coordinates == "tf_crop_and_resize"

    def coordinate(
        self, y: Number, scale: Number, size: Number, wanted: Number, start: Number, end: Number
    ) -> Number:
        """The input coordinate of output position y, as the ONNX specification of Resize has it.

        Args:
            y: Position.
            scale: Ratio of output to input.
            size: Extent of the input.
            wanted: Extent of the output.
            start: Start of the region as a share of the input.
            end: End of it.
        """
        match self.coordinates:
            case "half_pixel":
                return (y + 0.5) / scale - 0.5
            case "pytorch_half_pixel":
                return real.where(wanted > 1.0, (y + 0.5) / scale - 0.5, 0.0)
            case "half_pixel_symmetric":
                # The output's centre is the input's, though the output may be cut.
                return size / 2.0 * (1.0 - wanted / (scale * size)) + (y + 0.5) / scale - 0.5
            case "asymmetric":
                return y / scale
            case "align_corners":
                last = scale * size - 1.0  # 0 only for a single position, which is 0
                return y * (size - 1.0) / real.where(real.equal(last, 0.0), last + 1.0, last)
            case "tf_half_pixel_for_nn":
                return (y + 0.5) / scale
            case "tf_crop_and_resize":
                last = real.maximum(wanted - 1.0, 1.0)
                along = start * (size - 1.0) + y * (end - start) * (size - 1.0) / last
                return real.where(wanted > 1.0, along, 0.5 * (start + end) * (size - 1.0))
            case _:
                raise Declined(f"coordinate transformation mode {self.coordinates}")

    def pick(self, x: Number, scale: Number) -> Number:
        """The index of the nearest element, which may lie beyond the border."""
        before = real.ceil(x) - 1.0  # hence the part after it is above 0, and 1 for an integer
        part = x - before
        match self.nearest:
            case "round_prefer_floor":
                return real.where(part <= 0.5, before, before + 1.0)
            case "round_prefer_ceil":
                return real.where(part < 0.5, before, before + 1.0)
            case "floor":
                return real.floor(x)
            case "ceil":
                return before + 1.0
            case "simple":
                return real.where(scale < 1.0, real.ceil(x), real.floor(x))
            case _:
                raise Declined(f"nearest mode {self.nearest}")

    @property
    def radius(self) -> int:
        """How far the kernel reaches if it isn't stretched."""
        return 1 if self.mode == "linear" else 2

    def reach(self, axis: Axis) -> Extent:
        """How many elements after a coordinate count, and how many before it, at the most."""
        if not self.antialias:
            return self.radius
        if isinstance(axis.scale, float):
            return int(np.ceil(self.radius / min(axis.scale, 1.0)))
        # The output's extent comes of the scale by rounding, at most half a position up.
        half_positions = scalars.subtract(scalars.multiply(2, axis.wanted), 1)
        stretched = scalars.ceil_divide(
            scalars.multiply(2 * self.radius, axis.size), scalars.maximum(half_positions, 1)
        )
        return scalars.maximum(stretched, self.radius)

    def weigh(self, x: Number, offset: Number, scale: Number) -> Number:
        """Weight of the element `offset` after the last one before coordinate x.

        With antialiasing, the weights of all offsets are still to be divided by their sum.
        """
        away = offset - (x - (real.ceil(x) - 1.0))
        t = real.absolute(away * real.minimum(scale, 1.0) if self.antialias else away)
        if self.mode == "linear":
            return real.maximum(1.0 - t, 0.0)
        a = self.cubic
        near = ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
        far = ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
        return real.where(t <= 1.0, near, real.where(t < 2.0, far, 0.0))


def is_identity(axis: Axis, method: Method) -> bool:
    """Whether resampling surely changes nothing."""
    if axis.known:
        indices, weights, beyond = _tables(axis, method)
        if axis.size != axis.wanted or bool(beyond.any()):
            return False
        own = indices == np.arange(axis.size)[:, None]
        return bool(np.all(np.where(own, weights, 0.0).sum(1) == weights.sum(1)))
    plain = method.coordinates not in ("tf_half_pixel_for_nn", "tf_crop_and_resize")
    return plain and (axis.scale == 1.0 or scalars.same(axis.size, axis.wanted))


# --- indices and weights ------------------------------------------------------------------------


def _tables(axis: Axis, method: Method) -> tuple[Table, Table, Table]:
    """Of an axis that is known: indices and weights (output, elements), what is beyond (output)."""
    assert isinstance(axis.size, int) and isinstance(axis.wanted, int)
    known = (axis.scale, axis.size, axis.wanted, axis.start, axis.end)
    scale, size, wanted, start, end = (np.array(q, np.float64) for q in known)
    y = np.arange(axis.wanted, dtype=np.float64)
    x = method.coordinate(y, scale, size, wanted, start, end)
    if method.crops:
        beyond = real.either(x < 0.0, x > size - 1.0)
    else:
        beyond = np.zeros(axis.wanted, bool)
    if method.mode == "nearest":
        indices = method.pick(x, scale)[:, None]
        weights = np.ones_like(indices)
    else:
        reach = method.reach(axis)
        assert isinstance(reach, int)
        offsets = np.arange(1.0 - reach, reach + 1.0)[None, :]
        indices = np.ceil(x)[:, None] - 1.0 + offsets
        weights = method.weigh(x[:, None], offsets, scale)
        if method.inside:
            weights = np.where(real.either(indices < 0.0, indices > size - 1.0), 0.0, weights)
        if method.inside or method.antialias:
            total = weights.sum(1, keepdims=True)
            weights = weights / np.where(total == 0.0, 1.0, total)
    return np.clip(indices, 0.0, np.maximum(size - 1.0, 0.0)), weights, beyond


class _Taps:
    """Tables of one axis as tensors.

    Attributes:
        count: How many elements count, per output position.
        indices: (output, count) of i32.
        weights: (output, count) of the accumulator's type; None for the nearest element.
        beyond: (output) of i1: where the coordinate is beyond the input; None if nowhere.
    """

    def __init__(self, axis: Axis, method: Method, element: ir.Type) -> None:
        self._element = element
        self.beyond: ir.Value | None = None
        self.weights: ir.Value | None = None
        if axis.known:
            self._known(axis, method)
        else:
            self._at_run_time(axis, method)

    def _known(self, axis: Axis, method: Method) -> None:
        indices, weights, beyond = _tables(axis, method)
        used = np.any(weights != 0.0, axis=0)
        used[0] |= not used.any()
        self.count: Extent = int(used.sum())
        self.indices = emit.constant(np.ascontiguousarray(indices[:, used]).astype(np.int32))
        if method.mode != "nearest":
            narrow = isinstance(self._element, ir.F32Type)
            kept = np.ascontiguousarray(weights[:, used])
            self.weights = emit.constant(kept.astype(np.float32 if narrow else np.float64))
        if beyond.any():
            self.beyond = emit.constant(beyond)

    def _at_run_time(self, axis: Axis, method: Method) -> None:
        f32, i32 = ir.F32Type.get(), ir.IntegerType.get_signless(32)
        boolean = ir.IntegerType.get_signless(1)
        last = scalars.subtract(axis.size, 1)
        # Interpolation is continuous, but the nearest element must be that of the tables above.
        kind = ir.F64Type.get() if method.mode == "nearest" else f32

        def of(extent: Extent) -> Real:
            return real.of_extent(extent, kind)

        def given(quantity: Quantity) -> Real:
            return quantity(kind) if callable(quantity) else real.constant(quantity, kind)

        def coordinate() -> Real:
            y = of(linalg.IndexOp(0).result)
            extents = of(axis.size), of(axis.wanted)
            return method.coordinate(y, given(axis.scale), *extents, *map(given, axis.region))

        def index() -> ir.Value:
            x = coordinate()
            if method.mode == "nearest":
                chosen = method.pick(x, given(axis.scale))
            else:
                chosen = real.ceil(x) - 1.0 + offset()
            return scalars.to_integer(real.to_index(chosen, last), i32)

        def offset() -> Real:
            return of(linalg.IndexOp(1).result) + of(scalars.subtract(1, reach))

        def weight() -> ir.Value:
            x = coordinate()
            value = method.weigh(x, offset(), given(axis.scale))
            if method.inside:
                place = real.ceil(x) - 1.0 + offset()
                outside = real.either(place < 0.0, place > of(last))
                value = real.where(outside, real.constant(0.0, f32), value)
            return value.value

        reach = 1 if method.mode == "nearest" else method.reach(axis)
        self.count = 1 if method.mode == "nearest" else scalars.multiply(2, reach)
        sizes = [axis.wanted, self.count]
        self.indices = emit.parallel([], [], sizes, i32, index)
        if method.mode != "nearest":
            weights = emit.parallel([], [], sizes, f32, weight)
            if method.inside or method.antialias:
                weights = _divided_by_sum(weights)
            if not isinstance(self._element, ir.F32Type):
                wide = self._element
                weights = emit.pointwise([weights], wide, lambda w: arith.ExtFOp(wide, w).result)
            self.weights = weights
        if method.crops:

            def is_beyond() -> ir.Value:
                x = coordinate()
                return real.either(x < 0.0, x > of(last))

            self.beyond = emit.parallel([], [], [axis.wanted], boolean, is_beyond)


def _divided_by_sum(weights: ir.Value) -> ir.Value:
    f32 = ir.F32Type.get()
    total = emit.reduce(
        weights, [1], emit.scalar(0, f32), lambda w, sum_: arith.AddFOp(w, sum_).result
    )

    def divide(weight: ir.Value, sum_: ir.Value) -> ir.Value:
        divisor = real.where(real.equal(Real(sum_), 0.0), real.constant(1.0, f32), Real(sum_))
        return (Real(weight) / divisor).value

    d = emit.dims(2)
    maps = [emit.affine_map(2, d), emit.affine_map(2, d[:1])]
    return emit.parallel([weights, total], maps, emit.extents(weights), f32, divide)


# --- resampling ---------------------------------------------------------------------------------


def repeats(axis: Axis, method: Method) -> int | None:
    """How often each element is repeated, if that is all that happens along the axis."""
    if axis.known:
        indices, _, beyond = _tables(axis, method)
        assert isinstance(axis.size, int) and isinstance(axis.wanted, int)
        factor = axis.wanted // axis.size if axis.size else 0
        if factor * axis.size != axis.wanted or factor == 0 or beyond.any():
            return None
        plain = np.array_equal(indices[:, 0], np.arange(axis.wanted) // factor)
        return factor if plain else None
    if not isinstance(axis.scale, float) or not axis.scale.is_integer():
        return None
    # (i + ½) / k - ½ is never half way between two elements, and i / k rounded down is i // k.
    rounded = ("round_prefer_floor", "round_prefer_ceil")
    plain = method.coordinates == "half_pixel" and method.nearest in rounded
    cut = method.coordinates == "asymmetric" and method.nearest in ("floor", "simple")
    return int(axis.scale) if plain or cut else None


def repeat(x: ir.Value, factors: dict[int, int]) -> ir.Value:
    """Each element `factors[d]` times along dimension d."""
    sizes: list[Extent] = []
    own: list[int] = []
    for d, size in enumerate(emit.extents(x)):
        own.append(len(sizes))
        sizes.append(size)
        if d in factors:
            sizes.append(factors[d])
    every = emit.dims(len(sizes))
    mapping = emit.affine_map(len(sizes), [every[i] for i in own])
    spread = emit.parallel([x], [mapping], sizes, emit.element_of(x), lambda v: v)
    for d in sorted(factors):
        spread = slicing.merge(spread, d, 2)
    return spread


def nearest(x: ir.Value, axes: Sequence[Axis], method: Method, dtype: DType) -> ir.Value:
    """The nearest element, along all axes at once."""
    element = emit.element_of(x)
    sizes = emit.extents(x)
    count = len(sizes)
    every = emit.dims(count)
    taps = [_Taps(a, method, ir.F32Type.get()) for a in axes]
    tables = [slicing.at(t.indices, 1, 0) for t in taps]
    masks = [(a, t.beyond) for a, t in zip(axes, taps, strict=True) if t.beyond is not None]
    for a in axes:
        sizes[a.number] = a.wanted
    inputs = [*tables, *(m for _, m in masks)]
    along = [a.number for a in axes] + [a.number for a, _ in masks]
    fill = method.fill if dtype.is_float else int(method.fill)

    def pick(*given: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(d).result for d in range(count)]
        for axis, index in zip(axes, given, strict=False):
            at[axis.number] = scalars.to_index(index)
        value = emit.extract(x, at)
        for beyond in given[len(axes) :]:
            value = arith.SelectOp(beyond, emit.scalar(fill, element), value).result
        return value

    maps = [emit.affine_map(count, [every[d]]) for d in along]
    return emit.parallel(inputs, maps, sizes, element, pick)


def interpolate(x: ir.Value, axes: Sequence[Axis], method: Method, dtype: DType) -> ir.Value:
    """Weighted sums along one axis after the other, in f32, or in f64 for wide types."""
    if not (dtype.is_float or dtype.is_integer) or dtype.bits < 8:
        raise Declined(f"interpolation of {dtype}")
    if dtype.is_float and dtype.bits < 16:
        raise Declined(f"interpolation of {dtype}")
    wide = from_name("float64" if dtype.bits > (32 if dtype.is_float else 16) else "float32")
    element = ir.Type.parse(wide.signless)

    def growth(axis: Axis) -> float:
        whole = isinstance(axis.wanted, int) and isinstance(axis.size, int) and axis.size
        return axis.wanted / axis.size if whole else 1.0

    x = emit.pointwise([x], element, lambda v: convert(v, dtype, wide))
    # What shrinks goes first, for there is less to do after it. The axes are kept apart: code
    # generation would compute the first anew for each element that the second reads.
    for i, axis in enumerate(sorted(axes, key=lambda a: (growth(a), -a.number))):
        source = slicing.apart(x) if i else x
        x = _along_one(source, axis, _Taps(axis, method, element), method.fill)
    result = ir.Type.parse(dtype.signless)
    return emit.pointwise([x], result, lambda v: _narrow(v, wide, dtype))


def _along_one(x: ir.Value, axis: Axis, taps: _Taps, fill: float) -> ir.Value:
    """Weighted sums along one axis, in a layout where neighbours in memory share their weights."""
    shape = emit.shape_of(x)
    count = len(shape)
    if axis.number < count - 1 or count == 1 or shape[-2] == 1:
        return _along(x, axis, taps, fill)
    swapped = [*range(count - 2), count - 1, count - 2]
    x = slicing.apart(emit.transpose(x, swapped))
    x = slicing.apart(_along(x, replace(axis, number=count - 2), taps, fill))
    return emit.transpose(x, swapped)


def _along(x: ir.Value, axis: Axis, taps: _Taps, fill: float) -> ir.Value:
    """Weighted sums along one axis."""
    element = emit.element_of(x)
    sizes = emit.extents(x)
    sizes[axis.number] = axis.wanted
    count = len(sizes)
    if isinstance(taps.count, int) and taps.count <= _UNROLLED:
        result = _unrolled(x, axis.number, sizes, taps, taps.count)
    else:
        result = _reduced(x, axis.number, sizes, taps)
    if taps.beyond is None:
        return result
    maps = [
        emit.affine_map(count, emit.dims(count)),
        emit.affine_map(count, [emit.dims(count)[axis.number]]),
    ]
    return emit.parallel(
        [result, taps.beyond],
        maps,
        sizes,
        element,
        lambda v, beyond: arith.SelectOp(beyond, emit.scalar(fill, element), v).result,
    )


def _unrolled(
    x: ir.Value, axis: int, sizes: Sequence[Extent], taps: _Taps, elements: int
) -> ir.Value:
    assert taps.weights is not None
    count = len(sizes)
    columns = [
        slicing.at(table, 1, t) for table in (taps.indices, taps.weights) for t in range(elements)
    ]

    def add_up(*given: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(d).result for d in range(count)]
        total: Real | None = None
        for index, weight in zip(given[:elements], given[elements:], strict=True):
            at[axis] = scalars.to_index(index)
            part = Real(emit.extract(x, at)) * Real(weight)
            total = part if total is None else total + part
        assert total is not None
        return total.value

    along = emit.affine_map(count, [emit.dims(count)[axis]])
    return emit.parallel(columns, [along] * len(columns), sizes, emit.element_of(x), add_up)


def _reduced(x: ir.Value, axis: int, sizes: Sequence[Extent], taps: _Taps) -> ir.Value:
    element, count = emit.element_of(x), len(sizes)
    loops = emit.dims(count + 1)
    table = emit.affine_map(count + 1, [loops[axis], loops[count]])
    assert taps.weights is not None

    def add(index: ir.Value, weight: ir.Value, total: ir.Value) -> ir.Value:
        at: list[Extent] = [linalg.IndexOp(d).result for d in range(count)]
        at[axis] = scalars.to_index(index)
        return (Real(emit.extract(x, at)) * Real(weight) + Real(total)).value

    return emit.generic(
        [taps.indices, taps.weights],
        [table, table],
        emit.full(sizes, emit.scalar(0, element)),
        emit.affine_map(count + 1, loops[:count]),
        ["parallel"] * count + ["reduction"],
        add,
    )


def _narrow(value: ir.Value, wide: DType, dtype: DType) -> ir.Value:
    """A sum in the result's type: integers are rounded to even, and kept within their range."""
    if dtype.is_float:
        return convert(value, wide, dtype)
    element = ir.Type.parse(dtype.signless)
    low, high = (f(element, not dtype.is_unsigned) for f in (emit.lowest, emit.highest))
    rounded = real.round_even(Real(value))
    if dtype.bits < 64:
        rounded = real.minimum(real.maximum(rounded, float(low)), float(high))
    return convert(rounded.value, wide, dtype)
