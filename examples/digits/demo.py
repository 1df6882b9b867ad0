"""Compiles the two shipped digit classifiers, runs them on held-out data, compares with ORT.

    make demo            # or: python examples/digits/demo.py

For each network: the accuracy on the 450 test images under noema and under ONNX Runtime, the
largest difference between the two outputs relative to the output's largest magnitude, how many of
the predicted classes agree, the compile time, and the time of one call on the whole split. The
two runtimes take turns and the median is shown, so that a busy machine is unfair to neither.

Exits with status 1 if the outputs differ by more than f32 rounding explains.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import noema

FOLDER = Path(__file__).parent
NETWORKS = ("digits_cnn", "digits_transformer")
ROUNDS = 15
# Both sides compute in f32 but sum in a different order; 1e-4 of the largest logit is the bound
# that noema keeps on every network in its tests.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Comparison:
    """One network under both runtimes.

    Attributes:
        network: File name without its suffix.
        accuracy: Share of the test images classified right by noema.
        reference_accuracy: The same for ONNX Runtime.
        difference: Largest absolute difference over the largest magnitude of the reference.
        agreement: Share of the images that both put in the same class.
        compile_s: Seconds from file to callable program, without the cache.
        call_ms: Median milliseconds of one call on the whole split.
        reference_ms: The same for ONNX Runtime.
    """

    network: str
    accuracy: float
    reference_accuracy: float
    difference: float
    agreement: float
    compile_s: float
    call_ms: float
    reference_ms: float


def interleaved_ms(
    first: Callable[[], object], second: Callable[[], object]
) -> tuple[float, float]:
    """Median milliseconds of each function, called in turns after two warm-up rounds."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS + 2):
        for call, record in zip((first, second), times, strict=True):
            start = time.perf_counter()
            call()
            record.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[0][2:]), statistics.median(times[1][2:])


def compare(network: str, images: NDArray[np.float32], labels: NDArray[np.int64]) -> Comparison:
    """Compiles one network, runs it and ONNX Runtime on all images, and sets them side by side."""
    path = FOLDER / f"{network}.onnx"
    start = time.perf_counter()
    program = noema.compile(path, cache=False)
    compile_s = time.perf_counter() - start
    session = onnxruntime.InferenceSession(path)

    logits = np.asarray(program(images=images)["logits"])
    reference = np.asarray(session.run(["logits"], {"images": images})[0])
    call_ms, reference_ms = interleaved_ms(
        lambda: program(images=images), lambda: session.run(["logits"], {"images": images})
    )
    return Comparison(
        network=network,
        accuracy=float((logits.argmax(1) == labels).mean()),
        reference_accuracy=float((reference.argmax(1) == labels).mean()),
        difference=float(np.abs(logits - reference).max() / np.abs(reference).max()),
        agreement=float((logits.argmax(1) == reference.argmax(1)).mean()),
        compile_s=compile_s,
        call_ms=call_ms,
        reference_ms=reference_ms,
    )


def main() -> int:
    """Prints the table; 0 if every network agrees with ONNX Runtime within `TOLERANCE`."""
    with np.load(FOLDER / "test_split.npz", allow_pickle=False) as split:
        images, labels = split["images"], split["labels"]
    console = Console()
    table = Table(
        title=f"digits: {len(labels)} held-out images in one call",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("network", no_wrap=True)
    for header in ("accuracy", "max rel\ndiff", "same\nclass", "compile\ns", "call ms"):
        versus = "\nnoema / ORT" if header in ("accuracy", "call ms") else ""
        table.add_column(header + versus, justify="right", no_wrap=True)
    results: list[Comparison] = []
    for network in NETWORKS:
        with console.status(f"compiling and running {network}"):
            results.append(compare(network, images, labels))
    for r in results:
        table.add_row(
            r.network,
            f"{r.accuracy:.1%} / {r.reference_accuracy:.1%}",
            f"{r.difference:.0e}",
            f"{r.agreement:.0%}",
            f"{r.compile_s:.1f}",
            f"{r.call_ms:.3g} / {r.reference_ms:.3g}",
        )
    console.print(table)
    # Written so that a NaN fails too.
    wrong = [r.network for r in results if not r.difference <= TOLERANCE]
    if wrong:
        console.print(f"[red]differs from ONNX Runtime by more than {TOLERANCE}: {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
