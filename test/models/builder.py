"""Builds ONNX graphs the way exporters write them.

``older`` imitates the tracing exporter: opset 13, scoped node names such as
``/encoder/layer.0/attention/self/MatMul``, one Constant node per literal, linear weights
transposed and renamed ``onnx::MatMul_17``, every dynamic extent recomputed by Shape and Gather.
``newest`` imitates the graph-capturing exporter at opset 24: flat node names such as
``node_MatMul_17`` with the module path in the metadata, literals as initializers, weights under
their own names and as they are, one operator per layer wherever ONNX has one.
``dynamo`` imitates the same exporter at its usual opset, 18: LayerNormalization is there, but
Gelu, RMSNormalization, Attention and their like are spelled out, as torch's decompositions do.

Two questions decide what a layer writes: whether the graph was `traced` or captured, and whether
the opset `has` the operator.

A parameter's values depend on the seed and its name alone, never on the order of calls, so that
all styles of one network hold the same weights.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Style = Literal["older", "newest", "dynamo"]
STYLES: tuple[Style, ...] = get_args(Style)

Array = npt.NDArray[Any]
Dim = int | str
"""A dimension of an input or output: a number, or the name of a symbolic dimension."""
Extent = int | str
"""A dimension inside the graph: a number, or the value that holds it (see `Graph.extent`)."""

# 24 and not the newest that onnx knows (28): it is the newest where ONNX Runtime 1.31, the
# reference of the tests, runs every operator used here (25 and later lose Swish).
OPSETS: Mapping[Style, int] = {"older": 13, "newest": 24, "dynamo": 18}
_IR_VERSIONS: Mapping[Style, int] = {"older": 7, "newest": 12, "dynamo": 10}
_PRODUCERS: Mapping[Style, str] = {
    "older": "noema-test-tracing",
    "newest": "noema-test-capture",
    "dynamo": "noema-test-capture",
}


def _module_class(path: str) -> str:
    """A class name for the module at a path, as `class_hierarchy` has them."""
    words = [w for w in re.split(r"[._]", path) if not w.isdigit()]
    return "network." + ("".join(w.capitalize() for w in words[-2:]) or "Network")


_SINCE: Mapping[str, int] = {
    "LayerNormalization": 17,
    "Gelu": 20,
    "GroupNormalization": 21,  # the one of opset 18 scales groups, not channels
    "Attention": 23,
    "RMSNormalization": 23,
    "RotaryEmbedding": 23,
    "Swish": 24,
}
"""Operators that layers spell out where the opset doesn't have them."""


