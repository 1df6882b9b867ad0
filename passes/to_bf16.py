"""Pass `to-bf16`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch_mlir import ir

from noema.dialects import sem
from noema.dialects.attrs import semantics_of
from noema.dialects.elements import tensor_type
from noema.dialects.graph import definer, key_of, users
from noema.dtypes import from_mlir
from noema.errors import InternalError
from noema.passes.base import Pass, PassContext, PassResult
from noema.passes.patterns.match import constant
from noema.passes.patterns.onnx_rewrite import element_of

_CAST = "elementwise.cast"
_JOINS = frozenset({"elementwise.add", "elementwise.mul"})


@dataclass(frozen=True)
class ToBf16(Pass):
    """Products take bf16 and add up in f32; weights are stored in bf16.

    Each f32 product with a weight, convolution in 1-D or 2-D and attention without a cache gets its
    operands rounded to bf16 (to nearest, ties to even); its result stays f32, except that of an
    attention, which only another product reads as a rule. What lies between products is computed in
    f32; a tensor that products alone read is stored in bf16, because the rounding becomes a part of
    what makes it (pass `fuse`). Norms, softmax and the statistics of both are f32. So are depthwise
    convolutions: they add up no channels, which is what the instructions of bf16 do, and rounding
    their operands would save under 1 % of MobileNetV2's time for a fifth more error.

    ```mlir
    %w = "sem.param"() {parameter = "w"} : () -> tensor<16x32xf32>
    %0 = "sem.matmul"(%x, %w) {…} : (tensor<8x16xf32>, tensor<16x32xf32>) -> tensor<8x32xf32>
    ```
    -->
    ```mlir
    %w = "sem.param"() {parameter = "w.bf16"} : () -> tensor<16x32xbf16>
    %1 = "sem.elementwise"(%x) {kind = "cast", …} : (tensor<8x16xf32>) -> tensor<8x16xbf16>
    %0 = "sem.matmul"(%1, %w) {…} : (tensor<8x16xbf16>, tensor<16x32xbf16>) -> tensor<8x32xf32>
    ```

    Attributes:
        residuals: Whether tensors of a convolutional part that are added later, or pooled by their
            maximum, are stored in bf16 too.
    """

    name = "to-bf16"
    residuals: bool = True

    def run(self, module: ir.Module, context: PassContext) -> PassResult:
        counts: dict[str, int] = {}
        with module.context:
            for function in module.body.operations:
                for region in function.operation.regions:
                    for block in region:
                        _Rewriter(context, counts).run(block, residuals=self.residuals)
        return PassResult(bool(counts), counts)


@dataclass
class _Rewriter:
    """The work on one block.

    Attributes:
        context: What the pass may use.
        counts: What it did, by word.
        narrow: Value → the same, rounded to bf16.
        wide: bf16 value → the same in f32.
    """

    context: PassContext
    counts: dict[str, int]
    narrow: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])
    wide: dict[ir.Value, ir.Value] = field(default_factory=dict[ir.Value, ir.Value])

    def run(self, block: ir.Block, *, residuals: bool) -> None:
        for view in list(block.operations):
            op = view.operation
            word = op.name.removeprefix("sem.")
            if word in ("matmul", "conv"):
                done = self._product(op)
            elif word == "attention":
                done = self._attention(op)
            elif word == "pool" and residuals:
                done = self._pool(op)
            else:
                done = False
            if done:
                self.counts[word] = self.counts.get(word, 0) + 1
        if residuals:
            self._narrow_residuals()

    def _product(self, op: ir.Operation) -> bool:
        if {element_of(v) for v in (*op.operands, op.results[0])} != {"f32"}:
            return False
        if op.name == "sem.conv" and (len(sem.shape_of(op.results[0])) > 4 or _is_depthwise(op)):
            return False
        weight = self._weight(op.operands[1])
        if weight is None or (op.name == "sem.matmul" and len(sem.shape_of(weight)) != 2):
            return False
        op.operands[0] = self._narrowed(op.operands[0])
        op.operands[1] = weight
        return True

    def _attention(self, op: ir.Operation) -> bool:
        given = [*sem.slots(op), *[None] * 8][:8]
        # A cache comes, and goes, in f32: to convert it would take longer than to read it.
        if any(v is not None for v in given[4:7]) or len(op.results) > 1:
            return False
        if any(element_of(v) != "f32" for v in given[:3] if v is not None):
            return False
        self._replace(op, {i: self._narrowed(op.operands[i]) for i in range(3)})
        return True

    def _pool(self, op: ir.Operation) -> bool:
        """A maximum of rounded numbers is the rounded maximum."""
        kind = ir.StringAttr(op.attributes["kind"]).value
        if kind != "max" or element_of(op.operands[0]) != "f32":
            return False
        self._replace(op, {0: self._narrowed(op.operands[0])})
        return True

    def _replace(self, op: ir.Operation, operands: dict[int, ir.Value]) -> None:
        """Puts an op with other operands, and a result of bf16 that is widened, in its place."""
        old = op.results[0]
        with ir.InsertionPoint(op), op.location:
            made = ir.Operation.create(
                op.name,
                results=[_like(old, "bf16")],
                operands=[operands.get(i, v) for i, v in enumerate(op.operands)],
                attributes={name: op.attributes[name] for name in op.attributes},
            )
            wide = self._cast(made.results[0], "f32", op)
        self.wide[made.results[0]] = wide
        self.narrow[wide] = made.results[0]
        old.replace_all_uses_with(wide)
        op.erase()

    def _weight(self, weight: ir.Value) -> ir.Value | None:
        found = self.narrow.get(weight)
        if found is not None:
            return found
        array = constant(weight, self.context)
        op = definer(weight)
        if array is None or op is None:
            return None
        if op.name == "sem.param":
            stem = f"{ir.StringAttr(op.attributes['parameter']).value}.bf16"
        else:
            stem = "constant.bf16"
        name = self.context.parameters.unique_name(stem)
        dtype = from_mlir("bf16")
        self.context.parameters.add(name, np.asarray(array).astype(dtype.numpy))
        with ir.InsertionPoint(op), op.location:
            made = sem.build_param(tensor_type(dtype, array.shape), name)
        owner = definer(made)
        assert owner is not None
        _inherit(owner, op)
        self.narrow[weight] = made
        return made

    def _narrowed(self, value: ir.Value) -> ir.Value:
        found = self.narrow.get(value)
        if found is not None:
            return found
        op = definer(value)
        if op is not None and key_of(op) == "onnx.Split":
            return self._narrowed_part(op, value)
        if op is None:
            block = value.owner
            if not isinstance(block, ir.Block):
                raise InternalError("a value without an owner")
            first = next(u for u in block.operations if value in list(u.operands)).operation
            with ir.InsertionPoint.at_block_begin(block), first.location:
                made = self._cast(value, "bf16", first)
        else:
            with ir.InsertionPoint.after(op), op.location:
                made = self._cast(value, "bf16", op)
        self.narrow[value] = made
        return made

    def _narrowed_part(self, op: ir.Operation, value: ir.Value) -> ir.Value:
        """A part of a tensor that is rounded as a whole, where it is made."""
        whole = self._narrowed(op.operands[0])
        with ir.InsertionPoint.after(op), op.location:
            made = ir.Operation.create(
                op.name,
                results=[_like(r, "bf16") for r in op.results],
                operands=[whole, *list(op.operands)[1:]],
                attributes={name: op.attributes[name] for name in op.attributes},
            )
        self.narrow.update(zip(op.results, made.results, strict=True))
        return self.narrow[value]

    def _cast(self, value: ir.Value, element: str, like: ir.Operation) -> ir.Value:
        made = sem.build_elementwise("cast", [value], _like(value, element))
        owner = definer(made)
        assert owner is not None
        _inherit(owner, like)
        return made

    def _narrow_residuals(self) -> None:
        for value, narrow in list(self.narrow.items()):
            op = definer(value)
            if op is None or definer(narrow) is None or element_of(value) != "f32":
                continue
            if not _is_convolutional(op):
                continue
            others = [u for u in users(value) if element_of(u.results[0]) != "bf16"]
            if not others or any(key_of(u) not in _JOINS for u in others):
                continue
            wide = self.wide.get(narrow)
            if wide is None:
                cast = definer(narrow)
                assert cast is not None
                with ir.InsertionPoint.after(cast), cast.location:
                    wide = self._cast(narrow, "f32", cast)
                self.wide[narrow] = wide
            for user in others:
                for i, operand in enumerate(list(user.operands)):
                    if operand == value:
                        user.operands[i] = wide


def _is_depthwise(op: ir.Operation) -> bool:
    """Whether each filter of a convolution reads one channel of several."""
    return (
        sem.shape_of(op.operands[1])[1] == 1 and ir.IntegerAttr(op.attributes["groups"]).value > 1
    )


def _is_convolutional(op: ir.Operation) -> bool:
    kind = op.attributes["sem.kind"] if "sem.kind" in op.attributes else None
    return kind is not None and ir.StringAttr(kind).value == "conv_block"


def _inherit(op: ir.Operation, like: ir.Operation) -> None:
    for name, attribute in semantics_of(like).items():
        op.attributes[name] = attribute


def _like(value: ir.Value, element: str) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(
        list(ir.RankedTensorType(value.type).shape), ir.Type.parse(element)
    )
