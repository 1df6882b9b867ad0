"""The compile cache's index: an SQLite file that says what is in the cache and when it was used.

The index only saves work: every file of the cache says in its name what it is, so an index that is
lost or damaged is thrown away and read back from the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE entry (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, bytes INTEGER NOT NULL, label TEXT NOT NULL,
    created REAL NOT NULL, used REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE digest (
    path BLOB PRIMARY KEY, stamp TEXT NOT NULL, sha256 TEXT NOT NULL, seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE model (
    path BLOB, sha256 TEXT, files TEXT NOT NULL, seen REAL NOT NULL, PRIMARY KEY (path, sha256)
) WITHOUT ROWID;
"""
_BUSY_SECONDS = 30.0
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}

T = TypeVar("T")


class IndexUnavailable(Exception):
    """The index can be neither used nor rebuilt: no permission, no space, or always busy."""


class _LockFailed(Exception):
    """The lock file cannot be made or locked."""


class _Damaged(Exception):
    """The index file is not a database of ours."""


class Index:
    """The index file in a folder; safe to use from many processes and threads.

    A connection lives for one transaction only, so nothing is shared over a fork. Users hold a
    shared lock on `index.lock`; whoever creates or throws away the file holds it alone.

    Args:
        folder: Where the file lies; must exist before the first use.
        restore: Fills a new index from the folder, inside the transaction that creates it.
    """

    def __init__(self, folder: Path, restore: Callable[[sqlite3.Connection], None]) -> None:
        self._file = folder / "index.sqlite3"
        self._lock = folder / "index.lock"
        self._restore = restore

    def run(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Runs an action in one write transaction: all of it is kept, or none.

        Args:
            action: May run twice, if the index proves damaged on the way.

        Raises:
            IndexUnavailable: The index cannot be used.
        """
        try:
            for attempt in range(3):
                with contextlib.suppress(_Damaged), self._locked(fcntl.LOCK_SH):
                    return self._transaction(action)
                with self._locked(fcntl.LOCK_EX):
                    self._make_anew(force=attempt > 0)
        except (_Damaged, sqlite3.Error, _LockFailed) as error:
            raise IndexUnavailable(str(error)) from error
        raise IndexUnavailable(f"{self._file} is damaged, and again when made anew")

    @contextlib.contextmanager
    def _locked(self, how: int) -> Generator[None]:
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _LockFailed(str(error)) from error
        try:
            try:
                fcntl.flock(descriptor, how)
            except OSError as error:
                raise _LockFailed(str(error)) from error
            yield
        finally:
            os.close(descriptor)

    def _transaction(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with self._connected() as connection:
            if _version(connection) != _SCHEMA_VERSION:
                raise _Damaged(f"{self._file} is not an index of ours")
            connection.execute("BEGIN IMMEDIATE")
            result = action(connection)
            connection.execute("COMMIT")
            return result

    @contextlib.contextmanager
    def _connected(self) -> Generator[sqlite3.Connection]:
        """A connection; what is not committed is rolled back when it closes."""
        try:
            with contextlib.closing(
                sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection:
                # Losing the last commits in a power cut is fine: the files are the truth.
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except UnicodeDecodeError as error:  # garbage where SQLite's message quotes the file
            raise _Damaged(str(error)) from error
        except sqlite3.DatabaseError as error:
            # Those without a code come from Python: a value is not of its column's type.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
            if code & 0xFF in _DAMAGED:
                raise _Damaged(str(error)) from error
            raise

    def _make_anew(self, *, force: bool) -> None:
        """Creates the file, in place of one that is damaged; the caller holds the lock alone.

        Args:
            force: Also replace one that looks sound.
        """
        if not force:
            with contextlib.suppress(_Damaged):
                if self._is_sound():
                    return  # another process was quicker
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._file}{suffix}")
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            self._restore(connection)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            connection.execute("COMMIT")

    def _is_sound(self) -> bool:
        with self._connected() as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            return verdict == "ok" and _version(connection) == _SCHEMA_VERSION


def _version(connection: sqlite3.Connection) -> int:
    """Version of a file's schema; 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
