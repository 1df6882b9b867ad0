"""Evaluates one ONNX node on constant inputs, with onnx's reference evaluator.

Used by the frontend to fold constants; neutral, so that passes may use it too. It decides
nothing about *whether* a node should be folded: result sizes are the caller's business.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator


class EvaluationFailed(Exception):
    """The reference evaluator has no such op, or failed on these inputs."""


def evaluate_node(
    node: onnx.NodeProto,
    inputs: Sequence[NDArray[Any] | None],
    opsets: Mapping[str, int],
) -> tuple[NDArray[Any] | None, ...]:
    """The node's outputs for the given inputs.

    Args:
        node: A node without captured values (its subgraphs see only their own names).
        inputs: One array per entry of `node.input`; None for an omitted optional input.
        opsets: Operator set version by domain.

    Returns:
        One array per entry of `node.output`; None where the output has no name.

    Raises:
        EvaluationFailed: Whatever went wrong; the original error is its cause.
    """
    single = onnx.NodeProto()
    single.CopyFrom(node)
    feeds: dict[str, NDArray[Any]] = {}
    for index, value in enumerate(inputs):
        name = "" if value is None else f"in{index}"
        single.input[index] = name
        if value is not None:
            feeds[name] = value
    wanted = [f"out{i}" if name else "" for i, name in enumerate(node.output)]
    del single.output[:]
    single.output.extend(wanted)
    names = [name for name in wanted if name]
    graph = onnx.GraphProto(name="fold")
    graph.node.append(single)
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in feeds)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    model = onnx.ModelProto(
        ir_version=onnx.IR_VERSION,
        graph=graph,
        opset_import=[helper.make_opsetid(d, v) for d, v in opsets.items()],
    )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = ReferenceEvaluator(model).run(None, feeds)
    # The evaluator runs arbitrary models and raises whatever numpy does.
    except Exception as error:
        raise EvaluationFailed(f"{node.op_type}: {error}") from error
    values: dict[str, NDArray[Any]] = {}
    for name, result in zip(names, results, strict=True):
        if not isinstance(result, np.ndarray | np.generic):
            raise EvaluationFailed(f"{node.op_type}: result isn't a tensor")
        values[name] = np.asarray(result)
    return tuple(values.get(name) for name in wanted)
