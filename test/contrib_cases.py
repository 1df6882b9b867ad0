"""Nodes of ONNX Runtime's own operators with their operands, and models that hold many of them.

What each has to give is what ONNX Runtime's kernel of that very operator gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

Array = NDArray[Any]
DOMAIN = "com.microsoft"


@dataclass(frozen=True)
class Case:
    """One node.

    Attributes:
        op_type: Its operator.
        inputs: Its operands; None for one that is absent.
        attributes: Its attributes.
        outputs: Which outputs it has.
        compared: Of which outputs, and which part of them, the values mean something; all of all
            if empty.
        domain: Its domain.
    """

    op_type: str
    inputs: Sequence[Array | None]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outputs: Sequence[bool] = (True,)
    compared: Mapping[int, Array] = field(default_factory=dict[int, Array])
    domain: str = DOMAIN


def model_of(
    cases: Sequence[Case], *, opset: int = 21, symbolic: bool = False
) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """One model with every case in it, and what to feed it.

    Args:
        cases: The nodes.
        opset: Version of the default operator set.
        symbolic: Whether the extents of inputs other than 1 are unknown. Weights, which have one
            or two dimensions and are floats, stay known.
    """
    nodes: list[onnx.NodeProto] = []
    feeds: dict[str, Array] = {}
    inputs: list[onnx.ValueInfoProto] = []
    outputs: list[onnx.ValueInfoProto] = []
    for number, case in enumerate(cases):
        names: list[str] = []
        for slot, array in enumerate(case.inputs):
            if array is None:
                names.append("")
                continue
            name = f"x{number}_{slot}"
            names.append(name)
            feeds[name] = array
            element = helper.np_dtype_to_tensor_dtype(array.dtype)
            shape: list[int | str] = list(array.shape)
            if symbolic and (array.ndim > 2 or array.dtype.kind != "f"):
                shape = [d if d == 1 or i > 1 else f"n{number}_{d}" for i, d in enumerate(shape)]
            inputs.append(helper.make_tensor_value_info(name, element, shape))
        results = [f"y{number}_{slot}" if there else "" for slot, there in enumerate(case.outputs)]
        nodes.append(
            helper.make_node(
                case.op_type,
                names,
                results,
                name=f"{case.op_type}_{number}",
                domain=case.domain,
                **case.attributes,
            )
        )
        outputs += [onnx.ValueInfoProto(name=name) for name in results if name]
        if case.op_type == "MultiHeadAttention" and any(results[3:]):
            # ONNX Runtime doesn't infer the type of the scores.
            outputs[-1].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    graph = helper.make_graph(nodes, "cases", inputs, outputs)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10), feeds


def run_onnxruntime(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, from ONNX Runtime without graph rewrites."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def assert_close(
    cases: Sequence[Case], actual: Mapping[str, Array], expected: Mapping[str, Array]
) -> None:
    """Every compared output within 1e-5 of its largest magnitude: sums round in another order."""
    for number, case in enumerate(cases):
        for slot, there in enumerate(case.outputs):
            if not there:
                continue
            name = f"y{number}_{slot}"
            what = f"{case.op_type} {dict(case.attributes)} output {slot}"
            assert actual[name].shape == expected[name].shape, what
            assert actual[name].dtype == expected[name].dtype, what
            counts = case.compared.get(slot, np.array(True))
            counts = np.broadcast_to(counts, expected[name].shape)
            wanted = expected[name][counts].astype(np.float64)
            scale = max(float(np.abs(wanted).max(initial=0)), 1e-6)
            np.testing.assert_allclose(
                actual[name][counts], wanted, rtol=0, atol=1e-5 * scale, err_msg=what
            )
