"""Which generated kernels a program would call on this machine: a compile up to that decision.

Of a module that has been analysed, this runs what `noema compile` runs after `classify`, and the
lowering up to the choice of kernels. No weight is packed and no code is generated.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from noema.errors import UnsupportedModel
from noema.lowering.lower import plan
from noema.options import Precision, Target
from noema.parameters import ParameterStore
from noema.passes.base import PassContext
from noema.passes.driver import run_pipeline
from noema.passes.pipeline_spec import Pipeline
from noema.passes.registry import compile_pipeline, default_pipeline
from noema.runtime.device import default_threads
from noema.vector_unit import kernel_isa
from noema.workload import Component, KernelPlan, KernelUse, WithoutKernel


def plan_kernels(
    module: ir.Module,
    context: PassContext,
    parameters: ParameterStore,
    components: Sequence[Component],
    precision: Precision,
) -> KernelPlan:
    """Decides on kernels for the processor that this runs on.

    Args:
        module: What the default pipeline left but for its last pass, `classify`; it is consumed.
        context: What passes may know of the model.
        parameters: The weights; passes add some of their own.
        components: Of the analysis: whose nodes these are.
        precision: Number format of products.
    """
    threads = default_threads()
    isa = kernel_isa(Target("cpu", "host"))
    if isa is None:
        return KernelPlan(precision.value, threads, (), (), "no kernels for this processor")
    items = compile_pipeline("cpu", precision.value).items
    run_pipeline(
        module, Pipeline(items[len(default_pipeline().items) - 1 :]), context, verify=False
    )
    try:
        found = plan(module, parameters, isa, threads)
    except UnsupportedModel as error:
        return KernelPlan(precision.value, threads, (), (), str(error))
    where = {node: c.name for c in components for node in c.nodes}

    def component_of(nodes: Sequence[str]) -> str:
        return next((where[node] for node in nodes if node in where), "")

    uses = [
        KernelUse(
            component_of(nodes), found.kernels[name].kind, found.kernels[name].describe(), nodes
        )
        for nodes, names in found.served
        for name in names
    ]
    reasons: dict[tuple[str, str], list[str]] = {}
    for node, reason in found.declined.items():
        reasons.setdefault((component_of([node]), reason), []).append(node)
    declined = [WithoutKernel(c, why, tuple(nodes)) for (c, why), nodes in reasons.items()]
    return KernelPlan(precision.value, threads, tuple(uses), tuple(declined))
