"""`noema opt`: any pass pipeline over a `.mlir` file, as mlir-opt does."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noema.errors import InvalidIR, NoemaError

if TYPE_CHECKING:
    from torch_mlir import ir

    from noema.passes.pipeline_spec import Pipeline

_SPLIT = re.compile(r"^// -----.*$", re.MULTILINE)
_ANONYMOUS = re.compile(r"(?<=[ \n])-:(?=\d+:\d+)")


@dataclass(frozen=True)
class _Settings:
    """How each part of the input is processed.

    Attributes:
        pipeline: What to run.
        verify: Check the IR after each pass.
        generic: Print all ops in generic form.
        locations: Print the ops' locations.
        timing: Report what each pass did, on stderr.
        dump_ir: Folder for the IR after each pass.
        lower: Lower the result to linalg.
        kernels: Lower it to generated kernels too, for what processor (a key of `_PROCESSORS`).
        threads: Workers that kernels cut their work for.
    """

    pipeline: Pipeline
    verify: bool
    generic: bool
    locations: bool
    timing: bool
    dump_ir: Path | None
    lower: bool
    kernels: str | None
    threads: int


_PROCESSORS: Sequence[str] = ("x86-64-v3", "x86-64-v4", "x86-64-v4-bf16")


@click.command("opt", short_help="Run passes over a .mlir file.")
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--passes", default="", help="Pipeline, e.g. 'raise,cse,func.func(canonicalize)'.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="File to write; not stdout.")
@click.option("--list", "list_", is_flag=True, help="List the passes and their options.")
@click.option("--json", "json_", is_flag=True, help="With --list: as JSON.")
@click.option("--verify/--no-verify", default=True, help="Check the IR after each pass.")
@click.option("--timing", is_flag=True, help="Report each pass's time and effect on stderr.")
@click.option("--generic", is_flag=True, help="Print every op in generic form.")
@click.option("--locations", is_flag=True, help="Print locations, which name the ONNX nodes.")
@click.option(
    "--dump-ir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that gets the IR before the first pass and after each.",
)
@click.option("--lower", is_flag=True, help="Then lower the function to linalg.")
@click.option(
    "--kernels",
    type=click.Choice(_PROCESSORS),
    help="Lower it to linalg and to the kernels for such a processor, and print these too.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With --kernels: threads that share a kernel's work.",
)
@click.option("--split-input-file", is_flag=True, help="Process parts between '// -----' apart.")
@click.option(
    "--verify-diagnostics",
    is_flag=True,
    help="Succeed if the errors are those of the '// expected-error {{…}}' comments.",
)
def opt_command(
    file: str | None,
    passes: str,
    output: str | None,
    list_: bool,
    json_: bool,
    verify: bool,
    timing: bool,
    generic: bool,
    locations: bool,
    dump_ir: Path | None,
    lower: bool,
    kernels: str | None,
    threads: int,
    split_input_file: bool,
    verify_diagnostics: bool,
) -> None:
    """Run passes over FILE (`-` is stdin) and print the result.

    Without --passes it parses, verifies and prints. Passes are noema's (see --list), those of
    installed packages, and MLIR's. An error goes to stderr with its place in the file.
    """
    if list_:
        click.echo(_listing(as_json=json_))
        return
    if file is None:
        raise click.UsageError("Missing argument 'FILE' ('-' is stdin).")
    from noema.passes.pipeline_spec import parse_pipeline

    settings = _Settings(
        parse_pipeline(passes),
        verify,
        generic,
        locations,
        timing,
        dump_ir,
        lower or kernels is not None,
        kernels,
        threads,
    )
    text, name = _read(file)
    parts = list(_split(text)) if split_input_file else [(text, 0)]
    if verify_diagnostics:
        _compare_diagnostics(parts, name, settings)
        return
    printed: list[str] = []
    failures: list[NoemaError] = []
    for number, (part, skipped) in enumerate(parts):
        try:
            printed.append(_process(part, skipped, name, _numbered(settings, number, len(parts))))
        except InvalidIR as error:
            failures.append(error)
    _write("// -----\n".join(printed), output)
    if failures:
        # All parts ran, as with mlir-opt; the exit code is that of the first failure.
        for error in failures[:-1]:
            click.echo(f"error: {error}", err=True)
        raise failures[-1]


def _read(file: str) -> tuple[str, str]:
    """The input's text and the name that messages call it by."""
    if file == "-":
        return sys.stdin.read(), "<stdin>"
    try:
        return Path(file).read_text(encoding="utf-8"), file
    except (OSError, UnicodeDecodeError) as error:
        raise click.FileError(file, hint=str(error)) from error


