"""What can run the cases: noema, and two known implementations to check the harness against."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, Protocol

import numpy as np

from noema.errors import InvalidModel, NoemaError, UnsupportedModel

from .cases import Case, Value, is_tensor
from .outcome import Outcome


class Backend(Protocol):
    """Runs models; created once in each worker process."""

    packages: Sequence[str]
    """Distributions whose versions a result depends on."""

    def run(self, case: Case) -> Sequence[Value]:
        """The outputs of a case, in the graph's order."""
        ...

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        """What an exception from `run` means, and the reason in one line."""
        ...


class NoemaBackend:
    """Compiles in this process, so that a crash of the compiler shows as one."""

    packages = ("noema", "onnx", "torch-mlir", "iree-base-compiler", "iree-base-runtime")

    def __init__(self) -> None:
        self._run = _noema_runner()

    def run(self, case: Case) -> Sequence[Value]:
        # Compiled whatever the values are: a model over sequences must be refused, not skipped.
        outputs = self._run(case.model, case.feeds)
        return [outputs[v.name] for v in case.model.graph.output]

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        if isinstance(error, UnsupportedModel):
            gaps = sorted({f"{gap.op}: {gap.reason}" for gap in error.gaps})
            return Outcome.UNSUPPORTED, "; ".join(gaps) or error.message
        if isinstance(error, InvalidModel):
            return Outcome.INVALID, f"{error.message}"
        if isinstance(error, NoemaError):
            lines = [error.message, *getattr(error, "diagnostics", ())]
            return Outcome.FAILED, f"{type(error).__name__}: {' | '.join(lines)}"
        return Outcome.ERROR, f"{type(error).__name__}: {error}"


class ReferenceBackend:
    """onnx's own evaluator; it leaves few operators out."""

    packages = ("onnx", "numpy")

    def run(self, case: Case) -> Sequence[Value]:
        from onnx.reference import ReferenceEvaluator

        # The evaluator computes some results in another width; the suite's own test of it casts
        # nothing either, so what differs in type counts as wrong.
        outputs: Sequence[Value] = ReferenceEvaluator(case.model).run(None, case.feeds)
        return outputs

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        known = isinstance(error, NotImplementedError) or "NotImplemented" in type(error).__name__
        outcome = Outcome.UNSUPPORTED if known else Outcome.ERROR
        return outcome, f"{type(error).__name__}: {error}"


class OnnxRuntimeBackend:
    """ONNX Runtime on the CPU."""

    packages = ("onnxruntime", "onnx")

    def __init__(self) -> None:
        # The suite holds operators of opsets not yet released, which are refused by default.
        os.environ["ALLOW_RELEASED_ONNX_OPSET_ONLY"] = "0"

    def run(self, case: Case) -> Sequence[Value]:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        session = ort.InferenceSession(
            case.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds: dict[str, Any] = {}
        for value in case.model.graph.input:
            array = case.feeds[value.name]
            if is_tensor(array) and array.dtype.kind in "V" or _is_extended(array):
                array = ort.OrtValue.ortvalue_from_numpy_with_onnx_type(
                    array, value.type.tensor_type.elem_type
                )
            feeds[value.name] = array
        outputs: Sequence[Value] = session.run(None, feeds)
        return outputs

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        kind = type(error).__name__
        # Sessions refuse what they have no kernel for, and opsets that they don't know.
        refused = kind in ("NotImplemented", "InvalidGraph", "Fail")
        return Outcome.UNSUPPORTED if refused else Outcome.ERROR, f"{kind}: {error}"


BACKENDS: Mapping[str, Callable[[], Backend]] = {
    "noema": NoemaBackend,
    "reference": ReferenceBackend,
    "ort": OnnxRuntimeBackend,
}


def versions(backend: str) -> dict[str, str]:
    """Versions of the packages that a backend's results depend on."""
    names: Sequence[str] = getattr(BACKENDS[backend], "packages")  # noqa: B009
    return {name: metadata.version(name) for name in names}


def _is_extended(array: Value) -> bool:
    """Whether the element type is one of those that numpy itself does not have."""
    return isinstance(array, np.ndarray) and type(array.dtype).__module__ != "numpy.dtypes"


def _noema_runner() -> Callable[[Any, Mapping[str, Value]], Mapping[str, Value]]:
    """Compiles and runs a model in this process: the one place that joins noema."""
    raise NotImplementedError("noema cannot compile models yet")
