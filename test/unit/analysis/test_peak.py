"""The micro-benchmarks compute what they say: what is timed is the arithmetic that is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noema import dtypes
from noema.analysis import peak
from noema.artifact import write
from noema.backend.base import flags
from noema.backend.iree import generate
from noema.options import Target
from noema.runtime.cpu import this_cpu
from noema.runtime.session import load
from noema.signature import Signature, TensorSpec

CPU = this_cpu()
KERNELS = peak.kernels(CPU.machine, CPU.features)
X86 = {"sse4_2", "avx", "avx2", "fma"}


def _run(
    text: str,
    function: str,
    inputs: dict[str, np.ndarray],
    shape: tuple[int, ...],
    kind: str,
    folder: Path,
) -> np.ndarray:
    target = Target.parse("cpu")
    specs = []
    for name, array in inputs.items():
        dtype = dtypes.from_numpy(array.dtype)
        assert dtype is not None
        specs.append(TensorSpec(name, dtype, array.shape))
    output = TensorSpec("sums", dtypes.from_mlir(kind), shape)
    path = folder / "benchmark.noema"
    program = generate(text.encode(), flags(target))
    signature = Signature(tuple(specs), (output,))
    write(path, program=program, signature=signature, target=target, function=function)
    with load(path, threads=2) as loaded:
        return loaded.run(inputs)["sums"]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.precision)
def test_arithmetic_adds_its_products_as_often_as_told(kernel: peak.Kernel, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    width = kernel.lanes * kernel.pairs
    start_type = dtypes.from_mlir(kernel.accumulator).numpy
    starts = rng.integers(-50, 50, kernel.accumulators * kernel.lanes).astype(start_type)
    # Small integers: exact in every type, and int8's first factor is unsigned.
    factors = rng.integers(0, 4, 2 * width).astype(dtypes.from_mlir(kernel.operand).numpy)
    rounds, workgroups = 37, 3
    sums = _run(
        peak.arithmetic(kernel, workgroups),
        kernel.precision,
        {"count": np.array([rounds], np.int32), "starts": starts, "factors": factors},
        (workgroups, len(starts)),
        kernel.accumulator,
        tmp_path,
    )
    x, y = factors.astype(np.float64).reshape(2, kernel.lanes, kernel.pairs)
    added = np.tile(rounds * (x * y).sum(axis=1), kernel.accumulators)
    np.testing.assert_array_equal(sums, np.tile(starts + added, (workgroups, 1)))
    assert kernel.operations == 2 * len(starts) * kernel.pairs


def test_bandwidth_reads_every_word(tmp_path: Path) -> None:
    words, workgroups = 128 * 3 * 5, 3
    data = np.random.default_rng(7).integers(-1000, 1000, words).astype(np.int32)
    text = peak.bandwidth(words, workgroups)
    sums = _run(text, "bandwidth", {"words": data}, (workgroups, 128), "i32", tmp_path)
    expected = data.reshape(workgroups, 5, 128).sum(axis=1)
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (set(), {"f32": 4}),
        (X86, {"f32": 8}),
        (X86 | {"avx_vnni"}, {"f32": 8, "int8": 8}),
        (X86 | {"avx512f"}, {"f32": 16}),
        (X86 | {"avx512f", "avx512_vnni", "avx_vnni"}, {"f32": 16, "int8": 16}),
        (X86 | {"avx512f", "avx512_bf16"}, {"f32": 16, "bf16": 16}),
    ],
)
def test_a_precision_without_instructions_has_no_kernel(
    features: set[str], expected: dict[str, int]
) -> None:
    assert {k.precision: k.lanes for k in peak.kernels("x86_64", features)} == expected


def test_another_architecture_has_single_precision_only() -> None:
    assert [k.precision for k in peak.kernels("aarch64", {"asimd", "bf16"})] == ["f32"]
