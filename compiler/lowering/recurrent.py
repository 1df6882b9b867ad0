"""Lowering of `RNN`, `GRU` and `LSTM`.

What doesn't depend on the previous step, the product of the inputs with their weights, is one
matrix product over all steps; what does is a loop over time that carries the states. Narrower
operands than f32 are computed in f32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from noema.dialects.attrs import ActivationKind
from noema.lowering import activation, emit, slicing
from noema.lowering.emit import Extent
from noema.lowering.matmul import multiply_add
from noema.lowering.node import Declined, Node

Scalar = ir.Value
Step = Callable[[ir.Value, Sequence[ir.Value]], Sequence[ir.Value]]
"""Maps the inputs' part of the gates (B, G·H) and the states (B, H) to the next states."""


def lower_rnn(node: Node) -> Sequence[ir.Value | None]:
    """Hₜ = f(Xₜ Wᵀ + Hₜ₋₁ Rᵀ + b)."""
    return _Layer(node, gates=1, states=1, defaults=["Tanh"]).lower(_rnn_step)


def lower_gru(node: Node) -> Sequence[ir.Value | None]:
    """Hₜ = (1 - z) h + z Hₜ₋₁ with update gate z, reset gate r and candidate h."""
    return _Layer(node, gates=3, states=1, defaults=["Sigmoid", "Tanh"]).lower(_gru_step)


def lower_lstm(node: Node) -> Sequence[ir.Value | None]:
    """Cₜ = f Cₜ₋₁ + i c, Hₜ = o h(Cₜ) with gates i, o, f and candidate c."""
    return _Layer(node, gates=4, states=2, defaults=["Sigmoid", "Tanh", "Tanh"]).lower(_lstm_step)


@dataclass(frozen=True)
class _Function:
    """An activation function with its coefficients."""

    name: str
    alpha: float
    beta: float

    def __call__(self, x: Scalar) -> Scalar:
        kind = _KINDS.get(self.name)
        if kind is not None:
            return activation.apply(kind, x, self.alpha, self.beta)
        alpha, beta = emit.scalar(self.alpha, x.type), emit.scalar(self.beta, x.type)
        if self.name == "affine":
            return arith.AddFOp(arith.MulFOp(alpha, x).result, beta).result
        scaled = activation.apply(ActivationKind.TANH, arith.MulFOp(beta, x).result)
        return arith.MulFOp(alpha, scaled).result


_KINDS = {
    "elu": ActivationKind.ELU,
    "hardsigmoid": ActivationKind.HARD_SIGMOID,
    "leakyrelu": ActivationKind.LEAKY_RELU,
    "relu": ActivationKind.RELU,
    "sigmoid": ActivationKind.SIGMOID,
    "softplus": ActivationKind.SOFTPLUS,
    "softsign": ActivationKind.SOFTSIGN,
    "tanh": ActivationKind.TANH,
    "thresholdedrelu": ActivationKind.THRESHOLDED_RELU,
}
_ALPHA: dict[str, float | None] = {
    "affine": None, "elu": 1.0, "hardsigmoid": 0.2, "leakyrelu": 0.01, "scaledtanh": None,
    "thresholdedrelu": 1.0,
}  # fmt: skip
_BETA: dict[str, float | None] = {"affine": None, "hardsigmoid": 0.5, "scaledtanh": None}
"""Default coefficients of the functions that have them; None: there is no default."""


def _functions(node: Node, defaults: Sequence[str], directions: int) -> list[list[_Function]]:
    """The activation functions by direction; coefficients go to those that take some, in order."""
    names = [n.lower() for n in node.texts("activations") or [*defaults] * directions]
    if len(names) != len(defaults) * directions:
        raise Declined(f"{len(names)} activations for {directions} directions")
    alphas = list(node.floats("activation_alpha") or [])
    betas = list(node.floats("activation_beta") or [])

    def coefficient(name: str, table: dict[str, float | None], given: list[float]) -> float:
        if name not in table:
            return 0.0
        value = given.pop(0) if given else table[name]
        if value is None:
            raise Declined(f"activation {name} without its coefficients")
        return value

    found: list[_Function] = []
    for name in names:
        if name not in _KINDS and name not in _ALPHA:
            raise Declined(f"activation {name}")
        alpha = coefficient(name, _ALPHA, alphas)
        found.append(_Function(name, alpha, coefficient(name, _BETA, betas)))
    count = len(defaults)
    return [found[i : i + count] for i in range(0, len(found), count)]


