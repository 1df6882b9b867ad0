"""Every network of the catalog is valid, runs, and computes the same in every exporter style."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from models import CATALOG, OPSETS, REAL, STYLES, Network, Style, find
from models.__main__ import main

EVERY = pytest.mark.parametrize("network", CATALOG, ids=lambda n: n.name)
EACH_STYLE = pytest.mark.parametrize("style", STYLES)

# Two float32 evaluations of one function in different orders, relative to the largest value: the
# deepest nets here sum a few hundred terms a few dozen times over.
TOLERANCE = 1e-4


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name, from ONNX Runtime without graph rewrites."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def assert_close(actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    """Same outputs, same shapes, values within TOLERANCE of the largest one."""
    assert actual.keys() == expected.keys()
    for name, reference in expected.items():
        assert actual[name].shape == reference.shape, name
        scale = float(np.abs(reference).max())
        np.testing.assert_allclose(
            actual[name], reference, rtol=0, atol=TOLERANCE * scale, err_msg=name
        )


def declared(model: onnx.ModelProto) -> dict[str, list[int | str]]:
    """Declared output shapes: extents and symbolic names."""
    return {
        output.name: [d.dim_param or d.dim_value for d in output.type.tensor_type.shape.dim]
        for output in model.graph.output
    }


@EVERY
@EACH_STYLE
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_model_is_valid_and_its_shapes_infer(network: Network, style: Style, static: bool) -> None:
    model = network.build(style, static=static)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert model.opset_import[0].version == OPSETS[style]
    symbolic = {d for shape in declared(model).values() for d in shape if isinstance(d, str)}
    assert not symbolic if static else symbolic


@EVERY
def test_styles_agree_on_odd_extents_and_batches(network: Network) -> None:
    rng = np.random.default_rng(7)
    models = [network.build(style) for style in STYLES]
    extents = [dict(network.dims), *(network.random_dims(rng) for _ in range(3))]
    for dims in extents:
        feeds = network.inputs(rng, **dims)
        older, *others = (run(model, feeds) for model in models)
        for other in others:
            assert_close(other, older)


@EVERY
def test_static_and_dynamic_builds_agree(network: Network) -> None:
    feeds = network.inputs(np.random.default_rng(11))
    for style in STYLES:
        dynamic = network.build(style)
        static = network.build(style, static=True)
        expected = run(dynamic, feeds)
        assert_close(run(static, feeds), expected)
        for name, shape in declared(static).items():
            assert tuple(shape) == expected[name].shape


@EVERY
@EACH_STYLE
def test_runtime_agrees_with_the_specification(network: Network, style: Style) -> None:
    model = network.build(style)
    feeds = network.inputs(np.random.default_rng(13))
    outputs = ReferenceEvaluator(model).run(None, feeds)
    names = [output.name for output in model.graph.output]
    assert_close(run(model, feeds), dict(zip(names, outputs, strict=True)))


@EVERY
def test_activations_stay_in_range(network: Network) -> None:
    rng = np.random.default_rng(3)
    first, second = (run(network.build("older"), network.inputs(rng)) for _ in range(2))
    for name, values in first.items():
        assert np.isfinite(values).all(), name
        assert 0.01 < np.abs(values).max() < 100, name
        # A network whose biases alone decide the outputs would hide a compiler's errors.
        if values.shape == second[name].shape:
            change = np.abs(values - second[name]).max()
            assert change > 0.1 * np.abs(values).max(), f"{name} hardly depends on the inputs"


@EVERY
def test_seed_decides_the_weights(network: Network) -> None:
    feeds = network.inputs(np.random.default_rng(5))
    one, same, other = (network.build("newest", seed=seed) for seed in (1, 1, 2))
    assert one.SerializeToString() == same.SerializeToString()
    expected, different = run(one, feeds), run(other, feeds)
    assert any(not np.allclose(expected[name], different[name]) for name in expected)


@EVERY
def test_styles_hold_the_operators_of_their_exporter(network: Network) -> None:
    older, newest, dynamo = (network.build(style).graph for style in STYLES)
    later = {"RMSNormalization", "GroupNormalization", "Gelu", "Swish", "Attention"}
    later.add("RotaryEmbedding")
    assert not later & {node.op_type for node in dynamo.node}
    assert not (later | {"LayerNormalization"}) & {node.op_type for node in older.node}
    assert all(node.name.startswith("/") for node in older.node)
    for captured in (newest, dynamo):
        names = [node.name for node in captured.node]
        assert len(set(names)) == len(names)
        assert not any("/" in name for name in names)


def test_captured_nodes_name_their_modules() -> None:
    graph = find("bert").build("dynamo").graph
    origin = {p.key: p.value for p in graph.node[-1].metadata_props}
    assert set(origin) == {
        "namespace",
        "pkg.torch.onnx.class_hierarchy",
        "pkg.torch.onnx.name_scopes",
    }
    scopes = [
        next(p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes")
        for node in graph.node
        if node.op_type == "Softmax"
    ]
    assert scopes[1].startswith(
        "['', 'encoder', 'encoder.layer.1', 'encoder.layer.1.attention',"
        " 'encoder.layer.1.attention.self', "
    )


@EVERY
@EACH_STYLE
def test_weights_are_stored_as_raw_bytes(network: Network, style: Style) -> None:
    for tensor in network.build(style).graph.initializer:
        assert tensor.HasField("raw_data"), tensor.name
        assert numpy_helper.to_array(tensor).dtype in (np.float32, np.int64, np.bool_)


def test_names_are_unique() -> None:
    names = [network.name for network in (*CATALOG, *REAL)]
    assert len(set(names)) == len(names)
    assert all(find(name).name == name for name in names)


@pytest.mark.parametrize("network", REAL, ids=lambda n: n.name)
def test_real_networks_draw_inputs_of_their_extents(network: Network) -> None:
    feeds = network.inputs(np.random.default_rng(0))
    first = next(iter(feeds.values()))
    assert first.shape[0] == next(iter(network.dims.values()))


def test_sizes_can_be_changed_and_unknown_ones_are_refused() -> None:
    network = find("bert")
    model = network.build("newest", static=True, layers=1, hidden=16, batch=1, sequence=5)
    assert declared(model)["last_hidden_state"] == [1, 5, 16]
    with pytest.raises(ValueError, match="no size height"):
        network.build("newest", height=3)
    with pytest.raises(ValueError, match="unknown style"):
        network.build("oldest")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="no network"):
        find("bort")


def test_command_line_lists_and_builds(tmp_path, capsys) -> None:
    assert main(["list"]) == 0
    assert "bert-base" in capsys.readouterr().out
    path = tmp_path / "net.onnx"
    arguments = ["build", "resnet-basic", "--style", "older", "--static", "--size", "batch=5"]
    assert main([*arguments, "-o", str(path)]) == 0
    assert declared(onnx.load(path)) == {"logits": [5, 10]}
