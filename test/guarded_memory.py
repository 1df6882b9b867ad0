"""Arrays that end where memory does: whoever reads or writes one element further is killed."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64
"""Of an array's start, as IREE's programs expect it."""

_NO_ACCESS = 0
_LIBC = ctypes.CDLL(None, use_errno=True)


class GuardedMemory:
    """Pages with an inaccessible one before and after them; they stay mapped until the end.

    An array starts at a multiple of 64 bytes and ends at most 63 before the inaccessible page;
    exactly there, if its size is a multiple of 64.
    """

    def __init__(self, extents: Sequence[int], dtype: np.dtype[Any]) -> None:
        size = int(np.prod(extents)) * dtype.itemsize
        page = mmap.PAGESIZE
        whole = -(-max(size, 1) // page) * page
        self._pages = mmap.mmap(-1, whole + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._pages))
        for guard in (start, start + page + whole):
            if _LIBC.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), _NO_ACCESS):
                raise OSError(ctypes.get_errno(), "mprotect")
        offset = page + (whole - size) // ALIGNMENT * ALIGNMENT
        self.array: NDArray[Any] = np.frombuffer(
            self._pages, dtype, int(np.prod(extents)), offset
        ).reshape(extents)
