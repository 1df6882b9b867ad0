"""Components, roles, phases and modalities of the test networks, in every exporter's style."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest
from torch_mlir import ir

import models
from models.optimized import optimized
from noema.dialects.attrs import SEMANTIC_ATTRIBUTES
from noema.workload import ComponentKind
from understanding import Understood, anonymous, understand

STYLES = [*models.STYLES, "older, optimized", "newest, optimized"]
"""The exporters' own, and what ONNX Runtime's optimizer makes of two of them."""
CASES = [(n.name, style) for n in models.CATALOG for style in STYLES]

# What a person counts in the networks' sources: layers are 2 where nothing else is said.
EXPECTED: Mapping[str, Mapping[str, int]] = {
    "bert": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 3, "head": 1},
    "gpt2": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 2, "head": 1},
    "gpt2-cache": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 2, "head": 1},
    "llama": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 1, "head": 1},
    "llama-cache": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 1, "head": 1},
    "vit": {"attention": 2, "mlp": 2, "norm": 5, "embedding": 2, "head": 1},
    "clip": {"attention": 4, "mlp": 4, "norm": 11, "embedding": 4, "head": 2},
    "resnet-basic": {"conv_block": 6, "pool": 1, "head": 1},
    "resnet-bottleneck": {"conv_block": 9, "pool": 1, "head": 1},
    "resnext": {"conv_block": 9, "pool": 1, "head": 1},
    "resnet-any-size": {"conv_block": 6, "pool": 1, "head": 1},
    "mobilenet": {"conv_block": 16, "head": 1},
    "mobilenet-any-size": {"conv_block": 16, "head": 1},
    "efficientnet": {"conv_block": 10, "squeeze_excite": 3, "head": 1},
    "unet": {"conv_block": 17, "norm": 14, "pool": 3, "head": 1},
    "dlrm": {"embedding": 4, "mlp": 1, "head": 1},
    "lstm-tagger": {"embedding": 1, "recurrent": 2, "head": 1},
    "gru-tagger": {"embedding": 1, "recurrent": 2, "head": 1},
    "lstm-cells": {"embedding": 1, "recurrent": 2, "head": 1},
    "gru-cells": {"embedding": 1, "recurrent": 2, "head": 1},
    "audio": {"conv_block": 6, "norm": 2, "head": 2},
}
COUNTED = {
    kind for kind in ComponentKind if kind not in (ComponentKind.GENERIC, ComponentKind.MASK)
}


@cache
def network(name: str, style: str, nameless: bool = False) -> Understood:
    exporter, _, further = style.partition(", ")
    proto = models.find(name).build(exporter)  # type: ignore[arg-type]
    if further:
        proto = optimized(proto)
    return understand(anonymous(proto) if nameless else proto)


@pytest.mark.parametrize(("name", "style"), CASES)
def test_components_are_those_a_person_counts(name: str, style: str) -> None:
    counts = network(name, style).counts()
    assert {k: n for k, n in counts.items() if k in COUNTED} == EXPECTED[name]


@pytest.mark.parametrize(("name", "style"), CASES)
def test_every_op_is_classified(name: str, style: str) -> None:
    for node in network(name, style).graph.nodes:
        for attribute, vocabulary in SEMANTIC_ATTRIBUTES.items():
            text = ir.StringAttr(node.op.attributes[attribute]).value
            assert text
            if vocabulary is not None:
                vocabulary(text)  # ValueError if it isn't in there


@pytest.mark.parametrize(("name", "style"), CASES)
def test_every_node_of_the_file_is_in_one_component(name: str, style: str) -> None:
    understood = network(name, style)
    placed = [n for part in understood.parts for n in part.names]
    assert sorted(placed) == sorted({n.name for n in understood.model.nodes})


@pytest.mark.parametrize(("name", "style"), CASES)
def test_every_op_names_nodes_of_the_file(name: str, style: str) -> None:
    understood = network(name, style)
    known = {n.name for n in understood.model.nodes}
    for node in understood.graph.nodes:
        if not node.is_constant:
            assert node.names, node.key
            assert set(node.names) <= known


@pytest.mark.parametrize("name", [n.name for n in models.CATALOG])
def test_what_is_found_does_not_depend_on_names(name: str) -> None:
    named, nameless = network(name, "newest"), network(name, "newest", nameless=True)
    assert [(p.kind, p.role, len(p.nodes)) for p in named.parts] == [
        (p.kind, p.role, len(p.nodes)) for p in nameless.parts
    ]


def test_layers_are_numbered_by_structure_where_no_names_are_left() -> None:
    names = {p.name for p in network("bert", "newest", nameless=True).parts}
    for layer in (0, 1):
        assert {f"layers.{layer}.{kind}" for kind in ("attention", "mlp", "norm")} <= names
    names = {p.name for p in network("llama", "newest", nameless=True).parts}
    for layer in (0, 1):
        assert {f"layers.{layer}.{kind}" for kind in ("attention", "mlp", "norm")} <= names


def test_layers_have_the_names_of_their_modules() -> None:
    for style in models.STYLES:
        names = {p.name for p in network("bert", style).parts}
        assert {
            "encoder.layer.0.attention",
            "encoder.layer.1.mlp",
            "embeddings.word_embeddings",
            "embeddings.LayerNorm",
            "pooler.dense",
        } <= names


@pytest.mark.parametrize("style", STYLES)
def test_phases(style: str) -> None:
    def phases(name: str) -> set[str]:
        return {p.phase for p in network(name, style).parts}

    assert phases("gpt2") == {"embedding", "prefill"}
    assert phases("llama-cache") == {"embedding", "decode"}
    assert phases("resnet-basic") == {"vision_backbone", "vision_head"}
    assert {"prefill", "vision_backbone", "multimodal_fusion"} <= phases("clip")


@pytest.mark.parametrize("style", STYLES)
def test_modalities(style: str) -> None:
    def modalities(name: str) -> set[str]:
        return {p.modality for p in network(name, style).parts}

    assert modalities("bert") == {"text"}
    assert modalities("vit") == {"vision"}
    assert modalities("dlrm") == {"tabular"}
    assert modalities("audio") == {"audio"}
    assert modalities("clip") == {"text", "vision", "fused"}


@pytest.mark.parametrize("style", STYLES)
def test_attention_is_described(style: str) -> None:
    def shapes(name: str) -> list[object]:
        return [p.attention for p in network(name, style).parts if p.kind == "attention"]

    for shape in shapes("bert"):
        assert shape is not None
        assert (shape.purpose, shape.heads, shape.head_dim) == ("self", 4, 8)
        assert (shape.causal, shape.mask, shape.cache) == (False, "padding", False)
    for shape in shapes("llama-cache"):
        assert shape is not None
        assert (shape.heads, shape.key_heads) == (4, 2)
        assert (shape.causal, shape.rotary, shape.cache) == (True, True, True)
    for shape in shapes("vit"):
        assert shape is not None
        assert (shape.causal, shape.mask) == (False, "none")


@pytest.mark.parametrize("style", STYLES)
def test_roles_in_a_layer(style: str) -> None:
    for name, wanted in {
        "bert": {"attention.query", "attention.key", "attention.value", "attention.output"},
        "gpt2": {"attention.qkv", "attention.output", "norm.pre", "norm.final", "residual"},
        "llama": {"mlp.gate", "mlp.up", "mlp.down", "attention.rope"},
        "mobilenet": {"conv.stem", "conv.expand", "conv.depthwise", "conv.project"},
        "resnet-bottleneck": {"conv.shortcut", "conv.pointwise", "conv.activation"},
        "vit": {"embedding.patch", "embedding.class", "embedding.position"},
    }.items():
        found = {
            ir.StringAttr(node.op.attributes["sem.role"]).value
            for node in network(name, style).graph.nodes
        }
        assert wanted <= found, (name, wanted - found)
