"""LSTM and GRU cells that are spelled out: one step of them.

A cell is asked for by what it computes, not by a list of nodes. With σ a sigmoid of products with
weights:

- LSTM: c = f c₀ + i g and h = o tanh(c), with f, i, o = σ(…) and g = tanh(…). i may be 1 - f.
- GRU: h is a mix of h₀ and n, weighted by z and 1 - z, with z, r = σ(…) and n = tanh(…), where r
  scales h₀ or its product with weights.
- A minimal gated unit is a GRU with one gate for both, r = z.

So it doesn't matter whether gates share products, how biases are split, or how the mix is factored.
Without a state that gates keep (the tanh · σ of WaveNet, gated linear units) or without r (highway
layers, which mix what they read with what they make of it) it is none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from noema.dialects.attrs import Role
from noema.dialects.graph import Node, Tensor
from noema.passes.classification.draft import MOVES, Draft, strip_moves
from noema.passes.classification.linear import SIGMOIDS, Linear, linear_of, sources_of
from noema.passes.classification.mixture import mixtures_of
from noema.passes.patterns.match import number

_TANH = frozenset({"activation.tanh"})
_ON_STATES = MOVES - {"onnx.Concat"} | {"elementwise.cast", "elementwise.clip", "norm.layer"}
"""What may be done to a cell's state before it goes out."""
_FEW = 6


@dataclass(eq=False)
class Step:
    """One step of a cell.

    Attributes:
        end: The state that it hands out.
        before: The state before, as far as the form of the cell shows it.
        roles: Its nodes but for the products with weights.
        products: These.
    """

    end: Tensor
    before: Tensor | None = None
    roles: dict[Node, Role] = field(default_factory=dict[Node, Role])
    products: dict[Node, None] = field(default_factory=dict[Node, None])

    def mix(self, nodes: Iterable[Node]) -> None:
        """Takes what mixes gates and states."""
        for node in nodes:
            self.roles.setdefault(node, Role.RECURRENT_CELL)

    def read(self, linear: Linear) -> None:
        """Takes what makes gates of inputs and states."""
        for node in linear.nodes:
            self.roles.setdefault(node, Role.RECURRENT_GATES)
        self.products |= dict.fromkeys(linear.products)


@dataclass(frozen=True)
class _Gate:
    """A function of a sum of products with weights, a sigmoid for a gate, or one minus that.

    Attributes:
        tensor: What it is used as, but for the one that it is taken from.
        node: The function.
        linear: What it reads.
        after: The nodes between it and its use.
    """

    tensor: Tensor
    node: Node
    linear: Linear
    after: Sequence[Node]

    def enter(self, step: Step, role: Role) -> None:
        # One sigmoid may make several gates, which are then cut apart.
        known = step.roles.get(self.node, role)
        step.roles[self.node] = role if known is role else Role.RECURRENT_GATES
        step.mix(self.after)
        step.read(self.linear)


def lstm_step(draft: Draft, tanh: Node) -> Step | None:
    """The step of an LSTM whose state a tanh makes ready to go out."""
    total, between = _behind(draft, tanh.operands[0])
    if total is None or total.key != "elementwise.add" or len(draft.data(total)) != 2:
        return None
    for kept, new in (total.operands, reversed(total.operands)):
        admitted, forget = _admitted(draft, new), _scaled(draft, kept)
        if admitted is None or forget is None:
            continue
        admit, candidate = admitted
        for product in _readers(draft, tanh):
            output = _scaled(draft, product.result, tanh)
            if output is None:
                continue
            step = Step(product.result)
            step.mix([product, tanh, *between, total])
            step.mix(t.node for t in (kept, new) if t.node is not None)
            forget.enter(step, Role.RECURRENT_FORGET)
            if admit.tensor is not forget.tensor:
                admit.enter(step, Role.RECURRENT_ADMIT)
            step.mix(admit.after)
            output.enter(step, Role.RECURRENT_OUTPUT)
            candidate.enter(step, Role.RECURRENT_CANDIDATE)
            return step
    return None


def gru_step(draft: Draft, tanh: Node, ends: Collection[Tensor]) -> Step | None:
    """The step of a GRU whose candidate a tanh makes.

    Args:
        draft: The network.
        tanh: The node.
        ends: What steps found before hand out.
    """
    linear = linear_of(draft, tanh.operands[0])
    reset = None if linear is None else _reset(draft, linear)
    if linear is None or reset is None:
        return None
    for mixture in mixtures_of(tanh.result, ends):
        update = _gate(draft, mixture.weight)
        if update is None:
            continue
        before = None if mixture.other is None else strip_moves(draft, mixture.other)
        if before is not None and reset.states and before not in reset.states:
            continue  # scales something else than what is kept
        step = Step(mixture.result, before)
        step.mix([*mixture.nodes, reset.product])
        update.enter(step, Role.RECURRENT_UPDATE)
        if reset.gate.tensor is not update.tensor:
            reset.gate.enter(step, Role.RECURRENT_RESET)
        step.roles[tanh] = Role.RECURRENT_CANDIDATE
        for each in (linear, *reset.linear):
            step.read(each)
        return step
    return None


