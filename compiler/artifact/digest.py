"""Digests of artifact members: SHA-256 over fixed chunks, so that several threads can share one.

The digest of a member is a two-level tree: each chunk of 8 MiB gives the leaf
`SHA-256(0x00 | chunk)`, and the root is `SHA-256(0x01 | length as u64 LE | leaves)`. The prefixes
keep a leaf from being passed off as a root (as in RFC 6962, section 2.1). hashlib releases the
interpreter lock, so chunks scale with cores.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

CHUNK_BYTES = 8 << 20
"""Bytes per leaf of the tree. Part of the format."""

_READ_BYTES = 1 << 20  # stays in a core's L2 between the read and the hash
_MAX_THREADS = 8


class TreeHasher:
    """Computes a member's digest from its bytes as they stream by."""

    def __init__(self) -> None:
        self._leaves: list[bytes] = []
        self._leaf = hashlib.sha256(b"\x00")
        self._filled = 0
        self._length = 0

    def update(self, data: bytes | memoryview) -> None:
        """Adds bytes; any split of the stream gives the same digest."""
        view = memoryview(data).cast("B")
        self._length += len(view)
        while len(view):
            part = view[: CHUNK_BYTES - self._filled]
            self._leaf.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == CHUNK_BYTES:
                self._close_leaf()

    def _close_leaf(self) -> None:
        self._leaves.append(self._leaf.digest())
        self._leaf = hashlib.sha256(b"\x00")
        self._filled = 0

    def hexdigest(self) -> str:
        """The digest; no more bytes may be added."""
        if self._filled:
            self._close_leaf()
        return _root(self._length, self._leaves)


@dataclass(frozen=True)
class Region:
    """Bytes of a file to digest.

    Attributes:
        offset: First byte in the file.
        nbytes: Length.
        into: Where the bytes are kept as well, `nbytes` long; None to read them only.
    """

    offset: int
    nbytes: int
    into: memoryview | None = None


def digest_regions(fd: int, regions: Sequence[Region]) -> list[str]:
    """Digests regions of an open file, on as many threads as there are cores for.

    Reads through the descriptor, never through a mapping, and at most 1 MiB per thread at a time
    unless a region asks to keep its bytes.

    Raises:
        EOFError: The file ends before a region does.
        OSError: It cannot be read.
    """
    chunks = [
        (index, start, min(CHUNK_BYTES, region.nbytes - start))
        for index, region in enumerate(regions)
        for start in range(0, region.nbytes, CHUNK_BYTES)
    ]
    scratch = threading.local()

    def leaf(chunk: tuple[int, int, int]) -> bytes:
        index, start, nbytes = chunk
        region = regions[index]
        if region.into is None:
            if not hasattr(scratch, "view"):
                scratch.view = memoryview(bytearray(_READ_BYTES))
            target: Callable[[int, int], memoryview] = lambda _, n: scratch.view[:n]  # noqa: E731
        else:
            kept = region.into[start : start + nbytes]
            target = lambda done, n: kept[done : done + n]  # noqa: E731
        hasher = hashlib.sha256(b"\x00")
        done = 0
        while done < nbytes:
            view = target(done, min(_READ_BYTES, nbytes - done))
            count = os.preadv(fd, [view], region.offset + start + done)
            if count == 0:
                raise EOFError("file shrank while it was read")
            hasher.update(view[:count])
            done += count
        return hasher.digest()

    threads = min(_MAX_THREADS, len(os.sched_getaffinity(0)), len(chunks))
    if threads <= 1:
        leaves = [leaf(chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(threads, "noema-digest") as pool:
            leaves = list(pool.map(leaf, chunks))
    by_region: list[list[bytes]] = [[] for _ in regions]
    for (index, _, _), digest in zip(chunks, leaves, strict=True):
        by_region[index].append(digest)
    return [_root(region.nbytes, own) for region, own in zip(regions, by_region, strict=True)]


def _root(length: int, leaves: Sequence[bytes]) -> str:
    hasher = hashlib.sha256(b"\x01" + struct.pack("<Q", length))
    for leaf in leaves:
        hasher.update(leaf)
    return hasher.hexdigest()
