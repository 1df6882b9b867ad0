r"""The language of `--passes`: which passes run, in which order, with which options.

```
pipeline := [item ("," item)*]
item     := NAME [options] | ANCHOR "(" pipeline ")"
options  := "{" (KEY ["=" value])* "}"
value    := word | string | "[" [(word | string) ("," (word | string))*] "]"
```

as in `raise,fuse{limit=3 kinds=[relu,gelu]},cse,func.func(canonicalize)`. A key without a value
means `key=true`; a string is in double quotes with `\` escapes. `parse_pipeline` and `str()` are
inverse to each other.

This module knows the language only; which passes exist is up to `passes/registry.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from noema.errors import InvalidOption

MAX_NESTING = 16
_TOKEN = re.compile(
    r"""\s*(?: (?P<string>"(?:[^"\\]|\\.)*")
             | (?P<word>[^\s,{}()\[\]"=]+)
             | (?P<mark>[,{}()\[\]=])
             | (?P<end>$) )""",
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r'[^\s,{}()\[\]"=]+')

OptionValue = str | tuple[str, ...]
"""The text of an option, or of each element of a list."""


@dataclass(frozen=True)
class PassSpec:
    """One pass by name, with its options as text, in the order written."""

    name: str
    options: tuple[tuple[str, OptionValue], ...] = ()

    def __str__(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}{{{' '.join(f'{k}={_print(v)}' for k, v in self.options)}}}"


@dataclass(frozen=True)
class NestedSpec:
    """MLIR passes that run on every op of one kind: `func.func(canonicalize,cse)`."""

    anchor: str
    body: Pipeline

    def __str__(self) -> str:
        return f"{self.anchor}({self.body})"


@dataclass(frozen=True)
class Pipeline:
    """Passes in the order in which they run."""

    items: tuple[PassSpec | NestedSpec, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.items))


def parse_pipeline(text: str) -> Pipeline:
    """Reads a pipeline.

    Raises:
        InvalidOption: The text isn't of the form above; the message shows where.
    """
    return _Parser(text).parse()


def _print(value: OptionValue) -> str:
    if isinstance(value, tuple):
        return f"[{','.join(_print(v) for v in value)}]"
    if _WORD.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    def is_mark(self, marks: str) -> bool:
        return self.kind == "mark" and self.text in marks

    @property
    def value(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.text[1:-1], flags=re.DOTALL)


class _Parser:
    """Recursive descent over the tokens; `_next` is the one not yet consumed."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._scan()
        self._next = next(self._tokens)

    def _scan(self) -> Iterator[_Token]:
        position = 0
        while match := _TOKEN.match(self._text, position):
            kind = str(match.lastgroup)
            yield _Token(kind, match[kind], match.start(kind))
            if kind == "end":
                return
            position = match.end()
        raise self._error("unterminated string", position)

    def _error(self, problem: str, position: int) -> InvalidOption:
        line = self._text.replace("\n", " ").replace("\t", " ")
        return InvalidOption(f"pass pipeline: {problem}\n  {line}\n  {' ' * position}^")

    def _expected(self, what: str) -> InvalidOption:
        got = "the end" if self._next.kind == "end" else repr(self._next.text)
        return self._error(f"expected {what}, found {got}", self._next.start)

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _word(self, what: str) -> str:
        if self._next.kind != "word":
            raise self._expected(what)
        return self._take().text

    def _mark(self, mark: str, what: str) -> None:
        if not self._next.is_mark(mark):
            raise self._expected(what)
        self._take()

    def parse(self) -> Pipeline:
        pipeline = self._pipeline(0)
        if self._next.kind != "end":
            raise self._expected("',' or the end")
        return pipeline

    def _pipeline(self, depth: int) -> Pipeline:
        if depth > MAX_NESTING:
            raise self._error(f"nested deeper than {MAX_NESTING}", self._next.start)
        if self._next.kind == "end" or self._next.is_mark(")"):
            return Pipeline()
        items = [self._item(depth)]
        while self._next.is_mark(","):
            self._take()
            items.append(self._item(depth))
        return Pipeline(tuple(items))

    def _item(self, depth: int) -> PassSpec | NestedSpec:
        name = self._word("a pass name")
        if self._next.is_mark("("):
            self._take()
            body = self._pipeline(depth + 1)
            self._mark(")", "',' or ')'")
            return NestedSpec(name, body)
        if self._next.is_mark("{"):
            self._take()
            return PassSpec(name, self._options(name))
        return PassSpec(name)

    def _options(self, name: str) -> tuple[tuple[str, OptionValue], ...]:
        options: dict[str, OptionValue] = {}
        while not self._next.is_mark("}"):
            start = self._next.start
            key = self._word(f"an option of {name} or '}}'")
            if key in options:
                raise self._error(f"option {key!r} of {name} is given twice", start)
            options[key] = "true"
            if self._next.is_mark("="):
                self._take()
                options[key] = self._value()
        self._take()
        return tuple(options.items())

    def _value(self) -> OptionValue:
        if not self._next.is_mark("["):
            return self._scalar()
        self._take()
        values: list[str] = []
        if not self._next.is_mark("]"):
            values.append(self._scalar())
            while self._next.is_mark(","):
                self._take()
                values.append(self._scalar())
        self._mark("]", "',' or ']'")
        return tuple(values)

    def _scalar(self) -> str:
        if self._next.kind == "string":
            return self._take().value
        return self._word("a value")
