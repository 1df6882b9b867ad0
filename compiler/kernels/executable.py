"""Wraps a printed body into a `stream.executable`, which IREE dispatches as it is.

A kernel's interface is a list of tensors, read and written, of static extents or of symbols; a
symbol is an index operand after the tensors, so that one kernel serves all its values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from noema.kernels.printer import Buffer, Index, Printer, Value

Extent = int | str
"""An extent: known, or the name of a symbol."""


@dataclass(frozen=True)
class Tensor:
    """An operand or a result of a kernel.

    Attributes:
        element: MLIR element type.
        extents: Row-major, contiguous.
    """

    element: str
    extents: tuple[Extent, ...]

    @property
    def type(self) -> str:
        """As a builtin tensor type."""
        return f"tensor<{self._shape(self.element)}>"

    @property
    def memref(self) -> str:
        """As a memref type."""
        return f"memref<{self._shape(self.stored)}>"

    @property
    def stored(self) -> str:
        """Element type in memory: a boolean is a byte, 0 or 1."""
        return "i8" if self.element == "i1" else self.element

    def _shape(self, element: str) -> str:
        extents = ["?" if isinstance(e, str) else str(e) for e in self.extents]
        return "x".join([*extents, element])


@dataclass(frozen=True)
class Interface:
    """What a kernel takes and gives.

    Attributes:
        operands: What it reads.
        results: What it writes, each in whole.
    """

    operands: tuple[Tensor, ...]
    results: tuple[Tensor, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbolic extents, in order of appearance."""
        found: dict[str, None] = {}
        for tensor in (*self.operands, *self.results):
            found.update((e, None) for e in tensor.extents if isinstance(e, str))
        return tuple(found)


Symbols = Mapping[str, Value]
"""Symbol → its value."""


def value_of(extent: Extent, symbols: Symbols) -> Index:
    """An extent of an interface as an index."""
    return symbols[extent] if isinstance(extent, str) else extent


@dataclass(frozen=True)
class Scope:
    """What a body is printed with.

    Attributes:
        printer: Where to.
        operands: The buffers it reads.
        results: The buffers it writes.
        symbols: Symbol → its value.
        workgroup: x, y, z of this workgroup.
    """

    printer: Printer
    operands: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    symbols: Symbols
    workgroup: tuple[Value, Value, Value]

    def extent(self, extent: Extent) -> Index:
        """An extent of the interface as an index."""
        return value_of(extent, self.symbols)


Grid = Callable[[Printer, Symbols], Sequence[Index]]
"""Prints how many workgroups there are: x, y, z."""


def executable(name: str, interface: Interface, grid: Grid, body: Callable[[Scope], None]) -> str:
    """A `stream.executable` @name that exports @name.

    Args:
        name: Its symbol.
        interface: What it takes and gives.
        grid: How many workgroups to run.
        body: Prints what one of them does.
    """
    symbols = {s: Value(f"%{s}", "index") for s in interface.symbols}
    counts = Printer()
    xyz = [*grid(counts, symbols), 1, 1][:3]
    names = ", ".join(str(counts.index(i)) for i in xyz)
    workload = ", ".join(f"{v}: index" for v in symbols.values())
    tensors = [*interface.operands, *interface.results]
    # The order of a dispatch: operands, index operands, results.
    split = len(interface.operands)
    parameters = [f"%binding{i}: !stream.binding" for i in range(split)]
    parameters += [f"{v}: index" for v in symbols.values()]
    parameters += [f"%binding{i}: !stream.binding" for i in range(split, len(tensors))]
    printer = Printer()
    buffers = [_buffer(printer, i, t, symbols) for i, t in enumerate(tensors)]
    x, y, z = (printer.op(f"stream.dispatch.workgroup.id[{i}] : index", "index") for i in range(3))
    body(Scope(printer, tuple(buffers[:split]), tuple(buffers[split:]), symbols, (x, y, z)))
    return f"""stream.executable private @{name} {{
stream.executable.export public @{name} workgroups({workload}) -> (index, index, index) {{
{counts.text()}
stream.return {names} : index, index, index
}}
builtin.module {{
func.func @{name}({", ".join(parameters)}) {{
{printer.text()}
return
}}
}}
}}"""


def _buffer(printer: Printer, number: int, tensor: Tensor, symbols: Symbols) -> Buffer:
    dynamic = ", ".join(str(symbols[e]) for e in tensor.extents if isinstance(e, str))
    extents = f"{{{dynamic}}}" if dynamic else ""
    value = printer.op(
        f"stream.binding.subspan %binding{number}[{printer.index(0)}] : !stream.binding -> "
        f"{tensor.memref}{extents}",
        tensor.memref,
    )
    return Buffer(
        value,
        tensor.stored,
        tuple(value_of(e, symbols) for e in tensor.extents),
    )
