"""Lowering of the Reduce family, of running sums and products, and of LpNormalization.

Narrow floats are reduced in f32. A reduction over nothing gives the operation's identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math

from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dtypes import DType, from_name
from noema.lowering import arguments, emit, linalg_ext, scalars
from noema.lowering.elementwise import apply, convert
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent
from noema.lowering.shape import squeezed

Scalar = ir.Value
Unary = Callable[[Scalar], Scalar]
Binary = Callable[[Scalar, Scalar], Scalar]


@dataclass(frozen=True)
class Reduced:
    """What is reduced: a tensor and its dimensions.

    Attributes:
        x: The tensor.
        axes: The dimensions, where they are known.
        flags: 1 for each dimension that is reduced, else 0, where that shows only at run time.
    """

    x: ir.Value
    axes: Sequence[int] | None
    flags: Sequence[Extent]

    def combine(self, identity: Scalar, body: Binary) -> ir.Value:
        """The combination of all elements from `identity`; reduced dimensions have extent 1.

        Args:
            identity: Where to start; its type is the accumulator's.
            body: (element, accumulator) to accumulator.
        """
        sizes = emit.extents(self.x)
        if self.axes is not None:
            if any(isinstance(d, int) and d == 0 for d in sizes):
                kept: list[Extent] = [1 if i in self.axes else d for i, d in enumerate(sizes)]
                return emit.full(kept, identity)
            return emit.reduce(self.x, self.axes, identity, body, keepdims=True)
        # Loops: the result's dimensions, then the reduced ones. Of each pair one has extent 1, so
        # that their sum is the index of the operand.
        count = len(sizes)
        kept = [self._choose(i, 1, d) for i, d in enumerate(sizes)]
        window = [self._choose(i, d, 1) for i, d in enumerate(sizes)]
        every = emit.dims(2 * count)
        return emit.generic(
            [self.x, emit.empty(window, emit.element_of(self.x))],
            [
                emit.affine_map(
                    2 * count, [a + b for a, b in zip(every[:count], every[count:], strict=True)]
                ),
                emit.affine_map(2 * count, every[count:]),
            ],
            emit.full(kept, identity),
            emit.affine_map(2 * count, every[:count]),
            ["parallel"] * count + ["reduction"] * count,
            lambda element, _, accumulator: body(element, accumulator),
        )

    def count(self) -> Extent:
        """How many elements each result is made of."""
        sizes = emit.extents(self.x)
        if self.axes is not None:
            return scalars.product([sizes[i] for i in self.axes])
        return scalars.product([self._choose(i, d, 1) for i, d in enumerate(sizes)])

    def dropped(self, result: ir.Value, axes: Sequence[Extent]) -> ir.Value:
        """A result of `combine` without the reduced dimensions."""
        return emit.reshape(result, squeezed(emit.extents(result), axes))

    def spread(self, result: ir.Value) -> ir.Value:
        """A result of `combine` in a form that broadcasts to the operand."""
        if self.axes is not None:
            return result

        def pick() -> Scalar:
            at = [self._choose(i, 0, linalg.IndexOp(i).result) for i in range(len(self.flags))]
            return emit.extract(result, at)

        return emit.parallel([], [], emit.extents(self.x), emit.element_of(result), pick)

    def _choose(self, dimension: int, reduced: Extent, kept: Extent) -> Extent:
        return scalars.select(scalars.is_equal(self.flags[dimension], 1), reduced, kept)


def lower_reduce(node: Node) -> ir.Value:
    """The Reduce operator of the node's kind over `axes`, or over all, or over none of them."""
    x, dtype = node.operand(0), node.dtype(0)
    count = arguments.rank(x)
    axes = arguments.indices(node, "axes", 1)
    if not axes:
        axes = [] if node.int("noop_with_empty_axes", 0) else list(range(count))
    fixed = [arguments.axis(a, count) for a in axes if isinstance(a, int)]
    flags: Sequence[Extent] = ()
    if len(fixed) < len(axes):
        flags = arguments.per_dimension([1] * len(axes), axes, count, 0)
    reduced = Reduced(x, None if flags else sorted(set(fixed)), flags)
    made = _reduce(node.kind, reduced, dtype, node.result_element())
    if node.int("keepdims", 1) or not axes:
        return made
    return reduced.dropped(made, axes if flags else fixed)


