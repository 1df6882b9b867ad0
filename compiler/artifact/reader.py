"""Opening an artifact: every byte checked, then mapped."""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
import zlib
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from noema.artifact import container
from noema.artifact.container import Entry, Placed
from noema.artifact.digest import Region, digest_regions
from noema.artifact.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    PROGRAM,
    REPORT,
    WEIGHTS,
    Manifest,
    Member,
    parse,
    parse_json,
)
from noema.artifact.writer import MAX_REPORT_BYTES
from noema.errors import ArtifactError

_MEMBERS = (WEIGHTS, PROGRAM, REPORT, MANIFEST)
_MAX_DIRECTORY_BYTES = 1 << 16
_MAX_PROGRAM_BYTES = 16 << 30


class Artifact:
    """A verified artifact: the program in memory, the weights mapped.

    The program was hashed in the memory it is used from. Weights are mapped from the file after
    it was hashed, so the file must not be rewritten in place while it is in use; noema never does
    (it renames a new file over the old one, which leaves mappings intact).

    Attributes:
        path: The file.
        manifest: What it is.
        program: The compiled module, page-aligned.
        weights: The mapped `weights.bin`, read-only and 64-byte aligned.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        program: memoryview,
        weights: memoryview,
        report: bytes,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self.program = program
        self.weights = weights
        self._report = report

    def report(self) -> dict[str, Any]:
        """The compiler's account of what it did.

        Raises:
            ArtifactError: It is not a JSON object.
        """
        return parse_json(self._report, MAX_REPORT_BYTES, "report")

    def parameter(self, name: str) -> NDArray[np.generic]:
        """A weight as a read-only array over the mapping; KeyError if there is none."""
        place = self.manifest.parameters[name]
        raw = self.weights[place.offset : place.offset + place.nbytes]
        return np.frombuffer(raw, place.dtype.numpy).reshape(place.shape)

    def close(self) -> None:
        """Lets go of program and weights; memory is freed when no array refers to it any more."""
        self.program = self.weights = memoryview(b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Verifies a `.noema` file completely, then maps its weights.

    Raises:
        ArtifactError: The file cannot be read, is no artifact, or differs from what was written
            in any byte.
    """
    path = Path(path)
    try:
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ArtifactError(f"cannot open {str(path)!r}: {reason}") from None
    try:
        return _open(path, descriptor)
    except ArtifactError as error:
        raise ArtifactError(
            f"{str(path)!r}: {error.message}",
            remedy=error.remedy or "compile the model again, or fetch the file again",
        ) from error.__cause__
    except (OSError, EOFError, MemoryError) as error:
        raise ArtifactError(f"cannot read {str(path)!r}: {error or 'out of memory'}") from error
    finally:
        os.close(descriptor)


def _open(path: Path, fd: int) -> Artifact:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError("not a regular file")
    manifest, places = _read_structure(fd, status.st_size)
    by_name = {place.entry.name: place for place in places}
    if by_name[PROGRAM].entry.nbytes > _MAX_PROGRAM_BYTES:
        raise ArtifactError("its program is too large")
    if by_name[REPORT].entry.nbytes > MAX_REPORT_BYTES:
        raise ArtifactError("its report is too large")

    # An anonymous mapping is page-aligned, which IREE asks of a module it does not copy.
    program = memoryview(mmap.mmap(-1, max(1, by_name[PROGRAM].entry.nbytes)))
    program = program[: by_name[PROGRAM].entry.nbytes]
    report = bytearray(by_name[REPORT].entry.nbytes)
    keep = {PROGRAM: program, REPORT: memoryview(report)}
    checked = [name for name in _MEMBERS if name != MANIFEST]
    regions = [
        Region(by_name[name].data_offset, by_name[name].entry.nbytes, keep.get(name))
        for name in checked
    ]
    for name, digest in zip(checked, digest_regions(fd, regions), strict=True):
        if digest != manifest.members[name].digest:
            raise ArtifactError(f"{name} is damaged: its digest is not the one in the manifest")

    place = by_name[WEIGHTS]
    if place.entry.nbytes:
        whole = mmap.mmap(fd, place.end, mmap.MAP_SHARED, mmap.PROT_READ)
        weights = memoryview(whole)[place.data_offset : place.end]
    else:
        weights = memoryview(b"")
    return Artifact(path, manifest, program.toreadonly(), weights, bytes(report))


def _read_structure(fd: int, file_bytes: int) -> tuple[Manifest, list[Placed]]:
    """Reads and checks everything but the bulk of the members."""
    if file_bytes < container.TRAILER_BYTES:
        raise ArtifactError("too short for an artifact")
    trailer = _read(fd, container.TRAILER_BYTES, file_bytes - container.TRAILER_BYTES)
    try:
        end = container.parse_trailer(trailer, file_bytes)
        if end.directory_bytes > _MAX_DIRECTORY_BYTES:
            raise ValueError("its central directory is too large")
        directory = _read(fd, end.directory_bytes, end.directory_offset)
        entries = container.parse_directory(directory)
    except ValueError as error:
        raise ArtifactError(f"not an intact artifact: {error}") from None
    if tuple(entry.name for entry in entries) != _MEMBERS:
        raise ArtifactError("not an intact artifact: it does not have the members of one")
    places = container.place_all(entries)
    if places[-1].end != end.directory_offset:
        raise ArtifactError("not an intact artifact: its members do not fill it")
    if places[-1].entry.nbytes > MAX_MANIFEST_BYTES:
        raise ArtifactError("its manifest is too large")
    text = _read(fd, places[-1].entry.nbytes, places[-1].data_offset)
    if hashlib.sha256(text).hexdigest() != end.manifest_sha256:
        raise ArtifactError("its manifest is damaged")
    rendered = container.render_end(places, end.manifest_sha256)
    headers_intact = rendered == directory + trailer and all(
        _read(fd, len(place.header), place.header_offset) == place.header for place in places
    )
    if not headers_intact or zlib.crc32(text) != places[-1].entry.crc32:
        raise ArtifactError("its zip headers are damaged")
    manifest = parse(text)
    _check_members(manifest, entries)
    return manifest, places


def _check_members(manifest: Manifest, entries: list[Entry]) -> None:
    """The manifest must vouch for exactly the other members, with the headers' sizes and CRCs."""
    found = {e.name: (e.nbytes, e.crc32) for e in entries if e.name != MANIFEST}
    vouched: dict[str, Member] = dict(manifest.members)
    if found != {name: (member.nbytes, member.crc32) for name, member in vouched.items()}:
        raise ArtifactError("its zip headers contradict its manifest")


def _read(fd: int, nbytes: int, offset: int) -> bytes:
    parts: list[bytes] = []
    while nbytes > 0:
        part = os.pread(fd, nbytes, offset)
        if not part:
            raise EOFError("file ends early")
        parts.append(part)
        nbytes -= len(part)
        offset += len(part)
    return b"".join(parts)
