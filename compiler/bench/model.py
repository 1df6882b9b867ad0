"""The model that all contenders are given: its signature, and a copy with every extent pinned."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from noema import dtypes, samples
from noema.bench.arrays import Arrays
from noema.errors import InvalidInput, InvalidModel, InvalidOption, UnsupportedModel
from noema.frontend.inputs import declared_inputs
from noema.signature import Dim, TensorSpec

DEFAULT_EXTENT = 128
"""Of a symbolic dimension that nothing pins, the leading one excepted, which is 1 (a batch)."""


@dataclass(frozen=True)
class BenchModel:
    """A model as the contenders see it.

    Attributes:
        path: What they load.
        inputs: Its inputs, every extent known.
        outputs: Names of its outputs, in order.
        assumed: Symbol → extent, where nothing but the default decided.
    """

    path: Path
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    assumed: Mapping[str, int] = field(default_factory=dict[str, int])


def prepare(
    path: Path,
    folder: Path,
    shapes: Mapping[str, tuple[int | None, ...]],
    extents: Mapping[str, int],
    *,
    pin: bool = True,
) -> BenchModel:
    """Pins a model's symbolic dimensions, so that no contender knows more than another.

    Args:
        path: The `.onnx` file.
        folder: Empty; gets the pinned copy, if one is needed.
        shapes: Input name → extents; None, or no entry, takes what `extents` or the default says.
        extents: Symbol → extent.
        pin: Write the extents into the model; without it, the contenders get the model as it is
            and only the inputs have these extents.

    Raises:
        InvalidModel: The file can't be read.
        UnsupportedModel: An input is not a tensor of numbers or booleans.
        InvalidOption: A shape or an extent doesn't fit the model.
    """
    model = _read(path)
    weights = {t.name for t in model.graph.initializer}
    values = [v for v in model.graph.input if v.name not in weights]
    declared = declared_inputs(values, shapes)
    specs = [_spec(name, proto) for name, proto in declared.items()]
    samples.check_extents(specs, extents)
    given = {**extents, **_pinned(values, declared)}
    assumed = {s: n for s, n in _defaults(specs).items() if s not in given}
    symbols = {**assumed, **given}
    inputs = tuple(
        TensorSpec(s.name, s.dtype, tuple(d if isinstance(d, int) else symbols[d] for d in s.shape))
        for s in specs
    )
    outputs = tuple(v.name for v in model.graph.output)
    if not pin or all(s.is_static for s in [_spec(v.name, v.type) for v in values]):
        return BenchModel(path, inputs, outputs, assumed)
    _write_pinned(model, path, folder, inputs, symbols)
    return BenchModel(folder / "model.onnx", inputs, outputs, assumed)


def make_inputs(model: BenchModel, sources: Mapping[str, str], seed: int) -> Arrays:
    """The arrays to run on: by default random, the same for the same seed.

    Args:
        model: Whose inputs.
        sources: Input name → `random`, `zeros`, or the path of a `.npy` file.
        seed: Of the random ones.

    Raises:
        InvalidInput: There is no such input, or a file doesn't hold what it needs.
    """
    return samples.make_inputs(model.inputs, sources, {}, seed, _load)


def _read(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(str(path), load_external_data=False)
    except (OSError, DecodeError) as error:
        raise InvalidModel(f"{path} can't be read as an ONNX model: {error}") from error


def _load(path: str, spec: TensorSpec) -> NDArray[np.generic]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"input {spec.name!r}: {path} can't be read: {error}") from error
    if array.dtype != spec.dtype.numpy or array.shape != spec.shape:
        raise InvalidInput(f"{path} holds {array.dtype}{list(array.shape)}; the input is {spec}")
    return array


def _spec(name: str, proto: onnx.TypeProto) -> TensorSpec:
    tensor = proto.tensor_type
    dtype = dtypes.from_onnx(tensor.elem_type)
    if proto.WhichOneof("value") != "tensor_type" or dtype is None:
        raise UnsupportedModel(f"input {name!r} is not a tensor of numbers or booleans")
    if not tensor.HasField("shape"):
        raise InvalidOption(
            f"input {name!r} has no declared shape", remedy=f"give it with --shape {name}=1,128"
        )
    dims: list[Dim] = []
    for axis, dim in enumerate(tensor.shape.dim):
        known = dim.WhichOneof("value") == "dim_value"
        # A dimension without a name of its own gets one that no model can write.
        dims.append(dim.dim_value if known else dim.dim_param or f"?{name}:{axis}")
    return TensorSpec(name, dtype, tuple(dims))


def _defaults(specs: list[TensorSpec]) -> dict[str, int]:
    leading = {s.shape[0] for s in specs if s.shape}
    symbols = [d for s in specs for d in s.shape if isinstance(d, str)]
    return {d: 1 if d in leading else DEFAULT_EXTENT for d in symbols}


def _pinned(
    values: list[onnx.ValueInfoProto], declared: Mapping[str, onnx.TypeProto]
) -> dict[str, int]:
    """Symbol → the extent that a shape option gave it."""
    found: dict[str, int] = {}
    for value in values:
        before = value.type.tensor_type.shape.dim
        after = declared[value.name].tensor_type.shape.dim
        for old, new in zip(before, after, strict=False):
            if old.dim_param and new.WhichOneof("value") == "dim_value":
                found[old.dim_param] = new.dim_value
    return found


def _write_pinned(
    model: onnx.ModelProto,
    path: Path,
    folder: Path,
    inputs: tuple[TensorSpec, ...],
    symbols: Mapping[str, int],
) -> None:
    shapes = {s.name: s.shape for s in inputs}
    for value in model.graph.input:
        if value.name in shapes:
            del value.type.tensor_type.shape.dim[:]
            for extent in shapes[value.name]:
                assert isinstance(extent, int)
                value.type.tensor_type.shape.dim.add().dim_value = extent
    for value in (*model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = symbols[dim.dim_param]
    for location in sorted(set(_external_files(model.graph))):
        _copy_external(path.parent, folder, location)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _external_files(graph: onnx.GraphProto) -> Generator[str]:
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for body in (attribute.g, *attribute.graphs):
                yield from _external_files(body)
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield from (e.value for e in tensor.external_data if e.key == "location")


def _copy_external(source: Path, folder: Path, location: str) -> None:
    """Copies one file of weights; contenders refuse links, rightly, so it is no link."""
    root = source.resolve()
    origin = (root / location).resolve()
    if not origin.is_relative_to(root) or not origin.is_file():
        raise InvalidModel(f"external data {location!r} is not a file in the model's folder")
    target = folder / location
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(origin, target)
