"""IREE's compiler, in process: MLIR bytecode and flags in, a VM FlatBuffer or diagnostics out.

The compiler can crash on programs it doesn't expect: call this from the compile process only.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iree.compiler import api
from iree.compiler.api import ctypes_dl

from noema.backend.dispatch import fill_in
from noema.errors import CompileFailed
from noema.kernels.kernel import Kernel

DISPATCHES_FORMED = "stream"
"""The phase of IREE's compiler after which a program is a list of dispatches."""

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_SEVERITY = {0: "note", 1: "warning", 2: "error", 3: "remark"}
_LOCATION = re.compile(r"loc\(.*?\): ")
_NAME = re.compile(r'loc\([^"]*"((?:[^"\\]|\\.)*)"')


def generate(
    bytecode: bytes,
    flags: Sequence[str],
    kernels: Mapping[str, Kernel] | None = None,
    look: Callable[[Any], None] | None = None,
) -> bytes:
    """Compiles a module to a VM FlatBuffer.

    Args:
        bytecode: MLIR bytecode (or text) in linalg and below.
        flags: IREE compiler flags.
        kernels: What the functions that it only declares are.
        look: Is shown the module, in IREE's context, once its dispatches are formed.

    Raises:
        CompileFailed: With IREE's diagnostics and, where one names it, the ONNX node.
    """
    messages: list[str] = []

    def collect(severity: int, text: int, size: int, _data: int) -> None:
        message = ctypes.string_at(text, size).decode("utf-8", "replace")
        messages.append(f"{_SEVERITY.get(severity, 'note')}: {message}")

    callback = _CALLBACK(collect)
    # The bindings wrap everything but this callback.
    library: Any = ctypes_dl._dylib  # pyright: ignore[reportPrivateUsage]
    enable = library.ireeCompilerInvocationEnableCallbackDiagnostics
    enable.argtypes = [ctypes.c_void_p, ctypes.c_int, _CALLBACK, ctypes.c_void_p]
    enable.restype = None
    session = api.Session()
    try:
        session.set_flags(*flags)
        invocation = session.invocation()
        enable(invocation._inv_p, 0, callback, None)  # pyright: ignore[reportPrivateUsage]
        source = api.Source.wrap_buffer(session, bytecode)
        if not invocation.parse_source(source):
            raise _failure(messages)
        if kernels:
            module = invocation.export_module()
            fill_in(module, kernels)
            invocation.import_module(module)
        if look is not None:
            _run_phases(invocation, "start", DISPATCHES_FORMED, messages)
            module = invocation.export_module()
            look(module)
            invocation.import_module(module)
            _run_phases(invocation, DISPATCHES_FORMED, "end", messages)
        elif not invocation.execute():
            raise _failure(messages)
        output = api.Output.open_membuffer()
        try:
            invocation.output_vm_bytecode(output)
            return bytes(output.map_memory())
        finally:
            output.close()
    finally:
        session.close()


def _run_phases(invocation: Any, after: str, until: str, messages: Sequence[str]) -> None:
    """Runs part of the compiler; its parts give what the whole gives, byte for byte."""
    library: Any = ctypes_dl._dylib  # pyright: ignore[reportPrivateUsage]
    for function, phase in (
        (library.ireeCompilerInvocationSetCompileFromPhase, after),
        (library.ireeCompilerInvocationSetCompileToPhase, until),
    ):
        function.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        function.restype = None
        function(invocation._inv_p, phase.encode())
    if not invocation.execute():
        raise _failure(messages)


def _failure(messages: Sequence[str]) -> CompileFailed:
    errors = [m for m in messages if m.startswith("error")] or list(messages)
    found = next((m for m in map(_NAME.search, errors) if m), None)
    node = found.group(1) if found else None
    return CompileFailed(
        "code generation refused the program",
        diagnostics=[headline(m) for m in errors[:8]],
        node=node,
        remedy="this is a limit of the code generator: please report it with the model",
    )


def headline(text: str, limit: int = 300) -> str:
    """One line of a diagnostic, with its ONNX node in place of the location, cut at `limit`."""
    # What follows the first line is the IR of the op, of any length; and the location of a fused op
    # lists all its nodes, of which the first says enough.
    line = _LOCATION.sub(_first_name, text.splitlines()[0], count=1)
    return line if len(line) <= limit else f"{line[:limit]} …"


def _first_name(location: re.Match[str]) -> str:
    named = _NAME.match(location.group())
    return f"node '{named.group(1)}': " if named else ""
