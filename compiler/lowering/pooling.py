"""Lowering of pooling over windows, global pooling, MaxUnpool and LRN; channels first.

A pooling is one reduction over the windows of a padded operand. Narrow floats are summed in f32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math, tensor

from noema.dtypes import DType, from_name
from noema.lowering import arguments, emit, linalg_ext, scalars, slicing
from noema.lowering.elementwise import convert
from noema.lowering.node import Declined, Node
from noema.lowering.reduction import Reduced, extreme, extreme_identity
from noema.lowering.scalars import Extent

Scalar = ir.Value


@dataclass(frozen=True)
class Windows:
    """Geometry along one spatial dimension.

    Attributes:
        size: Extent of the operand.
        kernel: Elements per window.
        stride: Distance of neighbouring windows.
        dilation: Distance of neighbouring elements of a window.
        low: Padding before the operand.
        high: Padding after it, as the model gives it.
        count: How many windows.
        overhang: Padding after the operand so that every window is inside.
    """

    size: Extent
    kernel: int
    stride: int
    dilation: int
    low: Extent
    high: Extent
    count: Extent
    overhang: Extent

    @property
    def reach(self) -> int:
        """Distance from a window's first element to just after its last."""
        return self.dilation * (self.kernel - 1) + 1


def _windows(node: Node, x: ir.Value, result: Sequence[int | None]) -> list[Windows]:
    kernel = node.ints("kernel_shape")
    if kernel is None:
        raise Declined("no kernel shape")
    rank = len(kernel)
    strides = node.ints("strides") or [1] * rank
    dilations = node.ints("dilations") or [1] * rank
    pads = node.ints("pads") or [0] * (2 * rank)
    ceil = bool(node.int("ceil_mode", 0))
    auto = node.text("auto_pad", "NOTSET")
    made: list[Windows] = []
    for i, (k, stride, dilation) in enumerate(zip(kernel, strides, dilations, strict=True)):
        size, reach = emit.extent(x, 2 + i), dilation * (k - 1) + 1
        low: Extent = 0
        high: Extent = 0
        if auto in ("NOTSET", ""):
            low, high = pads[i], pads[rank + i]
        declared = result[2 + i]
        if declared is not None:
            count: Extent = declared
        elif auto.startswith("SAME"):
            count = scalars.ceil_divide(size, stride)
        else:
            count = _count(size, low, high, reach, stride, ceil=ceil)
        needed = scalars.add(
            scalars.multiply(scalars.subtract(count, 1), stride), reach
        )  # from the first window's first element to the last one's last
        if auto.startswith("SAME"):
            total = scalars.maximum(scalars.subtract(needed, size), 0)
            smaller = scalars.floor_divide(total, 2)
            larger = scalars.subtract(total, smaller)
            low, high = (smaller, larger) if auto == "SAME_UPPER" else (larger, smaller)
        overhang: Extent = high
        if isinstance(needed, int) and isinstance(size, int) and isinstance(low, int):
            overhang = max(0, needed - size - low)
        elif ceil:
            overhang = scalars.add(high, stride - 1)
        made.append(Windows(size, k, stride, dilation, low, high, count, overhang))
    return made


def _count(
    size: Extent, low: Extent, high: Extent, reach: int, stride: int, *, ceil: bool
) -> Extent:
    span = scalars.subtract(scalars.add(scalars.add(size, low), high), reach)
    if not ceil:
        return scalars.add(scalars.floor_divide(span, stride), 1)
    count = scalars.add(scalars.ceil_divide(span, stride), 1)
    # The last window has to start on the operand or on the padding before it.
    start = scalars.multiply(scalars.subtract(count, 1), stride)
    limit = scalars.add(size, low)
    if isinstance(start, int) and isinstance(limit, int) and isinstance(count, int):
        return count - 1 if start >= limit else count
    beyond = arith.CmpIOp(
        arith.CmpIPredicate.sge, scalars.index_value(start), scalars.index_value(limit)
    ).result
    return scalars.select(beyond, scalars.subtract(count, 1), count)


