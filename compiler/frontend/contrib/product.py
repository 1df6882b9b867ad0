"""Products and convolutions of `com.microsoft`, with what ONNX Runtime fuses into them."""

from __future__ import annotations

from collections.abc import Sequence

from noema.frontend.contrib.activation import activate
from noema.frontend.contrib.expansion import Expansion, Unexpandable
from noema.frontend.contrib.operators import FLOAT, FLOATS, INT, INTS, STRING, declare


def _fused_mat_mul(e: Expansion) -> Sequence[str]:
    """Alpha · op(A) · op(B), where op may swap the matrix and rotate the batch dimensions."""
    left = _transposed(e, 0, bool(e.int("transA")), bool(e.int("transBatchA")))
    right = _transposed(e, 1, bool(e.int("transB")), bool(e.int("transBatchB")))
    product = e.op("MatMul", left, right)
    alpha = e.float("alpha", 1.0)
    if alpha != 1.0:
        product = e.op("Mul", product, e.constant(alpha, e.dtype(0)))
    return [product]


def _transposed(e: Expansion, slot: int, matrix: bool, batch: bool) -> str:
    """Operand `slot` as (batch…, rows, columns).

    With `batch` it is stored as (rows, batch…, columns); with `matrix` its rows are columns.
    Vectors are what they are.
    """
    rank = len(e.shape(slot))
    if rank < 2 or not (matrix or batch):
        return e.input(slot)
    outer = list(range(1, rank - 1)) if batch else list(range(rank - 2))
    inner = [0 if batch else rank - 2, rank - 1]
    return e.op("Transpose", e.input(slot), perm=outer + (inner[::-1] if matrix else inner))


def _fused_gemm(e: Expansion) -> Sequence[str]:
    """Activation(Gemm(A, B, C))."""
    product = e.op(
        "Gemm",
        e.input(0),
        e.input(1),
        e.input(2),
        **e.given("alpha", "beta", "transA", "transB"),
    )
    parameters: dict[str, float] = {
        name: e.float(f"activation_{name}", 0.0)
        for name in ("alpha", "beta", "gamma")
        if e.given(f"activation_{name}")
    }
    return [activate(e, product, e.text("activation", ""), parameters)]


_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


def _fused_conv(e: Expansion) -> Sequence[str]:
    """Activation(Conv(X, W, B) + Z)."""
    result = e.op("Conv", e.input(0), e.input(1), e.input(2), **e.given(*_CONV))
    if e.has(3):
        result = e.op("Add", result, e.input(3))
    kind, values = e.text("activation", ""), e.floats("activation_params")
    if kind == "Clip":
        if len(values) != 2:
            raise Unexpandable(f"Clip with {len(values)} bounds")
        low, high = (e.constant(bound, e.dtype(0)) for bound in values)
        return [e.op("Clip", result, low, high)]
    parameters: dict[str, float] = dict(zip(("alpha", "beta", "gamma"), values, strict=False))
    return [activate(e, result, kind, parameters)]


def _nhwc_conv(e: Expansion) -> Sequence[str]:
    """Conv with channels last, of operand, weights and result."""
    if len(e.shape(0)) != 4:
        raise Unexpandable(f"{len(e.shape(0))} dimensions")
    first, last = [0, 3, 1, 2], [0, 2, 3, 1]
    x = e.op("Transpose", e.input(0), perm=first)
    weights = e.op("Transpose", e.input(1), perm=first)
    result = e.op("Conv", x, weights, e.input(2), **e.given(*_CONV))
    return [e.op("Transpose", result, perm=last)]


def _bias_add(e: Expansion) -> Sequence[str]:
    """X + bias + skip."""
    return [e.op("Add", e.op("Add", e.input(0), e.input(1)), e.input(2))]


_CONV_ATTRIBUTES = {
    "auto_pad": STRING,
    "dilations": INTS,
    "group": INT,
    "kernel_shape": INTS,
    "pads": INTS,
    "strides": INTS,
}
_MAT_MUL = {"alpha": FLOAT, "transA": INT, "transB": INT}

OPERATORS = (
    declare(
        "FusedMatMul",
        _fused_mat_mul,
        "A:T B:T",
        attributes={**_MAT_MUL, "transBatchA": INT, "transBatchB": INT},
    ),
    declare("TransposeMatMul", _fused_mat_mul, "A:T B:T", attributes=_MAT_MUL),
    declare(
        "FusedGemm",
        _fused_gemm,
        "A:T B:T C:T?",
        attributes={
            **_MAT_MUL,
            "beta": FLOAT,
            "activation": STRING,
            "activation_alpha": FLOAT,
            "activation_beta": FLOAT,
            "activation_gamma": FLOAT,
        },
    ),
    declare(
        "FusedConv",
        _fused_conv,
        "X:T W:T B:T? Z:T?",
        attributes={**_CONV_ATTRIBUTES, "activation": STRING, "activation_params": FLOATS},
    ),
    declare("NhwcConv", _nhwc_conv, "X:T W:T B:T?", attributes=_CONV_ATTRIBUTES),
    declare("BiasAdd", _bias_add, "X:T bias:T skip:T"),
)
