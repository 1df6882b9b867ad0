"""Which function lowers what: the one table of this stage.

`SEM` serves the named ops of the dialect, `ONNX` those operators of the default domain that stay
`sem.onnx` and that we lower ourselves; everything else goes to torch-mlir (longtail.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from noema.lowering.activation import lower_activation
from noema.lowering.conv import lower_conv
from noema.lowering.elementwise import lower_elementwise
from noema.lowering.matmul import lower_matmul
from noema.lowering.node import Lowering
from noema.lowering.normalization import lower_norm, lower_softmax

SEM: Mapping[str, Lowering] = {
    "sem.activation": lower_activation,
    "sem.conv": lower_conv,
    "sem.elementwise": lower_elementwise,
    "sem.matmul": lower_matmul,
    "sem.norm": lower_norm,
    "sem.softmax": lower_softmax,
}

ONNX: Mapping[str, Lowering] = {}
