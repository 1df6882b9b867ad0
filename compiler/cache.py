"""The compile cache: artifacts kept by what they were made from, in a bounded folder.

    <root>/v1/artifacts/<key>-<sha256>-<bytes>.noema     the entries: artifacts,
    <root>/v1/artifacts/<key>-<sha256>-<bytes>.json      and profiles of models
    <root>/v1/index.sqlite3                              what was used when; see `cache_index`
    <root>/v1/tmp/<random>/                              files being written
    <root>/v1/quarantine/                                the last few damaged entries

An entry is written under `tmp`, flushed to disk, and renamed to a name that carries its own digest
and size, while the index is locked. So an entry is there whole or not at all, however a writer
dies, and a lost index can be read back from the names. Of several writers of one key the first
wins. Removing an entry that a program has open or mapped does that program no harm.

The cache never makes a compile fail: where it can't be read or written the result is returned
without it, with a `CacheWarning`. A cached program is native code, so the folder is used only if
it is ours and nobody else can write to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sqlite3
import time
import warnings
import weakref
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from noema import environment
from noema.cache_index import Index, IndexUnavailable
from noema.digests import DigestMemo
from noema.errors import NoemaError, is_out_of_space
from noema.options import CompileOptions
from noema.scratch import ScratchFolders, check_private, temporary_folder

_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})-(\d{1,18})\.(?:noema|json)")
_KEY = re.compile(r"[0-9a-f]{64}")
_QUARANTINED_FILES = 4
_ARTIFACT = "model.noema"
_PROFILE = "profile.json"


class CacheWarning(UserWarning):
    """The compile cache could not be used, or an entry of it was damaged."""


class _CacheUnusable(Exception):
    """Why a result can't be kept."""


@dataclass(frozen=True)
class CacheEntry:
    """One cached artifact.

    Attributes:
        key: What it was made from; see `cache_key`.
        path: The file.
        nbytes: Its size.
        sha256: Digest of its bytes, hexadecimal.
        label: What it is, for a person, e.g. the model's file name and target; may be empty.
        created: When it was put there, seconds since the epoch.
        used: When it was last asked for, seconds since the epoch.
    """

    key: str
    path: Path
    nbytes: int
    sha256: str
    label: str = ""
    created: float = 0.0
    used: float = 0.0

    def to_json(self) -> dict[str, object]:
        return {
            "key": self.key,
            "path": str(self.path),
            "bytes": self.nbytes,
            "sha256": self.sha256,
            "label": self.label,
            "created": self.created,
            "used": self.used,
        }


@dataclass(frozen=True)
class CacheStats:
    """Size of the cache.

    Attributes:
        entries: Number of artifacts.
        nbytes: Their size together.
        max_bytes: The bound.
        quarantined: Number of damaged artifacts that are kept aside.
    """

    entries: int
    nbytes: int
    max_bytes: int
    quarantined: int


def cache_key(
    model_digest: str,
    options: CompileOptions,
    versions: Mapping[str, str],
    cpu_fingerprint: str,
) -> str:
    """Names what a compile result depends on, as 64 hexadecimal digits.

    Args:
        model_digest: From `Cache.model_digest`.
        options: What it is compiled for.
        versions: Package name → version of everything that shapes the output.
        cpu_fingerprint: Names this machine's CPU features; counts only if the target is this
            machine, so that a portable artifact is found from any.
    """
    is_host = options.target.kind == "cpu" and options.target.arch == "host"
    record = {
        "model": model_digest,
        "options": options.to_json(),
        "versions": dict(versions),
        "cpu": cpu_fingerprint if is_host else None,
    }
    return key_of(record)