def _padded(x: ir.Value, low: Sequence[Extent], high: Sequence[Extent], fill: Scalar) -> ir.Value:
    """The operand with `fill` around it; amounts per dimension, none negative."""
    if not any(isinstance(p, ir.Value) or p for p in (*low, *high)):
        return x
    dynamic = ir.ShapedType.get_dynamic_size()
    sizes = [
        scalars.add(scalars.add(d, a), b)
        for d, a, b in zip(emit.extents(x), low, high, strict=True)
    ]
    op = tensor.PadOp(
        emit.tensor_type(sizes, emit.element_of(x)),
        x,
        [p for p in low if not isinstance(p, int)],
        [p for p in high if not isinstance(p, int)],
        [p if isinstance(p, int) else dynamic for p in low],
        [p if isinstance(p, int) else dynamic for p in high],
    )
    index = ir.IndexType.get()
    location = ir.Location.current
    block = op.regions[0].blocks.append(*[index] * len(sizes), arg_locs=[location] * len(sizes))
    with ir.InsertionPoint(block):
        tensor.YieldOp(fill)
    return op.result


@dataclass(frozen=True)
class _Loops:
    """Loops (n, c, windows…, elements of a window…) and the maps into them."""

    windows: Sequence[Windows]

    @property
    def _every(self) -> list[ir.AffineExpr]:
        return emit.dims(2 + 2 * len(self.windows))

    @property
    def operand(self) -> ir.AffineMap:
        every, spatial = self._every, len(self.windows)
        at = [
            every[2 + i] * w.stride + every[2 + spatial + i] * w.dilation
            for i, w in enumerate(self.windows)
        ]
        return emit.affine_map(len(every), [*every[:2], *at])

    @property
    def kernel(self) -> ir.AffineMap:
        return emit.affine_map(len(self._every), self._every[2 + len(self.windows) :])

    @property
    def result(self) -> ir.AffineMap:
        return emit.affine_map(len(self._every), self._every[: 2 + len(self.windows)])

    @property
    def iterators(self) -> list[str]:
        spatial = len(self.windows)
        return ["parallel"] * (2 + spatial) + ["reduction"] * spatial


_NAMED = {
    (1, "max"): linalg.pooling_ncw_max,
    (2, "max"): linalg.pooling_nchw_max,
    (1, "sum"): linalg.pooling_ncw_sum,
    (2, "sum"): linalg.pooling_nchw_sum,
}
"""Poolings of floats that linalg has a name for: code generation vectorises these, three times
as fast as the general form."""


def _pool(
    x: ir.Value,
    windows: Sequence[Windows],
    fill: Scalar,
    identity: Scalar,
    body: Callable[[Scalar, Scalar], Scalar],
    name: str = "",
) -> ir.Value:
    """Combines the elements of every window.

    Args:
        x: The operand.
        windows: Geometry per spatial dimension.
        fill: What stands around the operand.
        identity: Where to start; its type is the accumulator's.
        body: (element, accumulator) to accumulator.
        name: "max" or "sum" if that is what the body computes.
    """
    padded = _around(x, windows, fill)
    sizes = [*emit.extents(x)[:2], *[w.count for w in windows]]
    kernel = emit.empty([w.kernel for w in windows], emit.element_of(x))
    init = emit.full(sizes, identity)
    named = _NAMED.get((len(windows), name))
    if named is not None and not isinstance(fill.type, ir.IntegerType):
        return named(
            padded,
            kernel,
            outs=[init],
            strides=[w.stride for w in windows],
            dilations=[w.dilation for w in windows],
        )
    loops = _Loops(windows)
    return emit.generic(
        [padded, kernel],
        [loops.operand, loops.kernel],
        init,
        loops.result,
        loops.iterators,
        lambda element, _, accumulator: body(element, accumulator),
    )


def _around(x: ir.Value, windows: Sequence[Windows], fill: Scalar) -> ir.Value:
    low = [0, 0, *[w.low for w in windows]]
    return _padded(x, low, [0, 0, *[w.overhang for w in windows]], fill)


