# The native module behind torch_mlir.ir comes without stubs, so that a checker sees it as empty.
# This says the truth: it has members, of unknown types.
from typing import Any

def __getattr__(name: str) -> Any: ...
