"""The table of passes, plugins, and what every pass owes its readers."""

from __future__ import annotations

import dataclasses
import inspect
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from noema.errors import InvalidOption
from noema.passes import registry
from noema.passes.base import Pass
from noema.passes.options import options_of, pass_from_spec, spec_of, summary_of
from noema.passes.pipeline_spec import PassSpec, parse_pipeline

LIT = Path(__file__).parents[2] / "lit" / "passes"


def _own(name: str) -> type[Pass]:
    cls = registry.find_pass(name)
    assert cls is not None
    return cls


@pytest.mark.parametrize("name", registry.PASSES)
def test_a_pass_is_a_frozen_dataclass_of_its_name(name: str) -> None:
    cls = _own(name)
    assert issubclass(cls, Pass)
    assert cls.name == name
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("name", registry.PASSES)
def test_a_pass_is_documented_by_an_example_and_each_option_by_a_line(name: str) -> None:
    cls = _own(name)
    text = inspect.getdoc(cls) or ""
    before, arrow, after = text.partition("\n-->\n")
    assert summary_of(cls).endswith(".")
    assert arrow, "no before --> after"
    assert "```mlir" in before
    assert "```mlir" in after
    assert all(option.doc for option in options_of(cls))


@pytest.mark.parametrize("name", registry.PASSES)
def test_a_pass_has_a_lit_test_of_its_name(name: str) -> None:
    text = (LIT / f"{name}.mlir").read_text(encoding="utf-8")
    assert "RUN: noema opt" in text
    assert name in text
    assert "CHECK" in text


@pytest.mark.parametrize("name", registry.PASSES)
def test_a_pass_prints_as_what_makes_it(name: str) -> None:
    made = pass_from_spec(_own(name), PassSpec(name))
    assert spec_of(made) == PassSpec(name)


def test_the_default_pipeline_is_made_of_listed_passes() -> None:
    items = registry.resolve(registry.default_pipeline())
    assert len(items) == len(registry.DEFAULT_PIPELINE)
    for item in registry.default_pipeline().items:
        assert isinstance(item, PassSpec)
        assert item.name in {*registry.PASSES, *registry.MLIR_PASSES}


def test_our_pass_cannot_be_nested() -> None:
    with pytest.raises(InvalidOption, match="raise works on whole modules"):
        registry.resolve(parse_pipeline("func.func(scf.for(cse,raise))"))


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("canonicalize{max-iterations=3 top-down}", "canonicalize{max-iterations=3 top-down=true}"),
        ("p{names=[a,b]}", "p{names=a,b}"),
        ('inline{default-pipeline="cse,sccp"}', "inline{default-pipeline={cse,sccp}}"),
        ("func.func( cse , p{a=1} )", "func.func(cse,p{a=1})"),
    ],
)
def test_mlir_passes_are_handed_over_in_their_own_syntax(item: str, text: str) -> None:
    (resolved,) = registry.resolve(parse_pipeline(item))
    assert isinstance(resolved, registry.MlirPass)
    assert resolved.text == text


class _Plugins:
    """Stands for the installed packages' entry points, and counts the look-ups."""

    def __init__(self, *entries: EntryPoint) -> None:
        self.entries = entries
        self.lookups = 0

    def __call__(self, *, group: str) -> tuple[EntryPoint, ...]:
        assert group == "noema.passes"
        self.lookups += 1
        return self.entries


def _install(monkeypatch: pytest.MonkeyPatch, **names: str) -> _Plugins:
    plugins = _Plugins(
        *(EntryPoint(n.replace("_", "-"), v, "noema.passes") for n, v in names.items())
    )
    monkeypatch.setattr(registry, "entry_points", plugins)
    return plugins


def test_a_plugin_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, third_party="somebodys_passes:ThirdParty")
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugin"))
    (made,) = registry.resolve(parse_pipeline("third-party{limit=4}"))
    assert isinstance(made, Pass)
    assert str(spec_of(made)) == "third-party{limit=4}"
    assert "third-party" in registry.pass_names()
    assert "third-party" in [cls.name for cls in registry.passes()]


def test_plugins_are_left_alone_until_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = _install(monkeypatch, broken="no.such.module:Pass")
    registry.resolve(parse_pipeline("raise,cse,dce"))
    assert plugins.lookups == 0


@pytest.mark.parametrize("taken", ["raise", "cse"])
def test_a_plugin_may_not_take_a_name(monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    _install(monkeypatch, **{taken: "elsewhere:Pass"})
    with pytest.raises(InvalidOption, match=rf"elsewhere:Pass.*offers a pass '{taken}'"):
        registry.pass_names()


def test_two_plugins_may_not_share_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = _Plugins(
        EntryPoint("x", "one:Pass", "noema.passes"), EntryPoint("x", "two:Pass", "noema.passes")
    )
    monkeypatch.setattr(registry, "entry_points", entries)
    with pytest.raises(InvalidOption, match=r"two packages offer a pass 'x'.*one:Pass.*two:Pass"):
        registry.find_pass("x")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no.such.module:Pass", "can't be imported: ModuleNotFoundError"),
        ("somebodys_passes:raises_on_access", "can't be imported: AttributeError"),
        ("somebodys_passes:NotAPass", "is not a noema Pass"),
        ("somebodys_passes:Misnamed", "calls itself 'other'"),
    ],
)
def test_a_bad_plugin_is_named(monkeypatch: pytest.MonkeyPatch, target: str, message: str) -> None:
    _install(monkeypatch, broken=target)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugin"))
    with pytest.raises(InvalidOption, match="pass 'broken' of") as caught:
        registry.find_pass("broken")
    assert message in str(caught.value)


def test_the_default_pipeline_ends_with_the_classification() -> None:
    """The analysis does without the pass, and takes what it finds as it is."""
    assert registry.DEFAULT_PIPELINE[-1] == "classify"
    assert registry.DEFAULT_PIPELINE.count("classify") == 1
