"""Lists the dispatches of a program, in order, once IREE has formed them.

IREE's dispatches keep the locations of the ops that they compute, so each site knows its ONNX
nodes. What a kernel of ours costs its interface says; what an executable of IREE's costs is read
off the ops in its body.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from noema.dispatches import IREE, Site
from noema.kernels.executable import Tensor
from noema.kernels.kernel import Kernel

# Their stubs declare none of what they have.
ir: Any = import_module("iree.compiler.ir")
linalg: Any = import_module("iree.compiler.dialects.linalg")

_BITS: Mapping[str, int] = {
    "i1": 8,
    "i4": 4,
    "i8": 8,
    "i16": 16,
    "i32": 32,
    "i64": 64,
    "index": 64,
    "bf16": 16,
    "f16": 16,
    "f32": 32,
    "f64": 64,
    "complex<f32>": 64,
    "complex<f64>": 128,
}
_FREE = ("arith.constant", "arith.ext", "arith.trunc", "arith.bitcast", "arith.index")
"""Scalar ops that only convert."""

_SOFTMAX_OPERATIONS = 5
"""Per element: the largest, the difference, its exponential, the sum, the quotient."""


@dataclass(frozen=True)
class _Body:
    """What the body of an executable says of itself."""

    nodes: tuple[str, ...]
    operations: int | None
    bytes: int | None
    precision: str


def list_sites(module: Any, kernels: Mapping[str, Kernel]) -> tuple[Site, ...]:
    """The dispatches of a module, those of its initializers first, else in order.

    Args:
        module: In IREE's context, after its `stream` phase.
        kernels: Executable → kernel of ours.
    """
    bodies: dict[str, Any] = {}
    first: list[Any] = []
    then: list[Any] = []

    def visit(op: Any) -> Any:
        if op.name == "stream.cmd.dispatch":
            (first if _is_once(op) else then).append(op)
        elif op.name == "stream.executable.export":
            bodies[_text(op.attributes["sym_name"])] = op.parent.operation
            return ir.WalkResult.SKIP
        return ir.WalkResult.ADVANCE

    # Before children: a dispatch has none, and what is in an executable is read only if need be.
    module.walk(visit, ir.WalkOrder.PRE_ORDER)
    dispatched: dict[str, list[Any]] = {}
    for op in (*first, *then):
        dispatched.setdefault(_function(op), []).append(op)
    read = {
        name: _read(bodies[name]) for name in dispatched if name in bodies and name not in kernels
    }
    return tuple(
        _site(
            op, kernels, read, is_shared=len(dispatched[_function(op)]) > 1, once=index < len(first)
        )
        for index, op in enumerate((*first, *then))
    )


def _is_once(op: Any) -> bool:
    while op.name not in ("util.initializer", "util.func", "builtin.module"):
        op = op.parent.operation
    return bool(op.name == "util.initializer")


def _function(dispatch: Any) -> str:
    """The exported function that it runs; of several variants, the first."""
    entry = ir.ArrayAttr(dispatch.attributes["entry_points"])[0]
    return str(ir.SymbolRefAttr(entry).value[-1])


def _text(attribute: Any) -> str:
    return str(ir.StringAttr(attribute).value)


def _site(
    op: Any,
    kernels: Mapping[str, Kernel],
    read: Mapping[str, _Body],
    *,
    is_shared: bool,
    once: bool,
) -> Site:
    name = _function(op)
    nodes = _names([op.location])
    kernel = kernels.get(name)
    if kernel is not None:
        interface = kernel.interface
        tensors = (*interface.operands, *interface.results)
        return Site(
            executable=name,
            kind=kernel.kind,
            kernel=kernel.describe(),
            nodes=nodes,
            operations=kernel.operations,
            bytes=_total([_tensor_bytes(t) for t in tensors]),
            precision=_precision([t.element for t in interface.operands[:2]]),
            once=once,
        )
    body = read.get(name, _Body((), None, None, "f32"))
    if not is_shared:
        nodes = tuple(dict.fromkeys((*nodes, *body.nodes)))
    # IREE's names end in what the dispatch does: `main$async_dispatch_3_reduction_8x48_f32`.
    does = name.partition("_dispatch_")[2].partition("_")[2]
    return Site(
        executable=name,
        kind=IREE,
        kernel=does or name,
        nodes=nodes,
        operations=body.operations,
        bytes=body.bytes,
        precision=body.precision,
        once=once,
    )


def _tensor_bytes(tensor: Tensor) -> int | None:
    extents = [e for e in tensor.extents if isinstance(e, int)]
    if len(extents) != len(tensor.extents) or tensor.element not in _BITS:
        return None
    return math.prod(extents) * _BITS[tensor.element] // 8


def _precision(elements: Sequence[str]) -> str:
    """Of products of such operands."""
    narrow = {"bf16": "bf16", "i8": "int8"}
    found = {narrow.get(element, "f32") for element in elements}
    return found.pop() if len(found) == 1 else "f32"


def _total(parts: Sequence[int | None]) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _read(executable: Any) -> _Body:
    locations: list[Any] = []
    operations: list[int | None] = []
    traffic: list[int | None] = []
    precisions: set[str] = set()

    def visit(op: Any) -> Any:
        family = op.name.partition(".")[0]
        if op.name == "iree_tensor_ext.dispatch.tensor.load":
            traffic.append(_size(op.results[0].type))
        elif op.name == "iree_tensor_ext.dispatch.tensor.store":
            traffic.append(_size(op.operands[0].type))
        elif family in ("linalg", "iree_linalg_ext") and op.name != "linalg.fill":
            if len(op.regions) and not op.name.endswith(".yield"):
                locations.append(op.location)
                operations.append(_operations(op))
                if linalg.isa_contraction_op(op) or linalg.isa_convolution_op(op):
                    inputs = list(op.operands)[:2]
                    precisions.add(_precision([str(v.type.element_type) for v in inputs]))
            elif not op.name.endswith((".yield", ".index")):
                locations.append(op.location)
                operations.append(_operations(op))
            return ir.WalkResult.SKIP
        return ir.WalkResult.ADVANCE

    executable.walk(visit, ir.WalkOrder.PRE_ORDER)
    precision = precisions.pop() if len(precisions) == 1 else "f32"
    return _Body(_names(locations), _total(operations), _total(traffic), precision)


def _extents(type_: Any) -> list[int] | None:
    """Of a tensor of known shape."""
    if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
        return None
    return list(type_.shape)


def _size(type_: Any) -> int | None:
    extents = _extents(type_)
    if extents is None:
        return None
    bits = _BITS.get(str(type_.element_type))
    return None if bits is None else math.prod(extents) * bits // 8


def _operations(op: Any) -> int | None:
    """Arithmetic of one op on tensors; None if its extents aren't known."""
    shapes = [_extents(v.type) for v in op.operands if isinstance(v.type, ir.RankedTensorType)]
    if any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    match op.name:
        case "iree_linalg_ext.attention":
            *batch, rows, _ = known[0]
            key, value = known[1], known[2]
            return 2 * math.prod(batch) * rows * key[-2] * (key[-1] + value[-1])
        case "linalg.softmax":
            return _SOFTMAX_OPERATIONS * math.prod(known[0])
        case name if name.startswith("iree_linalg_ext.") or name in (
            "linalg.pack",
            "linalg.unpack",
        ):
            return 0  # moves, or does something of which nobody counts operations
        case _:
            return _loops(op, known)


