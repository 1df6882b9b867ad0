"""What a user reads of IREE's diagnostics."""

from __future__ import annotations

import pytest

from noema.backend.iree import headline


@pytest.mark.parametrize(
    ("diagnostic", "line"),
    [
        (
            'error: loc("/fc/MatMul"): is too large\nsee op',
            "error: node '/fc/MatMul': is too large",
        ),
        ('error: loc(fused["/a/Add_1", "/a/Add"]): fails', "error: node '/a/Add_1': fails"),
        ('error: loc("x"("f.mlir":1:2)): fails', "error: node 'x': fails"),
        ("error: loc(unknown): fails", "error: fails"),
        ("error: fails", "error: fails"),
    ],
)
def test_a_diagnostic_names_one_node_and_keeps_its_message(diagnostic: str, line: str) -> None:
    assert headline(diagnostic) == line


def test_the_location_of_many_nodes_leaves_room_for_the_message() -> None:
    names = ", ".join(f'"/layer.{i}/MatMul"' for i in range(100))
    assert (
        headline(f"error: loc(fused[{names}]): no room") == "error: node '/layer.0/MatMul': no room"
    )
