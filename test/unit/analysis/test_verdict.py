"""The verdict on the test networks, and what it rests on."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

import models
from noema.analysis.verdict import verdict
from noema.workload import WorkloadType
from understanding import anonymous, understand

TYPES = {
    "encoder": WorkloadType.TEXT_ENCODER,
    "decoder": WorkloadType.LLM,
    "vision": WorkloadType.VISION,
    "recommender": WorkloadType.RECOMMENDER,
    "recurrent": WorkloadType.TEXT_ENCODER,
    "multimodal": WorkloadType.MULTIMODAL,
    "audio": WorkloadType.AUDIO,
}


@pytest.mark.parametrize("style", models.STYLES)
@pytest.mark.parametrize("name", [n.name for n in models.CATALOG])
def test_type(name: str, style: str) -> None:
    network = models.find(name)
    understood = understand(network.build(style))  # type: ignore[arg-type]
    found = verdict(understood.graph, understood.parts)
    assert found.type is TYPES[network.family]
    assert 0.5 < found.confidence <= 1
    assert [e.weight for e in found.evidence] == sorted(e.weight for e in found.evidence)[::-1]


@pytest.mark.parametrize("name", ["bert", "llama-cache", "vit", "dlrm", "clip"])
def test_type_without_names(name: str) -> None:
    network = models.find(name)
    understood = understand(anonymous(network.build("newest")))
    assert verdict(understood.graph, understood.parts).type is TYPES[network.family]


def test_no_evidence_is_no_verdict() -> None:
    node = helper.make_node("Add", ["x", "x"], ["y"], name="double")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [3]) for n in "xy")
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    understood = understand(model)
    found = verdict(understood.graph, understood.parts)
    assert found.type is WorkloadType.OTHER
    assert found.confidence == 0
    assert found.evidence == ()
