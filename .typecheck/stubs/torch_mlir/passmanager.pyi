# See ir.pyi: the native module has no stubs.
from typing import Any

def __getattr__(name: str) -> Any: ...
