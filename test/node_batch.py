"""Many independent nodes in one model, so that one compile serves a whole test.

Each is compared with what ONNX's reference evaluator (or whoever `expect` names) gives for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from execution import run_model

Array = NDArray[Any]


class NodeBatch:
    """A model under construction and the values to run it on.

    Args:
        opset: Version of the default domain.
        dynamic: Whether the extents of inputs are symbols, all different ones.
    """

    def __init__(self, opset: int = 21, *, dynamic: bool = False) -> None:
        self.opset = opset
        self.dynamic = dynamic
        self._feeds: dict[str, Array] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._tolerances: dict[str, tuple[float | None, float | None]] = {}
        self._expected: dict[str, Array] = {}
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(
        self, array: Array | Sequence[int], *, dynamic: bool | Sequence[bool] | None = None
    ) -> str:
        """A value that the program gets when it runs.

        Args:
            array: The value.
            dynamic: Whether its extents are symbols: all, or each; by default as of the batch.
        """
        array = np.asarray(array)
        name = f"x{len(self._feeds)}"
        symbolic = self.dynamic if dynamic is None else dynamic
        each = [symbolic] * array.ndim if isinstance(symbolic, bool) else symbolic
        shape: list[str | int] = [
            f"{name}_{i}" if unknown else extent
            for i, (extent, unknown) in enumerate(zip(array.shape, each, strict=True))
        ]
        element = helper.np_dtype_to_tensor_dtype(array.dtype)
        self._inputs.append(helper.make_tensor_value_info(name, element, shape))
        self._feeds[name] = array
        return name

    def constant(self, array: Array | Sequence[int]) -> str:
        """A value that the compiler knows."""
        name = f"c{len(self._constants)}"
        value = array if isinstance(array, np.ndarray) else np.array(array, np.int64)
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def node(
        self,
        op_type: str,
        inputs: Sequence[str],
        *,
        outputs: int | Sequence[bool] = 1,
        expect: Sequence[Array] | None = None,
        rtol: float | None = None,
        atol: float | None = None,
        **attributes: Any,
    ) -> list[str]:
        """Adds a node; all its outputs are checked.

        Args:
            op_type: Operator.
            inputs: Names; "" for an absent one.
            outputs: How many, or which of them are there.
            expect: Their values, if the reference evaluator isn't to be asked.
            rtol: Relative tolerance of these outputs, if not that of the batch.
            atol: Absolute tolerance, likewise.
            attributes: Of the node; None for one that is absent.
        """
        present = [True] * outputs if isinstance(outputs, int) else list(outputs)
        index = len(self._nodes)
        names = [f"y{index}_{i}" if there else "" for i, there in enumerate(present)]
        node = helper.make_node(
            op_type,
            list(inputs),
            names,
            name=f"{op_type}_{index}",
            **{k: v for k, v in attributes.items() if v is not None},
        )
        self._nodes.append(node)
        self._tolerances[node.name] = (rtol, atol)
        kept = [name for name in names if name]
        if expect is None:
            known = {**self._feeds, **self._expected}
            known.update({c.name: numpy_helper.to_array(c) for c in self._constants})
            feeds = {n: known[n] for n in inputs if n}
            expect = [np.asarray(v) for v in self._reference(node, feeds, kept)]
        for name, value in zip(kept, expect, strict=True):
            self._expected[name] = np.asarray(value)
            element = helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)
            self._outputs.append(
                helper.make_tensor_value_info(name, element, [None] * np.ndim(value))
            )
        return kept

    def _reference(
        self, node: onnx.NodeProto, feeds: dict[str, Array], outputs: Sequence[str]
    ) -> Sequence[Array]:
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in feeds.items()
        ]
        results = [onnx.ValueInfoProto(name=n) for n in outputs]
        graph = helper.make_graph([node], "one", infos, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        return ReferenceEvaluator(model).run(None, feeds)

    def model(self) -> onnx.ModelProto:
        """The model as it stands."""
        graph = helper.make_graph(
            self._nodes, "batch", self._inputs, self._outputs, self._constants
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])

    def check(self, *, rtol: float = 0.0, atol: float = 0.0) -> None:
        """Compiles, runs, and compares every output; exactly unless a tolerance is given."""
        results = run_model(self.model(), self._feeds)
        by_output = {name: node for node in self._nodes for name in node.output}
        for info, actual in zip(self._outputs, results, strict=True):
            expected = self._expected[info.name]
            node = by_output[info.name]
            what = f"{node.name} {[np.shape(self.value(n)) for n in node.input if n]}"
            assert actual.dtype == expected.dtype, what
            assert actual.shape == expected.shape, what
            if expected.dtype.kind not in "biufc":  # the 16-bit floats that numpy lacks
                actual, expected = actual.astype(np.float32), expected.astype(np.float32)
            own_rtol, own_atol = self._tolerances[node.name]
            np.testing.assert_allclose(
                actual,
                expected,
                rtol=rtol if own_rtol is None else own_rtol,
                atol=atol if own_atol is None else own_atol,
                err_msg=f"{what} {_described(node)}",
            )

    def value(self, name: str) -> Array:
        """What an input, a constant or an output is, or has to be."""
        for known in (self._feeds, self._expected):
            if name in known:
                return known[name]
        return next(numpy_helper.to_array(c) for c in self._constants if c.name == name)


def _described(node: onnx.NodeProto) -> str:
    """The attributes, to tell nodes of one operator apart."""
    return str({a.name: helper.get_attribute_value(a) for a in node.attribute})
