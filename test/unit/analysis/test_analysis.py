"""The analysis as a whole: what it does in a quicker way is what the passes do."""

from __future__ import annotations

import pytest

from models import CATALOG
from models.catalog import Network
from noema.analysis.hardware import describe
from noema.understanding import analyze_model
from understanding import understand


@pytest.mark.parametrize("network", CATALOG, ids=lambda n: n.name)
def test_components_are_what_pass_classify_writes_onto_the_ops(network: Network) -> None:
    understood = understand(network.build("older" if "older" in network.styles else "newest"))
    profile = analyze_model(understood.model, describe())
    said = [(c.name, c.kind, c.role, c.phase, c.modality, c.nodes) for c in profile.components]
    written = [(p.name, p.kind, p.role, p.phase, p.modality, p.names) for p in understood.parts]
    assert said == written
    assert said
