"""`noema.analyze`: the profile of a network, through the analysis process and the cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import noema
from models import find
from noema import api
from noema.errors import InvalidModel, InvalidOption, NoemaError, PluginFailed
from noema.workload import ComponentKind, WorkloadProfile, WorkloadType

PLUGINS = Path(__file__).parent / "passes" / "plugin"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no measuring of the machine (three seconds)."""
    monkeypatch.setenv("NOEMA_CACHE_DIR", str(tmp_path / "cache"))
    known = api.this_machine
    monkeypatch.setattr(api, "this_machine", lambda **_: known(measure=False))
    return tmp_path / "cache"


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were run in a process of their own."""
    done: list[str] = []
    run = api.run_job

    def recorded(job: str, *arguments: object, **options: object) -> object:
        done.append(job)
        return run(job, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(api, "run_job", recorded)
    return done


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    path = tmp_path / "bert.onnx"
    onnx.save(find("bert").build("dynamo"), path)
    return path


def _write(path: Path, change: Callable[[onnx.ModelProto], object]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def test_a_text_encoder_is_understood(bert: Path) -> None:
    found = noema.analyze(bert)
    assert isinstance(found, WorkloadProfile)
    assert found.workload.type is WorkloadType.TEXT_ENCODER
    assert found.count(ComponentKind.ATTENTION) == 2
    assert found.count(ComponentKind.MLP) == 2
    assert set(found.model.assumed) == {"batch", "sequence"}
    file_nodes = [node.name for node in onnx.load(bert).graph.node]
    assert found.model.nodes == len(file_nodes)
    assert sorted(n for c in found.components for n in c.nodes) == sorted(file_nodes)
    assert found.timing.patterns
    assert {"read", "load", "import", "passes", "components", "costs", "opportunities"} == set(
        found.timing.stages
    )
    assert WorkloadProfile.from_json(found.to_json()) == found


def test_figures_follow_the_shapes(bert: Path) -> None:
    short, long = (
        noema.analyze(bert, shapes={"input_ids": (1, n), "attention_mask": (1, n)}) for n in (4, 8)
    )
    assert short.model.assumed.keys() & {"batch", "sequence"} == set()
    flops = [sum(c.flops for c in p.components) for p in (short, long)]
    assert 1.9 < flops[1] / flops[0] < 2.3  # all linear but the scores, which are small here


def test_the_second_time_it_comes_from_the_cache(bert: Path, runs: list[str]) -> None:
    first = noema.analyze(bert)
    assert noema.analyze(bert) == first
    assert noema.analyze(str(bert)) == first
    assert runs == ["analyze"]


def test_without_the_cache_it_is_done_again(bert: Path, runs: list[str], cache: Path) -> None:
    for _ in range(2):
        noema.analyze(bert, cache=False)
    assert runs == ["analyze", "analyze"]
    assert not list(cache.rglob("*.json"))


@pytest.mark.parametrize("what", ["contents", "shapes", "plugins", "name", "drivers"])
def test_what_changes_the_answer_is_part_of_the_key(
    what: str, bert: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    noema.analyze(bert)
    shapes = None
    if what == "contents":
        _write(bert, lambda model: setattr(model, "doc_string", "another"))
    elif what == "shapes":
        shapes = {"input_ids": (1, 4)}
    elif what == "plugins":
        monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
        monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "somebodys_patterns:NegAsRelu")
    elif what == "drivers":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "no such device")
    else:
        bert = bert.rename(bert.with_name("other.onnx"))
    found = noema.analyze(bert, shapes=shapes)
    assert runs == ["analyze", "analyze"]
    assert found.model.name == bert.name


def test_external_data_is_part_of_the_key(tmp_path: Path, runs: list[str]) -> None:
    path = tmp_path / "m.onnx"

    def save(weight: np.ndarray) -> None:
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])
        node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
        graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)

    save(np.ones((64, 64), np.float32))
    noema.analyze(path)
    noema.analyze(path)
    assert len(runs) == 1
    (tmp_path / "w.bin").write_bytes(np.zeros((64, 64), np.float32).tobytes())
    noema.analyze(path)
    assert len(runs) == 2


@pytest.mark.parametrize("damage", ["flipped", "cut", "not a profile"])
def test_a_damaged_entry_is_made_again(
    damage: str, bert: Path, runs: list[str], cache: Path
) -> None:
    first = noema.analyze(bert)
    (entry,) = cache.rglob("artifacts/*.json")
    text = entry.read_bytes()
    if damage == "flipped":
        entry.write_bytes(text.replace(b'"opset":18', b'"opset":17'))
        assert entry.read_bytes() != text
    elif damage == "cut":
        entry.write_bytes(text[:-1])
    else:
        entry.write_bytes(b"[]" + b" " * (len(text) - 2))
    with pytest.warns(UserWarning, match="damaged"):
        again = noema.analyze(bert)
    assert dataclasses.replace(again, timing=first.timing) == first
    assert runs == ["analyze", "analyze"]


def test_a_model_in_memory(bert: Path) -> None:
    found = noema.analyze(onnx.load(bert))
    assert found.count(ComponentKind.ATTENTION) == 2


def test_errors_are_typed(tmp_path: Path, bert: Path) -> None:
    with pytest.raises(InvalidModel):
        noema.analyze(tmp_path / "missing.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\xff" * 100)
    with pytest.raises(InvalidModel):
        noema.analyze(broken)
    with pytest.raises(InvalidOption, match="no input 'x'"):
        noema.analyze(bert, shapes={"x": (1,)})


def test_a_failing_plugin_is_named(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "no_such_package:Pattern")
    with pytest.raises(PluginFailed, match="no_such_package:Pattern of NOEMA_PATTERN_PLUGINS"):
        noema.analyze(bert)
    assert issubclass(PluginFailed, NoemaError)


def test_a_plugin_on_the_path_reaches_the_process(
    bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    monkeypatch.setenv("NOEMA_PATTERN_PLUGINS", "somebodys_patterns:NegAsRelu")
    assert "neg-as-relu" in {p.name for p in noema.analyze(bert).timing.patterns}
