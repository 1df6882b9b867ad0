"""`noema explain --html`: one page that needs nothing else, neither files nor a network.

The page's own script draws what a JSON block in it says. What that block holds comes from a model
file that anybody may have written, so: hidden characters are spelled out, `<`, `>` and `&` are
escaped in the block, the script puts text into the page only as text, and a content security
policy allows no other script, and no request at all.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import os
import re
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

from noema.errors import NoemaError
from noema.report.layout import BOX_HEIGHT, BOX_WIDTH, lay_out
from noema.report.visible import visible
from noema.workload import WorkloadProfile


def write_page(profile: WorkloadProfile, path: Path) -> None:
    """Writes the page, whole or not at all.

    Raises:
        NoemaError: The file can't be written.
    """
    contents = page(profile).encode()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:80]}-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(contents)
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
    except OSError as error:
        raise NoemaError(
            f"cannot write {path}: {error.strerror}", remedy="choose another place with --html"
        ) from error


def page(profile: WorkloadProfile) -> str:
    """The page as text."""
    script, style = _asset("report.js"), _asset("report.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "title": html.escape(visible(profile.model.name)),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        "style": style,
        "data": _embedded(_contents(profile)),
        "script": script,
    }
    # Split first, so that nothing in one part can be taken for the place of another.
    pieces = re.split(r"\{\{(\w+)\}\}", _asset("report.html"))
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _contents(profile: WorkloadProfile) -> dict[str, Any]:
    """What the script draws: the profile itself, and where the boxes of the graph go."""
    edges = [(e.source, e.target) for e in profile.flow.edges]
    layout = lay_out([c.name for c in profile.components], edges)
    drawing = {
        "width": round(layout.width, 1),
        "height": round(layout.height, 1),
        "boxWidth": BOX_WIDTH,
        "boxHeight": BOX_HEIGHT,
        "boxes": [_rounded(layout.boxes[c.name]) for c in profile.components],
        "routes": [[_rounded(p) for p in route] for route in layout.routes],
    }
    return {"profile": _made_visible(profile.to_json()), "drawing": drawing}


def _rounded(point: tuple[float, float]) -> list[float]:
    return [round(point[0], 1), round(point[1], 1)]


def _made_visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {visible(k): _made_visible(v) for k, v in items}
    if isinstance(value, list):
        return [_made_visible(v) for v in cast("list[Any]", value)]
    return value


def _embedded(record: Mapping[str, Any]) -> str:
    """JSON that can stand in a `<script>` element."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False)  # ASCII only
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _asset(name: str) -> str:
    return files("noema.report").joinpath(name).read_text(encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
