"""Networks to test and to measure with, built from nothing: no weights are downloaded.

``CATALOG`` holds small networks of every family, ``REAL`` those of the size in use in the world.
"""

from __future__ import annotations

from .builder import OPSETS, STYLES, Style
from .catalog import Network
from .networks import CATALOG, REAL
from .optimized import KINDS, fused_offline, optimized

__all__ = [
    "CATALOG",
    "KINDS",
    "OPSETS",
    "REAL",
    "STYLES",
    "Network",
    "Style",
    "find",
    "fused_offline",
    "optimized",
]


def find(name: str) -> Network:
    """The network called ``name``, small or real.

    Raises:
        KeyError: If there is none; the message lists the names.
    """
    for network in (*CATALOG, *REAL):
        if network.name == name:
            return network
    names = ", ".join(network.name for network in (*CATALOG, *REAL))
    raise KeyError(f"no network {name!r}; there are {names}")
