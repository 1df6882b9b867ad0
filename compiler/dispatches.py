"""The dispatches of a compiled program: which ONNX nodes each one computes, and with what.

The compiler lists them (`backend.sites`) and stores them in the artifact's `report.json`; a
profile times them. One executable may be dispatched from many places: each place is a site.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noema.progress import JSON
from noema.records import decode, encode

IREE = "iree"
"""The kind of what IREE's own code generation made."""


@dataclass(frozen=True)
class Site:
    """One place in a program that dispatches an executable.

    Attributes:
        executable: The function that runs, by the name that IREE's runtime reports.
        kind: Family of the kernel (`gemm`, `conv`, `attention`, …), or `iree` for what IREE's own
            code generation made.
        kernel: What it is, in a line: shapes, element types, epilogue and tile of a kernel of ours.
        nodes: The ONNX nodes that it computes, the main one first. Of an executable that IREE made
            and that several sites share, only the main ones of the site.
        component: The component that these belong to; empty if they weren't classified.
        role: Their role in it.
        operations: Arithmetic operations of one execution, a multiply-add counted as two; None if
            that depends on an extent that isn't known.
        bytes: What it reads and writes, each tensor once; None likewise.
        precision: The number format that its products are in: `f32`, `bf16` or `int8`.
        once: Whether it runs when the program is loaded, not in each call.
        declined: Why no kernel of ours serves its nodes, if one might have.
    """

    executable: str
    kind: str
    kernel: str
    nodes: tuple[str, ...]
    component: str = ""
    role: str = ""
    operations: int | None = None
    bytes: int | None = None
    precision: str = "f32"
    once: bool = False
    declined: str = ""

    def to_json(self) -> dict[str, Any]:
        return encode(self)

    @staticmethod
    def from_json(record: Mapping[str, JSON]) -> Site:
        """The inverse of `to_json`.

        Raises:
            ValueError: It isn't such a record.
        """
        try:
            return decode(Site, record)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record of a dispatch: {error}") from error


def labelled(
    sites: Sequence[Site], labels: Mapping[str, tuple[str, str]], declined: Mapping[str, str]
) -> tuple[Site, ...]:
    """The sites with the component and the role of the first of their nodes that has them.

    Args:
        sites: From the backend.
        labels: ONNX node → component and role.
        declined: ONNX node → why no kernel of ours serves it.
    """
    made: list[Site] = []
    for site in sites:
        found = next((labels[node] for node in site.nodes if node in labels), ("", ""))
        why = next((declined[node] for node in site.nodes if node in declined), "")
        made.append(
            dataclasses.replace(
                site,
                component=found[0],
                role=found[1],
                declined=why if site.kind == IREE else "",
            )
        )
    return tuple(made)
