"""Options that several commands share: how a model is to be compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from noema.errors import InvalidOption
from noema.options import CompileOptions, Goal, Limits, Precision, Target, parse_shape


def shape_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --shape to a command."""
    return click.option(
        "--shape",
        "shapes",
        multiple=True,
        metavar="INPUT=1,128",
        help="Pin an input's extents; ? leaves one open. Repeatable.",
    )(command)


def emulate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --emulate to a command."""
    return click.option(
        "--emulate",
        is_flag=True,
        help="Where the target has no bf16: round as it would, in f32 arithmetic (slowly).",
    )(command)


def compile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --target, --precision, --emulate, --shape and --passes to a command."""
    for option in (
        click.option("--passes", default="", help="Pass pipeline instead of the default one."),
        shape_option,
        emulate_option,
        click.option(
            "--precision",
            type=click.Choice([p.value for p in Precision]),
            default=Precision.F32.value,
            show_default=True,
            help="Number format of products: f32, or bf16 with sums and all else in f32.",
        ),
        click.option(
            "--target",
            default="cpu",
            show_default=True,
            help="cpu (this machine), cpu:x86-64-v2|v3|v4 or cpu:aarch64 (portable), vulkan, "
            "cuda:sm_89.",
        ),
    ):
        command = option(command)
    return command


def optimize_for_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds --optimize-for to a command; `what` says what the two goals do there."""
    return click.option(
        "--optimize-for",
        type=click.Choice([goal.value for goal in Goal]),
        default=Goal.LATENCY.value,
        show_default=True,
        help=what,
    )


def limit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the limits of the compile process to a command."""
    for option in (
        click.option(
            "--memory-limit", type=int, metavar="GIB", help="Address space of the compiler."
        ),
        click.option(
            "--time-limit", type=int, metavar="SECONDS", help="Wall clock of the compiler."
        ),
    ):
        command = option(command)
    return command


def read_options(
    target: str, precision: str, shapes: Sequence[str], passes: str, *, emulate: bool = False
) -> CompileOptions:
    """The options as a typed value.

    Raises:
        InvalidOption: One of them can't be understood, or an input's shape is given twice.
    """
    pinned = read_shapes(shapes)
    return CompileOptions(Target.parse(target), Precision(precision), pinned, passes, emulate)


def read_shapes(shapes: Sequence[str]) -> dict[str, tuple[int | None, ...]]:
    """Input name → extents, of all --shape options.

    Raises:
        InvalidOption: One of them can't be understood, or an input's shape is given twice.
    """
    pinned: dict[str, tuple[int | None, ...]] = {}
    for name, extents in map(parse_shape, shapes):
        if name in pinned:
            raise InvalidOption(f"the shape of {name!r} is given twice")
        pinned[name] = extents
    return pinned


def read_limits(memory_limit: int | None, time_limit: int | None) -> Limits:
    """The limits as a typed value; defaults where none is given."""
    default = Limits()
    return Limits(
        memory_bytes=default.memory_bytes if memory_limit is None else memory_limit << 30,
        cpu_seconds=default.cpu_seconds if time_limit is None else 4 * time_limit,
        wall_seconds=default.wall_seconds if time_limit is None else time_limit,
    )
