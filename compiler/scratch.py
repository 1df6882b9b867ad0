"""Folders for files being written, which do not outlive their owner even if it is killed.

The owner of a folder holds a lock on the file `lock` in it. The system drops the lock with the
process, so a folder whose lock can be had is abandoned, and whoever comes next removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Generator
from pathlib import Path


class ScratchFolders:
    """Randomly named folders under one root; safe to use from many processes and threads."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def new(self) -> Generator[Path]:
        """A new empty folder (but for `lock`); removed on exit.

        Raises:
            OSError: It can't be made.
        """
        folder, lock = self._make()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def remove_abandoned(self) -> None:
        """Removes the folders of owners that are dead.

        Raises:
            OSError: The root can't be read or written.
        """
        if not self._root.is_dir():
            return
        check_private(self._root)
        for folder in self._root.iterdir():
            # Held by a living owner, gone, or not one of ours.
            with contextlib.suppress(BlockingIOError, FileNotFoundError, NotADirectoryError):
                lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)

    def _make(self) -> tuple[Path, int]:
        """A folder and the descriptor that holds its lock."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        check_private(self._root)
        while True:
            folder = self._root / secrets.token_hex(8)
            folder.mkdir(mode=0o700)
            # Until it is locked, another process may take it for an abandoned one.
            with contextlib.suppress(FileNotFoundError):
                lock = _lock(folder, fcntl.LOCK_EX)
                if lock is not None:
                    return folder, lock


@contextlib.contextmanager
def temporary_folder() -> Generator[Path]:
    """A new folder among the system's temporary files.

    Removed on exit; if this process is killed, by the next one that wants such a folder.

    Raises:
        OSError: It can't be made.
    """
    folders = ScratchFolders(Path(tempfile.gettempdir()) / f"noema-{os.geteuid()}")
    with contextlib.ExitStack() as stack:
        try:
            folders.remove_abandoned()
            folder = stack.enter_context(folders.new())
        except OSError:  # e.g. somebody else made a folder of that name
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="noema-")))
        yield folder


def check_private(folder: Path) -> None:
    """Refuses a folder that somebody else could put files into.

    Raises:
        PermissionError: It belongs to another user, or anyone may write to it.
        OSError: There is no such folder.
    """
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (0, os.geteuid()):
        raise PermissionError(f"{folder} is not your own folder")
    if status.st_mode & stat.S_IWOTH:
        raise PermissionError(f"anyone may write to {folder}")


def _lock(folder: Path, how: int) -> int | None:
    """Locks the `lock` file of a folder; `None` if it was removed in the meantime."""
    path = folder / "lock"
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, flags, 0o600)
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, how)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                stack.pop_all()
                return descriptor
    return None
