"""Options of a pass: from text, back to text, and in listings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest

from noema.errors import InvalidOption
from noema.passes.base import Pass, PassContext
from noema.passes.options import options_of, pass_from_spec, spec_of, summary_of
from noema.passes.pipeline_spec import PassSpec, parse_pipeline


class Kind(Enum):
    RELU = "relu"
    GELU = "gelu"


@dataclass(frozen=True)
class Fuse(Pass):
    """Fuses things
    over two lines.

    More about it.

    Attributes:
        limit: At most so many,
            counted twice.
        kinds: Which ones.
    """

    name = "fuse"
    limit: int
    kinds: tuple[Kind, ...] = (Kind.RELU,)
    max_ratio: float = 1.5
    fast: bool = False
    label: str = ""
    budget: int | None = None

    def __post_init__(self) -> None:
        if self.limit < 0:
            raise ValueError("limit is negative")

    def run(self, module: Any, context: PassContext) -> bool:
        return False


def _make(text: str) -> Pass:
    (spec,) = parse_pipeline(text).items
    assert isinstance(spec, PassSpec)
    return pass_from_spec(Fuse, spec)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("fuse{limit=3}", Fuse(3)),
        ("fuse{limit=3 kinds=[gelu,relu]}", Fuse(3, (Kind.GELU, Kind.RELU))),
        ("fuse{limit=3 kinds=[]}", Fuse(3, ())),
        ("fuse{limit=3 max-ratio=1e-05}", Fuse(3, max_ratio=1e-5)),
        ("fuse{limit=3 fast=true}", Fuse(3, fast=True)),
        ('fuse{limit=3 label="a b"}', Fuse(3, label="a b")),
        ("fuse{limit=3 budget=7}", Fuse(3, budget=7)),
    ],
)
def test_options_are_read_and_printed_back(text: str, made: Fuse) -> None:
    assert _make(text) == made
    assert str(spec_of(made)) == text


def test_shorthands() -> None:
    assert _make("fuse{limit=3 fast}") == Fuse(3, fast=True)
    assert _make("fuse{limit=3 kinds=gelu}") == Fuse(3, (Kind.GELU,))
    assert _make("fuse{limit=3 budget=none}") == Fuse(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fuse", "option 'limit' must be given"),
        ("fuse{limits=3}", "did you mean 'limit'"),
        ("fuse{max_ratio=3}", "did you mean 'max-ratio'"),
        ("fuse{limit=3.5}", "limit takes int, not '3.5'"),
        ("fuse{limit=1_000}", "limit takes int"),
        ("fuse{limit=[1,2]}", "limit takes int"),
        ("fuse{limit=3 kinds=[tanh]}", "kinds takes list of relu|gelu"),
        ("fuse{limit=3 fast=1}", "fast takes true|false"),
        ("fuse{limit=3 max-ratio=x}", "max-ratio takes float"),
        ("fuse{limit=3 budget=x}", "budget takes int or none"),
        ("fuse{limit=-1}", "pass fuse: limit is negative"),
    ],
)
def test_wrong_options_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        _make(text)
    assert message in str(caught.value)


def test_listing() -> None:
    assert summary_of(Fuse) == "Fuses things over two lines."
    limit, kinds, *_, budget = options_of(Fuse)
    assert (limit.name, limit.type, limit.default) == ("limit", "int", None)
    assert limit.doc == "At most so many, counted twice."
    assert (kinds.type, kinds.default) == ("list of relu|gelu", "[relu]")
    assert (budget.name, budget.type, budget.default) == ("budget", "int or none", "none")
