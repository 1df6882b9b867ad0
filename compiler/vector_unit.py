"""What a target's vector unit offers to generated kernels, and whether it has a precision."""

from __future__ import annotations

from noema.errors import InvalidOption
from noema.kernels.kernel import DEFAULT_L2, Isa, isa_of
from noema.options import AARCH64, CompileOptions, Precision, Target
from noema.runtime.cpu import X86_LEVELS, this_cpu


def check_precision(options: CompileOptions) -> None:
    """Checks that a target computes in a precision, or that it's to be emulated.

    Raises:
        InvalidOption: It has no instructions for it.
    """
    if options.precision is Precision.F32 or options.emulate:
        return
    isa = kernel_isa(options.target)
    if isa is not None and isa.bf16:
        return
    where = "this machine's processor" if str(options.target) == "cpu" else str(options.target)
    raise InvalidOption(
        f"{where} has no instructions for {options.precision.value} (AVX-512 BF16) that programs "
        "could use: rounding to it would make them slower, not faster",
        remedy="use --precision f32; or, to see what the rounding does to results, --emulate",
    )


def kernel_isa(target: Target) -> Isa | None:
    """What generated kernels may use on a target; None if there are none for it."""
    if target.kind != "cpu":
        return None
    cpu = this_cpu()
    if target.arch == "host":
        return isa_of(cpu.machine, cpu.features, cpu.caches.get("L2", DEFAULT_L2))
    if target.arch == AARCH64:
        return None
    return isa_of("x86_64", X86_LEVELS[target.arch])
