"""Agreements between the shapes of a node's inputs that onnx's inference doesn't look at.

A convolution over 4 channels with a weight for 3 passes inference, and is undefined. Only static
extents are compared; what is symbolic is checked where it is known, when the program runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from noema.errors import InvalidModel
from noema.frontend.propagate import int_attribute
from noema.frontend.schemas import domain_of
from noema.frontend.shapes import ValueType
from noema.signature import Dim

Shapes = Sequence[tuple[Dim, ...] | None]
"""Shapes of a node's inputs; None for an omitted one."""


def check_geometry(node: onnx.NodeProto, types: Mapping[str, ValueType]) -> None:
    """Checks that the shapes of the node's inputs belong together.

    Args:
        node: A node whose inputs all have types.
        types: Types of values.

    Raises:
        InvalidModel: They don't.
    """
    rule = _RULES.get(node.op_type) if domain_of(node) == "" else None
    if rule is None:
        return
    shapes = [types[n].shape if n else None for n in node.input]
    reason = rule(node, [*shapes, *[None] * 8])
    if reason is not None:
        raise InvalidModel(f"{node.op_type}: {reason}", node=node.name)


def _differ(a: Dim, b: Dim) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a != b


def _channels(
    node: onnx.NodeProto, x: tuple[Dim, ...], weight: tuple[Dim, ...], bias: tuple[Dim, ...] | None
) -> str | None:
    group = int_attribute(node, "group", 1)
    if len(x) < 3 or len(weight) != len(x):
        return f"input of rank {len(x)} and weight of rank {len(weight)}"
    if group < 1:
        return f"{group} groups"
    channels, inner, outer = x[1], weight[1], weight[0]
    if isinstance(inner, int) and _differ(channels, inner * group):
        return f"input has {channels} channels; weight and groups take {inner * group}"
    if isinstance(outer, int) and outer % group:
        return f"{outer} output channels in {group} groups"
    if bias is not None and (len(bias) != 1 or _differ(bias[0], outer)):
        return f"bias of shape {list(bias)} for {outer} output channels"
    kernel = next((a.ints for a in node.attribute if a.name == "kernel_shape"), None)
    if kernel is not None and any(map(_differ, kernel, weight[2:])):
        return f"kernel_shape is {list(kernel)}; the weight's is {list(weight[2:])}"
    return None


