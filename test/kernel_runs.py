"""Runs one kernel on numpy arrays, as a program of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import iree.runtime as rt
import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from guarded_memory import GuardedMemory
from noema.backend import cpu
from noema.backend.base import COMMON
from noema.backend.iree import generate
from noema.kernels.executable import Interface, Tensor
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

_TYPE: Any = rt.HalElementType  # the stubs miss that these are integers
ELEMENT_TYPES: dict[str, int] = {
    "f32": int(_TYPE.FLOAT_32),
    "bf16": int(_TYPE.BFLOAT_16),
    "i8": int(_TYPE.SINT_8),
    "i32": int(_TYPE.SINT_32),
    "i64": int(_TYPE.SINT_64),
    "i1": int(_TYPE.BOOL_8),
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

    def __call__(self, *arrays: NDArray[Any], **symbols: int) -> list[NDArray[Any]]:
        """Runs it on copies of `arrays`.

        Symbols take their values from the arrays' shapes; `symbols` are those that only results
        have.
        """
        outs = self.call(*map(self.place, arrays), *self._own(symbols))
        dtypes = [DTYPES[t.element] for t in self.kernel.interface.results]
        return [np.array(o.to_host()).view(d) for o, d in zip(outs, dtypes, strict=True)]

    def place(self, array: NDArray[Any]) -> Any:
        """Copies an array to where the program can read it."""
        return rt.asdevicearray(self._config.device, np.ascontiguousarray(array))

    def call(self, *placed: Any) -> list[Any]:
        """One call on placed arrays: what a timing measures."""
        outs = self._module.main(*placed)
        return list(outs) if isinstance(outs, tuple) else [outs]

    def _own(self, symbols: Mapping[str, int]) -> list[int]:
        return [symbols[name] for name in result_symbols(self.kernel.interface)]

    def guarded(self, *arrays: NDArray[Any], **symbols: int) -> list[NDArray[Any]]:
        """Runs it with every operand and result at the end of accessible memory.

        Reading or writing 64 bytes beyond one, or one byte if its size is a multiple of 64, ends
        the process with a segmentation fault. `symbols` as in a call.
        """
        interface = self.kernel.interface
        own = self._own(symbols)
        for tensor, array in zip(interface.operands, arrays, strict=True):
            names = zip(tensor.extents, array.shape, strict=True)
            symbols.update((e, size) for e, size in names if isinstance(e, str))
        memory = [GuardedMemory(a.shape, a.dtype) for a in arrays]
        for block, array in zip(memory, arrays, strict=True):
            block.array[...] = array
        for tensor in interface.results:
            extents = [symbols[e] if isinstance(e, str) else e for e in tensor.extents]
            memory.append(GuardedMemory(extents, DTYPES[tensor.element]))
        tensors = (*interface.operands, *interface.results)
        placed = [self._lend(b.array, t.element) for b, t in zip(memory, tensors, strict=True)]
        outs = self._module.in_place(*placed[: len(arrays)], *own, *placed[len(arrays) :])
        del outs, placed
        return [block.array.copy() for block in memory[len(arrays) :]]

    def _lend(self, array: NDArray[Any], element: str) -> Any:
        kind = int(rt.MemoryType.DEVICE_LOCAL | rt.MemoryType.HOST_VISIBLE)
        usage = int(rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING)
        raw = array.reshape(-1).view(np.uint8)
        buffer = self.device.hal.allocator.import_host_allocation(raw, kind, usage)
        view = rt.HalBufferView(buffer, array.shape, ELEMENT_TYPES[element])
        return rt.DeviceArray(self.device.hal, view)


def program_text(kernel: Kernel) -> str:
    """A module whose `main` calls the kernel."""
    interface = kernel.interface
    operands = [f"%a{i}" for i in range(len(interface.operands))]
    types = [t.type for t in interface.operands]
    results = ", ".join(t.type for t in interface.results)
    dims: list[str] = []
    given = result_symbols(interface)
    for symbol in interface.symbols:
        if symbol in given:
            dims.append(f"%{symbol} = arith.index_cast %g_{symbol} : i64 to index")
            continue
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
    named = [f"{o}: {t}" for o, t in zip(operands, types, strict=True)]
    arguments = ", ".join([*named, *(f"%g_{symbol}: i64" for symbol in given)])
    # Results in memory of the caller's.
    storage = ", ".join(
        f"%out{i}: {t.type} {{iree.abi.output = {i} : index}}"
        for i, t in enumerate(interface.results)
    )
    body = f"""{chr(10).join(dims)}
%r{f":{count}" if count > 1 else ""} = func.call @{name}({", ".join([*operands, *symbols])})
    : ({signature}) -> ({results})
return {outs} : {results}"""
    return f"""
func.func private @{name}({signature}) -> ({results})
func.func @main({arguments}) -> ({results}) {{
{body}
}}
func.func @in_place({arguments}, {storage}) -> ({results}) {{
{body}
}}"""


def result_symbols(interface: Interface) -> list[str]:
    """Symbols that only results have."""
    known = {e for t in interface.operands for e in t.extents}
    return [symbol for symbol in interface.symbols if symbol not in known]


def _where(tensors: Sequence[Tensor], symbol: str) -> tuple[int, int]:
    return next(
        (i, tensor.extents.index(symbol))
        for i, tensor in enumerate(tensors)
        if symbol in tensor.extents
    )
