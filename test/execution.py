"""Runs an ONNX model through noema inside this process, for tests and for the conformance suite.

No child process, no artifact, no cache: the stages called one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import iree.runtime as rt
import numpy as np
import onnx
from numpy.typing import NDArray

from noema import dtypes
from noema.dialects.opset import EXPANDED
from noema.frontend.onnx import from_proto
from noema.options import CompileOptions
from noema.pipeline import CompiledModel, compile_onnx

Arrays = Mapping[str, NDArray[np.generic]]


def compile_proto(model: onnx.ModelProto, options: CompileOptions | None = None) -> CompiledModel:
    """Compiles a model that is in memory, in this process."""
    options = options or CompileOptions()
    return compile_onnx(from_proto(model, shapes=options.shapes, expand=EXPANDED), options)


def execute(compiled: CompiledModel, feeds: Arrays) -> list[NDArray[np.generic]]:
    """Runs a compiled model on IREE's synchronous CPU device; outputs in the model's order."""
    config = rt.Config("local-sync")
    instance = config.vm_instance
    index = rt.ParameterIndex()
    for name in compiled.parameters:
        values = np.ascontiguousarray(compiled.parameters[name].values())
        index.add_buffer(name, values.reshape(-1).view(np.uint8).copy())
    modules = [
        rt.create_io_parameters_module(instance, index.create_provider("model")),
        rt.create_hal_module(instance, config.device),
        rt.VmModule.copy_buffer(instance, compiled.program),
    ]
    main = rt.SystemContext(vm_modules=modules, config=config).modules.module["main"]
    arguments = []
    for spec in compiled.signature.inputs:
        array = np.ascontiguousarray(feeds[spec.name]).reshape(np.shape(feeds[spec.name]))
        arguments.append(array.view(_signless(array.dtype)))
    results = main(*arguments)
    if results is None:
        results = ()
    if not isinstance(results, (tuple, list)):
        results = (results,)
    return [
        np.array(value.to_host()).view(spec.dtype.numpy).reshape(value.shape)
        for value, spec in zip(results, compiled.signature.outputs, strict=True)
    ]


def run_model(model: onnx.ModelProto, feeds: Arrays) -> list[NDArray[np.generic]]:
    """Compiles and runs a model on one set of inputs."""
    return execute(compile_proto(model), feeds)


def _signless(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    known = dtypes.from_numpy(dtype)
    carried = known is not None and known.is_carried
    return np.dtype(f"i{dtype.itemsize}") if dtype.kind == "u" or carried else dtype
