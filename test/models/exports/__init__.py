"""Networks of the `transformers` library, exported by torch: random weights, nothing downloaded.

The tables (`ARCHITECTURES`) need nothing but numpy; `exporter` needs the `dev` extra.
"""

from __future__ import annotations

from .architecture import Architecture, Counts
from .decoders import DECODERS
from .text import TEXT
from .vision import VISION

ARCHITECTURES: tuple[Architecture, ...] = (*TEXT, *DECODERS, *VISION)
"""Every architecture, the held-out ones at the end of their families."""

__all__ = ["ARCHITECTURES", "Architecture", "Counts"]
