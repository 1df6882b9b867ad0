"""The cases of the ONNX node suite that the installed onnx package generates in memory."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

Value = Any
"""A tensor (numpy array), a sequence (list) or an absent optional (None)."""

_EXPANDED = re.compile(r"_expanded(_ver\d+)?$")

# Operators whose result ONNX does not define: their specification leaves the generator of random
# numbers open, so that only type and shape can be compared.
_RANDOM_OPS = frozenset(
    {
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


@dataclass(frozen=True)
class Case:
    """One model of the suite with the inputs and the outputs that are expected of it.

    Attributes:
        name: Name in the suite, e.g. `test_abs`.
        op: Operator under test, `domain.OpType` or `OpType` for the default domain; the cases
            with the operator's function body in its place carry the operator's name too.
        expanded: Whether the operator was replaced by its function body.
        model: The model.
        inputs: Values in the order of the graph's inputs.
        outputs: Expected values in the order of the graph's outputs.
        rtol: Relative tolerance that the suite allows.
        atol: Absolute tolerance that the suite allows.
    """

    name: str
    op: str
    expanded: bool
    model: onnx.ModelProto
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    rtol: float
    atol: float

    @property
    def feeds(self) -> dict[str, Value]:
        """The inputs by name."""
        return {v.name: x for v, x in zip(self.model.graph.input, self.inputs, strict=True)}

    @property
    def is_random(self) -> bool:
        """Whether the specification leaves the output's values open."""
        return any(_draws(node) for node in self.model.graph.node)


def load_cases() -> dict[str, Case]:
    """Generates all cases, by name, in the suite's order (about five seconds)."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        # The generators overflow and divide by zero on purpose.
        warnings.simplefilter("ignore")
        suite = load_model_tests(kind="node")
    ops = {test.name: _op(_model(test)) for test in suite if not is_expanded(test.name)}
    cases: dict[str, Case] = {}
    for test in suite:
        assert test.data_sets is not None and len(test.data_sets) == 1
        inputs, outputs = test.data_sets[0]
        cases[test.name] = Case(
            name=test.name,
            op=ops[_EXPANDED.sub("", test.name)],
            expanded=is_expanded(test.name),
            model=_model(test),
            inputs=tuple(_value(x) for x in inputs),
            outputs=tuple(_value(x) for x in outputs),
            rtol=test.rtol,
            atol=test.atol,
        )
    return cases


def is_expanded(name: str) -> bool:
    """Whether the case's operator is replaced by its function body."""
    return _EXPANDED.search(name) is not None


def is_tensor(value: Value) -> bool:
    """Whether the value is a tensor of numbers or booleans: no string, sequence or optional."""
    return isinstance(value, np.ndarray) and value.dtype != object and value.dtype.kind not in "US"


def sample(names: list[str], size: int, seed: int) -> list[str]:
    """`size` of the names, drawn without repetition; the same for the same seed, sorted."""
    chosen = np.random.default_rng(seed).permutation(len(names))[:size]
    return sorted(str(names[i]) for i in chosen)


def _model(test: TestCase) -> onnx.ModelProto:
    assert test.model is not None  # in-memory cases have one
    return test.model


def _op(model: onnx.ModelProto) -> str:
    (node,) = model.graph.node
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _draws(node: onnx.NodeProto) -> bool:
    bodies = [a.g for a in node.attribute if a.HasField("g")]
    return node.op_type in _RANDOM_OPS or any(_draws(n) for g in bodies for n in g.node)


def _value(item: Any) -> Value:
    """The suite's values, some of which are protos, as numpy arrays."""
    if item is None:
        return None
    if isinstance(item, onnx.TensorProto):
        return numpy_helper.to_array(item)
    if isinstance(item, list | tuple):
        return [_value(x) for x in item]
    array: NDArray[Any] = np.asarray(item)
    return array