def _write(text: str, output: str | None) -> None:
    if output is None or output == "-":
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(output, hint=str(error)) from error


def _split(text: str) -> Iterator[tuple[str, int]]:
    """The parts of a file and the number of lines before each."""
    start = 0
    for match in [*_SPLIT.finditer(text), None]:
        end = len(text) if match is None else match.start()
        yield text[start:end], text.count("\n", 0, start)
        start = end if match is None else match.end()


def _numbered(settings: _Settings, number: int, count: int) -> _Settings:
    """The same settings, dumping into a subfolder per part if there are several parts."""
    if settings.dump_ir is None or count == 1:
        return settings
    return dataclasses.replace(settings, dump_ir=settings.dump_ir / f"part{number:02d}")


def _process(text: str, skipped: int, name: str, settings: _Settings) -> str:
    """Parses, runs and prints one part; errors are at their line of the whole file."""
    from noema.dialects.context import new_context
    from noema.passes.base import PassContext
    from noema.passes.driver import run_pipeline

    with new_context():
        try:
            module = _parse("\n" * skipped + text)
            report = run_pipeline(
                module,
                settings.pipeline,
                PassContext(),
                verify=settings.verify,
                dump_ir=settings.dump_ir,
            )
        except InvalidIR as error:
            # The parser only knows an anonymous buffer.
            error.message = _ANONYMOUS.sub(f"{name}:", error.message)
            raise
        if settings.timing:
            click.echo(str(report), err=True)
        kernels = _lower(module, settings) if settings.lower else ()
        printed = module.operation.get_asm(
            enable_debug_info=settings.locations, print_generic_op_form=settings.generic
        )
    return "".join(f"{text.rstrip()}\n" for text in (str(printed), *kernels))


def _lower(module: ir.Module, settings: _Settings) -> list[str]:
    """Lowers a module in place; the texts of the kernels that it calls."""
    from noema.kernels.kernel import X86_64_V3, X86_64_V4
    from noema.lowering.lower import lower
    from noema.parameters import ParameterStore

    wide = dataclasses.replace(X86_64_V4, bf16=True)
    isa = dict(zip(_PROCESSORS, (X86_64_V3, X86_64_V4, wide), strict=True)).get(
        settings.kernels or ""
    )
    lowered = lower(module, ParameterStore(), isa, settings.threads)
    return [f"// {k.describe()}\n{k.print(name)}" for name, k in lowered.kernels.items()]


def _parse(text: str) -> ir.Module:
    from torch_mlir import ir

    from noema.passes.driver import diagnostic_lines

    try:
        return ir.Module.parse(text)
    except ir.MLIRError as error:
        lines = ["cannot read the IR:", *diagnostic_lines(error)]
        raise InvalidIR("\n".join(lines)) from error


def _compare_diagnostics(parts: list[tuple[str, int]], name: str, settings: _Settings) -> None:
    from noema.cli.expected_diagnostics import compare, reported

    problems: list[str] = []
    for part, skipped in parts:
        try:
            _process(part, skipped, name, settings)
            got = []
        except InvalidIR as error:
            got = reported(error)
        problems += [f"  {name}:{p}" for p in compare(part, skipped, got)]
    if problems:
        raise InvalidIR("\n".join(["diagnostics differ from the expected ones:", *problems]))


def _listing(*, as_json: bool) -> str:
    from noema.passes.options import options_of, summary_of
    from noema.passes.registry import DEFAULT_PIPELINE, MLIR_PASSES, passes

    rows = [(cls.name, summary_of(cls), options_of(cls)) for cls in passes()]
    if as_json:
        listing = {
            "passes": [
                {"name": name, "summary": summary, "options": [vars(o) for o in options]}
                for name, summary, options in rows
            ],
            "mlir_passes": [{"name": n, "summary": s} for n, s in MLIR_PASSES.items()],
            "default_pipeline": ",".join(DEFAULT_PIPELINE),
        }
        return json.dumps(listing, indent=2)
    lines = ["Passes:"]
    for name, summary, options in rows:
        lines.append(f"  {name:<20}{summary}")
        for o in options:
            default = "required" if o.default is None else f"default {o.default}"
            lines.append(f"    {o.name}=<{o.type}>  {o.doc} ({default})")
    lines += ["", "Of MLIR (any other that it knows runs too):"]
    lines += [f"  {name:<20}{summary}" for name, summary in MLIR_PASSES.items()]
    lines += ["", f"Default pipeline: {','.join(DEFAULT_PIPELINE)}"]
    return "\n".join(lines)
