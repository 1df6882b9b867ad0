"""What kind of cell a recurrent component is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from noema.analysis.flops import contraction, extent
from noema.dialects.attrs import Role
from noema.dialects.graph import Node
from noema.workload import RecurrentShape

_OPERATORS = {"onnx.LSTM": "lstm", "onnx.GRU": "gru", "onnx.RNN": "rnn"}


def recurrence_of(nodes: Sequence[Node], roles: Mapping[Node, Role]) -> RecurrentShape:
    """The cell of a recurrent component: of an operator, or told by the roles of its gates."""
    operator = next((n for n in nodes if n.key in _OPERATORS), None)
    if operator is not None:
        x, recurrence = operator.operands[0], operator.operands[2]
        steps = x.shape[1 if operator.int("layout") else 0]
        return RecurrentShape(
            cell=_OPERATORS[operator.key],
            inputs=extent(x, -1),
            hidden=extent(recurrence, -1),
            directions=extent(recurrence, 0),
            steps=steps or 0,
        )
    candidates = [n for n in nodes if roles[n] is Role.RECURRENT_CANDIDATE and not n.is_constant]
    hidden = extent(candidates[0].result, _channels(candidates[0]))
    return RecurrentShape(
        cell=_spelled_out(nodes, roles),
        inputs=_inputs(nodes, roles, hidden),
        hidden=hidden,
        directions=1,
        steps=len(candidates),
    )


def _spelled_out(nodes: Sequence[Node], roles: Mapping[Node, Role]) -> str:
    """Which cell it is: only an LSTM's state goes through a function of its own."""
    found = set(roles.values())
    if any(n.key == "activation.tanh" and roles[n] is Role.RECURRENT_CELL for n in nodes):
        return "lstm"
    return "mgu" if Role.RECURRENT_UPDATE in found and Role.RECURRENT_RESET not in found else "gru"


def _inputs(nodes: Sequence[Node], roles: Mapping[Node, Role], hidden: int) -> int:
    """Input features of a cell that is spelled out; 0 if they are multiplied elsewhere."""
    for node in nodes:
        if node.key in ("matmul", "conv"):
            width = extent(node.operands[1], 1) if node.key == "conv" else contraction(node)
            if roles[node] is Role.RECURRENT_INPUT:
                return width
            if roles[node] is Role.RECURRENT_GATES:  # inputs and states side by side
                return width - hidden
    return 0


def _channels(candidate: Node) -> int:
    """The axis of the features: that of images is the second one."""
    return 1 if len(candidate.result.shape) == 4 else -1