def _conv(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x, weight, bias = shapes[:3]
    return None if x is None or weight is None else _channels(node, x, weight, bias)


def _conv_integer(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x, weight = shapes[:2]
    return None if x is None or weight is None else _channels(node, x, weight, None)


def _qlinear_conv(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x, weight, bias = shapes[0], shapes[3], shapes[8]
    return None if x is None or weight is None else _channels(node, x, weight, bias)


def _conv_transpose(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x, weight, bias = shapes[:3]
    if x is None or weight is None:
        return None
    group = int_attribute(node, "group", 1)
    if len(x) < 3 or len(weight) != len(x):
        return f"input of rank {len(x)} and weight of rank {len(weight)}"
    if group < 1 or (isinstance(x[1], int) and x[1] % group):
        return f"{x[1]} input channels in {group} groups"
    if _differ(x[1], weight[0]):
        return f"input has {x[1]} channels; the weight takes {weight[0]}"
    per_group = weight[1]
    if bias is not None and (
        len(bias) != 1 or (isinstance(per_group, int) and _differ(bias[0], per_group * group))
    ):
        return f"bias of shape {list(bias)} for {per_group} output channels in {group} groups"
    return None


def _per_channel(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    """Every input but the first is one number per channel."""
    x = shapes[0]
    if x is None:
        return None
    if len(x) < 2:
        return f"input of rank {len(x)} has no channels"
    for shape in shapes[1 : len(node.input)]:
        if shape is not None and (len(shape) != 1 or _differ(shape[0], x[1])):
            return f"a parameter of shape {list(shape)} for {x[1]} channels"
    return None


def _group_normalization(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x = shapes[0]
    groups = int_attribute(node, "num_groups", 1)
    if x is None:
        return None
    if len(x) < 2:
        return f"input of rank {len(x)} has no channels"
    if groups < 1 or (isinstance(x[1], int) and x[1] % groups):
        return f"{x[1]} channels in {groups} groups"
    for shape in shapes[1 : len(node.input)]:
        # Per channel as of operator set 21, per group before.
        if shape is not None and (
            len(shape) != 1 or (_differ(shape[0], x[1]) and _differ(shape[0], groups))
        ):
            return f"a parameter of shape {list(shape)} for {x[1]} channels"
    return None


def _trailing(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    """Every input but the first broadcasts to the first, from `axis` on."""
    x = shapes[0]
    if x is None:
        return None
    axis = int_attribute(node, "axis", -1)
    if not -len(x) <= axis < len(x):
        return f"axis {axis} of an input of rank {len(x)}"
    for shape in shapes[1 : len(node.input)]:
        if shape is None:
            continue
        if len(shape) > len(x) or any(
            d != 1 and _differ(d, e) for d, e in zip(shape[::-1], x[::-1], strict=False)
        ):
            return f"a parameter of shape {list(shape)} for an input of shape {list(x)}"
    return None


def _gemm(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    a, b, c = shapes[:3]
    if a is None or b is None or len(a) != 2 or len(b) != 2:
        return "its factors must be matrices"
    rows, inner = a[::-1] if int_attribute(node, "transA", 0) else a
    depth, columns = b[::-1] if int_attribute(node, "transB", 0) else b
    if _differ(inner, depth):
        return f"inner extents are {inner} and {depth}"
    if c is not None and (
        len(c) > 2
        or any(d != 1 and _differ(d, e) for d, e in zip(c[::-1], (columns, rows), strict=False))
    ):
        return f"bias of shape {list(c)} for a product of shape {[rows, columns]}"
    return None


def _prelu(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x, slope = shapes[:2]
    if x is None or slope is None:
        return None
    if len(slope) > len(x) or any(
        d != 1 and _differ(d, e) for d, e in zip(slope[::-1], x[::-1], strict=False)
    ):
        return f"slope of shape {list(slope)} for an input of shape {list(x)}"
    return None


def _recurrent(gates: int) -> Callable[[onnx.NodeProto, Shapes], str | None]:
    def rule(node: onnx.NodeProto, shapes: Shapes) -> str | None:
        x, weight, recurrence, bias = shapes[:4]
        if x is None or weight is None or recurrence is None:
            return None
        if len(x) != 3 or len(weight) != 3 or len(recurrence) != 3:
            return "input and weights must have rank 3"
        hidden = int_attribute(node, "hidden_size", 0) or recurrence[2]
        direction = next((a.s for a in node.attribute if a.name == "direction"), b"forward")
        directions = 2 if direction == b"bidirectional" else 1
        if not isinstance(hidden, int):
            return None
        expected: dict[str, tuple[tuple[Dim, ...], tuple[Dim, ...]]] = {
            "weight": (weight, (directions, gates * hidden, x[2])),
            "recurrence weight": (recurrence, (directions, gates * hidden, hidden)),
        }
        if bias is not None:
            expected["bias"] = (bias, (directions, 2 * gates * hidden))
        for what, (shape, wanted) in expected.items():
            if len(shape) != len(wanted) or any(map(_differ, shape, wanted)):
                return f"{what} of shape {list(shape)}, not {list(wanted)}"
        return None

    return rule


def _transpose(node: onnx.NodeProto, shapes: Shapes) -> str | None:
    x = shapes[0]
    perm = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
    if x is None or perm is None or sorted(perm) == list(range(len(x))):
        return None
    return f"perm {perm} doesn't order the dimensions of an input of rank {len(x)}"


_RULES: Mapping[str, Callable[[onnx.NodeProto, Shapes], str | None]] = {
    "BatchNormalization": _per_channel,
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "ConvTranspose": _conv_transpose,
    "GRU": _recurrent(3),
    "Gemm": _gemm,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _per_channel,
    "LSTM": _recurrent(4),
    "LayerNormalization": _trailing,
    "PRelu": _prelu,
    "QLinearConv": _qlinear_conv,
    "RMSNormalization": _trailing,
    "RNN": _recurrent(1),
    "Transpose": _transpose,
}
