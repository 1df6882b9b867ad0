"""Lowering of DFT, STFT and MelWeightMatrix.

A transform is one product with a matrix of cosines and sines: real and imaginary parts lie next to
each other, so they are just twice as many columns (and rows). The work is quadratic in the length
of the transform, but for the lengths of audio frames, matrix products are fast enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg
from torch_mlir.dialects import math as math_ops

from noema.dtypes import DType, from_name
from noema.lowering import arguments, emit, real, scalars, slicing
from noema.lowering.elementwise import convert, converted, working_float
from noema.lowering.matmul import contract
from noema.lowering.node import Declined, Node
from noema.lowering.real import Number, Real
from noema.lowering.scalars import Extent

_LARGEST_CONSTANT = 1 << 18
"""Matrices with more elements are computed by the program instead of being part of it."""

_SHORT = 64
"""Transforms of up to so many samples are sums in f64, which take no time there: rounded once, they
are as good as a fast transform, whose sums are of fewer terms."""

_LARGEST_MATRIX = 1 << 26
"""Longer transforms, whose matrices have more elements, want another algorithm."""


@dataclass(frozen=True)
class _Transform:
    """Which transform.

    Attributes:
        inverse: Whether from frequencies to samples, divided by the length.
        halved: Whether only the frequencies up to half the length are there, because the samples
            are real: in the result, or if inverse in the operand.
        length: How many samples.
    """

    inverse: bool
    halved: bool
    length: Extent

    @property
    def frequencies(self) -> Extent:
        """How many frequencies there are."""
        if not self.halved:
            return self.length
        return scalars.add(scalars.floor_divide(self.length, 2), 1)

    @property
    def inputs(self) -> Extent:
        """How many elements it is made of."""
        return self.frequencies if self.inverse else self.length

    @property
    def outputs(self) -> Extent:
        """How many elements it makes."""
        return self.length if self.inverse else self.frequencies

    @property
    def parts(self) -> int:
        """2 if the result is complex, else 1."""
        return 1 if self.inverse and self.halved else 2

    def entry(
        self, turn: Number, row_part: Number, part: Number, twice: Number, length: Number
    ) -> Number:
        """An entry of the matrix.

        Args:
            turn: 2π · frequency · sample / length.
            row_part: 0 where the operand's real part is multiplied, 1 for the imaginary one.
            part: 0 for the result's real part, 1 for the imaginary one.
            twice: 2 for a frequency that stands for its mirror image too, else 1.
            length: How many samples.
        """
        sine = real.sine(turn) * (1.0 if self.inverse else -1.0)
        crossed = real.where(row_part < part, sine, sine * -1.0)
        value = real.where(real.equal(row_part, part), real.cosine(turn), crossed)
        return value * twice / length if self.inverse else value

    def matrix(self, rows: Extent, parts: int, work: DType) -> ir.Value:
        """The matrix (rows · parts, outputs · own parts), of the operand's first rows."""
        sizes = [rows, parts, self.outputs, self.parts]
        if math.prod(n for n in sizes if isinstance(n, int)) > _LARGEST_MATRIX:
            raise Declined(f"a transform of {self.length} samples")
        known = [n for n in (*sizes, self.length) if isinstance(n, int)]
        if len(known) == 5 and math.prod(known[:4]) <= _LARGEST_CONSTANT:
            made = emit.constant(self._constant(known, work))
        else:
            made = self._computed(sizes, ir.Type.parse(work.mlir))
        return slicing.merge(slicing.merge(made, 2, 2), 0, 2)

    def _constant(self, sizes: Sequence[int], work: DType) -> np.ndarray:
        row, row_part, column, part = np.ogrid[tuple(slice(n) for n in sizes[:4])]
        length = sizes[4]
        turn = 2 * math.pi * (row * column % length) / length
        twice = 1.0 + (self.halved & (row != 0) & (2 * row != length))
        one = np.float64(1.0)
        entries = self.entry(
            turn, row_part * one, part * one, np.asarray(twice), np.asarray(length * one)
        )
        return np.broadcast_to(entries, tuple(sizes[:4])).astype(work.numpy)

    def _computed(self, sizes: Sequence[Extent], element: ir.Type) -> ir.Value:
        def entry() -> ir.Value:
            row, row_part, column, part = (linalg.IndexOp(i).result for i in range(4))
            length = real.of_extent(self.length, element)
            steps = scalars.multiply(row, column)
            periods = scalars.multiply(scalars.floor_divide(steps, self.length), self.length)
            step = real.of_extent(scalars.subtract(steps, periods), element)
            twice = real.constant(1.0, element)
            if self.halved:
                middle = scalars.is_equal(scalars.multiply(row, 2), self.length)
                single = arith.OrIOp(scalars.is_equal(row, 0), middle).result
                twice = real.where(single, twice, 2.0)
            own, other = real.of_extent(row_part, element), real.of_extent(part, element)
            return self.entry(step / length * (2 * math.pi), own, other, twice, length).value

        return emit.parallel([], [], sizes, element, entry)

    def of(self, x: ir.Value, work: DType) -> ir.Value:
        """The transforms (rows, outputs, own parts) of rows (rows, elements, parts)."""
        parts = emit.shape_of(x)[2]
        if parts not in (1, 2):
            raise Declined("elements that are neither real nor complex")
        count, elements = emit.extent(x, 0), emit.extent(x, 1)
        if not scalars.same(elements, self.inputs):
            # Elements that are missing are zeros, and count nothing; others are left out.
            elements = scalars.minimum(elements, self.inputs)
            x = slicing.take(x, [0, 0, 0], [count, elements, parts])
        matrix = self.matrix(elements, parts, work)
        product = contract(slicing.merge(x, 1, 2), matrix, False, False, ir.Type.parse(work.mlir))
        return slicing.split(product, 1, [self.outputs, self.parts])


