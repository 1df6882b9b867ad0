"""Runs a program under IREE's profiler, which times every dispatch.

IREE's Python bindings don't have the profiler, its benchmark tool has: so the calls happen in a
process of that tool, with the same program, weights, inputs and worker threads as a session here,
and the recording is decoded by `iree-profile`. Both are part of the `iree-base-runtime` package.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import iree.runtime as iree
import numpy as np
from numpy.typing import NDArray

from noema.artifact import PARAMETER_SCOPE, Artifact
from noema.dispatches import Site
from noema.errors import DeviceUnavailable, InvalidInput, InvalidOption, RunFailed
from noema.runtime.attribution import Event, Timeline, attribute
from noema.runtime.device import check_threads, topology_flags
from noema.runtime.inputs import check_inputs

MAX_CALLS = 1000
_NO_INDEX = (1 << 32) - 1
"""Where the synchronous device knows no place in a command buffer; its events are in order."""

_SECONDS = 600


def profile(
    artifact: Artifact, inputs: Mapping[str, object], *, threads: int, calls: int
) -> Timeline:
    """Times the dispatches of a program in calls with the same inputs.

    Args:
        artifact: A program for the CPU.
        inputs: Input name → array, as a call takes them.
        threads: Worker threads; with 1, the calling thread does the work.
        calls: How many calls to time.

    Raises:
        InvalidInput: An input is not as declared, or of a form that the tool doesn't take.
        InvalidOption: `threads` or `calls` is out of range.
        DeviceUnavailable: The program isn't for the CPU.
        RunFailed: The program failed, or the recording is incomplete.
    """
    manifest = artifact.manifest
    if manifest.target.kind != "cpu":
        raise DeviceUnavailable(f"only programs for the CPU can be profiled, not {manifest.target}")
    check_threads(threads)
    if not 1 <= calls <= MAX_CALLS:
        raise InvalidOption(f"calls must be from 1 to {MAX_CALLS}, not {calls}")
    arrays = check_inputs(manifest.signature.inputs, inputs)
    with tempfile.TemporaryDirectory(prefix="noema-profile-") as name:
        folder = Path(name)
        program, recording = folder / "program.vmfb", folder / "recording.ireeprof"
        program.write_bytes(artifact.program)
        command = [
            _tool("iree-benchmark-module"),
            f"--module={program}",
            f"--function={manifest.function}",
            *_device_flags(threads),
            *_parameter_flags(artifact, folder),
            *_input_flags(arrays, [s.dtype.signless for s in manifest.signature.inputs], folder),
            f"--benchmark_min_time={calls}x",
            "--device_profiling_mode=host-execution",
            f"--device_profiling_output={recording}",
        ]
        _run(command)
        shown = ("dispatch", "--dispatch_events", "--format=jsonl", str(recording))
        events = read_events(_run([_tool("iree-profile"), *shown]))
    return attribute(events, dispatch_sites(artifact), calls)


def dispatch_sites(artifact: Artifact) -> tuple[Site, ...]:
    """The dispatches that the compiler listed in the artifact; none if it is older than that."""
    records = artifact.report().get("dispatches")
    return tuple(map(Site.from_json, records)) if isinstance(records, list) else ()


def read_events(text: str) -> list[Event]:
    """The dispatches in what `iree-profile dispatch` printed, in the order of dispatch.

    Raises:
        RunFailed: One of them failed.
    """
    found: list[tuple[tuple[int, int, int], Event]] = []
    for line in text.splitlines():
        record: dict[str, Any] = json.loads(line)
        if record.get("type") != "host_dispatch_event":
            continue
        if not record["valid"] or record["status_code"]:
            raise RunFailed(f"dispatch {record['key']} failed while it was profiled")
        index = int(record["command_index"])
        # Workers finish side by side; the place in the command buffer tells the order.
        place = (int(record["submission_id"]), 0 if index == _NO_INDEX else index)
        event = Event(
            str(record["key"]),
            int(record["start_host_time_ns"]),
            int(record["end_host_time_ns"]),
            int(record["tile_duration_sum_ns"]),
        )
        found.append(((*place, int(record["event_id"])), event))
    return [event for _, event in sorted(found, key=lambda item: item[0])]


def _tool(name: str) -> str:
    folder = import_module("iree._runtime_libs").__file__
    assert folder is not None
    return str(Path(folder).parent / name)


def _run(command: Sequence[str]) -> str:
    name = Path(command[0]).name
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(
            f"{name} didn't finish within {_SECONDS} seconds", remedy="profile fewer calls"
        ) from error
    except OSError as error:
        raise RunFailed(f"cannot start {name}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunFailed(f"{name} failed: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")


def _device_flags(threads: int) -> list[str]:
    if threads == 1:
        return ["--device=local-sync"]
    return ["--device=local-task", *topology_flags(threads)]


def _parameter_flags(artifact: Artifact, folder: Path) -> list[str]:
    """The weights, copied to an archive of IREE's own format."""
    parameters = artifact.manifest.parameters
    if not parameters:
        return []
    index = iree.ParameterIndex()
    memory = np.frombuffer(artifact.weights if len(artifact.weights) else bytes(64), np.uint8)
    handle = iree.FileHandle.wrap_memory(memory)
    for name, place in parameters.items():
        index.add_from_file_handle(name, handle, place.nbytes, offset=place.offset)
    path = folder / "weights.irpa"
    index.create_archive_file(str(path))
    return [f"--parameters={PARAMETER_SCOPE}={path}"]


def _input_flags(
    arrays: Sequence[NDArray[np.generic]], elements: Sequence[str], folder: Path
) -> list[str]:
    """Each input in a file: numpy's own where numpy has the type, else its bytes alone."""
    flags: list[str] = []
    for number, (array, element) in enumerate(zip(arrays, elements, strict=True)):
        dense = np.ascontiguousarray(array).reshape(array.shape)
        if dense.dtype.kind in "fiub" and dense.dtype.isbuiltin:
            path = folder / f"input{number}.npy"
            np.save(path, dense, allow_pickle=False)
            flags.append(f"--input=@{path}")
        elif dense.ndim:
            path = folder / f"input{number}.bin"
            path.write_bytes(dense.tobytes())
            flags.append(f"--input={'x'.join(map(str, dense.shape))}x{element}=@{path}")
        else:
            raise InvalidInput(f"a single {element} can't be passed to the profiler")
    return flags
