"""sem → linalg, tensor, arith, math: the whole function, op by op, into a new function.

The new function is built beside the old one, so that nothing is half-converted: every `sem` op is
read in order, its lowering emits at the end of the new body under the op's own location, and the
values are kept by the `sem` value they stand for. What no lowering of ours serves goes to
torch-mlir; what that can't lower either is a gap, and all gaps are reported together.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.dialects import func
from torch_mlir.passmanager import PassManager

from noema.dialects.attrs import SYMBOLS, ElementwiseKind
from noema.dialects.elements import dtype_of, to_array
from noema.dialects.opset import GAPS, TORCH
from noema.dialects.provenance import node_names
from noema.dtypes import DType
from noema.errors import Gap, InternalError, UnsupportedModel
from noema.kernels.kernel import Isa, Kernel, Unsuitable
from noema.lowering import emit
from noema.lowering.kernel_calls import KernelCalls
from noema.lowering.longtail import lower_torch_ops, lower_with_torch, opset_attributes
from noema.lowering.loops import to_branches
from noema.lowering.node import Declined, Lowering, Node
from noema.lowering.table import CONVERTS_OR_MOVES, KERNELS, ONNX, SEM
from noema.parameters import ParameterStore

PARAMETER_SCOPE = "model"
"""Scope under which the program asks for its weights."""


@dataclass(frozen=True)
class Lowered:
    """A program below the semantic level.

    Attributes:
        bytecode: MLIR bytecode: function `main` on signless tensors, in linalg and below.
        parameters: Names of the weights that it reads, in order of first use.
        kernels: Function name → kernel: what the functions that it only declares are.
        declined: ONNX node → why no kernel serves it, of those that might have had one.
    """

    bytecode: bytes
    parameters: tuple[str, ...]
    kernels: Mapping[str, Kernel] = field(default_factory=dict[str, Kernel])
    declined: Mapping[str, str] = field(default_factory=dict[str, str])


def lower(
    module: ir.Module, parameters: ParameterStore, isa: Isa | None = None, threads: int = 2
) -> Lowered:
    """Lowers a verified sem module.

    Args:
        module: One function `main` of sem ops; it is consumed.
        parameters: The weights that `sem.param` names; gets those that kernels want packed.
        isa: What generated kernels may use; None for none of them.
        threads: Workers that the program will have; kernels cut their work for as many.

    Raises:
        UnsupportedModel: Lists every op that has no lowering.
    """
    with module.context, ir.Location.unknown():
        lowering = _FunctionLowering(module, parameters, isa, threads)
        lowering.run()
        names = tuple(lowering.globals)
        if lowering.uses_torch:
            lower_torch_ops(module)
        to_branches(module)
        PassManager.parse("builtin.module(func.func(canonicalize,cse))").run(module.operation)
        calls = lowering.calls
        return Lowered(_bytecode(module), names, calls.kernels, calls.declined)


@dataclass(frozen=True)
class Plan:
    """Which generated kernels a program would call.

    Attributes:
        kernels: Function name → kernel.
        served: What each op with kernels comes to: its ONNX nodes, and the functions called.
        declined: ONNX node → why no kernel serves it, of those that might have had one.
    """

    kernels: Mapping[str, Kernel]
    served: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]
    declined: Mapping[str, str]


def plan(
    module: ir.Module, parameters: ParameterStore, isa: Isa | None = None, threads: int = 2
) -> Plan:
    """Decides on kernels as `lower` does, and stops there; no weight is packed for them.

    Takes and raises what `lower` does.
    """
    with module.context, ir.Location.unknown():
        lowering = _FunctionLowering(module, parameters, isa, threads)
        lowering.run()
        calls = lowering.calls
        # What follows a product may be declined while the product itself isn't.
        served = {node for nodes, _ in calls.served for node in nodes}
        declined = {n: why for n, why in calls.declined.items() if n not in served}
        return Plan(calls.kernels, calls.served, declined)


def _bytecode(module: ir.Module) -> bytes:
    buffer = io.BytesIO()
    module.operation.write_bytecode(buffer)
    return buffer.getvalue()


class _FunctionLowering:
    """State of lowering one function: lowered values, weights, gaps."""

    def __init__(
        self, module: ir.Module, parameters: ParameterStore, isa: Isa | None, threads: int
    ) -> None:
        self.module = module
        self.parameters = parameters
        self.entry: ir.Block | None = None
        self.calls = KernelCalls(isa, threads, module, parameters, self._load_packed)
        self.values: dict[ir.Value, ir.Value] = {}
        self.globals: dict[str, str] = {}
        self.gaps: list[Gap] = []
        self.missing: set[ir.Value] = set()
        self.uses_torch = False
        # The newest operator set of the ops that torch-mlir gets; one counts for all of them.
        self.torch_version = 1

    def run(self) -> None:
        old = next(op for op in self.module.body.operations if op.operation.name == "func.func")
        block = old.regions[0].blocks[0]
        arguments = [_signless(a.type) for a in block.arguments]
        terminator = block.operations[len(block.operations) - 1]
        results = [_signless(v.type) for v in terminator.operands]
        with ir.InsertionPoint(self.module.body), old.location:
            new = func.FuncOp("lowered", (arguments, results))
            if SYMBOLS in old.attributes:
                new.attributes[SYMBOLS] = old.attributes[SYMBOLS]
        entry = self.entry = new.add_entry_block()
        self.values.update(zip(block.arguments, entry.arguments, strict=True))
        for op in list(block.operations)[:-1]:
            self._lower(op, entry)
        if self.gaps:
            raise UnsupportedModel(
                "the model uses operators that noema cannot compile yet", gaps=self.gaps
            )
        with ir.InsertionPoint(entry), terminator.location:
            returned = [
                emit.cast_type(self._value(v, entry), t)
                for v, t in zip(terminator.operands, results, strict=True)
            ]
            func.ReturnOp(returned)
        for name, attribute in opset_attributes(self.torch_version).items():
            new.attributes[name] = attribute
        old.operation.erase()
        new.attributes["sym_name"] = ir.StringAttr.get("main")
        if SYMBOLS in new.attributes:
            del new.attributes[SYMBOLS]

    def _value(self, value: ir.Value, block: ir.Block) -> ir.Value:
        """The lowered value; constants and weights are made where they are first used."""
        found = self.values.get(value)
        if found is not None:
            return found
        owner = value.owner
        with ir.InsertionPoint.at_block_begin(block), owner.location:
            if owner.name == "sem.constant":
                made = emit.constant(to_array(owner.attributes["value"]))
            elif owner.name == "sem.param":
                name = str(ir.StringAttr(owner.attributes["parameter"]).value)
                made = self._load(name, _signless(owner.results[0].type))
            else:
                raise InternalError(f"{owner.name} was used before it was lowered")
        self.values[value] = made
        return made

    def _load_packed(self, name: str) -> ir.Value:
        """A parameter that the lowering made, loaded where the function begins."""
        assert self.entry is not None
        made = self.parameters[name]
        type_ = ir.RankedTensorType.get(list(made.shape), ir.Type.parse(made.dtype.signless))
        with ir.InsertionPoint.at_block_begin(self.entry), ir.Location.unknown():
            return self._load(name, type_)

    def _load(self, name: str, type_: ir.RankedTensorType) -> ir.Value:
        symbol = self.globals.get(name)
        if symbol is None:
            symbol = f"w{len(self.globals)}_{re.sub(r'[^A-Za-z0-9_]', '_', name)[:80]}"
            self.globals[name] = symbol
            text = (
                f"ml_program.global private @{symbol}("
                f'#flow.parameter.named<"{PARAMETER_SCOPE}"::{_quoted(name)}> : {type_}) : {type_}'
            )
            made = ir.Operation.parse(text)
            ir.InsertionPoint.at_block_begin(self.module.body).insert(made)
        return ir.Operation.create(
            "ml_program.global_load_const",
            results=[type_],
            attributes={"global": ir.FlatSymbolRefAttr.get(symbol)},
        ).result

    def _constant(self, value: ir.Value) -> NDArray[np.generic] | None:
        owner = value.owner
        if not isinstance(owner, (ir.Operation, ir.OpView)):
            return None
        if owner.name == "sem.constant":
            return to_array(owner.attributes["value"])
        if owner.name == "sem.param":
            return self.parameters[str(ir.StringAttr(owner.attributes["parameter"]).value)].values()
        return None

    def _lower(self, op: ir.OpView, block: ir.Block) -> None:
        name = op.operation.name
        if name in ("sem.constant", "sem.param"):
            return
        if name == "sem.fused":
            self._lower_fused(op, block)
            return
        if any(operand in self.missing for operand in op.operands):
            self.missing.update(op.results)  # what it lacks is the gap, not this op
            return
        node = Node(op, lambda v: self._value(v, block), self._constant, self.calls)
        if _is_empty(node):
            with ir.InsertionPoint(block), op.location:
                self._keep(node, [_empty(node, i) for i in range(len(node.results))], block)
            return
        if self._lower_to_kernel(node, block):
            return
        reasons: list[str] = []
        for route in _routes(node):
            refused = self._take(route, node, block)
            if refused is None:
                if route is lower_with_torch:
                    self.uses_torch = True
                    self.torch_version = max(self.torch_version, node.version)
                return
            reasons.append(refused)
        self.missing.update(op.results)
        reason = "; ".join(dict.fromkeys(reasons)) or "no lowering"
        self.gaps.append(Gap(_describe(node), _name(op), reason))

    def _take(self, route: Lowering, node: Node, block: ir.Block) -> str | None:
        """Lowers an op by a route; why not, if it declines."""
        mark = _last(block)
        try:
            with ir.InsertionPoint(block), node.op.location:
                made = route(node)
        except (Declined, Unsuitable) as declined:
            _erase_after(block, mark)
            return str(declined)
        self._keep(node, [made] if isinstance(made, ir.Value) else list(made), block)
        return None

    def _lower_to_kernel(self, node: Node, block: ir.Block) -> bool:
        route = KERNELS.get(node.op.operation.name)
        if route is None or self.calls.isa is None:
            return False
        calls, names = self.calls, node_names(node.op)
        before = len(calls.called)
        refused = self._take(route, node, block)
        if refused is None:
            if len(calls.called) > before:
                calls.served.append((tuple(names), tuple(calls.called[before:])))
            return True
        if refused:
            calls.declined.update(dict.fromkeys(names, refused))
        return False

    def _lower_fused(self, op: ir.OpView, block: ir.Block) -> None:
        """As one kernel, or op by op."""
        *parts, terminator = op.regions[0].blocks[0].operations
        outside = {v for part in parts for v in part.operands}
        if not outside & self.missing:
            node = Node(op, lambda v: self._value(v, block), self._constant, self.calls)
            if self._lower_to_kernel(node, block):
                return
        for part in parts:
            self._lower(part, block)
        yielded = terminator.operands[0]
        if yielded in self.missing:
            self.missing.update(op.results)
        else:
            self.values[op.results[0]] = self.values[yielded]

    def _keep(self, node: Node, values: Sequence[ir.Value | None], block: ir.Block) -> None:
        for slot, result in enumerate(node.results):
            if result is None:
                continue
            value = values[slot] if slot < len(values) else None
            if value is None:
                raise InternalError(f"the lowering of {node.kind} made no result {slot}")
            # The declared type may know more extents than the lowering found, or fewer.
            refined = _merge(value, result)
            with ir.InsertionPoint(block), node.op.location:
                self.values[result] = emit.cast_type(value, refined)


def _routes(node: Node) -> list[Lowering]:
    name = node.op.operation.name
    carried = _carried(node)
    if carried is not None and not _converts_or_moves(node):
        return [_arithmetic_in(carried)]
    if name in SEM:
        return [SEM[name]]
    if name != "sem.onnx":
        raise InternalError(f"no lowering for {name}, and none should be needed")
    if ir.StringAttr(node.op.attributes["domain"]).value:
        return [_foreign]
    own = [ONNX[node.kind]] if node.kind in ONNX else []
    torch = [lower_with_torch] if node.kind in TORCH else []
    return [*own, *torch] or [_gap]


def _gap(node: Node) -> ir.Value:
    raise Declined(GAPS.get(node.kind, "no lowering of this form"))


def _carried(node: Node) -> DType | None:
    """An element type of the node's that programs hold as bytes; None if there is none."""
    values = [v for v in (*node.inputs, *node.results) if v is not None]
    return next((d for d in (dtype_of(v.type) for v in values) if d.is_carried), None)


