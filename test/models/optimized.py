"""Networks as ONNX Runtime's two optimizers rewrite them, with operators of ``com.microsoft``.

``optimized`` is what a session writes when it is told to keep its graph: the rewrites that every
user of ONNX Runtime gets. ``fused_offline`` is the optimizer of ``onnxruntime.transformers``, which
people run over a model before they deploy it; it knows kinds of networks and goes much further.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import onnx
import onnxruntime

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "bert": "bert",
        "gpt2": "gpt2",
        "gpt2-cache": "gpt2",
        "llama": "gpt2",
        "llama-cache": "gpt2",
        "vit": "vit",
        "clip": "clip",
        "unet": "unet",
        "audio": "bert",
    }
)
"""Network of the catalog -> the kind under which `fused_offline` finds something in it."""


def optimized(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph that an ONNX Runtime session runs after its extended rewrites."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(path)


def fused_offline(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    """The graph that ``onnxruntime.transformers.optimizer`` makes of a network.

    Args:
        model: The network; it isn't changed.
        kind: What the optimizer is told that it is: bert, gpt2, vit, clip, unet, ...
    """
    # Imported late: it is slow, and only this function needs it.
    from onnxruntime.transformers.optimizer import optimize_model

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
    result = optimize_model(copy, model_type=kind, num_heads=0, hidden_size=0, opt_level=0)
    with tempfile.TemporaryDirectory() as folder:
        # Only the file has the import of com.microsoft.
        path = Path(folder) / "fused.onnx"
        result.save_model_to_file(str(path))
        return onnx.load(path)
