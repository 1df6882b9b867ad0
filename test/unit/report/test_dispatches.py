"""`noema profile` in the terminal."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console

from noema.profile import ProgramProfile
from noema.report.dispatches import show
from profiled import profiled


def _shown(
    profile: ProgramProfile, *, by: str = "component", rows: int = 0, width: int = 200
) -> str:
    out = io.StringIO()
    show(profile, Console(file=out, width=width), by=by, rows=rows)
    return out.getvalue()


def test_the_parts_of_a_call() -> None:
    text = _shown(profiled())
    assert "bert.onnx for cpu, 2 threads, 20 calls on input_ids: int64[1,128]" in text
    assert "a call takes 8 ms · dispatches 7 ms · between them 0.3 ms · around them 0.5 ms" in text


def test_a_profiler_that_slows_the_program_down_is_told() -> None:
    slowed = dataclasses.replace(profiled(), call=7e-3)
    assert "the profiler adds 0.5 ms" in _shown(slowed)


def test_components_with_their_numbers() -> None:
    text = _shown(profiled())
    assert re.search(
        r"encoder\.1\.attention +gemm +1 +4000\.0 +57\.1% +25\.0 +0\.2 +22% +compute", text
    )
    assert re.search(r"\[red\]head +iree +1 +2000\.0 +28\.6% *\n", text), "no roof is known"


def test_kernels_name_what_they_are_for() -> None:
    text = _shown(profiled(), by="kernel")
    assert re.search(r"gemm 128×768×768 f32 +2 +5000\.0 +71\.4%", text)


def test_sites_are_sorted_by_time_and_name_their_nodes() -> None:
    text = _shown(profiled(), by="site")
    assert re.findall(r"^ *([012]) ", text, re.M) == ["1", "2", "0"]
    assert "/k/MatMul" in text
    assert "/q/MatMul" not in _shown(profiled(), by="site", width=80).partition("Most time")[0]


def test_rows_are_bounded() -> None:
    assert "and 2 more (--rows 0 shows all)" in _shown(profiled(), rows=1)
    assert "more (--rows" not in _shown(profiled())


def test_the_slow_part_is_named() -> None:
    slow = _shown(profiled()).partition("Most time above the roofline")[2]
    assert "gemm 128×768×768 f32: 3.2 ms above, at 36% of its compute roof; /k/MatMul" in slow
    assert "and 1 more" in slow
    assert "pooling" not in slow, "nobody knows its roof"


def test_why_a_slow_part_has_no_kernel_of_ours() -> None:
    made = profiled()
    pool, gemm = made.kernels[1], made.kernels[0]
    kernels = (dataclasses.replace(gemm, above=0.0), dataclasses.replace(pool, above=1e-3))
    assert "no kernel of noema's: a window of 3" in _shown(
        dataclasses.replace(made, kernels=kernels)
    )


@pytest.mark.parametrize("width", [80, 120, 150])
@pytest.mark.parametrize("by", ["component", "kernel", "site"])
def test_long_names_are_cut_and_figures_never(by: str, width: int) -> None:
    made = profiled()
    long = [
        dataclasses.replace(d, kernel="k" * 300, component="c" * 300, nodes=("n" * 300,))
        for d in made.dispatches
    ]
    made = dataclasses.replace(made, dispatches=tuple(long))
    text = _shown(made, by=by, width=width)
    assert max(map(len, text.splitlines())) <= width
    rows = {"component": "57.1%", "kernel": "71.4%", "site": "57.1%"}
    assert re.search(rf"\d000\.0 +{rows[by]} .* (22|36)% +compute", text)
