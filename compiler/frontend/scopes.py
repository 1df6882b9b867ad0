"""Where in the exported program a node came from, as far as the exporter wrote it down.

torch's newer exporter leaves a list of module paths in the node's metadata, ending in the name of
the operation itself; its older one, and TensorFlow's, make the path part of the node's name.
"""

from __future__ import annotations

import re

import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"
_QUOTED = re.compile(r"'([^']*)'")
_LONGEST = 4096


def scope_of(node: onnx.NodeProto) -> str:
    """The module path of a node, its parts joined by dots; empty if the file doesn't tell."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            return _innermost(_QUOTED.findall(entry.value[:_LONGEST]))
    return scope_of_name(node.name)


def scope_of_name(name: str) -> str:
    """The module path that a node's name spells: `/encoder/fc/MatMul` is in `encoder.fc`."""
    path: list[str] = []
    for part in name.split("/")[:-1]:
        # `/blocks/blocks.0/fc`: an element of a list of modules repeats the list's name.
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        elif part:
            path.append(part)
    return ".".join(path)


def _innermost(paths: list[str]) -> str:
    # A module's path starts with that of the module around it. The operation's own name doesn't.
    innermost = ""
    for path in paths:
        if not innermost or path.startswith(f"{innermost}."):
            innermost = path
    return innermost
