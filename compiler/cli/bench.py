"""`noema bench`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noema.cli.inputs import Wanted, input_options
from noema.cli.models import emulate_option, optimize_for_option
from noema.errors import InvalidOption
from noema.options import Goal, Precision, parse_shape

if TYPE_CHECKING:
    from noema.bench.coordinator import Contestant, OnStep, Plan
    from noema.bench.record import ModelResult

_FILE_WIDTH = 120


@click.command("bench", short_help="Time a model against other runtimes.")
@click.argument("models", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--against",
    default="ort,openvino,iree",
    show_default=True,
    metavar="NAME,…",
    help="Contenders: ort, openvino (f32), openvino-bf16, openvino-default, iree; none is allowed.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice([p.value for p in Precision]),
    default=[Precision.F32.value],
    show_default=True,
    help="Number format of noema's products. Repeatable: one contender each.",
)
@emulate_option
@click.option("--threads", type=click.IntRange(1), help="Threads of each; default: one per core.")
@optimize_for_option(
    "Time one call after the other; or how many requests a second each contender serves, set up "
    "for that as its makers say."
)
@click.option(
    "--repeat", type=click.IntRange(1), default=10, show_default=True, help="Rounds of bursts."
)
@click.option(
    "--warmup",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Calls of each contender before the first round.",
)
@click.option(
    "--burst", default=0.1, show_default=True, metavar="SECONDS", help="Length of one burst."
)
@input_options("1 for a leading one, else 128")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="INPUT=1,128",
    help="Pin an input's extents. Repeatable.",
)
@click.option(
    "--pin/--no-pin",
    default=True,
    help="Give the contenders a model with these extents, or the dynamic model as it is.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write everything that was measured to this file; - for stdout, instead of the table.",
)
def bench_command(
    models: tuple[Path, ...],
    against: str,
    precisions: tuple[str, ...],
    emulate: bool,
    threads: int | None,
    optimize_for: str,
    repeat: int,
    warmup: int,
    burst: float,
    inputs: tuple[str, ...],
    shapes: tuple[str, ...],
    dims: tuple[str, ...],
    pin: bool,
    seed: int,
    json_file: Path | None,
) -> None:
    """Time MODELS (.onnx) in noema and in other runtimes, side by side.

    Each contender has a process of its own; they run in turns, in short bursts, on the same
    inputs. Times are of whole calls, numpy arrays in and out. "÷ noema" above 1 means that noema
    is faster; "error" is relative to ONNX Runtime's largest output. With --optimize-for throughput
    requests come side by side, and are counted: noema runs each on a core of its own, ONNX Runtime
    in as many calls at once with one thread each, OpenVINO in as many as its throughput hint makes
    streams for; stock IREE takes one after the other.

    \b
    noema bench resnet50.onnx
    noema bench mobilenet.onnx --optimize-for throughput --against ort,openvino
    noema bench bert.onnx --dim sequence=128 --against ort,openvino-bf16 --threads 2
    """
    from rich.console import Console

    from noema.bench.coordinator import Plan
    from noema.bench.machine import this_machine
    from noema.bench.record import BenchResult
    from noema.bench.table import print_result

    contestants = _contestants(against, precisions, emulate=emulate)
    pinned = dict(map(parse_shape, shapes))
    wanted = Wanted.read(inputs, dims, seed)
    plan = Plan(
        threads=threads or len(os.sched_getaffinity(0)),
        goal=Goal(optimize_for),
        rounds=repeat,
        burst_seconds=burst,
        warmup=warmup,
    )
    machine = this_machine()
    measured: list[ModelResult] = []
    with _status() as on_step:
        for model in models:
            measured.append(
                _measure(
                    model,
                    contestants,
                    plan,
                    shapes=pinned,
                    wanted=wanted,
                    pin=pin,
                    on_step=on_step,
                )
            )
    result = BenchResult(
        machine=machine,
        command=tuple(sys.argv),
        settings={
            "threads": plan.threads,
            "optimize_for": plan.goal.value,
            "rounds": plan.rounds,
            "burst_seconds": plan.burst_seconds,
            "warmup": plan.warmup,
            "seed": seed,
            "pin": pin,
        },
        models=tuple(measured),
    )
    text = json.dumps(result.to_json(), indent=1)
    if json_file is not None and str(json_file) == "-":
        click.echo(text)
    else:
        # Where it isn't a terminal there is no width to fit into.
        print_result(Console(width=None if sys.stdout.isatty() else _FILE_WIDTH), result)
        if json_file is not None:
            json_file.write_text(text + "\n", encoding="utf-8")
    own = [c for m in measured for c in m.contenders if c.name.startswith("noema")]
    if any(c.status != "ok" for c in own):
        raise click.exceptions.Exit(1)


def _measure(
    path: Path,
    contestants: Sequence[Contestant],
    plan: Plan,
    *,
    shapes: dict[str, tuple[int | None, ...]],
    wanted: Wanted,
    pin: bool,
    on_step: OnStep,
) -> ModelResult:
    from noema.bench.coordinator import compete
    from noema.bench.model import make_inputs, prepare
    from noema.bench.record import ModelResult

    with tempfile.TemporaryDirectory(prefix="noema-bench-") as name:
        folder = Path(name)
        (folder / "model").mkdir()
        model = prepare(path, folder / "model", shapes, wanted.extents, pin=pin)
        arrays = make_inputs(model, wanted.sources, wanted.seed)
        results = compete(
            contestants, model, arrays, plan, folder, lambda step: on_step(f"{path.name}: {step}")
        )
    return ModelResult(str(path), tuple(map(str, model.inputs)), model.assumed, results)


def _contestants(
    against: str, precisions: Sequence[str], *, emulate: bool = False
) -> list[Contestant]:
    """Names noema in each precision, then the others in the order given.

    Raises:
        InvalidOption: There is no such contender, or it is named twice.
    """
    from noema.bench.contenders import find
    from noema.bench.coordinator import Contestant

    found = [
        Contestant("noema" if p == Precision.F32.value else f"noema-{p}", "noema", p, emulate)
        for p in dict.fromkeys(precisions)
    ]
    for name in filter(None, (n.strip() for n in against.split(","))):
        if name in [c.name for c in found]:
            raise InvalidOption(f"the contender {name!r} is named twice")
        find(name)
        found.append(Contestant(name, name))
    return found


@contextmanager
def _status() -> Generator[OnStep]:
    """A line on stderr that says what is being done; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield status.update
