"""Devices: which there are, why not the rest, and opening one through IREE.

IREE's worker topology is set by process-global flags that are read when a *driver* is created, and
its Python package caches one driver per name. A session here creates its own driver, with the
flags set under a lock just before: so each session has its own workers, and its own thread count.
One thread means IREE's synchronous device: the calling thread does all the work.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noema.errors import DeviceUnavailable, InvalidOption
from noema.runtime.cpu import core_groups, this_cpu
from noema.runtime.waiting import Waiting, thread_ids

if TYPE_CHECKING:
    from iree.runtime import HalDevice

MAX_THREADS = 1024

WORKER_STACK_BYTES = 2 << 20
"""Stack of a worker thread: what code generation lets one dispatch use (`STACK_BYTES` in
compiler/backend/cpu.py), and as much again. IREE's own default is 128 KiB: a dispatch that uses
more ends the process."""

_DRIVER_FILES = (
    ("/dev", "nvidia[0-9]*"),
    ("/dev", "dri/render*"),
    ("/usr/share/vulkan", "icd.d/*.json"),
    ("/etc/vulkan", "icd.d/*.json"),
)
_DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "CUDA_VISIBLE_DEVICES")
_FLAGS_LOCK = threading.Lock()
_POSITION = re.compile(r"(Error [a-z -]+: )?\S+\.(c|cc|h):\d+: ([A-Z_]+; )?")


@dataclass(frozen=True)
class DeviceInfo:
    """One thing that could run a program.

    Attributes:
        name: What `load(device=…)` calls it, e.g. `cpu` or `vulkan:0`.
        kind: `cpu`, `vulkan` or `cuda`.
        available: Whether programs can run on it here.
        reason: Why not; empty if they can.
        description: What it is, e.g. the processor's or the adapter's name.
        details: Further facts by name, for people.
    """

    name: str
    kind: str
    available: bool
    reason: str = ""
    description: str = ""
    details: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "kind": self.kind,
            "available": self.available,
            "reason": self.reason,
            "description": self.description,
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class OpenDevice:
    """A device of a session's own.

    Attributes:
        hal: IREE's device.
        name: Its name, as in `DeviceInfo`.
        kind: `cpu`, `vulkan` or `cuda`.
        threads: Worker threads on the CPU; 1 on others.
        waiting: What a call runs in, one thread at a time.
    """

    hal: HalDevice
    name: str
    kind: str
    threads: int
    waiting: AbstractContextManager[None] = field(default_factory=nullcontext[None])

    @property
    def shares_memory(self) -> bool:
        """Whether host arrays and device buffers are the same memory."""
        return self.kind == "cpu"


def list_devices() -> list[DeviceInfo]:
    """Every device of this machine, and one entry saying why not for each kind without any."""
    cpu = this_cpu()
    details = {
        "cores": str(cpu.physical),
        "threads": str(cpu.logical),
        "level": cpu.level or "",
        "features": " ".join(cpu.codegen_features),
        **{name: f"{size >> 10} KiB" for name, size in cpu.caches.items()},
    }
    devices = [DeviceInfo("cpu", "cpu", True, "", cpu.model, details)]
    for kind in ("vulkan", "cuda"):
        try:
            found = _adapters(kind)
        except DeviceUnavailable as error:
            devices.append(DeviceInfo(kind, kind, False, error.message))
            continue
        devices += [
            DeviceInfo(
                f"{kind}:{index}",
                kind,
                True,
                "",
                str(info["name"]),
                {"path": str(info["path"]), **_properties(kind, info)},
            )
            for index, info in enumerate(found)
        ]
    return devices


def driver_fingerprint() -> str:
    """Changes with what `list_devices` may find besides the CPU; no driver is started to tell.

    Device files, manifests of Vulkan drivers with the time of their last change, and the variables
    that choose among them. Form: 16 hex digits.
    """
    facts = [f"{name}={os.environ.get(name, '')}" for name in _DRIVER_VARIABLES]
    for folder, pattern in _DRIVER_FILES:
        for path in sorted(Path(folder).glob(pattern)):
            with contextlib.suppress(OSError):  # gone meanwhile
                # Device files get a new time at each start of the machine, manifests don't.
                changed = path.stat().st_mtime_ns if path.suffix == ".json" else 0
                facts.append(f"{path}@{changed}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def default_threads() -> int:
    """Threads a session uses when not told: the cores that this process may run on."""
    return this_cpu().physical


def check_threads(threads: int) -> None:
    """Checks a number of threads.

    Raises:
        InvalidOption: It is out of range.
    """
    if not 1 <= threads <= MAX_THREADS:
        raise InvalidOption(f"threads must be from 1 to {MAX_THREADS}, not {threads}")


def open_device(name: str, threads: int | None = None) -> OpenDevice:
    """Opens a device: `cpu`, `vulkan`, `vulkan:1`, `cuda`, `cuda:0`.

    Args:
        name: Which one; without a number the first of its kind.
        threads: Worker threads, on the CPU; None for one per core.

    Raises:
        InvalidOption: There is no such kind of device, or `threads` is out of range.
        DeviceUnavailable: It is not here, or its driver fails.
    """
    if threads is not None:
        check_threads(threads)
    kind, colon, number = name.partition(":")
    if kind == "cpu" and not colon:
        count = threads or default_threads()
        return _open_cpu(count)
    if kind in ("vulkan", "cuda") and (not colon or number.isdecimal()):
        index = int(number or 0)
        adapters = _adapters(kind)
        if index >= len(adapters):
            raise DeviceUnavailable(f"there is no {name}: this machine has {len(adapters)}")
        hal = _create(kind, adapters[index])
        return OpenDevice(hal, f"{kind}:{index}", kind, 1)
    raise InvalidOption(f"unknown device {name!r}", remedy="use cpu, vulkan, vulkan:1 or cuda:0")


def _open_cpu(threads: int) -> OpenDevice:
    if threads == 1:
        return OpenDevice(_create("local-sync", None), "cpu", "cpu", 1)
    flags: Any = import_module("iree.runtime.flags")
    with _FLAGS_LOCK:
        flags.parse_flags(*topology_flags(threads))
        before = thread_ids()
        try:
            hal = _create("local-task", None)
        finally:
            # IREE's own defaults again, for others who use it in this process.
            flags.parse_flags(
                "--task_topology_group_count=0",
                "--task_topology_max_group_count=64",
                "--task_worker_stack_size=131072",
            )
        started = thread_ids() - before
    return OpenDevice(hal, "cpu", "cpu", threads, Waiting(threads, started, core_groups()))


def topology_flags(threads: int) -> tuple[str, ...]:
    """The flags of IREE's runtime for a task executor with so many workers."""
    cpu = this_cpu()
    # A worker per core may as well stay on its core; fewer must not all choose the first ones,
    # where the next session or process would put its workers too: `waiting` deals cores out.
    pinned = threads == cpu.physical and cpu.logical == os.cpu_count()
    return (
        f"--task_topology_group_count={0 if pinned else threads}",
        f"--task_topology_max_group_count={threads}",
        f"--task_worker_stack_size={WORKER_STACK_BYTES}",
    )


