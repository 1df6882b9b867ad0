"""How fast kernels are, against the peak measured in the same run: `python -m kernel_speed gemm`.

Run it with `PYTHONPATH=test` from the repository root. A program calls its kernel several times,
one after another and each time with other weights, so that waking the workers is divided among
the calls and weights come from memory, as in a network. `once` is the time of one call alone,
and `IREE` that of the code that IREE generates for the same op, where a case says which.
Add a family: a function from the vector unit and the number of threads to cases, in `FAMILIES`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import iree.runtime as rt
import numpy as np
from torch_mlir import ir

from attention_cases import Compared, attention_cases, norm_cases
from image_speed import convolution_cases, depthwise_cases, grouped_cases, pool_cases
from kernel_runs import DTYPES, this_isa
from noema.analysis import peak
from noema.backend import cpu
from noema.backend.base import COMMON, generate_program
from noema.backend.iree import generate
from noema.dialects.context import new_context
from noema.kernels import batch_gemm_choice
from noema.kernels.batch_gemm import Batch
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue
from noema.kernels.executable import Tensor
from noema.kernels.gemm_choice import candidates
from noema.kernels.kernel import Isa, Kernel, Unsuitable, name_of
from noema.lowering.lower import lower
from noema.options import Target
from noema.parameters import ParameterStore
from noema.runtime.cpu import this_cpu
from noema.runtime.device import open_device

COLD_BYTES = 64 << 20
"""Weights of one program: more than caches hold."""

IN_ORDER = 'attributes {stream.partitioning = #stream.partitioning_config<"debug">}'
"""Else IREE runs calls at the same time that don't depend on each other."""


@dataclass(frozen=True)
class Case:
    """A kernel to time.

    Attributes:
        name: Where it occurs.
        kernel: With static extents.
        weights: Its operands that each call has its own of.
        element: Of the products: whose peak it is compared with.
        sem: What it replaces: a function @main of sem ops.
    """

    name: str
    kernel: Kernel
    weights: tuple[int, ...] = (1,)
    element: str = "f32"
    sem: str | None = None


class Program:
    """Functions in one module on a device with `threads` workers; 1 is the calling thread."""

    def __init__(self, binary: bytes, threads: int) -> None:
        self._device = open_device("cpu", threads)
        self._config = rt.Config(device=self._device.hal)
        module = rt.VmModule.copy_buffer(self._config.vm_instance, binary)
        self._module: Any = rt.load_vm_module(module, self._config)

    def place(self, array: Any) -> Any:
        return rt.asdevicearray(self._config.device, array)

    def function(self, name: str) -> Callable[..., Any]:
        return self._module[name]


def of_kernels(text: str, kernels: dict[str, Kernel], threads: int) -> Program:
    """A module in linalg and below that calls kernels, compiled."""
    return Program(generate(text.encode(), [*COMMON, *cpu.flags("host")], kernels), threads)


def median_seconds(call: Callable[[], object], budget: float = 0.5) -> float:
    """Median of calls for `budget` seconds, after two that don't count."""
    call()
    call()
    times: list[float] = []
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def peaks(threads: int) -> dict[str, float]:
    """Precision → 10⁹ operations per second of `threads` cores."""
    machine = this_cpu()
    kernels = peak.kernels(machine.machine, machine.features)
    groups = 4 * threads
    text = "\n".join(peak.arithmetic(k, groups) for k in kernels)
    program = of_kernels(text, {}, threads)
    found: dict[str, float] = {}
    for k in kernels:
        rounds = 400_000 // groups
        starts = np.zeros(k.accumulators * k.lanes, DTYPES[k.accumulator])
        factors = np.ones(2 * k.lanes * k.pairs, np.float32).astype(DTYPES[k.operand])
        inputs = [program.place(np.array([rounds], np.int32)), program.place(starts)]
        inputs.append(program.place(factors))
        function = program.function(k.precision)
        seconds = median_seconds(lambda f=function, i=inputs: f(*i), 0.3)
        found[k.precision] = k.operations * rounds * groups / seconds / 1e9
    return found


