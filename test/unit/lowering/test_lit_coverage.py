"""Every lowering has a lit test."""

from __future__ import annotations

import re
from pathlib import Path

from noema.lowering.table import ONNX, SEM

FOLDER = Path(__file__).parents[2] / "lit" / "lowering"


def _inputs() -> str:
    """The tests without their comments: what is given to the lowering."""
    texts = [file.read_text("utf-8") for file in sorted(FOLDER.glob("*.mlir"))]
    return re.sub(r"^\s*//.*$", "", "\n".join(texts), flags=re.MULTILINE)


def test_every_named_op_is_lowered_in_a_lit_test() -> None:
    assert {*SEM} - set(re.findall(r'"(sem\.\w+)"\(', _inputs())) == set()


def test_every_onnx_operator_with_a_lowering_of_ours_is_lowered_in_a_lit_test() -> None:
    assert {*ONNX} - set(re.findall(r'op_type = "(\w+)"', _inputs())) == set()
