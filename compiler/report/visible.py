"""Text from a model file as a reader may see it: names are anybody's input."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that change what surrounds them, or show nothing: controls, bidi marks,
surrogates, private use, unassigned, line and paragraph separators."""


def visible(text: str, limit: int = 400) -> str:
    """The text on one line, with every hidden character spelled as its code, and bounded."""
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    shown = "".join(map(_spelled, text[: limit + 1]))
    return shown if len(text) <= limit else f"{shown[: limit - 1]}…"


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