def _loops(op: Any, shapes: Sequence[Sequence[int]]) -> int | None:
    """Iterations of a structured op, times the arithmetic of its body."""
    extents: dict[int, int] = {}
    maps = [ir.AffineMapAttr(a).value for a in linalg.get_indexing_maps(op)]
    ranked = [m for m, v in zip(maps, op.operands, strict=True) if _extents(v.type) is not None]
    for map_, shape in zip(ranked, shapes, strict=True):
        for expression, extent in zip(map_.results, shape, strict=True):
            if isinstance(expression, ir.AffineDimExpr):
                extents[expression.position] = extent
    if len(extents) < maps[0].n_dims:
        return None
    body = op.regions[0].blocks[0].operations
    arithmetic = sum(
        inner.operation.name.startswith(("arith.", "math."))
        and not inner.operation.name.startswith(_FREE)
        for inner in body
    )
    return math.prod(extents.values()) * arithmetic


def _names(roots: Sequence[Any]) -> tuple[str, ...]:
    """The names in locations, outside in, each once (as `dialects.provenance` reads them)."""
    names: dict[str, None] = {}
    stack = list(reversed(roots))
    while stack:
        top = stack.pop()
        if isinstance(top, ir.FusedLoc):
            stack.extend(reversed(list(top.locations)))
        elif isinstance(top, ir.CallSiteLoc):
            stack.extend((top.caller, top.callee))
        elif isinstance(top, ir.NameLoc):
            names.setdefault(top.name_str)
            stack.append(top.child_loc)
    return tuple(names)
