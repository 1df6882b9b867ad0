"""What can run the cases: noema, and two known implementations to check the harness against."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import onnx

from noema.errors import CompileFailed, InvalidModel, NoemaError, UnsupportedModel

from .cases import Case, Value
from .outcome import Outcome

# The newest version of the file format that ONNX Runtime reads; it changes no operator.
_ORT_IR_VERSION = 13


class Backend(Protocol):
    """Runs models; created once in each worker process."""

    packages: ClassVar[Sequence[str]]
    """Distributions whose versions a result depends on."""

    def run(self, case: Case) -> Sequence[Value]:
        """The outputs of a case, in the graph's order."""
        ...

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        """What an exception from `run` means, and the reason in one line."""
        ...


class NoemaBackend:
    """Compiles in this process, so that a crash of the compiler shows as one."""

    packages: ClassVar[Sequence[str]] = (
        "noema",
        "onnx",
        "torch-mlir",
        "iree-base-compiler",
        "iree-base-runtime",
    )

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
            return Outcome.INVALID, error.message
        if isinstance(error, CompileFailed):
            return Outcome.FAILED, " | ".join([error.message, *error.diagnostics])
        if isinstance(error, NoemaError):
            return Outcome.FAILED, f"{type(error).__name__}: {error.message}"
        return Outcome.ERROR, f"{type(error).__name__}: {error}"


class ReferenceBackend:
    """onnx's own evaluator; it leaves few operators out."""

    packages: ClassVar[Sequence[str]] = ("onnx", "numpy")

    def run(self, case: Case) -> Sequence[Value]:
        from onnx.reference import ReferenceEvaluator

        # The evaluator computes some results in another width; the suite's own test of it casts
        # nothing either, so what differs in type counts as wrong.
        outputs = ReferenceEvaluator(case.model).run(None, case.feeds)
        assert isinstance(outputs, list)
        return outputs

    def classify(self, error: Exception) -> tuple[Outcome, str]:
        known = isinstance(error, NotImplementedError) or "NotImplemented" in type(error).__name__
        outcome = Outcome.UNSUPPORTED if known else Outcome.ERROR
        return outcome, f"{type(error).__name__}: {error}"


class OnnxRuntimeBackend:
    """ONNX Runtime on the CPU."""

    packages: ClassVar[Sequence[str]] = ("onnxruntime", "onnx")

    def __init__(self) -> None:
        # The suite holds operators of opsets not yet released, which are refused by default.
        os.environ["ALLOW_RELEASED_ONNX_OPSET_ONLY"] = "0"

    def run(self, case: Case) -> Sequence[Value]:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        model.ir_version = min(model.ir_version, _ORT_IR_VERSION)
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feeds: dict[str, Any] = {}
        for value in case.model.graph.input:
            array = case.feeds[value.name]
            if _is_extended(array):
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


BACKENDS: Mapping[str, type[Backend]] = {
    "noema": NoemaBackend,
    "reference": ReferenceBackend,
    "ort": OnnxRuntimeBackend,
}


def versions(backend: str) -> dict[str, str]:
    """Versions of the packages that a backend's results depend on."""
    return {name: metadata.version(name) for name in BACKENDS[backend].packages}


def _is_extended(array: Value) -> bool:
    """Whether the element type is one of those that numpy itself does not have."""
    return isinstance(array, np.ndarray) and type(array.dtype).__module__ != "numpy.dtypes"


def _noema_runner() -> Callable[[onnx.ModelProto, Mapping[str, Value]], Mapping[str, Value]]:
    """Compiles and runs a model in this process: the one place that joins noema."""
    from noema.dialects.opset import EXPANDED
    from noema.frontend.onnx import read_model
    from noema.options import CompileOptions
    from noema.pipeline import compile_onnx, save
    from noema.runtime.session import load

    folder = tempfile.TemporaryDirectory(prefix="noema-conformance-")
    options = CompileOptions()

    def run(model: onnx.ModelProto, feeds: Mapping[str, Value]) -> Mapping[str, Value]:
        source, artifact = Path(folder.name, "model.onnx"), Path(folder.name, "model.noema")
        source.write_bytes(model.SerializeToString())
        compiled = compile_onnx(read_model(source, shapes={}, expand=EXPANDED), options)
        save(compiled, artifact)
        with load(artifact, threads=1) as program:
            return program.run(feeds)

    return run
