"""What verifiers of ops are made of: attributes by name, and complaints as diagnostics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir

from noema.dialects.elements import integers_in, spelling


def fail(op: Any, message: str) -> bool:
    """Reports an error of an op; False, for a verifier to return."""
    op.location.emit_error(f"'{op.name}' op {message}")
    return False


def unranked(op: Any) -> str | None:
    """A complaint about the first operand or result that isn't a ranked tensor."""
    for value in (*op.operands, *op.results):
        if not isinstance(value.type, ir.RankedTensorType):
            return f"takes and gives ranked tensors, not {value.type}"
    return None


def checked(check: Callable[[Any], str | None]) -> Callable[[Any], bool]:
    """Turns a check that returns a complaint into a verifier; nothing may escape from one.

    That operands and results are ranked tensors IRDL checks as well, after the verifier. A check
    that meets another type ends in an exception, and the verifier says why.
    """

    def verify_invariants(op: Any) -> bool:
        try:
            complaint = check(op)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            complaint = unranked(op) or f"is malformed: {error}"
        return complaint is None or fail(op, complaint)

    return verify_invariants


def flag(op: Any, name: str) -> bool:
    """A boolean attribute of an op."""
    return bool(ir.IntegerAttr(op.attributes[name]).value)


def integer(op: Any, name: str) -> int:
    """An integer attribute of an op."""
    return int(ir.IntegerAttr(op.attributes[name]).value)


def number(op: Any, name: str) -> float:
    """A float attribute of an op."""
    return float(ir.FloatAttr(op.attributes[name]).value)


def element_of(value: ir.Value) -> str:
    """The spelling of a tensor's element type."""
    return spelling(ir.RankedTensorType(value.type).element_type)


def text(op: Any, name: str) -> str:
    """A string attribute of an op."""
    return ir.StringAttr(op.attributes[name]).value


def integers(op: Any, name: str) -> list[int]:
    """An `array<i64: …>` attribute of an op."""
    return integers_in(ir.DenseI64ArrayAttr(op.attributes[name]))
