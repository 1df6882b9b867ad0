"""Pointwise operators → `sem.elementwise`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dialects.elements import to_array
from noema.passes.patterns.match import is_known
from noema.passes.patterns.onnx_rewrite import (
    FLOATS,
    SCALARS,
    OnnxNode,
    OnnxRewrite,
    elementwise,
    with_shape,
)

ELEMENTWISE: Mapping[str, Kind] = MappingProxyType(
    {
        "Abs": Kind.ABS,
        "Acos": Kind.ACOS,
        "Acosh": Kind.ACOSH,
        "Add": Kind.ADD,
        "And": Kind.AND,
        "Asin": Kind.ASIN,
        "Asinh": Kind.ASINH,
        "Atan": Kind.ATAN,
        "Atanh": Kind.ATANH,
        "BitwiseAnd": Kind.BITWISE_AND,
        "BitwiseNot": Kind.BITWISE_NOT,
        "BitwiseOr": Kind.BITWISE_OR,
        "BitwiseXor": Kind.BITWISE_XOR,
        "Ceil": Kind.CEIL,
        "Cos": Kind.COS,
        "Cosh": Kind.COSH,
        "Div": Kind.DIV,
        "Equal": Kind.EQUAL,
        "Erf": Kind.ERF,
        "Exp": Kind.EXP,
        "Floor": Kind.FLOOR,
        "Greater": Kind.GREATER,
        "GreaterOrEqual": Kind.GREATER_OR_EQUAL,
        "IsNaN": Kind.IS_NAN,
        "Less": Kind.LESS,
        "LessOrEqual": Kind.LESS_OR_EQUAL,
        "Log": Kind.LOG,
        "Mul": Kind.MUL,
        "Neg": Kind.NEG,
        "Not": Kind.NOT,
        "Or": Kind.OR,
        "Pow": Kind.POW,
        "Reciprocal": Kind.RECIPROCAL,
        "Round": Kind.ROUND,
        "Sign": Kind.SIGN,
        "Sin": Kind.SIN,
        "Sinh": Kind.SINH,
        "Sqrt": Kind.SQRT,
        "Sub": Kind.SUB,
        "Tan": Kind.TAN,
        "Where": Kind.WHERE,
        "Xor": Kind.XOR,
    }
)
"""ONNX operator → kind, for those that say the same thing in both."""

COMMUTING = frozenset({Kind.ADD, Kind.AND, Kind.EQUAL, Kind.MAX, Kind.MIN, Kind.MUL, Kind.OR})
"""Kinds whose operands may change places."""


class RaisePointwise(OnnxRewrite):
    """An operator of `ELEMENTWISE` --> `sem.elementwise` of its kind.

    Where the order doesn't matter, a constant comes second at once: pass `simplify` would put it
    there (`ConstantSecond`), and build the op again.
    """

    op_types = tuple(ELEMENTWISE)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        kind = ELEMENTWISE[node.op_type]
        operands = node.required(kind.arity)
        if operands is None or not _scalars(node):
            return None
        if kind in COMMUTING and is_known(operands[0]) and not is_known(operands[1]):
            operands = operands[::-1]
        return elementwise(kind, operands, node.type)


class RaiseVariadic(OnnxRewrite):
    """`Max(a, b, c)` --> two `sem.elementwise`, from left to right; `Min` and `Sum` alike."""

    op_types = ("Max", "Min", "Sum")
    _kinds = MappingProxyType({"Max": Kind.MAX, "Min": Kind.MIN, "Sum": Kind.ADD})

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(len(node.inputs))
        if not operands or not _scalars(node):
            return None
        partial: list[ir.Type] = []
        for count in range(2, len(operands)):
            shape = sem.broadcast_shapes([sem.shape_of(v) for v in operands[:count]])
            if shape is None:
                return None
            partial.append(with_shape(shape, operands[0]))
        value, *rest = operands
        if not rest:
            return value if value.type == node.type else None
        for operand, type_ in zip(rest, [*partial, node.type], strict=True):
            value = elementwise(self._kinds[node.op_type], [value, operand], type_)
        return value


class RaiseMod(OnnxRewrite):
    """`Mod(a, b)` --> kind fmod (sign of the dividend) or mod (sign of the divisor)."""

    op_types = ("Mod",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not _scalars(node):
            return None
        return elementwise(Kind.FMOD if node.int("fmod", 0) else Kind.MOD, operands, node.type)


class RaiseBitShift(OnnxRewrite):
    """`BitShift(a, b)` --> kind shift_left or shift_right."""

    op_types = ("BitShift",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        kinds = {"LEFT": Kind.SHIFT_LEFT, "RIGHT": Kind.SHIFT_RIGHT}
        operands, kind = node.required(2), kinds.get(node.text("direction", ""))
        if operands is None or kind is None or not _scalars(node):
            return None
        return elementwise(kind, operands, node.type)


class RaisePRelu(OnnxRewrite):
    """`PRelu(x, slope)` on floats --> kind prelu."""

    op_types = ("PRelu",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not node.is_of(FLOATS):
            return None
        return elementwise(Kind.PRELU, operands, node.type)


class RaiseCast(OnnxRewrite):
    """`Cast(x)`, `CastLike(x, like)` --> kind cast; to and from the wider types only."""

    op_types = ("Cast", "CastLike")

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(1)
        if operands is None or not _scalars(node):
            return None
        return elementwise(Kind.CAST, operands, node.type)


class RaiseClip(OnnxRewrite):
    """`Clip(x, low?, high?)` --> by what is given.

    1. Both bounds, of rank 0: kind clip.
    2. Otherwise: kind max with the lower bound if there is one, then min with the upper one.
       Where low > high that gives high, as ONNX has it.
    3. Neither: x itself.
    """

    op_types = ("Clip",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(1)
        if operands is None or not _scalars(node) or node.version < 11:  # bounds were attributes
            return None
        x, low, high = operands[0], node.input(1), node.input(2)
        bounds = [b for b in (low, high) if b is not None]
        if any(
            sem.broadcast_shapes([sem.shape_of(x), sem.shape_of(b)]) != sem.shape_of(x)
            for b in bounds
        ):
            return None
        if len(bounds) == 2 and not any(sem.shape_of(b) for b in bounds):  # case 1
            return elementwise(Kind.CLIP, [x, *bounds], node.type)
        if not bounds:  # case 3
            return x if x.type == node.type else None
        if low is not None:  # case 2
            x = elementwise(Kind.MAX, [x, low], node.type)
        return x if high is None else elementwise(Kind.MIN, [x, high], node.type)


class DropIdentity(OnnxRewrite):
    """`Identity(x)`, and `Dropout(x)` outside training, --> x."""

    op_types = ("Identity", "Dropout")

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(1)
        if operands is None or operands[0].type != node.type:
            return None
        if node.op_type == "Dropout" and (node.version < 12 or _may_train(node.input(2))):
            return None
        return operands[0]


def _may_train(training_mode: ir.Value | None) -> bool:
    if training_mode is None:
        return False
    owner = training_mode.owner
    if isinstance(owner, ir.Block) or owner.name != "sem.constant":
        return True
    return bool(to_array(owner.attributes["value"]).any())


def _scalars(node: OnnxNode) -> bool:
    return node.elements <= SCALARS
