"""Compiling from Python: in a child process, through the cache, to a program that can be called."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from noema.cache import Cache, cache_key
from noema.digests import changed_since
from noema.errors import ArtifactError, InvalidModel
from noema.options import CompileOptions, Limits, Precision, Target
from noema.plugins import plugin_stamp
from noema.progress import JSON, ProgressCallback
from noema.runtime.cpu import cpu_fingerprint
from noema.runtime.session import Program, load
from noema.versions import source_stamp, versions
from noema.worker import run_job

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
    shapes: Mapping[str, tuple[int | None, ...]] | None = None,
    passes: str = "",
    threads: int | None = None,
    device: str | None = None,
    cache: bool = True,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Program:
    """Compiles a model and loads the result.

    Args:
        model: Path of an `.onnx` file, or a `ModelProto`.
        target: `cpu` (this machine), `cpu:x86-64-v3`, `vulkan`, `cuda:sm_89`, …
        precision: Number format of the computation.
        shapes: Input name → extents that replace its symbolic ones; None keeps one dynamic.
        passes: Pass pipeline instead of the default one.
        threads: Worker threads of the program; None for one per core.
        device: Where to run, e.g. `vulkan:1`; None for the target's kind.
        cache: Look in the compile cache first, and keep the result there.
        limits: What the compile process may use.
        on_progress: Told each stage as it starts.

    Returns:
        A program: `program(name=array)` or `program.run({name: array})` gives a dict of arrays.

    Raises:
        InvalidModel, UnsupportedModel: What is wrong with the model, or not supported in it.
        CompileFailed, CompileCrashed, CompileTimeout: Code generation did not succeed.
        DeviceUnavailable: It was compiled, but cannot run here.
    """
    options = CompileOptions(Target.parse(target), Precision(precision), dict(shapes or {}), passes)
    if isinstance(model, (str, os.PathLike)):
        return compile_cached(
            Path(model),
            options,
            threads=threads,
            device=device,
            use_cache=cache,
            limits=limits,
            on_progress=on_progress,
        )
    with tempfile.TemporaryDirectory(prefix="noema-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(_serialized(model))
        return compile_cached(
            path,
            options,
            threads=threads,
            device=device,
            use_cache=cache,
            limits=limits,
            on_progress=on_progress,
        )


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
    return run_job("compile", request, limits=limits or Limits(), on_progress=on_progress)


def compile_cached(
    model: Path,
    options: CompileOptions,
    *,
    threads: int | None = None,
    device: str | None = None,
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
            return load(path, threads=threads, device=device)
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
    return load(path, threads=threads, device=device)


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
    made_by = {**versions(), "sources": source_stamp(), "plugins": plugin_stamp()}
    return cache_key(digest, options, made_by, cpu_fingerprint())
