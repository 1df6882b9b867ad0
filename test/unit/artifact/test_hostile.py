"""Damaged and forged artifacts: refused with ArtifactError, before anything is mapped."""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noema import artifact
from noema.artifact import container
from noema.artifact.container import Entry
from noema.artifact.digest import TreeHasher
from noema.artifact.manifest import MAX_MANIFEST_BYTES, parse
from noema.errors import ArtifactError

Edit = Callable[[dict[str, Any]], object]


def forge(path: Path, manifest: bytes | Edit) -> None:
    """Rewrites an artifact with another manifest, all digests and headers valid."""
    opened = artifact.open_artifact(path)
    record: dict[str, Any] = opened.manifest.to_json()
    bulk = {
        "weights.bin": bytes(opened.weights),
        "program.vmfb": bytes(opened.program),
        "report.json": json.dumps(opened.report()).encode(),
    }
    if callable(manifest):
        manifest(record)
        text = json.dumps(record).encode()
    else:
        text = manifest
    members = {**bulk, "manifest.json": text}
    placed = container.place_all(
        [Entry(name, len(data), zlib.crc32(data)) for name, data in members.items()]
    )
    with path.open("wb") as file:
        for place in placed:
            file.write(place.header + members[place.entry.name])
        file.write(container.render_end(placed, hashlib.sha256(text).hexdigest()))


def test_forging_itself_is_not_what_is_refused(path: Path) -> None:
    before = path.read_bytes()
    forge(path, lambda record: record)
    assert path.read_bytes() == before


def test_every_flipped_byte_is_noticed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte of the file in turn: none is irrelevant, none is mapped."""

    genuine = mmap.mmap

    def mapping(fileno: int, *args: int) -> mmap.mmap:
        assert fileno == -1, "a damaged file was mapped"
        return genuine(fileno, *args)

    monkeypatch.setattr(mmap, "mmap", mapping)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError):
            artifact.open_artifact(path)


def test_every_truncation_is_noticed(path: Path) -> None:
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(ArtifactError):
            artifact.open_artifact(path)


@pytest.mark.parametrize("extra", [b"\x00", b"PK", bytes(4096)])
def test_added_bytes_are_noticed(path: Path, extra: bytes) -> None:
    data = path.read_bytes()
    for damaged in (data + extra, extra + data, data[:100] + extra + data[100:], data + data):
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError):
            artifact.open_artifact(path)


def _set(*keys: str | int, value: object) -> Edit:
    def edit(record: dict[str, Any]) -> None:
        place: Any = record
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return edit


W = ("parameters", "dense.weight")
X = ("entry", "inputs", 0)
FORGERIES: dict[str, Edit] = {
    "another format": _set("format", value="zip"),
    "newer version": _set("format_version", value=2),
    "version of a wrong type": _set("format_version", value=True),
    "unknown target": _set("target", value="toaster"),
    "target of a wrong type": _set("target", value=None),
    "no entry": _set("entry", value=[]),
    "inputs of a wrong type": _set("entry", "inputs", value={"x": 1}),
    "an input that is no object": _set("entry", "inputs", value=["x"]),
    "two inputs of one name": lambda r: r["entry"]["inputs"].append(r["entry"]["inputs"][0]),
    "unknown element type": _set(*X, "dtype", value="float31"),
    "negative extent": _set(*X, "shape", value=[-1]),
    "fractional extent": _set(*X, "shape", value=[1.5]),
    "boolean extent": _set(*X, "shape", value=[True]),
    "absurd extent": _set(*X, "shape", value=[2**63]),
    "absurd rank": _set(*X, "shape", value=[1] * 65),
    "name of a wrong type": _set(*X, "name", value=7),
    "endless name": _set(*X, "name", value="x" * 70000),
    "negative offset": _set(*W, "offset", value=-64),
    "huge offset": _set(*W, "offset", value=2**62),
    "offset past the end": _set(*W, "offset", value=1 << 20),
    "unaligned offset": _set(*W, "offset", value=4),
    "negative length": _set(*W, "nbytes", value=-48),
    "length that is not the shape's": _set(*W, "nbytes", value=52),
    "shape that is not the length's": _set(*W, "shape", value=[3, 5]),
    "overflowing shape": _set(*W, "shape", value=[2**40] * 8),
    "symbolic weight": _set(*W, "shape", value=["n"]),
    "weight in another file": _set(*W, "member", value="../../etc/passwd"),
    "members missing": _set("members", value={}),
    "member of another size": _set("members", "program.vmfb", "nbytes", value=3),
    "member of another digest": _set("members", "program.vmfb", "sha256", value="0" * 64),
    "member of a wrong type": _set("members", "program.vmfb", value=None),
    "unknown member": _set("members", "x", value={"nbytes": 0, "crc32": 0, "sha256": ""}),
    "requirements of a wrong type": _set("requirements", "cpu_features", value="avx"),
    "versions of a wrong type": _set("versions", value={"noema": 1}),
}  # fmt: skip


@pytest.mark.parametrize("edit", FORGERIES.values(), ids=FORGERIES.keys())
def test_forged_manifest_is_refused(path: Path, edit: Edit) -> None:
    forge(path, edit)
    with pytest.raises(ArtifactError):
        artifact.open_artifact(path)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"format": "noema", "format": "noema"}',
        b'{"format": "noema", "format_version": ' + b"9" * 5000 + b"}",
        b'{"format": "noema", "format_version": NaN}',
        b'{"format": "noema", "format_version": 1e400}',
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_json_is_refused(path: Path, text: bytes) -> None:
    forge(path, text)
    with pytest.raises(ArtifactError):
        artifact.open_artifact(path)


def test_endless_manifest_is_refused_unread() -> None:
    with pytest.raises(ArtifactError, match="more than"):
        parse(bytes(MAX_MANIFEST_BYTES + 1))


def test_header_sizes_are_never_believed(path: Path) -> None:
    """A directory that claims exabytes is refused without reading or allocating that much."""
    data = path.read_bytes()
    where = data.index(b"PK\x01\x02")
    for claim in (2**62, 2**64 - 1, len(data)):
        damaged = bytearray(data)
        zip64 = damaged.index(b"\x01\x00\x18\x00", where) + 4
        damaged[zip64 : zip64 + 16] = claim.to_bytes(8, "little") * 2
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError):
            artifact.open_artifact(path)


def test_digest_tree_keeps_leaf_and_root_apart() -> None:
    """A file that equals another's leaves does not have the other's digest."""
    first, second = TreeHasher(), TreeHasher()
    first.update(b"abc")
    leaf = hashlib.sha256(b"\x00abc").digest()
    second.update(leaf)
    assert first.hexdigest() != second.hexdigest()
