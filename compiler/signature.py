"""Named, typed inputs and outputs of a model: what a caller sees. Imports no stage."""

from __future__ import annotations

from dataclasses import dataclass

from noema import dtypes
from noema.dtypes import DType

Dim = int | str
"""A static extent, or the name of a symbolic one (`?0`, `?1`, … where the model names none)."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: The ONNX value name, verbatim.
        dtype: Element type.
        shape: Extent per dimension; equal symbols mean equal extents.
    """

    name: str
    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def is_static(self) -> bool:
        return all(isinstance(d, int) for d in self.shape)

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "dtype": self.dtype.name, "shape": list(self.shape)}

    @staticmethod
    def from_json(record: dict[str, object]) -> TensorSpec:
        shape = record["shape"]
        assert isinstance(shape, list)
        dims = tuple(d if isinstance(d, int) else str(d) for d in shape)  # type: ignore[misc]
        return TensorSpec(str(record["name"]), dtypes.from_name(str(record["dtype"])), dims)

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of an entry point, in the model's order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
