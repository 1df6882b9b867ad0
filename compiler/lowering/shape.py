"""Lowering of the operators that view, join, repeat and make tensors, and that ask for shapes.

What a model computes of shapes (`Shape → Gather → Concat → Reshape`) stays scalars throughout:
see `scalars`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, math

from noema.lowering import arguments, emit, scalars, slicing
from noema.lowering.node import Declined, Node
from noema.lowering.scalars import Extent


def lower_identity(node: Node) -> ir.Value:
    """The operand."""
    return node.operand(0)


def lower_reshape(node: Node) -> ir.Value:
    """The elements of x at the extents that `shape` gives; 0 copies an extent, -1 is what is left.

    Extents that the model declares are taken as they are; the shape tensor is read for the others.
    """
    x, declared = node.operand(0), node.result_shape()
    unknown = [i for i, d in enumerate(declared) if d is None]
    if not unknown:
        return _reshaped(node, x, declared)
    old = emit.extents(x)
    sizes: list[Extent] = [-1 if d is None else d for d in declared]
    if len(unknown) > 1:
        _read_sizes(node, old, sizes, unknown)
    missing = [i for i, d in enumerate(sizes) if isinstance(d, int) and d == -1]
    if len(missing) > 1:
        raise Declined("more than one unknown extent")
    for i in missing:
        sizes[i] = _quotient(old, [d for j, d in enumerate(sizes) if j != i])
    return _reshaped(node, x, sizes)


def _read_sizes(
    node: Node, old: Sequence[Extent], sizes: list[Extent], unknown: Sequence[int]
) -> None:
    """Fills in the extents that the shape tensor gives; leaves -1 where the IR shows a -1."""
    target = arguments.indices(node, "shape", 1)
    if target is None or len(target) != len(sizes):
        raise Declined("a target shape of unknown length")
    copies_zero = not node.int("allowzero", 0)
    uncertain: list[int] = []
    for i in unknown:
        extent = target[i]
        if isinstance(extent, int):
            copied = extent == 0 and copies_zero and i < len(old)
            sizes[i] = old[i] if copied else extent
            continue
        sizes[i] = extent
        op = scalars.owner_of(extent)
        # Arithmetic on extents can't give -1; a number that the caller passes in can.
        if op is None or op.name != "tensor.dim":
            uncertain.append(i)
            if copies_zero and i < len(old):
                sizes[i] = scalars.select(scalars.is_equal(extent, 0), old[i], extent)
    if any(isinstance(d, int) and d == -1 for d in sizes):
        return  # at most one extent is -1
    total = scalars.product(old)
    for i in uncertain:
        # What is left for extent i, if it is the one that is -1; it isn't used otherwise.
        others = scalars.product([d for j, d in enumerate(sizes) if j != i])
        rest = scalars.floor_divide(total, scalars.maximum(others, 1))
        negative = scalars.is_negative(sizes[i])
        sizes[i] = scalars.select(negative, rest, sizes[i])


def _quotient(sizes: Sequence[Extent], divisors: Sequence[Extent]) -> Extent:
    """Product of sizes over that of divisors; what occurs in both cancels."""
    above, below = list(sizes), []
    for divisor in divisors:
        match = next((i for i, s in enumerate(above) if scalars.same(s, divisor)), None)
        if match is None:
            below.append(divisor)
        else:
            del above[match]
    return scalars.floor_divide(scalars.product(above), scalars.maximum(scalars.product(below), 1))


def _reshaped(node: Node, x: ir.Value, sizes: Sequence[Extent | None]) -> ir.Value:
    extents = [d for d in sizes if d is not None]
    static = [d for d in extents if isinstance(d, int)]
    known = scalars.elements(x)
    if known is not None and len(static) == len(extents) and len(static) < 2:
        return scalars.from_elements(known, static, node.result_element())
    return emit.reshape(x, extents)


def lower_flatten(node: Node) -> ir.Value:
    """The dimensions before `axis` as one, those from it on as another."""
    x = node.operand(0)
    sizes = emit.extents(x)
    axis = node.int("axis", 1)
    axis = axis + len(sizes) if axis < 0 else axis
    declared = node.result_shape()
    halves = [sizes[:axis], sizes[axis:]]
    return emit.reshape(
        x,
        [scalars.refine(declared, i, lambda h=h: scalars.product(h)) for i, h in enumerate(halves)],
    )


def lower_squeeze(node: Node) -> ir.Value:
    """X without the dimensions `axes` of extent 1, or without all such."""
    x, declared = node.operand(0), node.result_shape()
    if None not in declared:
        return _reshaped(node, x, declared)
    sizes = emit.extents(x)
    if node.has(1) or node.ints("axes") is not None:
        axes = arguments.indices(node, "axes", 1) or []
    else:
        axes = [i for i, d in enumerate(sizes) if isinstance(d, int) and d == 1]
    if len(axes) + len(declared) != len(sizes):
        raise Declined("which dimensions have extent 1 is not known")
    return _reshaped(node, x, _refined(declared, squeezed(sizes, axes)))


def squeezed(sizes: Sequence[Extent], axes: Sequence[Extent]) -> list[Extent]:
    """The extents without those of `axes`, which may be known only when the program runs."""
    count = len(sizes) - len(axes)
    if all(isinstance(a, int) for a in axes):
        dropped = {arguments.axis(a, len(sizes)) for a in axes if isinstance(a, int)}
        return [d for i, d in enumerate(sizes) if i not in dropped]
    drops = arguments.per_dimension([1] * len(axes), axes, len(sizes), 0)
    kept: list[Extent] = [1] * count
    place: Extent = 0
    for size, drop in zip(sizes, drops, strict=True):
        stays = scalars.is_equal(drop, 0)
        for i in range(count):
            here = arith.AndIOp(stays, scalars.is_equal(place, i)).result
            kept[i] = scalars.select(here, size, kept[i])
        place = scalars.add(place, scalars.subtract(1, drop))
    return kept


def lower_unsqueeze(node: Node) -> ir.Value:
    """X with new dimensions of extent 1 at `axes` of the result."""
    x, declared = node.operand(0), node.result_shape()
    if None not in declared:
        return _reshaped(node, x, declared)
    axes = arguments.indices(node, "axes", 1)
    sizes = emit.extents(x)
    if axes is None or len(sizes) + len(axes) != len(declared):
        raise Declined("new dimensions that aren't known")
    if all(isinstance(a, int) for a in axes):
        added = {arguments.axis(a, len(declared)) for a in axes if isinstance(a, int)}
        rest = iter(sizes)
        wanted = [1 if i in added else next(rest) for i in range(len(declared))]
        return _reshaped(node, x, _refined(declared, wanted))
    adds = arguments.per_dimension([1] * len(axes), axes, len(declared), 0)
    wanted = [1] * len(declared)
    place: Extent = 0
    for i, added_here in enumerate(adds):
        stays = scalars.is_equal(added_here, 0)
        for j, size in enumerate(sizes):
            here = arith.AndIOp(stays, scalars.is_equal(place, j)).result
            wanted[i] = scalars.select(here, size, wanted[i])
        place = scalars.add(place, scalars.subtract(1, added_here))
    return _reshaped(node, x, _refined(declared, wanted))


def _refined(declared: Sequence[int | None], sizes: Sequence[Extent]) -> list[Extent]:
    return [s if d is None else d for d, s in zip(declared, sizes, strict=True)]


def lower_transpose(node: Node) -> ir.Value:
    """Dimension perm[i] of x as dimension i; reversed without `perm`."""
    x = node.operand(0)
    order = node.ints("perm")
    count = arguments.rank(x)
    return emit.transpose(x, list(reversed(range(count))) if order is None else list(order))


def lower_expand(node: Node) -> ir.Value:
    """X broadcast with `shape`, both ways."""
    x, declared = node.operand(0), node.result_shape()
    own = emit.extents(x)
    lead = len(declared) - len(own)
    target: list[Extent] = []
    if None in declared:
        given = arguments.indices(node, "shape", 1)
        if given is None:
            raise Declined("no target shape")
        target = [1] * (len(declared) - len(given)) + given
    sizes = [
        scalars.refine(
            declared, i, lambda i=i: _broadcast(1 if i < lead else own[i - lead], target[i])
        )
        for i in range(len(declared))
    ]
    uncertain = [
        not isinstance(d, int) and not scalars.same(d, sizes[lead + i]) for i, d in enumerate(own)
    ]
    if not any(uncertain):
        return emit.broadcast_to(x, sizes)

    # Whether an extent is 1, and so repeats, shows when the program runs.
    def pick() -> ir.Value:
        at: list[Extent] = []
        for i, d in enumerate(own):
            here = linalg.IndexOp(lead + i).result
            if uncertain[i]:
                at.append(scalars.select(scalars.is_equal(d, 1), 0, here))
            else:
                at.append(0 if isinstance(d, int) and d == 1 else here)
        return emit.extract(x, at)

    return emit.parallel([], [], sizes, node.result_element(), pick)


def _broadcast(own: Extent, target: Extent) -> Extent:
    if isinstance(own, int):
        return target if own == 1 else own
    if scalars.same(own, target) or (isinstance(target, int) and target == 1):
        return own
    if isinstance(target, int):
        return target
    return scalars.select(scalars.is_equal(own, 1), target, own)


def lower_shape(node: Node) -> ir.Value:
    """The extents `start` … `end` - 1 of x."""
    x = node.operand(0)
    count = arguments.rank(x)
    span = slice(node.int("start", 0), node.int("end", count))
    i64 = node.result_element()
    sizes = [scalars.extent(x, i) for i in range(count)[span]]
    return scalars.from_elements([scalars.to_integer(d, i64) for d in sizes], [len(sizes)], i64)


def lower_size(node: Node) -> ir.Value:
    """How many elements x has."""
    i64 = node.result_element()
    count = scalars.product(emit.extents(node.operand(0)))
    return scalars.from_elements([scalars.to_integer(count, i64)], [], i64)


def lower_tile(node: Node) -> ir.Value:
    """X repeated along its dimensions."""
    x, declared = node.operand(0), node.result_shape()
    sizes = emit.extents(x)
    repeats: list[Extent | None] = [
        d // s if isinstance(d, int) and isinstance(s, int) and s else None
        for d, s in zip(declared, sizes, strict=True)
    ]
    if None in repeats:
        given = arguments.indices(node, "repeats", 1)
        if given is None or len(given) != len(sizes):
            raise Declined("repeats of unknown length")
        repeats = [g if r is None else r for r, g in zip(repeats, given, strict=True)]
    # Each repeated dimension becomes (repeat, extent), then one again.
    interleaved: list[Extent] = []
    reads: list[ir.AffineExpr] = []
    merged: list[int] = []
    for repeat, size in zip(repeats, sizes, strict=True):
        assert repeat is not None
        once, single = _is(repeat, 1), _is(size, 1)
        if not once and not single:
            merged.append(len(interleaved))
            interleaved.append(repeat)
        reads.append(
            ir.AffineExpr.get_constant(0) if single and not once
            else ir.AffineExpr.get_dim(len(interleaved))
        )  # fmt: skip
        interleaved.append(repeat if single else size)
    mapping = emit.affine_map(len(interleaved), reads)
    result = emit.parallel([x], [mapping], interleaved, node.result_element(), lambda v: v)
    for at in reversed(merged):
        result = slicing.merge(result, at, 2)
    return result


def _is(extent: Extent, value: int) -> bool:
    return isinstance(extent, int) and extent == value


def lower_concat(node: Node) -> ir.Value:
    """The operands one after the other along `axis`."""
    values = [node.operand(i) for i in range(len(node.inputs)) if node.has(i)]
    axis = arguments.axis(node.int("axis", 1), arguments.rank(values[0]))
    filled = [v for v in values if emit.shape_of(v)[axis] != 0]
    known = [scalars.elements(v) for v in filled]
    joined = [e for elements in known if elements is not None for e in elements]
    if None not in known and arguments.rank(values[0]) == 1:
        return scalars.from_elements(joined, [len(joined)], node.result_element())
    return slicing.concatenate(filled, axis)


def lower_split(node: Node) -> Sequence[ir.Value | None]:
    """Consecutive parts of x along `axis`: of the sizes `split`, or equal but for the last."""
    x = node.operand(0)
    axis = arguments.axis(node.int("axis", 0), arguments.rank(x))
    count = len(node.results)
    sizes = _parts(node, emit.extent(x, axis), axis, count)
    known = scalars.elements(x) if arguments.rank(x) == 1 else None
    results: list[ir.Value | None] = []
    start: Extent = 0
    for result, size in zip(node.results, sizes, strict=True):
        if result is None:
            results.append(None)
        elif isinstance(size, int) and size == 0:
            empty = [0 if i == axis else d for i, d in enumerate(emit.extents(x))]
            results.append(emit.empty(empty, emit.element_of(x)))
        elif known is not None and isinstance(start, int) and isinstance(size, int):
            chosen = known[start : start + size]
            results.append(scalars.from_elements(chosen, [size], emit.element_of(x)))
        else:
            results.append(slicing.part(x, axis, start, size))
        start = scalars.add(start, size)
    return results


def _parts(node: Node, extent: Extent, axis: int, count: int) -> list[Extent]:
    declared = [
        None if r is None else node.result_shape(i)[axis] for i, r in enumerate(node.results)
    ]
    known = [d for d in declared if d is not None]
    if len(known) == count:
        return [*known]
    if isinstance(extent, int) and extent == 0:
        return [0] * count
    given = arguments.indices(node, "split", 1)
    if given is not None:
        return [g if d is None else d for d, g in zip(declared, given, strict=True)]
    each = scalars.ceil_divide(extent, count)
    last = scalars.subtract(extent, scalars.multiply(each, count - 1))
    return [*[each] * (count - 1), last]


def lower_range(node: Node) -> ir.Value:
    """start, start + delta, … before limit."""
    dtype, element = node.result_dtype(), node.result_element()
    if not (dtype.is_integer or (dtype.is_float and dtype.bits >= 16)):
        raise Declined(f"a range of {dtype}")
    operands = [node.operand(i) for i in range(3)]
    i64 = ir.IntegerType.get_signless(64)
    work = ir.F32Type.get() if dtype.is_float and dtype.bits == 16 else element

    def wide(v: ir.Value) -> ir.Value:
        return v if v.type == work else arith.ExtFOp(work, v).result

    def count() -> Extent:
        if dtype.is_float:
            # As a tensor: the host side has neither every float type nor every conversion.
            steps = emit.pointwise(operands, i64, steps_between)
            return scalars.maximum(scalars.read_index(steps), 0)
        bounds = operands
        if element.width < 32:  # which the host side reads without their sign
            bounds = [
                emit.pointwise([v], i64, lambda x: arith.ExtSIOp(i64, x).result) for v in operands
            ]
        first, last, step = (scalars.read_index(v) for v in bounds)
        return scalars.maximum(scalars.ceil_divide(scalars.subtract(last, first), step), 0)

    def steps_between(start: ir.Value, limit: ir.Value, delta: ir.Value) -> ir.Value:
        span = arith.SubFOp(wide(limit), wide(start)).result
        return arith.FPToSIOp(
            i64, math.CeilOp(arith.DivFOp(span, wide(delta)).result).result
        ).result

    size = scalars.refine(node.result_shape(), 0, count)

    def value(start: ir.Value, delta: ir.Value) -> ir.Value:
        number = arith.IndexCastOp(i64, linalg.IndexOp(0).result).result
        if not dtype.is_float:
            number = _truncated(number, element)
            return arith.AddIOp(start, arith.MulIOp(number, delta).result).result
        whole = arith.SIToFPOp(work, number).result
        made = arith.AddFOp(wide(start), arith.MulFOp(whole, wide(delta)).result).result
        return made if work == element else arith.TruncFOp(element, made).result

    scalar = emit.affine_map(1, [])
    return emit.parallel([operands[0], operands[2]], [scalar, scalar], [size], element, value)


def _truncated(number: ir.Value, element: ir.Type) -> ir.Value:
    """An i64 scalar in a narrower integer type."""
    return number if number.type == element else arith.TruncIOp(element, number).result


def lower_eye_like(node: Node) -> ir.Value:
    """1 where column - row = k, else 0; of the extents of x."""
    element, k = node.result_element(), node.int("k", 0)
    if not isinstance(element, (ir.IntegerType, ir.F32Type, ir.F64Type, ir.F16Type, ir.BF16Type)):
        raise Declined(f"an identity matrix of {element}")

    def value() -> ir.Value:
        diagonal = scalars.add(linalg.IndexOp(0).result, k)
        one, zero = emit.scalar(1, element), emit.scalar(0, element)
        here = scalars.is_equal(diagonal, linalg.IndexOp(1).result)
        return arith.SelectOp(here, one, zero).result

    return emit.parallel([], [], emit.extents(node.operand(0)), element, value)


def lower_constant_of_shape(node: Node) -> ir.Value:
    """A tensor of the extents given, every element the same."""
    declared = node.result_shape()
    values = node.tensor("value")
    value = np.zeros([], np.float32) if values is None else values.reshape(-1)[0]
    if None not in declared and len(declared) < 2 and np.size(value):
        static = [d for d in declared if d is not None]
        if int(np.prod(static, dtype=np.int64)) <= scalars.MAX_ELEMENTS:
            return emit.constant(np.full(static, value))
    given = arguments.indices(node, "shape", 0) if None in declared else None
    sizes = [
        scalars.refine(declared, i, lambda i=i: (given or [])[i]) for i in range(len(declared))
    ]
    one = emit.constant(np.full([], value))
    return emit.broadcast_to(one, sizes)
