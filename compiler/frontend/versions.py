"""IR and operator set versions: what is known, and conversion of older models."""

from __future__ import annotations

import onnx
from onnx import version_converter

from noema.errors import Gap, InvalidModel, UnsupportedModel
from noema.frontend.contrib.normalization import SIMPLIFIED_LAYER_NORM
from noema.frontend.contrib.operators import DOMAIN as CONTRIB_DOMAIN
from noema.frontend.schemas import domain_of
from noema.frontend.validate import read_opsets

OLDEST_OPSET = 13

_MISCONVERTED = {"Hardmax": 13, "Scan": 9}
"""Operator → first operator set from which the converter gets it right; before, it keeps the node
although its meaning changed."""


def check_versions(model: onnx.ModelProto) -> dict[str, int]:
    """Checks IR and operator set versions; returns the operator sets.

    Raises:
        InvalidModel: Versions missing or contradictory.
        UnsupportedModel: Newer than the installed onnx package knows.
    """
    if model.ir_version < 1:
        raise InvalidModel("the model states no IR version")
    if model.ir_version > onnx.IR_VERSION:
        raise UnsupportedModel(
            f"ONNX IR version {model.ir_version}; at most {onnx.IR_VERSION} is known",
            remedy="export the model for an older ONNX release",
        )
    opsets = read_opsets(model.opset_import)
    newest = onnx.defs.onnx_opset_version()
    if "" not in opsets:
        if any(domain_of(n) == "" for n in model.graph.node):
            raise InvalidModel("the model imports no version of the default operator set")
        opsets[""] = newest
    if opsets[""] > newest:
        raise UnsupportedModel(
            f"operator set {opsets['']}; {newest} is the newest that is known",
            remedy=f"export the model with opset_version={newest} or less",
        )
    return opsets


def at_known_opset(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, int]]:
    """The model, converted to operator set 13 if it is older, and its operator sets.

    Large weights take no part in the conversion, so it doesn't copy them.

    Raises:
        InvalidModel: As `check_versions`.
        UnsupportedModel: As `check_versions`, or the conversion isn't possible.
    """
    opsets = check_versions(model)
    if opsets[""] >= OLDEST_OPSET:
        return model, opsets
    converted = _convert(model, opsets[""])
    return converted, check_versions(converted)


def _convert(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    remedy = f"export the model with opset_version={OLDEST_OPSET} or newer"
    gaps = [
        Gap(node.op_type, node.name, f"cannot be converted from operator set {opset}")
        for node in model.graph.node
        if opset < _MISCONVERTED.get(node.op_type, 0)
    ]
    if gaps:
        raise UnsupportedModel(
            f"operator set {opset} cannot be converted to {OLDEST_OPSET}", gaps=gaps, remedy=remedy
        )
    older = onnx.ModelProto()
    older.CopyFrom(model)
    for node in older.graph.node:
        if (domain_of(node), node.op_type) == ("", SIMPLIFIED_LAYER_NORM.name):
            node.domain = CONTRIB_DOMAIN  # where the converter lets operators be
    # The converter wants to see small constants (the scales of an Upsample, say); of large ones
    # only the type. Tensors that aren't in the file's message have no bytes to show.
    weights = [t for t in model.graph.initializer if not _is_small(t)]
    large = {t.name for t in weights}
    small = [t for t in model.graph.initializer if t.name not in large]
    del older.graph.initializer[:]
    older.graph.initializer.extend(small)
    inputs = {v.name for v in older.graph.input}
    for tensor in weights:
        if tensor.name not in inputs:
            older.graph.input.append(
                onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            )
    try:
        converted = version_converter.convert_version(older, OLDEST_OPSET)
    # Native code on outside input: its exceptions have many types and no common base.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsupportedModel(
            f"operator set {opset} cannot be converted to {OLDEST_OPSET}: {reason}",
            remedy=remedy,
        ) from error
    kept = [v for v in converted.graph.input if v.name not in large or v.name in inputs]
    values = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in kept]
    del converted.graph.input[:]
    converted.graph.input.extend(values)
    converted.graph.initializer.extend(weights)
    return converted


def _is_small(tensor: onnx.TensorProto) -> bool:
    inside = tensor.data_location != onnx.TensorProto.EXTERNAL
    count = 1
    for extent in tensor.dims:
        count *= max(extent, 1)
    return inside and count <= 256
