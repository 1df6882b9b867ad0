"""LSTM and GRU cells that are spelled out, in the ways people write them, and what isn't one."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from models import STYLES, Style, find
from noema.dialects.attrs import Role
from noema.workload import ComponentKind, RecurrentShape
from onnx_text import model
from understanding import Understood, understand

STEP = "float[B, 10] x, float[B, 12] h, float[B, 12] c"
INTEGERS = {"k0": [0], "k12": [12], "k24": [24], "k36": [36], "k48": [48], "axis": [1]}
INTEGERS |= {"apart": [0, 4, 12], "apart3": [0, 3, 12], "i0": 0, "i1": 1, "i2": 2, "i3": 3}
ONES = {"one": np.float32(1), "two": np.float32(2)}


def written(body: str, inputs: str = STEP, outputs: str = "float[B, 12] y") -> onnx.ModelProto:
    """A model of these nodes; `W10x48` is a weight of that shape, `b48` a bias, both random."""
    rng = np.random.default_rng(3)
    used = set(re.findall(r"\w+", body))
    constants = {k: np.array(v, np.int64) for k, v in INTEGERS.items() if k in used}
    constants |= {k: np.array(v) for k, v in ONES.items() if k in used}
    for name in sorted(used):
        if shape := re.fullmatch(r"[Wb](\d+(?:x\d+)*)[a-z]*", name):
            extents = [int(n) for n in shape[1].split("x")]
            constants[name] = rng.standard_normal(extents).astype(np.float32)
    return model(inputs, outputs, body, **constants)


def found(understood: Understood) -> list[RecurrentShape]:
    return [p.recurrent for p in understood.parts if p.recurrent is not None]


def roles(understood: Understood) -> dict[str, Role]:
    """Role of each ONNX node that one op computes."""
    return {n.names[0]: part.roles[n] for part in understood.parts for n in part.nodes if n.names}


LSTM = """
    [input] i = Sigmoid(zi)
    [forget] f = Sigmoid(zf)
    [output] o = Sigmoid(zo)
    [new] g = Tanh(zg)
    fc = Mul(f, c)
    ig = Mul(i, g)
    d = Add(fc, ig)
    t = Tanh(d)
    y = Mul(o, t)
