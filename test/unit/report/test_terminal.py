"""`noema explain` in the terminal."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console

from noema.report.terminal import Wanted, show
from noema.workload import (
    ComponentKind,
    KernelPlan,
    RecurrentShape,
    Search,
    WorkloadProfile,
    WorkloadType,
)
from profiles import component, convnet, profile, transformer


def printed(made: WorkloadProfile, wanted: Wanted | None = None, *, width: int = 120) -> str:
    out = io.StringIO()
    show(made, Console(file=out, width=width), wanted or Wanted())
    return out.getvalue()


def test_what_a_reader_looks_for_is_there() -> None:
    text = printed(transformer(12))
    assert "text encoder, confidence 94%" in text
    assert "12 bidirectional self-attention layers" in text
    assert "assumed batch=1, sequence=128" in text
    assert "input_ids: i64[batch=1, sequence=128] → logits: f32[batch=1, 2]" in text
    assert "12 × self, 12 heads × 64, 128×128, mask padding" in text
    assert "every gain is a prediction" in text
    assert "−12.0 ms" in text
    assert "f32 120 GFLOP/s" in text
    assert "(measured)" in text


def test_recurrent_layers_say_which_cell_they_are() -> None:
    layers = [
        dataclasses.replace(
            component(f"rnn.{i}", ComponentKind.RECURRENT, "recurrent.cell", 10**6, 10**5),
            recurrent=RecurrentShape("lstm", 12 if i == 0 else 32, 16, 2, 7),
        )
        for i in range(3)
    ]
    text = printed(profile("tagger", WorkloadType.TEXT_ENCODER, layers, []))
    assert "1 × LSTM, 12 → 16, both ways, 7 steps" in text
    assert "2 × LSTM, 32 → 16, both ways, 7 steps" in text


def test_repeated_layers_are_folded_into_one() -> None:
    text = printed(transformer(12))
    assert "0…11 ×12" in text
    assert text.count("mlp.norm") + text.count("attention  attention") <= 2
    assert len(text.splitlines()) < 50


def test_a_layer_that_differs_is_not_folded() -> None:
    made = transformer(6)
    odd = [
        dataclasses.replace(c, role="mlp.gated") if c.name == "encoder.3.mlp" else c
        for c in made.components
    ]
    text = printed(dataclasses.replace(made, components=tuple(odd)))
    assert "0…2 ×3" in text
    assert "4…5 ×2" in text
    assert "mlp.gated" in text


def test_numbers_in_names_fold_too() -> None:
    assert "conv1…conv2 ×2" in printed(convnet(3))


def test_kernels_are_told_by_component_and_what_has_none_by_reason() -> None:
    text = printed(transformer(3))
    assert "kernels (f32 on this machine, 2 threads)" in text
    assert re.search(r"attention +3 gemm", text)
    assert re.search(r"mlp +3 gemm", text)
    assert "6 nodes without one, left to IREE's code generation" in text
    assert re.search(r"6 +a norm of kind group\s+/encoder/0/attention/norm/Op, ", text)
    assert "kernels" not in printed(dataclasses.replace(transformer(3), kernels=None))
    none = KernelPlan("f32", 1, (), (), "no kernels for this processor")
    text = printed(dataclasses.replace(transformer(3), kernels=none))
    assert "1 thread)" in text and "none: no kernels for this processor" in text


def test_nodes_stand_behind_their_components_if_asked_for() -> None:
    node = "/encoder/layer.0/attention/query"
    assert node not in printed(transformer(2))
    assert node in printed(transformer(2), Wanted(nodes=True))


def test_timing_and_near_misses_if_asked_for() -> None:
    assert "layer-norm" not in printed(transformer(2))
    text = printed(transformer(2), Wanted(timing=True))
    assert "layer-norm" in text
    assert "attention at /x/MatMul: the softmax is over the wrong axis" in text


def test_opportunities_are_as_many_as_asked_for() -> None:
    assert "opportunities" not in printed(transformer(2), Wanted(opportunities=0))
    text = printed(transformer(2), Wanted(opportunities=1))
    assert "int8 for 24 products" in text
    assert "Merge 12 QKV" not in text
    assert "and 1 more (--opportunities 2)" in text


def test_it_says_how_much_of_the_weights_was_looked_at() -> None:
    text = " ".join(printed(transformer(2), width=200).split())
    assert "weights looked at: 100% of 400 MB for equal ones, 99% of 300 MB for" in text
    assert "at most 67.1 MB are read for each" in text
    none = dataclasses.replace(transformer(2), searches=(Search("pruning", 0, 0, 0),))
    assert "looked at" not in printed(none)


def test_many_inputs_are_cut() -> None:
    made = transformer(2)
    model = dataclasses.replace(made.model, inputs=tuple(f"x{i}: f32[4]" for i in range(9)))
    text = printed(dataclasses.replace(made, model=model), width=200)
    assert "x2: f32[4] and 6 more → logits" in text
    assert "x3" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, printed(transformer(4), width=width).splitlines())) <= width


def test_an_estimate_is_called_one() -> None:
    made = transformer(1)
    hardware = dataclasses.replace(made.hardware, measured=False)
    assert "estimated, not measured" in printed(dataclasses.replace(made, hardware=hardware))


def test_hostile_names_stay_text() -> None:
    name = "[red]x[/] \x1b[31m\u202e\n[link=http://x]"
    made = profile(
        name,
        WorkloadType.OTHER,
        [component(name, ComponentKind.GENERIC, "generic", 10, 10, nodes=[name])],
        [],
    )
    out = io.StringIO()
    show(made, Console(file=out, width=200, force_terminal=True), Wanted(nodes=True, timing=True))
    text = out.getvalue()
    assert "[red]x" in text
    assert "\x1b[31m" not in text
    assert "\\u001b" in text
    assert "\u202e" not in text
    assert "http://x\x1b" not in text


def test_a_network_without_components() -> None:
    text = printed(dataclasses.replace(convnet(1), components=(), opportunities=()))
    assert "0 FLOP and 0 B per call" in text
