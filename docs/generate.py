"""Writes the reference pages that are made from the sources: `make docs`.

One page each for the ops of `sem`, the passes and the errors, into `build/docs/` beside copies of
the written pages. Text comes from docstrings, examples are the lit tests themselves, so neither
can go stale. An op or a pass without a docstring or a lit test stops the build with its name.

The schemas of `noema explain --json` and `noema profile --json` are made likewise, and also kept in
`docs/`, because people look for them there; a test sees to it that they are up to date.
"""

from __future__ import annotations

import argparse
import inspect
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import record_schema

from noema.dialects import sem
from noema.errors import ERRORS
from noema.passes import registry
from noema.passes.options import options_of

ROOT = Path(__file__).resolve().parents[1]
LIT = ROOT / "test" / "lit"


class MissingDocumentation(Exception):
    """An op or a pass lacks its docstring or its lit test."""


def docstring(name: str, cls: type) -> str:
    """The class's own docstring without indentation.

    Raises:
        MissingDocumentation: It has none, or only the one that `dataclass` makes up.
    """
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    if not text or text.startswith(f"{cls.__name__}("):
        raise MissingDocumentation(f"{name} has no docstring")
    return text


def lit_tests(folder: str, name: str) -> list[Path]:
    """The lit tests of one op or pass: `<name>.mlir` and `<name>-….mlir`.

    Raises:
        MissingDocumentation: There is none.
    """
    found = sorted((LIT / folder).glob(f"{name}.mlir")) + sorted((LIT / folder).glob(f"{name}-*"))
    if not found:
        raise MissingDocumentation(f"{name} has no lit test in test/lit/{folder}/")
    return found


def examples(tests: list[Path]) -> Iterator[str]:
    """Each test as a folded block of MLIR under its file name."""
    for test in tests:
        yield f"<details><summary><code>{test.relative_to(ROOT)}</code></summary>\n"
        yield f"```mlir\n{test.read_text(encoding='utf-8').strip()}\n```\n\n</details>\n"


def dialect_page() -> str:
    """The dialect's docstring, then every op: what it means, and its tests."""
    lines = ["# The `sem` dialect\n", inspect.cleandoc(sem.__doc__ or ""), ""]
    ops = [op for op in vars(sem).values() if isinstance(op, type) and is_op(op)]
    for op in sorted(ops, key=op_name):
        name = op_name(op)
        lines += [f"## `{name}`\n", docstring(name, op), ""]
        lines += examples(lit_tests("dialect", name.removeprefix("sem.")))
    return "\n".join(lines)


def is_op(cls: type) -> bool:
    """Whether a class is an op of the dialect and not the base that all share."""
    return str(getattr(cls, "OPERATION_NAME", "")).startswith("sem.")


def op_name(cls: type) -> str:
    """`sem.matmul`."""
    return str(getattr(cls, "OPERATION_NAME", ""))


def passes_page() -> str:
    """Every pass of noema's own: before and after, options, tests; then MLIR's by name."""
    pipeline = ",".join(registry.DEFAULT_PIPELINE)
    lines = ["# Passes\n", f"`noema compile` runs `{pipeline}`.\n"]
    for name in sorted(registry.PASSES):
        cls = registry.find_pass(name)
        assert cls is not None, name
        lines += [f"## `{name}`\n", docstring(name, cls), ""]
        for option in options_of(cls):
            default = "required" if option.default is None else f"default `{option.default}`"
            lines.append(f"- `{option.name}` ({option.type}; {default}): {option.doc}")
        lines += ["", *examples(lit_tests("passes", name))]
    lines += ["## Of MLIR\n"]
    lines += [f"- `{name}`: {text}" for name, text in registry.MLIR_PASSES.items()]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every error with its exit code."""
    lines = ["# Errors\n", "| Error | Exit code of `noema` | Meaning |", "|---|---|---|"]
    for name, cls in sorted(ERRORS.items(), key=lambda item: item[1].exit_code):
        meaning = docstring(name, cls).splitlines()[0]
        lines.append(f"| `{name}` | {cls.exit_code} | {meaning} |")
    return "\n".join(lines) + "\n"


def kept_pages() -> dict[str, str]:
    """The generated pages that are kept in `docs/`.

    Raises:
        MissingDocumentation: A field of the profile has no description.
    """
    missing = record_schema.undocumented()
    if missing:
        raise MissingDocumentation(f"{', '.join(missing)}: no line under `Attributes:`")
    pages: dict[str, str] = {}
    for document in record_schema.DOCUMENTS:
        schema = json.dumps(record_schema.json_schema(document), indent=2, ensure_ascii=False)
        pages[f"{document.page}_schema.md"] = record_schema.page(document)
        pages[f"{document.page}.schema.json"] = f"{schema}\n"
    return pages


def generate(output: Path) -> list[Path]:
    """Writes all pages into `output` and returns them.

    Raises:
        MissingDocumentation: Something that must be documented is not.
    """
    pages = {"dialect.md": dialect_page(), "passes.md": passes_page(), "errors.md": errors_page()}
    output.mkdir(parents=True, exist_ok=True)
    for page in [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*.png")]:
        shutil.copyfile(page, output / page.name)
    for name, text in {**pages, **kept_pages()}.items():
        (output / name).write_text(text, encoding="utf-8")
    return sorted(output.glob("*.md"))


def main() -> int:
    """Command line; 1 if documentation is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "docs")
    output: Path = parser.parse_args().output
    try:
        pages = generate(output)
        for name, text in kept_pages().items():
            if output == ROOT / "build" / "docs":
                (ROOT / "docs" / name).write_text(text, encoding="utf-8")
    except MissingDocumentation as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(map(str, pages)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
