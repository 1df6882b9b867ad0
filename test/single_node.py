"""Models of one node, run through noema and through the ONNX reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from execution import compile_proto, execute
from noema import dtypes

Array = NDArray[Any]


def model_of(
    op: str,
    inputs: Sequence[Array | None],
    outputs: Sequence[str | None],
    *,
    opset: int,
    dynamic: bool = False,
    constants: Mapping[int, Array] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node.

    Args:
        op: ONNX operator.
        inputs: A sample per input slot, None for an omitted one.
        outputs: Element type of each output slot (our name), None for an omitted one.
        opset: Version of the default domain.
        dynamic: Whether the inputs' extents are declared symbolic.
        constants: Values of the slots that are initializers instead of graph inputs.
        attributes: The node's.
    """
    constants = constants or {}
    names = ["" if x is None else f"in{i}" for i, x in enumerate(inputs)]
    results = ["" if t is None else f"out{i}" for i, t in enumerate(outputs)]
    graph_inputs = []
    for i, x in enumerate(inputs):
        if x is None or i in constants:
            continue
        shape = [f"d{i}_{axis}" for axis in range(x.ndim)] if dynamic else x.shape
        graph_inputs.append(helper.make_tensor_value_info(names[i], _onnx_type(x), shape))
    graph = helper.make_graph(
        [helper.make_node(op, names, results, **attributes)],
        "one_node",
        graph_inputs,
        [
            helper.make_tensor_value_info(results[i], dtypes.from_name(t).onnx, None)
            for i, t in enumerate(outputs)
            if t is not None
        ],
        [numpy_helper.from_array(x, f"in{i}") for i, x in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _onnx_type(array: Array) -> int:
    known = dtypes.from_numpy(array.dtype)
    return TensorProto.UNDEFINED if known is None else known.onnx


def feeds_of(inputs: Sequence[Array | None], constants: Mapping[int, Array] | None = None):
    """The samples by input name, without those that are initializers."""
    return {
        f"in{i}": x for i, x in enumerate(inputs) if x is not None and i not in (constants or {})
    }


def run_both(
    op: str,
    inputs: Sequence[Array | None],
    outputs: Sequence[str | None] = ("float32",),
    **settings: Any,
) -> tuple[list[Array], list[Array]]:
    """The outputs of noema and of the reference evaluator; settings as of `model_of`."""
    model = model_of(op, inputs, outputs, **settings)
    feeds = feeds_of(inputs, settings.get("constants"))
    got = execute(compile_proto(model), feeds)
    expected = ReferenceEvaluator(model).run(None, feeds)
    return got, list(expected)


def check(
    op: str,
    inputs: Sequence[Array | None],
    outputs: Sequence[str | None] = ("float32",),
    *,
    rtol: float,
    atol: float,
    **settings: Any,
) -> None:
    """Asserts that noema and the reference evaluator agree; NaN equals NaN."""
    got, expected = run_both(op, inputs, outputs, **settings)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(
            ours.astype(np.float64), theirs.astype(np.float64), rtol=rtol, atol=atol
        )
