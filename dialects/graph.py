"""The network in a function of `sem` ops as a graph: who makes what, and who uses it.

`key_of`, `definer` and `users` read the IR as it is, for passes that change it. `Graph` is a
snapshot in plain Python objects, for analyses that walk it many times: reading an attribute
through MLIR's bindings costs about a microsecond, reading one of these a twentieth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from noema.dialects.elements import integers_in, spelling
from noema.dialects.provenance import node_names
from noema.dialects.shapes import extents_of

_KINDED = frozenset({"sem.elementwise", "sem.activation", "sem.norm"})
STORED = frozenset({"constant", "param"})
"""Keys of the ops that hold values and compute none."""
_STEMS = frozenset({"onnx", *(name.removeprefix("sem.") for name in _KINDED)})


def key_of(op: ir.Operation) -> str:
    """What an op is, in one word.

    `matmul`, `conv`, `param`, … for named ops; `elementwise.add`, `activation.relu`, `norm.layer`
    for those with a kind; `onnx.Reshape`, `onnx.com.microsoft.Gelu` for ONNX nodes; the name itself
    (`func.return`) for ops of other dialects.
    """
    name = op.name
    if name == "sem.onnx":
        attributes = op.attributes
        domain = ir.StringAttr(attributes["domain"]).value
        op_type = ir.StringAttr(attributes["op_type"]).value
        return f"onnx.{op_type}" if domain in ("", "ai.onnx") else f"onnx.{domain}.{op_type}"
    if name in _KINDED:
        return f"{name[4:]}.{ir.StringAttr(op.attributes['kind']).value}"
    return name.removeprefix("sem.")


def name_of(key: str) -> str:
    """The name of the ops that a key (`key_of`) stands for."""
    stem, dot, _ = key.partition(".")
    if dot and stem not in _STEMS:
        return key  # of another dialect
    return f"sem.{stem}"


def definer(value: ir.Value) -> ir.Operation | None:
    """The op that makes a value; None for an argument of the function."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def users(value: ir.Value) -> list[ir.Operation]:
    """The ops that use a value, each as often as it does."""
    return [use.owner.operation for use in value.uses]


def ops_named(module: ir.Module, name: str) -> list[ir.Operation]:
    """The ops of a name in all functions of a module, in program order; not those in regions."""
    return [
        view.operation
        for function in module.body.operations
        for region in function.operation.regions
        for block in region
        for view in block.operations
        if view.operation.name == name
    ]


def is_used(value: ir.Value) -> bool:
    """Whether anything uses the value."""
    return next(iter(value.uses), None) is not None


@dataclass(eq=False, slots=True)
class Tensor:
    """A value.

    Attributes:
        node: The node that makes it; None for an argument of the function.
        position: Which result of it, or which argument.
        shape: Extents, None where dynamic.
        element: Element type as MLIR spells it, e.g. `f32`.
        count: How many elements it has; an unknown extent counts as 1.
        users: Nodes that use it, in program order, each once.
        is_output: Whether the function returns it.
    """

    node: Node | None
    position: int
    shape: tuple[int | None, ...]
    element: str
    count: int
    users: list[Node]
    is_output: bool = False


