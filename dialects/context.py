"""MLIR contexts in which `sem` and everything that it lowers to is loaded."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.dialects._ods_common import _cext
from torch_mlir.passmanager import PassManager

from noema.dialects import optimized, sem

OP_MODULES = (sem, optimized)
"""Where the ops of the dialect are defined: loading it loads what these hold."""


def new_context(*, lowers: bool = True) -> ir.Context:
    """A context with the sem dialect, single-threaded.

    Unregistered dialects are allowed, because parameters are spelled with an attribute of a
    dialect that only the code generator knows (`#flow.parameter.named`).

    Args:
        lowers: Whether `sem` will be lowered in it: then the torch and upstream dialects are there
            as well, which takes four times as long. Without them, ops of other dialects than
            `func` can only come from parsed text.
    """
    # A class lookup by module name (`noema.dialects.sem`) is 40 times faster than the fallback.
    _cext.globals.append_dialect_search_prefix("noema.dialects")
    context = ir.Context() if lowers else ir.Context(load_on_create_dialects=["func", "irdl"])
    # Python verifiers deadlock when MLIR calls them from its own threads.
    context.enable_multithreading(False)
    context.allow_unregistered_dialects = True
    with context, ir.Location.unknown():
        if lowers:
            torch_dialect.register_dialect(context)
            # `torch_c` isn't loaded by register_dialect; running this pipeline on nothing loads it.
            PassManager.parse(
                "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline)"
            ).run(ir.Module.create().operation)
        sem.Sem.load()
    return context