@dataclass(frozen=True)
class _Reset:
    """A reset gate.

    Attributes:
        gate: The gate.
        product: What multiplies with it.
        linear: What it multiplies, if that is a product with weights; none or one.
        states: The states that it multiplies, or the product that it multiplies reads.
    """

    gate: _Gate
    product: Node
    linear: Sequence[Linear]
    states: Sequence[Tensor]


def _reset(draft: Draft, linear: Linear) -> _Reset | None:
    """The gate on the state that a candidate reads: after its product with weights, or before."""
    if linear.scaled:
        (product, *others) = linear.scaled
        for a, b in _factors(product.result):
            gate, scaled = _gate(draft, a), linear_of(draft, b)
            if gate is None or others:
                continue
            if scaled is not None:
                states = [s for p in scaled.products for s in sources_of(draft, p)]
                return _Reset(gate, product, (scaled,), states)
            if draft.is_static(b):  # of a state that is known: the first step's
                return _Reset(gate, product, (), ())
        return None
    for source in (s for p in linear.products for s in sources_of(draft, p)):
        for a, b in _factors(source):
            gate = _gate(draft, a)
            if gate is not None and source.node is not None:
                return _Reset(gate, source.node, (), (strip_moves(draft, b),))
    return None


def _gate(draft: Draft, tensor: Tensor, functions: frozenset[str] = SIGMOIDS) -> _Gate | None:
    """The gate that a value is, or is one minus."""
    after: list[Node] = []
    node = tensor.node
    if node is not None and node.key == "elementwise.sub" and _is_one(node.operands[0]):
        after.append(node)
        tensor = node.operands[1]
    source, moves = _unmoved(draft, tensor)
    node = source.node
    if node is None or node.key not in functions or not draft.is_free(node):
        return None
    linear = linear_of(draft, node.operands[0])
    if linear is None or linear.scaled:
        return None
    return _Gate(tensor, node, linear, (*after, *moves))


def _is_one(tensor: Tensor) -> bool:
    node = tensor.node
    return node is not None and node.is_constant and number(node.op.results[0]) == 1


def _admitted(draft: Draft, tensor: Tensor) -> tuple[_Gate, _Gate] | None:
    """Gate and candidate where a value is their product."""
    for a, b in _factors(tensor):
        candidate = _gate(draft, b, _TANH)
        gate = None if candidate is None else _gate(draft, a)
        if candidate is not None and gate is not None:
            return gate, candidate
    return None


def _scaled(draft: Draft, tensor: Tensor, beside: Node | None = None) -> _Gate | None:
    """The gate where a value is a product of one with something else: with what `beside` makes."""
    for a, b in _factors(tensor):
        if beside is None or strip_moves(draft, b).node is beside:
            gate = _gate(draft, a)
            if gate is not None:
                return gate
    return None


def _factors(tensor: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The two factors of a value that is a product, in both orders."""
    node = tensor.node
    if node is not None and node.key == "elementwise.mul":
        a, b = node.operands
        yield a, b
        yield b, a


def _unmoved(draft: Draft, tensor: Tensor) -> tuple[Tensor, list[Node]]:
    """As `strip_moves`, with the moves."""
    end, moves = strip_moves(draft, tensor), list[Node]()
    while tensor is not end and tensor.node is not None:
        moves.append(tensor.node)
        (tensor,) = draft.data(tensor.node)
    return end, moves


def _behind(draft: Draft, tensor: Tensor) -> tuple[Node | None, list[Node]]:
    """The node that a state comes from, and those on the way."""
    way: list[Node] = []
    while tensor.node is not None and tensor.node.key in _ON_STATES and len(way) < _FEW:
        data = draft.data(tensor.node)
        if len(data) != 1:
            break
        way.append(tensor.node)
        tensor = data[0]
    return tensor.node, way


def _readers(draft: Draft, node: Node) -> Iterator[Node]:
    """The products that read what a node makes, moved perhaps."""
    stack = [node]
    while stack:
        for user in draft.readers(stack.pop()):
            if user.key == "elementwise.mul" and draft.is_free(user):
                yield user
            elif user.key in _ON_STATES and len(draft.data(user)) == 1:
                stack.append(user)
