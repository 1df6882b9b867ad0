"""Python memory that IREE reads in place, until it gives it back."""

from __future__ import annotations

import sys
import time
import weakref
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
T = TypeVar("T", bound=Array)

_PATIENCE = 5.0
_PAUSE = 0.0002


class Loans:
    """Arrays that were lent to IREE.

    IREE gives memory back in whatever thread uses it last, often one of the device's own and some
    time after the call has returned; to do so, that thread needs Python's global lock. Destroying
    the device joins its threads with the lock held, so both would wait for each other for ever.
    Hence whoever destroys a device asks first whether everything is back.
    """

    def __init__(self) -> None:
        self._out: list[weakref.ref[Array]] = []

    def lend(self, array: T) -> T:
        """Notes an array that is about to be handed to IREE and that nobody else keeps."""
        self._out = [out for out in self._out if out() is not None]
        self._out.append(weakref.ref(array))
        return array

    def are_returned(self, patience: float = _PATIENCE) -> bool:
        """Waits, with the global lock released, until IREE has given everything back.

        Args:
            patience: Seconds after which to give up.

        Returns:
            Whether it has. While the interpreter shuts down no thread can give anything back.
        """
        deadline = time.monotonic() + patience
        while any(out() is not None for out in self._out):
            if sys.is_finalizing() or time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        return True
