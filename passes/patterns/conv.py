"""Conv → `sem.conv`."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from noema.dialects import sem
from noema.passes.patterns.onnx_rewrite import FLOATS, OnnxNode, OnnxRewrite, i64


class RaiseConv(OnnxRewrite):
    """`Conv(x, w, b?)` --> `sem.conv` with explicit pads.

    `auto_pad = SAME_*` becomes pads where they follow from static extents, or where the stride
    is 1, so that they don't depend on the input's extent.
    """

    op_types = ("Conv",)

    def rewrite(self, node: OnnxNode) -> ir.Value | None:
        operands = node.required(2)
        if operands is None or not node.is_of(FLOATS):
            return None
        x, weight = operands
        spatial = len(sem.shape_of(x)) - 2
        if spatial < 1 or len(sem.shape_of(weight)) != spatial + 2:
            return None
        strides = node.ints("strides", [1] * spatial)
        dilations = node.ints("dilations", [1] * spatial)
        if len(strides) != spatial or len(dilations) != spatial:
            return None
        pads = _pads(node, sem.shape_of(x)[2:], sem.shape_of(weight)[2:], strides, dilations)
        if pads is None or len(pads) != 2 * spatial or min(pads) < 0:
            return None
        return sem.build(
            sem.ConvOp,
            [x, weight, node.input(2)],
            node.type,
            strides=ir.DenseI64ArrayAttr.get(strides),
            dilations=ir.DenseI64ArrayAttr.get(dilations),
            pads=ir.DenseI64ArrayAttr.get(pads),
            groups=i64(node.int("group", 1)),
        )


def _pads(
    node: OnnxNode,
    extents: Sequence[int | None],
    kernel: Sequence[int | None],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int] | None:
    """Begins, then ends; None if they depend on an extent that is dynamic."""
    mode = node.text("auto_pad", "NOTSET")
    if mode in ("NOTSET", ""):
        return node.ints("pads", [0] * (2 * len(extents)))
    if mode == "VALID":
        return [0] * (2 * len(extents))
    begins: list[int] = []
    ends: list[int] = []
    for extent, taps, stride, dilation in zip(extents, kernel, strides, dilations, strict=True):
        if taps is None or (extent is None and stride != 1):
            return None
        # ONNX: as much padding as makes the output ceil(extent / stride) long.
        reach = dilation * (taps - 1) + 1
        used = reach if extent is None else (-(-extent // stride) - 1) * stride + reach
        total = max(used - (1 if extent is None else extent), 0)
        smaller, larger = total // 2, total - total // 2
        begins.append(smaller if mode == "SAME_UPPER" else larger)
        ends.append(larger if mode == "SAME_UPPER" else smaller)
    return begins + ends
