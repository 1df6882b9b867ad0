"""OpenVINO on the CPU.

By default OpenVINO computes in bfloat16 where the processor has it, so the precision is always
said: `openvino` is f32, `openvino-bf16` is bf16, `openvino-default` leaves it to OpenVINO.
"""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

import numpy as np

from noema.bench.contenders.contender import Arrays, Setup, Unavailable
from noema.options import Goal


class OpenVino:
    """Inputs and outputs shared, not copied; for latency one stream.

    For throughput OpenVINO's hint decides on streams, and on how many infer requests keep them
    busy; each thread that calls has one of its own.

    Args:
        precision: `f32`, `bf16`, or empty for OpenVINO's own choice.
    """

    def __init__(self, precision: str) -> None:
        self._precision = precision
        self._compiled: Any = None
        self._own = threading.local()
        self.requests = 1
        self._outputs: tuple[str, ...] = ()

    def load(self, setup: Setup) -> dict[str, str]:
        # Untyped on purpose: it is an extra, and type checking doesn't need it installed.
        core: Any = import_module("openvino").Core()
        if self._precision == "bf16":
            capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            if "BF16" not in capabilities:
                raise Unavailable("this processor has no bf16 instructions")
        properties: dict[str, Any] = {
            "PERFORMANCE_HINT": setup.goal.name,
            "INFERENCE_NUM_THREADS": setup.threads,
        }
        if setup.goal is Goal.LATENCY:
            properties["NUM_STREAMS"] = 1
        if self._precision:
            properties["INFERENCE_PRECISION_HINT"] = self._precision
        compiled = core.compile_model(core.read_model(str(setup.model)), "CPU", properties)
        self._outputs = setup.outputs
        self._compiled = compiled
        if setup.goal is Goal.THROUGHPUT:
            self.requests = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        precision = compiled.get_property("INFERENCE_PRECISION_HINT")
        return {
            "INFERENCE_PRECISION_HINT": precision.get_type_name(),
            **{name: str(value) for name, value in properties.items() if "PRECISION" not in name},
            "infer requests": str(self.requests),
        }

    def call(self, inputs: Arrays) -> Arrays:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        values = self._own.request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        # Outputs come in the model's order, under ports rather than names.
        arrays = [np.asarray(values[i]) for i in range(len(self._outputs))]
        return dict(zip(self._outputs, arrays, strict=True))
