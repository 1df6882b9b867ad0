"""Lowering of `Einsum`: operands from left to right, each pair a batched matrix product."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith

from noema.lowering import emit, slicing
from noema.lowering.emit import Extent
from noema.lowering.matmul import contract
from noema.lowering.node import Declined, Node


@dataclass(frozen=True)
class _Term:
    """A tensor and the label of each of its dimensions."""

    value: ir.Value
    labels: tuple[str, ...]

    def arranged(self, groups: Sequence[Sequence[str]]) -> ir.Value:
        """The tensor with one dimension per group of labels; an empty group has extent 1."""
        order = [label for group in groups for label in group]
        value = emit.transpose(self.value, [self.labels.index(label) for label in order])
        for axis, group in enumerate(groups):
            if group:
                value = slicing.merge(value, axis, len(group))
            else:
                value = _with_unit(value, axis)
        return value


def _with_unit(value: ir.Value, axis: int) -> ir.Value:
    """A dimension of extent 1 more, before dimension `axis`."""
    sizes = emit.extents(value)
    if not sizes:
        return emit.reshape(value, [1])
    if axis < len(sizes):
        return slicing.split(value, axis, [1, sizes[axis]])
    return slicing.split(value, axis - 1, [sizes[axis - 1], 1])


def lower_einsum(node: Node) -> ir.Value:
    """Σ of the products of the operands over the labels that the result lacks.

    Raises:
        Declined: The equation says something that this doesn't know, or the element type is one
            that is not computed in.
    """
    dtype = node.dtype(0)
    if not (dtype.is_float or dtype.is_integer) or dtype.is_carried:
        raise Declined(f"Einsum of {dtype}")
    operands = [node.operand(slot) for slot in range(len(node.inputs))]
    ranks = [len(emit.shape_of(v)) for v in operands]
    inputs, output = parse(node.text("equation"), ranks)
    narrow = emit.element_of(operands[0])
    terms = [
        _diagonal(_Term(emit.widen(v), labels)) for v, labels in zip(operands, inputs, strict=True)
    ]
    sizes = _extents(terms)
    terms = [_without_units(term, sizes) for term in terms]
    first, *rest = terms
    for position, term in enumerate(rest):
        later = {label for t in rest[position + 1 :] for label in t.labels}
        first = _pair(first, term, later | set(output))
    first = _summed(first, set(output))
    present = [label for label in output if label in first.labels]
    value = emit.transpose(first.value, [first.labels.index(label) for label in present])
    if len(present) < len(output):  # a label whose every extent is 1
        value = emit.reshape(value, [sizes[label] for label in output])
    return emit.narrow(value, narrow)


def parse(equation: str, ranks: Sequence[int]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """The labels of each operand's and of the result's dimensions.

    The dimensions that an ellipsis stands for are labelled `.0`, `.1`, …, counted from the last.

    Raises:
        Declined: The equation doesn't fit the operands.
    """
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Declined(f"equation {equation!r} for {len(ranks)} operands")
    inputs: list[tuple[str, ...]] = []
    widest = 0
    for term, rank in zip(terms, ranks, strict=True):
        named = re.fullmatch(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)", term)
        if named is None:
            raise Declined(f"equation {equation!r}")
        before, ellipsis, after = named.groups()
        hidden = rank - len(before) - len(after)
        if hidden < 0 or (hidden and not ellipsis):
            raise Declined(f"equation {equation!r} for an operand of rank {rank}")
        widest = max(widest, hidden)
        inputs.append((*before, *_hidden(hidden), *after))
    if not arrow:
        letters = "".join(left.replace(".", "").split(","))
        single = sorted(c for c in set(letters) if letters.count(c) == 1)
        return inputs, (*_hidden(widest), *single)
    named = re.fullmatch(r"([A-Za-z]*)(\.\.\.)?([A-Za-z]*)", right)
    if named is None:
        raise Declined(f"equation {equation!r}")
    before, ellipsis, after = named.groups()
    output = (*before, *(_hidden(widest) if ellipsis else ()), *after)
    known = {label for labels in inputs for label in labels}
    if not set(output) <= known or len(set(output)) < len(output):
        raise Declined(f"equation {equation!r}")
    return inputs, output


def _hidden(count: int) -> tuple[str, ...]:
    return tuple(f".{i}" for i in reversed(range(count)))


def _diagonal(term: _Term) -> _Term:
    """The term with every label once: of a repeated one, the diagonal."""
    labels = tuple(dict.fromkeys(term.labels))
    if len(labels) == len(term.labels):
        return term
    loops = emit.dims(len(labels))
    sizes = [emit.extent(term.value, term.labels.index(label)) for label in labels]
    reads = emit.affine_map(len(labels), [loops[labels.index(label)] for label in term.labels])
    element = emit.element_of(term.value)
    return _Term(emit.parallel([term.value], [reads], sizes, element, lambda v: v), labels)


def _extents(terms: Sequence[_Term]) -> dict[str, Extent]:
    """The extent of each label: one that isn't 1, and is static, if an operand has such a one."""
    sizes: dict[str, Extent] = {}
    for term in terms:
        for label, size in zip(term.labels, emit.extents(term.value), strict=True):
            known = sizes.get(label, 1)
            if isinstance(known, int) and (known == 1 or not isinstance(size, ir.Value)):
                sizes[label] = size if known == 1 else known
            elif isinstance(size, int) and size != 1:
                sizes[label] = size
    return sizes


def _without_units(term: _Term, sizes: dict[str, Extent]) -> _Term:
    """The term without the dimensions of extent 1 that stand against larger ones."""
    dropped = [
        label
        for label, size in zip(term.labels, emit.shape_of(term.value), strict=True)
        if size == 1 and sizes[label] != 1
    ]
    value, labels = term.value, list(term.labels)
    for label in dropped:
        value = slicing.at(value, labels.index(label), 0)
        labels.remove(label)
    return _Term(value, tuple(labels))


def _summed(term: _Term, needed: set[str]) -> _Term:
    """The term summed over the labels that nobody needs."""
    axes = [i for i, label in enumerate(term.labels) if label not in needed]
    if not axes:
        return term
    element = emit.element_of(term.value)
    add = arith.AddIOp if isinstance(element, ir.IntegerType) else arith.AddFOp
    total = emit.reduce(term.value, axes, emit.scalar(0, element), lambda v, s: add(v, s).result)
    return _Term(total, tuple(label for label in term.labels if label in needed))


def _pair(a: _Term, b: _Term, needed: set[str]) -> _Term:
    """The product of two terms, summed over the labels that nobody needs afterwards."""
    a = _summed(a, needed | set(b.labels))
    b = _summed(b, needed | set(a.labels))
    both = [label for label in a.labels if label in b.labels]
    batch = [label for label in both if label in needed]
    depth = [label for label in both if label not in needed]
    rows = [label for label in a.labels if label not in both]
    columns = [label for label in b.labels if label not in both]
    sizes = {
        label: size
        for term in (b, a)
        for label, size in zip(term.labels, emit.extents(term.value), strict=True)
    }
    element = emit.element_of(a.value)
    lhs = a.arranged([batch, rows, depth])
    rhs = b.arranged([batch, depth, columns])
    product = contract(lhs, rhs, False, False, element)
    labels = [*batch, *rows, *columns]
    for axis, group in reversed(list(enumerate((batch, rows, columns)))):
        if group:
            product = slicing.split(product, axis, [sizes[label] for label in group])
        elif len(emit.shape_of(product)) > 1:
            product = slicing.at(product, axis, 0)
        else:
            product = emit.reshape(product, [])
    return _Term(product, tuple(labels))
