"""Compiling and analysing from Python: in a child process, and through the cache."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noema.cache import Cache, cache_key, key_of
from noema.digests import changed_since
from noema.errors import ArtifactError, GeneratorCrashed, InvalidModel
from noema.machine import roofs, this_machine
from noema.options import CompileOptions, Limits, Precision, Target
from noema.plugins import plugin_stamp
from noema.progress import JSON, ProgressCallback
from noema.runtime.cpu import cpu_fingerprint
from noema.runtime.device import driver_fingerprint
from noema.runtime.session import Program, load
from noema.versions import source_stamp, versions
from noema.worker import run_job
from noema.workload import SCHEMA, WorkloadProfile

if TYPE_CHECKING:
    import onnx

    Model = str | os.PathLike[str] | onnx.ModelProto


class _Serializable(Protocol):
    def SerializeToString(self) -> bytes: ...  # noqa: N802 — protobuf's name


def compile(
    model: Model,
    *,
    target: str = "cpu",
    precision: str = "f32",
    emulate: bool = False,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    passes: str = "",
    threads: int | None = None,
    device: str | None = None,
    optimize_for: str = "latency",
    cache: bool = True,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Program:
    """Compiles a model and loads the result.

    Args:
        model: Path of an `.onnx` file, or a `ModelProto`.
        target: `cpu` (this machine), `cpu:x86-64-v3`, `cpu:aarch64`, `vulkan`, `cuda:sm_89`, …
        precision: Number format of products: `f32`, or `bf16` with sums and all else in f32.
        emulate: Where the target has no bf16, round as it would, in f32 arithmetic.
        shapes: Input name → extents that replace its symbolic ones; None keeps one dynamic.
        passes: Pass pipeline instead of the default one.
        threads: Worker threads of the program; None for one per core.
        device: Where to run, e.g. `vulkan:1`; None for the target's kind.
        optimize_for: `latency`: a call uses all threads; or `throughput`, on the CPU: as many calls
            as there are threads run side by side, one core each.
        cache: Look in the compile cache first, and keep the result there.
        limits: What the compile process may use.
        on_progress: Told each stage as it starts.

    Returns:
        A program: `program(name=array)` or `program.run({name: array})` gives a dict of arrays.

    Raises:
        InvalidOption: An option can't be understood, or the target has no such precision.
        InvalidModel, UnsupportedModel: What is wrong with the model, or not supported in it.
        CompileFailed, CompileCrashed, CompileTimeout: Code generation did not succeed.
        DeviceUnavailable: It was compiled, but cannot run here.
    """
    options = CompileOptions(
        Target.parse(target), Precision.parse(precision), dict(shapes or {}), passes, emulate
    )
    with _as_file(model) as path:
        return compile_cached(
            path,
            options,
            threads=threads,
            device=device,
            optimize_for=optimize_for,
            use_cache=cache,
            limits=limits,
            on_progress=on_progress,
        )


def analyze(
    model: Model,
    *,
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    kernels: str | None = None,
    cache: bool = True,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> WorkloadProfile:
    """Finds out what the parts of a network are for, and what they cost on this machine.

    Figures need extents: a symbolic dimension that `shapes` leaves open is assumed to have one that
    is usual for its name (`noema.assumed` has the table); the profile says which.

    Args:
        model: Path of an `.onnx` file, or a `ModelProto`.
        shapes: Input name → extents; None leaves one to be assumed.
        kernels: Precision (`f32`, `bf16`) for which to say as well which generated kernels a
            program would call on this machine; None for not. It takes some tenths of a second.
        cache: Look in the cache first, and keep the result there.
        limits: What the analysis process may use.
        on_progress: Told each stage as it starts.

    Returns:
        The profile; `profile.to_json()` is what `noema explain --json` prints.

    Raises:
        InvalidModel, UnsupportedModel: What is wrong with the model, or not supported in it.
        InvalidOption: `shapes` doesn't fit the model, or this machine has no such precision.
        PluginFailed: A third-party pattern failed.
        CompileCrashed, CompileTimeout: The analysis process did not finish.
    """
    wanted = _Analysis(dict(shapes or {}), None if kernels is None else Precision.parse(kernels))
    with _as_file(model) as path:
        store = Cache.default() if cache else Cache(Path(), 0)
        known = _known_profile(store, path, wanted)
        if known is not None:
            return known
        start = time.time_ns()
        request = {
            "model": str(path.absolute()),
            **wanted.to_json(),
            "hardware": this_machine(on_progress=on_progress).to_json(),
        }
        result = run_job("analyze", request, limits=limits or Limits(), on_progress=on_progress)
        record, read = result["profile"], result["files"]
        assert isinstance(record, dict) and isinstance(read, list)
        profile = WorkloadProfile.from_json(record)
        external = [Path(str(file)) for file in read[1:]]
        if store.max_bytes and not changed_since([path, *external], start):
            store.remember_external_files(path, external)
            key = _profile_key(store.model_digest(path, external), path.name, wanted)
            text = json.dumps(record, separators=(",", ":"), allow_nan=False)
            store.write(key, text.encode(), label=f"{path.name}, understood")
        return profile


@dataclass(frozen=True)
class _Analysis:
    """What decides, besides the model and the machine, what an analysis finds."""

    shapes: Mapping[str, tuple[int | None, ...]]
    kernels: Precision | None

    def to_json(self) -> dict[str, object]:
        return {
            "shapes": {name: list(extents) for name, extents in sorted(self.shapes.items())},
            "kernels": None if self.kernels is None else self.kernels.value,
        }


def _known_profile(cache: Cache, model: Path, wanted: _Analysis) -> WorkloadProfile | None:
    """The profile that the cache has of a model."""
    if not cache.max_bytes:
        return None
    remembered = cache.remembered(model)
    if remembered is not None:
        digest, _ = remembered
    else:
        external = cache.external_files(model)
        if external is None:
            return None
        digest = cache.model_digest(model, external)
    key = _profile_key(digest, model.name, wanted)
    text = cache.read(key)
    if text is None:
        return None
    try:
        return WorkloadProfile.from_json(json.loads(text))
    except ValueError:
        cache.quarantine(key)  # and analyse it again
        return None


def _profile_key(model_digest: str, name: str, wanted: _Analysis) -> str:
    known = roofs(measure=False)
    record = {
        "analysis": SCHEMA,
        "model": model_digest,
        "name": name,
        **wanted.to_json(),
        "made by": _made_by(),
        "cpu": cpu_fingerprint(),
        "accelerators": driver_fingerprint(),
        "roofs": None if known is None else known.to_json(),
    }
    return key_of(record)


@contextlib.contextmanager
def _as_file(model: Model) -> Generator[Path]:
    """The model's file; of a model in memory, one that lives as long as the block."""
    if isinstance(model, (str, os.PathLike)):
        yield Path(model)
        return
    with tempfile.TemporaryDirectory(prefix="noema-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(_serialized(model))
        yield path


def _serialized(model: _Serializable) -> bytes:
    try:
        return model.SerializeToString()
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise InvalidModel(
            f"the model cannot be serialized: {error}",
            remedy="save it with external data and pass its path",
        ) from error


def compile_to_file(
    model: Path,
    output: Path,
    options: CompileOptions,
    *,
    limits: Limits | None = None,
    dump_ir: Path | None = None,
    on_progress: ProgressCallback | None = None,
) -> dict[str, JSON]:
    """Compiles a model to an artifact, in a child process.

    Args:
        model: The `.onnx` file.
        output: The `.noema` file; written whole or not at all.
        options: What to compile it for.
        limits: What the process may use.
        dump_ir: Folder that gets the IR after each pass.
        on_progress: Told each stage as it starts.

    Returns:
        What the compile job says of itself: `seconds` per stage, `files` read, `parameters` bytes.

    Raises:
        As `compile`.
    """
    request = {
        "model": str(model.absolute()),
        "output": str(output.absolute()),
        "options": options.to_json(),
        "dump_ir": None if dump_ir is None else str(dump_ir.absolute()),
    }
    limits = limits or Limits()
    try:
        return run_job("compile", request, limits=limits, on_progress=on_progress)
    except GeneratorCrashed:
        # What the code generator refuses it is asked for in a plainer way (backend.cpu.attempts);
        # where it dies instead, that takes another process.
        again = {**request, "plain": True}
        return run_job("compile", again, limits=limits, on_progress=on_progress)


def compile_cached(
    model: Path,
    options: CompileOptions,
    *,
    threads: int | None = None,
    device: str | None = None,
    optimize_for: str = "latency",
    use_cache: bool = True,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Program:
    """Loads the model's program from the compile cache, compiling it first if it isn't there.

    Raises:
        As `compile`.
    """
    cache = Cache.default() if use_cache else Cache(Path(), 0)
    found = _look_up(cache, model, options)
    if found is not None:
        key, path = found
        try:
            return load(path, threads=threads, device=device, optimize_for=optimize_for)
        except ArtifactError:
            cache.quarantine(key)  # and compile it again

    def write(path: Path) -> str | None:
        start = time.time_ns()
        result = compile_to_file(model, path, options, limits=limits, on_progress=on_progress)
        read = result["files"]
        assert isinstance(read, list)
        external = [Path(str(file)) for file in read[1:]]
        if not use_cache or changed_since([model, *external], start):
            return None  # who knows which version of the file was compiled
        cache.remember_external_files(model, external)
        return _key(cache, model, external, options)

    path = cache.insert(write, label=f"{model.name} for {options.target}")
    return load(path, threads=threads, device=device, optimize_for=optimize_for)


def _look_up(cache: Cache, model: Path, options: CompileOptions) -> tuple[str, Path] | None:
    """Key and file of the cached artifact of a model, if there is one."""
    if not cache.max_bytes:
        return None
    external = cache.external_files(model)
    if external is None:
        return None
    key = _key(cache, model, external, options)
    path = cache.get(key)
    return None if path is None else (key, path)


def _key(cache: Cache, model: Path, external: Sequence[Path], options: CompileOptions) -> str:
    digest = cache.model_digest(model, external)
    return cache_key(digest, options, _made_by(), cpu_fingerprint())


def _made_by() -> dict[str, str]:
    """What shapes results besides the model and the options."""
    return {**versions(), "sources": source_stamp(), "plugins": plugin_stamp()}
