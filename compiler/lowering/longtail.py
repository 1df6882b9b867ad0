"""The long tail of ONNX operators: lowered by torch-mlir, in place, next to our own linalg.

Each op becomes a `torch.operator "onnx.X"` between casts from and to builtin tensors; one run of
torch-mlir's pipeline over the function then turns all of them into linalg.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.dialects import func
from torch_mlir.passmanager import PassManager

from noema import dtypes
from noema.dialects.elements import to_array
from noema.dialects.provenance import node_names
from noema.dtypes import DType
from noema.errors import Gap, UnsupportedModel
from noema.lowering import emit
from noema.lowering.node import Declined, Node

PIPELINE = (
    "builtin.module(func.func(convert-torch-onnx-to-torch,torch-decompose-complex-ops,"
    "torch-scalarize-shapes,canonicalize,cse,torch-fuse-quantized-ops,torch-scalarize-shapes,"
    "convert-torch-to-tmtensor,convert-torch-to-linalg,convert-torch-to-scf,"
    "convert-torch-to-arith,convert-torch-to-tensor,canonicalize,cse),"
    "convert-torch-conversion-to-mlprogram,"
    "func.func(torch-finalizing-backend-type-conversion,canonicalize,cse))"
)
"""torch-mlir's ONNX → torch → linalg passes, in the order that was found to work."""


def lower_with_torch(node: Node) -> Sequence[ir.Value | None]:
    """Emits `torch.operator "onnx.<op_type>"`; `lower_torch_ops` lowers it later.

    Raises:
        Declined: An element type that torch-mlir has no tensor type for.
    """
    operands = [_operand(node, slot) for slot in range(len(node.inputs))]
    slots = range(len(node.results))
    results = [node.results[slot] for slot in slots]
    types = [
        _vtensor(node.result_dtype(slot), node.result_shape(slot))
        if results[slot] is not None
        else ir.Type.parse("!torch.none")
        for slot in slots
    ]
    attributes: dict[str, ir.Attribute] = {
        f"torch.onnx.{named.name}": _attribute(named.attr)
        for named in ir.DictAttr(node.op.attributes["attrs"])
    }
    attributes["name"] = ir.StringAttr.get(f"onnx.{node.kind}")
    op = ir.Operation.create(
        "torch.operator", results=types, operands=operands, attributes=attributes, regions=0
    )
    return [
        None if results[slot] is None else _to_builtin(op.results[slot], node, slot)
        for slot in slots
    ]


def opset_attributes(version: int) -> dict[str, ir.Attribute]:
    """Attributes that the function needs for torch-mlir's ONNX patterns to apply."""
    si64 = ir.IntegerType.get_signed(64)
    return {
        "torch.onnx_meta.ir_version": ir.IntegerAttr.get(si64, 8),
        "torch.onnx_meta.opset_version": ir.IntegerAttr.get(si64, version),
        "torch.onnx_meta.producer_name": ir.StringAttr.get(""),
        "torch.onnx_meta.producer_version": ir.StringAttr.get(""),
    }


def lower_torch_ops(module: ir.Module) -> None:
    """Lowers every torch op of the module to linalg, tensor, arith, tm_tensor, in place.

    Raises:
        UnsupportedModel: Lists the operators that torch-mlir can't lower; the module is then
            unusable.
    """
    before = io.BytesIO()
    module.operation.write_bytecode(before)
    try:
        PassManager.parse(PIPELINE).run(module.operation)
        left = [_gap(op, "torch-mlir leaves it as it is") for op in _torch_ops(module)]
    except ir.MLIRError as error:
        left = _failures(ir.Module.parse(before.getvalue()))
        left = left or [Gap("?", "?", _message(error))]
    if left:
        raise UnsupportedModel("the model uses operators that noema cannot compile yet", gaps=left)


def _torch_ops(module: ir.Module) -> list[ir.Operation]:
    found: list[ir.Operation] = []

    def visit(op: ir.Operation) -> ir.WalkResult:
        # `.operation`: the class of torch.operator has a `name` of its own.
        if op.operation.name.startswith("torch."):
            found.append(op.operation)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def _gap(op: ir.Operation, reason: str) -> Gap:
    kind = str(ir.StringAttr(op.attributes["name"]).value) if "name" in op.attributes else op.name
    return Gap(kind.removeprefix("onnx."), ", ".join(node_names(op)) or "?", reason)


def _message(error: ir.MLIRError) -> str:
    messages = [d.message for d in error.error_diagnostics]
    text = messages[0] if messages else (str(error).splitlines() or ["refused"])[0]
    # Diagnostics quote the whole op after a colon; its name and attributes say nothing new.
    return text.split("': %")[0].split(": %")[0][:200]


def _failures(module: ir.Module) -> list[Gap]:
    """Lowers each `torch.operator` of the module by itself and reports those that fail."""
    gaps: list[Gap] = []
    version = max(
        ir.IntegerAttr(op.attributes["torch.onnx_meta.opset_version"]).value
        for op in module.body.operations
        if "torch.onnx_meta.opset_version" in op.attributes
    )
    for op in _torch_ops(module):
        if op.name != "torch.operator" or _is_constant(op):
            continue
        alone = _isolate(op, version)
        try:
            PassManager.parse(PIPELINE).run(alone.operation)
        except ir.MLIRError as error:
            gaps.append(_gap(op, f"torch-mlir: {_message(error)}"))
    return gaps


