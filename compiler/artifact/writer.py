"""Writing an artifact: streamed, atomic, and byte for byte a function of its content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from noema.artifact import container
from noema.artifact.container import ALIGNMENT, Entry, Placed
from noema.artifact.digest import TreeHasher
from noema.artifact.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    PROGRAM,
    REPORT,
    WEIGHTS,
    Manifest,
    Member,
    Requirements,
    StoredParameter,
    parse,
)
from noema.errors import InternalError
from noema.options import Target
from noema.parameters import ParameterStore
from noema.signature import Signature

MAX_REPORT_BYTES = 256 << 20
_BLOCK_BYTES = 4 << 20


def write(
    path: str | os.PathLike[str],
    *,
    program: bytes | Path,
    signature: Signature,
    target: Target,
    parameters: ParameterStore | None = None,
    function: str = "main",
    requirements: Requirements | None = None,
    precision: str = "f32",
    versions: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None,
    report: Mapping[str, object] | None = None,
) -> Manifest:
    """Writes an artifact and returns its manifest.

    The file appears under `path` whole or not at all: it is written to a temporary name in the
    same folder, synced and renamed. Weights are streamed from the store, a few MiB at a time.

    Args:
        path: File to create or replace.
        program: The compiled module, or a file that holds it.
        signature: Inputs and outputs, in the order of the compiled function.
        target: Where the program runs.
        parameters: Weights that the program names.
        function: The compiled function's name.
        requirements: What the machine must have; `noema.runtime.cpu.requirements_of(target)`.
        precision: Number format of the computation.
        versions: Tool → version.
        attributes: Free-form facts to keep.
        report: JSON-representable account of the compilation.

    Raises:
        OSError: The file cannot be written; nothing is left behind.
        InternalError: The content breaks the format's own rules.
    """
    path = Path(path)
    store = parameters if parameters is not None else ParameterStore()
    table, weights_nbytes = _layout(store)
    manifest = Manifest(
        target=target,
        signature=signature,
        function=function,
        requirements=requirements or Requirements(),
        parameters=table,
        precision=precision,
        versions=dict(versions or {}),
        attributes=dict(attributes or {}),
    )
    report_text = json.dumps(report or {}, ensure_ascii=True).encode("ascii")
    if len(report_text) > MAX_REPORT_BYTES:
        raise InternalError(f"report of {len(report_text)} bytes")
    program_nbytes = program.stat().st_size if isinstance(program, Path) else len(program)
    members: Sequence[tuple[str, int, Iterable[memoryview]]] = (
        (WEIGHTS, weights_nbytes, _weight_blocks(store, table)),
        (PROGRAM, program_nbytes, _blocks(program)),
        (REPORT, len(report_text), _blocks(report_text)),
    )
    with _replacing(path) as file:
        placed: list[Placed] = []
        vouched: dict[str, Member] = {}
        for name, nbytes, blocks in members:
            start = placed[-1].end if placed else 0
            digest, crc32 = _write_member(
                file, container.place(Entry(name, nbytes, 0), start), blocks
            )
            vouched[name] = Member(nbytes, crc32, digest)
            placed.append(container.place(Entry(name, nbytes, crc32), start))
        manifest = replace(manifest, members=vouched)
        text = json.dumps(manifest.to_json(), ensure_ascii=True).encode("ascii")
        if len(text) > MAX_MANIFEST_BYTES:
            raise InternalError(f"manifest of {len(text)} bytes")
        parse(text)  # what we write, we can read
        placed.append(container.place(Entry(MANIFEST, len(text), zlib.crc32(text)), placed[-1].end))
        _write_member(file, placed[-1], _blocks(text))
        file.write(container.render_end(placed, hashlib.sha256(text).hexdigest()))
        for member in placed:  # now with their CRCs
            file.seek(member.header_offset)
            file.write(member.header)
    return manifest


def _layout(store: ParameterStore) -> tuple[dict[str, StoredParameter], int]:
    """Gives each weight its place, in the store's order; returns the total length too."""
    table: dict[str, StoredParameter] = {}
    end = 0
    for name in store:
        parameter = store[name]
        offset = end + -end % ALIGNMENT
        table[name] = StoredParameter(parameter.dtype, parameter.shape, offset, parameter.nbytes)
        end = offset + parameter.nbytes
    return table, end


def _weight_blocks(
    store: ParameterStore, table: Mapping[str, StoredParameter]
) -> Iterator[memoryview]:
    end = 0
    for name, place in table.items():
        yield memoryview(bytes(place.offset - end))
        end = place.offset + place.nbytes
        if place.nbytes:
            values = np.ascontiguousarray(store[name].values())
            if values.nbytes != place.nbytes:
                raise InternalError(f"parameter {name!r} has changed its size")
            yield from _blocks(values.reshape(-1).view(np.uint8).data)


def _blocks(source: bytes | memoryview | Path) -> Iterator[memoryview]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield memoryview(block)
        return
    view = memoryview(source)
    for start in range(0, len(view), _BLOCK_BYTES):
        yield view[start : start + _BLOCK_BYTES]


def _write_member(file: BinaryIO, place: Placed, blocks: Iterable[memoryview]) -> tuple[str, int]:
    """Writes header and data at the current position; returns the data's digest and CRC-32."""
    hasher = TreeHasher()
    crc32 = 0
    count = 0
    file.write(place.header)
    for block in blocks:
        file.write(block)
        hasher.update(block)
        crc32 = zlib.crc32(block, crc32)
        count += len(block)
    if count != place.entry.nbytes:
        raise InternalError(f"{place.entry.name}: wrote {count} of {place.entry.nbytes} bytes")
    return hasher.hexdigest(), crc32


@contextlib.contextmanager
def _replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """Opens a temporary file that takes `path`'s place when the block ends without an error."""
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{path.name[:64]}.", suffix=".tmp", dir=path.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            # mkstemp makes private files; an artifact has the mode any new file would have.
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # the rename itself survives a power cut
    finally:
        os.close(folder)


def _umask() -> int:
    # There is no way to read it but to set it; Linux tells in /proc without a race.
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022
