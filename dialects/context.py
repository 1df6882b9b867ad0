"""MLIR contexts in which `sem` and everything that it lowers to is loaded."""

from __future__ import annotations

from torch_mlir import ir
from torch_mlir.dialects import torch as torch_dialect
from torch_mlir.dialects._ods_common import _cext
from torch_mlir.passmanager import PassManager

from noema.dialects.sem import Sem


def new_context() -> ir.Context:
    """A context with the sem, torch and upstream dialects, single-threaded.

    Unregistered dialects are allowed, because parameters are spelled with an attribute of a
    dialect that only the code generator knows (`#flow.parameter.named`).
    """
    # A class lookup by module name (`noema.dialects.sem`) is 40 times faster than the fallback.
    _cext.globals.append_dialect_search_prefix("noema.dialects")
    context = ir.Context()
    # Python verifiers deadlock when MLIR calls them from its own threads.
    context.enable_multithreading(False)
    context.allow_unregistered_dialects = True
    with context, ir.Location.unknown():
        torch_dialect.register_dialect(context)
        # `torch_c` isn't loaded by register_dialect; running this pipeline on nothing loads it.
        PassManager.parse(
            "builtin.module(torch-backend-to-linalg-on-tensors-backend-pipeline)"
        ).run(ir.Module.create().operation)
        Sem.load()
    return context
