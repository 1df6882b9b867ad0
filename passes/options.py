"""Options of a pass: between its dataclass fields and their text in a pipeline.

A field `max_bytes: int = 65536` is the option `max-bytes`. Types: `str`, `int`, `float`, `bool`,
an enumeration (by value), `tuple[T, ...]` of one of these (`[a,b]`), and `T | None` (`none`).
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from noema.errors import InvalidOption
from noema.passes.base import Pass
from noema.passes.pipeline_spec import OptionValue, PassSpec


@dataclass(frozen=True)
class OptionInfo:
    """One option of a pass, for listings.

    Attributes:
        name: As written in a pipeline.
        type: Its type in words, e.g. `int`, `relu|gelu`, `list of int`.
        default: Its default as written in a pipeline; None if it must be given.
        doc: What the pass's docstring says about it.
    """

    name: str
    type: str
    default: str | None
    doc: str


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A remedy that suggests the nearest known name, if one is near, and lists all."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    listing = f"known: {', '.join(known)}" if known else "it takes none"
    return f"did you mean {near[0]!r}? {listing}" if near else listing


def pass_from_spec(cls: type[Pass], spec: PassSpec) -> Pass:
    """Makes the pass that a pipeline item names.

    Raises:
        InvalidOption: An unknown or missing option, or a value of the wrong type.
    """
    fields = {_option_name(f.name): f for f in _fields(cls)}
    hints = typing.get_type_hints(cls) if spec.options else {}  # slow, and nearly never needed
    values: dict[str, object] = {}
    for key, text in spec.options:
        field = fields.get(key)
        if field is None:
            raise InvalidOption(
                f"pass {spec.name} has no option {key!r}", remedy=did_you_mean(key, fields)
            )
        try:
            values[field.name] = _read(hints[field.name], text)
        except ValueError:
            raise InvalidOption(
                f"pass {spec.name}: {key} takes {_describe(hints[field.name])}, not {text!r}"
            ) from None
    for key, field in fields.items():
        if field.name not in values and _is_required(field):
            raise InvalidOption(f"pass {spec.name}: option {key!r} must be given")
    try:
        return cls(**values)
    except ValueError as error:  # a check in the pass's __post_init__
        raise InvalidOption(f"pass {spec.name}: {error}") from error


def spec_of(instance: Pass) -> PassSpec:
    """The pipeline item that makes this pass; options at their default are left out."""
    options: list[tuple[str, OptionValue]] = []
    for field in _fields(type(instance)):
        value = getattr(instance, field.name)
        if _is_required(field) or value != _default(field):
            options.append((_option_name(field.name), _write(value)))
    return PassSpec(instance.name, tuple(options))


def options_of(cls: type[Pass]) -> tuple[OptionInfo, ...]:
    """The options of a pass, in order of declaration."""
    hints = typing.get_type_hints(cls)
    docs = _documented(cls)
    return tuple(
        OptionInfo(
            _option_name(f.name),
            _describe(hints[f.name]),
            None if _is_required(f) else _text(_write(_default(f))),
            docs.get(f.name, ""),
        )
        for f in _fields(cls)
    )


def summary_of(cls: type[Pass]) -> str:
    """First sentence of the pass's docstring, on one line; empty if there is none."""
    paragraph = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def _fields(cls: type[Pass]) -> tuple[dataclasses.Field[object], ...]:
    if not dataclasses.is_dataclass(cls):
        raise InvalidOption(f"{cls.__module__}:{cls.__qualname__} is not a dataclass")
    return dataclasses.fields(cls)


def _option_name(field: str) -> str:
    return field.replace("_", "-")


def _is_required(field: dataclasses.Field[object]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _default(field: dataclasses.Field[object]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _optional(hint: object) -> object | None:
    """T of `T | None`, else None."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) == 1 and len(typing.get_args(hint)) == 2:
            return inner[0]
    return None


def _read(hint: object, text: OptionValue) -> object:
    inner = _optional(hint)
    if inner is not None:
        return None if text == "none" else _read(inner, text)
    if typing.get_origin(hint) is tuple:
        element = typing.get_args(hint)[0]
        return tuple(_read(element, t) for t in ((text,) if isinstance(text, str) else text))
    if isinstance(text, tuple):
        raise ValueError("a list where one value belongs")
    if hint is bool:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"
    if hint is int and not re.fullmatch(r"[+-]?\d+", text):  # int() also takes 1_000 and ' 1'
        raise ValueError(text)
    if isinstance(hint, type) and issubclass(hint, Enum):
        for member in hint:
            if str(member.value) == text:
                return member
        raise ValueError(text)
    if hint in (int, float, str):
        return typing.cast("type[int | float | str]", hint)(text)
    raise InvalidOption(f"options of type {hint} can't be written in a pipeline")


def _write(value: object) -> OptionValue:
    if isinstance(value, tuple):
        return tuple(str(_write(v)) for v in typing.cast("tuple[object, ...]", value))
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(value.value)
    return repr(value) if isinstance(value, float) else str(value)


def _text(value: OptionValue) -> str:
    return value if isinstance(value, str) else f"[{','.join(value)}]"


def _describe(hint: object) -> str:
    inner = _optional(hint)
    if inner is not None:
        return f"{_describe(inner)} or none"
    if typing.get_origin(hint) is tuple:
        return f"list of {_describe(typing.get_args(hint)[0])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "|".join(str(m.value) for m in hint)
    if hint is bool:
        return "true|false"
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _documented(cls: type[Pass]) -> dict[str, str]:
    """The entries of the docstring's `Attributes:` section."""
    section = re.search(
        r"^Attributes:\n((?:[ ]+.*\n?|\n)*)", inspect.getdoc(cls) or "", re.MULTILINE
    )
    entries: dict[str, str] = {}
    name = ""
    for line in section[1].splitlines() if section else ():
        if start := re.match(r" {4}(\w+): (.*)", line):
            name = start[1]
            entries[name] = start[2].strip()
        elif name and line.strip():
            entries[name] += f" {line.strip()}"
    return entries
