"""Every test network means the same after the frontend as before, with and without expansion."""

from __future__ import annotations

import numpy as np
import pytest

from equivalence import assert_equivalent
from models import CATALOG, Network, Style
from noema.frontend.onnx import from_proto

CASES = [(network, style) for network in CATALOG for style in network.styles]
IDS = [f"{network.name}-{style}" for network, style in CASES]


@pytest.mark.parametrize(("network", "style"), CASES, ids=IDS)
def test_network_keeps_its_meaning(network: Network, style: Style) -> None:
    proto = network.build(style)
    feeds = network.inputs(np.random.default_rng(0))
    assert_equivalent(proto, from_proto(proto), feeds)
    assert_equivalent(proto, from_proto(proto, expand=lambda domain, op: True), feeds)


@pytest.mark.parametrize(("network", "style"), CASES, ids=IDS)
def test_pinned_network_is_static(network: Network, style: Style) -> None:
    proto = network.build(style)
    feeds = network.inputs(np.random.default_rng(0))
    result = from_proto(proto, shapes={name: array.shape for name, array in feeds.items()})
    dynamic = {name: str(t) for name, t in result.types.items() if not t.is_static}
    assert not dynamic
    assert not {n.op_type for n in result.graph.node} & {"Shape", "ConstantOfShape", "Range"}


@pytest.mark.parametrize(("network", "style"), CASES, ids=IDS)
def test_ranks_and_inner_extents_of_a_dynamic_network_are_known(
    network: Network, style: Style
) -> None:
    result = from_proto(network.build(style))
    feeds = network.inputs(np.random.default_rng(0))
    symbols = {d for spec in result.inputs for d in spec.shape if isinstance(d, str)}
    assert symbols <= {d for t in result.types.values() for d in t.shape if isinstance(d, str)}
    # No matrix product may contract over an extent that only a run would tell.
    for node in result.graph.node:
        if node.op_type == "Gemm":
            assert isinstance(result.types[node.input[0]].shape[-1], int)
    assert feeds.keys() == {spec.name for spec in result.inputs}
