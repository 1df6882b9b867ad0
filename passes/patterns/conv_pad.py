"""A convolution of a padded tensor pads by itself."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.elements import integers_in
from noema.dialects.slots import slots
from noema.passes.base import PassContext
from noema.passes.patterns.match import attribute, constant_ints, made_by, number
from noema.passes.patterns.pattern import Match, Pattern


class PadIntoConv(Pattern):
    """Zeros around the spatial dimensions become the convolution's own padding.

    ```mlir
    %0 = Pad(%x, [0, 0, 1, 1, 0, 0, 1, 1]) : (tensor<1x3x8x8xf32>, …) -> tensor<1x3x10x10xf32>
    %1 = "sem.conv"(%0, %w) {pads = array<i64: 0, 0, 0, 0>, …} : … -> tensor<1x4x8x8xf32>
    ```
    -->
    ```mlir
    %1 = "sem.conv"(%x, %w) {pads = array<i64: 1, 1, 1, 1>, …} : … -> tensor<1x4x8x8xf32>
    ```
    """

    name = "pad-into-conv"
    roots = ("conv",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        pad = made_by(root.operands[0], "onnx.Pad")
        if pad is None or "channels_last" in root.attributes:
            return None
        mode = attribute(pad, "mode")
        if mode is not None and ir.StringAttr(mode).value != "constant":
            return None
        given = slots(pad)
        if len(given) < 2 or given[0] is None or given[1] is None:
            return None
        if len(given) > 2 and given[2] is not None and number(given[2]) != 0:
            return None
        if len(given) > 3 and given[3] is not None:  # axes
            return None
        amounts = constant_ints(given[1], context)
        rank = len(sem.shape_of(root.operands[0]))
        if amounts is None or len(amounts) != 2 * rank or min(amounts) < 0:
            return None
        low, high = amounts[:rank], amounts[rank:]
        if any(low[:2]) or any(high[:2]):
            return None
        pads = integers_in(ir.DenseI64ArrayAttr(root.attributes["pads"]))
        spatial = rank - 2
        wider = [p + a for p, a in zip(pads, [*low[2:], *high[2:]], strict=True)]
        assert len(wider) == 2 * spatial
        x = given[0]

        def build() -> list[ir.Value | None]:
            attributes = {name: root.attributes[name] for name in root.attributes}
            attributes["pads"] = ir.DenseI64ArrayAttr.get(wider)
            made = ir.Operation.create(
                "sem.conv",
                results=[root.results[0].type],
                operands=[x, *list(root.operands)[1:]],
                attributes=attributes,
            )
            return [made.results[0]]

        return Match([pad, root], build)
