"""ONNX Runtime on the CPU, every graph optimisation on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noema.bench.contenders.contender import Arrays, Setup
from noema.options import Goal

if TYPE_CHECKING:
    import onnxruntime  # noqa: TID251 - a contender is what it is


class OnnxRuntime:
    """Defaults but for the number of threads; `ORT_ENABLE_ALL` is said although it is a default.

    For throughput, as many calls at once as there may be threads, each computing in the thread that
    calls.
    """

    def __init__(self, variant: str) -> None:
        del variant  # there is one
        self._session: onnxruntime.InferenceSession | None = None
        self._outputs: list[str] = []
        self.requests = 1

    def load(self, setup: Setup) -> dict[str, str]:
        import onnxruntime as ort  # noqa: TID251

        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        threads = setup.threads
        if setup.goal is Goal.THROUGHPUT:
            threads, self.requests = 1, setup.threads
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._outputs = list(setup.outputs)
        self._session = ort.InferenceSession(
            str(setup.model), options, providers=["CPUExecutionProvider"]
        )
        return {
            "graph_optimization_level": "ORT_ENABLE_ALL",
            "intra_op_num_threads": str(threads),
            "calls at once": str(self.requests),
            "providers": "CPUExecutionProvider",
        }

    def call(self, inputs: Arrays) -> Arrays:
        assert self._session is not None
        values = self._session.run(self._outputs, dict(inputs))
        return dict(zip(self._outputs, map(np.asarray, values), strict=True))
