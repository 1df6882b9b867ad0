"""Runs a model as it was and as the frontend left it, and compares everything.

The extents that the frontend promises are checked against those of a run: static ones must hold,
and a symbol must stand for one number throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from noema import dtypes
from noema.frontend.onnx import OnnxModel

Array = NDArray[Any]


def rebuilt(model: OnnxModel, *, every_value: bool = False) -> onnx.ModelProto:
    """The frontend's result as a model again; with every value an output if asked."""
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    for name, array in model.constants.items():
        graph.initializer.append(numpy_helper.from_array(array, name))
    for name in model.parameters:
        graph.initializer.append(numpy_helper.from_array(model.parameters[name].values(), name))
    if every_value:
        present = {o.name for o in graph.output}
        for node in graph.node:
            for name in node.output:
                if name and name not in present:
                    graph.output.append(onnx.ValueInfoProto(name=name))
    imports = [helper.make_opsetid(d, v) for d, v in model.opsets.items()]
    return onnx.ModelProto(ir_version=onnx.IR_VERSION, graph=graph, opset_import=imports)


def run(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by name, from onnx's reference evaluator."""
    names = [o.name for o in model.graph.output]
    results = ReferenceEvaluator(model).run(None, dict(feeds))
    return dict(zip(names, results, strict=True))


def assert_equivalent(
    original: onnx.ModelProto, model: OnnxModel, feeds: Mapping[str, Array]
) -> None:
    """Same outputs from both, and every promised type holds.

    The tolerance, relative to the largest magnitude, is for function bodies and folded shapes,
    which let sums round in another order.
    """
    before = run(original, feeds)
    after = run(rebuilt(model, every_value=True), feeds)
    assert {o.name for o in model.outputs} == before.keys()
    for name, expected in before.items():
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=0) if expected.size else 0
        np.testing.assert_allclose(
            after[name], expected, rtol=1e-5, atol=1e-5 * float(scale), err_msg=name
        )
    symbols: dict[str, int] = {}
    for name, value in {**feeds, **after}.items():
        kind = model.types[name]
        assert kind.dtype == dtypes.from_numpy(np.asarray(value).dtype), name
        assert len(kind.shape) == np.ndim(value), name
        for promised, actual in zip(kind.shape, np.shape(value), strict=True):
            if isinstance(promised, int):
                assert promised == actual, f"{name}: {kind} but {np.shape(value)}"
            else:
                known = symbols.setdefault(promised, actual)
                assert known == actual, f"{name}: {promised} is {known} and {actual}"
