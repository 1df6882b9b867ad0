"""The matrix over the catalog: whoever wrote the file, the same layers are found, and all of them.

Only reading and passes: no code is generated.
"""

from __future__ import annotations

import pytest

from fusion.matrix import Cell, catalog_cell, forms
from fusion.report import grid, tally, verdict
from models import CATALOG, Network
from models.exports import Counts

CELLS = [
    pytest.param(network, form, id=f"{network.name}-{form}")
    for network in CATALOG
    for form in forms(network)
]


@pytest.mark.parametrize(("network", "form"), CELLS)
def test_every_form_holds_what_the_configuration_says(network: Network, form: str) -> None:
    cell = catalog_cell(network, form)
    assert not isinstance(cell.found, str), cell.found
    assert cell.misses == {}


def test_every_network_comes_in_all_styles_and_optimised() -> None:
    for network in CATALOG:
        assert {"older", "newest", "dynamo", "older, session", "newest, session"} <= set(
            forms(network)
        )


RIGHT = Cell("net", "older", Counts(attention=2), Counts(attention=2), 2)
WRONG = Cell("net", "dynamo", Counts(attention=2), Counts(attention=1, glu=1), 1)
UNREAD = Cell("other", "older", Counts(attention=2), "an operator that isn't known", 0)


def test_a_cell_says_what_differs() -> None:
    assert verdict(RIGHT) == "="
    assert verdict(WRONG) == "**attention 1/2; glu 1/0; component.attention 1/2**"
    assert verdict(UNREAD) == "**an operator that isn't known**"
    assert tally([RIGHT, WRONG, UNREAD]) == "1 of 3 right."


def test_the_table_has_a_row_per_network_and_a_column_per_form() -> None:
    rows = grid([RIGHT, WRONG, UNREAD], {"net": ["1e-07"]}, ["error"]).splitlines()
    assert rows[0] == "| network | holds | older | dynamo | error |"
    assert rows[2].startswith("| net | attention 2 | = | **attention 1/2")
    assert rows[2].endswith("| 1e-07 |")
    assert rows[3] == "| other | attention 2 | **an operator that isn't known** |  |  |"
