"""The `noema` command. Commands are loaded when they are called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence

import click

from noema.errors import NoemaError

_COMMANDS: Mapping[str, tuple[str, str]] = {
    "compile": ("noema.cli.compile:compile_command", "Compile an ONNX model to a .noema file."),
    "run": ("noema.cli.run:run_command", "Run a model once, compiling it first if need be."),
    "explain": (
        "noema.cli.explain:explain_command",
        "Show what the parts of a network are for, and cost here.",
    ),
    "profile": (
        "noema.cli.profile:profile_command",
        "Time every kernel of a model, and name the slow ones.",
    ),
    "bench": ("noema.cli.bench:bench_command", "Time a model against other runtimes."),
    "devices": ("noema.cli.devices:devices_command", "List what can run here, and why not."),
    "cache": ("noema.cli.cache:cache_command", "Look at, check or clear the compile cache."),
    "opt": ("noema.cli.opt:opt_command", "Run passes over a .mlir file."),
}


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"warning: {message}", err=True)


_INTERNAL_ERROR = 70
_INTERRUPTED = 130


class _LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noema")
@click.option("--verbose", is_flag=True, help="Show tracebacks of errors.")
def noema(verbose: bool) -> None:
    """Compile ONNX models and run them, on this machine or another.

    \b
    noema compile model.onnx -o model.noema
    noema run model.noema --input x=x.npy --output results/
    noema run model.onnx --check
    noema explain model.onnx
    noema profile model.onnx
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0, the error class's exit code, or 70 for a bug of ours."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A terminated command tidies up as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    warnings.showwarning = _show_warning
    try:
        code = noema.main(given, prog_name="noema", standalone_mode=False)
    except click.exceptions.Abort:
        code = _INTERRUPTED
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        code = _INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except NoemaError as error:
        if "--verbose" in given:
            traceback.print_exc()
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        code = 0  # whoever read our output has seen enough
    except Exception as error:
        if "--verbose" in given:
            traceback.print_exc()
        else:
            click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
            click.echo(
                "  this is a bug in noema; --verbose (before the command) shows where", err=True
            )
        code = _INTERNAL_ERROR
    sys.exit(code if isinstance(code, int) else 0)
