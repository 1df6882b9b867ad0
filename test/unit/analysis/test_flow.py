"""The flow between components, on networks whose flow is known."""

from __future__ import annotations

from functools import cache

import pytest

import models
from noema.analysis.flow import flow_of
from noema.workload import Flow
from understanding import Understood, understand

BATCH, SEQUENCE, HIDDEN = 2, 7, 32  # of the catalog's BERT


@cache
def network(name: str) -> tuple[Understood, Flow]:
    understood = understand(models.find(name).build("newest", static=True))
    return understood, flow_of(understood.graph, understood.parts)


@pytest.mark.parametrize("name", [n.name for n in models.CATALOG])
def test_generations_respect_edges(name: str) -> None:
    understood, flow = network(name)
    place = {part: i for i, names in enumerate(flow.generations) for part in names}
    assert sorted(place) == sorted(p.name for p in understood.parts)
    circular = {p.name for p in understood.parts if p.kind in ("generic", "mask")}
    for edge in flow.edges:
        assert edge.source != edge.target
        if not {edge.source, edge.target} & circular:
            assert place[edge.source] < place[edge.target], edge


def test_encoder_is_one_stream() -> None:
    understood, flow = network("bert")
    (stream,) = flow.residual_streams
    layers = [p.name for p in understood.parts if p.kind in ("attention", "mlp")]
    assert sorted(set(stream.components) & set(layers)) == sorted(layers)
    assert stream.bytes == BATCH * SEQUENCE * HIDDEN * 4
    assert flow.fusion_points == ()


def test_traffic_is_that_of_the_tensors() -> None:
    _, flow = network("bert")
    edges = {(e.source, e.target): e for e in flow.edges}
    edge = edges["embeddings.LayerNorm", "encoder.layer.0.attention"]
    # One tensor crosses, whichever of the projections and the residual addition read it.
    assert edge.bytes == BATCH * SEQUENCE * HIDDEN * 4
    assert edge.residual


def test_towers_run_side_by_side_and_meet_once() -> None:
    _, flow = network("clip")
    assert flow.width >= 2
    assert len(flow.fusion_points) == 1
    assert len(flow.residual_streams) == 2


def test_tables_are_looked_up_side_by_side() -> None:
    _, flow = network("dlrm")
    assert flow.width == 5  # four tables and the dense features
