"""Convolutions and poolings of well-known networks, for `kernel_speed`."""

from __future__ import annotations

from typing import NamedTuple

from noema.kernels import convolution, depthwise, pool
from noema.kernels.conv_tiles import ConvProblem
from noema.kernels.depthwise import DepthwiseProblem
from noema.kernels.epilogue import Activate, Bias, Curve, Epilogue
from noema.kernels.kernel import Isa, Kernel, Unsuitable
from noema.kernels.pool import PoolKind, PoolProblem
from noema.kernels.window import Window


class Timed(NamedTuple):
    """The first fields of `kernel_speed.Case`."""

    name: str
    kernel: Kernel
    weights: tuple[int, ...]
    element: str
    sem: str | None = None


CONVOLUTIONS: list[tuple[str, int, int, int, int, int]] = [
    # network, pixels of a side, channels, filters, taps of a side, stride
    ("ResNet-50", 224, 3, 64, 7, 2),
    *(("ResNet-50", n, c, c, 3, 1) for n, c in ((56, 64), (28, 128), (14, 256), (7, 512))),
    *(("ResNet-50", n, c, c, 3, 2) for n, c in ((56, 128), (28, 256), (14, 512))),
    *(("ResNet-50", n, c, 2 * c, 1, 2) for n, c in ((56, 256), (28, 512), (14, 1024))),
    ("MobileNetV2", 224, 3, 32, 3, 2),
]

GROUPED: list[tuple[str, int, int, int, int, int]] = [
    # network, pixels of a side, channels, filters, groups, stride; 3 x 3 taps
    *(("ResNeXt-50", n, c, c, 32, 1) for n, c in ((56, 128), (28, 256), (14, 512), (7, 1024))),
    *(("ResNeXt-50", n, c, c, 32, 2) for n, c in ((56, 256), (28, 512), (14, 1024))),
    ("RegNet", 28, 192, 192, 12, 1),
    ("two filters per channel", 28, 64, 128, 64, 1),
]

DEPTHWISE: list[tuple[str, int, int, int, int]] = [
    ("MobileNetV2", 112, 32, 3, 1),
    ("MobileNetV2", 112, 96, 3, 2),
    ("MobileNetV2", 56, 144, 3, 1),
    ("MobileNetV2", 56, 144, 3, 2),
    ("MobileNetV2", 28, 192, 3, 1),
    ("MobileNetV2", 28, 192, 3, 2),
    ("MobileNetV2", 14, 384, 3, 1),
    ("MobileNetV2", 14, 576, 3, 1),
    ("MobileNetV2", 14, 576, 3, 2),
    ("MobileNetV2", 7, 960, 3, 1),
    ("EfficientNet", 28, 240, 5, 1),
    ("ConvNeXt", 56, 96, 7, 1),
]


def _window(pixels: int, channels: int, taps: int, stride: int) -> Window:
    pad = taps // 2
    sides = (pad, pad, pad, pad)
    return Window(1, pixels, pixels, channels, (taps, taps), (stride, stride), pads=sides)


def _relu(element: str) -> Epilogue:
    return Epilogue((Bias(), Activate(Curve.RELU)), element)


def convolution_cases(isa: Isa, threads: int) -> list[Timed]:
    """Convolutions of well-known networks that aren't plain products, best of each kernel."""
    cases: list[Timed] = []
    for name, pixels, channels, filters, taps, stride in CONVOLUTIONS:
        for element in ("f32", "bf16"):
            problem = ConvProblem(
                _window(pixels, channels, taps, stride), filters, 1, element, _relu(element)
            )
            try:
                kernels = convolution.candidates(problem, isa, threads)
            except Unsuitable:
                continue
            first = {kernel.kind: kernel for kernel in reversed(kernels)}
            cases += [Timed(name, kernel, (1,), element) for kernel in first.values()]
    return cases


def grouped_cases(isa: Isa, threads: int) -> list[Timed]:
    """Convolutions in groups, beside what IREE makes of them."""
    cases: list[Timed] = []
    for name, pixels, channels, filters, groups, stride in GROUPED:
        window = _window(pixels, channels, 3, stride)
        side = window.assumed_outputs[1]
        for element in ("f32", "bf16"):
            problem = ConvProblem(window, filters, groups, element, _relu(element))
            try:
                kernel = convolution.candidates(problem, isa, threads)[0]
            except Unsuitable:
                continue
            x = f"tensor<1x{pixels}x{pixels}x{channels}x{element}>"
            w = f"tensor<{filters}x{channels // groups}x3x3x{element}>"
            y = f"tensor<1x{side}x{side}x{filters}x{element}>"
            sem = f"""func.func @main(%x: {x}, %w: {w}) -> {y} {{
  %0 = "sem.conv"(%x, %w) {{channels_last, strides = array<i64: {stride}, {stride}>,
    dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, groups = {groups} : i64,
    operandSegmentSizes = array<i32: 1, 1, 0>}} : ({x}, {w}) -> {y}
  return %0 : {y}
}}"""
            cases.append(Timed(name, kernel, (1,), element, sem))
    return cases


def depthwise_cases(isa: Isa, threads: int) -> list[Timed]:
    """Depthwise convolutions of well-known networks."""
    return [
        Timed(
            name,
            depthwise.candidates(
                DepthwiseProblem(_window(pixels, channels, taps, stride), element, _relu(element)),
                isa,
                threads,
            )[0],
            (1,),
            "f32",
        )
        for name, pixels, channels, taps, stride in DEPTHWISE
        for element in ("f32", "bf16")
    ]


def pool_cases(isa: Isa, threads: int) -> list[Timed]:
    """Poolings of ResNet-50."""
    windows = {
        PoolKind.MAX: _window(112, 64, 3, 2),
        PoolKind.AVERAGE: Window(1, 7, 7, 2048, (7, 7)),
    }
    return [
        Timed("ResNet-50", candidate, (0,), "f32")
        for kind, window in windows.items()
        for element in ("f32", "bf16")
        for candidate in pool.candidates(
            PoolProblem(kind, window, element=element, epilogue=Epilogue((), element)), isa, threads
        )[:1]
    ]