@dataclass(frozen=True)
class _Cell:
    """What a step needs besides the inputs' part of the gates and the states.

    Attributes:
        node: The node, for its attributes.
        functions: Activation functions f, g, h.
        recurrence: R of one direction, (G·H, H).
        recurrent_bias: Bias of the hidden gate that the reset gate scales (GRU), (H), or None.
        peepholes: P of one direction, (3·H), or None.
        batch: B.
        hidden: H.
        element: The type that is computed in.
    """

    node: Node
    functions: Sequence[_Function]
    recurrence: ir.Value
    recurrent_bias: ir.Value | None
    peepholes: ir.Value | None
    batch: Extent
    hidden: int
    element: ir.Type

    def product(self, state: ir.Value, first: int, count: int) -> ir.Value:
        """State · Rᵀ for `count` gates from number `first`: (B, H) → (B, count·H)."""
        rows = slicing.part(self.recurrence, 0, first * self.hidden, count * self.hidden)
        return project(state, rows, [self.batch, count * self.hidden], self.element)

    def gate(self, gates: ir.Value, number: int) -> ir.Value:
        """One gate of (B, G·H): (B, H)."""
        return slicing.take(gates, [0, number * self.hidden], [self.batch, self.hidden])

    def peephole(self, number: int) -> list[ir.Value]:
        """One peephole weight (H), as a list of none or one."""
        if self.peepholes is None:
            return []
        return [slicing.part(self.peepholes, 0, number * self.hidden, self.hidden)]

    def pointwise(self, operands: Sequence[ir.Value], body: emit.Body) -> ir.Value:
        """`body` over (B, H) for operands of that shape or (H)."""
        maps = [emit.affine_map(2, emit.dims(2)[2 - len(emit.shape_of(v)) :]) for v in operands]
        return emit.parallel(operands, maps, [self.batch, self.hidden], self.element, body)

    def clipped(self, x: Scalar) -> Scalar:
        """X within the node's `clip`."""
        bound = self.node.float("clip", 0.0)
        if bound <= 0:
            return x
        low, high = emit.scalar(-bound, x.type), emit.scalar(bound, x.type)
        return arith.MinimumFOp(arith.MaximumFOp(x, low).result, high).result


def project(x: ir.Value, weight: ir.Value, sizes: Sequence[Extent], element: ir.Type) -> ir.Value:
    """X · weightᵀ for x (M, K), weight (N, K) and sizes (M, N)."""
    m, n, k = emit.dims(3)
    return emit.generic(
        [x, weight],
        [emit.affine_map(3, [m, k]), emit.affine_map(3, [n, k])],
        emit.full(sizes, emit.scalar(0, element)),
        emit.affine_map(3, [m, n]),
        ["parallel", "parallel", "reduction"],
        multiply_add(element),
    )


def _add(*terms: Scalar) -> Scalar:
    total = terms[0]
    for term in terms[1:]:
        total = arith.AddFOp(total, term).result
    return total


def _mul(a: Scalar, b: Scalar) -> Scalar:
    return arith.MulFOp(a, b).result


def _one_minus(x: Scalar) -> Scalar:
    return arith.SubFOp(emit.scalar(1, x.type), x).result


def _rnn_step(cell: _Cell, gates: ir.Value, states: Sequence[ir.Value]) -> Sequence[ir.Value]:
    f = cell.functions[0]
    rest = cell.product(states[0], 0, 1)
    return [cell.pointwise([gates, rest], lambda x, h: f(cell.clipped(_add(x, h))))]


def _gru_step(cell: _Cell, gates: ir.Value, states: Sequence[ir.Value]) -> Sequence[ir.Value]:
    (h,), (f, g) = states, cell.functions
    linear = cell.node.int("linear_before_reset", 0) != 0
    rest = cell.product(h, 0, 3 if linear else 2)

    def smooth(x: Scalar, r: Scalar) -> Scalar:
        return f(cell.clipped(_add(x, r)))

    if linear:
        operands = [*(cell.gate(v, i) for i in range(3) for v in (gates, rest)), h]
        bias = [] if cell.recurrent_bias is None else [cell.recurrent_bias]

        def body(*x: Scalar) -> Scalar:
            z, reset = smooth(x[0], x[1]), smooth(x[2], x[3])
            candidate = g(cell.clipped(_add(x[4], _mul(reset, _add(x[5], *x[7:])))))
            return _add(_mul(_one_minus(z), candidate), _mul(z, x[6]))

        return [cell.pointwise([*operands, *bias], body)]
    scaled = cell.pointwise(
        [cell.gate(gates, 1), cell.gate(rest, 1), h], lambda x, r, s: _mul(smooth(x, r), s)
    )
    hidden = cell.product(scaled, 2, 1)

    def mix(x: Scalar, r: Scalar, c: Scalar, d: Scalar, s: Scalar) -> Scalar:
        z = smooth(x, r)
        return _add(_mul(_one_minus(z), g(cell.clipped(_add(c, d)))), _mul(z, s))

    operands = [cell.gate(gates, 0), cell.gate(rest, 0), cell.gate(gates, 2), hidden, h]
    return [cell.pointwise(operands, mix)]


