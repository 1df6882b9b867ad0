"""Builders of linalg, tensor and arith ops at the current insertion point and location.

Thin on purpose: a lowering reads as the computation it emits. All tensors are ranked and, below
this level, signless. An `Extent` is a static size or an `index` value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.dialects import arith, cf, linalg, tensor

from noema import dtypes
from noema.lowering import scalars
from noema.lowering.scalars import Extent

Body = Callable[..., ir.Value]
"""Maps the scalar block arguments (inputs, then the output's) to the scalar to yield."""


def shape_of(value: ir.Value) -> list[int | None]:
    """Extents of a tensor value by its type, None where dynamic."""
    dynamic = ir.ShapedType.get_dynamic_size()
    return [None if d == dynamic else d for d in ir.RankedTensorType(value.type).shape]


def element_of(value: ir.Value) -> ir.Type:
    """Element type of a tensor value."""
    return ir.RankedTensorType(value.type).element_type


def tensor_type(extents: Sequence[Extent | None], element: ir.Type) -> ir.RankedTensorType:
    """Tensor type of these extents; anything but an int is dynamic."""
    dynamic = ir.ShapedType.get_dynamic_size()
    return ir.RankedTensorType.get([d if isinstance(d, int) else dynamic for d in extents], element)


# --- scalars ---------------------------------------------------------------------------------


def index(value: int) -> ir.Value:
    """An `index` constant."""
    return arith.ConstantOp(ir.IndexType.get(), value).result


def scalar(value: float | int | bool, element: ir.Type) -> ir.Value:
    """A scalar constant of a signless element type (float, integer or index)."""
    if isinstance(element, ir.IndexType):
        return index(int(value))
    if isinstance(element, ir.IntegerType):
        bits = element.width
        wrapped = (int(value) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
        if bits == 1:
            wrapped = int(value) & 1
        return arith.ConstantOp(element, ir.IntegerAttr.get(element, wrapped)).result
    return arith.ConstantOp(element, ir.FloatAttr.get(element, float(value))).result


def as_index(extent: Extent) -> ir.Value:
    """An extent as an `index` value."""
    return index(extent) if isinstance(extent, int) else extent


def lowest(element: ir.Type, signed: bool = True) -> float | int:
    """The identity of max: -inf, or the smallest integer."""
    if isinstance(element, ir.IntegerType):
        return -(1 << (element.width - 1)) if signed and element.width > 1 else 0
    return float("-inf")


def highest(element: ir.Type, signed: bool = True) -> float | int:
    """The identity of min: +inf, or the largest integer."""
    if isinstance(element, ir.IntegerType):
        return (1 << (element.width - (1 if signed and element.width > 1 else 0))) - 1
    return float("inf")


def accumulator_of(element: ir.Type) -> ir.Type:
    """The type that sums of `element` are kept in: f32 for 16-bit floats, else the type itself."""
    return ir.F32Type.get() if isinstance(element, (ir.F16Type, ir.BF16Type)) else element


def window_count(size: Extent, reach: int, stride: int) -> Extent:
    """How many windows of `reach` elements, `stride` apart, fit into `size`."""
    if isinstance(size, int):
        return (size - reach) // stride + 1
    span = arith.SubIOp(size, index(reach)).result
    steps = span if stride == 1 else arith.FloorDivSIOp(span, index(stride)).result
    return arith.AddIOp(steps, index(1)).result


# --- tensors ---------------------------------------------------------------------------------


def constant(array: NDArray[np.generic]) -> ir.Value:
    """A tensor constant, signless."""
    dtype = dtypes.from_numpy(array.dtype)
    assert dtype is not None, array.dtype
    element = ir.Type.parse(dtype.signless)
    type_ = ir.RankedTensorType.get(array.shape, element)
    if array.size == 0:
        value = ir.Attribute.parse(f"dense<> : {type_}")
    else:
        if dtype.is_carried or dtype.is_unsigned:
            array = array.view(f"i{dtype.numpy.itemsize}")
        value = ir.DenseElementsAttr.get(
            np.ascontiguousarray(array).reshape(array.shape), type=type_
        )
    return arith.ConstantOp(type_, value).result


def extent(value: ir.Value, axis: int) -> Extent:
    """Size of dimension `axis`: static if the type says so, else a `tensor.dim`."""
    return scalars.extent(value, axis)


def extents(value: ir.Value) -> list[Extent]:
    """Sizes of all dimensions."""
    return [extent(value, axis) for axis in range(len(shape_of(value)))]


def empty(sizes: Sequence[Extent], element: ir.Type) -> ir.Value:
    """An uninitialised tensor."""
    return tensor.EmptyOp([*sizes], element).result


def full(sizes: Sequence[Extent], value: ir.Value) -> ir.Value:
    """A tensor filled with a scalar value."""
    out = empty(sizes, value.type)
    return linalg.fill(value, outs=[out])


def extract(value: ir.Value, at: Sequence[Extent]) -> ir.Value:
    """The element at these indices, which must be inside."""
    return tensor.ExtractOp(value, [as_index(i) for i in at]).result


def cast_type(value: ir.Value, type_: ir.RankedTensorType) -> ir.Value:
    """The same tensor at a type of more, or less, static extents."""
    return value if value.type == type_ else tensor.CastOp(type_, value).result


def dims(count: int) -> list[ir.AffineExpr]:
    """The affine dimensions d0 … d(count-1)."""
    return [ir.AffineExpr.get_dim(i) for i in range(count)]


def affine_map(count: int, results: Sequence[ir.AffineExpr]) -> ir.AffineMap:
    """(d0, …, d(count-1)) -> results."""
    return ir.AffineMap.get(count, 0, list(results))


def generic(
    inputs: Sequence[ir.Value],
    maps: Sequence[ir.AffineMap],
    init: ir.Value,
    out_map: ir.AffineMap,
    iterators: Sequence[str],
    body: Body,
) -> ir.Value:
    """A `linalg.generic` with one output.

    Args:
        inputs: Input tensors.
        maps: Indexing map of each input.
        init: Initial output: contents matter where the body reads its last argument.
        out_map: Indexing map of the output.
        iterators: "parallel" or "reduction" per loop.
        body: Gets one scalar per input and the output's; returns the scalar to yield.
    """
    op = linalg.GenericOp(
        [init.type],
        list(inputs),
        [init],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in (*maps, out_map)]),
        ir.ArrayAttr.get(
            [ir.Attribute.parse(f"#linalg.iterator_type<{name}>") for name in iterators]
        ),
    )
    scalars = [element_of(v) for v in (*inputs, init)]
    location = ir.Location.current
    block = op.regions[0].blocks.append(*scalars, arg_locs=[location] * len(scalars))
    with ir.InsertionPoint(block):
        linalg.YieldOp([body(*block.arguments)])
    return op.results[0]