def _is_constant(owner: ir.Operation | ir.OpView) -> bool:
    op = owner.operation
    return op.name == "torch.constant.none" or (
        op.name == "torch.operator"
        and ir.StringAttr(op.attributes["name"]).value == "onnx.Constant"
    )


def _isolate(op: ir.Operation, version: int) -> ir.Module:
    """A module whose one function computes `op` from its non-constant operands."""
    with op.location:
        module = ir.Module.create()
        # Every other operand is a cast from a builtin tensor, as lower_with_torch makes them.
        casts = [v.owner.operands[0] for v in op.operands if not _is_constant(v.owner)]
        results = [u.owner for r in op.results for u in list(r.uses)[:1]]
        with ir.InsertionPoint(module.body):
            types = ([v.type for v in casts], [u.results[0].type for u in results])
            function = func.FuncOp("main", types)
            for name, attribute in opset_attributes(version).items():
                function.attributes[name] = attribute
        block = function.add_entry_block()
        with ir.InsertionPoint(block):
            given = iter(block.arguments)
            operands: list[ir.Value] = []
            for value in op.operands:
                if _is_constant(value.owner):
                    operands.append(value.owner.operation.clone().results[0])
                    continue
                argument = next(given)
                operands.append(
                    ir.Operation.create(
                        value.owner.operation.name, results=[value.type], operands=[argument]
                    ).result
                )
            copy = ir.Operation.create(
                op.name,
                results=[r.type for r in op.results],
                operands=operands,
                attributes={name: op.attributes[name] for name in op.attributes},
                regions=0,
            )
            returned = [
                ir.Operation.create(
                    "torch_c.to_builtin_tensor",
                    results=[u.results[0].type],
                    operands=[copy.results[list(op.results).index(u.operands[0])]],
                ).result
                for u in results
            ]
            func.ReturnOp(returned)
        return module


def _operand(node: Node, slot: int) -> ir.Value:
    if not node.has(slot):
        none = ir.Type.parse("!torch.none")
        return ir.Operation.create("torch.constant.none", results=[none]).result
    dtype = node.dtype(slot)
    values = node.constant(slot)
    if values is not None and values.nbytes <= _LITERAL_BYTES:
        return _literal(values, dtype)
    value = node.operand(slot)
    return ir.Operation.create(
        "torch_c.from_builtin_tensor",
        results=[_vtensor(dtype, emit.shape_of(value))],
        operands=[value],
    ).result


_LITERAL_BYTES = 4096


def _literal(values: NDArray[np.generic], dtype: DType) -> ir.Value:
    if values.size == 0:
        raise Declined("an empty constant")
    type_ = ir.RankedTensorType.get(values.shape, ir.Type.parse(_signed(dtype)))
    contiguous = np.ascontiguousarray(values).reshape(values.shape)
    attributes = {
        "name": ir.StringAttr.get("onnx.Constant"),
        "torch.onnx.value": ir.DenseElementsAttr.get(contiguous, type=type_),
    }
    return ir.Operation.create(
        "torch.operator", results=[_vtensor(dtype, values.shape)], attributes=attributes, regions=0
    ).result


def _to_builtin(value: ir.Value, node: Node, slot: int) -> ir.Value:
    type_ = emit.tensor_type(list(node.result_shape(slot)), node.result_element(slot))
    return ir.Operation.create(
        "torch_c.to_builtin_tensor", results=[type_], operands=[value]
    ).result


def _signed(dtype: DType) -> str:
    """torch-mlir's spelling: signed integers carry their sign."""
    return f"s{dtype.mlir}" if dtype.is_integer and not dtype.is_unsigned else dtype.mlir


_ELEMENTS = frozenset(
    dtypes.from_name(name)
    for name in (
        "float32", "float64", "float16", "bfloat16", "bool",
        "int8", "int16", "int32", "int64", "uint8",
        "complex64", "complex128",
    )
)  # fmt: skip


def _vtensor(dtype: DType, shape: Sequence[int | None]) -> ir.Type:
    if dtype not in _ELEMENTS:
        raise Declined(f"torch-mlir has no tensors of {dtype}")
    extents = ",".join("?" if d is None else str(d) for d in shape)
    return ir.Type.parse(f"!torch.vtensor<[{extents}],{_signed(dtype)}>")


def _attribute(attr: ir.Attribute) -> ir.Attribute:
    si64 = ir.IntegerType.get_signed(64)
    if isinstance(attr, ir.IntegerAttr):
        return ir.IntegerAttr.get(si64, ir.IntegerAttr(attr).value)
    if isinstance(attr, ir.DenseI64ArrayAttr):
        return ir.ArrayAttr.get([ir.IntegerAttr.get(si64, i) for i in attr])
    if isinstance(attr, ir.DenseF32ArrayAttr):
        f32 = ir.F32Type.get()
        return ir.ArrayAttr.get([ir.FloatAttr.get(f32, f) for f in attr])
    if isinstance(attr, (ir.StringAttr, ir.FloatAttr, ir.ArrayAttr)):
        return attr
    array = to_array(attr)
    dtype = dtypes.from_numpy(array.dtype)
    assert dtype is not None
    type_ = ir.RankedTensorType.get(array.shape, ir.Type.parse(_signed(dtype)))
    return ir.DenseElementsAttr.get(np.ascontiguousarray(array).reshape(array.shape), type=type_)
