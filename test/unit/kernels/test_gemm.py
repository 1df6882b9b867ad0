"""GEMM kernels against numpy, over drawn shapes and cuts, with memory that ends where it should."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernel_runs import DTYPES, KernelProgram, this_isa
from noema.kernels.epilogue import NOTHING, Activate, Bias, Curve, Epilogue, Residual
from noema.kernels.gemm import Gemm, Tile
from noema.kernels.gemm_choice import candidates
from noema.kernels.kernel import X86_64_V3, X86_64_V4, Isa, Unsuitable, name_of

ISA = this_isa()
needs_vectors = pytest.mark.skipif(ISA is None, reason="no vector unit that kernels know")
BF16 = dataclasses.replace(X86_64_V4, bf16=True)

# Every example is compiled: some 0.2 s.
drawn = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def kernels(draw: st.DrawFn) -> tuple[Gemm, int]:
    """A kernel of any legal cut for this machine, and how many rows to call it with."""
    assert ISA is not None
    isa = draw(st.sampled_from([ISA, X86_64_V3]))
    element = draw(st.sampled_from(["f32", "bf16"] if isa.bf16 else ["f32"]))
    rows, n, k = draw(st.integers(1, 40)), draw(st.integers(1, 150)), draw(st.integers(1, 70))
    tile = Tile(
        rows=draw(st.integers(1, 8)),
        vectors=draw(st.integers(1, 3)),
        row_split=draw(st.integers(1, 3)),
        column_split=draw(st.integers(1, 3)),
        rows_outer=draw(st.booleans()),
        pack=draw(st.booleans()),
        unroll=draw(st.sampled_from([1, 2, 4])),
    )
    steps = draw(
        st.sampled_from(
            [(), (Bias(),), (Bias(), Activate(Curve.RELU)), (Bias(), Residual(element))]
        )
    )
    before, after = draw(st.sampled_from([(0, 0), (0, 0), (3, 5)]))
    kernel = Gemm(
        draw(st.sampled_from(["m", rows])),
        n,
        k,
        isa,
        tile,
        element,
        Epilogue(steps, draw(st.sampled_from(["f32", element]))),
        draw(st.sampled_from(["f32", element])) if tile.pack else element,
        before + k + after if before else 0,
        before,
    )
    return kernel, rows


def operands(kernel: Gemm, rows: int, seed: int = 0) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """What to call it with, and the weights as they were before they were packed."""
    rng = np.random.default_rng(seed)

    def fill(extents: tuple[int | str, ...], element: str) -> NDArray[Any]:
        shape = [rows if isinstance(e, str) else e for e in extents]
        return rng.standard_normal(shape).astype(DTYPES[element])

    weights = fill((kernel.k, kernel.n), kernel.element)
    a, _, *others = kernel.interface.operands
    filled = [fill(t.extents, t.element) for t in others]
    return [fill(a.extents, a.element), kernel.packed(weights), *filled], weights


def expected(kernel: Gemm, arrays: list[NDArray[Any]], weights: NDArray[Any]) -> NDArray[Any]:
    a, _, *others = arrays
    a = a[:, kernel.lhs_start : kernel.lhs_start + kernel.k].astype(DTYPES[kernel.element])
    c = a.astype(np.float64) @ weights.astype(np.float64)
    for step in kernel.epilogue.steps:
        if isinstance(step, Activate):
            c = np.maximum(c, 0)
        else:
            c = c + others.pop(0).astype(np.float64)
    return c


def check(kernel: Gemm, got: NDArray[Any], truth: NDArray[Any]) -> None:
    # Products of normal numbers, k of them: a sum in f32 is off by some √k · 2⁻²⁴ of its size.
    # vdpbf16ps rounds twice per pair. A bf16 result keeps 8 bits.
    size = max(1.0, float(np.abs(truth).max()))
    relative = 2**-8 if kernel.epilogue.element == "bf16" else 0
    np.testing.assert_allclose(
        got.astype(np.float64), truth, rtol=relative, atol=2e-6 * size + relative * 1e-2
    )


@needs_vectors
@drawn
@given(kernels())
def test_any_shape_and_cut(drawn_kernel: tuple[Gemm, int]) -> None:
    kernel, rows = drawn_kernel
    arrays, weights = operands(kernel, rows)
    program = KernelProgram(kernel)
    check(kernel, program.guarded(*arrays)[0], expected(kernel, arrays, weights))
    check(kernel, program(*arrays)[0], expected(kernel, arrays, weights))


SHAPES = [(128, 768, 96), (1, 768, 130), (49, 512, 64), (5, 3, 1), (1, 1, 1), (16, 65, 48)]


@needs_vectors
@pytest.mark.parametrize("element", ["f32", "bf16"])
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_candidates_are_right(m: int, k: int, n: int, element: str, threads: int) -> None:
    assert ISA is not None
    if element == "bf16" and not ISA.bf16:
        pytest.skip("no bf16 here")
    epilogue = Epilogue((Bias(),))
    for kernel in candidates(m, n, k, ISA, element, epilogue, threads)[:3]:
        arrays, weights = operands(kernel, m)
        got = KernelProgram(kernel, threads).guarded(*arrays)[0]
        check(kernel, got, expected(kernel, arrays, weights))


@needs_vectors
def test_one_kernel_serves_any_number_of_rows() -> None:
    assert ISA is not None
    kernel = candidates("tokens", 100, 33, ISA, epilogue=Epilogue((Bias(),)))[0]
    program = KernelProgram(kernel, 2)
    for rows in (1, 2, 3, 4, 5, 7, 8, 9, 16, 50, 129):
        arrays, weights = operands(kernel, rows, rows)
        check(kernel, program.guarded(*arrays)[0], expected(kernel, arrays, weights))


def test_packing_fills_panels_and_pairs_with_zeros() -> None:
    weights = np.arange(1, 3 * 50 + 1, dtype=np.float32).reshape(3, 50)
    kernel = Gemm(4, 50, 3, BF16, Tile(4, 2), "bf16")
    packed = kernel.packed(weights)
    assert packed.shape == kernel.packed_shape == (2, 2, 64)
    # Panel 0, rows 0 and 1 of column 5; panel 1, row 2 of column 49, and 0 for row 3.
    assert packed[0, 0, 10:12].tolist() == [weights[0, 5], weights[1, 5]]
    assert packed[1, 1, 34:36].tolist() == [weights[2, 49], 0]
    assert not packed[1, :, 36:].any()
    plain = Gemm(4, 50, 3, X86_64_V4, Tile(4, 2)).packed(weights)
    assert plain.shape == (2, 3, 32) and np.array_equal(plain[0], weights[:, :32])


def test_a_case_that_no_kernel_serves_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsuitable, match="bf16"):
        Gemm(8, 48, 64, X86_64_V4, Tile(8, 3), "bf16")
    with pytest.raises(Unsuitable, match="f64"):
        Gemm(8, 48, 64, X86_64_V4, Tile(8, 3), "f64")
    with pytest.raises(Unsuitable, match="converted"):
        Gemm(8, 48, 64, BF16, Tile(8, 3), "bf16", lhs="f32")
    with pytest.raises(Unsuitable, match="stack"):
        Gemm(8, 48, 1 << 17, BF16, Tile(8, 3, pack=True), "bf16")


@pytest.mark.parametrize(
    ("isa", "element", "operation"),
    [
        (X86_64_V4, "f32", "vector.fma"),
        (BF16, "bf16", "llvm.x86.avx512bf16.dpbf16ps.512"),
        (X86_64_V3, "f32", "vector.fma"),
    ],
)
def test_the_innermost_loop_is_a_tile_of_multiplications(
    isa: Isa, element: str, operation: str
) -> None:
    tile = Tile(6, 2, unroll=2)
    kernel = Gemm(12, isa.lanes * 4, 16, isa, tile, element, NOTHING)
    text = kernel.print(name_of(kernel))
    # Where everything divides, one tile is printed and nothing is masked.
    assert text.count(operation) == 6 * 2 * 2
    assert "mask" not in text and "scf.if" not in text
    inner = text[text.rindex("scf.for") : text.index("scf.yield")]
    assert inner.count(operation) == 6 * 2 * 2 and inner.count("memref.prefetch") >= 1
    assert inner.count("vector.broadcast") == 6 * 2


@pytest.mark.parametrize("m", [12, 13, "m"])
def test_a_last_row_tile_is_printed_only_where_there_may_be_one(m: int | str) -> None:
    kernel = Gemm(m, 32, 16, X86_64_V4, Tile(6, 2, unroll=1))
    tiles = {12: 6, 13: 6 + 1, "m": 6 + 3 + 6}[m]
    assert kernel.print("gemm").count("vector.fma") == tiles * 2


def test_the_first_candidate_gives_all_workers_the_same() -> None:
    # 512 columns are 32 registers: panels of 3 would leave one of 2.
    for n, m in ((512, 49), (768, 128), (64, 3136)):
        tile = candidates(m, n, 1024, X86_64_V4, threads=2)[0].tile
        columns, rows = -(-n // (16 * tile.vectors)), -(-m // tile.rows)
        shares = tile.row_split * tile.column_split
        assert shares >= 2 and (columns % tile.column_split == 0 or rows >= 8 * tile.row_split)


def test_candidates_differ_and_fit_the_registers() -> None:
    for isa in (BF16, X86_64_V3):
        found = candidates("m", 768, 768, isa)
        assert len(found) == len(set(found)) > 4
        for kernel in found:
            t = kernel.tile
            assert t.rows * t.vectors + t.vectors + 1 <= isa.registers


def test_activations_in_f32_are_packed_for_bf16() -> None:
    kernel = candidates("m", 64, 96, BF16, "bf16", lhs="f32")[0]
    assert kernel.tile.pack and kernel.interface.operands[0].element == "f32"


def test_rows_that_share_a_cache_set_are_few() -> None:
    for k, most in ((1024, 8), (2048, 8), (1000, 14)):
        rows = [c.tile.rows for c in candidates(49, 512, k, X86_64_V4, threads=2)]
        assert max(rows) <= most
