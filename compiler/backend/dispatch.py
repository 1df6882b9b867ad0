"""Fills declared kernels in: a call becomes the dispatch of an executable that Python printed.

The lowering leaves a declared function per kernel and calls to it. Here, in IREE's context, each
declaration becomes the kernel's `stream.executable` and each call a `flow.dispatch` of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from noema.errors import InternalError
from noema.kernels.kernel import Kernel

# Its stubs declare none of what it has.
ir: Any = import_module("iree.compiler.ir")


def fill_in(module: Any, kernels: Mapping[str, Kernel]) -> None:
    """Replaces the declared functions of `kernels`, by their names, and all calls to them.

    Args:
        module: A `builtin.module` in IREE's context; it is changed in place.
        kernels: Function name → kernel. A function takes the kernel's operands, then a symbol's
            value each, and gives the kernel's results.
    """
    context = module.context
    body = module.regions[0].blocks[0]
    # An op of a dialect that isn't loaded yet is made as an unregistered one, silently.
    for dialect in ("flow", "stream"):
        context.get_dialect_descriptor(dialect)
    with context, ir.Location.unknown(context):
        declared = [
            op
            for op in body.operations
            if op.operation.name == "func.func"
            and ir.StringAttr(op.attributes["sym_name"]).value in kernels
        ]
        for op in declared:
            op.operation.erase()
        text = "\n".join(kernel.print(name) for name, kernel in kernels.items())
        printed = ir.Module.parse(text, context)
        for op in list(printed.body.operations):
            op.operation.detach_from_parent()
            ir.InsertionPoint.at_block_begin(body).insert(op)
        calls: list[Any] = []

        def visit(op: Any) -> Any:
            if op.name == "func.call" and _callee(op) in kernels:
                calls.append(op.opview)
            return ir.WalkResult.ADVANCE

        module.walk(visit)
        for call in calls:
            _dispatch(call, kernels[_callee(call.operation)])


def _callee(call: Any) -> str:
    return str(ir.FlatSymbolRefAttr(call.attributes["callee"]).value)


def _dispatch(call: Any, kernel: Kernel) -> None:
    interface, operands = kernel.interface, list(call.operands)
    count = len(interface.operands)
    symbols = dict(zip(interface.symbols, operands[count:], strict=True))

    def dims(tensors: Sequence[Any]) -> list[Any]:
        return [symbols[e] for t in tensors for e in t.extents if isinstance(e, str)]

    name = _callee(call.operation)
    workload = list(symbols.values())
    operand_dims, result_dims = dims(interface.operands), dims(interface.results)
    sizes = [len(workload), len(operands), len(operand_dims), len(result_dims)]
    with ir.InsertionPoint(call), call.location:
        made = ir.Operation.create(
            "flow.dispatch",
            results=[r.type for r in call.results],
            operands=[*workload, *operands, *operand_dims, *result_dims],
            attributes={
                "entry_points": ir.ArrayAttr.get([ir.SymbolRefAttr.get([name, name])]),
                "operandSegmentSizes": ir.DenseI32ArrayAttr.get(sizes),
            },
        )
    for old, new in zip(call.results, made.results, strict=True):
        if old.type != new.type:
            raise InternalError(f"{name} gives {new.type} for {old.type}")
        old.replace_all_uses_with(new)
    call.operation.erase()
