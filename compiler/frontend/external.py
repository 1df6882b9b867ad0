"""External tensor data: which files a model may have read, and which bytes of them.

A model names files. Only plain files below the model's own folder are opened, reached without
`..`, absolute paths or links of any kind, so that a model can't make us read, block on, or reveal
anything else. All checks are made on the opened file itself, before a byte of it is read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from noema.errors import InvalidModel, printable

_MAX_OFFSET = (1 << 63) - 1


@dataclass(frozen=True)
class FileRegion:
    """`length` bytes at `offset` of the plain file `path`, which is that long."""

    path: Path
    offset: int
    length: int


class ExternalFiles:
    """The files of external data of one model.

    Attributes:
        opened: Every file that was accepted, in the order of first use.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._sizes: dict[str, int] = {}
        self.opened: list[Path] = []

    def region(self, tensor: onnx.TensorProto, nbytes: int) -> FileRegion:
        """Where the `nbytes` of the tensor's data are.

        Raises:
            InvalidModel: The location, offset or length isn't acceptable.
        """
        where = tensor.name
        entries: dict[str, str] = {}
        for entry in tensor.external_data:
            if entry.key in entries:
                raise InvalidModel(f"external data names {printable(entry.key)} twice", node=where)
            entries[entry.key] = entry.value
        location = entries.get("location", "")
        if self._folder is None:
            raise InvalidModel(
                "external data in a model that isn't read from a file",
                node=where,
                remedy="read the model from its file, or load its external data first",
            )
        offset = _number(entries, "offset", 0, where)
        length = _number(entries, "length", nbytes, where)
        if length != nbytes:
            raise InvalidModel(
                f"external data has {length} bytes where the tensor has {nbytes}", node=where
            )
        size = self._size(self._folder, location, where)
        if offset > size or length > size - offset:
            raise InvalidModel(
                f"external data ends at byte {offset + length} of {printable(location)}, "
                f"which has {size}",
                node=where,
            )
        return FileRegion(self._folder.joinpath(*location.split("/")), offset, length)

    def _size(self, folder: Path, location: str, where: str) -> int:
        if location not in self._sizes:
            parts = _parts(location, where)
            self._sizes[location] = _plain_file_size(folder, parts, location, where)
            self.opened.append(folder.joinpath(*parts))
        return self._sizes[location]


def _number(entries: Mapping[str, str], key: str, default: int, where: str) -> int:
    text = entries.get(key, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _MAX_OFFSET):
        raise InvalidModel(f"external data has {key} {printable(text)}", node=where)
    return int(text)


def _parts(location: str, where: str) -> list[str]:
    """The names in a location, each of which is an entry of a folder."""
    # A drive or a backslash would mean a folder on other systems: the same file must be
    # acceptable, or not, everywhere.
    if not location or "\0" in location or "\\" in location or ":" in location[:2]:
        raise InvalidModel(f"external data at {printable(location)}", node=where)
    if location.startswith("/"):
        raise InvalidModel(f"external data at absolute path {printable(location)}", node=where)
    parts = location.split("/")
    if any(p in ("", "..") for p in parts):
        raise InvalidModel(
            f"external data at {printable(location)} isn't inside the model's folder", node=where
        )
    return [p for p in parts if p != "."] or [""]


def _plain_file_size(folder: Path, parts: list[str], location: str, where: str) -> int:
    def refuse(reason: str) -> InvalidModel:
        return InvalidModel(
            f"external data {printable(location)} {reason}",
            node=where,
            remedy="put a plain copy of the file into the model's folder",
        )

    base = os.O_RDONLY | os.O_CLOEXEC
    at = -1
    try:
        at = os.open(folder, base | os.O_DIRECTORY)
        for name in parts[:-1]:
            inner = os.open(name, base | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        # Looked at before it is opened: opening a device can have effects of its own.
        found = os.stat(parts[-1], dir_fd=at, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            raise refuse("is a symbolic link")
        if not stat.S_ISREG(found.st_mode):
            raise refuse("is not a plain file")
        inner = os.open(parts[-1], base | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
        os.close(at)
        at = inner
        status = os.fstat(at)
        if not stat.S_ISREG(status.st_mode):
            raise refuse("is not a plain file")
        if status.st_nlink != 1:
            raise refuse("has several hard links")
        return status.st_size
    except FileNotFoundError as error:
        raise refuse("does not exist") from error
    except OSError as error:
        raise refuse(f"cannot be opened as a plain file ({error.strerror})") from error
    except ValueError as error:
        raise refuse("is not a file name") from error
    finally:
        if at >= 0:
            os.close(at)