"""
_FOUR = "num_outputs = 4, axis = 1"

LSTM_FORMS: Mapping[str, str] = {
    "torch: a product each, in the order i f g o": f"""
        a = Gemm<transB = 1>(x, W48x10, b48)
        b = Gemm<transB = 1>(h, W48x12, b48h)
        s = Add(a, b)
        zi, zf, zg, zo = Split<{_FOUR}>(s)
        {LSTM}""",
    "ONNX: in the order i o f c, one bias": f"""
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        s = Add(a, b)
        r = Add(b48, s)
        zi, zo, zf, zg = Split<{_FOUR}>(r)
        {LSTM}""",
    "TensorFlow: one product of both side by side": f"""
        xh = Concat<axis = 1>(x, h)
        p = MatMul(xh, W22x48)
        s = Add(p, b48)
        zi = Slice(s, k0, k12, axis)
        zg = Slice(s, k12, k24, axis)
        zf = Slice(s, k24, k36, axis)
        zo = Slice(s, k36, k48, axis)
        {LSTM}""",
    "gates along an axis of their own": f"""
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        s = Add(a, b)
        r = Reshape(s, apart)
        zi = Gather<axis = 1>(r, i0)
        zf = Gather<axis = 1>(r, i1)
        zg = Gather<axis = 1>(r, i2)
        zo = Gather<axis = 1>(r, i3)
        {LSTM}""",
    "a product for each gate and operand": f"""
        xi = MatMul(x, W10x12i)
        xf = MatMul(x, W10x12f)
        xo = MatMul(x, W10x12o)
        xg = MatMul(x, W10x12g)
        hi = MatMul(h, W12x12i)
        hf = MatMul(h, W12x12f)
        ho = MatMul(h, W12x12o)
        hg = MatMul(h, W12x12g)
        si = Add(xi, hi)
        zi = Add(si, b12i)
        zf = Add(xf, hf)
        zo = Add(ho, xo)
        bg = Add(hg, b12g)
        zg = Add(bg, xg)
        {LSTM}""",
    "peepholes": f"""
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        s = Add(a, b)
        qi, qf, zg, zo = Split<{_FOUR}>(s)
        pi = Mul(c, b12i)
        zi = Add(qi, pi)
        pf = Mul(c, b12f)
        zf = Add(qf, pf)
        {LSTM}""",
    "normalised products": f"""
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        na = LayerNormalization(a, b48s, b48)
        nb = LayerNormalization(b, b48t, b48)
        s = Add(na, nb)
        zi, zf, zg, zo = Split<{_FOUR}>(s)
        {LSTM}""",
    "all three gates by one sigmoid": """
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        s = Add(a, b)
        z = Slice(s, k0, k36, axis)
        [gates] all = Sigmoid(z)
        i, f, o = Split<num_outputs = 3, axis = 1>(all)
        zg = Slice(s, k36, k48, axis)
        g = Tanh(zg)
        ig = Mul(i, g)
        fc = Mul(f, c)
        d = Add(ig, fc)
        t = Tanh(d)
        y = Mul(o, t)""",
    "input and forget gate coupled": """
        a = MatMul(x, W10x36)
        b = MatMul(h, W12x36)
        s = Add(a, b)
        zf, zg, zo = Split<num_outputs = 3, axis = 1>(s)
        f = Sigmoid(zf)
        i = Sub(one, f)
        o = Sigmoid(zo)
        g = Tanh(zg)
        fc = Mul(c, f)
        ig = Mul(g, i)
        d = Add(fc, ig)
        t = Tanh(d)
        y = Mul(t, o)""",
    "hard sigmoids, as of old Keras": f"""
        a = MatMul(x, W10x48)
        b = MatMul(h, W12x48)
        s = Add(a, b)
        zi, zf, zg, zo = Split<{_FOUR}>(s)
        {LSTM.replace("Sigmoid", "HardSigmoid")}""",
}


@pytest.mark.parametrize("form", LSTM_FORMS)
def test_an_lstm_cell_is_one_recurrent_component(form: str) -> None:
    understood = understand(written(LSTM_FORMS[form]))
    assert found(understood) == [RecurrentShape("lstm", 10, 12, directions=1, steps=1)]
    assert understood.counts() == {"recurrent": 1}
    assert understood.parts[0].role == Role.RECURRENT_CELL


def test_gates_and_products_of_an_lstm_are_told_apart() -> None:
    told = roles(understand(written(LSTM_FORMS["torch: a product each, in the order i f g o"])))
    assert told["input"] is Role.RECURRENT_ADMIT
    assert told["forget"] is Role.RECURRENT_FORGET
    assert told["output"] is Role.RECURRENT_OUTPUT
    assert told["new"] is Role.RECURRENT_CANDIDATE
    each = understand(written(LSTM_FORMS["a product for each gate and operand"]))
    products = [(n, p.roles[n]) for p in each.parts for n in p.nodes if n.key == "matmul"]
    expected = {10: Role.RECURRENT_INPUT, 12: Role.RECURRENT_HIDDEN}
    assert len(products) == 8
    assert all(role is expected[n.operands[1].shape[0] or 0] for n, role in products)


def test_one_sigmoid_for_several_gates_says_so() -> None:
    told = roles(understand(written(LSTM_FORMS["all three gates by one sigmoid"])))
    assert told["gates"] is Role.RECURRENT_GATES


def test_a_projected_state_is_one_more_product() -> None:
    body = LSTM_FORMS["torch: a product each, in the order i f g o"].replace("y =", "u =")
    understood = understand(written(f"{body} y = MatMul(u, W12x8)", outputs="float[B, 8] y"))
    assert [s.cell for s in found(understood)] == ["lstm"]


def test_a_cell_of_convolutions() -> None:
    body = f"""
        xh = Concat<axis = 1>(x, h)
        s = Conv<pads = [1, 1, 1, 1]>(xh, W48x15x3x3, b48)
        zi, zf, zo, zg = Split<{_FOUR}>(s)
        {LSTM}"""
    images = "float[B, 3, 8, 8] x, float[B, 12, 8, 8] h, float[B, 12, 8, 8] c"
    understood = understand(written(body, images, "float[B, 12, 8, 8] y"))
    assert found(understood) == [RecurrentShape("lstm", 3, 12, directions=1, steps=1)]
    assert understood.counts() == {"recurrent": 1}


# The candidate n of a GRU, the gates r and z made before.
GRU_GATES = """
    a = MatMul(x, W10x36)
    b = MatMul(h, W12x36)
    xr, xz, xn = Split<num_outputs = 3, axis = 1>(a)
    hr, hz, hn = Split<num_outputs = 3, axis = 1>(b)
    zr = Add(xr, hr)
    zz = Add(xz, hz)
    [reset] r = Sigmoid(zr)
    [update] z = Sigmoid(zz)
