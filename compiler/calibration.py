"""The job that measures this machine: compiles the micro-benchmarks and runs them.

It joins stages as `pipeline` does, and runs in the compile process (`noema.worker_main`), so that
neither a crash of code generation nor an instruction that a virtual machine announces and doesn't
have can harm the caller.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noema import dtypes
from noema.analysis import peak
from noema.artifact import write
from noema.backend.base import flags
from noema.backend.iree import generate
from noema.options import Target
from noema.progress import JSON, Progress, ProgressCallback
from noema.runtime.cpu import this_cpu
from noema.runtime.device import default_threads
from noema.runtime.session import Program, load
from noema.signature import Signature, TensorSpec

_TARGET = Target.parse("cpu")
_GROUPS_PER_THREAD = 4
"""Workgroups of a kernel per worker, so that one that is held up doesn't hold up the rest."""

_RUN_SECONDS = 0.003
_BUDGET_SECONDS = 0.3
"""A run is shorter than a scheduler's slice, and the best of as many as fit the budget counts: what
disturbs a run only makes it slower, and on a busy machine few are undisturbed."""

_MIN_BYTES, _MAX_BYTES = 128 << 20, 1 << 30

Array = NDArray[np.generic]


def calibrate_job(request: dict[str, JSON], progress: ProgressCallback) -> dict[str, object]:
    """The compile process's job: {temporary_folder} → {gflops: {precision: …}, bandwidth}.

    Figures are 10⁹ operations, and bytes, per second, with a worker on each core.
    """
    folder = Path(str(request["temporary_folder"]))
    cpu, threads = this_cpu(), default_threads()
    workgroups = threads * _GROUPS_PER_THREAD
    words = _buffer_bytes(cpu.caches) // 4 // (128 * workgroups) * (128 * workgroups)
    kernels = peak.kernels(cpu.machine, cpu.features)
    progress(Progress("compile", 0.1))
    functions = [peak.arithmetic(kernel, workgroups) for kernel in kernels]
    text = "\n".join([*functions, peak.bandwidth(words, workgroups)])
    program = generate(text.encode(), flags(_TARGET))
    gflops: dict[str, float] = {}
    for index, kernel in enumerate(kernels):
        progress(Progress("measure", 0.4 + 0.1 * index, kernel.precision))
        gflops[kernel.precision] = _arithmetic(program, kernel, workgroups, folder, threads)
    progress(Progress("measure", 0.8, "bandwidth"))
    return {
        "gflops": gflops,
        "bandwidth": _bandwidth(program, words, workgroups, folder, threads),
    }


def _buffer_bytes(caches: Mapping[str, int]) -> int:
    """Four times the largest cache, in bounds, and at most a sixteenth of memory."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    wanted = max(_MIN_BYTES, 4 * max(caches.values(), default=0))
    return max(1 << 20, min(wanted, _MAX_BYTES, memory // 16))


def _arithmetic(
    program: bytes, kernel: peak.Kernel, workgroups: int, folder: Path, threads: int
) -> float:
    starts = np.zeros(
        kernel.accumulators * kernel.lanes, dtypes.from_mlir(kernel.accumulator).numpy
    )
    # Small factors, so that sums stay finite: subnormal and infinite numbers can be slower.
    factors = np.ones(2 * kernel.lanes * kernel.pairs, dtypes.from_mlir(kernel.operand).numpy)
    if kernel.accumulator == "f32":
        factors = (factors.astype(np.float32) * 2.0**-10).astype(factors.dtype)
    inputs: dict[str, Array] = {"count": np.array([1000], np.int32), "starts": starts}
    inputs["factors"] = factors
    output = TensorSpec(
        "sums",
        dtypes.from_mlir(kernel.accumulator),
        (workgroups, kernel.accumulators * kernel.lanes),
    )
    with _loaded(program, kernel.precision, inputs, output, folder, threads) as loaded:

        def seconds(rounds: int, runs: int) -> float:
            inputs["count"] = np.array([rounds], np.int32)
            return _best(lambda: loaded.run(inputs), runs)

        # What the call itself takes (waking the workers, mostly) is no arithmetic.
        idle = seconds(1, 16)
        rounds = 1000
        while (once := seconds(rounds, 2) - idle) < _RUN_SECONDS / 2 and rounds < 1 << 28:
            rounds = int(rounds * min(max(2.0, _RUN_SECONDS / max(once, 1e-6)), 100))
        best = seconds(rounds, _runs_within(seconds(rounds, 2))) - idle
    return rounds * kernel.operations * workgroups / best / 1e9


def _bandwidth(program: bytes, words: int, workgroups: int, folder: Path, threads: int) -> float:
    # Aligned, so that the program reads it in place; written to, so that every page is there.
    block = np.ones(words + 16, np.int32)
    start = -block.ctypes.data % 64 // 4
    inputs: dict[str, Array] = {"words": block[start : start + words]}
    output = TensorSpec("sums", dtypes.from_mlir("i32"), (workgroups, 128))
    with _loaded(program, "bandwidth", inputs, output, folder, threads) as loaded:
        sums = loaded.run(inputs)["sums"]
        if int(sums.astype(np.int64).sum()) != words:
            raise AssertionError("the bandwidth micro-benchmark did not read the whole buffer")
        once = _best(lambda: loaded.run(inputs), 2)
        best = _best(lambda: loaded.run(inputs), _runs_within(once))
    return words * 4 / best / 1e9


def _loaded(
    program: bytes,
    function: str,
    inputs: Mapping[str, Array],
    output: TensorSpec,
    folder: Path,
    threads: int,
) -> Program:
    """One function of the program as an artifact, loaded as any program is."""
    specs: list[TensorSpec] = []
    for name, array in inputs.items():
        dtype = dtypes.from_numpy(array.dtype)
        assert dtype is not None
        specs.append(TensorSpec(name, dtype, array.shape))
    path = folder / f"{function}.noema"
    signature = Signature(tuple(specs), (output,))
    write(path, program=program, signature=signature, target=_TARGET, function=function)
    return load(path, threads=threads)


def _runs_within(seconds: float) -> int:
    """How many runs of so many seconds fit the budget; at least a few."""
    return max(5, min(200, int(_BUDGET_SECONDS / seconds)))


def _best(call: Callable[[], object], runs: int) -> float:
    """The shortest of several calls, in seconds."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best
