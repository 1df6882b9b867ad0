"""RNN, GRU and LSTM against ONNX Runtime, which serves every attribute but the layout.

Tolerance: a few dozen steps of f32 gates, each good to 1e-7, and bounded activations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from execution import compile_proto, execute
from single_node import check

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STATES = {"RNN": 1, "GRU": 1, "LSTM": 2}


def model_and_feeds(
    op: str,
    seed: int,
    *,
    steps: int,
    batch: int,
    hidden: int,
    dynamic: bool,
    lengths: bool = False,
    initial: bool = False,
    peepholes: bool = False,
    **attributes: Any,
):
    r = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (r.standard_normal(shape) * 0.6).astype(np.float32)

    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    gates, width = GATES[op], 5
    weights = {
        "W": draw(directions, gates * hidden, width),
        "R": draw(directions, gates * hidden, hidden),
        "B": draw(directions, 2 * gates * hidden),
    }
    feeds = {"X": draw(steps, batch, width)}
    names = ["X", "W", "R", "B", "lens" if lengths else ""]
    if lengths:
        feeds["lens"] = r.integers(1, steps + 1, batch).astype(np.int32)
    for state in "hc"[: STATES[op]]:
        names.append(f"{state}0" if initial else "")
        if initial:
            feeds[f"{state}0"] = draw(directions, batch, hidden)
    if peepholes:
        names.append("P")
        weights["P"] = draw(directions, 3 * hidden)
    shapes = {"X": ["S", "N", width], "lens": ["N"]}
    inputs = [
        helper.make_tensor_value_info(
            n,
            TensorProto.INT32 if n == "lens" else TensorProto.FLOAT,
            shapes.get(n, [directions, "N", hidden]) if dynamic else list(a.shape),
        )
        for n, a in feeds.items()
    ]
    outputs = ["Y", "Y_h", "Y_c"][: 1 + STATES[op]]
    ranks = {"Y": 4, "Y_h": 3, "Y_c": 3}
    node = helper.make_node(op, names, outputs, hidden_size=hidden, **attributes)
    model = helper.make_model(
        helper.make_graph(
            [node],
            "g",
            inputs,
            [
                helper.make_tensor_value_info(
                    n, TensorProto.FLOAT, [f"{n}{i}" for i in range(ranks[n])]
                )
                for n in outputs
            ],
            [numpy_helper.from_array(a, n) for n, a in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 14)],
        ir_version=9,
    )
    return model, feeds


CASES: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {"steps": 5, "batch": 2, "hidden": 3, "dynamic": False}),
    ("RNN", {"steps": 20, "batch": 1, "hidden": 1, "dynamic": True, "direction": "bidirectional"}),
    ("GRU", {"steps": 1, "batch": 3, "hidden": 4, "dynamic": False, "initial": True}),
    ("GRU", {"steps": 33, "batch": 3, "hidden": 5, "dynamic": True, "direction": "reverse",
             "lengths": True}),
    ("GRU", {"steps": 17, "batch": 2, "hidden": 8, "dynamic": False, "linear_before_reset": 1,
             "direction": "bidirectional", "initial": True}),
    ("GRU", {"steps": 6, "batch": 1, "hidden": 7, "dynamic": True, "clip": 0.3,
             "activations": ["HardSigmoid", "LeakyRelu"], "activation_alpha": [0.3]}),
    ("LSTM", {"steps": 8, "batch": 2, "hidden": 4, "dynamic": False, "direction": "bidirectional",
              "lengths": True, "initial": True, "peepholes": True}),
    ("LSTM", {"steps": 17, "batch": 1, "hidden": 2, "dynamic": False, "clip": 0.3, "initial": True,
              "direction": "bidirectional"}),
    ("LSTM", {"steps": 40, "batch": 3, "hidden": 6, "dynamic": True, "direction": "bidirectional",
              "lengths": True, "peepholes": True}),
    ("LSTM", {"steps": 9, "batch": 2, "hidden": 3, "dynamic": True, "input_forget": 1,
              "activations": ["Sigmoid", "Softsign", "ScaledTanh"],
              "activation_alpha": [0.8], "activation_beta": [0.4]}),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_like_onnx_runtime(case: int) -> None:
    op, settings = CASES[case]
    model, feeds = model_and_feeds(op, case, **settings)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    for ours, theirs in zip(execute(compile_proto(model), feeds), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_one_program_for_every_length() -> None:
    """Lengths around the size of the chunks that the loop writes."""
    compiled, session = None, None
    for steps in (1, 2, 15, 16, 17, 64):
        model, feeds = model_and_feeds("LSTM", 3, steps=steps, batch=2, hidden=3, dynamic=True)
        if compiled is None or session is None:
            compiled = compile_proto(model)
            session = onnxruntime.InferenceSession(model.SerializeToString())
        for ours, theirs in zip(execute(compiled, feeds), session.run(None, feeds), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_batch_first(dtype: str) -> None:
    """The layout that ONNX Runtime lacks; f16 sums are good to 1e-2."""
    r = np.random.default_rng(0)
    x, w, rec, b = (
        (r.standard_normal(s) * 0.5).astype(dtype)
        for s in [(3, 4, 5), (1, 24, 5), (1, 24, 6), (1, 48)]
    )
    tolerance = 1e-2 if dtype == "float16" else 1e-5
    check(
        "LSTM", [x, w, rec, b], [dtype] * 3, hidden_size=6, layout=1, opset=14,
        rtol=tolerance, atol=tolerance,
    )  # fmt: skip
