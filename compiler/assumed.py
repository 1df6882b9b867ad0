"""What extent a symbolic dimension is taken to have where figures need one: FLOPs, bytes, times.

The name decides, word by word; where there is none, or it says nothing (`dim_0`), the place in the
input's shape does. `--shape` overrides; what was assumed is in the profile (`model.assumed`).

| words of the name | extent |
|---|---|
| `a + b`, e.g. `past_sequence_length + sequence_length` | the parts added |
| `past`, `cache`, `cached`, `kv` | 512 |
| `total` | 640 |
| `batch`, `bs`, `n`, `images`, `beams` | 1 |
| `seq`, `sequence`, `token(s)`, `text`, `length`, `len`, `time`, `frames`, `step(s)` | 128 |
| `height`, `width`, `h`, `w`, `image`, `size`, `pixels` | 224 |
| `channel(s)`, `c` | 3 |
| `sample(s)`, `audio`, `waveform` | 16000 |
| others, first dimension | 1 |
| others, of an integer input of rank 2, or a float input of rank 3: the second dimension | 128 |
| others, of a float input of rank 4: the second, third and fourth dimension | 3, 224, 224 |
| others | 1 |

A model with a cache among its inputs runs a position at a time: what would be 128 is 1 there, and
`total` is 513.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

BATCH = 1
SEQUENCE = 128
CACHED = 512
SIDE = 224
CHANNELS = 3
SAMPLES = 16000

_CACHE = frozenset({"past", "cache", "cached", "kv"})
_WORDS: tuple[tuple[frozenset[str], int], ...] = (
    (_CACHE, CACHED),
    (frozenset({"total"}), CACHED + SEQUENCE),
    (frozenset({"batch", "batchsize", "bs", "n", "images", "beam", "beams"}), BATCH),
    (
        frozenset(
            [
                "seq",
                "seqlen",
                "sequence",
                "token",
                "tokens",
                "text",
                "length",
                "len",
                "time",
                "frames",
                "step",
                "steps",
            ]
        ),
        SEQUENCE,
    ),
    (frozenset({"height", "width", "h", "w", "image", "size", "pixels"}), SIDE),
    (frozenset({"channel", "channels", "c"}), CHANNELS),
    (frozenset({"sample", "samples", "audio", "waveform"}), SAMPLES),
)
"""The first row that shares a word with the name decides."""
_AT_ONCE = frozenset({SEQUENCE, CACHED + SEQUENCE})
"""Extents that count the positions of one call."""


@dataclass(frozen=True)
class Dimension:
    """A dimension of an input whose extent the model leaves open.

    Attributes:
        input: Name of the input.
        index: Which dimension.
        rank: Of how many.
        symbol: Its name; may be empty.
        is_float: Whether the input's elements are floating-point.
        decodes: Whether the model has a cache of keys and values among its inputs.
    """

    input: str
    index: int
    rank: int
    symbol: str
    is_float: bool
    decodes: bool = False

    @property
    def label(self) -> str:
        """The symbol, or where there is none `input[0]`."""
        return self.symbol or f"{self.input}[{self.index}]"


Assume = Callable[[Dimension, Mapping[str, int]], int]
"""The extent to take for a dimension, given those of the symbols that are known."""


class Assumptions:
    """Assumes extents, and remembers which.

    Args:
        shrink: Divides every extent that the tables give (but never below 1): for a model that
            refuses the usual ones.
    """

    def __init__(self, shrink: int = 1) -> None:
        self._shrink = shrink
        self.made: dict[str, int] = {}

    def __call__(self, dimension: Dimension, known: Mapping[str, int]) -> int:
        """As `Assume`."""
        if "+" in dimension.symbol:
            parts = [p.strip() for p in dimension.symbol.split("+")]
            extent = sum(int(p) if p.isdecimal() else self._part(p, known) for p in parts)
        else:
            named = _by_name(dimension.symbol)
            extent = _by_place(dimension) if named is None else named
            if dimension.decodes and extent in _AT_ONCE:
                extent -= SEQUENCE - 1
            extent = self._shrunk(extent)
        self.made[dimension.label] = extent
        return extent

    def _part(self, symbol: str, known: Mapping[str, int]) -> int:
        return known.get(symbol) or self._shrunk(_by_name(symbol) or 1)

    def _shrunk(self, extent: int) -> int:
        return max(1, extent // self._shrink)


def is_cache(name: str, symbols: Iterable[str]) -> bool:
    """Whether an input of this name and symbols holds cached keys or values."""
    return any(words & _CACHE for words in map(_words, (name, *symbols)))


def _words(symbol: str) -> set[str]:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", symbol)  # batchSize
    return set(re.split(r"[^a-z]+", spaced.lower()))


def _by_name(symbol: str) -> int | None:
    words = _words(symbol)
    return next((extent for names, extent in _WORDS if words & names), None)


def _by_place(dimension: Dimension) -> int:
    index, rank = dimension.index, dimension.rank
    if index == 0:
        return BATCH
    if rank == 4 and dimension.is_float:
        return CHANNELS if index == 1 else SIDE
    if index == 1 and rank == (3 if dimension.is_float else 2):
        return SEQUENCE
    return 1
