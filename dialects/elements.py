"""numpy arrays ↔ MLIR types and elements attributes, for every element type of `noema.dtypes`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir

from noema import dtypes
from noema.dtypes import DType


def element_type(dtype: DType) -> ir.Type:
    """The `sem` element type; needs a current context."""
    return ir.Type.parse(dtype.mlir)


def tensor_type(dtype: DType, shape: Sequence[int | str | None]) -> ir.RankedTensorType:
    """The `sem` tensor type of a shape whose symbolic or unknown extents become dynamic."""
    dynamic = ir.ShapedType.get_dynamic_size()
    extents = [d if isinstance(d, int) else dynamic for d in shape]
    return ir.RankedTensorType.get(extents, element_type(dtype))


def dtype_of(type_: ir.Type) -> DType:
    """The element type of a `sem` tensor type; KeyError if noema has no such type."""
    return dtypes.from_mlir(spelling(ir.RankedTensorType(type_).element_type))


_SPELLINGS: Mapping[type[ir.Type], str] = MappingProxyType(
    {ir.F32Type: "f32", ir.F16Type: "f16", ir.BF16Type: "bf16", ir.F64Type: "f64"}
)


def spelling(element: ir.Type) -> str:
    """How MLIR spells an element type; as `str` of it, but quicker for the usual ones."""
    found = _SPELLINGS.get(type(element))
    if found is not None:
        return found
    if isinstance(element, ir.IntegerType) and element.is_signless:
        return f"i{element.width}"
    return str(element)


def integers_in(array: ir.DenseI64ArrayAttr | ir.DenseI32ArrayAttr) -> list[int]:
    """The elements of an `array<i64: …>` or `array<i32: …>`; as `list` of it, but quicker."""
    return [array[i] for i in range(len(array))]


def to_attribute(array: NDArray[np.generic]) -> ir.Attribute:
    """A dense elements attribute with the values of `array`, of its `sem` tensor type.

    Raises:
        ValueError: The dtype has no MLIR element type.
    """
    dtype = dtypes.from_numpy(array.dtype)
    if dtype is None:
        raise ValueError(f"no MLIR element type for {array.dtype}")
    type_ = tensor_type(dtype, array.shape)
    if array.size == 0:  # the buffer constructor refuses these
        return ir.Attribute.parse(f"dense<> : {type_}")
    return ir.DenseElementsAttr.get(np.ascontiguousarray(array).reshape(array.shape), type=type_)


_TOKEN = re.compile(r"0x[0-9A-Fa-f]+|[-+.\w]+")


def to_array(attribute: ir.Attribute) -> NDArray[np.generic]:
    """The values of a dense elements attribute, with the dtype and shape of its type."""
    type_ = ir.RankedTensorType(ir.DenseElementsAttr(attribute).type)
    dtype, shape = dtype_of(type_), tuple(type_.shape)
    if 0 in shape:
        return np.zeros(shape, dtype.numpy)
    if dtype.numpy.isbuiltin == 1 and not dtype.mlir.startswith("complex"):
        return np.array(attribute).reshape(shape)
    # The bindings can't read these types; their text is exact (raw bits where need be).
    text = str(attribute)
    text = text[text.index("<") + 1 : text.rindex("> : ")]
    if text.startswith('"0x'):
        return np.frombuffer(bytes.fromhex(text[3:-1]), dtype.numpy).reshape(shape)
    values = [_value(token, dtype) for token in _TOKEN.findall(text)]
    if dtype.mlir.startswith("complex"):
        values = [a + 1j * b for a, b in zip(values[::2], values[1::2], strict=True)]
    array = np.array(values)
    array = (array if dtype.mlir.startswith("complex") else array.real).astype(dtype.numpy)
    return np.broadcast_to(array.reshape(shape if array.size > 1 else ()), shape)


def _value(token: str, dtype: DType) -> complex:
    if token.startswith("0x"):
        bits = int(token, 16).to_bytes(dtype.numpy.itemsize, "little")
        return complex(np.frombuffer(bits, dtype.numpy)[0])
    return complex(float(token))