def lower_max_pool(node: Node) -> Sequence[ir.Value | None]:
    """The largest element of every window, and its index in the whole operand, flattened."""
    x, dtype = node.operand(0), node.dtype(0)
    windows = _windows(node, x, node.result_shape())
    lowest = extreme_identity(dtype, largest=True)
    best = _pool(x, windows, lowest, lowest, extreme(dtype, largest=True), "max")
    if len(node.results) < 2 or node.results[1] is None:
        return [best]
    return [
        best,
        _indices(x, best, windows, lowest, column_major=node.int("storage_order", 0) == 1),
    ]


def _indices(
    x: ir.Value, best: ir.Value, windows: Sequence[Windows], fill: Scalar, *, column_major: bool
) -> ir.Value:
    """Where each window's first largest element is: its place in the window, then its index."""
    i64 = ir.IntegerType.get_signless(64)
    loops, spatial = _Loops(windows), len(windows)
    none = emit.scalar(scalars.MAX_INDEX, i64)

    def first(value: Scalar, _: Scalar, top: Scalar, found: Scalar) -> Scalar:
        if isinstance(value.type, ir.IntegerType):
            hit = arith.CmpIOp(arith.CmpIPredicate.eq, value, top).result
        else:
            hit = arith.CmpFOp(arith.CmpFPredicate.UEQ, value, top).result
        place: Extent = 0
        for i, w in enumerate(windows):
            within = linalg.IndexOp(2 + spatial + i).result
            place = scalars.add(scalars.multiply(place, w.kernel), within)
            inside = arith.CmpIOp(
                arith.CmpIPredicate.ult,
                scalars.index_value(_coordinate(w, linalg.IndexOp(2 + i).result, within)),
                scalars.index_value(w.size),
            ).result
            hit = arith.AndIOp(hit, inside).result
        own = arith.SelectOp(hit, scalars.to_integer(place, i64), none).result
        return arith.MinSIOp(own, found).result

    places = emit.generic(
        [
            _around(x, windows, fill),
            emit.empty([w.kernel for w in windows], emit.element_of(x)),
            best,
        ],
        [loops.operand, loops.kernel, loops.result],
        emit.full(emit.extents(best), none),
        loops.result,
        loops.iterators,
        first,
    )
    channels = emit.extent(x, 1)

    def index(place: Scalar) -> Scalar:
        rest: Extent = scalars.to_index(place)
        at: list[Extent] = []
        for i, w in reversed(list(enumerate(windows))):
            quotient = scalars.floor_divide(rest, w.kernel)
            within = scalars.subtract(rest, scalars.multiply(quotient, w.kernel))
            at.insert(0, _coordinate(w, linalg.IndexOp(2 + i).result, within))
            rest = quotient
        flat = scalars.add(
            scalars.multiply(linalg.IndexOp(0).result, channels), linalg.IndexOp(1).result
        )
        order = range(spatial)
        for i in reversed(order) if column_major else order:
            flat = scalars.add(scalars.multiply(flat, windows[i].size), at[i])
        return scalars.to_integer(flat, i64)

    count = 2 + spatial
    plain = emit.affine_map(count, emit.dims(count))
    return emit.parallel([places], [plain], emit.extents(best), i64, index)


def _coordinate(w: Windows, window: Extent, within: Extent) -> Extent:
    """Index in the operand of an element of a window; negative or too large on padding."""
    start = scalars.subtract(scalars.multiply(window, w.stride), w.low)
    return scalars.add(start, scalars.multiply(within, w.dilation))


def _wide(dtype: DType, kind: str) -> DType:
    if not dtype.is_float or dtype.bits < 16:
        raise Declined(f"{kind} of {dtype}")
    return dtype if dtype.bits >= 32 else from_name("float32")


