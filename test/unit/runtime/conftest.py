"""Small programs compiled from MLIR text, packed as artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from iree.compiler import api
from numpy.typing import NDArray

from noema import artifact, dtypes
from noema.options import Target
from noema.parameters import ParameterStore
from noema.runtime.cpu import requirements_of
from noema.signature import Dim, Signature, TensorSpec

_FLAGS = {
    "cpu": (
        "--iree-hal-target-device=local",
        "--iree-hal-local-target-device-backends=llvm-cpu",
        "--iree-llvmcpu-target-cpu=host",
        "--iree-input-demote-f64-to-f32=false",
    ),
    "vulkan": ("--iree-hal-target-device=vulkan",),
}

Shapes = Mapping[str, tuple[str, tuple[Dim, ...]]]
MakeArtifact = Callable[..., Path]


def compile_mlir(text: str, kind: str = "cpu") -> bytes:
    """Compiles a module for this machine."""
    session = api.Session()
    session.set_flags(*_FLAGS[kind])
    invocation = session.invocation()
    invocation.enable_console_diagnostics()
    assert invocation.parse_source(api.Source.wrap_buffer(session, text.encode() + b"\0"))
    assert invocation.execute()
    output = api.Output.open_membuffer()
    invocation.output_vm_bytecode(output)
    return bytes(output.map_memory())


def tensor_specs(shapes: Shapes) -> tuple[TensorSpec, ...]:
    """`{"x": ("float32", ("n", 4))}` as specs."""
    return tuple(
        TensorSpec(name, dtypes.from_name(dtype), shape) for name, (dtype, shape) in shapes.items()
    )


@pytest.fixture(scope="session")
def make_artifact(tmp_path_factory: pytest.TempPathFactory) -> MakeArtifact:
    """A function that compiles MLIR text and writes an artifact."""
    compiled: dict[tuple[str, str], bytes] = {}

    def make(
        text: str,
        inputs: Shapes,
        outputs: Shapes,
        parameters: Mapping[str, NDArray[np.generic]] | None = None,
        kind: str = "cpu",
    ) -> Path:
        key = (text, kind)
        if key not in compiled:
            compiled[key] = compile_mlir(text, kind)
        store = ParameterStore()
        for name, values in (parameters or {}).items():
            store.add(name, values)
        target = Target.parse(kind)
        path = tmp_path_factory.mktemp("artifact") / "model.noema"
        artifact.write(
            path,
            program=compiled[key],
            signature=Signature(tensor_specs(inputs), tensor_specs(outputs)),
            target=target,
            parameters=store,
            requirements=requirements_of(target),
        )
        return path

    return make


AFFINE = """
util.global private @scale = #flow.parameter.named<"model"::"scale"> : tensor<64xf32>
util.global private @shift = #flow.parameter.named<"model"::"shift"> : tensor<64xf32>
func.func @main(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<64xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %scale = util.global.load @scale : tensor<64xf32>
  %shift = util.global.load @shift : tensor<64xf32>
  %n = tensor.dim %x, %c0 : tensor<?x64xf32>
  %e = tensor.empty(%n) : tensor<?x64xf32>
  %a = linalg.broadcast ins(%scale : tensor<64xf32>) outs(%e : tensor<?x64xf32>) dimensions = [0]
  %b = linalg.broadcast ins(%shift : tensor<64xf32>) outs(%e : tensor<?x64xf32>) dimensions = [0]
  %m = arith.mulf %x, %a : tensor<?x64xf32>
  %y = arith.addf %m, %b : tensor<?x64xf32>
  %e1 = tensor.empty() : tensor<64xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<64xf32>) -> tensor<64xf32>
  %s = linalg.reduce ins(%y : tensor<?x64xf32>) outs(%f1 : tensor<64xf32>) dimensions = [0]
    (%p: f32, %q: f32) { %r = arith.addf %p, %q : f32 linalg.yield %r : f32 }
  return %y, %s : tensor<?x64xf32>, tensor<64xf32>
}
"""


@pytest.fixture(scope="session")
def affine(make_artifact: MakeArtifact) -> Path:
    """`y = 2·x + [0, 1, …, 63]` and `total = Σ y` over the rows; exact for small integers."""
    return make_artifact(
        AFFINE,
        {"x": ("float32", ("rows", 64))},
        {"y": ("float32", ("rows", 64)), "total": ("float32", (64,))},
        {"scale": np.full(64, 2, np.float32), "shift": np.arange(64, dtype=np.float32)},
    )


def affine_of(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What `affine` computes for `y`."""
    return 2 * x + np.arange(64, dtype=np.float32)
