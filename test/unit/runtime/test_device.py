"""Devices and processors: described, opened, and checked against what a program needs."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from noema.artifact import Requirements
from noema.errors import DeviceUnavailable, InvalidOption
from noema.options import Target
from noema.runtime import cpu, device, load
from noema.runtime.cpu import check_requirements, cpu_fingerprint, requirements_of, this_cpu
from noema.runtime.device import list_devices, open_device

from .conftest import MakeArtifact


def pretend(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Makes this machine's processor another one."""
    other = dataclasses.replace(this_cpu(), **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(cpu, "this_cpu", lambda: other)


def test_the_cpu_is_always_there_and_others_have_a_reason() -> None:
    devices = list_devices()
    assert (devices[0].name, devices[0].available) == ("cpu", True)
    assert {d.kind for d in devices} == {"cpu", "vulkan", "cuda"}
    for found in devices:
        assert found.available != bool(found.reason)
        assert found.description or not found.available
        assert found.to_json()["name"] == found.name


def test_driver_failure_is_a_reason_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise RuntimeError(
            f"Error creating driver: c/runtime/x/{name}.c:66: UNAVAILABLE; {name} library missing"
        )

    monkeypatch.setattr(device, "_driver", broken)
    reasons = [d.reason for d in list_devices() if not d.available]
    assert reasons == [
        "no vulkan device: vulkan library missing",
        "no cuda device: cuda library missing",
    ]
    with pytest.raises(DeviceUnavailable, match="library missing"):
        open_device("vulkan:0")


@pytest.mark.parametrize("name", ["", "gpu", "cpu:0", "vulkan:", "vulkan:-1", "vulkan:x", "CPU"])
def test_unknown_device(name: str) -> None:
    with pytest.raises(InvalidOption):
        open_device(name)


def test_no_such_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Driver:
        def query_available_devices(self) -> list[dict[str, object]]:
            return [{"device_id": 1, "path": "p", "name": "n"}]

    monkeypatch.setattr(device, "_driver", lambda _: Driver())
    with pytest.raises(DeviceUnavailable, match="no vulkan:7"):
        open_device("vulkan:7")


@pytest.mark.parametrize("threads", [0, -1, 5000])
def test_thread_count_out_of_range(threads: int) -> None:
    with pytest.raises(InvalidOption, match="threads"):
        open_device("cpu", threads)


def test_fingerprint_is_the_same_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "from noema.runtime import cpu_fingerprint; print(cpu_fingerprint(), end='')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == cpu_fingerprint()
    pretend(monkeypatch, features=this_cpu().features | {"avx9000"})
    assert cpu_fingerprint() != done.stdout or this_cpu().machine != "x86_64"


def test_features_that_come_and_go_do_not_bind(monkeypatch: pytest.MonkeyPatch) -> None:
    if this_cpu().machine != "x86_64":
        pytest.skip("x86 feature names")
    before = cpu_fingerprint(), requirements_of(Target("cpu", "host"))
    pretend(monkeypatch, features=this_cpu().features | {"smep", "ibpb_new", "hypervisor2"})
    assert (cpu_fingerprint(), requirements_of(Target("cpu", "host"))) == before


def test_levels_are_cumulative_and_known(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, machine="x86_64", features=cpu.X86_LEVELS["x86-64-v3"] | {"fpu"})
    assert cpu.this_cpu().level == "x86-64-v3"
    for level in ("x86-64-v2", "x86-64-v3"):
        check_requirements(requirements_of(Target("cpu", level)))
    with pytest.raises(DeviceUnavailable, match=r"avx512bw, .*\n.*cpu:x86-64-v3"):
        check_requirements(requirements_of(Target("cpu", "x86-64-v4")))


def test_other_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, machine="aarch64", features=frozenset({"asimd"}))
    with pytest.raises(DeviceUnavailable, match="compiled for x86_64, this machine is aarch64"):
        check_requirements(Requirements("x86_64", ()))
    assert requirements_of(Target("cpu", "host")) == Requirements("aarch64", ("asimd",))
    check_requirements(requirements_of(Target("vulkan")))
    check_requirements(requirements_of(Target("cpu", "aarch64")))
    pretend(monkeypatch, machine="x86_64", features=frozenset({"avx2"}))
    with pytest.raises(DeviceUnavailable, match="compiled for aarch64, this machine is x86_64"):
        check_requirements(requirements_of(Target("cpu", "aarch64")))


