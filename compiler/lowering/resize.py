"""Lowering of Resize and Upsample: what to resample, by which scale, from which region."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from torch_mlir import ir
from torch_mlir.dialects import arith

from noema.lowering import arguments, emit, real, resampling, scalars
from noema.lowering.node import Declined, Node
from noema.lowering.real import Real
from noema.lowering.resampling import Axis, Method, Quantity
from noema.lowering.scalars import Extent


def lower_resize(node: Node) -> ir.Value:
    """X at other extents: the nearest elements, or linear or cubic interpolation."""
    x = node.operand(0)
    method = _method(node)
    axes = [a for a in _axes(node, x, method) if not resampling.is_identity(a, method)]
    if not axes:
        return x
    if method.mode == "nearest":
        factors = [resampling.repeats(a, method) for a in axes]
        known = [f for f in factors if f is not None]
        if len(known) == len(axes):
            return resampling.repeat(x, {a.number: f for a, f in zip(axes, known, strict=True)})
        return resampling.nearest(x, axes, method, node.result_dtype())
    return resampling.interpolate(x, axes, method, node.result_dtype())


def _method(node: Node) -> Method:
    old = node.kind == "Upsample" or node.version < 11
    mode = node.text("mode", "nearest")
    if mode not in ("nearest", "linear", "cubic"):
        raise Declined(f"resampling mode {mode}")
    antialias = bool(node.int("antialias", 0))
    if antialias and mode == "nearest":
        raise Declined("antialiasing of the nearest element")
    return Method(
        "asymmetric" if old else node.text("coordinate_transformation_mode", "half_pixel"),
        mode,
        "simple" if old else node.text("nearest_mode", "round_prefer_floor"),
        node.float("cubic_coeff_a", -0.75),
        antialias,
        bool(node.int("exclude_outside", 0)),
        node.float("extrapolation_value", 0.0),
    )


# --- extents, scales and regions ----------------------------------------------------------------


def _axes(node: Node, x: ir.Value, method: Method) -> list[Axis]:
    """The dimensions that the node names, with their extents before and after."""
    sizes, declared = emit.extents(x), node.result_shape()
    count = len(sizes)
    numbers = [arguments.axis(a, count) for a in node.ints("axes") or range(count)]
    old = node.kind == "Upsample" or node.version < 11
    scales_slot = 1 if old else 2
    factors = node.floats("scales")
    if factors is None and _is_given(node, scales_slot):
        values = node.constant(scales_slot)
        factors = None if values is None else [float(v) for v in values.reshape(-1)]
        if factors is None:
            axes = _axes_at_run_time(node, scales_slot, numbers, sizes, declared)
            return _with_region(node, axes, method, by_scale=True)
    if factors is not None:
        if len(factors) != len(numbers) or min(factors, default=1.0) <= 0:
            raise Declined("scales that don't fit the dimensions")
        axes = [
            Axis(
                a,
                sizes[a],
                scalars.refine(declared, a, lambda a=a, f=f: _scaled(sizes[a], f)),
                f,
            )
            for a, f in zip(numbers, factors, strict=True)
        ]
        return _with_region(node, axes, method, by_scale=True)
    sizes_wanted = None if old else arguments.indices(node, "sizes", 3)
    if sizes_wanted is None or len(sizes_wanted) != len(numbers):
        raise Declined("neither scales nor sizes")
    pairs = list(zip(numbers, sizes_wanted, strict=True))
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        axes = [
            Axis(a, sizes[a], d, _ratio(d, sizes[a]))
            for a, d in ((a, scalars.refine(declared, a, lambda n=n: n)) for a, n in pairs)
        ]
    else:
        axes = _of_one_scale(node, policy, pairs, sizes, declared)
    return _with_region(node, axes, method, by_scale=False)


def _is_given(node: Node, slot: int) -> bool:
    """Whether an input is there and not the empty tensor that stands for a missing one."""
    return node.has(slot) and emit.shape_of(node.operand(slot)) != [0]


def _scaled(size: Extent, factor: float) -> Extent:
    """⌊size · factor⌋, exactly: a float is a fraction by a power of two."""
    ratio = Fraction(factor)
    product = scalars.multiply(size, ratio.numerator)
    return scalars.floor_divide(product, ratio.denominator)


def _ratio(wanted: Extent, size: Extent) -> Quantity:
    if isinstance(wanted, int) and isinstance(size, int):
        return wanted / size if size else 1.0
    return lambda kind: real.of_extent(wanted, kind) / real.of_extent(size, kind)


def _axes_at_run_time(
    node: Node,
    slot: int,
    numbers: Sequence[int],
    sizes: Sequence[Extent],
    declared: Sequence[int | None],
) -> list[Axis]:
    """Scales that are known only when the program runs."""
    scales = node.operand(slot)
    if emit.shape_of(scales) != [len(numbers)]:
        raise Declined("scales that don't fit the dimensions")
    own = [sizes[a] for a in numbers]
    f64 = ir.F64Type.get()

    def scaled(size: ir.Value, factor: ir.Value) -> ir.Value:
        # The product of an f32 and an extent is exact in f64, and so is what it is rounded to.
        return _whole(_wide(size) * Real(arith.ExtFOp(f64, factor).result))

    wanted = _extents_at_run_time(own, scales, scaled, [declared[a] for a in numbers])
    return [
        Axis(a, sizes[a], n, lambda kind, i=i: real.widened(emit.extract(scales, [i]), kind))
        for i, (a, n) in enumerate(zip(numbers, wanted, strict=True))
    ]


def _wide(value: ir.Value) -> Real:
    """An i64 as f64."""
    return Real(arith.SIToFPOp(ir.F64Type.get(), value).result)


def _whole(value: Real) -> ir.Value:
    """A float without its fraction as i64."""
    return arith.FPToSIOp(ir.IntegerType.get_signless(64), value.value).result


def _extents_at_run_time(
    sizes: Sequence[Extent],
    given: ir.Value,
    body: Callable[[ir.Value, ir.Value], ir.Value],
    declared: Sequence[int | None],
) -> list[Extent]:
    """Extents that follow from floats: computed as a tensor, for the host side lacks some of them.

    Args:
        sizes: Input extent per axis.
        given: Rank 1, an element per axis.
        body: Output extent, of input extent (i64) and element, as i64.
        declared: Output extents as far as they are known.
    """
    known = [d for d in declared if d is not None]
    if len(known) == len(declared):
        return list(known)
    i64 = ir.IntegerType.get_signless(64)
    column = [scalars.to_integer(d, i64) for d in sizes]
    inputs = [scalars.from_elements(column, [len(column)], i64), given]
    plain = emit.affine_map(1, emit.dims(1))
    made = emit.parallel(inputs, [plain, plain], [len(column)], i64, body)
    return [
        scalars.read_index(made, i) if extent is None else extent
        for i, extent in enumerate(declared)
    ]


def _of_one_scale(
    node: Node,
    policy: str,
    pairs: Sequence[tuple[int, Extent]],
    sizes: Sequence[Extent],
    declared: Sequence[int | None],
) -> list[Axis]:
    """Sizes that bound the output, whose extents keep their proportions."""
    if policy not in ("not_larger", "not_smaller"):
        raise Declined(f"keep_aspect_ratio_policy {policy}")
    ratios = [_ratio(n, sizes[a]) for a, n in pairs]
    known = [r for r in ratios if isinstance(r, float)]
    if len(known) == len(ratios):
        scale = min(known) if policy == "not_larger" else max(known)
        return [
            Axis(a, size, int(scale * size + 0.5), scale)
            for a, size in ((a, sizes[a]) for a, _ in pairs)
            if isinstance(size, int)
        ]

    def common(element: ir.Type) -> Real:
        values = [real.of_extent(n, element) / real.of_extent(sizes[a], element) for a, n in pairs]
        chosen = values[0]
        for value in values[1:]:
            choose = real.minimum if policy == "not_larger" else real.maximum
            chosen = choose(chosen, value)
        return chosen

    wanted = _extents_at_run_time(
        [sizes[a] for a, _ in pairs],
        node.operand(3),
        lambda size, _: _whole(common(ir.F64Type.get()) * _wide(size) + 0.5),
        [declared[a] for a, _ in pairs],
    )
    return [Axis(a, sizes[a], n, common) for (a, _), n in zip(pairs, wanted, strict=True)]


def _with_region(node: Node, axes: Sequence[Axis], method: Method, *, by_scale: bool) -> list[Axis]:
    """The axes with the region to crop."""
    if not method.crops:
        return list(axes)
    if by_scale:
        # The output's extent then depends on the region too, and implementations disagree.
        raise Declined("cropping by scales")
    count = len(axes)
    values = node.constant(1)
    if values is None:
        region = node.operand(1)
        if emit.shape_of(region) != [2 * count]:
            raise Declined("a region that doesn't fit the dimensions")
        if emit.element_of(region) != ir.F32Type.get():
            raise Declined(f"a region in {emit.element_of(region)}")

        def part(position: int) -> Quantity:
            return lambda kind: real.widened(emit.extract(region, [position]), kind)
    else:
        if values.size != 2 * count:
            raise Declined("a region that doesn't fit the dimensions")

        def part(position: int) -> Quantity:
            return float(values.reshape(-1)[position])

    return [
        Axis(a.number, a.size, a.wanted, a.scale, part(i), part(count + i))
        for i, a in enumerate(axes)
    ]
