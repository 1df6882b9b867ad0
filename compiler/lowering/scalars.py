"""Small integer tensors as scalars, and arithmetic on extents.

Models compute shapes: `Shape → Gather → Concat → Reshape`. As tensors those few integers would be
made on the device and read back before anything can be allocated; as scalars they stay with the
program's host side, where code generation folds them into the extents that they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from noema.dialects.attrs import SYMBOLS
from noema.lowering.node import Declined

Extent = int | ir.Value
"""A static size, or an `index` value."""

MAX_INDEX = (1 << 63) - 1
"""Larger than every index."""

MAX_ELEMENTS = 64
"""Tensors with more elements than this are left as tensors."""


def owner_of(value: ir.Value) -> ir.Operation | None:
    """The op that makes a value; None for a block argument."""
    owner = value.owner
    return owner.operation if isinstance(owner, (ir.Operation, ir.OpView)) else None


# --- tensors made of scalars -------------------------------------------------------------------


def elements(value: ir.Value) -> list[ir.Value] | None:
    """The elements of a small integer or bool tensor, row-major, if each is known as a scalar.

    Constants get a scalar constant per element at the insertion point.
    """
    op = owner_of(value)
    while op is not None and op.name == "tensor.cast":
        op = owner_of(op.operands[0])
    if op is None:
        return None
    if op.name == "tensor.from_elements":
        return list(op.operands)
    if op.name != "arith.constant":
        return None
    type_ = op.results[0].type
    if not isinstance(type_, ir.RankedTensorType):
        return None
    element = type_.element_type
    count = 1
    for extent in type_.shape:
        count *= extent
    if not isinstance(element, ir.IntegerType) or count > MAX_ELEMENTS or count == 0:
        return None
    values = op.attributes["value"]
    if not isinstance(values, ir.DenseIntElementsAttr):
        return None
    return [
        arith.ConstantOp(element, ir.IntegerAttr.get(element, _signed(int(v), element))).result
        for v in values
    ]


def _signed(value: int, element: ir.IntegerType) -> int:
    if element.width == 1:
        return value & 1
    half = 1 << (element.width - 1)
    return (value + half) % (2 * half) - half


def from_elements(values: Sequence[ir.Value], shape: Sequence[int], element: ir.Type) -> ir.Value:
    """A tensor of these scalars, row-major.

    Raises:
        Declined: There are not as many as the shape has elements.
    """
    count = 1
    for size in shape:
        count *= size
    if count != len(values):
        raise Declined(f"{len(values)} elements for a shape of {count}")
    type_ = ir.RankedTensorType.get(list(shape), element)
    return tensor.FromElementsOp(type_, list(values)).result


def pointwise(
    inputs: Sequence[ir.Value], element: ir.Type, body: Callable[..., ir.Value]
) -> ir.Value | None:
    """`body` applied to broadcast tensors of known scalars, element by element.

    None where an operand isn't one, or the types are none that the host side computes in.
    """
    if not all(_on_host(t) for t in (element, *(_element(v) for v in inputs))):
        return None
    shapes = [list(ir.RankedTensorType(v.type).shape) for v in inputs]
    dynamic = ir.ShapedType.get_dynamic_size()
    if any(len(s) > 1 or dynamic in s for s in shapes):
        return None
    length = max((s[0] for s in shapes if s), default=1, key=lambda n: (n != 1, n))
    if length > MAX_ELEMENTS or not any(_is_computed(v) for v in inputs):
        return None
    columns: list[list[ir.Value]] = []
    for value in inputs:
        known = elements(value)
        if known is None:
            return None
        columns.append(known if len(known) == length else known * length)
    results = [body(*row) for row in zip(*columns, strict=True)]
    return from_elements(results, [length] if any(shapes) else [], element)


def _is_computed(value: ir.Value) -> bool:
    # A constant alone is no reason: whatever is made of constants is folded elsewhere.
    op = owner_of(value)
    while op is not None and op.name == "tensor.cast":
        op = owner_of(op.operands[0])
    return op is not None and op.name == "tensor.from_elements"


def _element(value: ir.Value) -> ir.Type:
    return ir.RankedTensorType(value.type).element_type


def _on_host(type_: ir.Type) -> bool:
    return isinstance(type_, ir.IntegerType) and type_.width in (1, 32, 64)


def read(value: ir.Value, position: int | None = None) -> ir.Value:
    """One element of a rank-1 tensor, or the one of a rank-0 tensor, as a scalar."""
    known = elements(value)
    if known is not None:
        return known[position or 0]
    rank = ir.RankedTensorType(value.type).rank
    where = [index_value(position or 0)] * rank
    return tensor.ExtractOp(value, where).result


def read_index(value: ir.Value, position: int | None = None) -> Extent:
    """Like `read`, as an extent or index; an int if it is known."""
    return simplify(to_index(read(value, position)))


# --- extents ----------------------------------------------------------------------------------


def index_value(extent: Extent) -> ir.Value:
    """An extent as an `index` value."""
    return (
        arith.ConstantOp(ir.IndexType.get(), extent).result if isinstance(extent, int) else extent
    )


def to_index(value: ir.Value, *, unsigned: bool = False) -> ir.Value:
    """An integer scalar as an `index` value."""
    index = ir.IndexType.get()
    if isinstance(value.type, ir.IndexType):
        return value
    op = owner_of(value)
    if op is not None and op.name == "arith.index_cast" and op.operands[0].type == index:
        return op.operands[0]
    return (arith.IndexCastUIOp if unsigned else arith.IndexCastOp)(index, value).result


def to_integer(extent: Extent, element: ir.Type) -> ir.Value:
    """An extent as an integer scalar."""
    if isinstance(extent, int):
        return arith.ConstantOp(element, ir.IntegerAttr.get(element, extent)).result
    return arith.IndexCastOp(element, extent).result


def literal(value: Extent) -> int | None:
    """The number that an integer, index or bool scalar is, if the IR shows it."""
    if isinstance(value, int):
        return value
    op = owner_of(value)
    if op is None:
        return None
    if op.name == "arith.constant":
        attribute = op.attributes["value"]
        return int(ir.IntegerAttr(attribute).value) if _is_integer(attribute) else None
    if op.name in ("arith.index_cast", "arith.extsi"):
        return literal(op.operands[0])
    if op.name == "arith.cmpi":
        return _compared(op)
    if op.name == "arith.select":
        chosen = _chosen(op)
        return None if chosen is None else literal(chosen)
    return None


def _is_integer(attribute: ir.Attribute) -> bool:
    return isinstance(attribute, (ir.IntegerAttr, ir.BoolAttr))


def _compared(op: ir.Operation) -> int | None:
    predicate = int(ir.IntegerAttr(op.attributes["predicate"]).value)
    if predicate not in (arith.CmpIPredicate.eq, arith.CmpIPredicate.ne):
        return None
    lhs, rhs = (literal(v) for v in op.operands)
    if lhs is not None and rhs is not None:
        equal = lhs == rhs
    elif _is_size(op.operands[0]) and rhs is not None and rhs < 0:
        equal = False  # a size is never -1, which is how exporters spell "not given"
    else:
        return None
    return int(equal == (predicate == arith.CmpIPredicate.eq))


def _chosen(op: ir.Operation) -> ir.Value | None:
    condition = literal(op.operands[0])
    if condition is None:
        return None
    return op.operands[1] if condition else op.operands[2]


def _is_size(value: ir.Value) -> bool:
    root = _root(value)
    op = owner_of(root)
    return op is not None and op.name == "tensor.dim"


def _root(value: ir.Value) -> ir.Value:
    """What a scalar is a mere copy of: casts and decided selects are looked through."""
    while (op := owner_of(value)) is not None:
        if op.name in ("arith.index_cast", "arith.extsi"):
            value = op.operands[0]
        elif op.name == "arith.select" and (chosen := _chosen(op)) is not None:
            value = chosen
        else:
            break
    return value


def simplify(extent: Extent) -> Extent:
    """An int if the extent is known, else the `index` value that it copies."""
    known = literal(extent)
    if known is not None or isinstance(extent, int):
        return extent if known is None else known
    root = _root(extent)
    return root if isinstance(root.type, ir.IndexType) else extent


def same(a: Extent | None, b: Extent | None) -> bool:
    """Whether two extents are surely equal."""
    if a is None or b is None:
        return False
    a, b = simplify(a), simplify(b)
    if isinstance(a, int) or isinstance(b, int):
        return isinstance(a, int) and isinstance(b, int) and a == b
    if a == b:
        return True
    left, right = owner_of(a), owner_of(b)
    if left is None or right is None or left.name != right.name:
        return False
    if left.name == "tensor.dim":
        axes = (literal(left.operands[1]), literal(right.operands[1]))
        return left.operands[0] == right.operands[0] and axes[0] is not None and axes[0] == axes[1]
    # The same arithmetic on the same extents, done twice.
    return left.name in _ARITHMETIC and all(map(same, left.operands, right.operands))


_ARITHMETIC = frozenset(
    f"arith.{name}"
    for name in ("addi", "muli", "subi", "floordivsi", "ceildivsi", "maxsi", "minsi")
)


def extent(value: ir.Value, axis: int) -> Extent:
    """Size of a tensor's dimension, from the op that made the tensor where that tells it."""
    dynamic = ir.ShapedType.get_dynamic_size()
    while True:
        static = ir.RankedTensorType(value.type).shape[axis]
        if static != dynamic:
            return static
        op = owner_of(value)
        if op is None:
            break
        if op.name in ("tensor.cast", "util.optimization_barrier"):
            value = op.operands[0]
        elif op.name == "tensor.pad":
            source, low, high = op.operands[0], _amount(op, "low", axis), _amount(op, "high", axis)
            return add(add(low, extent(source, axis)), high)
        elif op.name == "tensor.empty":
            shape = ir.RankedTensorType(value.type).shape
            return simplify(op.operands[sum(d == dynamic for d in shape[:axis])])
        elif op.name.startswith("linalg.") and len(op.results) == 1:
            value = op.operands[len(op.operands) - 1]  # destination-passing style
        elif op.name == "tensor.expand_shape":
            shape = ir.RankedTensorType(value.type).shape
            return simplify(op.operands[1 + sum(d == dynamic for d in shape[:axis])])
        elif op.name == "tensor.collapse_shape":
            groups = ir.ArrayAttr(op.attributes["reassociation"])
            source = op.operands[0]
            merged = [ir.IntegerAttr(i).value for i in ir.ArrayAttr(groups[axis])]
            return product([extent(source, i) for i in merged])
        else:
            break
    value, axis = _same_symbol(value, axis)
    return tensor.DimOp(value, index_value(axis)).result


