"""Lowering of `sem.attention` to the attention kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.graph import definer, key_of
from noema.kernels.attention import candidates
from noema.kernels.attention_problem import AttentionProblem, Heads, Mask
from noema.kernels.executable import Extent
from noema.lowering import emit, scalars
from noema.lowering.attention import fill_up_mask
from noema.lowering.epilogues import isa_for
from noema.lowering.node import Declined, Node

_ELEMENTS = {"f32", "bf16"}
_NAMES = ("b", "m", "n", "p", "t")


def lower_attention_kernel(node: Node) -> Sequence[ir.Value | None]:
    """Attention as one kernel: caches, masks and all.

    The operands are read where they are: heads before positions, or within rows.
    """
    if node.has(6):
        raise Declined("a number of keys that count")
    if node.has(7):
        raise Declined("attention sinks")
    if len(node.results) > 3 and node.results[3] is not None:
        raise Declined("scores that are a result")
    if any(node.given(n) for n in ("left_window_size", "right_window_size")):
        raise Declined("a window of positions")
    elements = {node.dtype(slot).signless for slot in (0, 1, 2)}
    if len(elements) != 1 or not elements <= _ELEMENTS:
        raise Declined(f"attention of {', '.join(sorted(elements))}")
    inputs = [node.inputs[slot] for slot in (0, 1, 2)]
    flat = len(node.result_shape()) == 3
    sizes = _Sizes(node, flat)
    mask_value, mask = _mask(node, sizes)
    wants_present = len(node.results) > 1 and node.results[1] is not None
    if wants_present != (len(node.results) > 2 and node.results[2] is not None):
        raise Declined("only one of the joined caches")
    if flat:
        # The rows of q, k and v may be parts of wider rows: of one product for all three.
        places = [_place(node, v) for v in inputs if v is not None]
    else:
        places = [(node.operand(slot), Heads(w, first=True)) for slot, w in sizes.each]
    (q, q_heads), (k, k_heads), (v, v_heads) = (
        (x, replace(h, pitch=size) if flat else h)
        for (x, h), (_, size) in zip(places, sizes.each, strict=True)
    )
    problem = AttentionProblem(
        batch=sizes.symbol("b", sizes.batch),
        queries=sizes.symbol("m", sizes.queries),
        keys=sizes.symbol("n", sizes.keys),
        query_heads=sizes.query_heads,
        key_heads=sizes.key_heads,
        size=sizes.size,
        value_size=sizes.value_size,
        q=q_heads,
        k=k_heads,
        v=v_heads,
        out=_heads(flat, sizes.query_heads, sizes.value_size),
        scale=node.float("scale"),
        element=next(iter(elements)),
        result=node.result_dtype().signless,
        causal=bool(node.int("is_causal")),
        softcap=node.float("softcap", 0.0),
        mask=mask,
        past=None if sizes.past is None else sizes.symbol("p", sizes.past),
        present=sizes.symbol("t", sizes.total) if wants_present else None,
    )
    kernel = candidates(problem, isa_for(node))[0]
    operands = [q, k, v]
    if mask_value is not None:
        operands.append(mask_value)
    if sizes.past is not None:
        operands += [node.operand(4), node.operand(5)]
    named = {s: sizes.values[s] for s in kernel.interface.symbols}
    made = node.kernels.call(kernel, operands, named)
    return made if len(made) == len(node.results) else made[: len(node.results)]


def _heads(flat: bool, heads: int, size: int) -> Heads:
    return Heads(heads * size, pitch=size) if flat else Heads(size, first=True)


def _place(node: Node, value: ir.Value) -> tuple[ir.Value, Heads]:
    """The tensor that holds rows (B, S, width), and where in its rows they begin."""
    op = definer(value)
    width = sem.shape_of(value)[-1] or 0
    if op is None or key_of(op) != "onnx.Split":
        return node.lowered(value), Heads(width)
    whole = op.operands[0]
    axis = (
        ir.DictAttr(op.attributes["attrs"])["axis"]
        if ("axis" in ir.DictAttr(op.attributes["attrs"]))
        else None
    )
    rank = len(sem.shape_of(whole))
    along = 0 if axis is None else int(ir.IntegerAttr(axis).value)
    parts = [sem.shape_of(r)[-1] for r in op.results]
    if along % rank != rank - 1 or None in parts:
        return node.lowered(value), Heads(width)
    at = next(i for i, r in enumerate(op.results) if r == value)
    start = sum(p or 0 for p in parts[:at])
    return node.lowered(whole), Heads(sum(p or 0 for p in parts), offset=start)


class _Sizes:
    """The extents of an attention; those that aren't known get symbols."""

    def __init__(self, node: Node, flat: bool) -> None:
        operands = [node.operand(slot) for slot in (0, 1, 2)]
        q, k, _ = operands
        shapes = [emit.shape_of(x) for x in operands]
        if flat:
            self.query_heads, self.key_heads = node.int("q_num_heads"), node.int("kv_num_heads")
            widths = [s[2] for s in shapes]
            at = 1
        else:
            self.query_heads, self.key_heads = (shapes[i][1] or 0 for i in (0, 1))
            widths = [s[3] for s in shapes]
            at = 2
        if self.query_heads < 1 or self.key_heads < 1 or None in widths:
            raise Declined("attention of unknown heads")
        counts = (self.query_heads, self.key_heads, self.key_heads) if flat else (1, 1, 1)
        size, _, self.value_size = ((w or 0) // c for w, c in zip(widths, counts, strict=True))
        self.size = size
        self.batch = emit.extent(q, 0)
        self.queries, self.keys = emit.extent(q, at), emit.extent(k, at)
        self.past: emit.Extent | None = None
        if node.has(4) != node.has(5):
            raise Declined("only one of past_key and past_value")
        if node.has(4):
            self.past = emit.extent(node.operand(4), 2)
        self.values: dict[str, emit.Extent] = {}

    @property
    def each(self) -> tuple[tuple[int, int], ...]:
        """Slot and elements of a head, of q, k and v."""
        return (0, self.size), (1, self.size), (2, self.value_size)

    @property
    def total(self) -> emit.Extent:
        """Keys, those of the cache included."""
        return self.keys if self.past is None else scalars.add(self.keys, self.past)

    def symbol(self, name: str, extent: emit.Extent) -> Extent:
        """The extent, or `name` for it."""
        if isinstance(extent, int):
            return extent
        assert name in _NAMES
        self.values[name] = extent
        return name


def _mask(node: Node, sizes: _Sizes) -> tuple[ir.Value | None, Mask | None]:
    """The mask of rank 4, and which of its dimensions count."""
    if not node.has(3):
        return None, None
    mask = node.operand(3)
    element = node.dtype(3).signless
    if element not in ("f32", "bf16", "i1"):
        raise Declined(f"a mask of {element}")
    shape = emit.shape_of(mask)
    extents = emit.extents(mask)
    if len(shape) < 4:
        extents = [*[1] * (4 - len(shape)), *extents]
        mask = emit.reshape(mask, extents)
        shape = emit.shape_of(mask)
    total = sizes.total
    wanted: list[emit.Extent] = [sizes.batch, sizes.query_heads, sizes.queries, total]
    if isinstance(total, int) and shape[3] is not None and shape[3] != total:
        raise Declined("a mask of fewer keys than there are")
    if shape[3] is None or not isinstance(total, int):
        # A mask may be shorter than the keys, and the kernel would read what lies behind it.
        mask = fill_up_mask(mask, node.dtype(3), total)
    counts: list[bool] = []
    for have, want in zip(shape[:3], wanted[:3], strict=True):
        if have is None:  # 1, or the whole: only when it runs
            mask = emit.broadcast_to(mask, wanted)
            counts = [True, True, True]
            break
        counts.append(have != 1 or want == 1)
    made = Mask(element, counts[0], counts[1], counts[2], sizes.symbol("t", total))
    return mask, made
