"""Several small graphs in one model: what patterns make of them, and whether it is still the same.

The reference is ONNX Runtime without its own rewrites.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from execution import run_model
from noema.dialects.context import new_context
from noema.dialects.graph import key_of, main_of
from noema.dialects.opset import EXPANDED
from noema.frontend.importer import import_model
from noema.frontend.onnx import from_proto
from noema.passes.base import PassContext, Tally
from noema.passes.driver import run_pipeline
from noema.passes.registry import default_pipeline

Array = NDArray[Any]


class PatternBatch:
    """A model under construction and the values to run it on.

    Args:
        opset: Version of the default domain.
    """

    def __init__(self, opset: int = 18) -> None:
        self.opset = opset
        self._feeds: dict[str, Array] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, array: Array, dims: Sequence[int | str] | None = None) -> str:
        """A value that the program gets; `dims` names its symbolic extents."""
        name = f"x{len(self._feeds)}"
        element = helper.np_dtype_to_tensor_dtype(array.dtype)
        shape = list(array.shape if dims is None else dims)
        self._inputs.append(helper.make_tensor_value_info(name, element, shape))
        self._feeds[name] = array
        return name

    def constant(self, value: Array | Sequence[int] | float) -> str:
        """A value that the compiler knows: an array, a vector of int64 or a float32."""
        name = f"c{len(self._constants)}"
        if not isinstance(value, np.ndarray):
            kind = np.float32 if isinstance(value, float) else np.int64
            value = np.array(value, kind)
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def op(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node; the name of its output, or a list of names if there are several."""
        names = [f"v{self._count + i}" for i in range(outputs)]
        self._count += outputs
        self._nodes.append(
            helper.make_node(op_type, list(inputs), names, name=f"node_{names[0]}", **attributes)
        )
        return names[0] if outputs == 1 else names

    def output(self, name: str) -> str:
        """Makes a value a result of the model."""
        self._outputs.append(onnx.ValueInfoProto(name=name))
        return name

    def model(self) -> onnx.ModelProto:
        """The model as it stands."""
        graph = helper.make_graph(self._nodes, "batch", self._inputs, [], self._constants)
        graph.output.extend(self._outputs)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        inferred = onnx.shape_inference.infer_shapes(model)
        known = {v.name: v for v in (*inferred.graph.value_info, *inferred.graph.output)}
        del model.graph.output[:]
        model.graph.output.extend(known[o.name] for o in self._outputs)
        return model

    def passes(self) -> tuple[Counter[str], dict[str, Tally]]:
        """How many ops of each key are left after all passes, and what the patterns did."""
        model = from_proto(self.model(), expand=EXPANDED)
        context = new_context()
        module = import_model(model, context)
        report = run_pipeline(module, default_pipeline(), PassContext(parameters=model.parameters))
        with context:
            block = main_of(module).regions[0].blocks[0]
            keys = Counter(key_of(op.operation) for op in block.operations)
        return keys, {n: t for record in report.passes for n, t in record.patterns.items()}

    def check(self, *, tolerance: float = 1e-5) -> None:
        """Compiles, runs and compares all outputs; relative to the largest magnitude of each."""
        model = self.model()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        expected = session.run(None, self._feeds)
        for info, ours, theirs in zip(
            model.graph.output, run_model(model, self._feeds), expected, strict=True
        ):
            assert ours.shape == theirs.shape, info.name
            ours, theirs = ours.astype(np.float64), np.asarray(theirs).astype(np.float64)
            assert np.isfinite(theirs).all(), f"{info.name}: nothing to compare with"
            scale = float(np.abs(theirs).max(initial=0))
            np.testing.assert_allclose(
                ours, theirs, rtol=0, atol=tolerance * scale, err_msg=info.name
            )
