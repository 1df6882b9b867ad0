"""The rows of the matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import onnx

from models import KINDS, Network, fused_offline, optimized
from models.exports import Architecture, Counts
from noema.errors import NoemaError

from .counts import attention_components, found_in, understood
from .expected import expected_of

Build = Callable[[], onnx.ModelProto]

EXPORTERS = ("dynamo", "dynamo-newest", "dynamo-eager", "legacy", "legacy-eager")
"""Names of `models.exports.exporter.EXPORTERS`, which needs torch."""


@dataclass(frozen=True)
class Cell:
    """One network as one tool wrote it.

    Attributes:
        network: Name of the network.
        form: Who wrote it.
        expected: What is in it.
        found: What noema found, or the reason that it found nothing.
        attention_components: How many components are attention layers.
    """

    network: str
    form: str
    expected: Counts
    found: Counts | str
    attention_components: int

    @property
    def misses(self) -> Mapping[str, tuple[int, int]]:
        """What differs: kind → (found, expected)."""
        if isinstance(self.found, str):
            return {"read": (0, 1)}
        misses = differences(self.found, self.expected)
        if self.attention_components != self.expected.attention:
            misses["component.attention"] = (self.attention_components, self.expected.attention)
        return misses


def flat(counts: Counts) -> dict[str, int]:
    """Counts by one name each: `attention`, `norm.rms`, `activation.swish`, …; zeros left out."""
    result: dict[str, int] = {}
    for field in fields(counts):
        value = getattr(counts, field.name)
        if isinstance(value, int):
            result[field.name] = value
        else:
            result |= {f"{field.name.removesuffix('s')}.{kind}": n for kind, n in value.items()}
    result.pop("norm.batch", None)
    result["norm.group"] = result.get("norm.group", 0) + result.pop("norm.instance", 0)
    return {name: n for name, n in result.items() if n}


def differences(found: Counts, expected: Counts) -> dict[str, tuple[int, int]]:
    """Kind → (found, expected), where they differ."""
    a, b = flat(found), flat(expected)
    return {
        name: (a.get(name, 0), b.get(name, 0))
        for name in sorted(a.keys() | b.keys())
        if a.get(name, 0) != b.get(name, 0)
    }


_CHANGED = frozenset({("gpt2", "newest"), ("gpt2-cache", "newest")})
"""Not offline: the optimizer makes the exact GELU of one that is approximated by tanh."""


def forms(network: Network) -> dict[str, Build]:
    """Every form that a network of the catalog comes in."""
    builds: dict[str, Build] = {s: partial(network.build, s) for s in network.styles}
    for style, build in list(builds.items()):
        builds[f"{style}, session"] = lambda build=build: optimized(build())
        kind = KINDS.get(network.name)
        if kind is not None and (network.name, style) not in _CHANGED:
            builds[f"{style}, offline"] = lambda build=build, kind=kind: fused_offline(
                build(), kind
            )
    return builds


def catalog_cell(network: Network, form: str) -> Cell:
    """One cell of a network of the catalog."""
    return _cell(network.name, form, expected_of(network), forms(network)[form]())


def exported_file(folder: Path, architecture: Architecture, exporter: str) -> Path:
    """Where an exported network lies."""
    return folder / f"{architecture.name}-{exporter}.onnx"


def export_cell(architecture: Architecture, exporter: str, model: onnx.ModelProto) -> Cell:
    """One cell of an exported network."""
    return _cell(architecture.name, exporter, architecture.counts, model)


def _cell(name: str, form: str, expected: Counts, model: onnx.ModelProto) -> Cell:
    try:
        module = understood(model)
    except NoemaError as error:
        return Cell(name, form, expected, error.message.splitlines()[0], 0)
    return Cell(name, form, expected, found_in(module), attention_components(module))