def _amount(pad: ir.Operation, side: str, axis: int) -> Extent:
    """How much a `tensor.pad` adds on one side of a dimension."""
    dynamic = ir.ShapedType.get_dynamic_size()
    static = list(ir.DenseI64ArrayAttr(pad.attributes[f"static_{side}"]))
    if static[axis] != dynamic:
        return static[axis]
    sizes = list(ir.DenseI32ArrayAttr(pad.attributes["operandSegmentSizes"]))
    start = 1 if side == "low" else 1 + sizes[1]
    return simplify(pad.operands[start + sum(d == dynamic for d in static[:axis])])


def _same_symbol(value: ir.Value, axis: int) -> tuple[ir.Value, int]:
    """The first dimension of an argument that has the same symbol as this one, or this one."""
    if not isinstance(value, ir.BlockArgument):
        return value, axis
    block = value.owner
    function = block.owner.operation
    if function.name != "func.func" or SYMBOLS not in function.attributes:
        return value, axis
    names = [
        [ir.StringAttr(name).value for name in ir.ArrayAttr(shape)]
        for shape in ir.ArrayAttr(function.attributes[SYMBOLS])
    ]
    symbol = names[value.arg_number][axis]
    for argument, shape in zip(block.arguments, names, strict=True):
        if symbol in shape:
            return argument, shape.index(symbol)
    return value, axis