def key_of(record: Mapping[str, object]) -> str:
    """Names a JSON record, as 64 hexadecimal digits that depend on its contents only."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Cache:
    """A folder of compiled artifacts; safe to use from many processes and threads.

    Args:
        root: The folder; made when something is first put there.
        max_bytes: Bound on the artifacts together; 0 turns the cache off.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self.max_bytes = max_bytes
        self._folder = root / "v1"
        self._artifacts = self._folder / "artifacts"
        self._scratch_folders = ScratchFolders(self._folder / "tmp")
        self._quarantine = self._folder / "quarantine"
        self._index = Index(self._folder, self._adopt)

    @staticmethod
    def default() -> Cache:
        """The cache that the environment names."""
        return Cache(environment.cache_directory(), environment.cache_size())

    def get(self, key: str) -> Path | None:
        """The artifact stored under a key, or `None`; marks it as used.

        Only its size is checked: whoever loads it checks its digests anyway, and calls
        `quarantine` if they are wrong. It may be evicted before the caller opens it.
        """
        _check_key(key)
        if not self.max_bytes or not self._artifacts.is_dir():
            return None
        try:
            check_private(self._folder)
        except OSError as error:
            self._warn("not used", error)
            return None
        try:
            entry = self._index.run(lambda connection: self._touch(connection, key))
        except IndexUnavailable:  # e.g. a read-only folder: the names tell enough
            entry = self._scan().get(key)
        if entry is None:
            return None
        size = _size(entry.path)
        if size is not None and size != entry.nbytes:
            self.quarantine(key)
            return None
        return None if size is None else entry.path

    def read(self, key: str) -> bytes | None:
        """The contents of a small entry, or `None`; its digest is checked, unlike by `get`."""
        path = self.get(key)
        if path is None:
            return None
        match = _NAME.fullmatch(path.name)
        try:
            contents = path.read_bytes()
        except FileNotFoundError:
            return None  # evicted meanwhile
        except OSError as error:
            self._warn("not used", error)
            return None
        if match is not None and hashlib.sha256(contents).hexdigest() == match[2]:
            return contents
        self.quarantine(key)
        return None

    def write(self, key: str, contents: bytes, *, label: str = "") -> None:
        """Keeps a small entry that isn't an artifact, a JSON text, for `read`.

        Args:
            key: 64 hexadecimal digits that name what it was made from.
            contents: The text.
            label: What it is, for a person.
        """
        _check_key(key)
        if not self.max_bytes:
            return
        try:
            with self._scratch() as folder:
                file = folder / _PROFILE
                file.write_bytes(contents)
                self._store(key, file, label)
        except (OSError, IndexUnavailable, _CacheUnusable) as error:
            self._warn("not used for this result", error)

    def put(self, key: str, path: Path, *, label: str = "") -> Path:
        """Copies an artifact into the cache, unless it has one under this key.

        Args:
            key: From `cache_key`.
            path: The artifact; left alone.
            label: What it is, for a person.

        Returns:
            The cached file, or `path` itself, with a `CacheWarning`, if it can't be stored.
        """
        _check_key(key)
        if not self.max_bytes:
            return path
        try:
            with self._scratch() as folder:
                copy = folder / _ARTIFACT
                shutil.copyfile(path, copy)
                return self._store(key, copy, label)
        except (OSError, IndexUnavailable, _CacheUnusable) as error:
            self._warn("not used for this result", error)
            return path

    def insert(self, writer: Callable[[Path], str | None], *, label: str = "") -> Path:
        """Has an artifact written straight into the cache.

        Args:
            writer: Writes the artifact to the path it is given and returns its key, or `None` for
                one that must not be kept. It runs again, elsewhere, if the cache's disk fills up.
            label: What it is, for a person.

        Returns:
            The cached file. If it can't be stored (with a `CacheWarning`) or wasn't to be, a file
            that is removed with this object.

        Raises:
            Exception: Whatever the writer raises.
        """
        if not self.max_bytes:
            return self._write_uncached(writer)
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(self._scratch())
            except OSError as error:
                self._warn("not used for this result", error)
                return self._write_uncached(writer)
            file = folder / _ARTIFACT
            try:
                key = writer(file)
            except (OSError, NoemaError) as error:
                if not is_out_of_space(error):
                    raise
                self._warn("not used for this result", error)
            else:
                if key is None:
                    return self._keep_uncached(file)
                _check_key(key)
                try:
                    return self._store(key, file, label)
                except (OSError, IndexUnavailable, _CacheUnusable) as error:
                    self._warn("not used for this result", error)
                    return self._keep_uncached(file)
        return self._write_uncached(writer)  # the half-written file has made room again

    def quarantine(self, key: str) -> None:
        """Moves a damaged entry aside, so that its key is compiled again."""
        _check_key(key)

        def move(connection: sqlite3.Connection) -> list[CacheEntry]:
            entries = [entry for entry in self._listed() if entry.key == key]
            self._quarantine.mkdir(mode=0o700, exist_ok=True)
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    entry.path.replace(self._quarantine / entry.path.name)
            connection.execute("DELETE FROM entry WHERE key = ?", (key,))
            kept = sorted(self._quarantine.iterdir(), key=lambda p: p.stat().st_ctime_ns)
            for path in kept[:-_QUARANTINED_FILES]:
                path.unlink(missing_ok=True)
            return entries

        try:
            for entry in self._index.run(move):
                self._warn(f"entry {entry.path.name} was damaged and is set aside")
        except (OSError, IndexUnavailable) as error:
            self._warn(f"entry {key} is damaged and can't be set aside", error)

    def verify(self) -> tuple[list[CacheEntry], list[CacheEntry]]:
        """Reads every entry and checks its digest; damaged ones are set aside.

        Returns:
            The intact entries and the damaged ones.
        """
        intact: list[CacheEntry] = []
        damaged: list[CacheEntry] = []
        for entry in self.entries():
            try:
                with entry.path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except FileNotFoundError:
                continue  # evicted meanwhile
            except OSError:
                digest = ""
            (intact if digest == entry.sha256 else damaged).append(entry)
        for entry in damaged:
            self.quarantine(entry.key)
        return intact, damaged

    def entries(self) -> list[CacheEntry]:
        """Every entry, last used first."""
        if not self._artifacts.is_dir():
            return []
        try:
            return self._index.run(self._rows)
        except IndexUnavailable:
            return sorted(self._scan().values(), key=lambda e: -e.used)

    def stats(self) -> CacheStats:
        entries = self.entries()
        aside = sum(1 for _ in self._quarantine.iterdir()) if self._quarantine.is_dir() else 0
        return CacheStats(len(entries), sum(e.nbytes for e in entries), self.max_bytes, aside)

    def clear(self) -> tuple[int, int]:
        """Removes every entry and all that the cache remembers.

        Returns:
            Number of entries removed, and their size in bytes.

        Raises:
            NoemaError: The folder can't be written.
        """
        if not self._folder.is_dir():
            return 0, 0

        def remove(connection: sqlite3.Connection) -> tuple[int, int]:
            entries = self._listed()
            for entry in entries:
                entry.path.unlink(missing_ok=True)
            for table in ("entry", "digest", "model"):
                connection.execute(f"DELETE FROM {table}")
            return len(entries), sum(entry.nbytes for entry in entries)

        try:
            removed = self._index.run(remove)
            if self._quarantine.is_dir():
                shutil.rmtree(self._quarantine)
            self._scratch_folders.remove_abandoned()
        except (OSError, IndexUnavailable) as error:
            raise NoemaError(
                f"the compile cache in {self.root} can't be cleared: {error}",
                remedy="check that you may write to the folder, or remove it by hand",
            ) from error
        return removed

    def model_digest(self, model: Path, external: Sequence[Path] = ()) -> str:
        """Names the contents of a model file and its external data; see `DigestMemo`."""
        return self._memo().model_digest(model, external)

    def remembered(self, model: Path) -> tuple[str, tuple[Path, ...]] | None:
        """Digest and external-data files of an unchanged model; see `DigestMemo`."""
        return self._memo().remembered(model)

    def external_files(self, model: Path) -> tuple[Path, ...] | None:
        """The model's external-data files as last told; see `DigestMemo`."""
        return self._memo().external_files(model)

    def remember_external_files(self, model: Path, files: Sequence[Path]) -> None:
        """Keeps which external-data files a model has; see `DigestMemo`."""
        self._memo().remember_external_files(model, files)

    def _memo(self) -> DigestMemo:
        """The memory of digests, or one that forgets if the cache can't be used."""
        if self.max_bytes:
            with contextlib.suppress(OSError):
                self._prepare()
                return DigestMemo(self._index)
        return DigestMemo(None)

    # Writing

    def _store(self, key: str, file: Path, label: str) -> Path:
        """Makes a finished file in a scratch folder an entry, and evicts what is too much."""
        with file.open("rb+") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
            nbytes = handle.seek(0, os.SEEK_END)
            os.fsync(handle.fileno())
        if nbytes > self.max_bytes:
            raise _CacheUnusable(f"{nbytes} bytes are more than its bound of {self.max_bytes}")
        path = self._artifacts / f"{key}-{sha256}-{nbytes}{file.suffix}"

        def commit(connection: sqlite3.Connection) -> Path:
            present = self._touch(connection, key)
            if present is not None and _size(present.path) == present.nbytes:
                if label and not present.label:  # read back from the folder, which has no labels
                    connection.execute("UPDATE entry SET label = ? WHERE key = ?", (label, key))
                return present.path
            file.replace(path)
            _sync_folder(self._artifacts)
            now = time.time()
            connection.execute(
                "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)",
                (key, path.name, nbytes, label, now, now),
            )
            return path

        stored = self._index.run(commit)
        try:
            self._index.run(lambda connection: self._evict(connection, key))
            self._scratch_folders.remove_abandoned()
        except (OSError, IndexUnavailable) as error:
            self._warn("not tidied", error)
        return stored

    def _evict(self, connection: sqlite3.Connection, keep: str) -> None:
        """Brings index and folder into line, and removes the longest unused down to the bound."""
        self._adopt(connection)
        entries = self._rows(connection)  # last used first
        total = sum(entry.nbytes for entry in entries)
        for entry in reversed(entries):
            if total <= self.max_bytes:
                break
            if entry.key != keep:
                entry.path.unlink(missing_ok=True)
                connection.execute("DELETE FROM entry WHERE key = ?", (entry.key,))
                total -= entry.nbytes

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Makes the index say what is in the folder.

        Entries are renamed into place under the index's lock, so what differs here is what a
        killed process or a lost index left.
        """
        known = {entry.path.name: entry.key for entry in self._rows(connection)}
        keys = set(known.values())
        found = self._listed()
        for name in known.keys() - {entry.path.name for entry in found}:
            connection.execute("DELETE FROM entry WHERE name = ?", (name,))
            keys.discard(known[name])
        for entry in found:
            if entry.path.name in known:
                continue
            if entry.key in keys or _size(entry.path) != entry.nbytes:
                entry.path.unlink(missing_ok=True)
                continue
            keys.add(entry.key)
            connection.execute(
                "INSERT INTO entry VALUES (?, ?, ?, '', ?, ?)",
                (entry.key, entry.path.name, entry.nbytes, entry.created, entry.used),
            )

    def _prepare(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self._folder, self._artifacts):
            folder.mkdir(mode=0o700, exist_ok=True)
        check_private(self._folder)

    @contextlib.contextmanager
    def _scratch(self) -> Generator[Path]:
        """A new folder for files being written; removed on exit, or once this process is dead.

        Raises:
            OSError: The cache can't be written.
        """
        self._prepare()
        with self._scratch_folders.new() as folder:
            yield folder

    def _write_uncached(self, writer: Callable[[Path], str | None]) -> Path:
        path = self._uncached_folder() / _ARTIFACT
        writer(path)
        return path

    def _keep_uncached(self, file: Path) -> Path:
        return Path(shutil.move(file, self._uncached_folder() / _ARTIFACT))

    def _uncached_folder(self) -> Path:
        """A folder that goes with this object, or is tidied later if this process is killed."""
        stack = contextlib.ExitStack()
        folder = stack.enter_context(temporary_folder())
        weakref.finalize(self, stack.close)
        return folder

    # Reading

    def _touch(self, connection: sqlite3.Connection, key: str) -> CacheEntry | None:
        """The entry of a key, marked as used; also one that the index has missed."""
        rows = self._rows(connection, key)
        if not rows or not rows[0].path.exists():
            self._adopt(connection)
            rows = self._rows(connection, key)
        (last,) = connection.execute("SELECT max(used) FROM entry").fetchone()
        if rows and rows[0].used != last:  # a write takes longer than all the rest
            connection.execute("UPDATE entry SET used = ? WHERE key = ?", (time.time(), key))
        return rows[0] if rows else None

    def _rows(self, connection: sqlite3.Connection, key: str | None = None) -> list[CacheEntry]:
        """What the index has, last used first: all, or the one of a key."""
        where, values = ("", ()) if key is None else ("WHERE key = ?", (key,))
        query = f"SELECT name, label, created, used FROM entry {where} ORDER BY used DESC, key"
        entries: list[CacheEntry] = []
        for name, label, created, used in connection.execute(query, values):
            match = _NAME.fullmatch(str(name))
            if match is None or not (isinstance(created, float) and isinstance(used, float)):
                raise sqlite3.DatabaseError(f"not an entry: {name!r}")
            path = self._artifacts / match[0]
            entries.append(
                CacheEntry(match[1], path, int(match[3]), match[2], str(label), created, used)
            )
        return entries

    def _listed(self) -> list[CacheEntry]:
        """What the folder has, by its files' names."""
        entries: list[CacheEntry] = []
        for path in self._artifacts.iterdir() if self._artifacts.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match is not None:
                with contextlib.suppress(FileNotFoundError):
                    moment = path.stat().st_mtime
                    entries.append(
                        CacheEntry(match[1], path, int(match[3]), match[2], "", moment, moment)
                    )
        return entries

    def _scan(self) -> dict[str, CacheEntry]:
        """What the folder has, by key, for when there is no index."""
        return {entry.key: entry for entry in self._listed()}

    def _warn(self, what: str, error: BaseException | None = None) -> None:
        reason = "" if error is None else f": {error}"
        warnings.warn(f"compile cache in {self.root}: {what}{reason}", CacheWarning, stacklevel=3)


def _check_key(key: str) -> None:
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"not a cache key: {key!r}")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
