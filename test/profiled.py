"""A program's profile made by hand, for tests of what shows it."""

from __future__ import annotations

from noema.profile import Dispatch, Group, ProgramProfile, Roof
from noema.workload import Bound
from profiles import transformer


def profiled() -> ProgramProfile:
    """Two sites of one kernel, one far below the roof, and one of IREE's that was declined."""
    fast = Roof(1e-3, 10**8, 10**6, 100.0, 1.0, 0.9e-3, 0.9, Bound.COMPUTE)
    slow = Roof(4e-3, 10**8, 10**6, 25.0, 0.25, 0.9e-3, 0.225, Bound.COMPUTE)
    unknown = Roof(2e-3)
    kernel = "gemm 128×768×768 f32"
    rows = (
        _dispatch(0, ("/q/MatMul",), "encoder.0.attention", "gemm", kernel, fast, ""),
        _dispatch(1, ("/k/MatMul",), "encoder.1.attention", "gemm", kernel, slow, ""),
        _dispatch(2, ("/pool",), "[red]head", "iree", "pooling_max", unknown, "a window of 3"),
    )
    both = Roof(5e-3, 2 * 10**8, 2 * 10**6, 40.0, 0.4, 1.8e-3, 0.36, Bound.COMPUTE)
    return ProgramProfile(
        model="bert.onnx",
        target="cpu",
        threads=2,
        calls=20,
        inputs=("input_ids: int64[1,128]",),
        hardware=transformer(1).hardware,
        call=8e-3,
        span=7.5e-3,
        busy=7.2e-3,
        dispatches=rows,
        components=(
            Group("encoder.1.attention", (1,), slow, 4 / 7, 3.1e-3),
            Group("[red]head", (2,), unknown, 2 / 7, 0.0),
            Group("encoder.0.attention", (0,), fast, 1 / 7, 0.1e-3),
        ),
        kernels=(
            Group(kernel, (0, 1), both, 5 / 7, 3.2e-3),
            Group("pooling_max", (2,), unknown, 2 / 7, 0.0),
        ),
    )


def _dispatch(
    index: int,
    nodes: tuple[str, ...],
    component: str,
    kind: str,
    kernel: str,
    time: Roof,
    declined: str,
) -> Dispatch:
    return Dispatch(
        index=index,
        nodes=nodes,
        component=component,
        role="",
        kind=kind,
        kernel=kernel,
        executable=f"{kind}_1",
        precision="f32",
        executions=1,
        time=time,
        fastest=time.seconds * 0.9,
        portion=time.seconds / 7e-3,
        workers=1.8,
        declined=declined,
    )