def _adapters(kind: str) -> list[dict[str, Any]]:
    """The devices of a GPU driver.

    Raises:
        DeviceUnavailable: No driver, or no device.
    """
    try:
        found: list[dict[str, Any]] = _driver(kind).query_available_devices()
    except Exception as error:  # the bindings raise whatever fits the native status
        raise DeviceUnavailable(
            f"no {kind} device: {native_message(error)}",
            remedy="install the driver of the device; `noema devices` lists what can run here",
        ) from error
    if not found:
        raise DeviceUnavailable(f"no {kind} device: the driver finds none")
    return found


def _properties(kind: str, info: Mapping[str, Any]) -> dict[str, str]:
    """What the driver says of a device: the `key: value` lines of IREE's description of it."""
    try:
        text = str(_driver(kind).dump_device_info(info["device_id"]))
    except Exception:  # noqa: BLE001 (the bindings raise whatever fits; the device is there anyway)
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.removeprefix("- ").partition(": ")
        value = value.strip()
        if value and not line.startswith(" ") and not key.endswith(("uuid", "_extensions")):
            found[key.strip()] = value
    found.pop("name", None)
    return found


def _create(driver_name: str, device_info: dict[str, Any] | None) -> HalDevice:
    try:
        driver = _driver(driver_name)
        if device_info is None:
            return driver.create_default_device()
        return driver.create_device(device_info, None)
    except Exception as error:  # the bindings raise whatever fits the native status
        raise DeviceUnavailable(f"cannot open {driver_name}: {native_message(error)}") from error


def _driver(name: str) -> Any:
    # Not get_cached_hal_driver: see the module's docstring. The stubs lack this function.
    binding: Any = import_module("iree.runtime._binding")
    return binding.create_hal_driver(name)


def native_message(error: BaseException) -> str:
    """What a native status says, without its source positions and call stack."""
    text = " ".join(str(error).split())
    text = text.partition("; while invoking")[0].partition(" [ 0] ")[0]
    return _POSITION.sub("", text).strip(" ;") or type(error).__name__
