"""A part of the network: a component together with the nodes that it is made of.

`workload.Component` is what the caller gets, in names; this is what the stages of the analysis
hand to each other, in nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from noema.dialects.attrs import Role
from noema.dialects.graph import Node
from noema.workload import AttentionShape, ComponentKind, RecurrentShape


@dataclass(frozen=True)
class Part:
    """One component before it is measured; every node of the graph is in exactly one.

    Attributes:
        name: Hierarchical and unique, e.g. `encoder.3.attention`.
        kind: What it is.
        role: Its role in the layer around it (`noema.dialects.attrs.Role`).
        phase: When it runs (`attrs.Phase`).
        modality: What its data is (`attrs.Modality`).
        nodes: Its nodes of the graph, in program order.
        names: Names of its ONNX nodes, in the file's order.
        attention: Its attention, if kind is attention.
        recurrent: Its cell, if kind is recurrent.
        roles: What each node is there for.
    """

    name: str
    kind: ComponentKind
    role: str
    phase: str
    modality: str
    nodes: tuple[Node, ...]
    names: tuple[str, ...]
    attention: AttentionShape | None = None
    recurrent: RecurrentShape | None = None
    roles: Mapping[Node, Role] = field(default_factory=dict[Node, Role])
