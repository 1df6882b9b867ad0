"""What `noema bench` can time: one class per contender, in one table.

A contender is created in its child process, loads a model once and is called many times.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

from noema.bench.contenders.contender import Contender
from noema.errors import InvalidOption


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    Attributes:
        home: `module:class`.
        variant: What the class is constructed with.
        packages: Distributions it needs; the first one's version is shown.
        remedy: What to do where one is missing.
    """

    home: str
    variant: str
    packages: tuple[str, ...]
    remedy: str


_BENCH_EXTRA = "pip install 'noema[bench]'"
_OPENVINO = "noema.bench.contenders.openvino:OpenVino"

CONTENDERS: Mapping[str, Entry] = {
    "noema": Entry("noema.bench.contenders.noema:Noema", "", ("noema",), "pip install noema"),
    "ort": Entry("noema.bench.contenders.ort:OnnxRuntime", "", ("onnxruntime",), _BENCH_EXTRA),
    "openvino": Entry(_OPENVINO, "f32", ("openvino",), _BENCH_EXTRA),
    "openvino-bf16": Entry(_OPENVINO, "bf16", ("openvino",), _BENCH_EXTRA),
    "openvino-default": Entry(_OPENVINO, "", ("openvino",), _BENCH_EXTRA),
    "iree": Entry(
        "noema.bench.contenders.iree:StockIree",
        "",
        ("iree-base-compiler", "iree-base-runtime", "onnx"),
        "pip install 'iree-base-compiler[onnx]' iree-base-runtime",
    ),
}


def find(name: str) -> Entry:
    """The row of a contender.

    Raises:
        InvalidOption: There is none of that name.
    """
    if name not in CONTENDERS:
        raise InvalidOption(
            f"there is no contender {name!r}", remedy=f"there are {', '.join(CONTENDERS)}"
        )
    return CONTENDERS[name]


def create(name: str) -> Contender:
    """Makes a contender; what it needs is imported when it loads a model."""
    entry = find(name)
    module, _, attribute = entry.home.partition(":")
    contender: Contender = getattr(importlib.import_module(module), attribute)(entry.variant)
    return contender
