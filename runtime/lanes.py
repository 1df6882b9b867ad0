"""How many calls on one program run side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from noema.errors import RunFailed
from noema.runtime.invoker import Invoker

Array = NDArray[np.generic]


class Lanes:
    """Invokers of one program, each for one call at a time, in one process, until closed.

    A call takes an invoker that is idle, else makes one if there may be more, else waits.

    Args:
        first: An invoker.
        most: How many there may be.
        make: Makes another one.
    """

    def __init__(self, first: Invoker, most: int, make: Callable[[], Invoker]) -> None:
        self._idle = [first]
        self._most = most
        self._make = make
        self._running: set[object] = set()
        self._closing = self._closed = False
        self._changed = threading.Condition(threading.Lock())
        self._process = os.getpid()

    def __call__(self, arrays: list[Array]) -> dict[str, Array]:
        """Runs the program on checked inputs, in the signature's order.

        Raises:
            RunFailed: The program stopped with an error, is closed, or was loaded before a fork.
        """
        if os.getpid() != self._process:  # before the lock: the parent may have held it
            raise RunFailed(
                "the program was loaded before this process was forked",
                remedy="load the artifact in the child process",
            )
        call = object()
        invoker: Invoker | None = None
        try:
            invoker = self._take(call) or self._make()
            return invoker.invoke(arrays)
        finally:
            # A call that is interrupted in between loses its invoker; the next makes another.
            self._end(call, invoker)
            del invoker  # an exception's traceback must not keep it beyond `close`

    def close(self) -> None:
        """Waits for the calls that run, refuses others, and lets go of the invokers."""
        if os.getpid() != self._process:
            return
        with self._changed:
            # New calls wait meanwhile: refused, a daemon thread would report that while the
            # interpreter ends.
            self._closing = True
            while self._running:
                self._changed.wait()
            self._closed = True
            self._idle.clear()
            self._changed.notify_all()

    def _take(self, call: object) -> Invoker | None:
        """An idle invoker, as soon as there is one; None if another may be made."""
        with self._changed:
            while True:
                if self._closed:
                    raise RunFailed("the program is closed", remedy="load the artifact again")
                if self._closing:
                    pass
                elif self._idle:
                    self._running.add(call)
                    return self._idle.pop()
                elif len(self._running) < self._most:
                    self._running.add(call)
                    return None
                self._changed.wait()

    def _end(self, call: object, invoker: Invoker | None) -> None:
        with self._changed:
            self._running.discard(call)
            if invoker is not None:
                self._idle.append(invoker)
            self._changed.notify_all()
