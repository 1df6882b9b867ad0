"""LayerNorm and RMSNorm as exporters spell them: found, equal to ONNX Runtime; look-alikes not."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper, parser

from execution import run_model
from understanding import understand

B, S, D = 3, 5, 12
WEIGHTS = {"w": (D,), "b": (D,), "w3": (1, 1, D), "other": (B, S, D)}

NAMES = ("m", "d", "d2", "p", "q", "mm", "v", "e", "s", "r", "n", "t", "w1", "u", "g")
MEAN = "{m} = ReduceMean<axes = [-1]>(x) {d} = Sub(x, {m})"
DEVIATION = (
    MEAN + " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {r} = Reciprocal({s})"
)
SHIFTED = DEVIATION + " {g} = Mul({r}, w)"
LAYER = {
    "pow": MEAN + " {p} = Pow({d}, two) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "mul, reciprocal": MEAN + " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [2]>({p})"
    " {e} = Add(eps, {v}) {s} = Sqrt({e}) {r} = Reciprocal({s}) {y} = Mul({r}, {d})",
    "one over root": MEAN + " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [2]>({p})"
    " {e} = Add(eps, {v}) {s} = Sqrt({e}) {r} = Div(one, {s}) {y} = Mul({d}, {r})",
    "power of minus a half": MEAN + " {p} = Pow({d}, two) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {r} = Pow({e}, mhalf) {y} = Mul({d}, {r})",
    "difference computed twice": MEAN + " {d2} = Sub(x, {m}) {p} = Pow({d2}, two)"
    " {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "mean of squares less squared mean": MEAN + " {p} = Mul(x, x)"
    " {q} = ReduceMean<axes = [-1]>({p}) {mm} = Mul({m}, {m}) {v} = Sub({q}, {mm})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "two axes": "{m} = ReduceMean<axes = [1, 2]>(x) {d} = Sub(x, {m}) {p} = Mul({d}, {d})"
    " {v} = ReduceMean<axes = [1, 2]>({p}) {e} = Add({v}, eps) {s} = Sqrt({e})"
    " {y} = Div({d}, {s})",
    "scale and bias": MEAN + " {p} = Pow({d}, two) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {n} = Div({d}, {s}) {t} = Mul(w, {n})"
    " {y} = Add({t}, b)",
    "scale with leading ones": MEAN + " {p} = Pow({d}, two) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {n} = Div({d}, {s}) {t} = Mul({n}, w3)"
    " {y} = Add({t}, b)",
    "sums over the number": "{q} = ReduceSum(x, last) {m} = Div({q}, count) {d} = Sub(x, {m})"
    " {p} = Mul({d}, {d}) {u} = ReduceSum({p}, last) {v} = Mul({u}, share) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "axes dropped and put back": "{q} = ReduceMean<axes = [-1], keepdims = 0>(x)"
    " {m} = Unsqueeze({q}, last) {d} = Sub(x, {m}) {p} = Mul({d}, {d})"
    " {u} = ReduceMean<axes = [2], keepdims = 0>({p}) {v} = Unsqueeze({u}, last)"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "scale and shift": SHIFTED + " {t} = Mul(x, {g}) {mm} = Mul({m}, {g}) {u} = Sub(b, {mm})"
    " {y} = Add({t}, {u})",
    "shift without a bias": SHIFTED + " {t} = Mul({g}, x) {mm} = Mul({m}, {g})"
    " {y} = Sub({t}, {mm})",
    "shift without a scale": DEVIATION + " {t} = Mul(x, {r}) {mm} = Mul({m}, {r})"
    " {u} = Sub(b, {mm}) {y} = Add({u}, {t})",
    "bias alone": MEAN + " {p} = Pow({d}, two) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {n} = Div({d}, {s}) {y} = Add({n}, b)",
}
RMS = {
    "pow, div": "{p} = Pow(x, two) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {n} = Div(x, {s}) {y} = Mul({n}, w)",
    "reciprocal": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {r} = Reciprocal({s}) {n} = Mul(x, {r}) {y} = Mul(w, {n})",
    "one plus the weight": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {r} = Pow({e}, mhalf) {n} = Mul(x, {r}) {w1} = Add(w, one) {y} = Mul({n}, {w1})",
    "no weight": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div(x, {s})",
}
LOOKALIKES = {
    "shift by another scale": SHIFTED + " {t} = Mul(x, {g}) {n} = Mul({r}, b)"
    " {mm} = Mul({m}, {n}) {u} = Sub(b, {mm}) {y} = Add({t}, {u})",
    "shift by another mean": SHIFTED + " {t} = Mul(x, {g}) {q} = ReduceMax<axes = [-1]>(x)"
    " {mm} = Mul({q}, {g}) {u} = Sub(b, {mm}) {y} = Add({t}, {u})",
    "shift the other way": SHIFTED + " {t} = Mul(x, {g}) {mm} = Mul({m}, {g})"
    " {u} = Sub({mm}, b) {y} = Add({t}, {u})",
    "scale of another tensor": SHIFTED + " {t} = Mul(other, {g}) {mm} = Mul({m}, {g})"
    " {u} = Sub(b, {mm}) {y} = Add({t}, {u})",
    "sum over one less": "{q} = ReduceSum(x, last) {m} = Div({q}, less) {d} = Sub(x, {m})"
    " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "mean over another axis": "{m} = ReduceMean<axes = [1]>(x) {d} = Sub(x, {m})"
    " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "not the last axis": "{p} = Mul(x, x) {v} = ReduceMean<axes = [1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div(x, {s})",
    "variance of another tensor": MEAN
    + " {p} = Mul(other, other) {v} = ReduceMean<axes = [-1]>({p})"
    " {e} = Add({v}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "mean of another tensor": "{m} = ReduceMean<axes = [-1]>(other) {d} = Sub(x, {m})"
    " {p} = Abs({d}) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps) {s} = Sqrt({e})"
    " {y} = Div({d}, {s})",
    "cubes": "{p} = Pow(x, three) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div(x, {s})",
    "sum, the euclidean norm": "{p} = Mul(x, x) {v} = ReduceSum({p}, last) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div(x, {s})",
    "epsilon per element": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, b)"
    " {g} = Abs({e}) {s} = Sqrt({g}) {y} = Div(x, {s})",
    "no root": MEAN + " {p} = Mul({d}, {d}) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {y} = Div({d}, {e})",
    "cube root": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Pow({e}, third) {y} = Div(x, {s})",
    "unbiased variance": MEAN + " {p} = Mul({d}, {d}) {v} = ReduceSum({p}, last)"
    " {u} = Div({v}, less) {e} = Add({u}, eps) {s} = Sqrt({e}) {y} = Div({d}, {s})",
    "another numerator": "{p} = Mul(x, x) {v} = ReduceMean<axes = [-1]>({p}) {e} = Add({v}, eps)"
    " {s} = Sqrt({e}) {y} = Div(other, {s})",
}


def model(spellings: dict[str, str]) -> onnx.ModelProto:
    """One model with an output per spelling."""
    lines: list[str] = []
    for i, text in enumerate(spellings.values()):
        names = {
            n: f"{n}_{i}"
            for n in ["m", "d", "d2", "p", "q", "mm", "v", "e", "s", "r", "n", "t", "w1", "u", "g"]
        }
        lines.append(text.format(**names, y=f"y{i}"))
    outputs = ", ".join(f"float[batch, {S}, {D}] y{i}" for i in range(len(spellings)))
    text = f"""<ir_version: 8, opset_import: ["": 13]>
        g (float[batch, {S}, {D}] x) => ({outputs})
        <float eps = {{1e-5}}, float one = {{1.0}}, float two = {{2.0}}, float three = {{3.0}},
         float mhalf = {{-0.5}}, float third = {{0.3333}}, float less = {{{D - 1}.0}},
         float count = {{{D}.0}}, float share = {{{1 / D}}},
         int64[1] last = {{-1}}>
        {{ {" ".join(lines)} }}"""
    proto = parser.parse_model(text)
    rng = np.random.default_rng(3)
    for name, shape in WEIGHTS.items():
        values = rng.normal(1, 0.5, shape).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    return proto


def norms(spellings: dict[str, str]) -> Counter[str]:
    graph = understand(model(spellings)).graph
    return Counter(node.key for node in graph.nodes if node.key.startswith("norm."))


@pytest.mark.parametrize("name", LAYER)
def test_layer_norm_is_found(name: str) -> None:
    graph = understand(model({name: LAYER[name]})).graph
    (norm,) = [n for n in graph.nodes if not n.is_constant and n.key != "onnx.Reshape"]
    assert norm.key == "norm.layer"
    assert norm.float("epsilon") == pytest.approx(1e-5)


@pytest.mark.parametrize("name", RMS)
def test_rms_norm_is_found(name: str) -> None:
    assert norms({name: RMS[name]}) == {"norm.rms": 1}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_lookalike_is_left_alone(name: str) -> None:
    # What is divided by its own root mean square is that, whatever it was made by.
    rms = {"norm.rms": 1} if name in ("mean over another axis", "sum over one less") else {}
    assert norms({name: LOOKALIKES[name]}) == rms


@pytest.mark.parametrize("seed", [0, 1])
def test_the_numbers_stay(seed: int) -> None:
    spellings = {**{f"layer {k}": v for k, v in LAYER.items()}, **RMS, **LOOKALIKES}
    proto = model(spellings)
    x = np.random.default_rng(seed).normal(0.3, 2, (B, S, D)).astype(np.float32)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})
    for name, got, want in zip(spellings, run_model(proto, {"x": x}), expected, strict=True):
        if np.isnan(want).any():  # roots of negative numbers, in a look-alike
            np.testing.assert_array_equal(np.isnan(got), np.isnan(want), err_msg=name)
        scale = np.nanmax(np.abs(want))
        np.testing.assert_allclose(got, want, atol=1e-5 * scale, rtol=0, err_msg=name)
