"""Tensors of a model file as arrays or as places in a file; nothing is read that needn't be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from noema import dtypes
from noema.dtypes import DType
from noema.errors import InvalidModel, printable
from noema.frontend.external import ExternalFiles
from noema.frontend.shapes import UnsupportedType, element_name
from noema.frontend.wire import INLINE_LIMIT, Tickets
from noema.sizes import checked_size

_TYPED_FIELDS = (
    "float_data",
    "int32_data",
    "int64_data",
    "double_data",
    "uint64_data",
    "string_data",
)


@dataclass(frozen=True)
class Stored:
    """A tensor that stays in its file."""

    dtype: DType
    shape: tuple[int, ...]
    path: Path
    offset: int


class TensorReader:
    """Reads `TensorProto`s of one model.

    Attributes:
        external: The model's files of external data.
    """

    def __init__(
        self, budget: int, path: Path | None = None, tickets: Tickets | None = None
    ) -> None:
        self._budget = budget
        self._path = path
        self._tickets = tickets
        self.external = ExternalFiles(None if path is None else path.parent)

    def read(self, tensor: onnx.TensorProto, where: str) -> NDArray[Any] | Stored:
        """The tensor, checked.

        Args:
            tensor: From the slim model.
            where: The node, or value, that it belongs to, for messages.

        Raises:
            InvalidModel: Malformed contents.
            UnsupportedType: Strings, or an element type that isn't known.
        """
        dtype = dtypes.from_onnx(tensor.data_type)
        if dtype is None:
            if tensor.data_type == 0:
                raise InvalidModel("a tensor has no element type", node=where)
            raise UnsupportedType(f"tensors of {element_name(tensor.data_type)}")
        shape = tuple(tensor.dims)
        nbytes = checked_size(
            shape, dtype.numpy.itemsize, self._budget, what="a constant", node=where
        )
        if tensor.HasField("segment"):
            raise InvalidModel("a tensor is stored in segments", node=where)
        typed = [f for f in _TYPED_FIELDS if len(getattr(tensor, f))]
        kinds = len(typed) + tensor.HasField("raw_data")
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            if kinds:
                raise InvalidModel("a tensor has data both inside and outside", node=where)
            return self._external(tensor, dtype, shape, nbytes)
        if kinds > 1:
            raise InvalidModel("a tensor stores its data twice", node=where)
        if tensor.HasField("raw_data"):
            return self._raw(tensor, dtype, shape, nbytes, where)
        return _typed(tensor, dtype, shape, nbytes, where)

    def _external(
        self, tensor: onnx.TensorProto, dtype: DType, shape: tuple[int, ...], nbytes: int
    ) -> NDArray[Any] | Stored:
        stored = _stored_size(dtype, nbytes)
        region = self.external.region(tensor, stored)
        if stored == nbytes and stored > INLINE_LIMIT:
            return Stored(dtype, shape, region.path, region.offset)
        return _decode(_read_bytes(region.path, region.offset, stored), dtype, shape)

    def _raw(
        self,
        tensor: onnx.TensorProto,
        dtype: DType,
        shape: tuple[int, ...],
        nbytes: int,
        where: str,
    ) -> NDArray[Any] | Stored:
        raw = tensor.raw_data
        region = self._tickets.region(raw) if self._tickets is not None else None
        stored = _stored_size(dtype, nbytes)
        length = region.length if region is not None else len(raw)
        if length != stored:
            raise InvalidModel(
                f"a tensor of type {dtype} and shape {list(shape)} takes {stored} bytes; "
                f"the file has {length}",
                node=where,
            )
        if region is None or self._path is None:
            return _decode(raw, dtype, shape)
        if stored == nbytes:
            return Stored(dtype, shape, self._path, region.offset)
        return _decode(_read_bytes(self._path, region.offset, stored), dtype, shape)


def _stored_size(dtype: DType, nbytes: int) -> int:
    """Bytes in the file: types of under 8 bits are packed there."""
    return nbytes if dtype.bits >= 8 else (nbytes * dtype.bits + 7) // 8


def _read_bytes(path: Path, offset: int, length: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(length)
    if len(content) != length:
        raise InvalidModel(f"{printable(path.name)} became shorter while it was read")
    return content


def _decode(raw: bytes, dtype: DType, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of raw little-endian data, packed for types of under 8 bits."""
    if dtype.bits >= 8:
        array = np.frombuffer(raw, dtype.numpy)
        # Bytes other than 0 and 1 in a bool array are undefined behaviour in numpy and in C.
        array = np.frombuffer(raw, np.uint8) != 0 if dtype.name == "bool" else array
        return array.reshape(shape)
    packed = np.frombuffer(raw, np.uint8)
    per_byte = 8 // dtype.bits
    shifts = np.arange(per_byte, dtype=np.uint8) * dtype.bits
    mask = np.uint8((1 << dtype.bits) - 1)
    elements = (packed[:, None] >> shifts & mask).reshape(-1)
    count = int(np.prod(shape, dtype=np.int64))
    elements = elements[:count]
    if dtype.name.startswith("float"):
        return elements.view(dtype.numpy).reshape(shape)
    values = elements.astype(np.int8)
    if not dtype.is_unsigned:
        half = 1 << (dtype.bits - 1)
        values = (values ^ half) - half
    return values.astype(dtype.numpy).reshape(shape)


_FIELD_OF = {
    "float32": "float_data",
    "complex64": "float_data",
    "float64": "double_data",
    "complex128": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
}


def _typed(
    tensor: onnx.TensorProto, dtype: DType, shape: tuple[int, ...], nbytes: int, where: str
) -> NDArray[Any]:
    """The array of a tensor that uses the field of its type."""
    field = _FIELD_OF.get(dtype.name, "int32_data")
    count = nbytes // dtype.numpy.itemsize
    per_element = 2 if dtype.name.startswith("complex") else 1
    per_entry = 8 // dtype.bits if dtype.bits < 8 else 1
    expected = (count * per_element + per_entry - 1) // per_entry
    found = len(getattr(tensor, field))
    if found != expected or any(len(getattr(tensor, f)) for f in _TYPED_FIELDS if f != field):
        raise InvalidModel(
            f"a tensor of type {dtype} and shape {list(shape)} needs {expected} entries in "
            f"{field}, which has {found}",
            node=where,
        )
    entries = getattr(tensor, field)
    if dtype.bits < 8:
        return _decode(bytes(v & 0xFF for v in entries), dtype, shape)
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidModel(f"a tensor's {field} doesn't fit {dtype}", node=where) from error
    if array.dtype != dtype.numpy:
        array = array.astype(dtype.numpy)
    return array.reshape(shape)


def to_tensor(array: NDArray[Any]) -> onnx.TensorProto:
    """A `TensorProto` of the array, for onnx's inference functions."""
    return numpy_helper.from_array(array)