class Graph:
    """An ONNX graph under construction.

    Values are named by plain strings. `scope` sets the module path that names nodes and parameters.

    Args:
        name: Name of the graph.
        style: The exporter to imitate.
        seed: Seed of all parameters.
        dims: Extents of the symbolic dimensions, to bake in; None leaves them symbolic.
    """

    def __init__(
        self, name: str, *, style: Style, seed: int = 0, dims: Mapping[str, int] | None = None
    ) -> None:
        if style not in STYLES:
            raise ValueError(f"unknown style {style!r}, expected one of {', '.join(STYLES)}")
        self.style: Style = style
        self._name = name
        self._seed = seed
        self._dims = None if dims is None else dict(dims)
        self._scopes: list[str] = []
        self._nodes: list[onnx.NodeProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._node_names: dict[str, int] = {}
        self._extents: dict[tuple[str, int], str] = {}
        self._literals: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._counter = 0

    @property
    def traced(self) -> bool:
        """Whether the graph is written as the tracing exporter does, else as the capturing one."""
        return self.style == "older"

    @property
    def folds(self) -> bool:
        """Whether what follows from weights alone is computed: transposed ones, batch norms."""
        return self.style != "newest"

    def has(self, op_type: str) -> bool:
        """Whether the style's opset has an operator (in the form that is current)."""
        return OPSETS[self.style] >= _SINCE[op_type]

    @contextmanager
    def scope(self, *path: str) -> Generator[None, None, None]:
        """Names what is built inside after the module ``path``."""
        self._scopes.extend(path)
        try:
            yield
        finally:
            del self._scopes[len(self._scopes) - len(path) :]

    # Inputs and outputs

    def dim(self, name: str) -> Dim:
        """The named dimension: its name, or its extent in a static build."""
        return name if self._dims is None else self._dims[name]

    def input(self, name: str, dtype: npt.DTypeLike, shape: Sequence[Dim]) -> str:
        """Declares a graph input; symbolic names in ``shape`` are resolved by `dim`."""
        self._inputs.append(self._value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: npt.DTypeLike, shape: Sequence[Dim]) -> None:
        """Declares ``value`` a graph output under ``name``."""
        taken = {info.name for info in (*self._inputs, *self._outputs)} | set(self._initializers)
        if value in taken:
            value = self.op("Identity", value)
        for node in self._nodes:
            for names in (node.input, node.output):
                for index, current in enumerate(names):
                    if current == value:
                        names[index] = name
        self._outputs.append(self._value_info(name, dtype, shape))

    def _value_info(
        self, name: str, dtype: npt.DTypeLike, shape: Sequence[Dim]
    ) -> onnx.ValueInfoProto:
        element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        dims = [self.dim(d) if isinstance(d, str) else d for d in shape]
        return helper.make_tensor_value_info(name, element, dims)

    # Nodes

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output and returns the output. An empty input is an absent one."""
        return self.ops(op_type, 1, *inputs, **attributes)[0]

    def ops(self, op_type: str, outputs: int, *inputs: str, **attributes: Any) -> tuple[str, ...]:
        """Adds a node with ``outputs`` outputs and returns them."""
        name = self._node_name(op_type)
        if self.traced:
            results = tuple(f"{name}_output_{i}" for i in range(outputs))
        else:
            results = tuple(
                name.removeprefix("node_").lower() + (f"_{i}" if i else "") for i in range(outputs)
            )
        node = helper.make_node(op_type, inputs, results, name=name, **attributes)
        if not self.traced:
            for key, value in self._origin(name).items():
                entry = node.metadata_props.add()
                entry.key, entry.value = key, value
        self._nodes.append(node)
        return results

    def _origin(self, name: str) -> dict[str, str]:
        """What the capturing exporter notes of a node: the modules around it, outermost first."""
        if self.style == "newest":
            path = [".".join(self._scopes[:i]) for i in range(len(self._scopes) + 1)]
            return {"pkg.torch.onnx.name_scopes": repr(path)}
        # Modules by their qualified names: "layer.3" lies in "encoder" as "encoder.layer.3".
        modules = [""]
        for scope in self._scopes:
            container = scope.partition(".")[0]
            if modules[-1].rpartition(".")[2] == container and "." in scope:
                # A list of modules is no module that is called.
                modules.append(modules.pop() + scope.removeprefix(container))
            else:
                modules.append(f"{modules[-1]}.{scope}".removeprefix("."))
        function = name.removeprefix("node_").lower()
        kinds = [_module_class(module) for module in modules]
        pairs = (f"{m}: {kind}" for m, kind in zip(modules, kinds, strict=True))
        target = f"aten.{function.rpartition('_')[0]}.default"
        return {
            "namespace": "/".join((*pairs, f"{function}: {target}")),
            "pkg.torch.onnx.class_hierarchy": repr([*kinds, target]),
            "pkg.torch.onnx.name_scopes": repr([*modules, function]),
        }

    def _node_name(self, op_type: str) -> str:
        if not self.traced:
            self._counter += 1
            return f"node_{op_type}_{self._counter}"
        base = "/" + "/".join((*self._scopes, op_type))
        count = self._node_names.get(base, 0)
        self._node_names[base] = count + 1
        return f"{base}_{count}" if count else base

    def literal(self, value: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> str:
        """A constant: a Constant node (traced) or a shared initializer (captured).

        Without ``dtype`` Python ints become int64 and floats float32.
        """
        array = np.asarray(value, dtype)
        if dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)
        if self.traced:
            return self.op("Constant", value=numpy_helper.from_array(array))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._literals:
            self._counter += 1
            self._literals[key] = self._initializer(f"val_{self._counter}", array)
        return self._literals[key]

    # Shapes

    def extent(self, value: str, axis: int, dim: str) -> Extent:
        """Extent of ``value`` along ``axis``, which is the symbolic dimension ``dim``.

        Returns:
            The number in a static build, else a value: rank 0 (traced) or shape [1] (captured).
        """
        if self._dims is not None:
            return self._dims[dim]
        if self.traced:
            return self.op("Gather", self.op("Shape", value), self.literal(axis), axis=0)
        key = (value, axis)
        if key not in self._extents:
            self._extents[key] = self.op("Shape", value, start=axis, end=axis + 1)
        return self._extents[key]

    def shape(self, extents: Sequence[Extent]) -> str:
        """A 1-D int64 value that holds ``extents``."""
        if all(isinstance(extent, int) for extent in extents):
            return self.literal(np.array(extents, np.int64))
        parts = [
            self.literal([extent])
            if isinstance(extent, int)
            else self.unsqueeze(extent, 0)
            if self.traced
            else extent
            for extent in extents
        ]
        return self.op("Concat", *parts, axis=0)

    def scalar(self, extent: Extent) -> str:
        """A rank-0 int64 value that holds ``extent``."""
        if isinstance(extent, int):
            return self.literal(extent)
        return extent if self.traced else self.op("Squeeze", extent, self.literal([0]))

    def vector(self, extent: Extent) -> str:
        """An int64 value of shape [1] that holds ``extent``."""
        if isinstance(extent, int):
            return self.literal([extent])
        return self.unsqueeze(extent, 0) if self.traced else extent

    def add_extents(self, a: Extent, b: Extent) -> Extent:
        """The sum of two extents."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        convert = self.scalar if self.traced else self.vector
        return self.op("Add", convert(a), convert(b))

    def reshape(self, value: str, extents: Sequence[Extent]) -> str:
        """Reshapes ``value``; at most one extent may be -1, none may be 0."""
        attributes = {} if self.traced else {"allowzero": 1}
        return self.op("Reshape", value, self.shape(extents), **attributes)

    def transpose(self, value: str, *perm: int) -> str:
        """Permutes the axes of ``value``."""
        return self.op("Transpose", value, perm=list(perm))

    def unsqueeze(self, value: str, *axes: int) -> str:
        """Inserts axes of extent 1; the tracing exporter inserts them one by one."""
        if not self.traced:
            return self.op("Unsqueeze", value, self.literal(list(axes)))
        for axis in axes:
            value = self.op("Unsqueeze", value, self.literal([axis]))
        return value

    def cast(self, value: str, dtype: npt.DTypeLike) -> str:
        """Converts to ``dtype``."""
        return self.op("Cast", value, to=int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    def slice(self, value: str, start: Extent, end: Extent, axis: int) -> str:
        """``value[..., start:end, ...]`` along ``axis``."""
        bounds = (self.vector(start), self.vector(end))
        return self.op("Slice", value, *bounds, self.literal([axis]), self.literal([1]))

    def reduce(self, op_type: str, value: str, *axes: int, keepdims: bool = True) -> str:
        """ReduceMean, ReduceSum, ReduceL2...: axes are an attribute before opset 18.

        (ReduceSum alone took them as an input from opset 13 on.)
        """
        keep = int(keepdims)
        if self.traced and op_type != "ReduceSum":
            return self.op(op_type, value, axes=list(axes), keepdims=keep)
        return self.op(op_type, value, self.literal(list(axes)), keepdims=keep)

    # Parameters

    def path(self, name: str) -> str:
        """Full name of parameter ``name`` in the current scope."""
        return ".".join((*self._scopes, name))

    def draw(self, name: str, shape: Sequence[int], *, std: float, mean: float = 0.0) -> Array:
        """Normal float32 values of the parameter ``name`` of the current scope."""
        rng = np.random.default_rng([self._seed, zlib.crc32(self.path(name).encode())])
        values = rng.standard_normal(tuple(shape), dtype=np.float32)
        values *= np.float32(std)
        if mean:
            values += np.float32(mean)
        return values

    def parameter(self, name: str, shape: Sequence[int], *, std: float, mean: float = 0.0) -> str:
        """A float32 initializer named after the current scope; drawn once, then shared."""
        full = self.path(name)
        if full not in self._initializers:
            self._initializer(full, self.draw(name, shape, std=std, mean=mean))
        return full

    def stored(self, name: str, values: Array) -> str:
        """An initializer with given values, named after the current scope."""
        full = self.path(name)
        return full if full in self._initializers else self._initializer(full, values)

    def folded(self, consumer: str, values: Array) -> str:
        """A computed initializer, named ``onnx::<consumer>_N`` as the tracing exporter does."""
        self._counter += 1
        prefix = f"onnx::{consumer}_" if self.traced else "val_"
        return self._initializer(f"{prefix}{self._counter}", values)

    def _initializer(self, name: str, values: Array) -> str:
        self._initializers[name] = numpy_helper.from_array(np.asarray(values, order="C"), name)
        return name

    def build(self) -> onnx.ModelProto:
        """The finished model. All tensors are stored as raw data."""
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs)
        # Moved in one by one: make_graph would hold a second copy of every weight.
        for name in list(self._initializers):
            graph.initializer.append(self._initializers.pop(name))
        return helper.make_model(
            graph,
            producer_name=_PRODUCERS[self.style],
            opset_imports=[helper.make_opsetid("", OPSETS[self.style])],
            ir_version=_IR_VERSIONS[self.style],
        )


__all__ = ["OPSETS", "STYLES", "Array", "Dim", "Extent", "Graph", "Style"]
