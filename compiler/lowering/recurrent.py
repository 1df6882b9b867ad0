"""Lowering of `RNN`, `GRU` and `LSTM`.

What doesn't depend on the previous step, the product of the inputs with their weights, is one
matrix product over all steps; what does is a loop over time that carries the states. Narrower
operands than f32 are computed in f32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from noema.dialects.attrs import ActivationKind
from noema.lowering import activation, emit, loops, slicing
from noema.lowering.emit import Extent
from noema.lowering.matmul import multiply_add
from noema.lowering.node import Declined, Node

Scalar = ir.Value
_CHUNK = 16
"""Steps that are written together where their number isn't known."""
_UNROLLED = 8
"""Steps up to which there is no loop."""

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
        """state · Rᵀ for `count` gates from number `first`: (B, H) → (B, count·H).

        With two dimensions for the columns: IREE 3.13 packs the operands of a plain matrix product
        for tiles, which for the few rows of a batch costs up to ten times the product itself, and
        can't compile some of what it then fuses.
        """
        total = emit.shape_of(self.recurrence)[0]
        if total is None:
            raise Declined("recurrence weights of unknown extents")
        if count > 1:
            outer, inner = count, self.hidden
            rows = slicing.split(self.recurrence, 0, [total // self.hidden, self.hidden])
            rows = slicing.part(rows, 0, first, count)
        else:
            outer = next((n for n in (4, 3, 2, 5, 7) if self.hidden % n == 0), 1)
            if outer == 1:
                rows = slicing.part(self.recurrence, 0, first * self.hidden, self.hidden)
                return project(state, rows, [self.batch, self.hidden], self.element)
            inner = self.hidden // outer
            rows = slicing.split(self.recurrence, 0, [total // self.hidden, outer, inner])
            rows = slicing.at(rows, 0, first)
        m, o, n, k = emit.dims(4)
        product = emit.generic(
            [state, rows],
            [emit.affine_map(4, [m, k]), emit.affine_map(4, [o, n, k])],
            emit.full([self.batch, outer, inner], emit.scalar(0, self.element)),
            emit.affine_map(4, [m, o, n]),
            ["parallel", "parallel", "parallel", "reduction"],
            multiply_add(self.element),
        )
        return slicing.merge(product, 1, 2)

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
    hidden = slicing.apart(cell.product(scaled, 2, 1))

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
        outputs: list[list[ir.Value]] = [[] for _ in range(1 + self.states)]
        for direction, backwards in enumerate(self.reversed):
            history = self._run(direction, backwards, step)
            if self.node.results[0] is not None:
                outputs[0].append(self._shown(history, backwards))
            for number in range(self.states):
                last = slicing.take(
                    history,
                    [self.steps, number, 0, 0],
                    [1, 1, self.batch, self.hidden],
                    dropped=[0],
                )
                outputs[1 + number].append(last)
        results = [
            slicing.concatenate(parts, 0 if slot else 1) if parts else None
            for slot, parts in enumerate(outputs)
        ]
        return [
            None if value is None or result is None else self._finished(value, slot)
            for slot, (value, result) in enumerate(zip(results, self.node.results, strict=False))
        ]

    def _finished(self, value: ir.Value, slot: int) -> ir.Value:
        """The result with its batch dimension where the layout wants it, in its type."""
        if self.batch_first:
            value = emit.transpose(value, [1, 0, 2] if slot else [2, 0, 1, 3])
        element = self.node.result_element(slot)
        if element == self.element:
            return value
        return emit.pointwise([value], element, lambda v: arith.TruncFOp(element, v).result)

    def _shown(self, history: ir.Value, backwards: bool) -> ir.Value:
        """Y of one direction: (S, 1, B, H), of the states after each step, in order of time."""
        sizes: list[Extent] = [self.steps, 1, self.batch, self.hidden]
        states = slicing.take(history, [1, 0, 0, 0], sizes)
        if not backwards and not self.node.has(4):
            return states
        lengths = [self.node.operand(4)] if self.node.has(4) else []
        loops = emit.dims(4)

        def body(*operands: Scalar) -> Scalar:
            index = [linalg.IndexOp(axis).result for axis in range(4)]
            time = index[0]
            if backwards:
                index[0] = arith.SubIOp(emit.as_index(slicing.subtract(self.steps, 1)), time).result
            value = tensor.ExtractOp(states, index).result if backwards else operands[-1]
            if not lengths:
                return value
            now = arith.IndexCastOp(operands[0].type, time).result
            valid = arith.CmpIOp(arith.CmpIPredicate.slt, now, operands[0]).result
            return arith.SelectOp(valid, value, emit.scalar(0, self.element)).result

        inputs = [*lengths] if backwards else [*lengths, states]
        maps = [emit.affine_map(4, [loops[2]])] * len(lengths)
        maps += [emit.affine_map(4, loops)] * (len(inputs) - len(lengths))
        return emit.parallel(inputs, maps, sizes, self.element, body)

    def _run(
        self, direction: int, backwards: bool, step: Callable[..., Sequence[ir.Value]]
    ) -> ir.Value:
        """The states before the first step and after each, in the order of the steps.

        Shape (S + 1, states, B, H). A loop carries this tensor and nothing else: two carried
        tensors may come to share a buffer, which IREE 3.13 can lose in a branch. Every write
        copies what it writes into, so there are two levels: the inner loop writes into a chunk,
        the outer one writes chunks, and S steps copy about 2 S^1.5 rows instead of S².
        """
        cell, inputs = self._cell(direction), self._inputs(direction)

        def after(number: Extent, states: Sequence[ir.Value]) -> list[ir.Value]:
            time = slicing.subtract(slicing.subtract(self.steps, 1), number)
            time = time if backwards else number
            gates = slicing.take(
                inputs,
                [time, 0, 0],
                [1, self.batch, self.gates * self.hidden],
                dropped=[0],
            )
            new = list(step(cell, gates, states))
            if not self.node.has(4):
                return new
            return [
                self._while_valid(cell, emit.as_index(time), n, o)
                for n, o in zip(new, states, strict=True)
            ]

        states = [self._initial(slot, direction) for slot in range(5, 5 + self.states)]
        if isinstance(self.steps, int) and self.steps <= _UNROLLED:
            rows = [*states]
            for number in range(self.steps):
                states = after(number, states)
                rows += states
            flat = slicing.concatenate([self._row(r) for r in rows], 0)
            return slicing.split(flat, 0, [self.steps + 1, self.states])
        size = round(self.steps**0.5) if isinstance(self.steps, int) else _CHUNK
        chunks = emit.window_count(slicing.add(self.steps, size - 1), size, size)

        def chunk(number: ir.Value, carried: list[ir.Value]) -> Sequence[ir.Value]:
            (history,) = carried
            start = arith.MulIOp(number, emit.index(size)).result
            left = slicing.subtract(self.steps, start)
            count = arith.MinSIOp(emit.as_index(left), emit.index(size)).result
            one: list[Extent] = [1, self.states, self.batch, self.hidden]
            blank = emit.empty([size + 1, *one[1:]], self.element)
            before = slicing.take(history, [start, 0, 0, 0], one)

            def write(i: ir.Value, inner: list[ir.Value]) -> Sequence[ir.Value]:
                (part,) = inner
                old = [
                    slicing.take(
                        part,
                        [i, k, 0, 0],
                        [1, 1, self.batch, self.hidden],
                        dropped=[0, 1],
                    )
                    for k in range(self.states)
                ]
                row = arith.AddIOp(i, emit.index(1)).result
                for k, new in enumerate(after(arith.AddIOp(start, i).result, old)):
                    part = slicing.put(new, part, [row, k, 0, 0], [1, 1, self.batch, self.hidden])
                return [part]

            part = loops.repeat(count, [slicing.put(before, blank, [0, 0, 0, 0], one)], write)[0]
            done: list[Extent] = [count, *one[1:]]
            first = slicing.add(start, 1)
            part = slicing.take(part, [1, 0, 0, 0], done)
            return [slicing.put(part, history, [first, 0, 0, 0], done)]

        rows = slicing.add(self.steps, 1)
        empty = emit.empty([rows, self.states, self.batch, self.hidden], self.element)
        first = slicing.concatenate([self._row(state) for state in states], 0)
        box: list[Extent] = [1, self.states, self.batch, self.hidden]
        history = slicing.put(first, empty, [0, 0, 0, 0], box)
        return loops.repeat(chunks, [history], chunk)[0]

    def _row(self, state: ir.Value) -> ir.Value:
        """(B, H) as (1, B, H)."""
        return slicing.split(state, 0, [1, self.batch])

    def _while_valid(
        self, cell: _Cell, time: ir.Value, value: ir.Value, otherwise: ir.Value
    ) -> ir.Value:
        """`value` for the sequences that are longer than `time`."""
        lengths = self.node.operand(4)
        index = emit.dims(2)

        def body(length: Scalar, new: Scalar, old: Scalar) -> Scalar:
            now = arith.IndexCastOp(length.type, time).result
            valid = arith.CmpIOp(arith.CmpIPredicate.slt, now, length).result
            return arith.SelectOp(valid, new, old).result

        return emit.parallel(
            [lengths, value, otherwise],
            [emit.affine_map(2, index[:1]), *[emit.affine_map(2, index)] * 2],
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
            index = emit.dims(2)
            product = emit.parallel(
                [product, bias],
                [emit.affine_map(2, index), emit.affine_map(2, index[1:])],
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
