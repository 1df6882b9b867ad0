"""Attention, norms and softmax of well-known networks, to be timed by `kernel_speed`.

Each with the `sem` op that it stands for, of which IREE generates code of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from noema.kernels import attention, norm, softmax
from noema.kernels.attention_problem import AttentionProblem, Heads, Mask
from noema.kernels.kernel import Isa, Kernel


@dataclass(frozen=True)
class Compared:
    """A kernel and what it replaces.

    Attributes:
        name: Where it occurs.
        kernel: With static extents.
        weights: Its operands that each call has its own of: what is read from memory.
        element: Of its operands.
        sem: The same as a function of sem ops, on the same operands.
    """

    name: str
    kernel: Kernel
    weights: tuple[int, ...]
    element: str
    sem: str


def attention_cases(isa: Isa) -> list[Compared]:
    """Heads of 64 in rows: encoders, a decoder's prompt, and its next token from a cache."""
    cases: list[Compared] = []
    for element in ("f32", "bf16"):
        for name, queries, more in (
            ("BERT", 128, {}),
            ("BERT, padded", 128, {"mask": Mask("f32", True, False, False, 128)}),
            ("ViT", 197, {}),
            ("GPT-2 prefill", 128, {"causal": True}),
            ("1024 tokens", 1024, {"causal": True}),
            ("GPT-2 decode", 1, {"causal": True, "past": 512}),
        ):
            cases.append(_attention(name, queries, 12, 12, element, isa, more))
        grouped = {"causal": True, "past": 512}
        cases.append(_attention("grouped decode", 1, 32, 8, element, isa, grouped))
    return cases


def _attention(
    name: str, rows: int, query: int, key: int, element: str, isa: Isa, more: dict[str, Any]
) -> Compared:
    def lie(heads: int) -> Heads:
        return Heads(64 * heads, pitch=64)

    problem = AttentionProblem(
        *(1, rows, rows, query, key, 64, 64),
        *(lie(query), lie(key), lie(key), lie(query), 0.125),
        element=element,
        result=element,
        **more,
    )
    kernel = attention.candidates(problem, isa)[0]
    types = [t.type for t in kernel.interface.operands]
    mask, past = problem.mask is not None, problem.past is not None
    segments = [1, 1, 1, int(mask), int(past), int(past), 0]
    attributes = (
        f"scale = 0.125 : f64, is_causal = {str(problem.causal).lower()}, softcap = 0.0 : f32, "
        f"q_num_heads = {query} : i64, kv_num_heads = {key} : i64, "
        f"operandSegmentSizes = array<i32: {', '.join(map(str, segments))}>, "
        "resultSegmentSizes = array<i32: 1, 0, 0, 0>"
    )
    sem = _function(kernel, [f'%r = "sem.attention"(%ALL) {{{attributes}}} : (TYPES) -> RESULT'])
    caches = (len(types) - 2, len(types) - 1) if past else (0,)
    return Compared(name, kernel, caches, element, sem)


def norm_cases(isa: Isa) -> list[Compared]:
    """Norms of transformers with the addition before them, and a softmax of scores."""
    cases: list[Compared] = []
    for rows in (1, 128, 197):
        for element in ("f32", "bf16"):
            plain = norm.NormProblem(rows, 768, 1e-5, element=element, result=element)
            cases.append(_norm("layer norm", plain, isa))
    joined = norm.NormProblem(128, 768, 1e-5, residual="f32")
    cases.append(_norm("x + r, layer norm", joined, isa))
    for element in ("f32", "bf16"):
        kernel = softmax.candidates(
            softmax.SoftmaxProblem(12 * 128, 128, element=element, result=element), isa
        )[0]
        lines = ['%r = "sem.softmax"(%ALL) {axis = 1 : i64, log = false} : (TYPES) -> RESULT']
        cases.append(Compared("softmax", kernel, (0,), element, _function(kernel, lines)))
    return cases


def _norm(name: str, problem: norm.NormProblem, isa: Isa) -> Compared:
    kernel = norm.candidates(problem, isa)[0]
    attributes = (
        'kind = "layer", axis = 1 : i64, groups = 1 : i64, epsilon = 1.0e-05 : f32, '
        "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>"
    )
    x, *rest = (t.type for t in kernel.interface.operands)
    lines: list[str] = []
    first, own = "%a0", (0,)
    if problem.residual is not None:
        own = (0, 1)
        first = "%s"
        lines.append(
            '%s = "sem.elementwise"(%a0, %a1) {kind = "add", operandSegmentSizes = '
            f"array<i32: 1, 1, 0>}} : ({x}, {rest.pop(0)}) -> {x}"
        )
    number = len(own)
    # The kernel's scale and bias are f32; those of the op have the type of x.
    row = f"tensor<{problem.width}x{problem.element}>"
    lines.append(
        f'%r = "sem.norm"({first}, %a{number}, %a{number + 1}) {{{attributes}}} '
        f": ({x}, {row}, {row}) -> RESULT"
    )
    types = [*(t.type for t in kernel.interface.operands[:number]), row, row]
    return Compared(name, kernel, own, problem.element, _function(kernel, lines, types))


def _function(kernel: Kernel, lines: list[str], types: list[str] | None = None) -> str:
    interface = kernel.interface
    types = types or [t.type for t in interface.operands]
    result = interface.results[0].type
    names = [f"%a{i}" for i in range(len(types))]
    text = "\n".join(lines).replace("%ALL", ", ".join(names))
    text = text.replace("TYPES", ", ".join(types)).replace("RESULT", result)
    parameters = ", ".join(f"{n}: {t}" for n, t in zip(names, types, strict=True))
    return f"func.func @main({parameters}) -> {result} {{\n{text}\nreturn %r : {result}\n}}"