def test_host_artifact_is_refused_on_a_lesser_cpu(
    affine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if this_cpu().machine != "x86_64":
        pytest.skip("x86 feature names")
    pretend(monkeypatch, features=cpu.X86_LEVELS["x86-64-v2"] - {"popcnt"})
    with pytest.raises(DeviceUnavailable, match=r"lacks: .*avx"):
        load(affine)


def test_unreadable_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cpu, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr(cpu, "_SYSTEM", tmp_path / "none")
    blind = this_cpu.__wrapped__()
    assert blind.features == frozenset()
    assert blind.physical >= 1
    assert blind.model


@pytest.fixture
def vulkan() -> None:
    found = [d for d in list_devices() if d.kind == "vulkan"]
    if not found[0].available:
        pytest.skip(found[0].reason)


@pytest.mark.vulkan
@pytest.mark.usefixtures("vulkan")
def test_vulkan_runs_programs(make_artifact: MakeArtifact) -> None:
    path = make_artifact(
        """
util.global private @w = #flow.parameter.named<"model"::"w"> : tensor<4xf32>
func.func @main(%x: tensor<?x4xf32>, %m: tensor<4xi1>, %e: tensor<0xf32>)
    -> (tensor<?x4xf32>, tensor<4xi1>, tensor<0xf32>, tensor<f32>) {
  %w = util.global.load @w : tensor<4xf32>
  %c0 = arith.constant 0 : index
  %true = arith.constant dense<true> : tensor<4xi1>
  %s = arith.constant dense<2.5> : tensor<f32>
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %em = tensor.empty(%n) : tensor<?x4xf32>
  %b = linalg.broadcast ins(%w : tensor<4xf32>) outs(%em : tensor<?x4xf32>) dimensions = [0]
  %y = arith.addf %x, %b : tensor<?x4xf32>
  %not = arith.xori %m, %true : tensor<4xi1>
  return %y, %not, %e, %s : tensor<?x4xf32>, tensor<4xi1>, tensor<0xf32>, tensor<f32>
}""",
        {"x": ("float32", ("n", 4)), "m": ("bool", (4,)), "e": ("float32", (0,))},
        {
            "y": ("float32", ("n", 4)),
            "not": ("bool", (4,)),
            "e": ("float32", (0,)),
            "s": ("float32", ()),
        },
        {"w": np.arange(4, dtype=np.float32)},
        kind="vulkan",
    )
    with load(path) as program:
        assert program.device == "vulkan:0"
        for rows in (1, 3, 50_000):
            x = np.asfortranarray(np.ones((rows, 4), ">f4"))
            outputs = program(x=x, m=np.array([1, 0, 1, 0], bool), e=np.zeros(0, np.float32))
            np.testing.assert_array_equal(outputs["y"], x + np.arange(4))
            assert outputs["not"].tolist() == [False, True, False, True]
            assert outputs["e"].shape == (0,)
            assert outputs["s"] == 2.5
    np.testing.assert_array_equal(outputs["y"][-1], [1, 2, 3, 4])
    with pytest.raises(DeviceUnavailable, match="compiled for vulkan"):
        load(path, device="cpu")


def test_worker_stacks_hold_what_code_generation_may_use() -> None:
    """A dispatch that outgrows its worker's stack ends the process, so this is not left to luck."""
    from noema.backend.cpu import STACK_BYTES
    from noema.runtime.device import WORKER_STACK_BYTES

    assert WORKER_STACK_BYTES >= 2 * STACK_BYTES
