"""Shapes of inputs that must agree though inference doesn't look."""

from __future__ import annotations

import pytest

from noema.errors import InvalidModel
from noema.frontend.onnx import from_proto
from onnx_text import model

X = "float[1,4,8,8] x"


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        (f"{X}, float[6,3,3,3] w", "[n] y = Conv(x, w)"),
        (f"{X}, float[6,2,3,3] w", "[n] y = Conv<group = 4>(x, w)"),
        (f"{X}, float[5,2,3,3] w", "[n] y = Conv<group = 2>(x, w)"),
        (f"{X}, float[6,4,3,3] w, float[5] b", "[n] y = Conv(x, w, b)"),
        (f"{X}, float[6,4,3,3] w", "[n] y = Conv<group = 0>(x, w)"),
        (f"{X}, float[6,4,3,3] w", "[n] y = Conv<kernel_shape = [2, 2]>(x, w)"),
        (f"{X}, float[3,6,3,3] w", "[n] y = ConvTranspose(x, w)"),
        (f"{X}, float[3] s", "[n] y = InstanceNormalization(x, s, s)"),
        (f"{X}, float[3] s, float[4] t", "[n] y = BatchNormalization(x, t, t, t, s)"),
        (f"{X}, float[4] s", "[n] y = GroupNormalization<num_groups = 3>(x, s, s)"),
        (f"{X}, float[5] s", "[n] y = LayerNormalization(x, s)"),
        ("float[2,3] x, float[4,5] w", "[n] y = Gemm(x, w)"),
        ("float[2,3] x, float[3,5] w, float[4] b", "[n] y = Gemm(x, w, b)"),
        (f"{X}, float[3] s", "[n] y = PRelu(x, s)"),
        (
            "float[5,2,3] x, float[1,16,4] w, float[1,16,4] r",
            "[n] y = LSTM<hidden_size = 4>(x, w, r)",
        ),
        (
            "float[5,2,3] x, float[1,12,3] w, float[1,12,3] r",
            "[n] y = GRU<hidden_size = 4>(x, w, r)",
        ),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(inputs: str, body: str) -> None:
    with pytest.raises(InvalidModel) as caught:
        from_proto(model(inputs, "float[] y", body))
    assert caught.value.node == "n"


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        ("float[N,C,8,8] x, float[6,3,3,3] w", "y = Conv(x, w)"),
        (f"{X}, float[6,2,3,3] w, float[6] b", "y = Conv<group = 2>(x, w, b)"),
        (f"{X}, float[4,3,3,3] w, float[6] b", "y = ConvTranspose<group = 2>(x, w, b)"),
        (f"{X}, float[8] s", "y = LayerNormalization(x, s)"),
        (f"{X}, float[4,1,8] s", "y = LayerNormalization<axis = 1>(x, s)"),
        ("float[2,3] x, float[5,3] w, float[1,5] b", "y = Gemm<transB = 1>(x, w, b)"),
        (f"{X}, float[4,1,1] s", "y = PRelu(x, s)"),
        ("float[5,2,3] x, float[2,16,3] w, float[2,16,4] r",
         '[n] y = LSTM<hidden_size = 4, direction = "bidirectional">(x, w, r)'),
    ],
)  # fmt: skip
def test_shapes_that_agree_or_may_agree_are_accepted(inputs: str, body: str) -> None:
    assert len(from_proto(model(inputs, "float[] y", body)).graph.node) == 1
