"""Casts: those that change nothing, and pairs of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch_mlir import ir

from noema.dialects.attrs import ElementwiseKind
from noema.passes.base import PassContext
from noema.passes.patterns.match import made_by
from noema.passes.patterns.onnx_rewrite import element_of, elementwise
from noema.passes.patterns.pattern import Match, Pattern

_SIGNED: Mapping[str, int] = MappingProxyType({"i8": 7, "i16": 15, "i32": 31, "i64": 63})
_UNSIGNED: Mapping[str, int] = MappingProxyType(
    {"i1": 1, "ui8": 8, "ui16": 16, "ui32": 32, "ui64": 64}
)
_FLOATS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"f16": (11, 5), "bf16": (8, 8), "f32": (24, 8), "f64": (53, 11)}
)
"""Bits of a signed integer's magnitude; of an unsigned one; of a float's significand, with the
leading one, and of its exponent."""


def holds(wide: str, narrow: str) -> bool:
    """Whether every value of one element type is a value of another."""
    if wide == narrow:
        return True
    if narrow in _FLOATS:
        return wide in _FLOATS and all(
            w >= n for w, n in zip(_FLOATS[wide], _FLOATS[narrow], strict=True)
        )
    bits = _SIGNED.get(narrow) or _UNSIGNED.get(narrow)
    if bits is None:
        return False
    if wide in _FLOATS:
        # f16 reaches 65504, too little for 16 bits; its significand says so as well.
        return _FLOATS[wide][0] >= bits
    if narrow in _SIGNED:
        return _SIGNED.get(wide, 0) >= bits
    return max(_SIGNED.get(wide, 0), _UNSIGNED.get(wide, 0)) >= bits


class DropCast(Pattern):
    """A cast to the element type that was there --> nothing.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "cast", …} : (tensor<?xf32>) -> tensor<?xf32>
    %1 = "sem.activation"(%0) {kind = "relu", …} : (tensor<?xf32>) -> tensor<?xf32>
    ```
    -->
    ```mlir
    %1 = "sem.activation"(%x) {kind = "relu", …} : (tensor<?xf32>) -> tensor<?xf32>
    ```
    """

    name = "drop-cast"
    roots = ("elementwise.cast",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        x = root.operands[0]
        return Match([root], lambda: [x]) if x.type == root.results[0].type else None


class MergeCasts(Pattern):
    """Two casts, the first of which loses nothing --> one, or none.

    ```mlir
    %0 = "sem.elementwise"(%x) {kind = "cast", …} : (tensor<?xf16>) -> tensor<?xf32>
    %1 = "sem.elementwise"(%0) {kind = "cast", …} : (tensor<?xf32>) -> tensor<?xi64>
    ```
    -->
    ```mlir
    %1 = "sem.elementwise"(%x) {kind = "cast", …} : (tensor<?xf16>) -> tensor<?xi64>
    ```
    """

    name = "merge-casts"
    roots = ("elementwise.cast",)
    reads = ("elementwise.cast",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        first = made_by(root.operands[0], "elementwise.cast")
        if first is None or not holds(element_of(first.results[0]), element_of(first.operands[0])):
            return None
        x, result = first.operands[0], root.results[0]
        if x.type == result.type:
            return Match([first, root], lambda: [x])
        return Match([first, root], lambda: [elementwise(ElementwiseKind.CAST, [x], result.type)])