def _lstm_step(cell: _Cell, gates: ir.Value, states: Sequence[ir.Value]) -> Sequence[ir.Value]:
    (h, c), (f, g, last) = states, cell.functions
    coupled = cell.node.int("input_forget", 0) != 0
    rest = cell.product(h, 0, 4)

    def operands(number: int) -> list[ir.Value]:
        return [cell.gate(gates, number), cell.gate(rest, number)]

    def body(*x: Scalar) -> Scalar:
        x_in, r_in, x_cell, r_cell, old, *others = x
        x_forget, r_forget, *weights = others
        peep = [_mul(w, old) for w in weights]
        admit = f(cell.clipped(_add(x_in, r_in, *peep[:1])))
        forget = (
            _one_minus(admit) if coupled else f(cell.clipped(_add(x_forget, r_forget, *peep[1:])))
        )
        candidate = g(cell.clipped(_add(x_cell, r_cell)))
        return _add(_mul(forget, old), _mul(admit, candidate))

    new = cell.pointwise(
        [*operands(0), *operands(3), c, *operands(2), *cell.peephole(0), *cell.peephole(2)], body
    )

    def out(x: Scalar, r: Scalar, value: Scalar, *weight: Scalar) -> Scalar:
        peep = [_mul(w, value) for w in weight]
        return _mul(f(cell.clipped(_add(x, r, *peep))), last(value))

    return [cell.pointwise([*operands(1), new, *cell.peephole(1)], out), new]


