"""Runs one kernel on numpy arrays, as a program of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import iree.runtime as rt
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from noema.backend import cpu
from noema.backend.base import COMMON
from noema.backend.iree import generate
from noema.kernels.executable import Tensor
from noema.kernels.kernel import Isa, Kernel, isa_of, name_of
from noema.runtime.cpu import this_cpu
from noema.runtime.device import open_device

DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "i8": np.dtype(np.int8),
    "i32": np.dtype(np.int32),
    "i64": np.dtype(np.int64),
    "i1": np.dtype(np.bool_),
}


def this_isa() -> Isa | None:
    """What this machine offers to kernels."""
    cpu_ = this_cpu()
    return isa_of(cpu_.machine, cpu_.features, cpu_.caches.get("L2", 512 << 10))


class KernelProgram:
    """A kernel compiled for this machine, with everything that it needs to be called.

    Args:
        kernel: Which one.
        threads: Workers; 1 is the calling thread.
    """

    def __init__(self, kernel: Kernel, threads: int = 1) -> None:
        self.kernel = kernel
        program = generate(
            program_text(kernel).encode(), [*COMMON, *cpu.flags("host")], {name_of(kernel): kernel}
        )
        self.device = open_device("cpu", threads)
        self._config = rt.Config(device=self.device.hal)
        vm_module = rt.VmModule.copy_buffer(self._config.vm_instance, program)
        self._module: Any = rt.load_vm_module(vm_module, self._config)

    def __call__(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Runs it on copies of `arrays`; symbols take their values from the arrays' shapes."""
        outs = self.call(*map(self.place, arrays))
        dtypes = [DTYPES[t.element] for t in self.kernel.interface.results]
        return [np.array(o.to_host()).view(d) for o, d in zip(outs, dtypes, strict=True)]

    def place(self, array: NDArray[Any]) -> Any:
        """Copies an array to where the program can read it."""
        return rt.asdevicearray(self._config.device, np.ascontiguousarray(array))

    def call(self, *placed: Any) -> list[Any]:
        """One call on placed arrays: what a timing measures."""
        outs = self._module.main(*placed)
        return list(outs) if isinstance(outs, tuple) else [outs]


def program_text(kernel: Kernel) -> str:
    """A module whose `main` calls the kernel."""
    interface = kernel.interface
    operands = [f"%a{i}" for i in range(len(interface.operands))]
    types = [t.type for t in interface.operands]
    results = ", ".join(t.type for t in interface.results)
    dims: list[str] = []
    for symbol in interface.symbols:
        tensor, axis = _where(interface.operands, symbol)
        dims.append(
            f"%c_{symbol} = arith.constant {axis} : index\n"
            f"%{symbol} = tensor.dim %a{tensor}, %c_{symbol} : {types[tensor]}"
        )
    symbols = [f"%{s}" for s in interface.symbols]
    signature = ", ".join([*types, *["index"] * len(symbols)])
    name = name_of(kernel)
    count = len(interface.results)
    outs = ", ".join([f"%r#{i}" for i in range(count)] if count > 1 else ["%r"])
    return f"""
func.func private @{name}({signature}) -> ({results})
func.func @main({", ".join(f"{o}: {t}" for o, t in zip(operands, types, strict=True))})
    -> ({results}) {{
{chr(10).join(dims)}
%r{f":{count}" if count > 1 else ""} = func.call @{name}({", ".join([*operands, *symbols])})
    : ({signature}) -> ({results})
return {outs} : {results}
}}"""


def _where(tensors: Sequence[Tensor], symbol: str) -> tuple[int, int]:
    return next(
        (i, tensor.extents.index(symbol))
        for i, tensor in enumerate(tensors)
        if symbol in tensor.extents
    )
