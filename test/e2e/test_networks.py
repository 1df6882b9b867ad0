"""Every test network, as each exporter style writes it, against ONNX Runtime.

The tolerance is 1e-4 of the output's largest magnitude: float32 sums in another order differ by
about 1e-6 here, a wrong mask, axis or epsilon by far more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from execution import compile_proto
from models import CATALOG, Network, Style
from noema.check import compare
from noema.pipeline import save
from noema.runtime.session import load

TOLERANCE = 1e-4
CASES = [pytest.param(n, style, id=f"{n.name}-{style}") for n in CATALOG for style in n.styles]


@pytest.mark.parametrize(("network", "style"), CASES)
def test_dynamic_network_agrees_with_onnx_runtime(
    network: Network, style: Style, tmp_path: Path
) -> None:
    """Compiled once with symbolic extents; run on the default extents and two random sets."""
    model = network.build(style, seed=3)
    path = tmp_path / "network.noema"
    save(compile_proto(model), path)
    reference = ort.InferenceSession(model.SerializeToString())
    rng = np.random.default_rng(11)
    with load(path, threads=2) as program:
        for dims in ({}, network.random_dims(rng), network.random_dims(rng)):
            feeds = network.inputs(rng, **dims)
            names = [spec.name for spec in program.outputs]
            wanted = dict(zip(names, reference.run(names, feeds), strict=True))
            for error in compare(wanted, program.run(feeds), TOLERANCE):
                assert error.agrees, (dims, error)
