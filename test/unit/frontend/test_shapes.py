"""Types of values: pinned inputs, symbols, and shapes computed in the graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from equivalence import assert_equivalent
from noema.errors import InvalidOption
from noema.frontend.onnx import OnnxModel, from_proto
from onnx_text import model, ops

RNG = np.random.default_rng(0)


def shape(result: OnnxModel, name: str) -> list[int | str]:
    return list(result.types[name].shape)


def floats(*extents: int) -> np.ndarray:
    return RNG.standard_normal(extents).astype(np.float32)


def test_symbols_keep_their_names_and_unknown_extents_get_distinct_ones() -> None:
    proto = model("float[batch,?,?] x", "float[] y", "y = Relu(x)")
    result = from_proto(proto)
    batch, second, third = result.inputs[0].shape
    assert batch == "batch"
    assert isinstance(second, str)
    assert isinstance(third, str)
    assert len({batch, second, third}) == 3
    assert shape(result, "y") == [batch, second, third]


def test_made_up_symbols_avoid_those_of_the_model() -> None:
    proto = model("float[N,M] x", "float[] y", "y = Relu(x)")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "?0"
    proto.graph.input[0].type.tensor_type.shape.dim[1].Clear()
    assert len(set(from_proto(proto).inputs[0].shape)) == 2


def test_pins_replace_symbols_everywhere() -> None:
    proto = model("float[N,S] x, float[N,T] z", "float[] y", "y = Concat<axis = 1>(x, z)")
    result = from_proto(proto, shapes={"x": (2, 3)})
    assert [str(i) for i in result.inputs] == ["x: float32[2, 3]", "z: float32[2, T]"]
    assert shape(result, "y")[0] == 2


def test_pin_of_none_keeps_the_symbol() -> None:
    proto = model("float[N,S] x", "float[] y", "y = Relu(x)")
    assert shape(from_proto(proto, shapes={"x": (None, 7)}), "y") == ["N", 7]


def test_pin_gives_an_unranked_input_its_rank() -> None:
    proto = model("float[] x", "float[] y", "y = Relu(x)")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert shape(from_proto(proto, shapes={"x": (2, None)}), "y")[0] == 2


@pytest.mark.parametrize(
    ("shapes", "part"),
    [
        ({"nope": (1,)}, "no input"),
        ({"x": (1,)}, "rank"),
        ({"x": (1, 2, 3, 4)}, "rank"),
        ({"x": (1, 2, 5)}, "is 4"),
        ({"x": (1, -2, 4)}, "negative"),
        ({"x": (1, 2, 4), "z": (2,)}, "both"),
    ],
)
def test_pins_that_do_not_fit_are_refused(
    shapes: dict[str, tuple[int | None, ...]], part: str
) -> None:
    proto = model("float[N,S,4] x, float[N] z", "float[] y", "y = Relu(x) u = Relu(z)")
    with pytest.raises(InvalidOption, match=part):
        from_proto(proto, shapes=shapes)


def test_shape_of_a_static_tensor_is_a_constant() -> None:
    proto = model("float[2,3] x", "int64[2] y", "y = Shape(x)")
    assert from_proto(proto).constants["y"].tolist() == [2, 3]


def test_static_part_of_a_dynamic_shape_is_a_constant() -> None:
    proto = model(
        "float[N,3,4] x",
        "int64[2] y, int64 z",
        "s = Shape(x) y = Slice(s, one, big) z = Gather(s, two)",
        one=np.array([1]),
        big=np.array([2**31]),
        two=np.array(2),
    )
    result = from_proto(proto)
    assert not result.graph.node
    assert result.constants["y"].tolist() == [3, 4]
    assert result.constants["z"].tolist() == 4


def test_exporters_reshape_keeps_batch_and_sequence() -> None:
    proto = model(
        "float[N,S,64] x",
        "float[] y",
        """s = Shape(x) n = Gather(s, i0) m = Gather(s, i1)
           nu = Unsqueeze(n, axis) mu = Unsqueeze(m, axis) h = Constant<value_ints = [4]>()
           d = Constant<value_ints = [16]>() t = Concat<axis = 0>(nu, mu, h, d)
           r = Reshape(x, t) y = Transpose<perm = [0, 2, 1, 3]>(r)""",
        i0=np.array(0),
        i1=np.array(1),
        axis=np.array([0]),
    )
    result = from_proto(proto)
    assert shape(result, "y") == ["N", 4, "S", 16]
    assert ops(result.graph) == ["Reshape", "Transpose"]
    assert_equivalent(proto, result, {"x": floats(2, 5, 64)})


def test_flattened_extents_come_apart_again() -> None:
    proto = model(
        "float[N,S,8] x, float[8,6] w",
        "float[] y",
        """f = Reshape(x, flat) m = MatMul(f, w) s = Shape<start = 0, end = 2>(x)
           t = Concat<axis = 0>(s, minus) y = Reshape(m, t)""",
        flat=np.array([-1, 8]),
        minus=np.array([-1]),
    )
    result = from_proto(proto)
    assert shape(result, "y") == ["N", "S", 6]
    assert_equivalent(proto, result, {"x": floats(2, 3, 8), "w": floats(8, 6)})


def test_arithmetic_on_extents() -> None:
    proto = model(
        "float[N,S] x, float[N,P] z",
        "float[] y",
        """xs = Shape<start = 1>(x) zs = Shape<start = 1>(z) total = Add(xs, zs)
           double = Mul(total, two) back = Div(double, two) less = Sub(back, zs)
           n = Shape<end = 1>(x) t = Concat<axis = 0>(n, less) c = ConstantOfShape(t)
           y = Add(c, x)""",
        two=np.array([2]),
    )
    result = from_proto(proto)
    assert shape(result, "c") == ["N", "S"]
    assert shape(result, "y") == ["N", "S"]
    assert_equivalent(proto, result, {"x": floats(2, 3), "z": floats(2, 5)})


def test_range_and_concat_of_cached_keys() -> None:
    proto = model(
        "float[N,H,P,8] past, float[N,H,S,8] new",
        "float[] keys, int64[] positions",
        """keys = Concat<axis = 2>(past, new)
           ps = Shape<start = 2, end = 3>(past) ks = Shape<start = 2, end = 3>(keys)
           p = Squeeze(ps) k = Squeeze(ks) positions = Range(p, k, one)""",
        one=np.array(1),
    )
    result = from_proto(proto)
    total = shape(result, "keys")[2]
    assert isinstance(total, str)
    assert total not in ("P", "S")
    assert shape(result, "positions") == ["S"]
    assert_equivalent(proto, result, {"past": floats(1, 2, 4, 8), "new": floats(1, 2, 3, 8)})


def test_expand_where_pattern_of_older_exporters() -> None:
    proto = model(
        "float[N,S] x, float[1,S] m",
        "float[] y",
        """s = Shape(x) e = Equal(s, minus) w = Where(e, ones, s) y = Expand(m, w)""",
        minus=np.array([-1, -1]),
        ones=np.array([1, 1]),
    )
    result = from_proto(proto)
    assert shape(result, "y") == ["N", "S"]
    assert_equivalent(proto, result, {"x": floats(2, 3), "m": floats(1, 3)})


def test_sliced_position_table_broadcasts_to_the_sequence() -> None:
    proto = model(
        "float[N,S,8] x",
        "float[] y",
        "s = Shape<start = 1, end = 2>(x) p = Slice(table, zero, s, zero) y = Add(x, p)",
        table=floats(16, 8),
        zero=np.array([0]),
    )
    result = from_proto(proto)
    assert shape(result, "p") != ["S", 8], "a longer sequence than the table would be cut"
    assert shape(result, "y") == ["N", "S", 8]
    assert_equivalent(proto, result, {"x": floats(2, 5, 8)})


def test_convolutions_of_equal_geometry_have_equal_extents() -> None:
    proto = model(
        "float[N,3,H,W] x, float[4,3,3,3] a, float[4,3,3,3] b, float[4,3,1,1] c",
        "float[] y",
        """p = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, a)
           q = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, b)
           y = Add(p, q) s = Conv<pads = [1, 1, 1, 1]>(x, a) u = Conv(x, c) v = Add(s, u)""",
    )
    proto.graph.output.add(name="v")
    result = from_proto(proto)
    assert shape(result, "p") == shape(result, "q") == shape(result, "y")
    assert shape(result, "v") == ["N", 4, "H", "W"]
    feeds = {"x": floats(1, 3, 7, 8), "a": floats(4, 3, 3, 3), "b": floats(4, 3, 3, 3)}
    assert_equivalent(proto, result, {**feeds, "c": floats(4, 3, 1, 1)})


def test_length_after_strided_convolutions_is_the_one_worked_out_on_paper() -> None:
    proto = model(
        "float[N,1,S] x, float[8,1,10] a, float[8,8,3] b",
        "float[] y",
        """c = Conv<strides = [5]>(x, a) d = Conv<strides = [2]>(c, b)
           rows = Transpose<perm = [0, 2, 1]>(d)
           n = Shape<end = 1>(x) s = Shape<start = 2>(x) q = Div(s, ten) t = Add(q, minus)
           target = Concat<axis = 0>(n, t, minus, size) y = Reshape(rows, target)""",
        ten=np.array([10]),
        minus=np.array([-1]),
        size=np.array([2]),
    )
    result = from_proto(proto)
    length = shape(result, "d")[2]
    assert shape(result, "y") == ["N", length, 4, 2]
    feeds = {"x": floats(2, 1, 57), "a": floats(8, 1, 10), "b": floats(8, 8, 3)}
    assert_equivalent(proto, result, feeds)


def test_slice_that_drops_the_end() -> None:
    proto = model(
        "float[N,S] x, float[N,1] z",
        "float[] y",
        """longer = Concat<axis = 1>(x, z) y = Slice(longer, zero, minus, one)
           less = Slice(x, zero, minus, one) rest = Slice(longer, one, minus, one)""",
        zero=np.array([0]),
        minus=np.array([-1]),
        one=np.array([1]),
    )
    proto.graph.output.add(name="less")
    proto.graph.output.add(name="rest")
    result = from_proto(proto)
    assert shape(result, "y") == ["N", "S"]
    assert shape(result, "less")[1] != "S", "nothing may be left of one"
    assert shape(result, "rest")[1] != "S"
    assert_equivalent(proto, result, {"x": floats(2, 5), "z": floats(2, 1)})


def test_resize_to_the_size_of_another_tensor() -> None:
    proto = model(
        "float[N,4,H,W] x, float[N,4,A,B] skip",
        "float[] y",
        """n = Shape<end = 2>(x) hw = Shape<start = 2>(skip) t = Concat<axis = 0>(n, hw)
           r = Resize<mode = "nearest">(x, , , t) y = Concat<axis = 1>(r, skip)""",
    )
    result = from_proto(proto)
    assert shape(result, "y") == ["N", 8, "A", "B"]


def test_attention_with_cache_has_typed_results() -> None:
    proto = model(
        "float[N,S,64] q, float[N,S,16] k, float[N,S,16] v, float[N,2,P,8] pk, float[N,2,P,8] pv",
        "float[] y, float[] nk, float[] nv",
        "y, nk, nv = Attention<q_num_heads = 8, kv_num_heads = 2>(q, k, v, , pk, pv)",
        opset=23,
    )
    result = from_proto(proto)
    assert shape(result, "y") == ["N", "S", 64]
    assert shape(result, "nk")[:2] == ["N", 2]
    assert shape(result, "nk") == shape(result, "nv")


def test_output_gets_the_name_that_the_file_declares() -> None:
    proto = model("float[N,P] x, float[N,S] z", "float[N,total] y", "y = Concat<axis = 1>(x, z)")
    assert from_proto(proto).outputs[0].shape == ("N", "total")


def test_declared_name_of_another_extent_is_not_believed() -> None:
    # The rows that aren't zero have nothing to do with N.
    proto = model("float[N] x", "int64[1,N] y", "y = NonZero(x)")
    assert from_proto(proto).outputs[0].shape[1] != "N"


def test_declared_static_extent_is_not_believed_either() -> None:
    proto = model("float[N] x", "int64[1,3] y", "y = NonZero(x)")
    assert isinstance(from_proto(proto).outputs[0].shape[1], str)


def test_reshape_by_an_input_has_a_rank_and_symbols() -> None:
    proto = model("float[2,6] x, int64[3] s", "float[] y", "y = Reshape(x, s)")
    extents = shape(from_proto(proto), "y")
    assert len(extents) == 3
    assert len(set(extents)) == 3
    assert all(isinstance(e, str) for e in extents)


def test_reduction_over_computed_axes_has_a_rank() -> None:
    proto = model(
        "float[2,6,4] x, int64[2] a",
        "float[] y, float[] z",
        "y = ReduceSum<keepdims = 0>(x, a) z = ReduceSum(x, a)",
    )
    result = from_proto(proto)
    assert len(shape(result, "y")) == 1
    assert len(shape(result, "z")) == 3


def test_every_value_of_the_graph_has_a_type() -> None:
    proto = model(
        "float[N,8] x", "float[] y", "a, b = Split<axis = 1, num_outputs = 2>(x) y = Mul(a, b)"
    )
    result = from_proto(proto)
    names = {o for node in result.graph.node for o in node.output}
    assert names <= result.types.keys()
    assert isinstance(result.graph, onnx.GraphProto)
