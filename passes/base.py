"""What a pass is.

A pass is a frozen dataclass whose fields are its options:

```python
@dataclass(frozen=True)
class FoldConstants(Pass):
    \"\"\"Replaces ops that have only constant operands by their value.

    ```mlir
    %0 = "sem.elementwise"(%two, %three) {kind = "mul", …}
    ```
    -->
    ```mlir
    %0 = "sem.constant"() {value = dense<6.0> : tensor<f32>} : () -> tensor<f32>
    ```

Attributes:
        max_bytes: Largest value that is kept as a constant, in bytes.
    \"\"\"

    name = "fold-constants"
    max_bytes: int = 65536

    def run(self, module: ir.Module, context: PassContext) -> bool: ...
```

`passes/registry.py` makes it reachable by name, `passes/driver.py` runs it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from noema.parameters import ParameterStore

if TYPE_CHECKING:  # `noema opt --list` and option parsing work without loading MLIR
    from torch_mlir import ir


@dataclass(frozen=True)
class PassContext:
    """What passes may use besides the module.

    Attributes:
        parameters: The weights that `sem.param` ops name. A pass may add entries; it never
            changes one.
        scopes: Name of an ONNX node → path of the module that it was exported from, of the nodes
            whose exporter told.
        inputs: Names of the model's inputs, in order; may be empty.
    """

    parameters: ParameterStore = field(default_factory=ParameterStore)
    scopes: Mapping[str, str] = field(default_factory=dict[str, str])
    inputs: tuple[str, ...] = ()


@dataclass
class Tally:
    """What became of one pattern in a pass.

    Attributes:
        tried: How often a possible root was looked at.
        found: How often it matched.
        seconds: What looking and rewriting took.
        declined: Node name → reason, of the near misses.
    """

    tried: int = 0
    found: int = 0
    seconds: float = 0.0
    declined: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class PassResult:
    """What a pass did.

    Attributes:
        modified: Whether the module differs from before.
        statistics: Counts worth reporting, e.g. `{"matmul": 12}`.
        patterns: Pattern name → what became of it, of a pass that applies patterns.
    """

    modified: bool
    statistics: Mapping[str, int] = field(default_factory=dict[str, int])
    patterns: Mapping[str, Tally] = field(default_factory=dict[str, Tally])


class Pass(ABC):
    """A rewrite of a whole module. Subclasses are frozen dataclasses.

    Requires a module that verifies; leaves one that verifies and in which every op of a function
    body still leads to its ONNX nodes (`noema.dialects.provenance`). The driver checks both.

    The docstring's first sentence says what the pass does; it holds a `before --> after` example
    in MLIR, and an `Attributes:` section with a line per option.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, module: ir.Module, context: PassContext) -> bool | PassResult:
        """Rewrites `module` in place and says whether that changed anything.

        Raises:
            NoemaError: The module holds something that this pass must refuse.
        """
