"""What is known of each value during the walk: its type, and its contents if it is a constant."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from noema import dtypes
from noema.errors import InvalidModel
from noema.frontend.folding import INLINE_BYTES
from noema.frontend.shapes import ValueType, to_type_proto
from noema.frontend.tensors import Stored
from noema.parameters import ParameterStore


class ValueTable:
    """Values by name.

    Attributes:
        types: Type of every value so far.
        constants: Constants of at most `INLINE_BYTES` bytes.
        parameters: All other constants.
        symbols_in_use: Symbols in any of the types.
    """

    def __init__(self) -> None:
        self.types: dict[str, ValueType] = {}
        self.constants: dict[str, NDArray[Any]] = {}
        self.parameters = ParameterStore()
        self.symbols_in_use: set[str] = set()
        self._protos: dict[str, onnx.TypeProto] = {}
        self._tensors: dict[str, onnx.TensorProto] = {}

    def set_type(self, name: str, kind: ValueType) -> None:
        """Sets a value's type."""
        self.types[name] = kind
        self._protos[name] = to_type_proto(kind)
        self.symbols_in_use.update(d for d in kind.shape if isinstance(d, str))

    def proto(self, name: str) -> onnx.TypeProto:
        """A value's type in ONNX's spelling; empty for the empty name."""
        return self._protos[name] if name else onnx.TypeProto()

    def add_constant(self, name: str, array: NDArray[Any]) -> None:
        """Makes a value a constant that is in memory.

        Raises:
            InvalidModel: There is no such element type.
        """
        dtype = dtypes.from_numpy(array.dtype)
        if dtype is None:
            raise InvalidModel(f"a constant has element type {array.dtype}", node=name)
        self.set_type(name, ValueType(dtype, tuple(array.shape)))
        if array.nbytes <= INLINE_BYTES:
            array = np.array(array, order="C")
            array.flags.writeable = False
            self.constants[name] = array
        else:
            self.parameters.add(name, array)

    def add_stored(self, name: str, stored: Stored) -> None:
        """Makes a value a constant that stays in its file."""
        self.set_type(name, ValueType(stored.dtype, stored.shape))
        self.parameters.map(name, stored.dtype, stored.shape, stored.path, stored.offset)

    def is_constant(self, name: str) -> bool:
        """Whether the value's contents are known."""
        return name in self.constants or name in self.parameters

    def value(self, name: str) -> NDArray[Any] | None:
        """The contents of a constant; None for the empty name."""
        if not name:
            return None
        if name in self.constants:
            return self.constants[name]
        return self.parameters[name].values()

    def tensor(self, name: str) -> onnx.TensorProto:
        """A small constant in ONNX's spelling."""
        if name not in self._tensors:
            self._tensors[name] = numpy_helper.from_array(self.constants[name])
        return self._tensors[name]

    def drop_dead(self, live: Container[str], defined: Container[str]) -> None:
        """Forgets constants that aren't live, and types of values that are neither."""
        for name in [n for n in self.types if n not in defined and n not in live]:
            del self.types[name]
        for name in [n for n in self.constants if n not in live]:
            del self.constants[name]
        store = ParameterStore()
        for name in self.parameters:
            entry = self.parameters[name]
            if name not in live:
                continue
            if entry.path is not None:
                store.map(name, entry.dtype, entry.shape, entry.path, entry.offset)
            else:
                store.add(name, entry.values())
        self.parameters = store
