"""Finds large tensors in a serialized ONNX model without parsing or copying them.

A model file may hold gigabytes of weights. `slim_model` walks the protobuf wire format of the
mapped file, skips every message too small to matter, and writes a model in which the bytes of
large tensors are replaced by a *ticket*: a nonce of this call followed by a number. Who parses
the slim model finds, by `Tickets.region`, where in the file those bytes are. The nonce is random,
so no file can forge a ticket.

Only lengths are trusted, and only after they are checked against what encloses them. A message
is descended into at most `MAX_NESTING` times.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from noema.errors import InvalidModel

INLINE_LIMIT = 1024
"""Tensor contents up to this many bytes stay in the slim model."""

MAX_NESTING = 160
"""Messages within messages; a subgraph takes three."""

_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_FLOAT, _DOUBLE = 1, 11

# Field numbers of onnx.proto: message → field → message of that field.
_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR, _SPARSE, _FUNCTION = range(7)
_CHILDREN: tuple[dict[int, int], ...] = (
    {7: _GRAPH, 25: _FUNCTION},
    {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    {5: _ATTRIBUTE},
    {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH, 22: _SPARSE, 23: _SPARSE},
    {},
    {1: _TENSOR, 2: _TENSOR},
    {7: _NODE},
)
_TENSOR_TYPE, _TENSOR_FLOATS, _TENSOR_RAW, _TENSOR_DOUBLES = 2, 4, 9, 10


@dataclass(frozen=True)
class Region:
    """Bytes of the model file."""

    offset: int
    length: int


@dataclass
class Tickets:
    """The regions taken out of a model, and how a tensor refers to one."""

    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(24))
    regions: list[Region] = field(default_factory=list)

    def issue(self, region: Region) -> bytes:
        self.regions.append(region)
        return self.nonce + (len(self.regions) - 1).to_bytes(8, "little")

    def region(self, raw_data: bytes) -> Region | None:
        """The region that `raw_data` of a slim tensor stands for; None if it is real data."""
        if len(raw_data) != len(self.nonce) + 8 or not raw_data.startswith(self.nonce):
            return None
        return self.regions[int.from_bytes(raw_data[len(self.nonce) :], "little")]


def slim_model(data: memoryview, *, budget: int) -> tuple[bytes, Tickets]:
    """The serialized model without its large tensors.

    Args:
        data: A serialized `ModelProto`, e.g. a mapped file.
        budget: Most bytes that the slim model may have.

    Returns:
        A serialized `ModelProto`, and where the bytes taken out of it are in `data`.

    Raises:
        InvalidModel: Not well-formed protobuf, or too large without its tensors.
    """
    scanner = _Scanner(data, budget)
    pieces = scanner.message(0, len(data), _MODEL, 0)
    return b"".join(pieces), scanner.tickets


class _Scanner:
    def __init__(self, data: memoryview, budget: int) -> None:
        self.data = data
        self.budget = budget
        self.tickets = Tickets()

    def message(self, start: int, end: int, kind: int, depth: int) -> list[bytes]:
        """The slim form of the message in `data[start:end]`, in pieces."""
        if depth > MAX_NESTING:
            raise InvalidModel("the model's messages are nested too deeply")
        if kind == _TENSOR:
            return self._tensor(start, end)
        children = _CHILDREN[kind]
        pieces: list[bytes] = []
        copied = at = start
        while at < end:
            field_start = at
            number, wire, at, value_end = self._field(at, end)
            child = children.get(number) if wire == _LEN else None
            if child is not None and value_end - at > INLINE_LIMIT:
                inner = self.message(at, value_end, child, depth + 1)
                pieces.append(self._copy(copied, field_start))
                pieces.append(_varint(number << 3 | _LEN) + _varint(sum(map(len, inner))))
                pieces += inner
                copied = value_end
            at = value_end
        pieces.append(self._copy(copied, end))
        return pieces

    def _tensor(self, start: int, end: int) -> list[bytes]:
        """As `message`, for a `TensorProto`: its contents become a ticket if they are large."""
        contents: list[tuple[int, int, int, int]] = []
        dtype = 0
        at = start
        while at < end:
            field_start = at
            number, wire, at, value_end = self._field(at, end)
            if number in (_TENSOR_RAW, _TENSOR_FLOATS, _TENSOR_DOUBLES):
                contents.append((number if wire == _LEN else -1, field_start, at, value_end))
            elif number == _TENSOR_TYPE and wire == _VARINT:
                dtype = self._varint(at, end)[0]
            at = value_end
        # Packed floats of a little-endian machine are the same bytes as raw data.
        mappable = (
            (_TENSOR_RAW,),
            (_TENSOR_RAW, _TENSOR_FLOATS),
            (_TENSOR_RAW, _TENSOR_DOUBLES),
        )[1 if dtype == _FLOAT else 2 if dtype == _DOUBLE else 0]
        if len(contents) != 1:
            return [self._copy(start, end)]
        number, field_start, value_start, value_end = contents[0]
        if number not in mappable or value_end - value_start <= INLINE_LIMIT:
            return [self._copy(start, end)]
        ticket = self.tickets.issue(Region(value_start, value_end - value_start))
        return [
            self._copy(start, field_start),
            _varint(_TENSOR_RAW << 3 | _LEN) + _varint(len(ticket)) + ticket,
            self._copy(value_end, end),
        ]

    def _copy(self, start: int, end: int) -> bytes:
        self.budget -= end - start
        if self.budget < 0:
            raise InvalidModel(
                "the model is too large even without its weights",
                remedy="store large constants as initializers",
            )
        return bytes(self.data[start:end])

    def _field(self, at: int, end: int) -> tuple[int, int, int, int]:
        """Field number, wire type, and start and end of the value of the field at `at`."""
        tag, at = self._varint(at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0 or number >= 1 << 29:
            raise _malformed(at)
        if wire == _LEN:
            length, at = self._varint(at, end)
            value_end = at + length
        elif wire == _VARINT:
            value_end = self._varint(at, end)[1]
        elif wire == _I64:
            value_end = at + 8
        elif wire == _I32:
            value_end = at + 4
        else:
            # Groups have been obsolete for longer than ONNX has existed.
            raise _malformed(at)
        if value_end > end:
            raise _malformed(at)
        return number, wire, at, value_end

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number at `at` and where it ends."""
        result = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result, at
            shift += 7
        raise _malformed(at)


def _varint(value: int) -> bytes:
    result: list[int] = []
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _malformed(at: int) -> InvalidModel:
    return InvalidModel(f"not a well-formed ONNX file: damaged or truncated at byte {at}")