class _Layer:
    """One recurrent node: its operands, brought to (sequence, batch, …), and its loops."""

    def __init__(self, node: Node, *, gates: int, states: int, defaults: Sequence[str]) -> None:
        self.node, self.gates, self.states = node, gates, states
        dtype = node.dtype(0)
        if not dtype.is_float or dtype.bits < 16:
            raise Declined(f"{node.kind} of {dtype}")
        self.element = ir.F64Type.get() if dtype.bits == 64 else ir.F32Type.get()
        self.batch_first = node.int("layout", 0) != 0
        directions = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
        self.reversed = directions.get(node.text("direction", "forward"))
        if self.reversed is None:
            raise Declined(f"direction {node.text('direction')}")
        self.functions = _functions(node, defaults, len(self.reversed))
        hidden = emit.shape_of(node.operand(2))[2] or node.int("hidden_size", 0)
        if hidden <= 0:
            raise Declined("a hidden size that isn't known")
        self.hidden = hidden
        x = node.operand(0)
        self.x = emit.transpose(x, [1, 0, 2]) if self.batch_first else x
        self.steps, self.batch = emit.extent(self.x, 0), emit.extent(self.x, 1)

    def lower(self, step: Callable[..., Sequence[ir.Value]]) -> Sequence[ir.Value | None]:
        """Results: Y, then the last value of each state."""
        assert self.reversed is not None
        count = len(self.reversed)
        y = self._everything(count) if self.node.results[0] is not None else None
        last: list[list[ir.Value]] = []
        for direction, backwards in enumerate(self.reversed):
            y, states = self._loop(direction, backwards, step, y)
            last.append(states)
        results = [y]
        for number in range(self.states):
            parts = [slicing.split(states[number], 0, [1, self.batch]) for states in last]
            joined = slicing.concatenate(parts, 0)
            results.append(emit.transpose(joined, [1, 0, 2]) if self.batch_first else joined)
        return [
            None if value is None or result is None else self._narrow(value, slot)
            for slot, (value, result) in enumerate(zip(results, self.node.results, strict=False))
        ]

    def _narrow(self, value: ir.Value, slot: int) -> ir.Value:
        element = self.node.result_element(slot)
        if element == self.element:
            return value
        return emit.pointwise([value], element, lambda v: arith.TruncFOp(element, v).result)

    def _everything(self, count: int) -> ir.Value:
        """Y before the loops fill it."""
        if self.batch_first:
            return emit.empty([self.batch, self.steps, count, self.hidden], self.element)
        return emit.empty([self.steps, count, self.batch, self.hidden], self.element)

    def _loop(
        self,
        direction: int,
        backwards: bool,
        step: Callable[..., Sequence[ir.Value]],
        y: ir.Value | None,
    ) -> tuple[ir.Value | None, list[ir.Value]]:
        cell = self._cell(direction)
        inputs = self._inputs(direction)
        carried = [self._initial(slot, direction) for slot in range(5, 5 + self.states)]
        if y is not None:
            carried.append(y)
        loop = scf.ForOp(emit.index(0), emit.as_index(self.steps), emit.index(1), carried)
        with ir.InsertionPoint(loop.body):
            time = loop.induction_variable
            if backwards:
                end = arith.SubIOp(emit.as_index(self.steps), emit.index(1)).result
                time = arith.SubIOp(end, time).result
            old = list(loop.inner_iter_args)
            gates = slicing.take(
                inputs,
                [time, 0, 0],
                [1, self.batch, self.gates * self.hidden],
                dropped=[0],
            )
            states = list(step(cell, gates, old[: self.states]))
            shown = states[0]
            if self.node.has(4):
                zero = emit.full([self.batch, self.hidden], emit.scalar(0, self.element))
                shown = self._while_valid(cell, time, states[0], zero)
                states = [
                    self._while_valid(cell, time, new, before)
                    for new, before in zip(states, old, strict=False)
                ]
            if y is not None:
                states.append(self._written(shown, old[-1], time, direction))
            scf.YieldOp(states)
        results = list(loop.results)
        return (results.pop() if y is not None else None), results

    def _written(self, value: ir.Value, y: ir.Value, time: ir.Value, direction: int) -> ir.Value:
        if self.batch_first:
            return slicing.put(value, y, [0, time, direction, 0], [self.batch, 1, 1, self.hidden])
        return slicing.put(value, y, [time, direction, 0, 0], [1, 1, self.batch, self.hidden])

    def _while_valid(
        self, cell: _Cell, time: ir.Value, value: ir.Value, otherwise: ir.Value
    ) -> ir.Value:
        """`value` for the sequences that are longer than `time`."""
        lengths = self.node.operand(4)
        loops = emit.dims(2)

        def body(length: Scalar, new: Scalar, old: Scalar) -> Scalar:
            now = arith.IndexCastOp(length.type, time).result
            valid = arith.CmpIOp(arith.CmpIPredicate.slt, now, length).result
            return arith.SelectOp(valid, new, old).result

        return emit.parallel(
            [lengths, value, otherwise],
            [emit.affine_map(2, loops[:1]), *[emit.affine_map(2, loops)] * 2],
            [cell.batch, cell.hidden],
            cell.element,
            body,
        )

    def _cell(self, direction: int) -> _Cell:
        node = self.node
        bias = None
        if node.kind == "GRU" and node.int("linear_before_reset", 0) and node.has(3):
            bias = self._wide(
                slicing.part(
                    slicing.at(node.operand(3), 0, direction), 0, 5 * self.hidden, self.hidden
                )
            )
        peepholes = None
        if node.kind == "LSTM" and node.has(7):
            peepholes = self._wide(slicing.at(node.operand(7), 0, direction))
        return _Cell(
            node,
            self.functions[direction],
            slicing.at(node.operand(2), 0, direction),
            bias,
            peepholes,
            self.batch,
            self.hidden,
            self.element,
        )

    def _inputs(self, direction: int) -> ir.Value:
        """X Wᵀ + b of every step: (S, B, G·H)."""
        node, width = self.node, self.gates * self.hidden
        flat = slicing.merge(self.x, 0, 2)
        sizes: list[Extent] = [emit.extent(flat, 0), width]
        product = project(flat, slicing.at(node.operand(1), 0, direction), sizes, self.element)
        if node.has(3):
            bias = self._bias(self._wide(slicing.at(node.operand(3), 0, direction)))
            loops = emit.dims(2)
            product = emit.parallel(
                [product, bias],
                [emit.affine_map(2, loops), emit.affine_map(2, loops[1:])],
                sizes,
                self.element,
                lambda x, b: arith.AddFOp(x, b).result,
            )
        return slicing.split(product, 0, [self.steps, self.batch])

    def _bias(self, both: ir.Value) -> ir.Value:
        """Wb + Rb of (Wb, Rb), but for the part of Rb that a GRU's reset gate scales."""
        width = self.gates * self.hidden
        ours, theirs = (slicing.part(both, 0, i * width, width) for i in (0, 1))
        if self.node.kind == "GRU" and self.node.int("linear_before_reset", 0):
            plain = slicing.part(theirs, 0, 0, 2 * self.hidden)
            zero = emit.full([self.hidden], emit.scalar(0, self.element))
            theirs = slicing.concatenate([plain, zero], 0)
        return emit.pointwise([ours, theirs], self.element, lambda a, b: arith.AddFOp(a, b).result)

    def _initial(self, slot: int, direction: int) -> ir.Value:
        if not self.node.has(slot):
            return emit.full([self.batch, self.hidden], emit.scalar(0, self.element))
        value = self._wide(self.node.operand(slot))
        value = slicing.at(value, 1 if self.batch_first else 0, direction)
        return emit.cast_type(value, emit.tensor_type([self.batch, self.hidden], self.element))

    def _wide(self, value: ir.Value) -> ir.Value:
        if emit.element_of(value) == self.element:
            return value
        return emit.pointwise([value], self.element, lambda v: arith.ExtFOp(self.element, v).result)