def _working(kind: str, dtype: DType, samples: Extent) -> DType:
    """The type that transforms of at most so many samples are computed in."""
    plain = working_float(dtype, kind)
    short = isinstance(samples, int) and samples <= _SHORT
    return from_name("float64") if short else plain


def lower_dft(node: Node) -> ir.Value:
    """Transforms along one dimension of x (…, parts), where parts is 1 (real) or 2 (complex)."""
    x, dtype = node.operand(0), node.dtype(0)
    sizes = emit.extents(x)
    count = len(sizes)
    if node.version < 20:
        axis: Extent = node.int("axis", 1)
    else:
        (axis,) = arguments.indices(node, "", 2) or [-2]
    if isinstance(axis, int):
        axis = arguments.axis(axis, count)
        if axis == count - 1:
            raise Declined("DFT over the real and imaginary parts")
    else:
        axis = scalars.wrap(axis, count)
    three = arguments.around(sizes[:-1], axis)
    inverse, halved = bool(node.int("inverse", 0)), bool(node.int("onesided", 0))
    given = arguments.indices(node, "", 1)
    if given is not None:
        (length,) = given
    elif inverse and halved:
        length = scalars.multiply(scalars.subtract(three[1], 1), 2)
    else:
        length = three[1]
    length = _positive(length, "samples")
    transform = _Transform(inverse, halved, length)
    known = [n for n in sizes[:-1] if isinstance(n, int)]
    # An axis that isn't known may be any of them.
    longest = max(known) if given is None and len(known) == count - 1 else length
    work = _working("DFT", dtype, length if isinstance(axis, int) else longest)
    rows = emit.reshape(converted(x, dtype, work), [*three, sizes[-1]])
    rows = emit.transpose(rows, [0, 2, 1, 3])
    made = transform.of(slicing.merge(rows, 0, 2), work)
    made = slicing.split(made, 0, [three[0], three[2]])
    made = converted(emit.transpose(made, [0, 2, 1, 3]), work, dtype)
    outputs = transform.outputs
    wanted = [
        (outputs if i == axis else size)
        if isinstance(axis, int)
        else scalars.select(scalars.is_equal(axis, i), outputs, size)
        for i, size in enumerate(sizes[:-1])
    ]
    return emit.reshape(made, [*wanted, transform.parts])


