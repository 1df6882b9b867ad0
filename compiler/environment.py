"""Every environment variable that noema reads, each behind a typed accessor.

No other file touches `os.environ`. Variables are read when asked for, never at import.

| Variable | Meaning | Default |
|---|---|---|
| `NOEMA_CACHE_DIR` | Folder of the compile cache | `~/.cache/noema` |
| `NOEMA_CACHE_SIZE` | Bound of the cache, in bytes or as `512M`; 0 turns it off | `10G` |
| `NOEMA_PATTERN_PLUGINS` | Patterns that join `recognize`, as `module:Pattern,other:…` | none |

A compile process gets the whole environment (`compile_process`), so what finds a plugin there is
what finds it here: `NOEMA_PATTERN_PLUGINS` and `PYTHONPATH`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from noema.errors import InvalidOption

DEFAULT_CACHE_BYTES = 10 << 30

PATTERN_PLUGINS = "NOEMA_PATTERN_PLUGINS"

_PLUGIN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_SIZE = re.compile(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SHIFT = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def cache_directory() -> Path:
    """Folder of the compile cache; it need not exist.

    Raises:
        InvalidOption: There is neither `NOEMA_CACHE_DIR` nor a home folder.
    """
    text = os.environ.get("NOEMA_CACHE_DIR")
    if text:
        return Path(text).expanduser().absolute()
    try:
        return Path.home() / ".cache" / "noema"
    except RuntimeError as error:
        raise InvalidOption(
            "there is no home folder for the compile cache",
            remedy="set NOEMA_CACHE_DIR to a folder that you own",
        ) from error


def cache_size() -> int:
    """Bound of the compile cache in bytes.

    Raises:
        InvalidOption: `NOEMA_CACHE_SIZE` is not a size.
    """
    text = os.environ.get("NOEMA_CACHE_SIZE")
    return DEFAULT_CACHE_BYTES if not text else parse_size(text, "NOEMA_CACHE_SIZE")


def pattern_plugins() -> tuple[str, ...]:
    """Patterns to load besides those of installed packages, each as `module:Pattern`.

    Raises:
        InvalidOption: `NOEMA_PATTERN_PLUGINS` is not a list of these.
    """
    items = [item.strip() for item in os.environ.get(PATTERN_PLUGINS, "").split(",")]
    for item in items:
        if item and _PLUGIN.fullmatch(item) is None:
            raise InvalidOption(
                f"{PATTERN_PLUGINS}: cannot read {item!r}",
                remedy="write it as module:Pattern, several with commas between",
            )
    return tuple(dict.fromkeys(item for item in items if item))


def parse_size(text: str, name: str) -> int:
    """Reads `10G`, `512 MiB` or a plain number of bytes; units are powers of 1024.

    Args:
        text: The size.
        name: What the size is for, to name it in the error.

    Raises:
        InvalidOption: It is none of those.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidOption(
            f"{name}: cannot read the size {text!r}", remedy="write it as 10G, 512M or in bytes"
        )
    return int(match[1]) << _SHIFT[match[2].upper()]


def compile_process(temporary_folder: Path) -> dict[str, str]:
    """The environment of a compile process: ours, but with its own folder for temporary files.

    Native code (LLVM's linker step above all) puts its files where `TMPDIR` says, so they go
    when the folder goes, however the process ends.
    """
    return {**os.environ, "TMPDIR": str(temporary_folder)}
