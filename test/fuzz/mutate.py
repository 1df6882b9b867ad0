"""Seeded mutations of ONNX models: of their bytes, and of their fields."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from noema.frontend.wire import slim_model

_EDGES = (
    0, 1, -1, 2, 7, 32, 33, 127, 255, 256, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, -(1 << 31),
    1 << 32, 1 << 46, 1 << 62, (1 << 63) - 1, -(1 << 63),
)  # fmt: skip
_TEXTS = (
    "", "x", "\0", "é☃", "../../etc/passwd", "/etc/passwd", "a" * 5000, "Constant", "Loop",
    "If", "ai.onnx.ml", "com.microsoft", "ConstantOfShape", "Reshape", "Expand", "axis", "%s",
)  # fmt: skip


def mutant(models: list[bytes], seed: int) -> bytes:
    """One mutant, the same for the same arguments.

    Args:
        models: Serialized valid models.
        seed: Any number.
    """
    rng = random.Random(seed)
    source = rng.choice(models)
    if rng.random() < 0.4:
        return _mutate_bytes(source, rng)
    model = onnx.ModelProto.FromString(source)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        _mutate_field(model, rng)
    return model.SerializeToString()


def _mutate_bytes(source: bytes, rng: random.Random) -> bytes:
    """Flips, inserts, deletes, repeats or cuts bytes, rarely inside of weights."""
    data = bytearray(source)
    _, tickets = slim_model(memoryview(source), budget=len(source) * 2)
    weights = [(r.offset, r.offset + r.length) for r in tickets.regions]
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) or 1)
        if any(start <= at < end for start, end in weights) and rng.random() < 0.95:
            at = rng.choice(weights)[0] - rng.randrange(1, 64)
        at = max(0, min(at, len(data) - 1))
        action = rng.randrange(6)
        if action == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif action == 1 and data:
            data[at] = rng.randrange(256)
        elif action == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif action == 3:
            del data[at : at + rng.randrange(1, 9)]
        elif action == 4:
            data[at:at] = data[at : at + rng.randrange(1, 200)]
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


def _mutate_field(model: onnx.ModelProto, rng: random.Random) -> None:
    message = rng.choice(list(_messages(model)))
    present = [f for f, _ in message.ListFields()]
    fields = present if present and rng.random() < 0.85 else list(message.DESCRIPTOR.fields)
    field = rng.choice(fields)
    if field.is_repeated:
        _mutate_repeated(message, field, rng, model)
    elif field.type == FieldDescriptor.TYPE_MESSAGE or rng.random() < 0.2:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _value(field, rng, model))


def _mutate_repeated(
    message: Message, field: FieldDescriptor, rng: random.Random, model: onnx.ModelProto
) -> None:
    values: Any = getattr(message, field.name)
    action = rng.randrange(5)
    if not len(values):
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            values.append(_value(field, rng, model))
        else:
            values.add()
        return
    at = rng.randrange(len(values))
    if action == 0:
        del values[at]
    elif action == 1 and field.type == FieldDescriptor.TYPE_MESSAGE:
        values.add().CopyFrom(values[at])
    elif action == 2 and field.type == FieldDescriptor.TYPE_MESSAGE:
        other = rng.randrange(len(values))
        kept = type(values[at])()
        kept.CopyFrom(values[at])
        values[at].CopyFrom(values[other])
        values[other].CopyFrom(kept)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        del values[at:]
    elif action in (1, 2):
        values.append(values[at])
    else:
        values[at] = _value(field, rng, model)


def _value(field: FieldDescriptor, rng: random.Random, model: onnx.ModelProto) -> Any:
    kind = field.cpp_type
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return rng.choice((0.0, -1.0, 1e30, float("nan"), float("inf"), -float("inf")))
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return rng.choice((b"", b"\0", b"SAME_UPPER", rng.randbytes(9), rng.randbytes(3000)))
        node = rng.choice(model.graph.node) if len(model.graph.node) else onnx.NodeProto()
        return rng.choice((*_TEXTS, node.op_type, *node.input, *node.output))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return rng.choice([v.number for v in field.enum_type.values])
    edge = rng.choice(_EDGES) if rng.random() < 0.7 else rng.randrange(-8, 40)
    if kind == FieldDescriptor.CPPTYPE_INT32:
        return (edge + (1 << 31)) % (1 << 32) - (1 << 31)
    if kind == FieldDescriptor.CPPTYPE_UINT32:
        return edge % (1 << 32)
    if kind == FieldDescriptor.CPPTYPE_UINT64:
        return edge % (1 << 64)
    return edge


def _messages(message: Message) -> Iterator[Message]:
    """The message and every one inside it."""
    yield message
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                yield from _messages(inner)
