"""Calls of generated kernels: declared functions here, which the backend fills in.

A lowering that has a kernel for its op names the weights in the form that the kernel reads, and
calls it; they are packed when they are read, which is when the artifact is written. What the kernel
is lies beside the module (`Lowered.kernels`), not in it; the declaration's attribute `noema.kernel`
tells a reader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch_mlir import ir
from torch_mlir.dialects import func

from noema.dtypes import from_mlir
from noema.kernels.executable import Tensor
from noema.kernels.kernel import Isa, Kernel, name_of
from noema.lowering import emit
from noema.parameters import ParameterStore

_ELEMENTS = {"f32": "f32", "bf16": "bf16", "i8": "i8", "i32": "i32", "i64": "i64", "i1": "i1"}


@dataclass
class KernelCalls:
    """The kernels of one program, as its lowering comes to need them.

    Attributes:
        isa: What they are printed for; None where the target has none.
        threads: Workers that will share a kernel's work.
        module: Gets the declarations.
        parameters: Gets the packed weights.
        load: Loads a parameter, by its name, where the function begins.
        kernels: Function name → kernel, of those called.
        called: Names of the functions called, in order.
        served: What each op came to: its ONNX nodes, and the functions that compute it.
        declined: ONNX node → why no kernel serves it.
        narrowed: `sem` value → the same rounded to bf16, where the kernel that made it gave both.
    """

    isa: Isa | None
    threads: int
    module: ir.Module
    parameters: ParameterStore
    load: Callable[[str], ir.Value]
    kernels: dict[str, Kernel] = field(default_factory=dict[str, Kernel])
    called: list[str] = field(default_factory=list[str])
    served: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(
        default_factory=list[tuple[tuple[str, ...], tuple[str, ...]]]
    )
    declined: dict[str, str] = field(default_factory=dict[str, str])
    narrowed: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])

    def call(
        self,
        kernel: Kernel,
        operands: Sequence[ir.Value],
        symbols: Mapping[str, emit.Extent] | None = None,
    ) -> list[ir.Value]:
        """Calls a kernel at the current insertion point.

        Args:
            kernel: Which one.
            operands: As its interface says; reshaped where only the extents differ.
            symbols: The values of its symbols.

        Returns:
            Its results, of the interface's extents.
        """
        interface = kernel.interface
        name = name_of(kernel)
        known = dict(symbols or {})
        types = [tensor_type(t) for t in interface.operands]
        results = [tensor_type(t) for t in interface.results]
        index = ir.IndexType.get()
        if name not in self.kernels:
            self.kernels[name] = kernel
            with ir.InsertionPoint.at_block_begin(self.module.body), ir.Location.unknown():
                declared = func.FuncOp(
                    name,
                    ([*types, *[index] * len(interface.symbols)], results),
                    visibility="private",
                )
            declared.attributes["noema.kernel"] = ir.StringAttr.get(kernel.describe())
        given = [
            shaped(v, [known[e] if isinstance(e, str) else e for e in t.extents])
            for v, t in zip(operands, interface.operands, strict=True)
        ]
        given = [emit.cast_type(v, t) for v, t in zip(given, types, strict=True)]
        sizes = [emit.as_index(known[s]) for s in interface.symbols]
        self.called.append(name)
        made = func.CallOp(results, name, [*given, *sizes])
        return list(made.results)

    def packed(
        self, source: str, form: str, stored: Tensor, make: Callable[[], NDArray[np.generic]]
    ) -> ir.Value:
        """A weight in the form that a kernel reads, made once for all that share it.

        Args:
            source: Name of what it is made of: a parameter's, or `constant_name`.
            form: What distinguishes it from other forms of the source.
            stored: Its element type and static extents.
            make: Makes it, when the program's weights are read.
        """
        name = f"{source}#{form}"
        if name not in self.parameters:
            shape = tuple(e for e in stored.extents if isinstance(e, int))
            self.parameters.derive(name, from_mlir(stored.element), shape, make)
        return self.load(name)


def constant_name(array: NDArray[np.generic]) -> str:
    """A name for an array that isn't a parameter: of its contents."""
    content = np.ascontiguousarray(array)
    digest = hashlib.sha256(content.view(np.uint8).data).hexdigest()[:16]
    return f"constant.{digest}"


def tensor_type(tensor: Tensor) -> ir.RankedTensorType:
    """The builtin type of a kernel's operand or result."""
    extents: list[int | None] = [None if isinstance(e, str) else e for e in tensor.extents]
    return emit.tensor_type(extents, ir.Type.parse(_ELEMENTS[tensor.element]))


def shaped(value: ir.Value, extents: Sequence[emit.Extent]) -> ir.Value:
    """The value reshaped to these extents, if it has others."""
    known = [d if isinstance(d, int) else None for d in extents]
    return value if emit.shape_of(value) == known else emit.reshape(value, extents)
