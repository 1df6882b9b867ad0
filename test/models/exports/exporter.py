"""Writes an architecture as ONNX with torch's exporters. Needs the `dev` extra."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import torch
import transformers
from torch import Tensor, nn
from transformers import DynamicCache

from .architecture import Architecture

SEED = 20261121
_DEVIATION = 0.2


@dataclass(frozen=True)
class Exporter:
    """One way to export.

    Attributes:
        dynamo: Whether the graph is captured (`torch.export`) or traced.
        opset: Opset version.
        attention: How `transformers` computes attention: `sdpa`, one operator of torch, or
            `eager`, spelled out in Python.
    """

    dynamo: bool
    opset: int
    attention: str = "sdpa"


EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {
        "dynamo": Exporter(dynamo=True, opset=18),
        "dynamo-newest": Exporter(dynamo=True, opset=24),
        "dynamo-eager": Exporter(dynamo=True, opset=20, attention="eager"),
        "legacy": Exporter(dynamo=False, opset=17),
        "legacy-eager": Exporter(dynamo=False, opset=14, attention="eager"),
    }
)


class _Positional(nn.Module):
    """Takes the inputs in order, and gives tensors in place of a record.

    With a cache, the inputs end with the past keys and values, layer by layer, and those
    of all tokens follow the output.
    """

    def __init__(self, model: nn.Module, architecture: Architecture) -> None:
        super().__init__()
        self.model = model
        self._names = [n for n in architecture.axes if not n.startswith("past_key_values.")]
        self._output = architecture.output
        self._call = dict(architecture.call)
        self._cached = architecture.cached

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs as `architecture.axes` says; the output, then the cache."""
        given: dict[str, Any] = dict(zip(self._names, inputs, strict=False))
        past = inputs[len(self._names) :]
        if self._cached:
            given["past_key_values"] = DynamicCache(zip(past[::2], past[1::2], strict=True))
        result = self.model(**given, **self._call)
        outputs = (result[self._output],)
        if self._cached:
            for layer in result.past_key_values.layers:
                outputs += (layer.keys, layer.values)
        return outputs


def build(architecture: Architecture, attention: str) -> nn.Module:
    """The network with random weights, in evaluation mode.

    Weights that start as zeros or ones (biases, norms) are moved off them, so that none of them
    can be lost unseen. Matrices that start small are enlarged: with the usual deviation of 0.02,
    attention is nearly uniform, and a wrong score moves the output by less than the tolerance.
    """
    torch.manual_seed(SEED)
    model_class = getattr(transformers, architecture.model)
    config = model_class.config_class(**architecture.config)
    if not model_class._supports_sdpa:
        attention = "eager"
    config._attn_implementation = attention
    model = model_class(config)
    for part in filter(None, architecture.part.split(".")):
        model = getattr(model, part)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point() and tensor.ndim <= 1 and tensor.unique().numel() == 1:
                tensor += 0.1 * torch.rand_like(tensor)
            elif tensor.is_floating_point() and tensor.ndim > 1 and 0.01 < tensor.std() < 0.03:
                tensor *= _DEVIATION / tensor.std()
    return _Positional(model.eval(), architecture).eval()


def example(architecture: Architecture) -> tuple[Tensor, ...]:
    """The inputs that the export runs with."""
    feeds = architecture.feeds(np.random.default_rng(SEED), architecture.dims)
    return tuple(torch.from_numpy(feeds[name]) for name in architecture.axes)


def export(architecture: Architecture, exporter: str) -> onnx.ModelProto:
    """The network as the exporter writes it, its weights inside.

    Raises:
        Exception: Whatever the exporter raises for what it can't write.
    """
    how = EXPORTERS[exporter]
    module = build(architecture, how.attention)
    inputs = example(architecture)
    names = list(architecture.axes)
    dynamic = [
        {i: extent for i, extent in enumerate(axes) if isinstance(extent, str)}
        for axes in architecture.axes.values()
    ]
    outputs = [architecture.output, *_present(architecture.cached)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        if how.dynamo:
            torch.onnx.export(
                module,
                inputs,
                path,
                input_names=names,
                output_names=outputs,
                opset_version=how.opset,
                dynamic_shapes=(tuple(dynamic),),
                external_data=False,
                verbose=False,
            )
        else:
            torch.onnx.export(
                module,
                inputs,
                path,
                input_names=names,
                output_names=outputs,
                opset_version=how.opset,
                dynamic_axes=dict(zip(names, dynamic, strict=True)),
                dynamo=False,
            )
        return onnx.load(path)


def _present(layers: int) -> Sequence[str]:
    return [f"present.{i}.{kind}" for i in range(layers) for kind in ("key", "value")]
