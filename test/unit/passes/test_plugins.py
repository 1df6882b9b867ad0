"""Third-party patterns: what can be wrong with one is an error that names it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from torch_mlir import ir

from noema.dialects.context import new_context
from noema.errors import InvalidOption, PluginFailed, from_json
from noema.passes import recognize
from noema.passes.base import PassContext
from noema.passes.driver import run_pipeline
from noema.passes.patterns.pattern import Pattern
from noema.plugins import plugin_stamp

FOLDER = Path(__file__).parent / "plugin"
NETWORK = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "sem.elementwise"(%x) {kind = "neg", operandSegmentSizes = array<i32: 1, 0, 0>}
    : (tensor<4xf32>) -> tensor<4xf32> loc("/a/Neg")
  %1 = "sem.elementwise"(%0) {kind = "abs", operandSegmentSizes = array<i32: 1, 0, 0>}
    : (tensor<4xf32>) -> tensor<4xf32> loc("/b/Abs")
  return %1 : tensor<4xf32>
}
"""


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def _recognized(monkeypatch: pytest.MonkeyPatch, *names: str) -> str:
    value = ",".join(f"somebodys_patterns:{name}" for name in names)
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", value)
    with new_context():
        module = ir.Module.parse(NETWORK)
        run_pipeline(module, "recognize", PassContext())
        return str(module)


@pytest.mark.parametrize("name", ["NegAsRelu", "Late"])
def test_a_plugin_rewrites(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text = _recognized(monkeypatch, name)
    assert 'kind = "relu"' in text
    assert 'kind = "neg"' not in text


def test_its_pattern_is_in_the_report_of_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "somebodys_patterns:NegAsRelu")
    with new_context():
        module = ir.Module.parse(NETWORK)
        report = run_pipeline(module, "recognize", PassContext())
    assert report.passes[0].patterns["neg-as-relu"].found == 1
    assert report.passes[0].statistics["neg-as-relu"] == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Missing", "can't be imported: .*no attribute 'Missing'"),
        ("NotAPattern", "is not a noema Pattern"),
        ("TooLate", "asks for stage 77"),
        ("Rootless", "has no roots"),
        ("Nameless", "has no name"),
        ("Abstract", "has no method `match`"),
        ("NeedsArguments", "can't be made: .*TypeError"),
        ("CrashesInMatch", r"node '/a/Neg': .*patterns.py:\d+: KeyError: 'no such weight'"),
        ("CrashesInBuild", r"node '/a/Neg': .*patterns.py:\d+: IndexError"),
        ("BuildsNothing", "no value for a result that is used"),
        ("BuildsAnotherType", "a value of type tensor<7xf32> for one of tensor<4xf32>"),
        ("BuildsInvalid", "sem.activation does not verify: .*no such kind"),
        ("BuildsTooLate", "left IR that doesn't verify"),
        ("LosesTheNode", "built at a location without an ONNX node"),
        ("GoesOnForever", "without an end"),
    ],
)
def test_what_is_wrong_is_told_with_the_class(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    with pytest.raises(PluginFailed, match=f"(?s){message}") as caught:
        _recognized(monkeypatch, name)
    assert f"somebodys_patterns:{name} of NOEMA_PATTERN_PLUGINS" in str(caught.value)
    again = from_json(caught.value.to_json())  # as it comes from the compile process
    assert isinstance(again, PluginFailed)
    assert str(again) == str(caught.value)


def test_a_module_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "no_such_package.patterns:Thing")
    with (
        new_context(),
        pytest.raises(PluginFailed, match=r"no_such_package.patterns:Thing of NOEMA"),
    ):
        run_pipeline(ir.Module.parse(NETWORK), "recognize", PassContext())


def test_two_of_one_name_clash(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginFailed, match=r"two patterns are called 'neg-as-relu'.*Twin"):
        _recognized(monkeypatch, "NegAsRelu", "Twin")


@pytest.mark.parametrize(
    ("name", "value"),
    [("STAGES", lambda own: ((own,), (), ())), ("PATTERNS", lambda own: (own,))],
)
def test_a_name_of_ours_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[[Pattern], object]
) -> None:
    import somebodys_patterns  # pyright: ignore[reportMissingImports]

    own = somebodys_patterns.NegAsRelu()
    monkeypatch.setattr(recognize, name, value(own))
    with pytest.raises(PluginFailed, match="'neg-as-relu', as one of noema's own"):
        _recognized(monkeypatch, "Twin")


def test_an_entry_point_has_the_name_of_its_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _install(tmp_path, "other = somebodys_patterns:NegAsRelu")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginFailed, match=r"'other' of mine 1.0 .*calls itself 'neg-as-relu'"):
        _recognized(monkeypatch)


def test_a_package_counts_from_when_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert 'kind = "neg"' in _recognized(monkeypatch)
    before = plugin_stamp()
    _install(tmp_path, "neg-as-relu = somebodys_patterns:NegAsRelu")
    assert 'kind = "relu"' in _recognized(monkeypatch)
    assert plugin_stamp() != before


def _install(folder: Path, row: str) -> None:
    (folder / "mine-1.0.dist-info").mkdir()
    (folder / "mine-1.0.dist-info" / "METADATA").write_text("Name: mine\nVersion: 1.0\n")
    (folder / "mine-1.0.dist-info" / "entry_points.txt").write_text(f"[noema.patterns]\n{row}\n")


@pytest.mark.parametrize("value", ["nothing", "a:b:c", "a.b:", ":X", "../x:Y", "x:Y;z"])
def test_a_malformed_variable_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", value)
    with pytest.raises(InvalidOption, match="NOEMA_PATTERN_PLUGINS"):
        plugin_stamp()


def test_the_stamp_follows_plugins_and_their_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "stamped_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "inner.py").write_text("a = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    stamps = [plugin_stamp()]
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "stamped_package.patterns:One")
    stamps.append(plugin_stamp())
    assert plugin_stamp() == stamps[-1]
    os.utime(package / "inner.py", (1, 1))
    stamps.append(plugin_stamp())
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "stamped_package.patterns:Two")
    stamps.append(plugin_stamp())
    assert len(set(stamps)) == len(stamps)