def parallel(
    inputs: Sequence[ir.Value],
    maps: Sequence[ir.AffineMap],
    sizes: Sequence[Extent],
    element: ir.Type,
    body: Body,
) -> ir.Value:
    """A pointwise `linalg.generic` that makes a tensor of `sizes`; body gets the input scalars."""
    rank = len(sizes)
    return generic(
        inputs,
        maps,
        empty(sizes, element),
        affine_map(rank, dims(rank)),
        ["parallel"] * rank,
        lambda *args: body(*args[:-1]),
    )


def broadcast_map(shape: Sequence[int | None], out_rank: int) -> ir.AffineMap:
    """Map of an operand that broadcasts numpy-style: extent 1 reads index 0."""
    offset = out_rank - len(shape)
    zero = ir.AffineExpr.get_constant(0)
    results = [
        zero if extent == 1 else ir.AffineExpr.get_dim(offset + axis)
        for axis, extent in enumerate(shape)
    ]
    return affine_map(out_rank, results)


def broadcast_sizes(shapes: Sequence[Sequence[Extent]]) -> list[Extent]:
    """Numpy broadcasting of shapes.

    Two dynamic extents are taken to be equal, and the program checks it when it runs
    (docs/architecture.md, *Dynamic shapes*): which of them is 1 can't be told at compile time.
    """
    rank = max((len(s) for s in shapes), default=0)
    sizes: list[Extent] = []
    for axis in range(-rank, 0):
        chosen: Extent = 1
        for shape in shapes:
            if len(shape) < -axis:
                continue
            own = shape[axis]
            if isinstance(own, int):
                if own != 1:
                    chosen = own
            elif isinstance(chosen, int):
                if chosen == 1:
                    chosen = own
            elif not scalars.same(own, chosen):
                same = arith.CmpIOp(arith.CmpIPredicate.eq, own, chosen).result
                cf.AssertOp(same, "extents differ where the model makes them broadcast")
        sizes.append(chosen)
    return sizes


def broadcast_batch(lhs: ir.Value, rhs: ir.Value) -> list[Extent]:
    """Broadcast batch extents of a matrix product: all dimensions but the last two."""
    return broadcast_sizes([extents(lhs)[:-2], extents(rhs)[:-2]])


