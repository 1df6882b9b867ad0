"""Builders of the code generator's own structured ops, `iree_linalg_ext`: what linalg can't say.

The dialect isn't known here, so that its ops are created by name and checked by whom they are for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch_mlir import ir

from noema.lowering import emit

Combine = Callable[[ir.Value, ir.Value], ir.Value]


def _region_op(
    name: str,
    operands: list[ir.Value],
    results: list[ir.Type],
    segments: list[int],
    attributes: dict[str, ir.Attribute],
    element: ir.Type,
    body: Combine,
) -> ir.Operation:
    attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get(np.array(segments, np.int32))
    op = ir.Operation.create(
        f"iree_linalg_ext.{name}",
        results=results,
        operands=operands,
        attributes=attributes,
        regions=1,
    )
    location = ir.Location.current
    block = op.regions[0].blocks.append(element, element, arg_locs=[location] * 2)
    with ir.InsertionPoint(block):
        ir.Operation.create("iree_linalg_ext.yield", operands=[body(*block.arguments)])
    return op


def scatter(
    updates: ir.Value, positions: ir.Value, into: ir.Value, body: Combine, *, unique: bool
) -> ir.Value:
    """`into` with element or slice i of `updates` combined into it at positions[i].

    Args:
        updates: (count, rest…), where rest are the trailing dimensions of `into`.
        positions: (count, depth) integers, all inside: indices of the leading `depth` dimensions.
        into: What is updated.
        body: (update, element there) to the new element; updates of one element go in order.
        unique: No two positions are equal, so that updates may go in parallel.
    """
    depth = emit.shape_of(positions)[1]
    assert depth is not None
    updates, positions, into = _agreeing(updates, positions, into, depth)
    attributes: dict[str, ir.Attribute] = {
        "dimension_map": ir.DenseI64ArrayAttr.get(np.arange(depth)),
        "unique_indices": ir.BoolAttr.get(unique),
    }
    op = _region_op(
        "scatter",
        [updates, positions, into],
        [into.type],
        [2, 1],
        attributes,
        emit.element_of(updates),
        body,
    )
    return op.results[0]


def _agreeing(
    updates: ir.Value, positions: ir.Value, into: ir.Value, depth: int
) -> tuple[ir.Value, ir.Value, ir.Value]:
    """The operands of a scatter, with an extent static in all their types or in none."""
    (count, *rest), target = emit.shape_of(updates), emit.shape_of(into)
    count = emit.shape_of(positions)[0] if count is None else count
    rest = [t if r is None else r for r, t in zip(rest, target[depth:], strict=True)]
    element, index = emit.element_of(into), emit.element_of(positions)
    return (
        emit.cast_type(updates, emit.tensor_type([count, *rest], element)),
        emit.cast_type(positions, emit.tensor_type([count, depth], index)),
        emit.cast_type(into, emit.tensor_type([*target[:depth], *rest], element)),
    )


def scan(x: ir.Value, axis: int, identity: ir.Value, body: Combine, *, inclusive: bool) -> ir.Value:
    """The running combination along `axis`, with or without the element itself."""
    sizes = emit.extents(x)
    out = emit.empty(sizes, emit.element_of(x))
    carry = emit.full([d for i, d in enumerate(sizes) if i != axis], identity)
    attributes: dict[str, ir.Attribute] = {
        "dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), axis),
        "inclusive": ir.BoolAttr.get(inclusive),
    }
    op = _region_op(
        "scan",
        [x, out, carry],
        [out.type, carry.type],
        [1, 2],
        attributes,
        emit.element_of(x),
        body,
    )
    return op.results[0]
