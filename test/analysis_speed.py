"""How long the analysis of a network takes on one core, and how that grows with its depth.

    PYTHONPATH=test python -m analysis_speed MODEL.onnx…     # files
    PYTHONPATH=test python -m analysis_speed                 # a BERT of 12, 24 and 48 layers

The file is read once before. Every stage is timed `--repeat` times, in processor time of this
process, and the least counts: what a machine does besides makes a run longer, never shorter.
`--wall` takes the time on the clock instead.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import onnx

from models import STYLES, find
from noema.machine import this_machine
from noema.understanding import Stopwatch, analyze_model, read_assuming
from noema.workload import Hardware

DEPTHS = (12, 24, 48)
IMPORT = "import"


@dataclass(frozen=True)
class Speed:
    """What the analysis of one network took.

    Attributes:
        name: Of the network.
        nodes: ONNX nodes in it.
        seconds: Stage → least time.
    """

    name: str
    nodes: int
    seconds: dict[str, float]

    @property
    def analysis(self) -> float:
        """Seconds of all stages, but for the import of the ONNX graph."""
        return sum(s for stage, s in self.seconds.items() if stage != IMPORT)

    def __str__(self) -> str:
        stages = ", ".join(f"{stage} {1e3 * s:.1f}" for stage, s in self.seconds.items())
        each = 1e6 * self.analysis / self.nodes
        return (
            f"{self.name}: {self.nodes} nodes, {1e3 * self.analysis:.1f} ms without the import, "
            f"{each:.0f} ms per 1,000 nodes ({stages})"
        )


def measure(
    path: Path, name: str, hardware: Hardware, repeat: int, clock: Callable[[], float]
) -> Speed:
    """Analyses a file again and again."""
    model, _ = read_assuming(path, {})
    least: dict[str, float] = {}
    for _ in range(repeat):
        gc.collect()
        watch = Stopwatch(clock=clock)
        stages = analyze_model(model, hardware, stopwatch=watch).timing.stages
        least = {stage: min(s, least.get(stage, s)) for stage, s in stages.items()}
    return Speed(name, len(model.nodes), least)


def line(speeds: Sequence[Speed]) -> tuple[float, float]:
    """Fixed seconds, and seconds per node: the least squares through some speeds."""
    slope, fixed = np.polyfit([s.nodes for s in speeds], [s.analysis for s in speeds], 1)
    return float(fixed), float(slope)


@click.command(help=__doc__)
@click.argument("models", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repeat", default=9, show_default=True, type=click.IntRange(min=1))
@click.option("--wall", is_flag=True)
@click.option("--style", default="older", show_default=True, type=click.Choice(STYLES))
def main(models: Sequence[Path], repeat: int, wall: bool, style: str) -> None:
    clock = time.perf_counter if wall else time.process_time
    hardware = this_machine(measure=False)
    for path in models:
        click.echo(measure(path, path.name, hardware, repeat, clock))
    if models:
        return
    speeds: list[Speed] = []
    with tempfile.TemporaryDirectory() as folder:
        for depth in DEPTHS:
            path = Path(folder, f"{depth}.onnx")
            onnx.save(find("bert").build(style, static=True, layers=depth), path)  # type: ignore[arg-type]
            speeds.append(measure(path, f"{depth} layers", hardware, repeat, clock))
            click.echo(speeds[-1])
    fixed, slope = line(speeds)
    click.echo(f"{1e3 * fixed:.1f} ms, and {1e6 * slope:.0f} ms per 1,000 nodes")


if __name__ == "__main__":
    main()