def lower_average_pool(node: Node) -> ir.Value:
    """The mean of every window: of its elements on the operand, or (count_include_pad) of all."""
    x, dtype, element = node.operand(0), node.dtype(0), node.result_element()
    work = _wide(dtype, node.kind)
    scalar = ir.Type.parse(work.mlir)
    windows = _windows(node, x, node.result_shape())
    include_padding = bool(node.int("count_include_pad", 0))
    zero = emit.scalar(0, scalar)
    total = _pool(
        x,
        windows,
        emit.scalar(0, element),
        zero,
        lambda v, s: arith.AddFOp(convert(v, dtype, work), s).result,
        "sum",
    )

    def mean(sum_: Scalar) -> Scalar:
        count: Extent = 1
        for i, w in enumerate(windows):
            count = scalars.multiply(count, _elements(w, 2 + i, include_padding))
        if isinstance(count, int):
            number = emit.scalar(count, scalar)
        else:
            i64 = ir.IntegerType.get_signless(64)
            number = arith.SIToFPOp(scalar, scalars.to_integer(count, i64)).result
        return convert(arith.DivFOp(sum_, number).result, work, dtype)

    rank = 2 + len(windows)
    plain = emit.affine_map(rank, emit.dims(rank))
    return emit.parallel([total], [plain], emit.extents(total), element, mean)


def _elements(w: Windows, loop: int, include_padding: bool) -> Extent:
    """How many elements of the window at the loop's index count."""
    exact = isinstance(w.low, int) and scalars.same(w.high, w.overhang)
    if exact and (include_padding or (w.low == 0 and w.high == 0)):
        return w.kernel
    start = scalars.subtract(scalars.multiply(linalg.IndexOp(loop).result, w.stride), w.low)
    end = scalars.add(w.size, w.high) if include_padding else w.size
    stop = scalars.minimum(scalars.ceil_divide(scalars.subtract(end, start), w.dilation), w.kernel)
    if include_padding:
        return stop
    first = scalars.maximum(scalars.ceil_divide(scalars.subtract(0, start), w.dilation), 0)
    return scalars.subtract(stop, first)


def lower_lp_pool(node: Node) -> ir.Value:
    """The p-norm of every window."""
    x, dtype = node.operand(0), node.dtype(0)
    work = _wide(dtype, node.kind)
    scalar = ir.Type.parse(work.mlir)
    term, root = _norm(node, dtype, work)
    windows = _windows(node, x, node.result_shape())
    fill = emit.scalar(0, node.result_element())
    total = _pool(x, windows, fill, emit.scalar(0, scalar), term)
    return emit.pointwise([total], node.result_element(), root)


def _norm(
    node: Node, dtype: DType, work: DType
) -> tuple[Callable[[Scalar, Scalar], Scalar], Callable[[Scalar], Scalar]]:
    """(element, sum) to sum of |x|^p, and the root of the sum."""
    scalar = ir.Type.parse(work.mlir)
    p = node.int("p", 2)

    def term(v: Scalar, total: Scalar) -> Scalar:
        size = math.AbsFOp(convert(v, dtype, work)).result
        if p == 2:
            size = arith.MulFOp(size, size).result
        elif p != 1:
            size = math.PowFOp(size, emit.scalar(float(p), scalar)).result
        return arith.AddFOp(size, total).result

    def root(total: Scalar) -> Scalar:
        if p == 2:
            total = math.SqrtOp(total).result
        elif p != 1:
            total = math.PowFOp(total, emit.scalar(1 / p, scalar)).result
        return convert(total, work, dtype)

    return term, root


def _global(node: Node) -> Reduced:
    x = node.operand(0)
    return Reduced(x, range(2, arguments.rank(x)), ())


def lower_global_max_pool(node: Node) -> ir.Value:
    """The largest element of every channel."""
    dtype = node.dtype(0)
    return _global(node).combine(
        extreme_identity(dtype, largest=True), extreme(dtype, largest=True)
    )


def lower_global_average_pool(node: Node) -> ir.Value:
    """The mean of every channel."""
    dtype = node.dtype(0)
    work = _wide(dtype, node.kind)
    scalar = ir.Type.parse(work.mlir)
    of = _global(node)
    total = of.combine(
        emit.scalar(0, scalar), lambda v, s: arith.AddFOp(convert(v, dtype, work), s).result
    )
    count = of.count()
    if isinstance(count, int):
        number = emit.scalar(count, scalar)
    else:
        whole = scalars.to_integer(count, ir.IntegerType.get_signless(64))
        number = arith.SIToFPOp(scalar, whole).result
    return emit.pointwise(
        [total],
        node.result_element(),
        lambda s: convert(arith.DivFOp(s, number).result, work, dtype),
    )


