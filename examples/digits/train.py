"""Trains the two digit classifiers of this folder and writes them as ONNX files.

    python examples/digits/train.py            # needs the `dev` extra: torch and scikit-learn

The data are scikit-learn's 1,797 hand-written digits of 8x8 pixels (the test set of UCI's
"Optical Recognition of Handwritten Digits"). A fixed, stratified quarter is held out, never
trained on, and written to `test_split.npz`. Each network is written node by node with
`onnx.helper` from the learned weights, so that the files hold exactly the operators that one
would draw on a whiteboard (BatchNormalization is not folded into the convolutions), and stay the
same whatever the exporter of the day does.

Seeds are fixed and torch is held to deterministic kernels on one thread: the same versions on the
same kind of CPU reproduce the same files.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

SEED = 20261121
CLASSES = 10
OPSET = 20  # the first with Gelu as one operator
IR_VERSION = 9  # what opset 20 was released with

WIDTH = 48
HEADS = 4
LAYERS = 2
TOKENS = 16  # 2x2 pixels each


class DigitsCnn(nn.Module):
    """Three 3x3 convolutions with batch normalisation, one pooling, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        channels = (1, 24, 48, 64)
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in pairwise(channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels[1:])
        self.classifier = nn.Linear(channels[-1] * 4, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Images [batch, 1, 8, 8] to logits [batch, 10]."""
        x = images
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = torch.relu(norm(conv(x)))
            if i >= 1:
                x = torch.max_pool2d(x, 2)
        return self.classifier(x.flatten(1))


class EncoderLayer(nn.Module):
    """One pre-norm transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(WIDTH)
        self.query = nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.output = nn.Linear(WIDTH, WIDTH)
        self.norm_mlp = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [batch, 16, 48] to tokens of the same shape."""

        def heads(x: Tensor) -> Tensor:
            return x.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)

        x = self.norm_attention(tokens)
        query, key, value = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        tokens = tokens + self.output(mixed)
        return tokens + self.down(nn.functional.gelu(self.up(self.norm_mlp(tokens))))


class DigitsTransformer(nn.Module):
    """A vision transformer in miniature: 16 patches of 2x2 pixels, two layers, mean pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, 2, stride=2)
        self.position = nn.Parameter(torch.randn(1, TOKENS, WIDTH) * 0.02)
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        """Images [batch, 1, 8, 8] to logits [batch, 10]."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            tokens = layer(tokens)
        return self.classifier(self.norm(tokens).mean(1))


def load_split() -> tuple[NDArray[np.float32], ...]:
    """The digits as (train images, test images, train labels, test labels).

    Images are float32 [n, 1, 8, 8] in [0, 1], labels int64 [n]. A stratified quarter, 450 images,
    is the test split.
    """
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    return train_test_split(
        images,
        digits.target.astype(np.int64),
        test_size=0.25,
        random_state=SEED,
        stratify=digits.target,
    )


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by up to one pixel each way: the only augmentation."""
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    rows, columns = torch.randint(0, 3, (2, len(images)), generator=generator)
    index = torch.arange(8)
    batch = torch.arange(len(images))[:, None, None]
    return padded[
        batch, 0, (rows[:, None] + index)[:, :, None], (columns[:, None] + index)[:, None, :]
    ].unsqueeze(1)


