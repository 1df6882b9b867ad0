"""Programs on a Vulkan device, by IREE's own code generation; any driver will do, a CPU's too.

Shader arithmetic need not be IEEE in every operation, hence 1e-3 instead of the CPU's 1e-4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from execution import compile_proto
from models import find
from noema.check import compare
from noema.options import CompileOptions, Target
from noema.pipeline import save
from noema.runtime.device import list_devices
from noema.runtime.session import load

_MISSING = next((d.reason for d in list_devices() if d.kind == "vulkan" and not d.available), None)
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=f"no Vulkan device: {_MISSING}")


@pytest.mark.parametrize("name", ["bert", "resnet-basic", "audio"])
def test_network_runs_on_vulkan(name: str, tmp_path: Path) -> None:
    network = find(name)
    model = network.build("older", static=True)
    path = tmp_path / "network.noema"
    save(compile_proto(model, CompileOptions(target=Target.parse("vulkan"))), path)
    feeds = network.inputs(np.random.default_rng(5))
    with load(path) as program:
        names = [spec.name for spec in program.outputs]
        wanted = ort.InferenceSession(model.SerializeToString()).run(names, feeds)
        errors = compare(dict(zip(names, wanted, strict=True)), program.run(feeds), 1e-3)
    assert all(e.agrees for e in errors), errors
