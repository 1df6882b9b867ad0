"""Digests of model files, remembered so that an unchanged file is not read again.

Hashing a 440 MB model takes a good part of a second, so each file's digest is kept with its
device, inode, size, modification time and change time, and used again while all five are the same.
The trade: a file changed in place by something that also restores all of them (which takes a
changed system clock, or raw access to the disk) would be taken for the old one. Because time
stamps are coarse, a file changed in the last two seconds is always read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from noema.cache_index import Index, IndexUnavailable
from noema.errors import InvalidModel

_COARSEST_CLOCK_NS = 2_000_000_000
_REMEMBERED_FILES = 4096
_DIGEST = "SELECT sha256 FROM digest WHERE path = ? AND stamp = ?"
_FILES = "SELECT files FROM model WHERE path = ? AND sha256 = ?"


@dataclass(frozen=True)
class _Stamp:
    """What must be the same for a file to count as unchanged."""

    text: str
    changed_ns: int

    @staticmethod
    def of(status: os.stat_result) -> _Stamp:
        fields = (
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )
        return _Stamp(":".join(map(str, fields)), max(status.st_mtime_ns, status.st_ctime_ns))


class DigestMemo:
    """Digests of files by path and stamp.

    Args:
        index: The cache's index, which keeps them; `None` for no memory at all.
    """

    def __init__(self, index: Index | None) -> None:
        self._index = index

    def model_digest(self, model: Path, external: Sequence[Path] = ()) -> str:
        """SHA-256 over the contents of a model file and of its external data.

        Args:
            model: The `.onnx` file.
            external: Files with its external data, in any order. Their names within the model are
                part of the model's own contents.

        Raises:
            InvalidModel: A file is missing, no regular file, or changes while it is read.
        """
        others = sorted({path.absolute() for path in external})
        digests = [self.file_digest(path) for path in (model.absolute(), *others)]
        return _joined(digests)

    def remembered(self, model: Path) -> tuple[str, tuple[Path, ...]] | None:
        """What `model_digest` and `external_files` would say, if no file needs to be read for it.

        One look into the index, where those two take several.
        """
        if self._index is None:
            return None

        def digest(connection: sqlite3.Connection, path: Path) -> str | None:
            row = connection.execute(_DIGEST, (_encoded(path), _Stamp.of(os.stat(path)).text))
            found = row.fetchone()
            return None if found is None else str(found[0])

        def look_up(connection: sqlite3.Connection) -> tuple[str, tuple[Path, ...]] | None:
            own = digest(connection, model)
            row = connection.execute(_FILES, (_encoded(model), own or "")).fetchone()
            if row is None:
                return None
            external = tuple(Path(name) for name in json.loads(row[0]))
            others = sorted({path.absolute() for path in external})
            digests = [own, *(digest(connection, path) for path in others)]
            return None if None in digests else (_joined(digests), external)

        try:
            return self._index.run(look_up)
        except (IndexUnavailable, OSError):
            return None

    def external_files(self, model: Path) -> tuple[Path, ...] | None:
        """The model's external-data files as last told; `None` if its contents are new to us.

        Raises:
            InvalidModel: As `model_digest`.
        """
        digest = self.file_digest(model)
        names = self._look_up(_FILES, (_encoded(model), digest))
        return None if names is None else tuple(Path(name) for name in json.loads(names))

    def remember_external_files(self, model: Path, files: Sequence[Path]) -> None:
        """Keeps which external-data files a model has, for `external_files`."""
        digest = self.file_digest(model)
        names = json.dumps([str(path.absolute()) for path in files])

        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO model VALUES (?, ?, ?, ?)",
                (_encoded(model), digest, names, time.time()),
            )
            _forget_oldest(connection, "model")

        self._write(keep)

    def file_digest(self, path: Path) -> str:
        """SHA-256 of a file, hexadecimal.

        Raises:
            InvalidModel: As `model_digest`.
        """
        try:
            stamp = _Stamp.of(os.stat(path))
            known = self._look_up(_DIGEST, (_encoded(path), stamp.text))
            return known or self._read(path)
        except OSError as error:
            raise InvalidModel(f"cannot read {path}: {error.strerror}") from error

    def _read(self, path: Path) -> str:
        # O_NONBLOCK: a FIFO is refused below, not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidModel(f"{path} is not a regular file")
            stamp = _Stamp.of(status)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _Stamp.of(os.fstat(descriptor)) != stamp:
                raise InvalidModel(
                    f"{path} changed while it was read", remedy="try again when it is complete"
                )
        if time.time_ns() - stamp.changed_ns > _COARSEST_CLOCK_NS:

            def keep(connection: sqlite3.Connection) -> None:
                connection.execute(
                    "INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?)",
                    (_encoded(path), stamp.text, digest, time.time()),
                )
                _forget_oldest(connection, "digest")

            self._write(keep)
        return digest

    def _look_up(self, query: str, values: tuple[bytes, str]) -> str | None:
        """The only column of the first row, which is text."""
        if self._index is None:
            return None
        try:
            row = self._index.run(lambda connection: connection.execute(query, values).fetchone())
        except IndexUnavailable:
            return None
        return None if row is None else str(row[0])

    def _write(self, action: Callable[[sqlite3.Connection], None]) -> None:
        # What cannot be remembered is worked out again next time.
        if self._index is not None:
            with contextlib.suppress(IndexUnavailable):
                self._index.run(action)


def changed_since(paths: Iterable[Path], moment_ns: int) -> bool:
    """Whether any file was changed (or is gone) since a moment.

    Args:
        paths: The files.
        moment_ns: From `time.time_ns`.
    """
    for path in paths:
        try:
            if _Stamp.of(os.stat(path)).changed_ns >= moment_ns:
                return True
        except OSError:
            return True
    return False


def _joined(digests: Sequence[str | None]) -> str:
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _encoded(path: Path) -> bytes:
    return os.fsencode(path.absolute())


def _forget_oldest(connection: sqlite3.Connection, table: str) -> None:
    connection.execute(
        f"DELETE FROM {table} WHERE seen <= "
        f"(SELECT seen FROM {table} ORDER BY seen DESC LIMIT 1 OFFSET {_REMEMBERED_FILES})"
    )
