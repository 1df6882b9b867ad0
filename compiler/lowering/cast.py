"""Lowering of `Cast`, `CastLike` and `BitCast` for every pair of element types but strings."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import arith

from noema import dtypes
from noema.dtypes import DType
from noema.lowering import elementwise, emit, minifloat
from noema.lowering.node import Declined, Node

Scalar = ir.Value


def lower_cast(node: Node) -> ir.Value:
    """Each element in the result's type, by the rules of ONNX Cast."""
    source, target = node.dtype(0), node.result_dtype()
    saturate = bool(node.int("saturate", 1))
    round_mode = node.text("round_mode", "up")
    if round_mode not in minifloat.ROUND_MODES:
        raise Declined(f"round_mode {round_mode}")
    x = node.operand(0)
    infinite = target.name == "float8_e5m2" and saturate  # an infinity of its own saturates, too
    if source == target and not infinite:
        return x
    return emit.pointwise(
        [x],
        node.result_element(),
        lambda v: convert(v, source, target, saturate=saturate, round_mode=round_mode),
    )


def convert(
    x: Scalar, source: DType, target: DType, *, saturate: bool = True, round_mode: str = "up"
) -> Scalar:
    """A scalar of `source` as one of `target`; either may be a type that is held as a byte.

    Args:
        x: The scalar, in the type in which tensors of `source` are held.
        source: Its element type.
        target: The type wanted.
        saturate: Whether 8-bit floats saturate.
        round_mode: How float8_e8m0fnu rounds.
    """
    x, source = _opened(x, source)
    if not target.is_carried:
        return elementwise.convert(x, source, target)
    if target.is_float:
        return minifloat.encode(
            _as_f32(x, source), target, saturate=saturate, round_mode=round_mode
        )
    byte = dtypes.from_name("uint8" if target.is_unsigned else "int8")
    return minifloat.narrow_integer(elementwise.convert(x, source, byte), target)


def _opened(x: Scalar, dtype: DType) -> tuple[Scalar, DType]:
    """A scalar that is held as a byte, in a type that can be computed in."""
    if not dtype.is_carried:
        return x, dtype
    if dtype.is_float:
        return minifloat.decode(x, dtype), dtypes.from_name("float32")
    byte = dtypes.from_name("uint8" if dtype.is_unsigned else "int8")
    return minifloat.widen_integer(x, dtype), byte


def _as_f32(x: Scalar, source: DType) -> Scalar:
    if source.is_float and source.bits == 64:
        return minifloat.round_to_odd(x)
    return elementwise.convert(x, source, dtypes.from_name("float32"))


def lower_bit_cast(node: Node) -> ir.Value:
    """The same bits in another type of the same width; a bool is a byte of 0 or 1."""
    source, target = node.dtype(0), node.result_dtype()
    if source.bits != target.bits:
        raise Declined(f"bits of {source} as {target}")
    if source.mlir.startswith("complex") or target.mlir.startswith("complex"):
        raise Declined(f"bits of {source} as {target}")
    x, element = node.operand(0), node.result_element()
    if emit.element_of(x) == element:
        return x
    if source.mlir == "i1":
        return emit.pointwise([x], element, lambda v: arith.ExtUIOp(element, v).result)
    if target.mlir == "i1":
        return emit.pointwise([x], element, lambda v: elementwise.convert(v, source, target))
    return emit.pointwise([x], element, lambda v: arith.BitcastOp(element, v).result)
