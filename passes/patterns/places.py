"""Scores of places of an image, to which a bias by rows and one by columns are added."""

from __future__ import annotations

from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import ElementwiseKind as Kind
from noema.dialects.shapes import Shape, broadcast_shapes
from noema.passes.base import PassContext
from noema.passes.patterns.match import made_by
from noema.passes.patterns.onnx_rewrite import elementwise, with_shape
from noema.passes.patterns.operands import VERSION
from noema.passes.patterns.pattern import Match, Pattern

_MOST = 4
"""Additions that may stand between the two reshapes."""


class BiasOverPlaces(Pattern):
    """What is added to scores while their places are rows and columns --> what is added to them.

    The attention of SAM and MViT adds a bias for the distance in rows and one for that in columns
    to (B, rows, columns, rows, columns) and takes the scores back to (B, places, places).

    ```mlir
    %0 = "sem.matmul"(%q, %k) {…} : … -> tensor<8x16x16xf32>
    %1 = Reshape(%0, …) : … -> tensor<8x4x4x4x4xf32>
    %2 = "sem.elementwise"(%1, %rows) {kind = "add", …}
           : (tensor<8x4x4x4x4xf32>, tensor<8x4x4x4x1xf32>) -> tensor<8x4x4x4x4xf32>
    %3 = "sem.elementwise"(%2, %columns) {kind = "add", …}
           : (tensor<8x4x4x4x4xf32>, tensor<8x4x4x1x4xf32>) -> tensor<8x4x4x4x4xf32>
    %4 = Reshape(%3, %shape) : … -> tensor<8x16x16xf32>
    ```
    -->
    ```mlir
    %2 = "sem.elementwise"(%rows, %columns) {kind = "add", …} : … -> tensor<8x4x4x4x4xf32>
    %3 = Reshape(%2, %shape) : … -> tensor<8x16x16xf32>
    %4 = "sem.elementwise"(%0, %3) {kind = "add", …} : … -> tensor<8x16x16xf32>
    ```
    """

    name = "bias-over-places"
    roots = ("onnx.Reshape",)
    reads = ("elementwise.add",)

    def match(self, root: ir.Operation, context: PassContext) -> Match | None:
        value, shape = root.operands[0], root.operands[1]
        places, result = sem.shape_of(value), sem.shape_of(root.results[0])
        if len(places) - len(result) != 2 or len(result) not in (3, 4):
            return None
        covers: list[ir.Operation] = [root]
        terms: list[ir.Value] = []
        for _ in range(_MOST):
            add = made_by(value, "elementwise.add")
            if add is None:
                break
            ahead = [v for v in add.operands if _leads(v, places, root.results[0].type)]
            if len(ahead) != 1:
                return None
            (value,) = ahead
            terms += [v for v in add.operands if v != value]
            covers.append(add)
        apart = made_by(value, "onnx.Reshape")
        if apart is None or not terms or apart.operands[0].type != root.results[0].type:
            return None
        scores = apart.operands[0]
        full = broadcast_shapes([sem.shape_of(t) for t in terms])
        if full != places:
            return None
        if made_by(scores, "matmul", "elementwise.mul") is None:
            return None

        def build() -> list[ir.Value]:
            bias = terms[-1]
            for term in reversed(terms[:-1]):
                extents = broadcast_shapes([sem.shape_of(bias), sem.shape_of(term)])
                assert extents is not None
                bias = elementwise(Kind.ADD, [bias, term], with_shape(extents, term))
            type_ = root.results[0].type
            flat = sem.build_onnx("Reshape", [bias, shape], [type_], attrs={}, version=VERSION)
            return [elementwise(Kind.ADD, [scores, flat.results[0]], type_)]

        return Match([*covers, apart], build)


def _leads(value: ir.Value, places: Shape, scores: ir.Type, depth: int = _MOST) -> bool:
    """Whether a value is the scores, taken apart and perhaps added to."""
    if sem.shape_of(value) != places:
        return False
    op = made_by(value, "elementwise.add", "onnx.Reshape")
    if op is None or not depth:
        return False
    if op.name != "sem.elementwise":
        return op.operands[0].type == scores
    return any(_leads(v, places, scores, depth - 1) for v in op.operands)
