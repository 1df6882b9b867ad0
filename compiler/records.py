"""Frozen dataclasses as JSON and back, field by field, by their type hints.

Fields may be numbers, strings, booleans, `StrEnum`s, other records, tuples of one kind, mappings
from strings, and any of these or None.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")


def encode(value: Any) -> Any:
    """A record, or anything in one, as JSON values."""
    if dataclasses.is_dataclass(value):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        items = typing.cast("Mapping[str, Any]", value).items()
        return {str(k): encode(v) for k, v in items}
    if isinstance(value, tuple | list):
        return [encode(v) for v in typing.cast("Sequence[Any]", value)]
    return value


def decode(kind: type[T], record: Any) -> T:
    """The inverse of `encode` for records of a class.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It isn't such a record.
    """
    return kind(**{name: _value(hint, record[name]) for name, hint in _hints(kind)})


@functools.cache
def _hints(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    """Name and type of each field; resolving them anew for each record takes most of the time."""
    hints = typing.get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(kind))


def _value(hint: Any, value: Any) -> Any:
    if hint is str or hint is int:
        return hint(value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _value(arguments[0], value)
    if origin is tuple:
        return tuple(_value(arguments[0], v) for v in value)
    if origin is not None and issubclass(origin, Mapping):
        return {str(k): _value(arguments[1], v) for k, v in value.items()}
    if dataclasses.is_dataclass(hint):
        return decode(typing.cast("type[Any]", hint), value)
    return hint(value)
