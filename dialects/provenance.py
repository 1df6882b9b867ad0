"""Which ONNX nodes an operation comes from. The answer is its MLIR location, and nothing else.

The importer gives every op a `NameLoc` that holds the ONNX node's name. A pass that makes one op
out of several gives it `fused_location` of those. So after any pass:

```mlir
%0 = "sem.matmul"(%x, %w) {…} : … loc(fused["/fc/MatMul", "/fc/Add"])
```

A location is read as a tree, outside in: a `NameLoc` is one name and then its child location, a
`FusedLoc` its parts in order, a `CallSiteLoc` the callee and then the caller. File positions and
unknown locations hold no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch_mlir import ir

EXEMPT_OPS = frozenset(
    {
        "arith.constant",
        "complex.constant",
        "sem.constant",
        "sem.param",  # named by its parameter
        "torch.vtensor.literal",
    }
)
"""Ops in a function body that need no provenance: they compute nothing, or name themselves.
Terminators are exempt too."""


def locations(location: ir.Location) -> Iterator[ir.Location]:
    """The leaves and names of a location tree, outside in (see the module docstring)."""
    stack = [location]
    while stack:
        top = stack.pop()
        if type(top) is ir.Location:  # of a diagnostic, whose location the bindings don't downcast
            top = ir.Location.from_attr(top.attr, context=top.context)
        if isinstance(top, ir.FusedLoc):
            stack.extend(reversed(list(top.locations)))
        elif isinstance(top, ir.CallSiteLoc):
            stack.extend((top.caller, top.callee))
        else:
            yield top
            if isinstance(top, ir.NameLoc):
                stack.append(top.child_loc)


def node_names(op: ir.Operation | ir.OpView) -> tuple[str, ...]:
    """Names of the ONNX nodes that `op` computes, in order, each once; empty if there are none."""
    location = op.location
    if isinstance(location, ir.NameLoc) and isinstance(location.child_loc, ir.UnknownLoc):
        return (location.name_str,)  # nearly always
    names: dict[str, None] = {}
    for part in locations(location):
        if isinstance(part, ir.NameLoc):
            names.setdefault(part.name_str)
    return tuple(names)


def fused_location(ops: Iterable[ir.Operation | ir.OpView]) -> ir.Location:
    """The location of an op that stands for all of `ops`: theirs joined, in order, each once.

    Needs a current MLIR context. Of one op, it is that op's location; of none, it is unknown.
    """
    # MLIR leaves out unknown ones and repetitions, and takes fused ones apart.
    return ir.Location.fused([op.location for op in ops])


def has_provenance(location: ir.Location) -> bool:
    """Whether a location leads anywhere: to an ONNX node, or to a line of a `.mlir` file.

    The second only happens to IR that was parsed from text (`noema opt`) and written without
    locations; the importer never makes one.
    """
    if isinstance(location, ir.NameLoc):  # nearly always
        return True
    return any(isinstance(part, ir.NameLoc | ir.FileLineColLoc) for part in locations(location))


def ops_without_provenance(module: ir.Module) -> list[ir.Operation]:
    """The ops in function bodies whose location leads nowhere, in order.

    Ops nested in another op's region (the body of a `linalg.generic`) belong to that op and
    aren't looked at; neither are terminators and `EXEMPT_OPS`.
    """
    lost: list[ir.Operation] = []
    for function in module.body.operations:
        if function.operation.name != "func.func":
            continue
        for block in function.operation.regions[0]:
            for view in block.operations:
                op = view.operation
                if not (
                    has_provenance(op.location)
                    or op.name in EXEMPT_OPS
                    or op.has_trait(ir.IsTerminatorTrait)
                ):
                    lost.append(op)
    return lost
