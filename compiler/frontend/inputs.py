"""What a caller passes: the types of the graph's inputs, with pinned extents filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from noema.assumed import Assume, Dimension, is_cache
from noema.errors import InvalidOption, printable

_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE,
    }
)


def declared_inputs(
    values: Sequence[onnx.ValueInfoProto],
    shapes: Mapping[str, tuple[int | None, ...]],
    assume: Assume | None = None,
) -> dict[str, onnx.TypeProto]:
    """Input name → its type, after pinning.

    A symbol that is pinned in one input gets that extent in all of them.

    Args:
        values: The graph's inputs.
        shapes: Input name → one extent per dimension; None keeps a dimension as it is.
        assume: Gives every dimension that is open after that an extent; None leaves them open.

    Raises:
        InvalidOption: An unknown input, another rank, or an extent that contradicts the model's
            or another pin.
    """
    types: dict[str, onnx.TypeProto] = {}
    for value in values:
        types[value.name] = onnx.TypeProto()
        types[value.name].CopyFrom(value.type)
    pinned: dict[str, int] = {}
    for name, extents in shapes.items():
        if name not in types:
            raise InvalidOption(
                f"the model has no input {printable(name)}",
                remedy=f"its inputs are {', '.join(printable(n) for n in types) or 'none'}",
            )
        _pin(name, types[name], extents, pinned)
    for proto in types.values():
        for dim in proto.tensor_type.shape.dim:
            if dim.dim_param in pinned and dim.dim_param:
                dim.dim_value = pinned[dim.dim_param]
    if assume is not None:
        _assume(types, assume, pinned)
    return types


def _assume(types: Mapping[str, onnx.TypeProto], assume: Assume, known: dict[str, int]) -> None:
    decodes = any(
        proto.tensor_type.elem_type in _FLOATS
        and is_cache(name, [dim.dim_param for dim in proto.tensor_type.shape.dim])
        for name, proto in types.items()
    )
    for is_sum in (False, True):  # sums of symbols come after the symbols
        for name, proto in types.items():
            dims = proto.tensor_type.shape.dim
            for index, dim in enumerate(dims):
                if dim.HasField("dim_value") or ("+" in dim.dim_param) is not is_sum:
                    continue
                symbol = dim.dim_param
                is_float = proto.tensor_type.elem_type in _FLOATS
                if symbol not in known:
                    place = Dimension(name, index, len(dims), symbol, is_float, decodes)
                    extent = assume(place, known)
                    if symbol:
                        known[symbol] = extent
                else:
                    extent = known[symbol]
                dim.dim_value = extent


def _pin(
    name: str, proto: onnx.TypeProto, extents: tuple[int | None, ...], pinned: dict[str, int]
) -> None:
    tensor = proto.tensor_type
    if proto.WhichOneof("value") != "tensor_type":
        raise InvalidOption(f"input {printable(name)} is not a tensor: it has no shape to set")
    if not tensor.HasField("shape"):
        for _ in extents:
            tensor.shape.dim.add()
        tensor.shape.SetInParent()
    if len(tensor.shape.dim) != len(extents):
        raise InvalidOption(
            f"input {printable(name)} has rank {len(tensor.shape.dim)}, not {len(extents)}"
        )
    for index, (dim, extent) in enumerate(zip(tensor.shape.dim, extents, strict=True)):
        if extent is None:
            continue
        if extent < 0:
            raise InvalidOption(f"extent {extent} of input {printable(name)} is negative")
        if dim.HasField("dim_value") and dim.dim_value != extent:
            raise InvalidOption(
                f"dimension {index} of input {printable(name)} is {dim.dim_value}, not {extent}"
            )
        if dim.dim_param:
            known = pinned.setdefault(dim.dim_param, extent)
            if known != extent:
                raise InvalidOption(
                    f"{printable(dim.dim_param)} is set to both {known} and {extent}"
                )
        else:
            dim.dim_value = extent