def pointwise(inputs: Sequence[ir.Value], element: ir.Type, body: Body) -> ir.Value:
    """Applies `body` to the broadcast operands.

    What a model computes of shapes stays scalars; everything else is one linalg op.
    """
    made = scalars.pointwise(inputs, element, body)
    if made is not None:
        return made
    sizes = broadcast_sizes([extents(v) for v in inputs])
    maps = []
    for value in inputs:
        shape = shape_of(value)
        # An extent-1 axis of the result itself needs no broadcast, and a plain map fuses better.
        offset = len(sizes) - len(shape)
        plain = [
            None if d == 1 and isinstance(sizes[offset + i], int) and sizes[offset + i] == 1 else d
            for i, d in enumerate(shape)
        ]
        maps.append(broadcast_map(plain, len(sizes)))
    return parallel(inputs, maps, sizes, element, body)


def reduce(
    value: ir.Value,
    axes: Sequence[int],
    identity: ir.Value,
    body: Body,
    *,
    keepdims: bool = False,
) -> ir.Value:
    """Reduces `value` over `axes`, from `identity`, by body(element, accumulator).

    Args:
        value: The operand.
        axes: Non-negative, distinct.
        identity: Scalar; its type is the accumulator's.
        body: Combines an element of the operand with the accumulator.
        keepdims: Whether reduced dimensions stay, of extent 1.
    """
    rank = len(shape_of(value))
    kept = [i for i in range(rank) if i not in axes]
    sizes = [extent(value, i) for i in kept]
    iterators = ["reduction" if i in axes else "parallel" for i in range(rank)]
    every = dims(rank)
    result = generic(
        [value],
        [affine_map(rank, every)],
        full(sizes, identity),
        affine_map(rank, [every[i] for i in kept]),
        iterators,
        body,
    )
    if not keepdims:
        return result
    return reshape(result, [1 if i in axes else extent(value, i) for i in range(rank)])


def transpose(value: ir.Value, permutation: Sequence[int]) -> ir.Value:
    """result[i…] = value[…], result dimension k being dimension permutation[k] of the operand."""
    if list(permutation) == list(range(len(permutation))):
        return value
    rank = len(permutation)
    results: list[ir.AffineExpr] = [ir.AffineExpr.get_dim(0)] * rank
    for out_axis, in_axis in enumerate(permutation):
        results[in_axis] = ir.AffineExpr.get_dim(out_axis)
    sizes = [extent(value, axis) for axis in permutation]
    return parallel([value], [affine_map(rank, results)], sizes, element_of(value), lambda x: x)


def broadcast_to(value: ir.Value, sizes: Sequence[Extent]) -> ir.Value:
    """Numpy broadcast of the operand to `sizes` (which it must broadcast to)."""
    mapping = broadcast_map(shape_of(value), len(sizes))
    return parallel([value], [mapping], sizes, element_of(value), lambda x: x)


def widen(value: ir.Value) -> ir.Value:
    """The tensor in its accumulator's type."""
    wide = accumulator_of(element_of(value))
    if element_of(value) == wide:
        return value
    return pointwise([value], wide, lambda v: arith.ExtFOp(wide, v).result)


def narrow(value: ir.Value, element: ir.Type) -> ir.Value:
    """The tensor of floats in a narrower type, or as it is."""
    if element_of(value) == element:
        return value
    return pointwise([value], element, lambda v: arith.TruncFOp(element, v).result)


# --- reshapes --------------------------------------------------------------------------------


def reshape(value: ir.Value, sizes: Sequence[Extent]) -> ir.Value:
    """The same elements, row-major, at other extents.

    A collapse or expand of neighbouring dimensions where the extents show one (it fuses with its
    producers and consumers); else whatever lies between the equal leading and the equal trailing
    dimensions is collapsed into one and expanded again.
    """
    sizes = [scalars.simplify(d) for d in sizes]
    old, element = shape_of(value), element_of(value)
    result_type = tensor_type(sizes, element)
    groups = _reassociation(old, sizes)
    if groups is not None:
        if len(old) > len(sizes):
            return tensor.CollapseShapeOp(result_type, value, nested(groups)).result
        return _expand(value, groups, sizes)
    if None not in old and all(isinstance(d, int) for d in sizes):
        if list(result_type.shape) == old:
            return value
        flat = collapse_all(value)
        return expand_all(flat, [d for d in sizes if isinstance(d, int)])
    return _regroup(value, sizes)


def _expand(value: ir.Value, groups: Sequence[Sequence[int]], sizes: Sequence[Extent]) -> ir.Value:
    result_type = tensor_type(sizes, element_of(value))
    dynamic = [d for d in sizes if not isinstance(d, int)]
    return tensor.ExpandShapeOp(
        result_type, value, nested(groups), dynamic, list(result_type.shape)
    ).result