def _reduce(kind: str, of: Reduced, dtype: DType, element: ir.Type) -> ir.Value:
    if kind in ("ReduceMax", "ReduceMin"):
        return of.combine(
            extreme_identity(dtype, kind == "ReduceMax"), extreme(dtype, kind == "ReduceMax")
        )
    if (not dtype.is_float and not dtype.is_integer) or (dtype.is_float and dtype.bits < 16):
        raise Declined(f"{kind} of {dtype}")
    work = _working(kind, dtype)
    scalar = ir.Type.parse(work.signless)

    def widen(v: Scalar) -> Scalar:
        return convert(v, dtype, work)

    def narrow(v: Scalar) -> Scalar:
        return convert(v, work, dtype)

    zero = emit.scalar(0, scalar)
    add, multiply = (lambda a, b, k=k: apply(k, work, a, b) for k in (Kind.ADD, Kind.MUL))
    match kind:
        case "ReduceSum":
            result, finish = of.combine(zero, lambda v, s: add(widen(v), s)), narrow
        case "ReduceMean":
            result = of.combine(zero, lambda v, s: add(widen(v), s))
            number = _number(of.count(), work, scalar)
            finish = lambda s: narrow(apply(Kind.DIV, work, s, number))  # noqa: E731
        case "ReduceProd":
            one = emit.scalar(1, scalar)
            result, finish = of.combine(one, lambda v, s: multiply(widen(v), s)), narrow
        case "ReduceL1":
            result = of.combine(zero, lambda v, s: add(apply(Kind.ABS, work, widen(v)), s))
            finish = narrow
        case "ReduceSumSquare" | "ReduceL2":

            def square(v: Scalar, total: Scalar) -> Scalar:
                wide = widen(v)
                return add(multiply(wide, wide), total)

            result = of.combine(zero, square)
            root = kind == "ReduceL2"
            finish = lambda s: narrow(math.SqrtOp(s).result if root else s)  # noqa: E731
        case "ReduceLogSum":
            result = of.combine(zero, lambda v, s: add(widen(v), s))
            finish = lambda s: narrow(math.LogOp(s).result)  # noqa: E731
        case "ReduceLogSumExp":
            return _log_sum_exp(of, widen, narrow, scalar, element)
        case _:
            raise Declined(f"unknown reduction {kind}")
    if emit.element_of(result) == element and kind in _PLAIN:
        return result
    return emit.pointwise([result], element, finish)


_PLAIN = frozenset({"ReduceSum", "ReduceProd", "ReduceL1", "ReduceSumSquare"})
"""Nothing follows the reduction but the conversion to the result's type."""


def _working(kind: str, dtype: DType) -> DType:
    """The type to reduce in."""
    if dtype.is_float:
        return dtype if dtype.bits >= 32 else from_name("float32")
    if kind in ("ReduceL2", "ReduceLogSum", "ReduceLogSumExp"):
        return from_name("float64")
    return from_name("int64") if kind == "ReduceMean" and dtype.bits < 64 else dtype


def _number(count: Extent, dtype: DType, element: ir.Type) -> Scalar:
    if isinstance(count, int):
        return emit.scalar(count, element)
    whole = scalars.to_integer(count, ir.IntegerType.get_signless(64))
    return convert(whole, from_name("int64"), dtype)


def _log_sum_exp(
    of: Reduced, widen: Unary, narrow: Unary, scalar: ir.Type, element: ir.Type
) -> ir.Value:
    """Computes m + log Σ exp(x - m), m the largest: the sum can't overflow."""
    lowest = emit.scalar(emit.lowest(scalar), scalar)
    top = of.combine(lowest, lambda v, m: arith.MaximumFOp(widen(v), m).result)

    def finite(m: Scalar) -> Scalar:
        # Of nothing, of -inf alone, or of an inf: then exp(x - m) would be nan.
        infinity = emit.scalar(float("inf"), scalar)
        endless = arith.CmpFOp(arith.CmpFPredicate.OEQ, math.AbsFOp(m).result, infinity).result
        return arith.SelectOp(endless, emit.scalar(0, scalar), m).result

    base = emit.pointwise([top], scalar, finite)
    shifted = emit.pointwise(
        [of.x, of.spread(base)], scalar, lambda v, m: arith.SubFOp(widen(v), m).result
    )
    total = Reduced(shifted, of.axes, of.flags).combine(
        emit.scalar(0, scalar), lambda v, s: arith.AddFOp(math.ExpOp(v).result, s).result
    )
    return emit.pointwise(
        [total, base],
        element,
        lambda s, m: narrow(arith.AddFOp(math.LogOp(s).result, m).result),
    )


