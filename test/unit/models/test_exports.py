"""The tables of exported networks hold together, and torch can export them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import onnx
import pytest

from models.exports import ARCHITECTURES, Architecture, Counts

EVERY = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)


def test_enough_architectures_and_enough_held_out() -> None:
    names = [a.name for a in ARCHITECTURES]
    assert len(set(names)) == len(names)
    assert sum(not a.held_out for a in ARCHITECTURES) >= 15
    assert sum(a.held_out for a in ARCHITECTURES) >= 6


@EVERY
def test_feeds_have_the_shapes_of_the_axes(architecture: Architecture) -> None:
    rng = np.random.default_rng(3)
    larger = {name: extent + 2 for name, extent in architecture.dims.items()}
    for given in (architecture.dims, larger):
        feeds = architecture.feeds(rng, given)
        assert feeds.keys() == architecture.axes.keys()
        dims = dict(given)
        if "past_sequence" in dims:
            dims["total_sequence"] = dims["past_sequence"] + dims["sequence"]
        for name, axes in architecture.axes.items():
            wanted = tuple(dims[d] if isinstance(d, str) else d for d in axes)
            assert feeds[name].shape == wanted, name


@EVERY
def test_masks_leave_something_to_attend_to(architecture: Architecture) -> None:
    feeds = architecture.feeds(np.random.default_rng(3), architecture.dims)
    mask = feeds.get("attention_mask", np.ones((1, 1)))
    assert mask.any(axis=1).all()


@EVERY
def test_something_is_expected(architecture: Architecture) -> None:
    assert architecture.counts != Counts()
    assert {f.name for f in fields(architecture.counts)} == {
        "attention",
        "norms",
        "activations",
        "glu",
        "rope",
        "embeddings",
        "recurrent",
    }


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_torch_exports(exporter: str) -> None:
    for module in ("torch", "transformers", "onnxscript"):
        pytest.importorskip(module, reason="needs the dev extra")
    from models.exports.exporter import export

    architecture = next(a for a in ARCHITECTURES if a.name == "vit")
    model = export(architecture, exporter)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == list(architecture.axes)
    assert [o.name for o in model.graph.output] == [architecture.output]
    (image,) = model.graph.input
    assert image.type.tensor_type.shape.dim[0].dim_param
