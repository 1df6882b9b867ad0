"""Plain IREE, as its guide for ONNX says: `iree-import-onnx`, `iree-compile`, run on local-task.

https://iree.dev/guides/ml-frameworks/onnx and …/deployment-configurations/cpu. No other flags than
theirs, so that what noema adds can be seen.
"""

from __future__ import annotations

import importlib
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from noema.bench.contenders.contender import Arrays, Setup

_OLDEST_OPSET = 17
"""The guide has older models upgraded to this; newer ones are taken as they are."""

_COMPILE_FLAGS = (
    "--iree-hal-target-device=local",
    "--iree-hal-local-target-device-backends=llvm-cpu",
    "--iree-llvmcpu-target-cpu=host",
)
_TAIL_CHARACTERS = 2000


class StockIree:
    """IREE without noema."""

    def __init__(self, variant: str) -> None:
        del variant  # there is one
        self.requests = 1  # the guide knows no other way
        self._function: Callable[..., Any] | None = None
        self._inputs: list[str] = []
        self._outputs: tuple[str, ...] = ()

    def load(self, setup: Setup) -> dict[str, str]:
        import iree.runtime as rt
        import onnx

        importlib.import_module("iree.compiler")  # its tools come with it
        graph = onnx.load(str(setup.model), load_external_data=False)
        weights = {t.name for t in graph.graph.initializer}
        self._inputs = [v.name for v in graph.graph.input if v.name not in weights]
        self._outputs = setup.outputs
        versions = [o.version for o in graph.opset_import if o.domain in ("", "ai.onnx")]
        opset = max(versions, default=_OLDEST_OPSET)
        del graph

        mlir, vmfb = setup.folder / "model.mlir", setup.folder / "model.vmfb"
        upgrade = ["--opset-version", str(_OLDEST_OPSET)] if opset < _OLDEST_OPSET else []
        _tool("iree-import-onnx", [str(setup.model), *upgrade, "-o", str(mlir)])
        _tool("iree-compile", [str(mlir), *_COMPILE_FLAGS, "-o", str(vmfb)])
        mlir.unlink()

        threads = f"--task_topology_group_count={setup.threads}"
        rt.flags.parse_flags(threads)  # before the first device of the process is made
        config = rt.Config("local-task")
        module = rt.VmModule.mmap(config.vm_instance, str(vmfb))
        context = rt.SystemContext(config=config)
        context.add_vm_module(module)
        entry = next(n for n in module.function_names if not n.startswith("__") and "$" not in n)
        self._function = context.modules[module.name][entry]
        return {
            "import": " ".join(["iree-import-onnx", *upgrade]),
            "compile": " ".join(["iree-compile", *_COMPILE_FLAGS]),
            "run": f"local-task {threads}",
        }

    def call(self, inputs: Arrays) -> Arrays:
        assert self._function is not None
        result = self._function(*(inputs[name] for name in self._inputs))
        values = result if isinstance(result, tuple | list) else (result,)
        return dict(zip(self._outputs, (v.to_host() for v in values), strict=True))


def _tool(name: str, arguments: Sequence[str]) -> None:
    """Runs one of IREE's tools; RuntimeError with the end of what it said if it fails."""
    program = Path(sysconfig.get_path("scripts"), name)
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        errors = [line for line in said.splitlines() if "error" in line.lower()]
        text = errors[0] if errors else said[-_TAIL_CHARACTERS:]
        raise RuntimeError(f"{name} ended with status {done.returncode}: {text}")
