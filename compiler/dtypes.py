"""The one table of element types: ONNX, numpy and MLIR spellings side by side.

Pure data, shared by every stage and by the runtime; importing it loads neither onnx nor MLIR.
In `sem`, ONNX signed integers are MLIR signless integers (`i64`), unsigned ones keep their sign
(`ui8`); below the lowering everything is signless.
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class DType:
    """One element type.

    Attributes:
        name: Our name, equal to numpy's or ml_dtypes' name of the type.
        onnx: `onnx.TensorProto.DataType` value.
        mlir: Spelling in the `sem` dialect, e.g. `ui8`.
        bits: Storage bits per element (4-bit types occupy a byte each in numpy).
        numpy: The numpy dtype of host arrays.
    """

    name: str
    onnx: int
    mlir: str
    bits: int
    numpy: np.dtype[np.generic]

    @property
    def signless(self) -> str:
        """Spelling below the lowering: integers carry no sign, carried types are bytes."""
        return "i8" if self.is_carried else self.mlir.removeprefix("u")

    @property
    def is_carried(self) -> bool:
        """Whether programs hold it as `i8`, one element per byte, in the byte's low bits.

        No target of ours computes in it: integers below 8 bits, floats of 8 bits and less.
        """
        return self.bits < 8 or (self.is_float and self.bits == 8)

    @property
    def is_float(self) -> bool:
        return self.mlir.startswith(("f", "bf"))

    @property
    def is_unsigned(self) -> bool:
        return self.mlir.startswith("ui")

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned integer; bool is not one."""
        return self.mlir.startswith(("i", "ui")) and self.mlir != "i1"

    def __str__(self) -> str:
        return self.name


def _row(name: str, onnx: int, mlir: str, bits: int, numpy: object) -> DType:
    return DType(name, onnx, mlir, bits, np.dtype(numpy))  # type: ignore[arg-type]


TABLE: tuple[DType, ...] = (
    _row("float32", 1, "f32", 32, np.float32),
    _row("uint8", 2, "ui8", 8, np.uint8),
    _row("int8", 3, "i8", 8, np.int8),
    _row("uint16", 4, "ui16", 16, np.uint16),
    _row("int16", 5, "i16", 16, np.int16),
    _row("int32", 6, "i32", 32, np.int32),
    _row("int64", 7, "i64", 64, np.int64),
    _row("bool", 9, "i1", 8, np.bool_),
    _row("float16", 10, "f16", 16, np.float16),
    _row("float64", 11, "f64", 64, np.float64),
    _row("uint32", 12, "ui32", 32, np.uint32),
    _row("uint64", 13, "ui64", 64, np.uint64),
    _row("complex64", 14, "complex<f32>", 64, np.complex64),
    _row("complex128", 15, "complex<f64>", 128, np.complex128),
    _row("bfloat16", 16, "bf16", 16, ml_dtypes.bfloat16),
    _row("float8_e4m3fn", 17, "f8E4M3FN", 8, ml_dtypes.float8_e4m3fn),
    _row("float8_e4m3fnuz", 18, "f8E4M3FNUZ", 8, ml_dtypes.float8_e4m3fnuz),
    _row("float8_e5m2", 19, "f8E5M2", 8, ml_dtypes.float8_e5m2),
    _row("float8_e5m2fnuz", 20, "f8E5M2FNUZ", 8, ml_dtypes.float8_e5m2fnuz),
    _row("uint4", 21, "ui4", 4, ml_dtypes.uint4),
    _row("int4", 22, "i4", 4, ml_dtypes.int4),
    _row("float4_e2m1fn", 23, "f4E2M1FN", 4, ml_dtypes.float4_e2m1fn),
    _row("float8_e8m0fnu", 24, "f8E8M0FNU", 8, ml_dtypes.float8_e8m0fnu),
    _row("uint2", 25, "ui2", 2, ml_dtypes.uint2),
    _row("int2", 26, "i2", 2, ml_dtypes.int2),
)

_BY_NAME = {d.name: d for d in TABLE}
_BY_ONNX = {d.onnx: d for d in TABLE}
_BY_MLIR = {d.mlir: d for d in TABLE}
_BY_NUMPY = {d.numpy: d for d in TABLE}


def from_name(name: str) -> DType:
    """The element type called `name`; KeyError if there is none."""
    return _BY_NAME[name]


def from_onnx(value: int) -> DType | None:
    """The element type of an ONNX `TensorProto.DataType`; None for strings and unknown ones."""
    return _BY_ONNX.get(value)


def from_mlir(text: str) -> DType:
    """The element type of a `sem` tensor by its MLIR spelling; KeyError if there is none."""
    return _BY_MLIR[text]


def from_numpy(dtype: np.dtype[np.generic]) -> DType | None:
    """The element type of a numpy array; None for strings, objects and the like."""
    return _BY_NUMPY.get(dtype)