def _converts_or_moves(node: Node) -> bool:
    if node.op.operation.name == "sem.elementwise":
        return node.text("kind") in (ElementwiseKind.CAST, ElementwiseKind.WHERE)
    return node.op.operation.name == "sem.onnx" and node.kind in CONVERTS_OR_MOVES


def _arithmetic_in(dtype: DType) -> Lowering:
    def decline(node: Node) -> ir.Value:
        raise Declined(f"{node.kind} of {dtype}")

    return decline


def _foreign(node: Node) -> ir.Value:
    raise Declined("an operator outside the default ONNX domain")


def _describe(node: Node) -> str:
    if node.op.operation.name != "sem.onnx":
        kind = node.op.attributes["kind"] if "kind" in node.op.attributes else None
        text = "" if kind is None else f" {ir.StringAttr(kind).value}"
        return f"{node.op.operation.name}{text}"
    domain = str(ir.StringAttr(node.op.attributes["domain"]).value)
    return f"{domain}.{node.kind}" if domain else node.kind


def _name(op: ir.OpView) -> str:
    return ", ".join(node_names(op)) or "?"


def _merge(value: ir.Value, result: ir.Value) -> ir.RankedTensorType:
    """The value's type with the extents that the sem result's type knows filled in."""
    declared = ir.RankedTensorType(result.type)
    element = ir.Type.parse(dtype_of(declared).signless)
    if emit.element_of(value) != element:
        raise InternalError(f"lowering gave {value.type} for {result.type}")
    dynamic = ir.ShapedType.get_dynamic_size()
    known = emit.shape_of(value)
    if len(known) != len(declared.shape):
        raise InternalError(f"lowering gave {value.type} for {result.type}")
    extents = [
        d if d is not None else (None if e == dynamic else e)
        for d, e in zip(known, declared.shape, strict=True)
    ]
    return emit.tensor_type(extents, element)


