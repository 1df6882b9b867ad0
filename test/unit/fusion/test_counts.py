"""The counting of layers, on networks where every layer is one operator or none is there."""

from __future__ import annotations

import pytest

from fusion.counts import found_in, fused_by_runtime, understood
from fusion.expected import expected_of
from fusion.matrix import differences, flat
from fusion.report import summary
from models import CATALOG, Network, find, optimized
from models.exports import Counts


@pytest.mark.parametrize("network", CATALOG, ids=lambda n: n.name)
def test_single_operators_are_counted(network: Network) -> None:
    found = found_in(understood(network.build("newest")))
    assert differences(found, expected_of(network)) == {}


def test_more_layers_hold_more() -> None:
    """The formulas follow the configuration; a count by heart would not."""
    model = find("llama").build("newest", layers=3)
    found = flat(found_in(understood(model)))
    assert found == {
        "attention": 3,
        "norm.rms": 7,
        "activation.swish": 3,
        "glu": 3,
        "rope": 6,
        "embeddings": 1,
    }


def test_differences_name_the_kind() -> None:
    one = Counts(attention=2, norms={"layer": 5}, activations={"tanh": 1})
    other = Counts(attention=2, norms={"rms": 5}, activations={"tanh": 2})
    assert differences(one, other) == {
        "norm.layer": (5, 0),
        "norm.rms": (0, 5),
        "activation.tanh": (1, 2),
    }
    assert differences(one, one) == {}


def test_instance_and_group_norm_count_as_one_and_batch_norm_not() -> None:
    assert flat(Counts(norms={"instance": 1, "group": 2, "batch": 4})) == {"norm.group": 3}
    assert summary(Counts()) == "–"


def test_runtime_hits_are_counted_in_its_own_operators() -> None:
    assert fused_by_runtime(optimized(find("bert").build("older"))) == {
        "attention": 0,
        "norm": 5,
        "gelu": 2,
        "rope": 0,
    }