@dataclass(eq=False, slots=True)
class Node:
    """An op.

    Attributes:
        op: The op itself, for what isn't here.
        index: Place in program order.
        key: As `key_of` says.
        operands: What it reads, in order (empty slots of `sem.onnx` left out).
        results: What it makes.
        is_constant: Whether it is a constant or a weight.
    """

    op: ir.Operation
    index: int
    key: str
    operands: list[Tensor]
    results: list[Tensor]
    is_constant: bool
    _names: tuple[str, ...] | None = field(default=None, init=False, repr=False)
    _parameter: str | None = field(default=None, init=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The ONNX nodes that it computes."""
        if self._names is None:
            self._names = node_names(self.op)
        return self._names

    @property
    def parameter(self) -> str:
        """Name of the weight that a `param` is."""
        if self._parameter is None:
            self._parameter = ir.StringAttr(self.op.attributes["parameter"]).value
        return self._parameter

    @property
    def result(self) -> Tensor:
        """The first result."""
        return self.results[0]

    def int(self, name: str, default: int = 0) -> int:
        """An integer attribute: of the op, or of the ONNX node in it."""
        found = self._attribute(name)
        return default if found is None else int(ir.IntegerAttr(found).value)

    def float(self, name: str, default: float = 0.0) -> float:
        """A float attribute, likewise."""
        found = self._attribute(name)
        return default if found is None else float(ir.FloatAttr(found).value)

    def text(self, name: str, default: str = "") -> str:
        """A string attribute, likewise."""
        found = self._attribute(name)
        return default if found is None else str(ir.StringAttr(found).value)

    def ints(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """A list of integers, likewise."""
        found = self._attribute(name)
        return tuple(default) if found is None else tuple(integers_in(ir.DenseI64ArrayAttr(found)))

    def _attribute(self, name: str) -> ir.Attribute | None:
        attributes = self.op.attributes
        if self.op.name == "sem.onnx":
            held = ir.DictAttr(attributes["attrs"])
            return held[name] if name in held else None
        return attributes[name] if name in attributes else None

    @property
    def producers(self) -> list[Node]:
        """The nodes that make its operands, in order, each once."""
        return list(dict.fromkeys(t.node for t in self.operands if t.node is not None))

    @property
    def consumers(self) -> list[Node]:
        """The nodes that use its results, each once."""
        return list(dict.fromkeys(n for t in self.results for n in t.users))


@dataclass(frozen=True)
class Graph:
    """A module's main function.

    Attributes:
        module: The module, which must live as long as anyone asks a node for its attributes.
        inputs: Its arguments.
        outputs: What it returns, in order.
        nodes: Its ops in program order, the return left out.
    """

    module: ir.Module
    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    nodes: Sequence[Node]

    @staticmethod
    def of(module: ir.Module) -> Graph:
        """The graph of the module's main function, which has one block."""
        (block,) = main_of(module).regions[0]
        tensors: dict[ir.Value, Tensor] = {}
        types: dict[ir.Type, tuple[tuple[int | None, ...], str, int]] = {}

        def enter(node: Node | None, position: int, value: ir.Value) -> Tensor:
            kind = value.type
            read = types.get(kind)
            if read is None:
                read = types[kind] = _read(kind)
            tensor = tensors[value] = Tensor(node, position, *read, [])
            return tensor

        inputs = [enter(None, i, value) for i, value in enumerate(block.arguments)]
        outputs: list[Tensor] = []
        nodes: list[Node] = []
        for view in block.operations:
            op = view.operation
            key = key_of(op)
            operands = [tensors[v] for v in op.operands]
            if key == "func.return":
                outputs = operands
                for tensor in operands:
                    tensor.is_output = True
                continue
            node = Node(op, len(nodes), key, operands, [], key in STORED)
            node.results += [enter(node, i, value) for i, value in enumerate(op.results)]
            for tensor in operands:
                if not tensor.users or tensor.users[-1] is not node:
                    tensor.users.append(node)
            nodes.append(node)
        return Graph(module, inputs, outputs, nodes)


def _read(kind: ir.Type) -> tuple[tuple[int | None, ...], str, int]:
    ranked = ir.RankedTensorType(kind)
    shape = extents_of(ranked)
    return shape, spelling(ranked.element_type), prod([d for d in shape if d is not None])


def main_of(module: ir.Module) -> ir.Operation:
    """The module's function `main`, or its first function."""
    functions: Mapping[str, ir.Operation] = {
        ir.StringAttr(f.operation.attributes["sym_name"]).value: f.operation
        for f in module.body.operations
        if f.operation.name == "func.func"
    }
    return functions.get("main") or next(iter(functions.values()))
