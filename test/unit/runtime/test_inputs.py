"""Wrong arguments: refused with a message that says what is expected."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from noema.errors import InvalidInput
from noema.runtime.inputs import check_inputs

from .conftest import tensor_specs

SPECS = tensor_specs(
    {
        "input_ids": ("int64", ("batch", "seq")),
        "attention_mask": ("int64", ("batch", "seq")),
        "scale": ("float32", ()),
        "image": ("bfloat16", (1, 3, "h")),
    }
)


def good() -> dict[str, Any]:
    return {
        "input_ids": np.zeros((2, 5), np.int64),
        "attention_mask": np.zeros((2, 5), np.int64),
        "scale": np.float32(1),
        "image": np.zeros((1, 3, 8), ml_dtypes.bfloat16),
    }


def test_right_inputs_come_in_the_models_order() -> None:
    values = dict(reversed(good().items()))
    arrays = check_inputs(SPECS, values)
    assert [array.shape for array in arrays] == [(2, 5), (2, 5), (), (1, 3, 8)]
    assert check_inputs((), {}) == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "element type": (
        {"input_ids": np.zeros((2, 5), np.int32)},
        r"'input_ids' has element type int32, expected int64\[batch, seq\]",
    ),
    "no silent widening": (
        {"scale": 1.0},
        r"'scale' has element type float64, expected float32\[\]",
    ),
    "strings": ({"scale": "one"}, "'scale' has element type <U3"),
    "objects": ({"scale": object()}, "'scale' has element type object"),
    "ragged": ({"image": [[1], [1, 2]]}, "'image' is not an array"),
    "masked": ({"scale": np.ma.masked_array(np.float32(1))}, "masked"),
    "rank": (
        {"input_ids": np.zeros(5, np.int64)},
        r"'input_ids' has rank 1 \(shape \[5\]\), expected int64\[batch, seq\]",
    ),
    "static extent": (
        {"image": np.zeros((1, 4, 8), ml_dtypes.bfloat16)},
        r"'image' has extent 4 in dimension 1 \(shape \[1, 4, 8\]\), expected bfloat16\[1, 3, h\]",
    ),
    "symbolic extents": (
        {"attention_mask": np.zeros((2, 6), np.int64)},
        "'attention_mask' has extent 6 in dimension 1, but 'seq' is 5 in input 'input_ids'",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        check_inputs(SPECS, {**good(), **change})


def test_wrong_names_are_all_listed_with_a_guess() -> None:
    values = good()
    values["inputs_ids"] = values.pop("input_ids")
    values["zzz"] = values.pop("scale")
    with pytest.raises(InvalidInput) as caught:
        check_inputs(SPECS, values)
    text = str(caught.value)
    assert "no input is called 'inputs_ids' (did you mean 'input_ids'?)" in text
    assert "no input is called 'zzz';" in text
    assert "missing: 'input_ids': int64[batch, seq], 'scale': float32[]" in text
    assert "the inputs are 'input_ids': int64[batch, seq], 'attention_mask'" in text


def test_extra_and_missing_alone() -> None:
    with pytest.raises(InvalidInput, match="no input is called 'extra'"):
        check_inputs(SPECS, {**good(), "extra": 1})
    values = good()
    del values["image"]
    with pytest.raises(InvalidInput, match=r"missing: 'image': bfloat16\[1, 3, h\]"):
        check_inputs(SPECS, values)


def test_names_from_a_model_are_shown_safely() -> None:
    specs = tensor_specs({"a\x1b[2J\n" * 500: ("float32", ("\x00",))})
    with pytest.raises(InvalidInput) as caught:
        check_inputs(specs, {})
    text = str(caught.value)
    assert text.isprintable() or text.replace("\n  remedy", "").isprintable()
    assert len(text) < 1000
