"""Element types and their spellings."""

from __future__ import annotations

import pytest
from torch_mlir import ir

from noema import dtypes
from noema.dialects.context import new_context
from noema.dialects.elements import element_type, spelling


@pytest.mark.parametrize("dtype", dtypes.TABLE, ids=str)
def test_the_spelling_is_mlirs(dtype: dtypes.DType) -> None:
    with new_context():
        element = element_type(dtype)
        assert spelling(element) == str(element) == dtype.mlir


def test_other_types_are_spelled_as_well() -> None:
    with new_context():
        for text in ("i3", "si5", "index", "tf32"):
            assert spelling(ir.Type.parse(text)) == text
