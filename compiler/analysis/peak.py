"""Micro-benchmarks of a processor as MLIR: how fast it multiplies, and how fast it reads memory.

Each is a function, with the dispatch that it makes, for IREE to compile. The arithmetic ones keep a
block of accumulators in registers and do nothing but fused multiply-adds on it, as often as their
input says, in as many workgroups as asked for; what they reach is the roof that no kernel gets
above. The accumulators are independent, and there are enough of them to cover the latency of the
instruction on every port. The bandwidth one adds up a buffer that no cache holds.

Instructions are named by LLVM intrinsics, so a kernel uses what it says or doesn't compile.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """One arithmetic micro-benchmark.

    Attributes:
        precision: `f32`, `bf16` or `int8`.
        operand: Element type of the factors.
        accumulator: Element type of the sums.
        lanes: Sums per vector register.
        pairs: Products that one instruction adds to a sum.
        accumulators: Registers that hold sums.
        intrinsic: LLVM's name of the instruction; empty for `vector.fma`, and `mul-add` for a
            multiplication and an addition.
    """

    precision: str
    operand: str
    accumulator: str
    lanes: int
    pairs: int
    accumulators: int
    intrinsic: str = ""

    @property
    def operations(self) -> int:
        """Operations of one round of all accumulators, in one workgroup."""
        return 2 * self.lanes * self.pairs * self.accumulators


def kernels(machine: str, features: Collection[str]) -> list[Kernel]:
    """The kernels that a processor has instructions for, the widest of each precision.

    Args:
        machine: Architecture, as `platform.machine()` spells it.
        features: Its feature flags by their Linux names.
    """
    if machine not in ("x86_64", "AMD64"):
        return [Kernel("f32", "f32", "f32", 4, 1, 16)]
    found: list[Kernel] = []
    if "avx512f" in features:
        found.append(Kernel("f32", "f32", "f32", 16, 1, 24))
    elif "fma" in features:
        found.append(Kernel("f32", "f32", "f32", 8, 1, 12))
    else:
        found.append(Kernel("f32", "f32", "f32", 4, 1, 12, "mul-add"))
    if "avx512_bf16" in features:
        found.append(Kernel("bf16", "bf16", "f32", 16, 2, 24, "llvm.x86.avx512bf16.dpbf16ps.512"))
    if "avx512_vnni" in features:
        found.append(Kernel("int8", "i8", "i32", 16, 4, 24, "llvm.x86.avx512.vpdpbusd.512"))
    elif "avx_vnni" in features:
        found.append(Kernel("int8", "i8", "i32", 8, 4, 12, "llvm.x86.avx512.vpdpbusd.256"))
    return found


def arithmetic(kernel: Kernel, workgroups: int) -> str:
    """An arithmetic micro-benchmark.

    The function, named as the precision, takes `count` (tensor<1xi32>), the number of rounds;
    `starts`, what the accumulators begin with; `factors`, two registers of factors. It gives the
    sums of each workgroup.

    Args:
        kernel: Which one.
        workgroups: How many run it, each on its own.
    """
    k, n = kernel, kernel.accumulators
    vector = f"vector<{k.lanes}x{k.accumulator}>"
    factor = f"vector<{k.lanes * k.pairs}x{k.operand}>"
    starts, factors = f"{n * k.lanes}x{k.accumulator}", f"{2 * k.lanes * k.pairs}x{k.operand}"
    sums = f"{workgroups}x{n * k.lanes}x{k.accumulator}"
    body: list[str] = []
    for i in range(n):
        body += [
            f"%i{i} = arith.constant {i * k.lanes} : index",
            f"%s{i} = vector.load %starts[%i{i}] : memref<{starts}>, {vector}",
        ]
    body += [
        f"%r:{n} = scf.for %round = %c0 to %rounds step %c1 "
        f"iter_args({', '.join(f'%a{i} = %s{i}' for i in range(n))}) "
        f"-> ({', '.join([vector] * n)}) {{",
        *(line for i in range(n) for line in _multiply_add(k, i, vector, factor)),
        f"scf.yield {', '.join(f'%n{i}' for i in range(n))} : {', '.join([vector] * n)}",
        "}",
        *(
            f"vector.store %r#{i}, %sums[%workgroup, %i{i}] : memref<{sums}>, {vector}"
            for i in range(n)
        ),
    ]
    return _function(
        k.precision,
        workgroups,
        [("count", "1xi32"), ("starts", starts), ("factors", factors)],
        ("sums", sums),
        f"""
        %word = memref.load %count[%c0] : memref<1xi32>
        %rounds = arith.index_cast %word : i32 to index
        %next = arith.constant {k.lanes * k.pairs} : index
        %x = vector.load %factors[%c0] : memref<{factors}>, {factor}
        %y = vector.load %factors[%next] : memref<{factors}>, {factor}
        """
        + "\n".join(body),
    )


def _multiply_add(k: Kernel, i: int, vector: str, factor: str) -> list[str]:
    if not k.intrinsic:
        return [f"%n{i} = vector.fma %x, %y, %a{i} : {vector}"]
    if k.intrinsic == "mul-add":
        # The sum is a factor, so that the product can't be moved out of the loop.
        return [
            f"%m{i} = arith.mulf %a{i}, %x : {vector}",
            f"%n{i} = arith.addf %m{i}, %y : {vector}",
        ]
    return [
        f'%n{i} = llvm.call_intrinsic "{k.intrinsic}"(%a{i}, %x, %y) '
        f": ({vector}, {factor}, {factor}) -> {vector}"
    ]


_STREAMS = 8
_WIDTH = 16


def bandwidth(words: int, workgroups: int) -> str:
    """`bandwidth` adds up a buffer: tensor<words x i32> → tensor<workgroups x 128 x i32>.

    Args:
        words: Elements, a multiple of 128 · workgroups.
        workgroups: How many share the buffer, a contiguous part each.
    """
    step = _STREAMS * _WIDTH
    assert words % (step * workgroups) == 0
    vector = f"vector<{_WIDTH}xi32>"
    sums = f"{workgroups}x{step}xi32"
    each = range(_STREAMS)
    body = [
        f"%part = arith.constant {words // workgroups} : index",
        f"%step = arith.constant {step} : index",
        "%start = arith.muli %workgroup, %part : index",
        "%end = arith.addi %start, %part : index",
        f"%zero = arith.constant dense<0> : {vector}",
        *(f"%i{i} = arith.constant {i * _WIDTH} : index" for i in each),
        f"%r:{_STREAMS} = scf.for %at = %start to %end step %step "
        f"iter_args({', '.join(f'%a{i} = %zero' for i in each)}) "
        f"-> ({', '.join([vector] * _STREAMS)}) {{",
    ]
    for i in each:
        body += [
            f"%j{i} = arith.addi %at, %i{i} : index",
            f"%v{i} = vector.load %words[%j{i}] : memref<{words}xi32>, {vector}",
            f"%n{i} = arith.addi %a{i}, %v{i} : {vector}",
        ]
    body += [
        f"scf.yield {', '.join(f'%n{i}' for i in each)} : {', '.join([vector] * _STREAMS)}",
        "}",
        *(
            f"vector.store %r#{i}, %sums[%workgroup, %i{i}] : memref<{sums}>, {vector}"
            for i in each
        ),
    ]
    return _function(
        "bandwidth", workgroups, [("words", f"{words}xi32")], ("sums", sums), "\n".join(body)
    )


def _function(
    name: str,
    workgroups: int,
    inputs: list[tuple[str, str]],
    output: tuple[str, str],
    body: str,
) -> str:
    """A function that runs `body` in every workgroup, its buffers named as given."""
    buffers = [*inputs, output]
    bindings = ", ".join(f"%b{i}: !stream.binding" for i in range(len(buffers)))
    spans = "\n".join(
        f"%{buffer} = stream.binding.subspan %b{i}[%c0] : !stream.binding -> memref<{kind}>"
        for i, (buffer, kind) in enumerate(buffers)
    )
    arguments = ", ".join(f"%{name}: tensor<{kind}>" for name, kind in inputs)
    types = ", ".join(f"tensor<{kind}>" for _, kind in inputs)
    names = ", ".join(f"%{name}" for name, _ in inputs)
    return f"""
  stream.executable private @{name}_benchmark {{
    stream.executable.export public @{name}_kernel workgroups() -> (index, index, index) {{
      %x = arith.constant {workgroups} : index
      %c1 = arith.constant 1 : index
      stream.return %x, %c1, %c1 : index, index, index
    }}
    builtin.module {{
      func.func @{name}_kernel({bindings}) {{
        %c0 = arith.constant 0 : index
        %c1 = arith.constant 1 : index
        %workgroup = stream.dispatch.workgroup.id[0] : index
        {spans}
        {body}
        return
      }}
    }}
  }}
  func.func @{name}({arguments}) -> tensor<{output[1]}> {{
    %result = flow.dispatch @{name}_benchmark::@{name}_kernel({names})
      : ({types}) -> tensor<{output[1]}>
    return %result : tensor<{output[1]}>
  }}
"""
