"""Roofs: their record, their estimate, and the profile made of them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from noema.analysis.hardware import Roofs, describe, estimate
from noema.progress import JSON
from noema.runtime.cpu import this_cpu

ROOFS = Roofs({"f32": 200.0, "bf16": 400.0}, 50.0, measured=True)


def test_a_record_reads_back() -> None:
    record: dict[str, JSON] = {"gflops": {"f32": 200.0, "bf16": 400}, "bandwidth": 50.0}
    assert Roofs.from_json(record) == ROOFS
    assert ROOFS.to_json() == record


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"gflops": {"f32": 1.0}},
        {"gflops": {"bf16": 1.0}, "bandwidth": 1.0},
        {"gflops": [1.0], "bandwidth": 1.0},
        {"gflops": {"f32": "fast"}, "bandwidth": 1.0},
        {"gflops": {"f32": True}, "bandwidth": 1.0},
        {"gflops": {"f32": 1.0}, "bandwidth": 0},
        {"gflops": {"f32": -1.0}, "bandwidth": 1.0},
        {"gflops": {"f32": math.nan}, "bandwidth": 1.0},
        {"gflops": {"f32": 1.0}, "bandwidth": math.inf},
    ],
)
def test_a_damaged_record_is_refused(record: dict[str, JSON]) -> None:
    with pytest.raises(ValueError, match="not a"):
        Roofs.from_json(record)


def test_the_estimate_follows_cores_clock_and_lanes() -> None:
    cpu = replace(
        this_cpu(),
        machine="x86_64",
        features=frozenset({"fma", "avx2", "avx512f", "avx512_vnni"}),
        physical=4,
        megahertz=3000.0,
    )
    # 4 cores x 3 GHz x 16 lanes x 2; int8 adds 4 products to each lane.
    assert estimate(cpu) == Roofs({"f32": 384.0, "int8": 1536.0}, 48.0, measured=False)
    narrow = replace(cpu, features=frozenset({"fma", "avx2"}))
    assert estimate(narrow).gflops == {"f32": 384.0}  # half the lanes, two of them per cycle
    many = replace(cpu, physical=64, megahertz=0.0)
    assert estimate(many).bandwidth == 60.0
    assert estimate(many).gflops["f32"] == 64 * 2.5 * 32


def test_the_profile_says_whether_it_was_measured() -> None:
    measured, guessed = describe(ROOFS), describe(None)
    assert measured.measured and not guessed.measured
    assert dict(measured.gflops) == {"f32": 200.0, "bf16": 400.0}
    assert measured.bandwidth == 50.0
    cpu = this_cpu()
    assert (measured.cpu, measured.cores) == (cpu.model, cpu.physical)
    assert {c.name: c.bytes for c in measured.caches} == dict(cpu.caches)
    assert set(measured.features) <= cpu.features
    assert all(a.kind in ("vulkan", "cuda") for a in measured.accelerators)