def extreme(dtype: DType, largest: bool) -> Binary:
    """Maximum or minimum of two scalars; nan if either is, `true` above `false`."""
    if dtype.mlir == "i1":
        return lambda a, b: (arith.OrIOp if largest else arith.AndIOp)(a, b).result
    return lambda a, b: apply(Kind.MAX if largest else Kind.MIN, dtype, a, b)


def extreme_identity(dtype: DType, largest: bool) -> Scalar:
    """The value that no element is below (or above)."""
    if (dtype.is_float and dtype.bits < 16) or dtype.mlir.startswith("complex"):
        raise Declined(f"order of {dtype}")
    element = ir.Type.parse(dtype.signless)
    limit = emit.lowest if largest else emit.highest
    return emit.scalar(limit(element, not dtype.is_unsigned), element)


def lower_cumulative(node: Node) -> ir.Value:
    """CumSum and CumProd: of all elements up to, or (`exclusive`) before, each along `axis`."""
    x, dtype = node.operand(0), node.dtype(0)
    sizes = emit.extents(x)
    (axis,) = arguments.indices(node, "axis", 1) or [0]
    if isinstance(axis, int):
        dimension = arguments.axis(axis, len(sizes))
        return _cumulative(node, x, dimension, dtype)
    three = arguments.around(sizes, scalars.wrap(axis, len(sizes)))
    result = _cumulative(node, emit.reshape(x, three), 1, dtype)
    return emit.reshape(result, sizes)


def _cumulative(node: Node, x: ir.Value, axis: int, dtype: DType) -> ir.Value:
    if (not dtype.is_float and not dtype.is_integer) or (dtype.is_float and dtype.bits < 16):
        raise Declined(f"{node.kind} of {dtype}")
    kind, start = (Kind.ADD, 0) if node.kind == "CumSum" else (Kind.MUL, 1)
    narrow = dtype.is_float and dtype.bits < 32
    work = from_name("float32") if narrow else dtype
    element, scalar = emit.element_of(x), ir.Type.parse(work.signless)
    if narrow:
        x = emit.pointwise([x], scalar, lambda v: convert(v, dtype, work))
    backwards = bool(node.int("reverse", 0))
    if backwards:
        x = reverse(x, axis)
    result = linalg_ext.scan(
        x,
        axis,
        emit.scalar(start, scalar),
        lambda a, b: apply(kind, work, a, b),
        inclusive=not node.int("exclusive", 0),
    )
    if backwards:
        result = reverse(result, axis)
    if narrow:
        result = emit.pointwise([result], element, lambda v: convert(v, work, dtype))
    return result


def reverse(x: ir.Value, axis: int) -> ir.Value:
    """The tensor with one dimension in reverse."""
    sizes = emit.extents(x)

    def pick() -> Scalar:
        at: list[Extent] = [linalg.IndexOp(i).result for i in range(len(sizes))]
        at[axis] = scalars.subtract(scalars.subtract(sizes[axis], 1), at[axis])
        return emit.extract(x, at)

    return emit.parallel([], [], sizes, emit.element_of(x), pick)


def lower_lp_normalization(node: Node) -> ir.Value:
    """Divides by the norm along `axis`, in the 1-norm or the 2-norm; 0 where that is 0."""
    x, dtype, p = node.operand(0), node.dtype(0), node.int("p", 2)
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"{node.kind} of {dtype}")
    axis = arguments.axis(node.int("axis", -1), arguments.rank(x))
    work = _working(node.kind, dtype)
    scalar = ir.Type.parse(work.mlir)

    def term(v: Scalar, total: Scalar) -> Scalar:
        wide = convert(v, dtype, work)
        power = math.AbsFOp(wide).result if p == 1 else arith.MulFOp(wide, wide).result
        return arith.AddFOp(power, total).result

    zero = emit.scalar(0, scalar)
    total = Reduced(x, [axis], ()).combine(zero, term)

    def divide(v: Scalar, sum_: Scalar) -> Scalar:
        norm = sum_ if p == 1 else math.SqrtOp(sum_).result
        quotient = arith.DivFOp(convert(v, dtype, work), norm).result
        nothing = arith.CmpFOp(arith.CmpFPredicate.OEQ, sum_, zero).result
        return convert(arith.SelectOp(nothing, zero, quotient).result, work, dtype)

    return emit.pointwise([x, total], node.result_element(), divide)
