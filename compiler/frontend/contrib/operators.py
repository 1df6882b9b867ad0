"""What is known of an operator of ONNX Runtime: its signature, and how it is expanded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from onnx.defs import OpSchema

from noema.frontend.contrib.expansion import Expansion

DOMAIN = "com.microsoft"

INT = OpSchema.AttrType.INT
FLOAT = OpSchema.AttrType.FLOAT
STRING = OpSchema.AttrType.STRING
INTS = OpSchema.AttrType.INTS
FLOATS = OpSchema.AttrType.FLOATS

Expand = Callable[[Expansion], Sequence[str | None]]
"""Writes the nodes; returns one value per output of the operator, None for one not asked for.

Raises `Unexpandable` for a form that has no expansion.
"""

_FLOATS = ["tensor(float16)", "tensor(bfloat16)", "tensor(float)", "tensor(double)"]
_TYPES: Mapping[str, Sequence[str]] = {
    "T": _FLOATS,
    "U": _FLOATS,
    "V": _FLOATS,
    "M": ["tensor(int32)", "tensor(int64)"],
    "I": ["tensor(int64)"],
    "Q": ["tensor(int8)", "tensor(uint8)", "tensor(int16)", "tensor(uint16)", "tensor(int32)"],
}
"""Type variable of a signature -> the types that it may stand for."""


@dataclass(frozen=True)
class ContribOperator:
    """An operator that isn't ONNX's but is made of ONNX's.

    Attributes:
        name: Its operator type.
        schema: Arity, types and attributes, for the same checks that ONNX's operators get.
        expand: Writes it in ONNX's operators.
    """

    name: str
    schema: OpSchema
    expand: Expand


def declare(
    name: str,
    expand: Expand,
    inputs: str,
    outputs: str = "Y:T",
    attributes: Mapping[str, OpSchema.AttrType] | None = None,
    required: Sequence[str] = (),
) -> ContribOperator:
    """Declares an operator.

    Args:
        name: Its operator type.
        expand: Writes it in ONNX's operators.
        inputs: Its inputs in order, `name:T name:T?`: each with its type variable, those that may
            be absent with a question mark.
        outputs: Its outputs, in the same form.
        attributes: Attribute -> its type.
        required: Attributes without which a node is malformed.
    """
    variables = {word.strip("?").split(":")[1] for word in [*inputs.split(), *outputs.split()]}
    schema = OpSchema(
        name,
        DOMAIN,
        1,
        inputs=[_formal(word) for word in inputs.split()],
        outputs=[_formal(word) for word in outputs.split()],
        type_constraints=[(v, list(_TYPES[v]), "") for v in sorted(variables)],
        attributes=[
            OpSchema.Attribute(key, kind, required=key in required)
            for key, kind in (attributes or {}).items()
        ],
    )
    return ContribOperator(name, schema, expand)


def _formal(word: str) -> OpSchema.FormalParameter:
    name, variable = word.strip("?").split(":")
    option = OpSchema.FormalParameterOption
    return OpSchema.FormalParameter(
        name, variable, param_option=option.Optional if word.endswith("?") else option.Single
    )