def _regroup(value: ir.Value, sizes: Sequence[Extent]) -> ir.Value:
    """Reshape of dynamic extents: collapse of what differs, then expand."""
    old, element = extents(value), element_of(value)
    if not old or not sizes:
        value = cast_type(value, tensor_type([1] * len(old), element))
        return expand_all(collapse_all(value), [1] * len(sizes))
    shared = min(len(old), len(sizes))
    # One dimension at least stays on either side, to hold what the differing ones come to.
    left = 0
    while left < shared - 1 and scalars.same(old[left], sizes[left]):
        left += 1
    right = 0
    while right < shared - left - 1 and scalars.same(old[-1 - right], sizes[-1 - right]):
        right += 1
    differing = old[left : len(old) - right]
    wanted = sizes[left : len(sizes) - right]
    trailing = old[len(old) - right :]
    known = [d for d in shape_of(value)[left : len(old) - right] if d is not None]
    total = int(np.prod(known, dtype=np.int64)) if len(known) == len(differing) else None
    if len(differing) > 1:
        joined = tensor_type([*old[:left], total, *trailing], element)
        groups = _around(left, len(differing), right)
        value = tensor.CollapseShapeOp(joined, value, nested(groups)).result
    # An expand needs the same kind of extent, static or dynamic, on both of its sides.
    static = [d for d in wanted if isinstance(d, int)]
    total = int(np.prod(static, dtype=np.int64)) if len(static) == len(wanted) else None
    leading = [w if isinstance(w, int) else o for w, o in zip(sizes, old[:left], strict=False)]
    value = cast_type(value, tensor_type([*leading, total, *trailing], element))
    if len(wanted) > 1:
        target = [*leading, *wanted, *trailing]
        value = _expand(value, _around(left, len(wanted), right), target)
    return cast_type(value, tensor_type(sizes, element))


def _around(left: int, count: int, right: int) -> list[list[int]]:
    """Dimensions one by one but for `count` of them, after the first `left`."""
    first = [[i] for i in range(left)]
    last = [[left + count + i] for i in range(right)]
    return [*first, list(range(left, left + count)), *last]


def collapse_all(value: ir.Value) -> ir.Value:
    """The elements of a static tensor as one dimension."""
    shape = shape_of(value)
    total = int(np.prod([d for d in shape if d is not None], dtype=np.int64))
    type_ = ir.RankedTensorType.get([total], element_of(value))
    if len(shape) == 1:
        return value
    if not shape:
        return tensor.ExpandShapeOp(type_, value, nested([]), [], [1]).result
    return tensor.CollapseShapeOp(type_, value, nested([list(range(len(shape)))])).result


def expand_all(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """A static one-dimensional tensor at `shape`."""
    type_ = ir.RankedTensorType.get(list(shape), element_of(value))
    if len(shape) == 1:
        return value
    if not shape:
        return tensor.CollapseShapeOp(type_, value, nested([])).result
    return tensor.ExpandShapeOp(
        type_, value, nested([list(range(len(shape)))]), [], list(shape)
    ).result


def nested(groups: Sequence[Sequence[int]]) -> ir.ArrayAttr:
    """Reassociation indices as an attribute."""
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get(
        [ir.ArrayAttr.get([ir.IntegerAttr.get(i64, i) for i in g]) for g in groups]
    )


def _reassociation(old: Sequence[int | None], new: Sequence[Extent]) -> list[list[int]] | None:
    """Groups of the higher-rank side's dimensions, one per dimension of the lower-rank side.

    None if the extents don't show such a grouping. A dynamic extent matches only one that is
    derived from that very dimension, or a group's single dynamic extent with equal static rest.
    """
    wide, narrow = (list(old), list(new)) if len(old) > len(new) else (list(new), list(old))
    if len(wide) == len(narrow) or not narrow:
        return None
    known: list[int | None] = [d if isinstance(d, int) else None for d in wide]
    target = [d if isinstance(d, int) else None for d in narrow]
    if known.count(None) > 1 or target.count(None) > 1 or known.count(None) != target.count(None):
        return None
    groups: list[list[int]] = []
    position = 0
    for i, goal in enumerate(target):
        last = i == len(target) - 1
        group: list[int] = []
        product, dynamic = 1, False
        while position < len(known):
            if group and not last and _complete(product, dynamic, goal, known[position]):
                break
            extent_ = known[position]
            group.append(position)
            position += 1
            if extent_ is None:
                dynamic = True
            else:
                product *= extent_
            if not last and goal is not None and not dynamic and product == goal and goal != 1:
                break
        if not group or (goal is None) != dynamic:
            return None
        if goal is not None and product != goal:
            return None
        if goal is None and product != 1:
            return None
        groups.append(group)
    return groups if position == len(known) else None


def _complete(product: int, dynamic: bool, goal: int | None, following: int | None) -> bool:
    if goal is None:
        return dynamic and following != 1
    return product == goal and following != 1
