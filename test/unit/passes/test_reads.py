"""What patterns say that their roots read hides no match."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models import CATALOG
from models.catalog import Network
from noema.passes.driver import PassRecord
from noema.passes.recognize import STAGES
from noema.passes.simplify import PATTERNS
from understanding import understand

OURS = [*PATTERNS, *(pattern for stage in STAGES for pattern in stage)]
NETWORKS = [network for network in CATALOG if "older" in network.styles]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
def test_nothing_is_missed(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = understand(network.build("older"))
    for pattern in OURS:
        monkeypatch.setattr(type(pattern), "reads", ())
    slow = understand(network.build("older"))
    assert str(quick.module) == str(slow.module)
    assert _tried(quick.passes) < _tried(slow.passes)


def _tried(passes: Sequence[PassRecord]) -> int:
    return sum(t.tried for p in passes for t in p.patterns.values())