def multiply(a: Extent, b: Extent) -> Extent:
    """The product of two extents."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if a == 1 or b == 1:
        return b if isinstance(a, int) and a == 1 else a
    return arith.MulIOp(index_value(a), index_value(b)).result


def product(sizes: Sequence[Extent]) -> Extent:
    """The product; static factors first, so that they fold into one."""
    total: Extent = 1
    for size in sorted(sizes, key=lambda d: not isinstance(d, int)):
        total = multiply(total, size)
    return total


def add(a: Extent, b: Extent) -> Extent:
    """The sum of two extents."""
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    if isinstance(a, int) and a == 0:
        return b
    if isinstance(b, int) and b == 0:
        return a
    return arith.AddIOp(index_value(a), index_value(b)).result


def subtract(a: Extent, b: Extent) -> Extent:
    """The difference of two extents."""
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    if isinstance(b, int) and b == 0:
        return a
    return arith.SubIOp(index_value(a), index_value(b)).result


def floor_divide(a: Extent, b: Extent) -> Extent:
    """⌊a / b⌋ for b > 0; a may be negative."""
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if isinstance(b, int) and b == 1:
        return a
    return arith.FloorDivSIOp(index_value(a), index_value(b)).result


def ceil_divide(a: Extent, b: Extent) -> Extent:
    """⌈a / b⌉; either may be negative."""
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    if isinstance(b, int) and b == 1:
        return a
    return arith.CeilDivSIOp(index_value(a), index_value(b)).result


def minimum(a: Extent, b: Extent) -> Extent:
    """The smaller of two extents."""
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    if same(a, b):
        return a
    return arith.MinSIOp(index_value(a), index_value(b)).result


def maximum(a: Extent, b: Extent) -> Extent:
    """The larger of two extents."""
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    for size, other in ((a, b), (b, a)):
        if isinstance(other, int) and other <= 0 and isinstance(size, ir.Value) and _is_size(size):
            return size
    return arith.MaxSIOp(index_value(a), index_value(b)).result


def select(condition: ir.Value, a: Extent, b: Extent) -> Extent:
    """The first extent where the condition holds, else the second."""
    if isinstance(a, int) and isinstance(b, int) and a == b:
        return a
    return arith.SelectOp(condition, index_value(a), index_value(b)).result


def is_equal(a: Extent, b: Extent) -> ir.Value:
    """Whether two extents are equal, as an i1 scalar."""
    return arith.CmpIOp(arith.CmpIPredicate.eq, index_value(a), index_value(b)).result


def is_negative(a: Extent) -> ir.Value:
    """Whether an extent is negative, as an i1 scalar."""
    return arith.CmpIOp(arith.CmpIPredicate.slt, index_value(a), index_value(0)).result


def wrap(position: Extent, size: Extent) -> Extent:
    """An index that may count from the end, as one that counts from the start."""
    if isinstance(position, int):
        return position if position >= 0 else add(position, size)
    return select(is_negative(position), add(position, size), position)


def clamp(value: Extent, low: Extent, high: Extent) -> Extent:
    """The nearest index within low … high."""
    return minimum(maximum(value, low), high)


def refine(declared: Sequence[int | None], axis: int, computed: Callable[[], Extent]) -> Extent:
    """An extent as declared, else as computed."""
    known = declared[axis]
    return simplify(computed()) if known is None else known