def _signless(type_: ir.Type) -> ir.RankedTensorType:
    tensor = ir.RankedTensorType(type_)
    return ir.RankedTensorType.get(tensor.shape, ir.Type.parse(dtype_of(tensor).signless))


def _quoted(name: str) -> str:
    return str(ir.StringAttr.get(name))


def _is_empty(node: Node) -> bool:
    """Whether no result has any element: then there is nothing to compute, whatever the op."""
    shapes = [node.result_shape(i) for i, r in enumerate(node.results) if r is not None]
    return all(0 in shape and None not in shape for shape in shapes)


def _empty(node: Node, slot: int) -> ir.Value | None:
    shape = node.result_shape(slot) if node.results[slot] is not None else ()
    if not shape:
        return None
    return emit.empty([d for d in shape if d is not None], node.result_element(slot))


def _last(block: ir.Block) -> ir.Operation | None:
    count = len(block.operations)
    return block.operations[count - 1].operation if count else None


def _erase_after(block: ir.Block, last: ir.Operation | None) -> None:
    """Erases what a lowering emitted before it declined, but not the constants that it asked for.

    Those stand at the block's beginning, and other ops may come to use them.
    """
    for op in reversed(list(block.operations)):
        if last is not None and op.operation == last:
            return
        if op.operation.name not in ("arith.constant", "ml_program.global_load_const"):
            op.operation.erase()
