"""Batched GEMM kernels against numpy, over drawn shapes and cuts, with guarded memory."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.batch_gemm import Batch, BatchGemm, BatchTile
from noema.kernels.batch_gemm_choice import candidates
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue, Residual, Times
from noema.kernels.executable import Extent
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa, Unsuitable

ISA = this_isa()
needs_vectors = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")
BF16 = dataclasses.replace(X86_64_V4, bf16=True)

# Every example is compiled: some 0.3 s.
drawn = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Sizes = dict[str, int]


@st.composite
def kernels(draw: st.DrawFn) -> tuple[BatchGemm, Sizes]:
    """A kernel of any legal cut for this machine, and the values of its symbols."""
    assert ISA is not None
    isa = draw(st.sampled_from([ISA, X86_64_V3]))
    element = draw(st.sampled_from(["f32", "bf16"] if isa.bf16 else ["f32"]))
    sizes: Sizes = {}

    def extent(name: str, most: int, *, known: bool = False) -> Extent:
        value = draw(st.integers(1, most))
        if known or draw(st.booleans()):
            return value
        sizes[name] = value
        return name

    has = st.sampled_from([(True, True), (True, False), (False, True)])
    batch = tuple(
        Batch(extent(f"b{i}", 4), *draw(has)) for i in range(draw(st.sampled_from([0, 1, 2, 3])))
    )
    transpose_rhs = draw(st.booleans())
    pack = transpose_rhs or draw(st.booleans())
    tile = BatchTile(
        rows=draw(st.integers(1, 8)),
        vectors=draw(st.integers(1, 3)),
        products=draw(st.integers(1, 3)),
        row_split=draw(st.integers(1, 3)),
        column_split=draw(st.integers(1, 3)),
        pack=pack,
        unroll=draw(st.sampled_from([1, 2, 4])),
    )
    curve = (Bias(), Activate(Curve.RELU))
    steps = draw(st.sampled_from([(), (Bias(),), curve, (Times(0.25), Residual(element))]))
    kernel = BatchGemm(
        batch,
        extent("m", 30),
        extent("n", 120),
        extent("k", 70, known=pack),
        isa,
        tile,
        element,
        Epilogue(steps, draw(st.sampled_from(["f32", element]))),
        transpose_lhs=element == "f32" and draw(st.booleans()),
        transpose_rhs=transpose_rhs,
    )
    return kernel, sizes


def operands(kernel: BatchGemm, sizes: Sizes, seed: int = 0) -> list[NDArray[Any]]:
    rng = np.random.default_rng(seed)
    return [
        rng.standard_normal([sizes[e] if isinstance(e, str) else e for e in t.extents]).astype(
            DTYPES[t.element]
        )
        for t in kernel.interface.operands
    ]


def expected(kernel: BatchGemm, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    a, b, *others = (array.astype(np.float64) for array in arrays)
    a = a.swapaxes(-1, -2) if kernel.transpose_lhs else a
    b = b.swapaxes(-1, -2) if kernel.transpose_rhs else b
    for axis, dim in enumerate(kernel.batch):
        a = a if dim.lhs else np.expand_dims(a, axis)
        b = b if dim.rhs else np.expand_dims(b, axis)
    c = a @ b
    for step in kernel.epilogue.steps:
        match step:
            case Activate():
                c = np.maximum(c, 0)
            case Times(factor):
                c = c * factor
            case _:
                c = c + others.pop(0)
    return c


def check(kernel: BatchGemm, got: NDArray[Any], truth: NDArray[Any]) -> None:
    # Products of normal numbers, k of them: a sum in f32 is off by some √k · 2⁻²⁴ of its size.
    # vdpbf16ps rounds twice per pair. A bf16 result keeps 8 bits.
    size = max(1.0, float(np.abs(truth).max()))
    relative = 2**-8 if kernel.epilogue.element == "bf16" else 0
    assert got.shape == truth.shape
    np.testing.assert_allclose(
        got.astype(np.float64), truth, rtol=relative, atol=2e-6 * size + relative * 1e-2
    )


@needs_vectors
@drawn
@given(kernels())
def test_any_shape_and_cut(drawn_kernel: tuple[BatchGemm, Sizes]) -> None:
    kernel, sizes = drawn_kernel
    arrays = operands(kernel, sizes)
    program = KernelProgram(kernel)
    check(kernel, program.guarded(*arrays)[0], expected(kernel, arrays))
    check(kernel, program(*arrays)[0], expected(kernel, arrays))


SHAPES = [
    (12, 16, 64, 33),
    (2, 1, 64, 130),
    (3, 27, 64, 27),
    (1, 128, 65, 96),
    (5, 3, 2, 1),
    (1, 1, 3, 1),
    (40, 7, 9, 5),
]


@needs_vectors
@pytest.mark.parametrize("element", ["f32", "bf16"])
@pytest.mark.parametrize("transpose_rhs", [False, True])
@pytest.mark.parametrize(("batch", "m", "k", "n"), SHAPES)
def test_candidates_are_right(
    batch: int, m: int, k: int, n: int, transpose_rhs: bool, element: str
) -> None:
    assert ISA is not None
    if element == "bf16" and not ISA.bf16:
        pytest.skip("no bf16 here")
    for threads in (1, 2):
        kernel = candidates(
            (Batch(batch),), m, n, k, ISA, element, transpose_rhs=transpose_rhs, threads=threads
        )[0]
        arrays = operands(kernel, {}, threads)
        got = KernelProgram(kernel, threads).guarded(*arrays)[0]
        check(kernel, got, expected(kernel, arrays))


@needs_vectors
def test_one_kernel_serves_all_extents() -> None:
    assert ISA is not None
    kernel = candidates((Batch("b"), Batch(3, rhs=False)), "m", "n", "k", ISA)[0]
    program = KernelProgram(kernel, 2)
    for seed, (b, m, n, k) in enumerate([(1, 1, 1, 1), (2, 9, 50, 7), (5, 16, 48, 64)]):
        arrays = operands(kernel, {"b": b, "m": m, "n": n, "k": k}, seed)
        check(kernel, program.guarded(*arrays)[0], expected(kernel, arrays))


@needs_vectors
def test_the_second_of_a_pair_that_is_not_there_counts_for_nothing() -> None:
    # An odd depth in bf16: what would be multiplied by 0 is infinite, and 0 · ∞ is NaN.
    if ISA is None or not ISA.bf16:
        pytest.skip("no bf16 here")
    for pack in (False, True):
        kernel = BatchGemm(
            (), 2, 16, "k" if not pack else 3, ISA, BatchTile(2, 1, pack=pack), "bf16"
        )
        a = np.ones((2, 3), DTYPES["bf16"])
        b = np.full((3, 16), np.inf, DTYPES["bf16"])
        assert np.isposinf(KernelProgram(kernel)(a, b)[0]).all()


def test_a_case_that_no_kernel_serves_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsuitable, match="doesn't multiply bf16"):
        candidates((), 8, 48, 64, X86_64_V4, "bf16")
    with pytest.raises(Unsuitable, match="f64"):
        candidates((), 8, 48, 64, X86_64_V4, "f64")
    with pytest.raises(Unsuitable, match="whose depth isn't known"):
        candidates((), 8, 48, "k", X86_64_V4, transpose_rhs=True)
    with pytest.raises(Unsuitable, match="depth 100000 is too much"):
        candidates((), 8, 48, 100_000, X86_64_V4, transpose_rhs=True)
    with pytest.raises(Unsuitable, match="transposed left-hand side of bf16"):
        candidates((), 8, 48, 64, BF16, "bf16", transpose_lhs=True)
    with pytest.raises(Unsuitable, match="an outer product"):
        candidates((), 64, 128, 1, X86_64_V4)
    with pytest.raises(Unsuitable, match="IREE's product is faster for N = 4"):
        candidates((), 100, 4, 64, X86_64_V4)


@pytest.mark.parametrize("isa", [X86_64_V4, X86_64_V3])
def test_candidates_differ_and_fit_the_registers(isa: Isa) -> None:
    for m, n in ((128, 128), (1, 768), (4, 200), ("m", "n")):
        found = candidates((Batch(12),), m, n, 64, isa)
        assert len(found) == len(set(found)) > 1
        for kernel in found:
            t = kernel.tile
            assert t.rows * t.vectors + min(t.rows, t.vectors) + 1 <= isa.registers


def test_all_workers_get_work_where_there_is_enough() -> None:
    for batch, m, n in ((1, 512, 512), (12, 128, 128), (1, 2048, 32)):
        tile = candidates((Batch(batch),), m, n, 256, X86_64_V4, threads=4)[0].tile
        groups = -(-batch // tile.products) * tile.row_split * tile.column_split
        assert groups >= 8


def test_little_work_is_one_workgroup() -> None:
    tile = candidates((Batch(16),), 4, 4, 4, X86_64_V4, threads=4)[0].tile
    assert (tile.products, tile.row_split, tile.column_split) == (16, 1, 1)
