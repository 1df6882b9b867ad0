"""The one function that every size from outside goes through."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noema.errors import InvalidModel
from noema.sizes import MAX_RANK, checked_size

INT64 = st.integers(-(2**63), 2**63 - 1)
EDGES = st.sampled_from(
    [0, 1, -1, 2**31 - 1, 2**31, 2**32, 2**46, 2**62, 2**63 - 1, -(2**63), -(2**31)]
)


@given(st.lists(INT64 | EDGES | st.integers(0, 9), max_size=8), st.sampled_from([1, 2, 4, 8, 16]))
def test_result_is_the_size_or_a_refusal(shape: list[int], itemsize: int) -> None:
    budget = 1 << 30
    nonzero = math.prod(d for d in shape if d) * itemsize
    try:
        size = checked_size(shape, itemsize, budget)
    except InvalidModel:
        assert any(d < 0 for d in shape) or nonzero > budget
    else:
        assert all(d >= 0 for d in shape)
        assert size == math.prod(shape) * itemsize <= budget


def test_zero_extent_does_not_excuse_an_overflowing_one() -> None:
    with pytest.raises(InvalidModel):
        checked_size([0, 2**62, 2**62], 4)


def test_scalar_takes_one_element() -> None:
    assert checked_size([], 8) == 8


def test_rank_is_bounded() -> None:
    with pytest.raises(InvalidModel, match="rank"):
        checked_size([1] * (MAX_RANK + 1), 1)


def test_message_names_what_and_where() -> None:
    with pytest.raises(InvalidModel) as caught:
        checked_size([1 << 46], 4, what="a constant", node="w")
    assert caught.value.node == "w"
    assert "a constant" in str(caught.value)