def train(
    model: nn.Module, images: NDArray[np.float32], labels: NDArray[np.int64], epochs: int
) -> None:
    """Trains in place: AdamW, one-cycle learning rate, cross entropy, batches of 64."""
    generator = torch.Generator().manual_seed(SEED)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    steps = -(-len(x) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * steps)
    model.train()
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(64):
            logits = model(shifted(x[index], generator))
            loss = nn.functional.cross_entropy(logits, y[index], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


class GraphWriter:
    """Collects the nodes and weights of one ONNX graph, in order.

    Each method appends one operator, named by its place in the network, and returns the name of
    its output.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}

    def weight(self, name: str, value: Tensor | NDArray[np.generic]) -> str:
        """Adds an initializer, once, and returns its name."""
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def op(self, kind: str, scope: str, *inputs: str, **attributes: object) -> str:
        """Adds a node named `scope/kind` with one output of the same name."""
        name = f"{scope}/{kind}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def linear(self, scope: str, x: str, layer: nn.Linear) -> str:
        """`x @ W + b` as MatMul and Add, the way that exporters write it for rank 3."""
        weight = self.weight(f"{scope}.weight", layer.weight.T)
        product = self.op("MatMul", scope, x, weight)
        return self.op("Add", scope, product, self.weight(f"{scope}.bias", layer.bias))

    def layer_norm(self, scope: str, x: str, layer: nn.LayerNorm) -> str:
        """LayerNormalization over the last axis."""
        scale = self.weight(f"{scope}.weight", layer.weight)
        bias = self.weight(f"{scope}.bias", layer.bias)
        return self.op("LayerNormalization", scope, x, scale, bias, axis=-1, epsilon=layer.eps)

    def model(self, output: str) -> onnx.ModelProto:
        """The finished, checked model: `images` [batch, 1, 8, 8] to `logits` [batch, 10]."""
        self.nodes[-1].output[0] = "logits"
        assert output == self.nodes[-1].name, "the output must be the last node's"
        f32 = TensorProto.FLOAT
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info("images", f32, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info("logits", f32, ["batch", CLASSES])],
            list(self.weights.values()),
        )
        model = helper.make_model(
            graph,
            producer_name="noema/examples/digits",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def cnn_to_onnx(model: DigitsCnn) -> onnx.ModelProto:
    """The network as the user would see it in Netron: Conv, BatchNormalization, Relu, MaxPool."""
    graph = GraphWriter("digits_cnn")
    x = "images"
    for i, (conv, norm) in enumerate(zip(model.convs, model.norms, strict=True)):
        scope = f"features.{i}"
        kernel = graph.weight(f"{scope}.conv.weight", conv.weight)
        x = graph.op("Conv", scope, x, kernel, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        statistics = [
            graph.weight(f"{scope}.norm.{key}", getattr(norm, key))
            for key in ("weight", "bias", "running_mean", "running_var")
        ]
        x = graph.op("BatchNormalization", scope, x, *statistics, epsilon=norm.eps)
        x = graph.op("Relu", scope, x)
        if i >= 1:
            x = graph.op("MaxPool", scope, x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.op("Flatten", "classifier", x, axis=1)
    weight = graph.weight("classifier.weight", model.classifier.weight)
    bias = graph.weight("classifier.bias", model.classifier.bias)
    return graph.model(graph.op("Gemm", "classifier", x, weight, bias, transB=1))


def transformer_to_onnx(model: DigitsTransformer) -> onnx.ModelProto:
    """The network with attention as MatMul, Mul, Softmax, MatMul, as most files have it."""
    graph = GraphWriter("digits_transformer")
    heads_shape = graph.weight("shape.heads", np.array([0, TOKENS, HEADS, -1], np.int64))
    merged_shape = graph.weight("shape.merged", np.array([0, TOKENS, WIDTH], np.int64))
    flat_shape = graph.weight("shape.patches", np.array([0, WIDTH, TOKENS], np.int64))
    scale = graph.weight("attention.scale", np.array((WIDTH // HEADS) ** -0.5, np.float32))

    kernel = graph.weight("embeddings.patches.weight", model.patches.weight)
    bias = graph.weight("embeddings.patches.bias", model.patches.bias)
    x = graph.op("Conv", "embeddings", "images", kernel, bias, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.op("Reshape", "embeddings", x, flat_shape)
    x = graph.op("Transpose", "embeddings", x, perm=[0, 2, 1])
    x = graph.op("Add", "embeddings", x, graph.weight("embeddings.position", model.position))

    for i, layer in enumerate(model.layers):
        assert isinstance(layer, EncoderLayer)
        attention, mlp = f"encoder.{i}.attention", f"encoder.{i}.mlp"

        def split(part: str, x: str, linear: nn.Linear, perm: list[int], scope: str) -> str:
            projected = graph.linear(f"{scope}.{part}", x, linear)
            reshaped = graph.op("Reshape", f"{scope}.{part}", projected, heads_shape)
            return graph.op("Transpose", f"{scope}.{part}", reshaped, perm=perm)

        normed = graph.layer_norm(f"{attention}.norm", x, layer.norm_attention)
        query = split("query", normed, layer.query, [0, 2, 1, 3], attention)
        key = split("key", normed, layer.key, [0, 2, 3, 1], attention)
        value = split("value", normed, layer.value, [0, 2, 1, 3], attention)
        scores = graph.op("MatMul", f"{attention}.scores", query, key)
        scores = graph.op("Mul", f"{attention}.scores", scores, scale)
        weights = graph.op("Softmax", f"{attention}.scores", scores, axis=-1)
        mixed = graph.op("MatMul", f"{attention}.mix", weights, value)
        mixed = graph.op("Transpose", f"{attention}.mix", mixed, perm=[0, 2, 1, 3])
        mixed = graph.op("Reshape", f"{attention}.mix", mixed, merged_shape)
        x = graph.op("Add", attention, x, graph.linear(f"{attention}.output", mixed, layer.output))

        normed = graph.layer_norm(f"{mlp}.norm", x, layer.norm_mlp)
        hidden = graph.op("Gelu", mlp, graph.linear(f"{mlp}.up", normed, layer.up))
        x = graph.op("Add", mlp, x, graph.linear(f"{mlp}.down", hidden, layer.down))

    x = graph.layer_norm("pooler.norm", x, model.norm)
    axes = graph.weight("pooler.axes", np.array([1], np.int64))
    x = graph.op("ReduceMean", "pooler", x, axes, keepdims=0)
    return graph.model(graph.linear("classifier", x, model.classifier))


def main() -> None:
    """Trains both networks, writes the three files, prints the test accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_images, test_images, train_labels, test_labels = load_split()
    np.savez_compressed(output / "test_split.npz", images=test_images, labels=test_labels)

    recipes: list[tuple[str, type[nn.Module], int, Callable[..., onnx.ModelProto]]] = [
        ("digits_cnn", DigitsCnn, 60, cnn_to_onnx),
        ("digits_transformer", DigitsTransformer, 150, transformer_to_onnx),
    ]
    for name, network, epochs, to_onnx in recipes:
        torch.manual_seed(SEED)
        model = network()
        train(model, train_images, train_labels, epochs)
        with torch.no_grad():
            predicted = model(torch.from_numpy(test_images)).argmax(1).numpy()
        onnx.save(to_onnx(model), output / f"{name}.onnx")
        size = (output / f"{name}.onnx").stat().st_size
        accuracy = (predicted == test_labels).mean()
        print(f"{name}: test accuracy {accuracy:.4f}, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
