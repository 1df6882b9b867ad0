"""The artifact: one `.noema` file that holds a compiled program and all it needs to run.

A zip of stored members: `program.vmfb` (code for IREE), `weights.bin` (every weight on a 64-byte
boundary, to be mapped), `report.json` (what the compiler did, for people) and `manifest.json`.
The end record holds the manifest's SHA-256, the manifest holds the others' digests, and all of it
is checked before anything is mapped or handed to IREE: a `.vmfb` is native code.

The compiled module's side of the contract (its *calling convention*):

* The function called `Manifest.function` takes the signature's inputs and returns its outputs, in
  order, as tensors (IREE buffer views, dense, row-major).
* Integers are signless (`uint8` is `i8`), floats and complex are themselves, `bool` is `i1`, which
  IREE passes as one byte, of which it reads the lowest bit. Integers narrower than 8 bits and
  floats of 8 bits and less cross as `i8`, one element per byte, as numpy holds them.
* Weights are `#flow.parameter.named<"model"::"NAME">`, NAME verbatim from the parameter store.

Importing this package loads numpy but neither IREE nor any compile stage.
"""

from __future__ import annotations

from noema.artifact.manifest import Manifest, Member, Requirements, StoredParameter
from noema.artifact.reader import Artifact, open_artifact
from noema.artifact.writer import write

PARAMETER_SCOPE = "model"
"""Scope of the weights' names in the compiled module."""

__all__ = [
    "PARAMETER_SCOPE",
    "Artifact",
    "Manifest",
    "Member",
    "Requirements",
    "StoredParameter",
    "open_artifact",
    "write",
]
