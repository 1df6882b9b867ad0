"""Loading an artifact and calling it with numpy arrays.

Threads: any number of threads may call one program. Optimized for latency, its calls run one
after the other, each on all worker threads. Optimized for throughput, calls from different threads
run side by side, each in the thread that calls; they share the mapped weights. Different programs
never wait for each other. A program doesn't survive `fork`: load it in the child.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from noema.artifact import Artifact, Manifest, open_artifact
from noema.errors import DeviceUnavailable, InvalidOption
from noema.options import Goal
from noema.runtime.cpu import check_requirements
from noema.runtime.device import OpenDevice, check_threads, default_threads, open_device
from noema.runtime.inputs import check_inputs
from noema.runtime.invoker import Invoker
from noema.runtime.lanes import Lanes
from noema.signature import Signature, TensorSpec

Array = NDArray[np.generic]


def load(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    device: str | None = None,
    optimize_for: str = "latency",
) -> Program:
    """Opens a `.noema` file, every byte checked, ready to be called.

    Args:
        path: The artifact.
        threads: Worker threads on the CPU; None for one per core. With 1, the calling thread
            does the work. Each loaded program has its own workers. For throughput: how many
            calls may run at once.
        device: `cpu`, `vulkan`, `vulkan:1`, `cuda`, …; None for the kind it was compiled for.
        optimize_for: `latency`: one call at a time, as fast as can be; or `throughput`, on the CPU:
            as many calls as possible in all, from as many threads as `threads` says, each of them
            on one core. Every core that is used needs the memory of the activations once more.

    Raises:
        ArtifactError: The file is missing, damaged or no artifact.
        DeviceUnavailable: The program needs a device or processor features that aren't here.
        InvalidOption: `device`, `threads` or `optimize_for` cannot be understood, or `throughput`
            is asked of a device that isn't the CPU.
    """
    goal = Goal.parse(optimize_for)
    artifact = open_artifact(path)
    target = artifact.manifest.target
    name = device if device is not None else target.kind
    if name.partition(":")[0] != target.kind:
        raise DeviceUnavailable(
            f"the program was compiled for {target}, it cannot run on {name}",
            remedy=f"compile the model with --target {name.partition(':')[0]}",
        )
    check_requirements(artifact.manifest.requirements)
    if goal is Goal.LATENCY:
        return _program(Path(path), artifact, lambda: open_device(name, threads), None)
    if name != "cpu":
        raise InvalidOption(f"{name} has no independent cores", remedy="optimize for latency")
    most = threads if threads is not None else default_threads()
    check_threads(most)
    return _program(Path(path), artifact, lambda: open_device(name, 1), most)


def _program(
    path: Path, artifact: Artifact, open_another: Callable[[], OpenDevice], most: int | None
) -> Program:
    """A program with an invoker for each of `most` calls at once; None for one call at a time."""

    def make() -> Invoker:
        return Invoker(artifact, open_another())

    first = make()
    lanes = Lanes(first, most or 1, make)
    return Program(path, artifact, lanes, first.device.name, most or first.device.threads)


class Program:
    """A loaded program. Made by `load`; close it, or use it as a context manager.

    Attributes:
        path: The artifact it came from.
        artifact: What was in it.
    """

    def __init__(
        self, path: Path, artifact: Artifact, run: Lanes, device: str, threads: int
    ) -> None:
        self.path = path
        self.artifact = artifact
        self._device_name = device
        self._threads = threads
        self._run = run
        # At interpreter exit this waits for a call in a daemon thread: Python would otherwise end
        # that thread inside native code, which aborts the process.
        weakref.finalize(self, self._run.close)

    @property
    def manifest(self) -> Manifest:
        """What it is."""
        return self.artifact.manifest

    @property
    def signature(self) -> Signature:
        """Inputs and outputs, in the model's order."""
        return self.manifest.signature

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.manifest.signature.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.manifest.signature.outputs

    @property
    def device(self) -> str:
        """Name of the device it runs on, e.g. `cpu`."""
        return self._device_name

    @property
    def threads(self) -> int:
        """Worker threads on the CPU; for throughput, how many calls may run at once."""
        return self._threads

    def __call__(self, /, **inputs: object) -> dict[str, Array]:
        """Runs the program once; see `run`. For input names that are Python identifiers."""
        return self.run(inputs)

    def run(self, inputs: Mapping[str, object]) -> dict[str, Array]:
        """Runs the program once.

        Arrays of 64 KiB and more that are contiguous, writable and 64-byte aligned are used in
        place (so don't write to them meanwhile); others are copied. Outputs belong to the caller:
        they stay valid, and may be written to, for as long as they are referred to.

        Args:
            inputs: Input name → array (or anything that numpy takes for one) of exactly the
                declared element type. Any memory layout and byte order.

        Returns:
            Output name → array, in the model's order.

        Raises:
            InvalidInput: A name, element type or shape is not as declared.
            RunFailed: The program stopped with an error, is closed, or was loaded before a fork.
        """
        arrays = check_inputs(self.manifest.signature.inputs, inputs)
        return self._run(arrays)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copies the artifact to another place, whole or not at all.

        Raises:
            OSError: It cannot be written, or the artifact is gone.
        """
        target = Path(path)
        descriptor, temporary = tempfile.mkstemp(prefix=".noema-", suffix=".tmp", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as out, self.path.open("rb") as source:
                shutil.copyfileobj(source, out, 8 << 20)
                out.flush()
                os.fsync(out.fileno())
            shutil.copymode(self.path, temporary)
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Ends the worker threads and lets go of the weights. Outputs stay valid."""
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        takes = ", ".join(map(str, self.inputs))
        gives = ", ".join(map(str, self.outputs))
        return f"<noema program {self.path.name!r} on {self.device}: ({takes}) → ({gives})>"