def _positive(number: Extent, of: str) -> Extent:
    """What is divided by: what the program reads can't be refused, but may not stop it."""
    if isinstance(number, int) and number < 1:
        raise Declined(f"{number} {of}")
    return scalars.maximum(number, 1)


def lower_stft(node: Node) -> ir.Value:
    """Transforms (N, frames, frequencies, 2) of the frames of a signal (N, samples, parts)."""
    x, dtype, window = node.operand(0), node.dtype(0), node.optional(2)
    if arguments.rank(x) != 3:
        raise Declined("a signal of other than three dimensions")
    batch, samples, parts = emit.extents(x)
    (step,) = arguments.indices(node, "", 1) or [0]
    step = _positive(step, "samples between frames")
    given = arguments.indices(node, "", 3)
    if window is not None:
        length = emit.extent(window, 0)
    elif given is not None:
        (length,) = given
    else:
        length = samples
    length = _positive(length, "samples in a frame")
    work = _working("STFT", dtype, length)

    def count() -> Extent:
        starts = scalars.floor_divide(scalars.subtract(samples, length), step)
        return scalars.maximum(scalars.add(starts, 1), 0)

    frames = scalars.refine(node.result_shape(), 1, count)

    def pick() -> ir.Value:
        n, frame, sample, part = (linalg.IndexOp(i).result for i in range(4))
        place = scalars.add(scalars.multiply(frame, step), sample)
        value = convert(emit.extract(x, [n, place, part]), dtype, work)
        if window is None:
            return value
        factor = convert(emit.extract(window, [sample]), dtype, work)
        return arith.MulFOp(value, factor).result

    cut = emit.parallel([], [], [batch, frames, length, parts], ir.Type.parse(work.mlir), pick)
    transform = _Transform(False, bool(node.int("onesided", 1)), length)
    made = transform.of(slicing.merge(cut, 0, 2), work)
    return converted(slicing.split(made, 0, [batch, frames]), work, dtype)


def lower_mel_weight_matrix(node: Node) -> ir.Value:
    """Triangular filters (frequencies, bands) at equal distances on the mel scale."""
    low, high = node.operand(3), node.operand(4)
    bands, length, rate = (arguments.indices(node, "", i) for i in range(3))
    if bands is None or length is None or rate is None:
        raise Declined("a missing extent")
    kind, work = node.dtype(3), working_float(node.dtype(3), "MelWeightMatrix")
    result, f64 = node.result_dtype(), ir.F64Type.get()
    frequencies = scalars.add(scalars.floor_divide(length[0], 2), 1)

    def mel(value: ir.Value) -> Real:
        hertz = convert(emit.extract(value, [0] * arguments.rank(value)), kind, work)
        logarithm = math_ops.Log1pOp((Real(hertz) / 700.0).value).result
        return real.widened((2595.0 * Real(logarithm)).value, f64) / math.log(10)

    def edge(number: Extent) -> Real:
        """The frequency, counted in those of the transform, at which a band starts."""
        first, last = mel(low), mel(high)
        width = (last - first) / real.of_extent(scalars.add(bands[0], 2), f64)
        at = real.of_extent(number, f64) * width + first
        hertz = 700.0 * Real(math_ops.ExpM1Op((at / 2595.0 * math.log(10)).value).result)
        scale = real.of_extent(scalars.add(length[0], 1), f64)
        return real.floor(scale * hertz / real.of_extent(rate[0], f64))

    def entry() -> ir.Value:
        j, band = real.of_extent(linalg.IndexOp(0).result, f64), linalg.IndexOp(1).result
        start, centre, end = (edge(scalars.add(band, i)) for i in range(3))
        zero, one = real.constant(0.0, f64), real.constant(1.0, f64)
        rise, fall = centre - start, end - centre
        rising = real.where(rise > 0.0, (j - start) / real.where(rise > 0.0, rise, one), one)
        falling = (end - j) / real.where(fall > 0.0, fall, one)
        rises = real.both(j >= start, j <= centre)
        falls = real.both(j > centre, j < end)
        value = real.where(rises, rising, real.where(falls, falling, zero))
        return convert(value.value, from_name("float64"), result)

    return emit.parallel([], [], [frequencies, bands[0]], node.result_element(), entry)