def lower_global_lp_pool(node: Node) -> ir.Value:
    """The p-norm of every channel."""
    dtype = node.dtype(0)
    work = _wide(dtype, node.kind)
    term, root = _norm(node, dtype, work)
    total = _global(node).combine(emit.scalar(0, ir.Type.parse(work.mlir)), term)
    return emit.pointwise([total], node.result_element(), root)


def lower_max_unpool(node: Node) -> ir.Value:
    """Zeros, but for the elements of x at their indices in the flattened unpooled tensor.

    With `output_shape` zeros are added at the ends of the dimensions.
    """
    x, indices = node.operand(0), node.operand(1)
    kernel = node.ints("kernel_shape") or []
    rank = len(kernel)
    strides = node.ints("strides") or [1] * rank
    pads = node.ints("pads") or [0] * (2 * rank)
    sizes = emit.extents(x)
    unpooled = sizes[:2]
    for i in range(rank):
        spread = scalars.multiply(scalars.subtract(sizes[2 + i], 1), strides[i])
        unpooled.append(scalars.add(spread, kernel[i] - pads[i] - pads[rank + i]))
    zero = emit.scalar(0, node.result_element())
    total = scalars.product(unpooled)
    flat = emit.full([total], zero)
    i64 = ir.IntegerType.get_signless(64)

    def place(index: Scalar) -> Scalar:
        last = scalars.subtract(total, 1)
        return scalars.to_integer(scalars.clamp(scalars.to_index(index), 0, last), i64)

    count = len(sizes)
    positions = emit.pointwise([slicing.merge(indices, 0, count)], i64, place)
    result = linalg_ext.scatter(
        slicing.merge(x, 0, count),
        emit.reshape(positions, [emit.extent(positions, 0), 1]),
        flat,
        lambda update, _: update,
        unique=False,
    )
    result = emit.reshape(result, unpooled)
    if not node.has(2):
        return result
    declared = node.result_shape()
    given = arguments.indices(node, "output_shape", 2) if None in declared else None
    wanted = [
        scalars.refine(declared, i, lambda i=i: (given or [])[i]) for i in range(len(declared))
    ]
    return slicing.put(result, emit.full(wanted, zero), [0] * count, unpooled)


def lower_lrn(node: Node) -> ir.Value:
    """Divides by (bias + alpha / size Σ x²)^beta, the sum over `size` channels around each."""
    x, dtype = node.operand(0), node.dtype(0)
    work = _wide(dtype, node.kind)
    scalar = ir.Type.parse(work.mlir)
    size = node.int("size")
    alpha, beta = node.float("alpha", 1e-4) / size, node.float("beta", 0.75)
    bias = node.float("bias", 1.0)
    sizes = emit.extents(x)
    rank = len(sizes)
    low = [(size - 1) // 2 if i == 1 else 0 for i in range(rank)]
    high = [size // 2 if i == 1 else 0 for i in range(rank)]
    padded = _padded(x, low, high, emit.scalar(0, node.result_element()))
    every = emit.dims(rank + 1)
    around = [e + every[rank] if i == 1 else e for i, e in enumerate(every[:rank])]

    def square(v: Scalar, _: Scalar, total: Scalar) -> Scalar:
        wide = convert(v, dtype, work)
        return arith.AddFOp(arith.MulFOp(wide, wide).result, total).result

    total = emit.generic(
        [padded, emit.empty([size], emit.element_of(x))],
        [emit.affine_map(rank + 1, around), emit.affine_map(rank + 1, [every[rank]])],
        emit.full(sizes, emit.scalar(0, scalar)),
        emit.affine_map(rank + 1, every[:rank]),
        ["parallel"] * rank + ["reduction"],
        square,
    )

    def divide(v: Scalar, sum_: Scalar) -> Scalar:
        scaled = arith.MulFOp(sum_, emit.scalar(alpha, scalar)).result
        base = arith.AddFOp(scaled, emit.scalar(bias, scalar)).result
        power = math.PowFOp(base, emit.scalar(beta, scalar)).result
        return convert(arith.DivFOp(convert(v, dtype, work), power).result, work, dtype)

    return emit.pointwise([x, total], node.result_element(), divide)
