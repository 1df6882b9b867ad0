"""Prints the operations of a kernel: SSA names, folded index arithmetic, loops, vectors.

The text is all that a kernel is. An index is a Python int where its value is known, and
arithmetic on ints is done here, so that a generator reads the same for static and dynamic extents.
Constants are printed once, at the function's entry.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Value:
    """An SSA value.

    Attributes:
        name: As printed, e.g. `%12`.
        type: Its MLIR type.
    """

    name: str
    type: str

    def __str__(self) -> str:
        return self.name


Index = int | Value
"""An index: known now, or when the kernel runs."""


@dataclass(frozen=True)
class Buffer:
    """Memory that a kernel reads or writes.

    Attributes:
        value: The memref.
        element: Its element type.
        extents: Its extents.
    """

    value: Value
    element: str
    extents: tuple[Index, ...]


@dataclass
class Loop:
    """A loop being printed: `index` counts, `carried` are the values that each turn takes over.

    `give` ends a turn with the next values; `results` are the last ones, once the loop is closed.
    """

    index: Value
    carried: tuple[Value, ...]
    given: tuple[Value, ...] | None = None
    results: tuple[Value, ...] = ()

    def give(self, values: Sequence[Value]) -> None:
        self.given = tuple(values)


@dataclass
class Printer:
    """Prints one function body, in order."""

    _entry: list[str] = field(default_factory=list[str])
    _lines: list[str] = field(default_factory=list[str])
    _constants: dict[tuple[str, str], Value] = field(default_factory=dict[tuple[str, str], Value])
    _count: int = 0

    def text(self) -> str:
        """What was printed: constants first."""
        return "\n".join([*self._entry, *self._lines])

    def _new(self, type_: str) -> Value:
        self._count += 1
        return Value(f"%{self._count}", type_)

    def op(self, text: str, type_: str) -> Value:
        """Prints an operation with one result of `type_`; `text` is all that follows the `=`."""
        result = self._new(type_)
        self._lines.append(f"{result} = {text}")
        return result

    def do(self, text: str) -> None:
        """Prints an operation without results."""
        self._lines.append(text)

    # --- constants and index arithmetic ---

    def constant(self, value: str, type_: str) -> Value:
        """A constant, e.g. `("dense<0.0>", "vector<16xf32>")`."""
        made = self._constants.get((value, type_))
        if made is None:
            made = self._new(type_)
            self._constants[value, type_] = made
            literal = value if type_ == "index" else f"{value} : {type_}"
            suffix = " : index" if type_ == "index" else ""
            self._entry.append(f"{made} = arith.constant {literal}{suffix}")
        return made

    def splat(self, number: float, lanes: int, element: str = "f32") -> Value:
        """A vector of one number."""
        literal = _literal(number, element) if element[0] in "fb" else str(int(number))
        return self.constant(f"dense<{literal}>", f"vector<{lanes}x{element}>")

    def index(self, value: Index) -> Value:
        """The index as an SSA value."""
        return value if isinstance(value, Value) else self.constant(str(value), "index")

    def add(self, a: Index, b: Index) -> Index:
        """a + b."""
        if isinstance(a, int) and isinstance(b, int):
            return a + b
        if a == 0:
            return b
        return a if b == 0 else self._binary("arith.addi", a, b)

    def sub(self, a: Index, b: Index) -> Index:
        """a − b."""
        if isinstance(a, int) and isinstance(b, int):
            return a - b
        return a if b == 0 else self._binary("arith.subi", a, b)

    def mul(self, a: Index, b: Index) -> Index:
        """a · b."""
        if isinstance(a, int) and isinstance(b, int):
            return a * b
        if a == 0 or b == 0:
            return 0
        if a == 1:
            return b
        return a if b == 1 else self._binary("arith.muli", a, b)

    def div(self, a: Index, b: Index) -> Index:
        """⌊a / b⌋ of indices that aren't negative."""
        if isinstance(a, int) and isinstance(b, int):
            return a // b
        return a if b == 1 else self._binary("arith.divui", a, b)

    def rem(self, a: Index, b: Index) -> Index:
        """a mod b of indices that aren't negative."""
        if isinstance(a, int) and isinstance(b, int):
            return a % b
        return 0 if b == 1 else self._binary("arith.remui", a, b)

    def ceildiv(self, a: Index, b: Index) -> Index:
        """⌈a / b⌉ of indices that aren't negative."""
        return self.div(self.add(a, self.sub(b, 1)), b)

    def min(self, a: Index, b: Index) -> Index:
        """The lesser, as signed numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return min(a, b)
        return self._binary("arith.minsi", a, b)

    def max(self, a: Index, b: Index) -> Index:
        """The greater, as signed numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return max(a, b)
        return self._binary("arith.maxsi", a, b)

    def sum(self, *terms: Index) -> Index:
        """The sum of all; known terms are added up first."""
        total: Index = sum(t for t in terms if isinstance(t, int))
        for term in terms:
            if not isinstance(term, int):
                total = self.add(term, total)
        return total

    def _binary(self, name: str, a: Index, b: Index) -> Value:
        return self.op(f"{name} {self.index(a)}, {self.index(b)} : index", "index")

    def compare(self, predicate: str, a: Index, b: Index) -> Value:
        """`arith.cmpi` of indices: `slt`, `ult`, `eq`."""
        return self.op(f"arith.cmpi {predicate}, {self.index(a)}, {self.index(b)} : index", "i1")

    def less(self, a: Index, b: Index) -> Value | bool:
        """a < b, as signed numbers."""
        if isinstance(a, int) and isinstance(b, int):
            return a < b
        return self.compare("slt", a, b)

    def both(self, a: Value | bool, b: Value | bool) -> Value | bool:
        """Whether both hold."""
        if isinstance(a, bool):
            return b if a else False
        if isinstance(b, bool):
            return a if b else False
        return self.op(f"arith.andi {a}, {b} : i1", "i1")

    # --- memory ---

    def load(self, buffer: Buffer, at: Sequence[Index], lanes: int) -> Value:
        """`lanes` elements along the last dimension."""
        type_ = f"vector<{lanes}x{buffer.element}>"
        return self.op(
            f"vector.load {buffer.value}[{self._at(at)}] : {buffer.value.type}, {type_}", type_
        )

    def store(self, value: Value, buffer: Buffer, at: Sequence[Index]) -> None:
        """Stores a vector along the last dimension."""
        self.do(
            f"vector.store {value}, {buffer.value}[{self._at(at)}] : "
            f"{buffer.value.type}, {value.type}"
        )

    def load_masked(
        self, buffer: Buffer, at: Sequence[Index], mask: Value, otherwise: Value
    ) -> Value:
        """A vector of which only the lanes of `mask` are read."""
        return self.op(
            f"vector.maskedload {buffer.value}[{self._at(at)}], {mask}, {otherwise} : "
            f"{buffer.value.type}, {mask.type}, {otherwise.type} into {otherwise.type}",
            otherwise.type,
        )

    def store_masked(self, value: Value, buffer: Buffer, at: Sequence[Index], mask: Value) -> None:
        """Stores the lanes of `mask`."""
        self.do(
            f"vector.maskedstore {buffer.value}[{self._at(at)}], {mask}, {value} : "
            f"{buffer.value.type}, {mask.type}, {value.type}"
        )

    def mask(self, count: Index, lanes: int) -> Value:
        """The first `count` of `lanes`; all of them if there are more."""
        if isinstance(count, int):
            count = max(0, min(count, lanes))
        return self.op(
            f"vector.create_mask {self.index(count)} : vector<{lanes}xi1>", f"vector<{lanes}xi1>"
        )

    def read(self, buffer: Buffer, at: Sequence[Index]) -> Value:
        """One element."""
        return self.op(
            f"memref.load {buffer.value}[{self._at(at)}] : {buffer.value.type}", buffer.element
        )

    def write(self, value: Value, buffer: Buffer, at: Sequence[Index]) -> None:
        """One element."""
        self.do(f"memref.store {value}, {buffer.value}[{self._at(at)}] : {buffer.value.type}")

    def prefetch(self, buffer: Buffer, at: Sequence[Index], locality: int = 2) -> None:
        """Asks for a cache line before it is needed; 3 keeps it closest, 0 doesn't keep it."""
        self.do(
            f"memref.prefetch {buffer.value}[{self._at(at)}], read, locality<{locality}>, data : "
            f"{buffer.value.type}"
        )

    def scratch(self, extents: Sequence[int], element: str) -> Buffer:
        """Memory of this workgroup, on its thread's stack, 64-byte aligned. Not initialised."""
        type_ = f"memref<{'x'.join(map(str, extents))}x{element}>"
        value = self._new(type_)
        self._entry.append(
            f'{value} = "memref.alloca"() '
            f"<{{alignment = 64 : i64, operandSegmentSizes = array<i32: 0, 0>}}> : () -> {type_}"
        )
        return Buffer(value, element, tuple(extents))

    def _at(self, at: Sequence[Index]) -> str:
        return ", ".join(str(self.index(i)) for i in at)

    # --- vectors ---

    def broadcast(self, scalar: Value, lanes: int) -> Value:
        """A vector of one scalar."""
        type_ = f"vector<{lanes}x{scalar.type}>"
        return self.op(f"vector.broadcast {scalar} : {scalar.type} to {type_}", type_)

    def bitcast(self, value: Value, type_: str) -> Value:
        """The same bits as another vector type."""
        return self.op(f"vector.bitcast {value} : {value.type} to {type_}", type_)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a · b + c, rounded once."""
        return self.op(f"vector.fma {a}, {b}, {c} : {a.type}", a.type)

    def arith(self, name: str, *operands: Value) -> Value:
        """An `arith` or `math` operation that gives the type it takes: `arith.addf`, `math.exp`."""
        names = ", ".join(map(str, operands))
        return self.op(f"{name} {names} : {operands[0].type}", operands[0].type)

    def compare_floats(self, predicate: str, a: Value, b: Value) -> Value:
        """`arith.cmpf` of scalars or vectors: `olt`, `oge`, `uno`."""
        type_ = "i1" if "x" not in a.type else f"{a.type.rpartition('x')[0]}xi1>"
        return self.op(f"arith.cmpf {predicate}, {a}, {b} : {a.type}", type_)

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """A where the condition holds, else b; for vectors lane by lane."""
        types = a.type if condition.type == "i1" else f"{condition.type}, {a.type}"
        return self.op(f"arith.select {condition}, {a}, {b} : {types}", a.type)

    def convert(self, name: str, value: Value, type_: str) -> Value:
        """A conversion: `arith.extf`, `arith.truncf`, `arith.sitofp`."""
        return self.op(f"{name} {value} : {value.type} to {type_}", type_)

    def call_intrinsic(self, name: str, operands: Sequence[Value], type_: str) -> Value:
        """An LLVM intrinsic, by its name in LLVM."""
        names, types = ", ".join(map(str, operands)), ", ".join(o.type for o in operands)
        return self.op(f'llvm.call_intrinsic "{name}"({names}) : ({types}) -> {type_}', type_)

    # --- control ---

    @contextmanager
    def loop(
        self, low: Index, high: Index, step: Index = 1, carried: Sequence[Value] = ()
    ) -> Generator[Loop]:
        """A counted loop; what stands in the `with` is its body."""
        low, high, step = self.index(low), self.index(high), self.index(step)
        index = self._new("index")
        taken = tuple(self._new(v.type) for v in carried)
        loop = Loop(index, taken)
        head = f"scf.for {index} = {low} to {high} step {step}"
        place = len(self._lines)
        self._lines.append("")
        yield loop
        if not carried:
            self._lines[place] = f"{head} {{"
            self._lines.append("}")
            return
        assert loop.given is not None and len(loop.given) == len(carried)
        types = ", ".join(v.type for v in carried)
        self._count += 1
        group = f"%{self._count}"
        pairs = ", ".join(f"{t} = {v}" for t, v in zip(taken, carried, strict=True))
        self._lines[place] = f"{group}:{len(carried)} = {head} iter_args({pairs}) -> ({types}) {{"
        self._lines.append(f"scf.yield {', '.join(map(str, loop.given))} : {types}")
        self._lines.append("}")
        loop.results = tuple(Value(f"{group}#{i}", v.type) for i, v in enumerate(carried))

    @contextmanager
    def when(self, condition: Value | bool) -> Generator[None]:
        """Runs what stands in the `with` if the condition (i1) holds."""
        if condition is True:
            yield
            return
        place = len(self._lines)
        self._lines.append(f"scf.if {condition} {{")
        yield
        self._lines.append("}")
        if condition is False:
            del self._lines[place:]


def _literal(number: float, element: str) -> str:
    if math.isfinite(number):
        return f"{number:.9e}" if element == "f32" else f"{number:.17e}"
    # MLIR spells infinities and NaN by their bits.
    bits = struct.unpack("<I", struct.pack("<f", number))[0]
    if element == "bf16":
        return f"0x{bits >> 16:04X}"
    assert element == "f32", element
    return f"0x{bits:08X}"