def program_text(case: Case, calls: int) -> str:
    """`once` calls the kernel once, `many` does so `calls` times with weights of its own each."""
    kernel, name = case.kernel, name_of(case.kernel)
    interface = kernel.interface
    types = [t.type for t in interface.operands]
    results = [t.type for t in interface.results]
    tensor = interface.results[0]
    rank = len(tensor.extents)
    kept = f"tensor<{'x'.join(['1'] * rank)}x{tensor.element}>"
    zeros, ones = ", ".join(["0"] * rank), ", ".join(["1"] * rank)

    def function(label: str, count: int) -> str:
        shared = [i for i in range(len(types)) if i not in case.weights]
        parameters = [f"%a{i}: {types[i]}" for i in shared]
        parameters += [f"%w{c}_{i}: {types[i]}" for c in range(count) for i in case.weights]
        lines: list[str] = []
        for c in range(count):
            names = [f"%w{c}_{i}" if i in case.weights else f"%a{i}" for i in range(len(types))]
            lines.append(
                f"%r{c}:{len(results)} = func.call @{name}({', '.join(names)}) "
                f": ({', '.join(types)}) -> ({', '.join(results)})"
            )
            # Of each result one element leaves the program, so that its memory is used again.
            lines.append(
                f"%o{c} = tensor.extract_slice %r{c}#0[{zeros}] [{ones}] [{ones}] "
                f": {tensor.type} to {kept}"
            )
        outs = ", ".join(f"%o{c}" for c in range(count))
        kinds = ", ".join([kept] * count)
        return (
            f"func.func @{label}({', '.join(parameters)}) -> ({kinds})\n{IN_ORDER} {{\n"
            + "\n".join(lines)
            + f"\nreturn {outs} : {kinds}\n}}"
        )

    declared = f"func.func private @{name}({', '.join(types)}) -> ({', '.join(results)})"
    return "\n".join([declared, function("once", 1), function("many", calls)])


def nbytes(tensor: Tensor) -> int:
    """Bytes of a tensor of static extents."""
    return int(np.prod([int(e) for e in tensor.extents])) * DTYPES[tensor.element].itemsize


