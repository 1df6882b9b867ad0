"""The schemas of what `--json` prints, read off `noema.workload` and `noema.profile`.

As a page for people and as a JSON Schema (draft 2020-12) for programs.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from noema import profile, workload
from noema.profile import ProgramProfile
from noema.workload import WorkloadProfile


@dataclasses.dataclass(frozen=True)
class Document:
    """A kind of document that noema prints.

    Attributes:
        root: Its outermost record.
        schema: Name and version.
        page: Name of the page, and of the JSON Schema.
        introduction: What the page begins with.
    """

    root: type
    schema: str
    page: str
    introduction: str


def _introduction(root: type, schema: str, module: str, command: str, guide: str, page: str) -> str:
    name = root.__name__
    return f"""# The schema of `{command} --json`

What `{command} --json` prints and `{name}.to_json()` returns: an object of the type
[`{name}`](#{name.lower()}). `schema` is `{schema}`; its number rises when a field
changes its meaning or goes away, and new fields may come at any time. `{name}.from_json`
reads it back. `docs/{page}.schema.json` is the same as a JSON Schema; `docs/{guide}` says how
to read the figures.

This page is made from the docstrings of `compiler/{module}.py` by `make docs`.
"""


def _document(root: type, schema: str, module: str, page: str) -> Document:
    text = _introduction(root, schema, module, f"noema {page}", f"{page}.md", page)
    return Document(root, schema, page, text)


DOCUMENTS = (
    _document(WorkloadProfile, workload.SCHEMA, "workload", "explain"),
    _document(ProgramProfile, profile.SCHEMA, "profile", "profile"),
)


def records(document: Document) -> list[type]:
    """The root and every record in it, each before those that it holds."""
    found: dict[type, None] = {}

    def visit(hint: Any) -> None:
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and hint not in found:
            found[hint] = None
            for inner in typing.get_type_hints(hint).values():
                visit(inner)
        for argument in typing.get_args(hint):
            visit(argument)

    visit(document.root)
    return list(found)


def enumerations(document: Document) -> list[type[StrEnum]]:
    """The closed vocabularies that records use."""
    hints = [h for record in records(document) for h in _vocabularies(record)]
    return list(dict.fromkeys(h for h in hints if isinstance(h, type) and issubclass(h, StrEnum)))


def _vocabularies(record: type) -> Iterator[Any]:
    """The types of a record's fields, and those that they may be instead of null."""
    for hint in typing.get_type_hints(record).values():
        yield hint
        yield from typing.get_args(hint)


def page(document: Document) -> str:
    """The page for people."""
    lines = [document.introduction]
    for record in records(document):
        lines += [f"## {record.__name__}\n", f"{_summary(record)}\n", "| field | type | |"]
        lines.append("|---|---|---|")
        texts = _attributes(record)
        for name, hint in typing.get_type_hints(record).items():
            text = texts.get(name, "").replace("|", "\\|")
            lines.append(f"| `{name}` | {_type(hint)} | {text} |")
        lines.append("")
    for kind in enumerations(document):
        lines += [f"## {kind.__name__}\n", f"{_summary(kind)}\n"]
        lines.append(", ".join(f"`{member.value}`" for member in kind) + ".\n")
    return "\n".join(lines)


def json_schema(document: Document) -> dict[str, object]:
    """The same for programs."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": document.schema,
        "$ref": f"#/$defs/{document.root.__name__}",
        "$defs": {r.__name__: _object(r, document) for r in records(document)}
        | {kind.__name__: {"enum": [m.value for m in kind]} for kind in enumerations(document)},
    }


def _object(record: type, document: Document) -> dict[str, object]:
    hints = typing.get_type_hints(record)
    properties = {name: _property(hint) for name, hint in hints.items()}
    if record is document.root:
        properties["schema"] = {"const": document.schema}
    texts = _attributes(record)
    described = {
        name: {**rule, "description": texts[name]} if name in texts else rule
        for name, rule in properties.items()
    }
    return {
        "type": "object",
        "description": _summary(record),
        "properties": described,
        "required": list(hints),
    }


def _property(hint: Any) -> dict[str, object]:
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in plain:
        return {"type": plain[hint]}
    if origin is tuple:
        return {"type": "array", "items": _property(arguments[0])}
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_property(arguments[0]), {"type": "null"}]}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _property(arguments[1])}
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _type(hint: Any) -> str:
    plain = {str: "string", int: "integer", float: "number", bool: "boolean"}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in plain:
        return plain[hint]
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin in (types.UnionType, typing.Union):
        return f"{_type(arguments[0])} or null"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"object: string → {_type(arguments[1])}"
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _summary(cls: type) -> str:
    """The docstring up to its list of attributes."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[0].split())


def _attributes(cls: type) -> dict[str, str]:
    """Name → text, of the docstring's list of attributes."""
    return dict(_entries(inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[2]))


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", text, re.M):
        yield match[1], " ".join(match[2].split())


def undocumented() -> list[str]:
    """Fields of records without a line in their docstring."""
    return [
        f"{record.__name__}.{field.name}"
        for document in DOCUMENTS
        for record in records(document)
        for field in dataclasses.fields(record)
        if field.name not in _attributes(record)
    ]
