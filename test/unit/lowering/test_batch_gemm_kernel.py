"""Products of activations, through the whole compiler, against numpy in float64.

Tolerance: f32 sums of up to 70 products of size one; what refines them is of size one too.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest

from execution import compile_proto, execute
from kernel_runs import this_isa
from noema.pipeline import CompiledModel
from onnx_text import model
from single_node import feeds_of, model_of

pytestmark = pytest.mark.skipif(this_isa() is None, reason="no vector unit that kernels know")

Shape = tuple[int, ...]


def normal(*shapes: Shape, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def kinds(program: CompiledModel) -> list[str]:
    return [kernel.kind for kernel in program.kernels.values()]


def close(got: np.ndarray, truth: np.ndarray) -> None:
    assert got.shape == truth.shape
    np.testing.assert_allclose(got, truth, rtol=1e-5, atol=3e-5)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    ("lhs", "rhs"),
    [
        ((5, 33), (33, 20)),
        ((3, 5, 33), (3, 33, 20)),
        ((2, 3, 5, 33), (33, 20)),
        ((33, 9), (2, 3, 9, 20)),
        ((2, 1, 5, 33), (3, 33, 20)),
        ((4, 1, 3, 5, 8), (2, 1, 8, 17)),
        ((3, 70, 16), (3, 16, 1)),
        ((1, 16), (3, 16, 40)),
        ((2, 3, 1, 16), (2, 3, 16, 40)),
        ((16,), (12, 16, 20)),
    ],
)
def test_batches_broadcast_as_in_numpy(lhs: Shape, rhs: Shape, dynamic: bool) -> None:
    if dynamic and 1 in (*lhs[:-2], *rhs[:-2]):
        pytest.skip("extents that aren't known are taken not to broadcast")
    inputs = normal(lhs, rhs)
    program = compile_proto(model_of("MatMul", inputs, ["float32"], opset=13, dynamic=dynamic))
    assert kinds(program) == ["batch_gemm"] and not program.declined
    a, b = (x.astype(np.float64) for x in inputs)
    close(execute(program, feeds_of(inputs))[0], a @ b)


@pytest.mark.parametrize("slot", [0, 1])
def test_one_side_may_be_a_weight_of_any_rank(slot: int) -> None:
    inputs = normal((6, 3, 9, 17), (3, 17, 34), seed=1)
    constant = {slot: inputs[slot]}
    program = compile_proto(model_of("MatMul", inputs, ["float32"], opset=13, constants=constant))
    assert kinds(program) == ["batch_gemm"]
    feeds = {f"in{1 - slot}": inputs[1 - slot]}
    close(execute(program, feeds)[0], inputs[0].astype(np.float64) @ inputs[1])


@pytest.mark.parametrize(
    "equation", ["bij,bkj->bik", "bji,bjk->bik", "bhqd,bkhd->bhqk", "bji,bkj->bik"]
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_sides_may_be_transposed(equation: str, dynamic: bool) -> None:
    sizes = {"b": 3, "h": 2, "i": 21, "j": 20, "k": 37, "q": 7, "d": 18}
    terms = equation.partition("->")[0].split(",")
    inputs = normal(*(tuple(sizes[x] for x in term) for term in terms), seed=2)
    program = compile_proto(
        model_of("Einsum", inputs, ["float32"], opset=12, dynamic=dynamic, equation=equation)
    )
    truth = np.einsum(equation, *(x.astype(np.float64) for x in inputs))
    close(execute(program, feeds_of(inputs))[0], truth)
    if not dynamic:
        assert kinds(program) == ["batch_gemm"]


def test_depths_that_differ_are_an_error_not_a_reading_of_other_memory() -> None:
    proto = model("float[M,A] x, float[B,N] y", "float[M,N] z", "z = MatMul(x, y)")
    program = compile_proto(proto)
    x, y = normal((4, 5), (6, 18))
    with pytest.raises(RuntimeError, match="extents differ"):
        execute(program, {"x": x, "y": y})


def scores(body: str) -> onnx.ModelProto:
    return model(
        "float[2,3,10,16] q, float[2,3,16,24] k, float[2,3,10,24] m", "float[2,3,10,24] s", body,
        scale=np.array(0.25, np.float32),
        bias=np.linspace(-1, 1, 24, dtype=np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "p = MatMul(q, k) t = Mul(p, scale) s = Add(t, m)",
        "p = MatMul(q, k) t = Add(p, bias) s = Relu(t)",
        "p = MatMul(q, k) t = Tanh(p) s = Mul(t, m)",
    ],
)
def test_what_refines_a_product_is_part_of_its_kernel(body: str) -> None:
    program = compile_proto(scores(body))
    assert kinds(program) == ["batch_gemm"]
    (kernel,) = program.kernels.values()
    assert "epilogue none" not in kernel.describe()
    q, k, m = normal((2, 3, 10, 16), (2, 3, 16, 24), (2, 3, 10, 24), seed=3)
    p = q.astype(np.float64) @ k
    if "scale" in body:
        truth = p * 0.25 + m
    elif "bias" in body:
        truth = np.maximum(p + np.linspace(-1, 1, 24), 0)
    else:
        truth = np.tanh(p) * m
    close(execute(program, {"q": q, "k": k, "m": m})[0], truth)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_matrix_times_a_vector_is_one_row(dynamic: bool) -> None:
    inputs = normal((12, 16), (16,))
    program = compile_proto(model_of("MatMul", inputs, ["float32"], opset=13, dynamic=dynamic))
    assert kinds(program) == ([] if dynamic else ["batch_gemm"])
    close(execute(program, feeds_of(inputs))[0], inputs[0].astype(np.float64) @ inputs[1])


def test_what_no_kernel_serves_is_declined_with_the_reason() -> None:
    x, y = normal((2, 64, 8), (2, 8, 4))
    program = compile_proto(model_of("MatMul", [x, y], ["float32"], opset=13))
    assert not program.kernels
    assert [*program.declined.values()] == [
        "IREE's product is faster for N = 4, half a register or less"
    ]
    close(execute(program, feeds_of([x, y]))[0], x.astype(np.float64) @ y)


def test_bf16_operands_are_multiplied_as_they_are() -> None:
    isa = this_isa()
    if isa is None or not isa.bf16:
        pytest.skip("no bf16 here")
    proto = model(
        "float[3,6,20] a, float[3,20,33] b",
        "float[3,6,33] d",
        "x = Cast<to=16>(a) y = Cast<to=16>(b) z = MatMul(x, y) d = Cast<to=1>(z)",
    )
    program = compile_proto(proto)
    assert kinds(program) == ["batch_gemm"]
    # Small integers are exact in bf16, and sums of 20 products of them in f32, up to 2⁸ in bf16.
    rng = np.random.default_rng(4)
    a, b = (rng.integers(-3, 4, s).astype(np.float32) for s in ((3, 6, 20), (3, 20, 33)))
    assert math.isclose(np.abs(execute(program, {"a": a, "b": b})[0] - a @ b).max(), 0)
