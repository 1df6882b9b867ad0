"""Times, bounds, scores and precisions of parts on machines with round numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noema.analysis.cost import Costs
from noema.analysis.hardware import describe
from noema.analysis.roofline import Roofline, assess, component_of
from noema.workload import Bound, Component, ComponentKind
from onnx_text import model
from raised import Raised, raised

HARDWARE = replace(
    describe(), gflops={"f32": 100.0, "bf16": 200.0, "int8": 400.0}, bandwidth=10.0
)  # a ridge of 10 operations per byte
ROOFLINE = Roofline.of(HARDWARE)


def _component(found: Raised, roofline: Roofline = ROOFLINE) -> Component:
    costs = Costs(found.graph)
    return component_of(assess(found.part(), costs, roofline), costs, roofline)


def _matmul(tmp_path: Path, rows: int) -> Raised:
    w = np.ones((256, 256), np.float32)
    text = model(f"float[{rows},256] x", f"float[{rows},256] y", "y = MatMul(x, w)", w=w)
    return raised(text, tmp_path)


def test_a_product_of_many_rows_is_bound_by_arithmetic(tmp_path: Path) -> None:
    found = _component(_matmul(tmp_path, 512))
    flops, traffic = 2 * 512 * 256**2, 4 * (256**2 + 2 * 512 * 256)
    assert (found.flops, found.bytes, found.params) == (flops, traffic, 256**2)
    assert found.intensity == flops / traffic > ROOFLINE.ridge
    assert found.bound is Bound.COMPUTE
    assert found.seconds == flops / 100e9
    assert found.score == 1.0
    assert found.precisions == ("int8", "bf16", "f32")
    assert found.kernels == ("IREE contraction, data-tiled",)


def test_a_product_of_one_row_is_bound_by_its_weights(tmp_path: Path) -> None:
    found = _component(_matmul(tmp_path, 1))
    flops, traffic = 2 * 256**2, 4 * (256**2 + 2 * 256)
    assert found.bound is Bound.MEMORY
    assert found.seconds == traffic / 10e9
    assert found.score == pytest.approx(flops / traffic / 10)
    # Its weights are smaller in int8, and nothing else matters.
    assert found.precisions == ("int8", "bf16", "f32")


def test_precisions_shrink_arithmetic_and_weights(tmp_path: Path) -> None:
    found = _matmul(tmp_path, 1)
    times = assess(found.part(), Costs(found.graph), ROOFLINE).seconds
    weights, rest = 4 * 256**2, 4 * 2 * 256
    assert times["bf16"] == pytest.approx((weights / 2 + rest) / 10e9)
    assert times["int8"] == pytest.approx((weights / 4 + rest) / 10e9)


def test_a_precision_without_instructions_is_not_offered(tmp_path: Path) -> None:
    roofline = Roofline({"f32": 100e9}, 10e9)
    assert _component(_matmul(tmp_path, 512), roofline).precisions == ("f32",)


def test_a_norm_gains_nothing_from_narrow_products(tmp_path: Path) -> None:
    s = np.ones(64, np.float32)
    text = model("float[32,64] x", "float[32,64] y", "y = LayerNormalization(x, s)", s=s)
    found = _component(raised(text, tmp_path))
    assert found.precisions == ("f32",)
    assert found.bound is Bound.MEMORY
    assert found.score < 0.2
    assert found.kernels == ("IREE generic loops",)


def test_attention_itself_stays_out_of_int8(tmp_path: Path) -> None:
    # Enough keys and heads that arithmetic is what counts.
    q = "float[1,8,512,64]"
    text = model(f"{q} q, {q} k, {q} v", f"{q} y", "y = Attention(q, k, v)", opset=23)
    found = _component(raised(text, tmp_path))
    assert found.bound is Bound.COMPUTE
    assert "int8" not in found.precisions and "bf16" in found.precisions


def test_what_is_computed_element_by_element_counts_for_nothing(tmp_path: Path) -> None:
    body = "s = CumSum(x, axis)\ny = Exp(s)"
    axis = np.array(1, np.int64)
    found = raised(model("float[32,64] x", "float[32,64] y", body, axis=axis), tmp_path)
    assessment = assess(found.part(), Costs(found.graph), ROOFLINE)
    assert assessment.coverage == pytest.approx(8 / 9)  # 8 operations of exp, 1 of the sum
    component = component_of(assessment, Costs(found.graph), ROOFLINE)
    assert component.score == pytest.approx(8 / 9 * component.intensity / ROOFLINE.ridge)
    assert set(component.kernels) == {"IREE generic loops", "scalar code"}


def test_moving_data_takes_time_and_scores_nothing(tmp_path: Path) -> None:
    text = model("float[32,64] x", "float[64,32] y", "y = Transpose<perm=[1, 0]>(x)")
    found = _component(raised(text, tmp_path))
    assert found.seconds == 2 * 4 * 32 * 64 / 10e9
    assert (found.flops, found.score, found.kernels) == (0, 0.0, ())


def test_a_part_of_constants_costs_nothing(tmp_path: Path) -> None:
    found = _matmul(tmp_path, 1)
    constants = [node for node in found.graph.nodes if node.is_constant]
    costs = Costs(found.graph)
    part = found.part(ComponentKind.GENERIC, constants)
    component = component_of(assess(part, costs, ROOFLINE), costs, ROOFLINE)
    assert (component.seconds, component.intensity, component.score) == (0.0, 0.0, 0.0)
    assert component.precisions == ("f32",)
