"""The dispatches that IREE forms, as the compiler lists them."""

from __future__ import annotations

from typing import Any

from noema.backend.base import flags, generate_program
from noema.backend.cpu import attempts
from noema.backend.iree import generate
from noema.backend.sites import list_sites
from noema.dispatches import Site, labelled
from noema.kernels.gemm_choice import candidates
from noema.kernels.kernel import X86_64_V3, name_of
from noema.options import Target

_TARGET = Target.parse("cpu:x86-64-v3")

_PRODUCT = """
#row = affine_map<(i, j) -> (i, j)>
func.func @main(%a: tensor<8x32xf32>, %b: tensor<32x16xf32>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<8x16xf32>
  %start = linalg.fill ins(%zero : f32) outs(%empty : tensor<8x16xf32>) -> tensor<8x16xf32>
  %c = linalg.matmul ins(%a, %b : tensor<8x32xf32>, tensor<32x16xf32>)
    outs(%start : tensor<8x16xf32>) -> tensor<8x16xf32> loc("product")
  %d = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
    ins(%c : tensor<8x16xf32>) outs(%empty : tensor<8x16xf32>) {
  ^bb0(%x: f32, %_: f32):
    %y = arith.mulf %x, %x : f32
    %z = arith.addf %y, %x : f32
    linalg.yield %z : f32
  } -> tensor<8x16xf32> loc("refined")
  return %d : tensor<8x16xf32>
}
"""


def _sites(text: str) -> tuple[Site, ...]:
    found: list[Site] = []

    def look(module: Any) -> None:
        found.extend(list_sites(module, {}))

    generate(text.encode(), [*flags(_TARGET), *attempts(is_static=True)[-2]], None, look)
    return tuple(found)


def test_a_fused_dispatch_knows_its_nodes_and_work() -> None:
    (site,) = _sites(_PRODUCT)
    assert (site.kind, site.precision, site.once) == ("iree", "f32", False)
    assert set(site.nodes) == {"product", "refined"}
    assert site.operations == 2 * 8 * 16 * 32 + 2 * 8 * 16
    assert site.bytes == 4 * (8 * 32 + 32 * 16 + 8 * 16)
    assert site.kernel.startswith("matmul_8x16x32")


def test_what_open_extents_cost_is_not_known() -> None:
    text = _PRODUCT.replace("tensor<8x", "tensor<?x")
    text = text.replace("tensor.empty()", "tensor.empty(%n)").replace(
        "  %zero =",
        "  %i = arith.constant 0 : index\n  %n = tensor.dim %a, %i : tensor<?x32xf32>\n  %zero =",
    )
    sites = _sites(text)
    assert sites and all((s.operations, s.bytes) == (None, None) for s in sites)


def test_the_program_is_the_same_as_without_looking() -> None:
    given = [*flags(_TARGET), *attempts(is_static=True)[-2]]
    seen: list[Any] = []
    looked_at = generate(_PRODUCT.encode(), given, None, lambda module: seen.append(str(module)))
    assert looked_at == generate(_PRODUCT.encode(), given)
    assert "stream.cmd.dispatch" in seen[0]


def test_sites_of_one_kernel_have_nodes_of_their_own() -> None:
    kernel = candidates(8, 64, 64, X86_64_V3)[0]
    name = name_of(kernel)
    panels = "x".join(map(str, kernel.packed_shape))
    types = f"(tensor<8x64xf32>, tensor<{panels}xf32>) -> tensor<8x64xf32>"
    text = f"""
    func.func private @{name}{types}
    func.func @main(%x: tensor<8x64xf32>, %w: tensor<{panels}xf32>) -> tensor<8x64xf32> {{
      %0 = func.call @{name}(%x, %w) : {types} loc(fused["one", "bias"])
      %1 = func.call @{name}(%0, %w) : {types} loc("two")
      return %1 : tensor<8x64xf32>
    }}
    """
    made = generate_program(text.encode(), _TARGET, {name: kernel}, is_static=True)
    assert [s.nodes for s in made.sites] == [("one", "bias"), ("two",)]
    assert {s.executable for s in made.sites} == {name}
    assert {(s.kind, s.kernel) for s in made.sites} == {("gemm", kernel.describe())}
    assert {s.operations for s in made.sites} == {2 * 8 * 64 * 64}
    (size,) = {s.bytes for s in made.sites}
    assert size is not None and size >= 4 * (8 * 64 + 64 * 64 + 8 * 64)


def test_labels_are_those_of_the_first_node_that_has_some() -> None:
    sites = [
        Site("a", "iree", "a", ("cast", "product")),
        Site("g", "gemm", "g", ("product",)),
        Site("b", "iree", "b", ()),
    ]
    made = labelled(sites, {"product": ("mlp", "mlp.up")}, {"product": "no weight"})
    assert [(s.component, s.role, s.declined) for s in made] == [
        ("mlp", "mlp.up", "no weight"),
        ("mlp", "mlp.up", ""),  # a kernel serves it after all
        ("", "", ""),
    ]
    assert [Site.from_json(s.to_json()) for s in made] == list(made)
