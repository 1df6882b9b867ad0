"""noema: a compiler for neural networks that understands what each part of a network is for.

```python
import noema

program = noema.compile("model.onnx")
outputs = program(x=array)  # dict of numpy arrays, by the model's output names
program.save("model.noema")
program = noema.load("model.noema")
profile = noema.analyze("model.onnx")  # what its parts are for, and what they cost here
```

Names are resolved on first use: importing the package loads nothing, and loading or running an
artifact imports neither a compile stage nor onnx, torch-mlir or the IREE compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noema.api import analyze as analyze
    from noema.api import compile as compile
    from noema.errors import NoemaError as NoemaError
    from noema.runtime.session import Program as Program
    from noema.runtime.session import load as load
    from noema.workload import WorkloadProfile as WorkloadProfile

_HOMES = {
    "NoemaError": "noema.errors",
    "Program": "noema.runtime.session",
    "WorkloadProfile": "noema.workload",
    "analyze": "noema.api",
    "compile": "noema.api",
    "load": "noema.runtime.session",
}

__all__ = ["NoemaError", "Program", "WorkloadProfile", "analyze", "compile", "load"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