def measure(case: Case, threads: int, budget: float = 0.3) -> tuple[float, float]:
    """Seconds of a call among many, and of one alone."""
    tensors = case.kernel.interface.operands
    weights = sum(nbytes(tensors[i]) for i in case.weights) or 1
    calls = max(4, min(32, -(-COLD_BYTES // weights)))
    program = of_kernels(program_text(case, calls), {name_of(case.kernel): case.kernel}, threads)
    rng = np.random.default_rng(0)

    def fill(tensor: Tensor) -> Any:
        extents = [int(e) for e in tensor.extents]
        # A block again and again: random numbers of all weights would take longer than the rest.
        block = rng.standard_normal(min(1 << 16, int(np.prod(extents)))).astype(np.float32)
        return program.place(np.resize(block, extents).astype(DTYPES[tensor.element]))

    shared = [fill(t) for i, t in enumerate(tensors) if i not in case.weights]
    own = [fill(tensors[i]) for _ in range(calls) for i in case.weights]
    many, once = program.function("many"), program.function("once")
    among = median_seconds(lambda: many(*shared, *own), budget) / calls
    alone = median_seconds(lambda: once(*shared, *own[: len(case.weights)]), budget / 2)
    return among, alone


def measure_iree(case: Case, threads: int, budget: float = 0.3) -> float:
    """Seconds of one call of what IREE generates for a case's sem ops."""
    with new_context():
        module = ir.Module.parse(case.sem or "")
        bytecode = lower(module, ParameterStore()).bytecode
        types = [str(t) for t in module.body.operations[0].type.inputs]
    binary = generate_program(bytecode, Target.parse("cpu"), is_static=True).program
    program = Program(binary, threads)
    rng = np.random.default_rng(0)
    operands: list[Any] = []
    for type_ in types:
        *extents, element = type_.removeprefix("tensor<").removesuffix(">").split("x")
        array = rng.standard_normal([int(e) for e in extents]).astype(DTYPES[element])
        operands.append(program.place(array))
    main_ = program.function("main")
    return median_seconds(lambda: main_(*operands), budget)


# --- families ---

GEMMS: list[tuple[str, int, int, int, Epilogue]] = [
    *(
        (f"{name} {part}", m, k, n, epilogue)
        for name, m in (("BERT", 128), ("ViT", 197))
        for part, k, n, epilogue in (
            ("QKV", 768, 2304, Epilogue((Bias(),))),
            ("projection", 768, 768, Epilogue((Bias(),))),
            ("up", 768, 3072, Epilogue((Bias(), Activate(Curve.GELU_ERF)))),
            ("down", 3072, 768, Epilogue((Bias(),))),
        )
    ),
    *(
        (f"GPT-2 decode {part}", 1, k, n, Epilogue((Bias(),)))
        for part, k, n in (("QKV", 768, 2304), ("projection", 768, 768), ("up", 768, 3072))
    ),
    ("GPT-2 decode down", 1, 3072, 768, Epilogue((Bias(),))),
    ("GPT-2 decode head", 1, 768, 50257, Epilogue()),
    *((f"{m} rows", m, 768, 3072, Epilogue((Bias(),))) for m in (4, 16)),
    *(
        ("ResNet 1×1", m, k, n, Epilogue((Bias(), Activate(Curve.RELU))))
        for m, wide, narrow in ((3136, 256, 64), (784, 512, 128), (196, 1024, 256), (49, 2048, 512))
        for k, n in ((narrow, wide), (wide, narrow))
    ),
]


def gemm_cases(isa: Isa, threads: int) -> list[Case]:
    """The products of well-known networks."""
    cases: list[Case] = []
    for name, m, k, n, epilogue in GEMMS:
        for element in ("f32", "bf16"):
            try:
                kernel = candidates(m, n, k, isa, element, epilogue, threads)[0]
            except Unsuitable:
                continue
            cases.append(Case(name, kernel, (1,), element))
    return cases


PRODUCTS: list[tuple[str, int, int, int, int, bool]] = [
    ("scores", 12, 128, 64, 128, True),
    ("weighted values", 12, 128, 128, 64, False),
    ("scores, windows", 64, 49, 32, 49, True),
    ("scores, ViT", 12, 197, 64, 197, True),
    ("square", 1, 512, 512, 512, False),
    ("square, transposed", 1, 512, 512, 512, True),
    ("Gram matrix", 1, 256, 4096, 256, True),
    ("pairs of embeddings, DLRM", 128, 27, 64, 27, True),
    ("one row", 1, 1, 768, 3072, False),
    ("one row, scores", 12, 1, 64, 1024, True),
    ("one row, weighted values", 12, 1, 1024, 64, False),
]
"""Products of activations: what, batch, M, K, N, whether B is (…, N, K)."""


def product_cases(isa: Isa, threads: int) -> list[Case]:
    cases: list[Case] = []
    for name, b, m, k, n, turned in PRODUCTS:
        for element in ("f32", "bf16"):
            try:
                kernel = batch_gemm_choice.candidates(
                    (Batch(b),), m, n, k, isa, element, transpose_rhs=turned, threads=threads
                )[0]
            except Unsuitable:
                continue
            lhs, rhs = (
                Tensor(element, (b, *e)).type for e in ((m, k), (n, k) if turned else (k, n))
            )
            result = Tensor(element, (b, m, n)).type
            flag = str(turned).lower()
            sem = f"""func.func @main(%a: {lhs}, %b: {rhs}) -> {result} {{
  %0 = "sem.matmul"(%a, %b) {{transpose_lhs = false, transpose_rhs = {flag}}}
    : ({lhs}, {rhs}) -> {result} loc("product")
  return %0 : {result}
}}"""
            cases.append(Case(name, kernel, (1,), element, sem))
    return cases


def compared(cases: Sequence[Compared]) -> list[Case]:
    """Cases that replace sem ops."""
    return [Case(c.name, c.kernel, c.weights, c.element, c.sem) for c in cases]


FAMILIES: dict[str, Callable[[Isa, int], list[Case]]] = {
    "gemm": gemm_cases,
    "product": product_cases,
    "attention": lambda isa, threads: compared(attention_cases(isa)),
    "norm": lambda isa, threads: compared(norm_cases(isa)),
    "convolution": lambda isa, threads: [Case(*c) for c in convolution_cases(isa, threads)],
    "grouped": lambda isa, threads: [Case(*c) for c in grouped_cases(isa, threads)],
    "depthwise": lambda isa, threads: [Case(*c) for c in depthwise_cases(isa, threads)],
    "pool": lambda isa, threads: [Case(*c) for c in pool_cases(isa, threads)],
}


def table(family: str, threads: Sequence[int], only: str) -> None:
    isa = this_isa()
    if isa is None:
        raise SystemExit("kernels don't know this processor")
    for count in threads:
        peak_now = peaks(count)
        rounded = ", ".join(f"{k} {v:.0f}" for k, v in peak_now.items())
        print(f"\n{count} thread(s); peak, 10⁹ operations/s: {rounded}\n")
        print("| what | kernel | ms | Gop/s | of peak | weights GB/s | once ms | IREE ms |")
        print("|---|---|---|---|---|---|---|---|")
        for case in FAMILIES[family](isa, count):
            if only not in f"{case.name} {case.kernel.describe()}":
                continue
            among, alone = measure(case, count)
            iree = f"{measure_iree(case, count) * 1e3:.3f}" if case.sem else ""
            rate = (case.kernel.operations or 0) / among / 1e9
            weights = sum(nbytes(case.kernel.interface.operands[i]) for i in case.weights)
            print(
                f"| {case.name} | {case.kernel.describe()} | {among * 1e3:.3f} | {rate:.0f} "
                f"| {rate / peak_now[case.element]:.0%} | {weights / among / 1e9:.1f} "
                f"| {alone * 1e3:.3f} | {iree} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=sorted(FAMILIES))
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--only", default="", help="cases whose name or kernel contains this")
    arguments = parser.parse_args()
    table(arguments.family, arguments.threads, arguments.only)


if __name__ == "__main__":
    main()