"""
RESETS: Mapping[str, str] = {
    "after the product": "hb = Add(hn, b12) rh = Mul(r, hb) zn = Add(xn, rh) n = Tanh(zn)",
    "before the product": """
        rh = Mul(h, r)
        p = MatMul(rh, W12x12)
        zn = Add(xn, p)
        n = Tanh(zn)""",
    "before a product of both side by side": """
        rh = Mul(r, h)
        xrh = Concat<axis = 1>(x, rh)
        p = MatMul(xrh, W22x12)
        zn = Add(p, b12)
        n = Tanh(zn)""",
}
MIXES: Mapping[str, str] = {
    "(1 - z) n + z h": "k = Sub(one, z) kn = Mul(k, n) zh = Mul(z, h) y = Add(kn, zh)",
    "z n + (1 - z) h": "k = Sub(one, z) zn2 = Mul(z, n) kh = Mul(k, h) y = Add(kh, zn2)",
    "n + z (h - n)": "e = Sub(h, n) ze = Mul(e, z) y = Add(ze, n)",
    "h + z (n - h)": "e = Sub(n, h) ze = Mul(z, e) y = Add(h, ze)",
    "n - z (n - h)": "e = Sub(n, h) ze = Mul(z, e) y = Sub(n, ze)",
    "n - z n + z h": "zn2 = Mul(z, n) m = Sub(n, zn2) zh = Mul(z, h) y = Add(m, zh)",
}
STATES = "float[B, 10] x, float[B, 12] h"


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("reset", RESETS)
def test_a_gru_cell_is_one_recurrent_component(reset: str, mix: str) -> None:
    understood = understand(written(GRU_GATES + RESETS[reset] + MIXES[mix], STATES))
    assert found(understood) == [RecurrentShape("gru", 10, 12, directions=1, steps=1)]
    assert understood.counts() == {"recurrent": 1}
    told = roles(understood)
    assert told["reset"] is Role.RECURRENT_RESET
    assert told["update"] is Role.RECURRENT_UPDATE


def test_both_gates_of_a_gru_by_one_sigmoid() -> None:
    gates = """
        xh = Concat<axis = 1>(x, h)
        both = MatMul(xh, W22x24)
        [gates] s = Sigmoid(both)
        z, r = Split<num_outputs = 2, axis = 1>(s)
        xn = MatMul(x, W10x12)
    """
    body = gates + RESETS["before the product"] + MIXES["(1 - z) n + z h"]
    understood = understand(written(body, STATES))
    assert found(understood) == [RecurrentShape("gru", 10, 12, directions=1, steps=1)]
    assert roles(understood)["gates"] is Role.RECURRENT_GATES


@pytest.mark.parametrize("mix", MIXES)
def test_a_minimal_gated_unit_is_no_gru(mix: str) -> None:
    body = """
        a = MatMul(x, W10x12z)
        b = MatMul(h, W12x12z)
        s = Add(a, b)
        z = Sigmoid(s)
        zh0 = Mul(z, h)
        xn = MatMul(x, W10x12n)
        hn = MatMul(zh0, W12x12n)
        sn = Add(xn, hn)
        n = Tanh(sn)
    """
    understood = understand(written(body + MIXES[mix], STATES))
    assert found(understood) == [RecurrentShape("mgu", 10, 12, directions=1, steps=1)]


# What looks like a cell in part.

LOOK_ALIKES: Mapping[str, tuple[str, str, str]] = {
    "WaveNet's gated convolution": (
        "float[B, 8, 30] x",
        "float[B, 8, 28] y",
        """f = Conv(x, W8x8x3f, b8f)
        g = Conv(x, W8x8x3g, b8g)
        t = Tanh(f)
        s = Sigmoid(g)
        y = Mul(t, s)""",
    ),
    "a gated linear unit": (
        "float[B, 10] x",
        "float[B, 12] y",
        "a = MatMul(x, W10x12a) g = MatMul(x, W10x12g) s = Sigmoid(g) y = Mul(a, s)",
    ),
    "a gated unit with a tanh, and a residual": (
        "float[B, 12] x",
        "float[B, 12] y",
        """a = MatMul(x, W12x12a)
        g = MatMul(x, W12x12g)
        t = Tanh(a)
        s = Sigmoid(g)
        p = Mul(t, s)
        y = Add(p, x)""",
    ),
    "a highway layer": (
        "float[B, 12] h",
        "float[B, 12] y",
        f"""a = MatMul(h, W12x12a)
        g = MatMul(h, W12x12g)
        n = Tanh(a)
        z = Sigmoid(g)
        {MIXES["(1 - z) n + z h"]}""",
    ),
    "attention pooling with a gate": (
        "float[B, 12] x",
        "float[B, 1] y",
        """a = MatMul(x, W12x8v)
        g = MatMul(x, W12x8u)
        t = Tanh(a)
        s = Sigmoid(g)
        p = Mul(t, s)
        y = MatMul(p, W8x1)""",
    ),
    "forget gates without a tanh of the state, as in a QRNN": (
        "float[B, 10] x, float[B, 12] c",
        "float[B, 12] y",
        """a = MatMul(x, W10x36)
        zf, zg, zo = Split<num_outputs = 3, axis = 1>(a)
        f = Sigmoid(zf)
        o = Sigmoid(zo)
        g = Tanh(zg)
        i = Sub(one, f)
        fc = Mul(f, c)
        ig = Mul(i, g)
        d = Add(fc, ig)
        y = Mul(o, d)""",
    ),
    "an LSTM whose output isn't gated": (
        STEP,
        "float[B, 12] y",
        LSTM_FORMS["ONNX: in the order i o f c, one bias"].replace(
            "y = Mul(o, t)", "y = Add(o, t)"
        ),
    ),
    "an LSTM whose gates are numbers of their own": (
        STEP,
        "float[B, 12] y",
        "zi = Add(h, b12i) zf = Add(h, b12f) zo = Add(h, b12o) zg = MatMul(x, W10x12)" + LSTM,
    ),
    "a GRU whose weights add up to two": (
        STATES,
        "float[B, 12] y",
        GRU_GATES
        + RESETS["after the product"]
        + "k = Sub(two, z) kn = Mul(k, n) zh = Mul(z, h) y = Add(kn, zh)",
    ),
    "a GRU that mixes with something else than its state": (
        STATES + ", float[B, 12] w",
        "float[B, 12] y",
        GRU_GATES + RESETS["after the product"] + MIXES["n + z (h - n)"].replace("(h,", "(w,"),
    ),
}


@pytest.mark.parametrize("case", LOOK_ALIKES)
def test_what_only_looks_like_a_cell_is_none(case: str) -> None:
    inputs, outputs, body = LOOK_ALIKES[case]
    understood = understand(written(body, inputs, outputs))
    assert understood.parts
    assert ComponentKind.RECURRENT not in understood.counts()


# Several steps


def _unrolled(steps: int, weight: str = "") -> str:
    """A GRU over x of shape (B, steps, 10), from h0; suffixes tell the weights of layers apart."""
    lines = ["h = Identity(h0)"]
    state = "h"
    for t in range(steps):
        lines.append(f"at{t} = Constant<value_int = {t}>()")
        lines.append(f"x{t} = Gather<axis = 1>(x, at{t})")
        step = GRU_GATES + RESETS["after the product"] + MIXES["n + z (h - n)"]
        step = re.sub(r"\[\w+\]", "", step)
        # Names of values are of the step, those of weights of the layer.
        step = re.sub(r"\b([a-z]{1,2}|zn2|y)\b(?= =|,|\))", rf"\1_{t}", step)
        step = re.sub(r"\bx_\d+\b", f"x{t}", re.sub(rf"\bh_{t}\b", state, step))
        step = re.sub(r"\b(W\d+x\d+|b12)\b", rf"\1{weight}", step)
        lines.append(step)
        state = f"y_{t}"
    return "\n".join([*lines, f"y = Identity({state})"])


def test_unrolled_steps_are_one_layer() -> None:
    body = _unrolled(4)
    understood = understand(written(body, "float[B, 4, 10] x, float[B, 12] h0"))
    assert found(understood) == [RecurrentShape("gru", 10, 12, directions=1, steps=4)]
    assert understood.counts() == {"recurrent": 1}


def test_a_layer_with_weights_of_its_own_is_another() -> None:
    """A decoder that starts from the encoder's last state."""
    first, second = _unrolled(3, "e"), _unrolled(2, "d")
    first = first.replace("y =", "between =")
    second = re.sub(r"\b([a-z]{1,3}\d?_\d|x\d|at\d|h)\b", r"d_\1", second).replace("h0", "between")
    body = f"{first}\n{second}".replace("(x, d_at", "(u, d_at")
    inputs = "float[B, 3, 10] x, float[B, 2, 10] u, float[B, 12] h0"
    understood = understand(written(body, inputs))
    assert [s.steps for s in found(understood)] == [3, 2]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("network", ["lstm-cells", "gru-cells"])
def test_layers_are_named_after_the_module_that_was_called(network: str, style: Style) -> None:
    understood = understand(find(network).build(style))
    layers = [p.name for p in understood.parts if p.kind is ComponentKind.RECURRENT]
    assert layers == ["cells.0.recurrent", "cells.1.recurrent"]
    assert {(s.cell, s.hidden, s.directions) for s in found(understood)} == {
        (network.partition("-")[0], 16, 1)
    }


def test_an_operator_says_the_same_of_itself() -> None:
    understood = understand(find("lstm-tagger").build("newest", static=True))
    assert found(understood) == [
        RecurrentShape("lstm", 12, 16, directions=2, steps=7),
        RecurrentShape("lstm", 32, 16, directions=2, steps=7),
    ]
