"""Small ONNX models for tests, written in onnx's text syntax.

`model("float[N,4] x", "float[N,4] y", "[relu] y = Relu(x)")` is a model of one node called relu.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

OPSET = 21


def model(
    inputs: str,
    outputs: str,
    body: str,
    *,
    opset: int = OPSET,
    opsets: dict[str, int] | None = None,
    ir_version: int = 10,
    **initializers: NDArray[Any],
) -> onnx.ModelProto:
    """A model of one graph.

    Args:
        inputs: Typed parameters.
        outputs: Typed results; `float[] y` leaves the rank open.
        body: Nodes, one per line.
        opset: Version of the default operator set.
        opsets: Versions of others.
        ir_version: IR version.
        **initializers: Constants by name.
    """
    graph = parser.parse_graph(f"g ({inputs}) => ({outputs}) {{ {body} }}")
    for name, array in initializers.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(d, v) for d, v in (opsets or {}).items()]
    return onnx.ModelProto(ir_version=ir_version, graph=graph, opset_import=imports)


def ops(graph: onnx.GraphProto) -> list[str]:
    """Op types of a graph's nodes, in order."""
    return [node.op_type for node in graph.node]
