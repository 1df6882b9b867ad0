"""The one function that turns a shape from outside into a byte count. Imports no stage.

Shapes in a model file are hostile until proven otherwise: negative, beyond int64, or honest
numbers whose product isn't. Every allocation and every read whose size a model decides goes
through `checked_size` first.
"""

from __future__ import annotations

from collections.abc import Iterable

from noema.errors import InvalidModel

MAX_RANK = 32
"""More dimensions than any network has; numpy itself stops at 64."""

DEFAULT_BUDGET = 1 << 36
"""Bytes that one tensor of a model may take unless the caller says otherwise: 64 GiB."""


def checked_size(
    shape: Iterable[int],
    itemsize: int,
    budget: int = DEFAULT_BUDGET,
    *,
    what: str = "tensor",
    node: str | None = None,
) -> int:
    """Bytes of a tensor of `shape` with `itemsize` bytes per element.

    A zero extent doesn't excuse the others: `[0, 2**62]` is refused, since code that multiplies
    extents before looking for the zero overflows.

    Args:
        shape: Extents as found in the file.
        itemsize: Bytes per element.
        budget: Most bytes allowed.
        what: What the tensor is, for the message.
        node: Name of the ONNX node (or value) at fault, for the message.

    Raises:
        InvalidModel: A negative extent, rank over `MAX_RANK`, or more than `budget` bytes.
    """
    extents = list(shape)
    if len(extents) > MAX_RANK:
        raise InvalidModel(f"{what} has rank {len(extents)}; at most {MAX_RANK}", node=node)
    count = itemsize
    empty = False
    for extent in extents:
        if extent < 0:
            raise InvalidModel(f"{what} has a negative extent: {extents}", node=node)
        if extent == 0:
            empty = True
        else:
            count *= extent
    if count > budget:
        raise InvalidModel(
            f"{what} of shape {extents} takes {count} bytes; at most {budget} are allowed",
            node=node,
        )
    return 0 if empty else count
