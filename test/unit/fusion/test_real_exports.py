"""The matrix over what torch exports; needs the `dev` extra, and minutes."""

from __future__ import annotations

import pytest

from fusion.matrix import EXPORTERS, export_cell
from models.exports import ARCHITECTURES, Architecture

for _module in ("torch", "transformers", "onnxscript"):
    pytest.importorskip(_module, reason="torch's exporters need the dev extra")


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize(
    "architecture", [a for a in ARCHITECTURES if not a.held_out], ids=lambda a: a.name
)
def test_an_export_holds_what_the_configuration_says(
    architecture: Architecture, exporter: str
) -> None:
    from models.exports.exporter import export

    cell = export_cell(architecture, exporter, export(architecture, exporter))
    assert not isinstance(cell.found, str), cell.found
    assert cell.misses == {}
